//! The base: the counts that decisions are compacted into, with the active version's own.

use pg_triage_classifier::{
    DecisionEffect, Error, Example, Features, Fit, Learner, Metrics, Model, Poll, State, Step,
    apply, probe,
};

use super::sample;
use crate::error::{SqlResult, from_classifier};
use crate::pg::check_for_interrupts;
use crate::predict::effects::examples;
use crate::store::base::StoredBase;
use crate::store::label_change::Relabelling;
use crate::store::{DECISIONS_AT_ONCE, Reader, Writer};
use crate::types::{load_state, model_state, state_bytes, storable};

/// Counts that decisions are compacted into.
pub struct Base {
    version: Option<i32>,
    fit: Fit,
    metrics: Metrics,
    /// What sessions are served from: of a model from outside, with its own counts.
    serving: State,
    /// The decisions' own counts, where those are not all.
    learned: Option<State>,
    decisions: i64,
    /// The active version, 0 for none.
    steps_of: i64,
}

/// Refuses to learn where there is not enough memory: what is copied of an email, and the
/// table that grows with it, cannot fail softly.
pub fn probe_for(features: &Features) -> Result<(), Error> {
    const GROWTH: usize = 1 << 20;
    probe(GROWTH + 64 * features.keys().len())
}

impl Base {
    /// Reads the counts behind what sessions answer with, without pending decisions. Puts
    /// together those of another version if that has become the active one.
    pub fn read(r: &Reader, classifier: &str) -> SqlResult<Self> {
        Self::read_for(r, classifier, None)
    }

    /// Reads the counts that there would be if this version were active; the active one if
    /// none is given.
    pub fn read_for(r: &Reader, classifier: &str, version: Option<i32>) -> SqlResult<Self> {
        let stored = r.base(classifier, version)?;
        // The active version has the labels of now.
        let changes = match version {
            Some(version) => r.relabellings_since(classifier, version)?,
            None => Vec::new(),
        };
        let mut base = Self::of(&stored, &changes)?;
        if !stored.is_current {
            base.add_steps(r, classifier)?;
        }
        Ok(base)
    }

    fn of(stored: &StoredBase, changes: &[Relabelling]) -> SqlResult<Self> {
        let current = stored.serving.filter(|_| stored.is_current);
        // What is served says how; of a version that is about to be, its model does.
        let (fit, metrics) = match current.or(stored.model) {
            Some(model) => {
                let opened = model.read_model()?;
                (opened.meta().fit, opened.meta().metrics.clone())
            }
            None => (Fit::default(), Metrics::default()),
        };
        let learned = stored
            .learned
            .map(|learned| load_state(&learned.content()?));
        let learned = learned.transpose()?;
        let (serving, learned) = match current {
            Some(current) => (model_state(current)?, learned),
            None => Self::put_anew(stored, learned, changes)?,
        };
        Ok(Self {
            version: stored.active.filter(|_| current.or(stored.model).is_some()),
            fit,
            metrics,
            serving,
            learned,
            decisions: stored.decisions,
            steps_of: stored.steps_of,
        })
    }

    /// What is served, and the decisions' own counts where those are not all, for another
    /// version than the stored base was put together for.
    fn put_anew(
        stored: &StoredBase,
        learned: Option<State>,
        changes: &[Relabelling],
    ) -> SqlResult<(State, Option<State>)> {
        // Of decisions alone, `serving` has all there is.
        let mut learned = match (learned, stored.serving) {
            (Some(learned), _) => learned,
            (None, Some(serving)) => model_state(serving)?,
            (None, None) => State::default(),
        };
        // Steps belong to the version that they were made with.
        learned
            .clear_steps(&check_for_interrupts)
            .map_err(from_classifier)?;
        let Some(model) = stored.model else {
            return Ok((learned, None));
        };
        let mut model = model_state(model)?;
        for change in changes {
            model
                .relabel(&change.from, &change.to, &check_for_interrupts)
                .map_err(from_classifier)?;
        }
        if stored.from_ledger {
            learned
                .add_steps_of(&model, &check_for_interrupts)
                .map_err(from_classifier)?;
            return Ok((learned, None));
        }
        model
            .merge(&learned, &check_for_interrupts)
            .map_err(from_classifier)?;
        Ok((model, Some(learned)))
    }

    /// Adds the steps against its version of decisions that are compacted and in force: the
    /// version has been active before.
    fn add_steps(&mut self, r: &Reader, classifier: &str) -> SqlResult<()> {
        let decisions = r.in_base_with_step(classifier, self.steps_of as i32)?;
        for some in decisions.chunks(DECISIONS_AT_ONCE) {
            check_for_interrupts();
            for example in examples(r, some, self.steps_of)? {
                self.serving
                    .step(&example.features, &example.step, false)
                    .map_err(from_classifier)?;
            }
        }
        Ok(())
    }

    /// Stores the counts, packed for serving.
    pub fn write(mut self, w: &mut Writer, classifier: &str) -> SqlResult<()> {
        sample::complete(w, classifier, self.learned(), false)?;
        let serving = self.packed()?;
        let version = self.version;
        self.write_as(w, classifier, version, &serving)
    }

    /// Stores the counts with what training has made of them.
    pub fn write_trained(
        self,
        w: &mut Writer,
        classifier: &str,
        version: i32,
        serving: &[u8],
    ) -> SqlResult<()> {
        self.write_as(w, classifier, Some(version), serving)
    }

    fn write_as(
        mut self,
        w: &mut Writer,
        classifier: &str,
        version: Option<i32>,
        serving: &[u8],
    ) -> SqlResult<()> {
        let learned = self.learned.as_mut().map(state_bytes).transpose()?;
        w.write_base(
            classifier,
            version,
            serving,
            learned.as_deref(),
            self.decisions,
        )
    }

    /// The counts that decisions alone have led to.
    pub fn learned(&mut self) -> &mut State {
        self.learned.as_mut().unwrap_or(&mut self.serving)
    }

    /// Whether a version is active.
    pub fn has_model(&self) -> bool {
        self.version.is_some()
    }

    /// Whether decisions have made all the counts.
    pub fn is_from_ledger(&self) -> bool {
        self.learned.is_none()
    }

    /// All counts.
    pub fn all(&mut self) -> &mut State {
        &mut self.serving
    }

    /// How many labels have emails.
    pub fn labels(&self) -> usize {
        let labels = self.serving.labels().iter();
        labels.filter(|label| label.documents > 0).count()
    }

    /// The version whose steps count, 0 for none.
    pub fn steps_of(&self) -> i64 {
        self.steps_of
    }

    /// Learns one more decision.
    pub fn add(&mut self, features: &Features, label: &str) -> SqlResult<()> {
        self.learn(features, label).map_err(from_classifier)?;
        self.decisions += 1;
        Ok(())
    }

    /// Learns what stored decisions change.
    pub fn apply(&mut self, effects: &[DecisionEffect]) -> SqlResult<()> {
        apply(self, effects, &check_for_interrupts).map_err(from_classifier)?;
        self.decisions += effects.len() as i64;
        Ok(())
    }

    /// Takes back what a decision taught, and leaves nothing of it.
    pub fn forget(&mut self, example: &Example) -> SqlResult<()> {
        self.leave_out(example)?;
        self.serving
            .purge(&example.features, &check_for_interrupts)
            .map_err(from_classifier)
    }

    /// Takes back what a decision taught for a while: what is left of its features stays.
    pub fn leave_out(&mut self, example: &Example) -> SqlResult<()> {
        self.step(&example.features, &example.step, true)
            .and_then(|()| self.unlearn(&example.features, &example.label, &check_for_interrupts))
            .map_err(from_classifier)
    }

    /// Gives a label of the decisions' counts another name, or adds it to another one. Call
    /// [`Base::write_counts`] then.
    pub fn relabel(&mut self, from: &str, to: &str) -> SqlResult<()> {
        let learned = self.learned();
        learned
            .relabel(from, to, &check_for_interrupts)
            .map_err(from_classifier)?;
        // The ledger has all emails, to fill it again as learning would.
        if learned.training_sample_is_full() {
            learned.empty_training_sample();
        }
        Ok(())
    }

    /// Takes these for the decisions' counts. Call [`Base::write_counts`] then.
    pub fn replace_counts(&mut self, learned: State) {
        *self.learned() = learned;
    }

    /// Stores the decisions' counts alone: [`rebase`] puts them together with what the active
    /// version has.
    pub fn write_counts(mut self, w: &mut Writer, classifier: &str) -> SqlResult<()> {
        /// No version has this number, so the base is not that of the active one.
        const NONE: i32 = 0;
        let decisions = self.decisions;
        let learned = self.learned();
        learned
            .clear_steps(&check_for_interrupts)
            .map_err(from_classifier)?;
        sample::complete(w, classifier, learned, false)?;
        let learned = state_bytes(learned)?;
        let nothing = Model::empty(Fit::default()).map_err(from_classifier)?;
        let serving = nothing.into_bytes();
        w.write_base(classifier, Some(NONE), &serving, Some(&learned), decisions)
    }

    /// Serves these counts from now on, instead of those that were there.
    pub fn serve(&mut self, counts: State) {
        self.serving = counts;
    }

    /// The model of a version's own counts and the decisions' together.
    pub fn put_together(
        &mut self,
        own: &State,
        fit: &Fit,
        metrics: &Metrics,
    ) -> SqlResult<Vec<u8>> {
        probe(2 * own.bytes()).map_err(from_classifier)?;
        let mut all = own.clone();
        all.merge(self.learned(), &check_for_interrupts)
            .map_err(from_classifier)?;
        (self.serving, self.fit, self.metrics) = (all, *fit, metrics.clone());
        self.packed()
    }

    /// The model that these counts make.
    pub fn packed(&mut self) -> SqlResult<Vec<u8>> {
        let packed = self
            .serving
            .pack(&self.fit, self.metrics.clone(), &check_for_interrupts)
            .map_err(from_classifier)?;
        storable(packed, "email_model")
    }

    fn states(&mut self) -> impl Iterator<Item = &mut State> {
        [Some(&mut self.serving), self.learned.as_mut()]
            .into_iter()
            .flatten()
    }
}

/// A base learns what people decide in both of its counts, where it has two.
impl Learner for Base {
    fn learn(&mut self, features: &Features, label: &str) -> Result<(), Error> {
        probe_for(features)?;
        let mut states = self.states();
        states.try_for_each(|state| state.learn(features, label))
    }

    fn unlearn(&mut self, features: &Features, label: &str, poll: Poll) -> Result<(), Error> {
        for state in self.states() {
            match state.unlearn(features, label, poll) {
                // As sessions do: a ledger that its owner wrote to must not stop compaction.
                Ok(()) | Err(Error::NotLearned { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn step(&mut self, features: &Features, step: &Step, take_back: bool) -> Result<(), Error> {
        self.serving.step(features, step, take_back)
    }
}

/// The counts of the active version alone, without those of decisions.
pub fn own_counts(r: &Reader, classifier: &str) -> SqlResult<State> {
    r.active_model(classifier)?
        .map_or(Ok(State::default()), model_state)
}

/// The counts that do not come from decisions, where there are any.
pub fn outside_counts(r: &Reader, classifier: &str, base: &Base) -> SqlResult<Option<State>> {
    let counts = (!base.is_from_ledger()).then(|| own_counts(r, classifier));
    counts.transpose()
}

/// Puts the base together anew after another version has become active: its counts and the
/// decisions' together. A version that decisions made has no counts of its own to answer with.
pub fn rebase(w: &mut Writer, classifier: &str) -> SqlResult<()> {
    w.lock_base(classifier)?;
    if !w.needs_base(classifier)? {
        return Ok(());
    }
    let base = Base::read(w, classifier)?;
    base.write(w, classifier)
}
