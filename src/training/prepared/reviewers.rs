//! Reviewers whose decisions are contradicted more often than those of others about emails of the
//! same kind.

use std::collections::{BTreeSet, HashSet};

use pg_triage_classifier::{
    ComparedDecision, LabelErrorFinder, Learner, StandsOut, State, margin_against, stands_out,
};

use crate::error::{SqlResult, from_classifier};
use crate::pg::check_for_interrupts;
use crate::store::comparison::ReviewerDecision;
use crate::store::model::InconsistentReviewer;

/// Other names of a reviewer that are listed.
const NAMES: usize = 5;

/// Whose decisions since the champion was trained are contradicted far more often than those of
/// others about emails of the same kind: somebody who guesses, or does harm. `confirmed` are
/// decisions by which somebody has looked at a label once more, and left it.
pub fn inconsistent(
    learned: &mut State,
    recent: &[ReviewerDecision],
    confirmed: &HashSet<i64>,
) -> SqlResult<Option<InconsistentReviewer>> {
    let poll = &check_for_interrupts;
    let mut same_time = State::default();
    for reviewed in recent {
        check_for_interrupts();
        let decision = &reviewed.decision;
        same_time
            .learn(&decision.features, &decision.label)
            .map_err(from_classifier)?;
    }
    let all = LabelErrorFinder::new(learned, poll).map_err(from_classifier)?;
    let same_time = LabelErrorFinder::new(&mut same_time, poll).map_err(from_classifier)?;
    let (Some(all), Some(same_time)) = (all, same_time) else {
        return Ok(None);
    };
    let mut compared = Vec::with_capacity(recent.len());
    for reviewed in recent {
        check_for_interrupts();
        let decision = &reviewed.decision;
        let margin = match confirmed.contains(&decision.decision_id) {
            true => 0.0,
            false => margin_against([&all, &same_time], &decision.features, &decision.label)
                .map_err(from_classifier)?,
        };
        compared.push(ComparedDecision {
            by: [&reviewed.actor, &reviewed.role],
            predicted: reviewed.predicted.as_deref(),
            confidence: reviewed.confidence,
            decided: &decision.label,
            day: reviewed.day,
            margin,
        });
    }
    let found = stands_out(&compared, poll);
    Ok(found.map(|found| InconsistentReviewer {
        known_as: known_as(&found.by, recent),
        evidence: in_words(&found),
        name: found.by,
    }))
}

/// What is known, with figures.
fn in_words(found: &StandsOut) -> String {
    format!(
        "of the decisions of one reviewer all others contradict {} of {} ({:.1} were to be expected), and {} of {} of \
         anybody else's about emails of the same kind: same prediction, confidence and days",
        found.contradicted,
        found.decisions,
        found.expected,
        found.others_contradicted,
        found.others
    )
}

/// A name with the roles that used it, or a role with the names that it used.
fn known_as(name: &str, recent: &[ReviewerDecision]) -> String {
    let also = |of: &ReviewerDecision| match of {
        of if of.actor == name && of.role != name => Some(of.role.clone()),
        of if of.role == name && of.actor != name => Some(of.actor.clone()),
        _ => None,
    };
    let also: BTreeSet<String> = recent.iter().filter_map(also).collect();
    let also: Vec<_> = also.into_iter().take(NAMES).collect();
    match also.as_slice() {
        [] => name.to_owned(),
        also => format!("{name} (also {})", also.join(", ")),
    }
}
