//! A challenger: a version of new counts, activated only if it is not worse than the champion
//! on the same decided emails, which neither has learned.

use std::collections::HashSet;

use pg_triage_classifier::{Comparison, Features, Model, Refusal, casefold_label};
use pgrx::PgSqlErrorCode as Code;

use super::inputs::{Inputs, MOST_COMPARED, SUPERSEDED};
use super::reviewers;
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::check_for_interrupts;
use crate::store::comparison::{JudgeShare, ReviewerDecision};
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

/// Decisions since the champion was trained whose reviewers are compared.
const REVIEWED: i64 = 4000;

/// A version that is being trained.
pub struct Challenger {
    inputs: Inputs,
    reason: String,
    /// Decisions since the champion was trained, by whom: learned, and left out to judge with.
    recent: Vec<ReviewerDecision>,
    judging: Vec<ReviewerDecision>,
    /// Decisions that somebody has confirmed.
    confirmed: HashSet<i64>,
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
        let reviewed = r.by_reviewer(classifier, (learned, inputs.last_decision), REVIEWED)?;
        let (judging, recent) = reviewed
            .into_iter()
            .partition(|of| judges.contains(&of.decision.decision_id));
        let confirmed = r.confirmed(classifier)?.into_iter().collect();
        Ok(Self {
            inputs,
            reason: reason.to_owned(),
            recent,
            judging,
            confirmed,
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
        let models = [&champion, &trained.model];
        let answers = compared(models, judges.iter().map(|(f, label)| (f, label.as_str())))?;
        let reviewer = reviewers::inconsistent(base.learned(), &self.recent, &self.confirmed)?;
        let refused = match &reviewer {
            // The reviewer's own decisions say nothing about it then.
            Some(found) => {
                let by_others = self.judging.iter().filter(|of| {
                    check_for_interrupts();
                    of.actor != found.name && of.role != found.name
                });
                let by_others =
                    by_others.map(|of| (&of.decision.features, of.decision.label.as_str()));
                let is_better = compared(models, by_others)?.is_clearly_better();
                (!is_better).then(|| found.evidence.clone())
            }
            None => answers.refusal().map(|refusal| in_words(&refusal)),
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

/// The answers of champion and challenger about emails with these labels.
fn compared<'a>(
    models: [&Model; 2],
    emails: impl Iterator<Item = (&'a Features, &'a str)>,
) -> SqlResult<Comparison> {
    let mut answers = Comparison::default();
    for (features, label) in emails {
        check_for_interrupts();
        let mut given = [None, None];
        for (model, given) in models.into_iter().zip(&mut given) {
            if let Some(answer) = model.classify(features, &check_for_interrupts) {
                *given = Some(casefold_label(answer.label).map_err(from_classifier)?);
            }
        }
        let label = casefold_label(label).map_err(from_classifier)?;
        answers.add(&label, given[0].as_deref(), given[1].as_deref());
    }
    Ok(answers)
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
            "label \"{label}\" is given or not given rightly to {} of the {} decided emails that have it or get it, {} before",
            of.challenger, of.emails, of.champion
        ),
    }
}
