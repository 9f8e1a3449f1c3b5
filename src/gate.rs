//! Training by maintenance: a challenger is activated only if it is not worse than the
//! champion on the same decided emails, which neither has learned.

use std::collections::{BTreeMap, HashSet};

use pg_triage_core::gate::{self, Comparison, Contradicted, Refusal};
use pg_triage_core::{Features, Model, Trainer, fold_label};

use crate::catalog::base::Base;
use crate::catalog::{self, Verdict, Writer};
use crate::decide;
use crate::error::{SqlResult, from_core};
use crate::pg::check_for_interrupts;
use crate::retrain::{Trained, open};

/// Decisions whose reviewers are looked at, since the champion was trained and before.
const NEW_DECISIONS: i64 = 2000;
const OLD_DECISIONS: i64 = 1000;

/// Log-odds against a label from which on it counts as contradicted: ten to one.
const CONTRADICTED: f64 = std::f64::consts::LN_10;

/// What a training job does: read, train, compare, look at reviewers, activate.
const STAGES: i64 = 5;

/// A challenger, and what is to become of it.
struct Challenge {
    trained: Trained,
    verdict: Verdict,
    summary: String,
}

/// Trains a challenger, and activates it if it may take the champion's place; says what
/// happened. Nothing is locked while it trains: decisions go on.
pub fn train(classifier: &str, reason: &str) -> SqlResult<String> {
    let challenge = catalog::under_snapshot(|w| challenge(w, classifier))?;
    catalog::write(c"triage.maintain()", |w| {
        w.lock_classifier(classifier)?;
        let champion = w.active_version(classifier)?.unwrap_or(0);
        if champion != challenge.verdict.champion {
            return Ok(format!(
                "dropped: version {champion} was activated meanwhile"
            ));
        }
        let Challenge {
            trained,
            verdict,
            summary,
        } = challenge;
        let refused = verdict.refused.clone();
        let note = format!("trained by maintenance: {reason}");
        let version = trained.store(w, classifier, Some(&note), Some(verdict))?;
        if let Some(refused) = refused {
            return Ok(format!("version {version} refused: {refused}"));
        }
        activate(w, classifier, version, &format!("{reason}; {summary}"))?;
        Ok(format!("version {version} activated: {summary}"))
    })
}

/// Folds first: a version's residuals are about labels that the base has emails of.
fn activate(w: &mut Writer, classifier: &str, version: i32, why: &str) -> SqlResult<()> {
    w.lock_base(classifier)?;
    decide::fold(w, classifier)?;
    w.activate(classifier, version, Some(why))?;
    w.rebase(classifier)
}

fn challenge(w: &mut Writer, classifier: &str) -> SqlResult<Challenge> {
    w.progress(0, STAGES)?;
    let mut base = read(w, classifier)?;
    let champion_version = w.active_version(classifier)?.unwrap_or(0);
    let (learned, last_decision) = (w.last_learned(classifier)?, w.last_decision()?);
    let held_out = w.to_judge_with(classifier, learned)?;
    let emails = leave_out(w, &mut base, &held_out)?;
    let champion = open(&base.packed()?)?;
    w.progress(1, STAGES)?;
    let trained = Trained::on(w, classifier, &mut base)?;
    w.progress(2, STAGES)?;
    let mut comparison = Comparison::default();
    for (features, label) in &emails {
        check_for_interrupts();
        let truth = fold_label(label).map_err(from_core)?;
        let is_right = |model: &Model| -> SqlResult<bool> {
            match model.classify(features, &check_for_interrupts) {
                Some(answer) => Ok(fold_label(answer.label).map_err(from_core)? == truth),
                None => Ok(false),
            }
        };
        comparison.add(label, is_right(&champion)?, is_right(&trained.model)?);
    }
    w.progress(3, STAGES)?;
    let new = (learned, last_decision);
    let refused = match inconsistent_reviewer(w, classifier, &mut base, new, &held_out)? {
        Some(reviewer) => Some(reviewer),
        None => comparison.refusal().map(|refusal| worded(&refusal)),
    };
    w.progress(4, STAGES)?;
    let compared = comparison.all;
    Ok(Challenge {
        trained,
        summary: format!(
            "{} of {} decided emails right, {} before",
            compared.challenger, compared.emails, compared.champion
        ),
        verdict: Verdict {
            last_decision,
            champion: champion_version,
            compared,
            refused,
        },
    })
}

/// The base with all decisions.
fn read(w: &mut Writer, classifier: &str) -> SqlResult<Base> {
    w.check_classifier(classifier)?;
    let mut base = w.read_base(classifier)?;
    w.add_pending(classifier, &mut base)?;
    w.complete_sample(classifier, base.learned(), true)?;
    Ok(base)
}

/// Takes emails back that decisions have taught; returns them with their labels.
fn leave_out(
    w: &mut Writer,
    base: &mut Base,
    decisions: &[i64],
) -> SqlResult<Vec<(Features, String)>> {
    let taught = w.taught(decisions, base.steps_of())?;
    for taught in &taught {
        check_for_interrupts();
        base.leave_out(taught)?;
    }
    let emails = taught.into_iter().map(|t| (t.features, t.label));
    Ok(emails.collect())
}

/// Whose decisions since the champion was trained all others contradict far more often than
/// anybody else's: somebody who guesses, or does harm. When the words of the mails change, or
/// labels overlap, it happens to all.
fn inconsistent_reviewer(
    w: &mut Writer,
    classifier: &str,
    base: &mut Base,
    (learned, last): (i64, i64),
    left_out: &[i64],
) -> SqlResult<Option<String>> {
    let auditor = Trainer::auditor(base.learned(), &check_for_interrupts).map_err(from_core)?;
    let Some(auditor) = auditor else {
        return Ok(None);
    };
    let left_out: HashSet<i64> = left_out.iter().copied().collect();
    let mut all = Contradicted::default();
    let mut by_actor: BTreeMap<String, Contradicted> = BTreeMap::new();
    for (range, most) in [
        ((learned, last), NEW_DECISIONS),
        ((0, learned), OLD_DECISIONS),
    ] {
        for (actor, decision) in w.latest_by_actor(classifier, range, most)? {
            check_for_interrupts();
            if left_out.contains(&decision.decision_id) {
                continue;
            }
            let found = auditor
                .contradiction(&decision.features, &decision.label)
                .map_err(from_core)?;
            let contradicted = found.is_some_and(|found| found.margin >= CONTRADICTED);
            all.add(contradicted);
            if range.0 == learned {
                by_actor.entry(actor).or_default().add(contradicted);
            }
        }
    }
    let worst = by_actor
        .into_iter()
        .filter(|(_, of)| of.stands_out_from(&all.without(of)))
        .max_by(|(_, a), (_, b)| a.share().total_cmp(&b.share()));
    Ok(worst.map(|(actor, of)| {
        let others = all.without(&of);
        format!(
            "reviewer \"{actor}\": all other decisions contradict {} of {}, and {} of the {} others",
            of.contradicted, of.decisions, others.contradicted, others.decisions
        )
    }))
}

fn worded(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Worse(of) => {
            let (_, low, high) = of.difference();
            format!(
                "{} of {} decided emails right, {} before: a difference of {:.1} to {:+.1} points",
                of.challenger,
                of.emails,
                of.champion,
                100.0 * low,
                100.0 * high
            )
        }
        Refusal::LabelWorse(label, of) => format!(
            "label \"{label}\": {} of {} decided emails right, {} before",
            of.challenger, of.emails, of.champion
        ),
    }
}

/// Fits the calibration of the active version to the audit sample since it was trained; says
/// what happened. No label changes, only how sure the answers are.
pub fn calibrate(classifier: &str) -> SqlResult<String> {
    let found = catalog::under_snapshot(|w| {
        let champion = w.active_version(classifier)?.unwrap_or(0);
        let mut base = read(w, classifier)?;
        let learned = w.last_learned(classifier)?;
        let audited = w.audited(classifier, learned)?;
        let emails = leave_out(w, &mut base, &audited)?;
        let model = open(&base.packed()?)?;
        let fit = gate::recalibrated(&model, &emails, &check_for_interrupts).map_err(from_core)?;
        Ok((champion, emails.len(), fit))
    })?;
    let (champion, emails, fit) = found;
    let Some(fit) = fit else {
        return Ok(format!(
            "as it is: {emails} audited emails suggest nothing clearly better"
        ));
    };
    catalog::write(c"triage.maintain()", |w| {
        w.lock_classifier(classifier)?;
        if w.active_version(classifier)?.unwrap_or(0) != champion {
            return Ok("dropped: another version was activated meanwhile".to_owned());
        }
        let version = w.store_refitted(classifier, champion, &fit)?;
        let why = format!("calibrated on {emails} audited emails");
        activate(w, classifier, version, &why)?;
        Ok(format!(
            "version {version} activated: calibrated on {emails} audited emails"
        ))
    })
}
