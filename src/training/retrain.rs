//! From counts to a version: training on all that was learned.

use std::rc::Rc;

use pg_triage_classifier::{CellCounts, Error, Features, Learner, Live, Model, State};
use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::arguments::given_classifier;
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::base::{self, Base};
use crate::learning::{compaction, sample};
use crate::pg::{self, RawValue, check_for_interrupts};
use crate::store::model::{Calibrated, ChampionComparison, NewModel};
use crate::store::{self, Writer};
use crate::training::aggregates;
use crate::types::{open_model, storable};

#[pg_extern(sql = false)]
fn retrain(classifier: Option<&str>, note: Option<&str>) -> SqlResult<i32> {
    let classifier = given_classifier(classifier)?;
    store::write(c"triage.retrain()", |w| {
        w.lock_classifier(classifier)?;
        w.lock_base(classifier)?;
        let mut base = Base::read(w, classifier)?;
        compaction::take_pending(w, classifier, &mut base)?;
        train_version(w, classifier, base, note)
    })
}

/// What training has made of counts.
pub struct Trained {
    /// What answers with these counts.
    pub model: Model,
    /// That model in full, as sessions are served from it.
    serving: Vec<u8>,
    /// What the version keeps: counts that are not the decisions', and residuals.
    own: State,
    from_ledger: bool,
}

impl Trained {
    /// Trains on all counts: those of a model from outside, given once more by themselves, and
    /// what decisions have taught. Needs no transaction.
    pub fn on(classifier: &str, base: &mut Base, outside: Option<State>) -> SqlResult<Self> {
        let state = base.all();
        if state.is_empty() {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "classifier \"{classifier}\" has nothing to learn from: decide some emails, or import history with triage.learn_from()"
                ),
            ));
        }
        let serving = aggregates::fit(state)?;
        let mut model = open_model(&serving)?;
        let from_ledger = outside.is_none();
        let own = own_part(state, outside)?;
        let (fit, metrics) = (model.meta().fit, model.meta().metrics.clone());
        let serving = match from_ledger {
            true => serving,
            // Residuals of labels that only decisions have are not kept with the version, so
            // they must not answer now either.
            false => {
                let serving = base.put_together(&own, &fit, &metrics)?;
                model = open_model(&serving)?;
                serving
            }
        };
        Ok(Self {
            model,
            serving,
            own,
            from_ledger,
        })
    }

    /// Teaches the version emails that it was judged with, one step for each as if they were
    /// decided now: what people have corrected must not come back.
    pub fn teach(&mut self, emails: &[(Features, String)]) -> SqlResult<()> {
        let poll = &check_for_interrupts;
        let mut read = |range: std::ops::Range<usize>| {
            pg::copy(self.serving.get(range).unwrap_or_default()).map_err(|_| Error::OutOfMemory {
                bytes: self.serving.len(),
            })
        };
        let counts =
            CellCounts::read(self.model.header(), &mut read, poll).map_err(from_classifier)?;
        let mut live = Live::new(Rc::new(self.model.clone()));
        live.set_counts(Rc::new(counts));
        for (features, label) in emails {
            check_for_interrupts();
            let step = live
                .step_towards(features, label, poll)
                .map_err(from_classifier)?;
            live.learn(features, label)
                .and_then(|()| live.step(features, &step, false))
                .and_then(|()| live.refresh(poll))
                .and_then(|()| self.own.step(features, &step, false))
                .map_err(from_classifier)?;
        }
        Ok(())
    }

    /// Stores the version.
    pub fn store(
        &mut self,
        w: &mut Writer,
        classifier: &str,
        note: Option<&str>,
        comparison: Option<ChampionComparison>,
    ) -> SqlResult<i32> {
        let (fit, metrics) = (self.model.meta().fit, self.model.meta().metrics.clone());
        let own = self.own.pack(&fit, metrics, &check_for_interrupts);
        let own = storable(own.map_err(from_classifier)?, "email_model")?;
        let new = NewModel {
            stored: RawValue::of_bytes(&own, c"email_model"),
            about: &self.model,
            from_ledger: self.from_ledger,
            note,
            steps_of: None,
            calibrated: Calibrated::AsTrained,
            relabelled_from: None,
            comparison,
        };
        w.insert_model(classifier, new)
    }
}

/// What a version keeps of a state that it was trained on: its residuals, and counts from
/// outside, where there are any.
pub fn own_part(trained: &mut State, outside: Option<State>) -> SqlResult<State> {
    // Residuals are the version's own, also where counts are not.
    let steps = trained
        .steps_alone(&check_for_interrupts)
        .map_err(from_classifier)?;
    let Some(mut counts) = outside else {
        return Ok(steps);
    };
    counts
        .clear_steps(&check_for_interrupts)
        .and_then(|()| counts.add_steps_of(&steps, &check_for_interrupts))
        .map_err(from_classifier)?;
    Ok(counts)
}

/// Trains on a base, and activates the result.
pub fn train_version(
    w: &mut Writer,
    classifier: &str,
    mut base: Base,
    note: Option<&str>,
) -> SqlResult<i32> {
    sample::complete(w, classifier, base.learned(), false)?;
    let outside = base::outside_counts(w, classifier, &base)?;
    let mut trained = Trained::on(classifier, &mut base, outside)?;
    let version = trained.store(w, classifier, note, None)?;
    w.activate(classifier, version, note)?;
    base.write_trained(w, classifier, version, &trained.serving)?;
    Ok(version)
}
