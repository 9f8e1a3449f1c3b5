//! The active model with decisions folded in.

use pg_triage_classifier::PairedAnswers;
use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    Error, Example, Features, Fit, Learner, Metrics, Model, Poll, State, Step, apply, probe,
};
use pgrx::PgSqlErrorCode as Code;

use super::ledger::decoded;
use super::{LESSONS_AT_ONCE, NewModel, Verdict, Writer, checksum, ledger};
use crate::error::{SqlResult, from_core, report};
use crate::pg::{RawValue, check_for_interrupts};
use crate::{session, types};

/// Counts that decisions are folded into.
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

impl Base {
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

    fn states(&mut self) -> impl Iterator<Item = &mut State> {
        [Some(&mut self.serving), self.learned.as_mut()]
            .into_iter()
            .flatten()
    }

    /// Refuses to learn where there is not enough memory: what is copied of an email, and
    /// the table that grows with it, cannot fail softly.
    fn probe_for(features: &Features) -> Result<(), Error> {
        const GROWTH: usize = 1 << 20;
        probe(GROWTH + 64 * features.keys().len())
    }

    /// Learns one more decision.
    pub fn add(&mut self, features: &Features, label: &str) -> SqlResult<()> {
        self.learn(features, label).map_err(from_core)?;
        self.decisions += 1;
        Ok(())
    }

    /// The version whose steps count, 0 for none.
    pub fn steps_of(&self) -> i64 {
        self.steps_of
    }

    /// Takes back what a decision taught, and leaves nothing of it.
    pub fn forget(&mut self, taught: &Example) -> SqlResult<()> {
        self.leave_out(taught)?;
        self.serving
            .purge(&taught.features, &check_for_interrupts)
            .map_err(from_core)
    }

    /// The same, for a while: what is left of its features stays.
    pub fn leave_out(&mut self, taught: &Example) -> SqlResult<()> {
        self.step(&taught.features, &taught.step, true)
            .and_then(|()| self.unlearn(&taught.features, &taught.label, &check_for_interrupts))
            .map_err(from_core)
    }

    /// The model of a version's own counts and the decisions' together.
    pub fn put_together(
        &mut self,
        own: &State,
        fit: &Fit,
        metrics: &Metrics,
    ) -> SqlResult<Vec<u8>> {
        probe(2 * own.bytes()).map_err(from_core)?;
        let mut all = own.clone();
        all.merge(self.learned(), &check_for_interrupts)
            .map_err(from_core)?;
        (self.serving, self.fit, self.metrics) = (all, *fit, metrics.clone());
        self.packed()
    }

    /// The model that these counts make.
    pub fn packed(&mut self) -> SqlResult<Vec<u8>> {
        let packed = self
            .serving
            .pack(&self.fit, self.metrics.clone(), &check_for_interrupts)
            .map_err(from_core)?;
        types::storable(packed, "email_model")
    }
}

/// A base learns what people decide in both of its counts, where it has two.
impl Learner for Base {
    fn learn(&mut self, features: &Features, label: &str) -> Result<(), Error> {
        Self::probe_for(features)?;
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

/// No decision has a step against it.
const NO_VERSION: i64 = -1;

/// A model as stored, its state included.
fn state_of(model: RawValue) -> SqlResult<State> {
    let bytes = model.content()?;
    let state = Model::state(&bytes, &check_for_interrupts).map_err(from_core)?;
    types::within_memory(state)
}

impl Writer<'_, '_> {
    /// Waits until nobody else folds, until the end of the transaction. A row lock, which
    /// only who may write the table can take: anybody could hold an advisory lock.
    pub fn lock_base(&mut self, classifier: &str) -> SqlResult<()> {
        if session::base_is_held() {
            return Err(report(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("classifier \"{classifier}\" is being trained by this very statement"),
            ));
        }
        self.run(
            "SELECT 1 FROM triage.classifier WHERE name = $1 FOR NO KEY UPDATE",
            &[classifier.into()],
        )?;
        Ok(())
    }

    /// The same without waiting; false if somebody does.
    pub fn try_lock_base(&mut self, classifier: &str) -> SqlResult<bool> {
        if session::base_is_held() {
            return Ok(false);
        }
        let rows = self.run(
            "SELECT 1 FROM triage.classifier WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED",
            &[classifier.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// Whether more decisions than this are pending.
    pub fn pending_over(&mut self, classifier: &str, most: i64) -> SqlResult<bool> {
        let rows = self.run(
            "SELECT 1 FROM triage_internal.pending WHERE classifier = $1 OFFSET $2 LIMIT 1",
            &[classifier.into(), most.into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// The counts behind what sessions answer with, without pending decisions. Puts together
    /// those of another version if that has become the active one.
    pub fn read_base(&mut self, classifier: &str) -> SqlResult<Base> {
        self.read_base_for(classifier, None)
    }

    /// The same as if another version were active.
    pub fn read_base_for(&mut self, classifier: &str, version: Option<i32>) -> SqlResult<Base> {
        let rows = self.run(
            "SELECT a.version, m.from_ledger, m.model, b.version IS NOT DISTINCT FROM a.version, b.serving, b.learned,
                    coalesce(b.decisions, 0), coalesce(m.steps_of, a.version, 0)
               FROM triage.classifier c
               LEFT JOIN LATERAL (SELECT coalesce($2, (SELECT a.version FROM triage_internal.activation a
                                   WHERE a.classifier = c.name ORDER BY a.activation_id DESC LIMIT 1)) AS version) a ON true
               LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
               LEFT JOIN triage_internal.base b ON b.classifier = c.name
              WHERE c.name = $1",
            &[classifier.into(), version.into()],
        )?;
        if rows.len() == 0 {
            return Err(report(
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("classifier \"{classifier}\" does not exist"),
            ));
        }
        let model = rows.raw(0, 3);
        let from_ledger = model.is_none() || rows.text(0, 2).as_deref() == Some("t");
        let matches = rows.text(0, 4).as_deref() == Some("t");
        let stored = rows.raw(0, 5);
        // What is served says how; of a version that is about to be, its model does.
        let (fit, metrics) = match stored.filter(|_| matches).or(model) {
            Some(model) => {
                let opened = model.read_model()?;
                (opened.meta().fit, opened.meta().metrics.clone())
            }
            None => (Fit::default(), Metrics::default()),
        };
        let own = rows.raw(0, 6).map(|own| types::load_state(&own.content()?));
        let own = own.transpose()?;
        let steps_of = rows.parsed(0, 8).unwrap_or(0);
        let (mut serving, learned) = match (stored, own) {
            (Some(stored), own) if matches => (state_of(stored)?, own),
            (stored, own) => {
                // Of decisions alone, `serving` has all there is.
                let mut learned = match (own, stored) {
                    (Some(own), _) => own,
                    (None, Some(stored)) => state_of(stored)?,
                    (None, None) => State::default(),
                };
                // Steps belong to the version that they were made with.
                learned
                    .clear_steps(&check_for_interrupts)
                    .map_err(from_core)?;
                match model {
                    Some(model) if !from_ledger => {
                        let mut serving = state_of(model)?;
                        serving
                            .merge(&learned, &check_for_interrupts)
                            .map_err(from_core)?;
                        (serving, Some(learned))
                    }
                    Some(model) => {
                        learned
                            .add_steps_of(&state_of(model)?, &check_for_interrupts)
                            .map_err(from_core)?;
                        (learned, None)
                    }
                    None => (learned, None),
                }
            }
        };
        if !matches {
            self.add_steps(classifier, &mut serving, steps_of)?;
        }
        Ok(Base {
            version: model
                .or(stored.filter(|_| matches))
                .and_then(|_| rows.parsed(0, 1)),
            fit,
            metrics,
            serving,
            learned,
            decisions: rows.parsed(0, 7).unwrap_or(0),
            steps_of,
        })
    }

    /// Adds the steps against this version of decisions that are folded and in force: it has
    /// been active before.
    fn add_steps(&mut self, classifier: &str, state: &mut State, steps_of: i64) -> SqlResult<()> {
        let rows = self.run(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL AND d.step_version = $2
                AND NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = d.decision_id)
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id
                    AND NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = r.decision_id))",
            &[classifier.into(), (steps_of as i32).into()],
        )?;
        let ids: Vec<i64> = (0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect();
        for some in ids.chunks(LESSONS_AT_ONCE) {
            check_for_interrupts();
            for taught in self
                .lessons(some, steps_of)?
                .into_iter()
                .filter_map(|effect| effect.adds)
            {
                state
                    .step(&taught.features, &taught.step, false)
                    .map_err(from_core)?;
            }
        }
        Ok(())
    }

    /// Moves pending decisions into counts that were read; returns how many. The caller
    /// holds the lock and writes the counts back.
    pub fn take_pending(&mut self, classifier: &str, base: &mut Base) -> SqlResult<usize> {
        let query =
            "DELETE FROM triage_internal.pending WHERE classifier = $1 RETURNING decision_id";
        self.apply_listed(query, classifier, base)
    }

    /// Adds what pending decisions would, without taking them.
    pub fn add_pending(&mut self, classifier: &str, base: &mut Base) -> SqlResult<usize> {
        let query = "SELECT decision_id FROM triage_internal.pending WHERE classifier = $1";
        self.apply_listed(query, classifier, base)
    }

    fn apply_listed(&mut self, query: &str, classifier: &str, base: &mut Base) -> SqlResult<usize> {
        let ids = self.decision_ids(query, classifier)?;
        let mut lessons = Vec::new();
        for some in ids.chunks(LESSONS_AT_ONCE) {
            lessons.extend(self.lessons(some, base.steps_of)?);
        }
        apply(base, &lessons, &check_for_interrupts).map_err(from_core)?;
        base.decisions += lessons.len() as i64;
        Ok(ids.len())
    }

    fn decision_ids(&mut self, query: &str, classifier: &str) -> SqlResult<Vec<i64>> {
        let rows = self.run(query, &[classifier.into()])?;
        Ok((0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect())
    }

    /// Un-learning may have left the sample of the decisions' counts without emails that it
    /// would have now: takes them from the ledger.
    pub fn complete_sample(
        &mut self,
        classifier: &str,
        state: &mut State,
        pending_too: bool,
    ) -> SqlResult<()> {
        let Some(mut from) = state.training_sample_is_short_from().map(ledger::signed) else {
            return Ok(());
        };
        let mut after = 0i64;
        loop {
            check_for_interrupts();
            // Decisions in force, as far as the counts go.
            let rows = self.run(
                "SELECT d.features, d.new_label, d.sample_priority, d.decision_id FROM triage.decision d
                  WHERE d.classifier = $1 AND d.features IS NOT NULL
                    AND (d.sample_priority, d.decision_id) > ($2, $5)
                    AND ($3 OR NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = d.decision_id))
                    AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id
                        AND ($3 OR NOT EXISTS (SELECT FROM triage_internal.pending p WHERE p.classifier = $1 AND p.decision_id = r.decision_id)))
                  ORDER BY d.sample_priority, d.decision_id LIMIT $4",
                &[
                    classifier.into(),
                    from.into(),
                    pending_too.into(),
                    (LESSONS_AT_ONCE as i64).into(),
                    after.into(),
                ],
            )?;
            // Read, and copied once more into the sample.
            let bytes = (0..rows.len()).map(|row| rows.size(row, 1) + 256);
            probe(3 * bytes.sum::<usize>()).map_err(from_core)?;
            let mut documents = Vec::new();
            for row in 0..rows.len() {
                let features = rows.bytes(row, 1)?.map(decoded).transpose()?;
                documents.extend(features.zip(rows.text(row, 2)));
            }
            let last = rows.len().wrapping_sub(1);
            let next = rows.parsed(last, 3).zip(rows.parsed(last, 4));
            if state
                .extend_training_sample(documents.into_iter())
                .map_err(from_core)?
            {
                return Ok(());
            }
            let Some(next) = next.filter(|_| rows.len() == LESSONS_AT_ONCE) else {
                return Ok(());
            };
            (from, after) = next;
        }
    }

    /// The counts that do not come from decisions, where there are any.
    pub fn outside_counts(&mut self, classifier: &str, base: &Base) -> SqlResult<Option<State>> {
        let counts = (!base.is_from_ledger()).then(|| self.own_counts(classifier));
        counts.transpose()
    }

    /// The counts of the active version alone, without those of decisions.
    pub fn own_counts(&mut self, classifier: &str) -> SqlResult<State> {
        let rows = self.run(
            "SELECT m.model FROM triage_internal.model m
              WHERE m.classifier = $1 AND m.version = (SELECT a.version FROM triage_internal.activation a
                    WHERE a.classifier = $1 ORDER BY a.activation_id DESC LIMIT 1)",
            &[classifier.into()],
        )?;
        match rows.len() {
            0 => Ok(State::default()),
            _ => rows.raw(0, 1).map_or(Ok(State::default()), state_of),
        }
    }

    /// Stores a version once more with another fit; returns the new version.
    pub fn store_refitted(&mut self, classifier: &str, version: i32, fit: &Fit) -> SqlResult<i32> {
        let rows = self.run(
            "SELECT model, from_ledger, last_decision, coalesce(steps_of, version) FROM triage_internal.model WHERE classifier = $1 AND version = $2",
            &[classifier.into(), version.into()],
        )?;
        let stored = (rows.len() > 0).then(|| rows.raw(0, 1)).flatten();
        let stored = stored.ok_or_else(|| super::unknown_version(classifier, version, &[]))?;
        let metrics = stored.read_model()?.meta().metrics.clone();
        let packed = state_of(stored)?.pack(fit, metrics, &check_for_interrupts);
        let packed = types::storable(packed.map_err(from_core)?, "email_model")?;
        let about = types::open_model(&packed)?;
        let new = NewModel {
            stored: RawValue::of_bytes(&packed, c"email_model"),
            about: &about,
            from_ledger: rows.text(0, 2).as_deref() == Some("t"),
            note: Some("calibrated by maintenance"),
            steps_of: rows.parsed(0, 4),
            verdict: Some(Verdict {
                last_decision: rows.parsed(0, 3).unwrap_or(0),
                champion: version,
                compared: PairedAnswers::default(),
                refused: None,
                reviewer: None,
            }),
        };
        self.insert_model(classifier, new)
    }

    /// Stores what training has made of these counts.
    pub fn store_trained(
        &mut self,
        classifier: &str,
        version: i32,
        serving: &[u8],
        mut base: Base,
    ) -> SqlResult<()> {
        let learned = base.learned.as_mut().map(types::state_bytes).transpose()?;
        self.store_base(
            classifier,
            Some(version),
            serving,
            learned.as_deref(),
            base.decisions,
        )
    }

    /// Stores counts, packed for serving.
    pub fn write_base(&mut self, classifier: &str, mut base: Base) -> SqlResult<()> {
        self.complete_sample(classifier, base.learned(), false)?;
        let serving = base.packed()?;
        let learned = base.learned.as_mut().map(types::state_bytes).transpose()?;
        self.store_base(
            classifier,
            base.version,
            &serving,
            learned.as_deref(),
            base.decisions,
        )
    }

    fn store_base(
        &mut self,
        classifier: &str,
        version: Option<i32>,
        serving: &[u8],
        learned: Option<&[u8]>,
        decisions: i64,
    ) -> SqlResult<()> {
        let learned = match learned {
            Some(bytes) => RawValue::of_bytes(bytes, c"email_state"),
            None => RawValue::null(c"email_state"),
        };
        self.run(
            "INSERT INTO triage_internal.base (classifier, version, serving, learned, decisions) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (classifier) DO UPDATE SET version = excluded.version, serving = excluded.serving,
                 learned = excluded.learned, decisions = excluded.decisions, compacted_at = now()",
            &[
                classifier.into(),
                version.into(),
                RawValue::of_bytes(serving, c"email_model"),
                learned,
                decisions.into(),
            ],
        )?;
        Ok(())
    }

    /// After another version has become active: its counts and the decisions' together. A
    /// version that decisions made has no counts of its own to answer with.
    pub fn rebase(&mut self, classifier: &str) -> SqlResult<()> {
        self.lock_base(classifier)?;
        let rows = self.run(
            "SELECT 1 FROM triage_internal.base WHERE classifier = $1
             UNION ALL SELECT 1 FROM triage_internal.model m
              WHERE m.classifier = $1 AND m.from_ledger
                AND m.version = (SELECT a.version FROM triage_internal.activation a WHERE a.classifier = $1
                                  ORDER BY a.activation_id DESC LIMIT 1)",
            &[classifier.into()],
        )?;
        if rows.len() == 0 {
            return Ok(());
        }
        let base = self.read_base(classifier)?;
        self.write_base(classifier, base)
    }

    /// Takes features that no decision has taught any more out of the steps that versions
    /// keep, where the version's own emails do not have them.
    pub fn purge_versions(&mut self, classifier: &str, gone: &[Features]) -> SqlResult<()> {
        self.change_versions(classifier, |state| {
            gone.iter()
                .try_for_each(|features| state.purge(features, &check_for_interrupts))
        })
    }

    /// Changes what versions keep.
    fn change_versions(
        &mut self,
        classifier: &str,
        change: impl Fn(&mut State) -> pg_triage_classifier::Result<()>,
    ) -> SqlResult<()> {
        let rows = self.run(
            "SELECT version, model FROM triage_internal.model WHERE classifier = $1 ORDER BY version",
            &[classifier.into()],
        )?;
        for row in 0..rows.len() {
            check_for_interrupts();
            let (Some(version), Some(model)) = (rows.parsed::<i32>(row, 1), rows.raw(row, 2))
            else {
                continue;
            };
            let opened = model.read_model()?;
            let (fit, metrics) = (opened.meta().fit, opened.meta().metrics.clone());
            let mut state = state_of(model)?;
            change(&mut state).map_err(from_core)?;
            let purged = state
                .pack(&fit, metrics, &check_for_interrupts)
                .map_err(from_core)?;
            let purged = types::storable(purged, "email_model")?;
            let identity = Header::read(&purged, Kind::Model)
                .map_err(from_core)?
                .identity();
            if identity == opened.identity() {
                continue;
            }
            self.run(
                "UPDATE triage_internal.model SET model = $3, checksum = $4, bytes = $5 WHERE classifier = $1 AND version = $2",
                &[
                    classifier.into(),
                    version.into(),
                    RawValue::of_bytes(&purged, c"email_model"),
                    checksum(identity).into(),
                    (purged.len() as i64).into(),
                ],
            )?;
        }
        Ok(())
    }

    /// Decisions in force, from the ledger alone.
    pub fn replay(&mut self, classifier: &str) -> SqlResult<State> {
        self.replay_onto(classifier, State::default(), NO_VERSION)
    }

    /// Adds decisions in force to counts, with their steps against this version.
    fn replay_onto(&mut self, classifier: &str, mut all: State, steps_of: i64) -> SqlResult<State> {
        let ids = self.decision_ids(
            "SELECT d.decision_id FROM triage.decision d
              WHERE d.classifier = $1 AND d.features IS NOT NULL
                AND NOT EXISTS (SELECT FROM triage.decision r WHERE r.replaces = d.decision_id)",
            classifier,
        )?;
        let mut learned = State::default();
        let mut steps = Vec::new();
        for some in ids.chunks(LESSONS_AT_ONCE) {
            check_for_interrupts();
            let lessons = self.lessons(some, steps_of)?;
            for taught in lessons.into_iter().filter_map(|effect| effect.adds) {
                Base::probe_for(&taught.features).map_err(from_core)?;
                learned
                    .learn(&taught.features, &taught.label)
                    .map_err(from_core)?;
                if !taught.step.is_empty() {
                    steps.push((taught.features, taught.step));
                }
            }
            learned = types::within_memory(learned)?;
        }
        all.merge(&learned, &check_for_interrupts)
            .map_err(from_core)?;
        // Only now have all labels that steps name emails.
        for (features, step) in steps {
            check_for_interrupts();
            all.step(&features, &step, false).map_err(from_core)?;
        }
        Ok(all)
    }

    /// What sessions would answer with if all pending decisions were folded.
    pub fn learned_model(&mut self, classifier: &str) -> SqlResult<Vec<u8>> {
        let mut base = self.read_base(classifier)?;
        self.add_pending(classifier, &mut base)?;
        self.complete_sample(classifier, base.learned(), true)?;
        base.packed()
    }

    /// The same from the active version and the ledger alone.
    pub fn replayed_model(&mut self, classifier: &str) -> SqlResult<Vec<u8>> {
        let mut base = self.read_base(classifier)?;
        let mut own = self.own_counts(classifier)?;
        base.serving = if base.is_from_ledger() {
            let mut state = self.replay_onto(classifier, State::default(), base.steps_of)?;
            state
                .add_steps_of(&own, &check_for_interrupts)
                .map_err(from_core)?;
            state
        } else {
            own.canonicalize(&check_for_interrupts).map_err(from_core)?;
            self.replay_onto(classifier, own, base.steps_of)?
        };
        base.packed()
    }

    /// Deletes a review and its decisions; returns how many decisions.
    pub fn erase(&mut self, review_id: i64) -> SqlResult<usize> {
        self.run(
            "UPDATE triage.classifier SET erasures = erasures + 1
              WHERE name = (SELECT classifier FROM triage.review WHERE review_id = $1)",
            &[review_id.into()],
        )?;
        session::as_erasure(|| {
            let erased = self.run(
                "DELETE FROM triage.decision WHERE review_id = $1",
                &[review_id.into()],
            )?;
            self.run(
                "DELETE FROM triage.review WHERE review_id = $1",
                &[review_id.into()],
            )?;
            Ok(erased.len())
        })
    }

    /// Deletes all reviews and decisions of a classifier; returns how many decisions.
    pub fn erase_all(&mut self, classifier: &str) -> SqlResult<i64> {
        self.run(
            "UPDATE triage.classifier SET erasures = erasures + 1 WHERE name = $1",
            &[classifier.into()],
        )?;
        // What training made of the emails goes, too.
        self.change_versions(classifier, |state| state.clear_steps(&check_for_interrupts))?;
        session::as_erasure(|| {
            let erased = self.run(
                "DELETE FROM triage.decision WHERE classifier = $1",
                &[classifier.into()],
            )?;
            for table in [
                "triage_internal.pending",
                "triage.review",
                "triage_internal.base",
            ] {
                let query = format!("DELETE FROM {table} WHERE classifier = $1");
                self.run(&query, &[classifier.into()])?;
            }
            Ok(erased.len() as i64)
        })
    }
}
