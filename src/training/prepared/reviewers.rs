//! Reviewers whose decisions all others contradict.

use std::collections::{BTreeMap, BTreeSet};

use pg_triage_classifier::ContradictionCount;
use pg_triage_classifier::{LabelErrorFinder, State};

use crate::error::{SqlResult, from_classifier};
use crate::pg::check_for_interrupts;
use crate::store::comparison::ReviewerDecision;
use crate::store::model::InconsistentReviewer;

/// Other names of a reviewer that are listed.
const NAMES: usize = 5;

/// Log-odds against a label from which on it counts as contradicted: three to one. Wrong
/// decisions about alike emails support each other, so it must not be much.
const CONTRADICTED: f64 = 1.1;

/// A decision whose reviewer is looked at.
pub struct RecentDecision {
    pub reviewed: ReviewerDecision,
    /// Whether it is newer than the champion.
    pub is_new: bool,
}

/// Whose decisions since the champion was trained all others contradict far more often than
/// anybody else's, and why in words with figures: somebody who guesses, or does harm. When the
/// words of the mails change, or labels overlap, it happens to all.
pub fn inconsistent(
    learned: &mut State,
    recent: &[RecentDecision],
) -> SqlResult<Option<(InconsistentReviewer, String)>> {
    let finder = LabelErrorFinder::new(learned, &check_for_interrupts).map_err(from_classifier)?;
    let Some(finder) = finder else {
        return Ok(None);
    };
    let mut all = ContradictionCount::default();
    // By name, and by role: names are what people say.
    let mut by: BTreeMap<&str, ContradictionCount> = BTreeMap::new();
    for RecentDecision { reviewed, is_new } in recent {
        check_for_interrupts();
        let decision = &reviewed.decision;
        let found = finder
            .check(&decision.features, &decision.label)
            .map_err(from_classifier)?;
        let contradicted = found.is_some_and(|found| found.margin >= CONTRADICTED);
        all.add(contradicted);
        if *is_new {
            by.entry(&reviewed.actor).or_default().add(contradicted);
            if reviewed.role != reviewed.actor {
                by.entry(&reviewed.role).or_default().add(contradicted);
            }
        }
    }
    let worst = by
        .into_iter()
        .filter(|(_, of)| of.stands_out_from(&all.without(of)))
        .max_by(|(_, a), (_, b)| a.share().total_cmp(&b.share()));
    Ok(worst.map(|(name, of)| {
        let others = all.without(&of);
        let why = format!(
            "of the decisions of one reviewer all others contradict {} of {}, and {} of the {} of anybody else",
            of.contradicted, of.decisions, others.contradicted, others.decisions
        );
        let reviewer = InconsistentReviewer {
            name: name.to_owned(),
            known_as: known_as(name, recent),
        };
        (reviewer, why)
    }))
}

/// A name with the roles that used it, or a role with the names that it used.
fn known_as(name: &str, recent: &[RecentDecision]) -> String {
    let also = |decision: &RecentDecision| match &decision.reviewed {
        _ if !decision.is_new => None,
        r if r.actor == name && r.role != name => Some(r.role.clone()),
        r if r.role == name && r.actor != name => Some(r.actor.clone()),
        _ => None,
    };
    let also: BTreeSet<String> = recent.iter().filter_map(also).collect();
    let also: Vec<_> = also.into_iter().take(NAMES).collect();
    match also.as_slice() {
        [] => name.to_owned(),
        also => format!("{name} (also {})", also.join(", ")),
    }
}
