//! A challenger: a version of new counts, activated only if it is not worse than the champion
//! on the same decided emails, which neither has learned.

use std::collections::HashSet;

use pg_triage_classifier::{Comparison, Refusal};
use pg_triage_classifier::{Model, casefold_label};
use pgrx::PgSqlErrorCode as Code;

use super::inputs::{Inputs, MOST_COMPARED, SUPERSEDED};
use super::reviewers::{self, RecentDecision};
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::check_for_interrupts;
use crate::store::comparison::JudgeShare;
use crate::store::model::ChampionComparison;
use crate::store::{Reader, Writer};
use crate::training::retrain::Trained;
use crate::types::open_model;

/// Decisions that judge whether the challenger is worse.
const JUDGES: JudgeShare = JudgeShare {
    one_in: 5,
    least: 20,
    most: MOST_COMPARED,
};

/// Decisions whose reviewers are looked at, since the champion was trained and before.
const NEW_DECISIONS: i64 = 4000;
const OLD_DECISIONS: i64 = 1000;

/// A version that is being trained.
pub struct Challenger {
    inputs: Inputs,
    reason: String,
    recent: Vec<RecentDecision>,
    /// What came out, and in words how it compares.
    trained: Option<(Trained, ChampionComparison, String)>,
}

impl Challenger {
    /// Reads what training needs, which is due for this reason.
    pub fn read(r: &Reader, classifier: &str, reason: &str) -> SqlResult<Self> {
        let learned = r.last_learned(classifier)?;
        let judges = r.judges(classifier, learned, &JUDGES)?;
        let inputs = Inputs::read(r, classifier, &judges)?;
        if inputs.base.labels() < 2 {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "classifier \"{classifier}\" knows emails of one label only: decide about some of another one"
                ),
            ));
        }
        let judges: HashSet<i64> = judges.into_iter().collect();
        let mut recent = Vec::new();
        for (is_new, range, most) in [
            (true, (learned, inputs.last_decision), NEW_DECISIONS),
            (false, (0, learned), OLD_DECISIONS),
        ] {
            let reviewed = r.by_reviewer(classifier, range, most)?.into_iter();
            let learned = reviewed.filter(|of| !judges.contains(&of.decision.decision_id));
            recent.extend(learned.map(|reviewed| RecentDecision { reviewed, is_new }));
        }
        Ok(Self {
            inputs,
            reason: reason.to_owned(),
            recent,
            trained: None,
        })
    }

    /// Trains, compares with the champion, and then learns what it was compared by.
    pub fn compute(&mut self) -> SqlResult<()> {
        let Inputs {
            classifier,
            base,
            outside,
            judges,
            ..
        } = &mut self.inputs;
        let champion = open_model(&base.packed()?)?;
        let mut trained = Trained::on(classifier, base, outside.take())?;
        let mut answers = Comparison::default();
        for (features, label) in judges.iter() {
            check_for_interrupts();
            let truth = casefold_label(label).map_err(from_classifier)?;
            let is_right = |model: &Model| -> SqlResult<bool> {
                match model.classify(features, &check_for_interrupts) {
                    Some(answer) => {
                        Ok(casefold_label(answer.label).map_err(from_classifier)? == truth)
                    }
                    None => Ok(false),
                }
            };
            answers.add(label, is_right(&champion)?, is_right(&trained.model)?);
        }
        let (reviewer, refused) = match reviewers::inconsistent(base.learned(), &self.recent)? {
            Some((reviewer, why)) => (Some(reviewer), Some(why)),
            None => (None, answers.refusal().map(|refusal| in_words(&refusal))),
        };
        trained.teach(judges)?;
        let compared = answers.all;
        let summary = format!(
            "{}; {} of {} decided emails right, {} before",
            self.reason, compared.challenger, compared.emails, compared.champion
        );
        let comparison = ChampionComparison {
            last_decision: self.inputs.last_decision,
            champion: self.inputs.champion,
            compared,
            refused,
            reviewer,
        };
        self.trained = Some((trained, comparison, summary));
        Ok(())
    }

    /// Stores the version, and activates it unless it is refused.
    pub fn finish(self, w: &mut Writer) -> SqlResult<String> {
        let Some((mut trained, comparison, summary)) = self.trained else {
            return Ok("nothing was trained".to_owned());
        };
        if !self.inputs.are_current(w)? {
            return Ok(SUPERSEDED.to_owned());
        }
        let refused = comparison.refused.clone();
        let note = format!("trained by maintenance: {}", self.reason);
        let classifier = &self.inputs.classifier;
        let version = trained.store(w, classifier, Some(&note), Some(comparison))?;
        match refused {
            Some(refused) => Ok(format!("version {version} refused: {refused}")),
            None => self.inputs.activate(w, version, &summary),
        }
    }
}

fn in_words(refusal: &Refusal) -> String {
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
