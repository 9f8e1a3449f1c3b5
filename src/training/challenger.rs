//! Training by maintenance: a challenger is activated only if it is not worse than the
//! champion on the same decided emails, which neither has learned.
//!
//! Training takes seconds, and a transaction holds vacuum back. So what it needs is read in
//! one transaction, and what came out is written in another.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pg_triage_classifier::gate::{self, Comparison, Contradicted, Refusal};
use pg_triage_classifier::{Features, Fit, Model, State, Trainer, fold_label};
use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, from_core, report};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::store::base::Base;
use crate::store::maintenance::Reviewed;
use crate::store::{self, Verdict, Writer};
use crate::training::retrain::Trained;
use crate::types::open_model;

/// Decisions whose reviewers are looked at, since the champion was trained and before.
const NEW_DECISIONS: i64 = 4000;
const OLD_DECISIONS: i64 = 1000;

/// Other names of a reviewer that are listed.
const NAMES: usize = 5;

/// Log-odds against a label from which on it counts as contradicted: three to one. Wrong
/// decisions about alike emails support each other, so it must not be much.
const CONTRADICTED: f64 = 1.1;

/// What is read to make a new version.
struct Reading {
    classifier: String,
    /// The active version, 0 for decisions alone.
    champion: i32,
    last_decision: i64,
    erasures: Option<i64>,
    /// All that was learned, but for the emails to judge with.
    base: Base,
    /// Counts that are not the decisions', where there are any.
    outside: Option<State>,
    /// Decided emails and their labels, which nothing has learned.
    judges: Vec<(Features, String)>,
}

/// A version in the making.
pub enum Making {
    /// Of new counts.
    Training(Box<Training>),
    /// Of the active version, with another calibration.
    Calibrating(Box<Calibrating>),
}

/// A version that is being trained.
pub struct Training {
    reading: Reading,
    reason: String,
    /// Decisions with their reviewers, and whether they are newer than the champion.
    latest: Vec<(bool, Reviewed)>,
    made: Option<(Trained, Verdict, String)>,
}

/// A version that is being calibrated.
pub struct Calibrating {
    reading: Reading,
    fit: Option<Fit>,
}

impl Making {
    /// Reads what training needs. Nothing stays locked: decisions go on.
    pub fn training(classifier: &str, reason: &str) -> SqlResult<Self> {
        store::under_snapshot(|w| {
            let learned = w.last_learned(classifier)?;
            let judges = w.judges(classifier, learned)?;
            let reading = Reading::new(w, classifier, &judges)?;
            if reading.base.labels() < 2 {
                return Err(report(
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "classifier \"{classifier}\" knows emails of one label only: decide about some of another one"
                    ),
                ));
            }
            let judges: HashSet<i64> = judges.into_iter().collect();
            let mut latest = Vec::new();
            for (is_new, range, most) in [
                (true, (learned, reading.last_decision), NEW_DECISIONS),
                (false, (0, learned), OLD_DECISIONS),
            ] {
                let reviewed = w.by_reviewer(classifier, range, most)?.into_iter();
                let learned = reviewed.filter(|r| !judges.contains(&r.decision.decision_id));
                latest.extend(learned.map(|reviewed| (is_new, reviewed)));
            }
            Ok(Self::Training(Box::new(Training {
                reading,
                reason: reason.to_owned(),
                latest,
                made: None,
            })))
        })
    }

    /// Reads what calibration needs: the audit sample since the active version was trained. Or
    /// says that there is too little of it.
    pub fn calibrating(classifier: &str) -> SqlResult<Result<Self, String>> {
        store::under_snapshot(|w| {
            let learned = w.last_learned(classifier)?;
            let audited = w.audited(classifier, learned)?;
            if audited.len() < gate::EMAILS_TO_CALIBRATE {
                return Ok(Err(format!(
                    "as it is: {} emails of the audit sample are answered since it was trained, {} are needed",
                    audited.len(),
                    gate::EMAILS_TO_CALIBRATE
                )));
            }
            let reading = Reading::new(w, classifier, &audited)?;
            Ok(Ok(Self::Calibrating(Box::new(Calibrating {
                reading,
                fit: None,
            }))))
        })
    }

    /// Makes the version. Needs no transaction.
    pub fn make(&mut self) -> SqlResult<()> {
        match self {
            Self::Training(training) => training.make(),
            Self::Calibrating(calibrating) => {
                let reading = &mut calibrating.reading;
                let model = open_model(&reading.base.packed()?)?;
                calibrating.fit =
                    gate::recalibrated(&model, &reading.judges, &check_for_interrupts)
                        .map_err(from_core)?;
                Ok(())
            }
        }
    }

    /// Stores it, and activates it if it may take the champion's place; says what happened.
    pub fn settle(self) -> SqlResult<String> {
        store::write(c"triage.maintain()", |w| match self {
            Self::Training(training) => training.settle(w),
            Self::Calibrating(calibrating) => calibrating.settle(w),
        })
    }
}

impl Reading {
    /// Reads all counts, and takes these decisions out of them.
    fn new(w: &mut Writer, classifier: &str, judges: &[i64]) -> SqlResult<Self> {
        w.check_classifier(classifier)?;
        let champion = w.active_version(classifier)?.unwrap_or(0);
        let last_decision = w.last_decision()?;
        let erasures = w.erasures(classifier)?;
        let mut base = w.read_base(classifier)?;
        w.add_pending(classifier, &mut base)?;
        w.complete_sample(classifier, base.learned(), true)?;
        let outside = w.outside_counts(classifier, &base)?;
        let taught = w.taught(judges, base.steps_of())?;
        for taught in &taught {
            check_for_interrupts();
            base.leave_out(taught)?;
        }
        let judges = taught.into_iter().map(|t| (t.features, t.label));
        Ok(Self {
            classifier: classifier.to_owned(),
            champion,
            last_decision,
            erasures,
            base,
            outside,
            judges: judges.collect(),
        })
    }

    /// Locks the classifier; false if another version has become active since, or something
    /// that was read has been erased.
    fn is_current(&self, w: &mut Writer) -> SqlResult<bool> {
        w.lock_classifier(&self.classifier)?;
        Ok(
            w.active_version(&self.classifier)?.unwrap_or(0) == self.champion
                && w.erasures(&self.classifier)? == self.erasures,
        )
    }

    /// Activates a version. Folds first: its residuals are about labels that the base has
    /// emails of.
    fn activate(&self, w: &mut Writer, version: i32, why: &str) -> SqlResult<String> {
        w.lock_base(&self.classifier)?;
        compaction::compact_pending(w, &self.classifier)?;
        w.activate(&self.classifier, version, Some(why))?;
        w.rebase(&self.classifier)?;
        Ok(format!("version {version} activated: {why}"))
    }
}

const SUPERSEDED: &str = "dropped: another version was activated, or something erased meanwhile";

impl Training {
    fn make(&mut self) -> SqlResult<()> {
        let Reading {
            classifier,
            base,
            outside,
            judges,
            ..
        } = &mut self.reading;
        let champion = open_model(&base.packed()?)?;
        let mut trained = Trained::on(classifier, base, outside.take())?;
        let mut comparison = Comparison::default();
        for (features, label) in judges.iter() {
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
        let (reviewer, refused) = match self.inconsistent_reviewer()? {
            Some((name, known_as, why)) => (Some((name, known_as)), Some(why)),
            None => (None, comparison.refusal().map(|refusal| worded(&refusal))),
        };
        trained.teach(&self.reading.judges)?;
        let compared = comparison.all;
        let summary = format!(
            "{}; {} of {} decided emails right, {} before",
            self.reason, compared.challenger, compared.emails, compared.champion
        );
        let verdict = Verdict {
            last_decision: self.reading.last_decision,
            champion: self.reading.champion,
            compared,
            refused,
            reviewer,
        };
        self.made = Some((trained, verdict, summary));
        Ok(())
    }

    /// Whose decisions since the champion was trained all others contradict far more often
    /// than anybody else's: somebody who guesses, or does harm. When the words of the mails
    /// change, or labels overlap, it happens to all.
    fn inconsistent_reviewer(&mut self) -> SqlResult<Option<(String, String, String)>> {
        let learned = self.reading.base.learned();
        let auditor = Trainer::auditor(learned, &check_for_interrupts).map_err(from_core)?;
        let Some(auditor) = auditor else {
            return Ok(None);
        };
        let mut all = Contradicted::default();
        // By name, and by role: names are what people say.
        let mut by: BTreeMap<&str, Contradicted> = BTreeMap::new();
        for (is_new, reviewed) in &self.latest {
            check_for_interrupts();
            let decision = &reviewed.decision;
            let found = auditor
                .contradiction(&decision.features, &decision.label)
                .map_err(from_core)?;
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
            let also = |(is_new, r): &(bool, Reviewed)| match is_new {
                true if r.actor == name && r.role != name => Some(r.role.clone()),
                true if r.role == name && r.actor != name => Some(r.actor.clone()),
                _ => None,
            };
            let also: BTreeSet<String> = self.latest.iter().filter_map(also).collect();
            let also: Vec<_> = also.into_iter().take(NAMES).collect();
            let reviewer = match also.as_slice() {
                [] => name.to_owned(),
                also => format!("{name} (also {})", also.join(", ")),
            };
            let why = format!(
                "of the decisions of one reviewer all others contradict {} of {}, and {} of the {} of anybody else",
                of.contradicted, of.decisions, others.contradicted, others.decisions
            );
            (name.to_owned(), reviewer, why)
        }))
    }

    fn settle(self, w: &mut Writer) -> SqlResult<String> {
        let Some((mut trained, verdict, summary)) = self.made else {
            return Ok("nothing was trained".to_owned());
        };
        if !self.reading.is_current(w)? {
            return Ok(SUPERSEDED.to_owned());
        }
        let refused = verdict.refused.clone();
        let note = format!("trained by maintenance: {}", self.reason);
        let classifier = &self.reading.classifier;
        let version = trained.store(w, classifier, Some(&note), Some(verdict))?;
        match refused {
            Some(refused) => Ok(format!("version {version} refused: {refused}")),
            None => self.reading.activate(w, version, &summary),
        }
    }
}

impl Calibrating {
    /// No label changes, only how sure the answers are.
    fn settle(self, w: &mut Writer) -> SqlResult<String> {
        let emails = self.reading.judges.len();
        let Some(fit) = self.fit else {
            return Ok(format!(
                "as it is: {emails} audited emails suggest nothing clearly better"
            ));
        };
        if !self.reading.is_current(w)? {
            return Ok(SUPERSEDED.to_owned());
        }
        let (classifier, champion) = (&self.reading.classifier, self.reading.champion);
        let version = w.store_refitted(classifier, champion, &fit)?;
        let why = format!("calibrated on {emails} audited emails");
        self.reading.activate(w, version, &why)
    }
}

fn worded(refusal: &Refusal) -> String {
    match refusal {
        Refusal::TooFew(of) => format!("only {} decided emails to compare with", of.emails),
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
