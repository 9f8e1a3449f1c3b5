//! Training by maintenance: a challenger is activated only if it is not worse than the
//! champion on the same decided emails, which neither has learned.
//!
//! Training takes seconds, and a transaction holds vacuum back. So what it needs is read in
//! one transaction, and what came out is written in another.

use std::collections::BTreeMap;

use pg_triage_core::gate::{self, Comparison, Contradicted, Refusal};
use pg_triage_core::{Features, Fit, Model, State, Trainer, fold_label};

use pgrx::PgSqlErrorCode as Code;

use crate::catalog::base::Base;
use crate::catalog::ledger::InForce;
use crate::catalog::{self, Verdict, Writer};
use crate::decide;
use crate::error::{SqlResult, from_core, report};
use crate::pg::check_for_interrupts;
use crate::retrain::{Trained, open};

/// Decisions whose reviewers are looked at, since the champion was trained and before.
const NEW_DECISIONS: i64 = 2000;
const OLD_DECISIONS: i64 = 1000;

/// Log-odds against a label from which on it counts as contradicted: three to one. Wrong
/// decisions about alike emails support each other, so it must not be much.
const CONTRADICTED: f64 = 1.1;

/// What is read to make a new version.
struct Reading {
    classifier: String,
    /// The active version, 0 for decisions alone.
    champion: i32,
    last_decision: i64,
    /// All that was learned, but for the emails to judge with.
    base: Base,
    /// Counts that are not the decisions', where there are any.
    outside: Option<State>,
    /// Decided emails and their labels, which nothing has learned.
    judges: Vec<(Features, String)>,
}

/// A version in the making.
pub enum Making {
    /// What training needs, with the latest decisions: whether each is newer than the
    /// champion, who made it, and what it said.
    Training(Box<Training>),
    /// What calibration needs.
    Calibrating(Box<Calibrating>),
}

/// See [`Making::Training`].
pub struct Training {
    reading: Reading,
    reason: String,
    latest: Vec<(bool, String, InForce)>,
    made: Option<(Trained, Verdict, String)>,
}

/// See [`Making::Calibrating`].
pub struct Calibrating {
    reading: Reading,
    fit: Option<Fit>,
}

impl Making {
    /// Reads what training needs. Nothing stays locked: decisions go on.
    pub fn training(classifier: &str, reason: &str) -> SqlResult<Self> {
        catalog::under_snapshot(|w| {
            let learned = w.last_learned(classifier)?;
            let judges = w.judges(classifier, learned)?;
            let mut reading = Reading::new(w, classifier, &judges)?;
            if reading
                .base
                .all()
                .labels()
                .iter()
                .filter(|l| l.documents > 0)
                .count()
                < 2
            {
                return Err(report(
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "classifier \"{classifier}\" knows emails of one label only: decide about some of another one"
                    ),
                ));
            }
            let mut latest = Vec::new();
            for (is_new, range, most) in [
                (true, (learned, reading.last_decision), NEW_DECISIONS),
                (false, (0, learned), OLD_DECISIONS),
            ] {
                for (actor, decision) in w.latest_by_actor(classifier, range, most)? {
                    if !judges.contains(&decision.decision_id) {
                        latest.push((is_new, actor, decision));
                    }
                }
            }
            Ok(Self::Training(Box::new(Training {
                reading,
                reason: reason.to_owned(),
                latest,
                made: None,
            })))
        })
    }

    /// Reads what calibration needs: the audit sample since the active version was trained.
    pub fn calibrating(classifier: &str) -> SqlResult<Self> {
        catalog::under_snapshot(|w| {
            let learned = w.last_learned(classifier)?;
            let audited = w.audited(classifier, learned)?;
            let reading = Reading::new(w, classifier, &audited)?;
            Ok(Self::Calibrating(Box::new(Calibrating {
                reading,
                fit: None,
            })))
        })
    }

    /// Makes the version. Needs no transaction.
    pub fn make(&mut self) -> SqlResult<()> {
        match self {
            Self::Training(training) => training.make(),
            Self::Calibrating(calibrating) => {
                let reading = &mut calibrating.reading;
                let model = open(&reading.base.packed()?)?;
                calibrating.fit =
                    gate::recalibrated(&model, &reading.judges, &check_for_interrupts)
                        .map_err(from_core)?;
                Ok(())
            }
        }
    }

    /// Stores it, and activates it if it may take the champion's place; says what happened.
    pub fn settle(self) -> SqlResult<String> {
        catalog::write(c"triage.maintain()", |w| match self {
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
            base,
            outside,
            judges: judges.collect(),
        })
    }

    /// Locks the classifier; false if another version has become active since.
    fn is_current(&self, w: &mut Writer) -> SqlResult<bool> {
        w.lock_classifier(&self.classifier)?;
        Ok(w.active_version(&self.classifier)?.unwrap_or(0) == self.champion)
    }

    /// Activates a version. Folds first: its residuals are about labels that the base has
    /// emails of.
    fn activate(&self, w: &mut Writer, version: i32, why: &str) -> SqlResult<String> {
        w.lock_base(&self.classifier)?;
        decide::fold(w, &self.classifier)?;
        w.activate(&self.classifier, version, Some(why))?;
        w.rebase(&self.classifier)?;
        Ok(format!("version {version} activated: {why}"))
    }
}

const SUPERSEDED: &str = "dropped: another version was activated meanwhile";

impl Training {
    fn make(&mut self) -> SqlResult<()> {
        let Reading {
            classifier,
            base,
            outside,
            judges,
            ..
        } = &mut self.reading;
        let champion = open(&base.packed()?)?;
        let trained = Trained::on(classifier, base, outside.take())?;
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
        let refused = match self.inconsistent_reviewer()? {
            Some(reviewer) => Some(reviewer),
            None => comparison.refusal().map(|refusal| worded(&refusal)),
        };
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
        };
        self.made = Some((trained, verdict, summary));
        Ok(())
    }

    /// Whose decisions since the champion was trained all others contradict far more often
    /// than anybody else's: somebody who guesses, or does harm. When the words of the mails
    /// change, or labels overlap, it happens to all.
    fn inconsistent_reviewer(&mut self) -> SqlResult<Option<String>> {
        let learned = self.reading.base.learned();
        let auditor = Trainer::auditor(learned, &check_for_interrupts).map_err(from_core)?;
        let Some(auditor) = auditor else {
            return Ok(None);
        };
        let mut all = Contradicted::default();
        let mut by_actor: BTreeMap<&str, Contradicted> = BTreeMap::new();
        for (is_new, actor, decision) in &self.latest {
            check_for_interrupts();
            let found = auditor
                .contradiction(&decision.features, &decision.label)
                .map_err(from_core)?;
            let contradicted = found.is_some_and(|found| found.margin >= CONTRADICTED);
            all.add(contradicted);
            if *is_new {
                by_actor.entry(actor).or_default().add(contradicted);
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

    fn settle(self, w: &mut Writer) -> SqlResult<String> {
        let Some((trained, verdict, summary)) = self.made else {
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
