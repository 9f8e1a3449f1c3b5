//! `triage_internal.model` and `triage_internal.activation`: versions, and which one is active.

use pg_triage_classifier::{Model, PairedAnswers};
use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::RawValue;

row! {
    /// What a classifier's sessions answer from.
    pub struct Served {
        /// The base of the active version, else the version itself; none before there is one.
        pub stored: Option<RawValue> = "coalesce(b.serving, m.model)",
        /// The active version.
        pub version: Option<i32> = "a.version",
        /// Below which confidence a person should see a prediction.
        pub review_below: f64 = "c.review_below",
        /// The version whose steps count, 0 for none.
        pub steps_of: i64 = "coalesce(m.steps_of, a.version, 0)::bigint",
    }
}

row! {
    /// A version as it is stored.
    pub struct StoredVersion {
        pub model: RawValue,
        /// Whether it has no counts but those of the decisions.
        pub from_ledger: bool,
        /// The latest decision that training may have seen.
        pub last_decision: i64,
        /// The version whose steps count with it.
        pub steps_of: i32 = "coalesce(steps_of, version)",
        /// Its probabilities are those that it was trained with, raised to this.
        pub inverse_temperature: Option<f64>,
        /// Whether maintenance has made it.
        pub is_of_maintenance: bool = "champion IS NOT NULL",
    }
}

row! {
    /// What a rollback goes back to.
    pub struct EarlierActivation {
        pub version: i32,
        /// Where the next one goes.
        pub returns_to: Option<i64>,
    }
}

/// Where the model that classifier $1 answers with is: in the base, or in its active version.
const FROM_SERVED: &str = "FROM triage.classifier c
      LEFT JOIN triage_internal.active_version a ON a.classifier = c.name
      LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
      LEFT JOIN triage_internal.base b ON b.classifier = c.name AND b.version IS NOT DISTINCT FROM a.version
     WHERE c.name = $1";

impl Reader<'_> {
    /// Whether a version was ever active.
    pub fn was_trained(&self, classifier: &str) -> SqlResult<bool> {
        self.exists(
            "FROM triage_internal.activation WHERE classifier = $1 LIMIT 1",
            &[classifier.into()],
        )
    }

    /// What a classifier answers from; `None` if it is not registered.
    pub fn served(&self, classifier: &str) -> SqlResult<Option<Served>> {
        self.maybe(FROM_SERVED, &[classifier.into()])
    }

    /// The active version, if there is one.
    pub fn active_version(&self, classifier: &str) -> SqlResult<Option<i32>> {
        self.value(
            "version FROM triage_internal.active_version WHERE classifier = $1",
            &[classifier.into()],
        )
    }

    /// The active version's model, if there is one.
    pub fn active_model(&self, classifier: &str) -> SqlResult<Option<RawValue>> {
        self.value(
            "m.model FROM triage_internal.active_version v
               JOIN triage_internal.model m ON m.classifier = v.classifier AND m.version = v.version
              WHERE v.classifier = $1",
            &[classifier.into()],
        )
    }

    /// A version as it is stored, if it exists.
    pub fn version(&self, classifier: &str, version: i32) -> SqlResult<Option<StoredVersion>> {
        self.maybe(
            "FROM triage_internal.model WHERE classifier = $1 AND version = $2",
            &[classifier.into(), version.into()],
        )
    }

    /// The latest version that is stored, active or not.
    pub fn latest_version(&self, classifier: &str) -> SqlResult<Option<i32>> {
        let latest = self.value(
            "max(version) FROM triage_internal.model WHERE classifier = $1",
            &[classifier.into()],
        )?;
        Ok(latest.flatten())
    }

    /// The latest activation of another version than the active one, past those whose version
    /// has been deleted since.
    pub fn rollback(&self, classifier: &str) -> SqlResult<EarlierActivation> {
        let found = self.maybe(
            "FROM (WITH RECURSIVE earlier AS (
                 SELECT version AS active, false AS there, NULL::int AS version, returns_to
                   FROM triage_internal.active_version WHERE classifier = $1
                 UNION ALL
                 SELECT active,
                        a.version <> active
                        AND EXISTS (SELECT FROM triage_internal.model m
                                     WHERE m.classifier = $1 AND m.version = a.version),
                        a.version, a.returns_to
                   FROM earlier JOIN triage_internal.activation a ON a.activation_id = earlier.returns_to
                  WHERE NOT there)
             SELECT version, returns_to FROM earlier WHERE there) found",
            &[classifier.into()],
        )?;
        found.ok_or_else(|| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("classifier \"{classifier}\" has no earlier activation to go back to (see triage.activations)"),
            )
        })
    }

    /// The numbers of all versions of a classifier, ascending.
    pub fn versions(&self, classifier: &str) -> SqlResult<Vec<i32>> {
        self.values(
            "version FROM triage_internal.model WHERE classifier = $1 ORDER BY version",
            &[classifier.into()],
        )
    }

    /// Refuses a version that does not exist.
    pub fn check_version(&self, classifier: &str, version: i32) -> SqlResult<()> {
        let known: Vec<i32> = self.values(
            "version FROM triage_internal.model WHERE classifier = $1 ORDER BY version DESC",
            &[classifier.into()],
        )?;
        if known.contains(&version) {
            return Ok(());
        }
        Err(unknown_version(classifier, version, &known))
    }
}

/// A model's identity as people see it.
fn checksum(identity: u128) -> String {
    format!("{identity:032x}")
}

/// A model that is to become a version.
pub struct NewModel<'a> {
    /// What is stored.
    pub stored: DatumWithOid<'a>,
    /// What its figures are taken from: the same, or the model whose counts are elsewhere.
    pub about: &'a Model,
    /// Whether its counts are those of the decisions.
    pub from_ledger: bool,
    /// For people.
    pub note: Option<&'a str>,
    /// The version whose steps count with it, if not its own do.
    pub steps_of: Option<i32>,
    /// How its probabilities differ from those that it was trained with.
    pub calibrated: Calibrated,
    /// The version that it is under other names of labels, and the latest decision that one may
    /// have learned from.
    pub relabelled_from: Option<(i32, i64)>,
    /// What maintenance found out about it; `None` if a person makes it.
    pub comparison: Option<ChampionComparison>,
}

/// How the probabilities of a version differ from those that it was trained with.
#[derive(Debug, Clone, Copy)]
pub enum Calibrated {
    /// In nothing, or in what those of the version differ that it is under other names of labels.
    AsTrained,
    /// They are raised to this.
    ByPower(f64),
    /// By another calibration.
    Anew,
}

/// What a comparison with the active version has shown.
#[derive(Debug, Clone)]
pub struct ChampionComparison {
    /// The latest decision that training may have seen.
    pub last_decision: i64,
    /// The active version, 0 for decisions alone.
    pub champion: i32,
    /// Its answers and those of the new one.
    pub compared: PairedAnswers,
    /// Why the new one is not to be activated.
    pub refused: Option<String>,
    /// Whose decisions are contradicted more often than those of others, if anybody's are.
    pub reviewer: Option<InconsistentReviewer>,
}

/// A reviewer whose decisions are contradicted more often than those of others about emails of the
/// same kind.
#[derive(Debug, Clone)]
pub struct InconsistentReviewer {
    /// The name or role.
    pub name: String,
    /// The name or role, with other names of theirs.
    pub known_as: String,
    /// How often, and how often those of others are.
    pub evidence: String,
}

impl Writer<'_> {
    /// Stores what a version keeps anew, with its identity.
    pub fn replace_model(
        &mut self,
        classifier: &str,
        version: i32,
        model: &[u8],
        identity: u128,
    ) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.model SET model = $3, checksum = $4, bytes = $5
              WHERE classifier = $1 AND version = $2",
            &[
                classifier.into(),
                version.into(),
                RawValue::of_bytes(model, c"email_model"),
                checksum(identity).into(),
                (model.len() as i64).into(),
            ],
        )?;
        Ok(())
    }

    /// Adds a model's labels to those of the classifier. One that exists, in whatever spelling,
    /// stays as it is.
    fn insert_labels(&mut self, classifier: &str, labels: Vec<String>) -> SqlResult<()> {
        let caller = self.caller.clone();
        self.execute(
            "INSERT INTO triage.label (classifier, label, created_by)
             SELECT $1, label, $3 FROM unnest($2) AS label ON CONFLICT DO NOTHING",
            &[classifier.into(), labels.into(), caller.into()],
        )?;
        Ok(())
    }

    /// Stores a model as the next version and its labels; returns the version.
    pub fn insert_model(&mut self, classifier: &str, new: NewModel) -> SqlResult<i32> {
        let meta = new.about.meta();
        self.insert_labels(classifier, meta.labels.clone())?;
        let caller = self.caller.clone();
        let m = &meta.metrics;
        // Figures without any judged email are unknown, not zero.
        let figure = |value: f64, n: u32| (n > 0).then_some(value);
        let comparison = new.comparison.as_ref();
        let compared = comparison.map(|c| c.compared).filter(|p| p.emails > 0);
        let reviewer = comparison.and_then(|c| c.reviewer.as_ref());
        let share = |right: u64, of: u64| right as f64 / of as f64;
        let (relabelled_from, learned) = new.relabelled_from.unzip();
        let inverse_temperature = match new.calibrated {
            Calibrated::AsTrained => Some(1.0),
            Calibrated::ByPower(inverse_temperature) => Some(inverse_temperature),
            Calibrated::Anew => None,
        };
        let last_decision = comparison.map(|c| c.last_decision).or(learned);
        let version = self.returning_value(
            "INSERT INTO triage_internal.model (classifier, version, model, checksum, bytes, documents, skipped, labels,
                    score_form, judged, accuracy, macro_f1, log_loss, calibration_error,
                    held_out, held_out_accuracy, baseline_accuracy, note, created_by, from_ledger,
                    last_decision, champion, compared, compared_accuracy, champion_accuracy, refused,
                    steps_of, reviewer, known_as, evidence, relabelled_from, inverse_temperature, label_change)
             SELECT $1,
                    1 + greatest(max(version),
                                 (SELECT max(version) FROM triage_internal.activation WHERE classifier = $1), 0),
                    $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                    -- One that a person made may have seen them all.
                    coalesce($20, (SELECT max(decision_id) FROM triage.decision), 0),
                    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,
                    CASE WHEN $30 IS NULL THEN $31
                         ELSE (SELECT inverse_temperature FROM triage_internal.model WHERE classifier = $1 AND version = $30) END,
                    coalesce((SELECT max(change_id) FROM triage_internal.label_change WHERE classifier = $1), 0)
               FROM triage_internal.model WHERE classifier = $1
             RETURNING version",
            &[
                classifier.into(),
                new.stored,
                checksum(new.about.identity()).into(),
                (new.about.total_bytes() as i64).into(),
                (meta.documents.iter().sum::<u64>() as i64).into(),
                (meta.skipped as i64).into(),
                (meta.labels.len() as i32).into(),
                meta.fit.form.name().into(),
                (m.judged as i32).into(),
                figure(m.accuracy, m.judged).into(),
                figure(m.macro_f1, m.judged).into(),
                figure(m.log_loss, m.judged).into(),
                figure(m.calibration_error, m.judged).into(),
                (m.held_out as i32).into(),
                figure(m.held_out_accuracy, m.held_out).into(),
                figure(m.baseline_accuracy, m.held_out).into(),
                new.note.into(),
                caller.as_str().into(),
                new.from_ledger.into(),
                last_decision.into(),
                comparison.map(|c| c.champion).into(),
                compared.map(|p| p.emails as i32).into(),
                compared.map(|p| share(p.challenger, p.emails)).into(),
                compared.map(|p| share(p.champion, p.emails)).into(),
                comparison.and_then(|c| c.refused.as_deref()).into(),
                new.steps_of.into(),
                reviewer.map(|r| r.name.as_str()).into(),
                reviewer.map(|r| r.known_as.as_str()).into(),
                reviewer.map(|r| r.evidence.as_str()).into(),
                relabelled_from.into(),
                inverse_temperature.into(),
            ],
        )?;
        version.ok_or_else(super::connection::nothing_returned)
    }

    /// Makes a version active in the place of the one that is: a rollback goes to where it would
    /// have gone from that one.
    pub fn replace_active(&mut self, classifier: &str, version: i32, why: &str) -> SqlResult<()> {
        let caller = self.caller.clone();
        self.execute(
            "INSERT INTO triage_internal.activation (classifier, version, kind, returns_to, activated_by, why)
             SELECT $1, $2, 'activate', returns_to, $3, $4 FROM triage_internal.active_version
              WHERE classifier = $1 AND version <> $2",
            &[
                classifier.into(),
                version.into(),
                caller.into(),
                why.into(),
            ],
        )?;
        Ok(())
    }

    /// Makes a version active. Returns false if it already was.
    pub fn activate(
        &mut self,
        classifier: &str,
        version: i32,
        why: Option<&str>,
    ) -> SqlResult<bool> {
        self.check_version(classifier, version)?;
        let caller = self.caller.clone();
        let inserted = self.execute(
            "WITH latest AS (SELECT activation_id, version FROM triage_internal.active_version WHERE classifier = $1)
             INSERT INTO triage_internal.activation (classifier, version, kind, returns_to, activated_by, why)
             SELECT $1, $2, 'activate', (SELECT activation_id FROM latest), $3, $4
              WHERE NOT EXISTS (SELECT FROM latest WHERE version = $2)",
            &[
                classifier.into(),
                version.into(),
                caller.into(),
                why.into(),
            ],
        )?;
        Ok(inserted == 1)
    }

    /// Makes a version active that was found by [`Reader::rollback`].
    pub fn roll_back(
        &mut self,
        classifier: &str,
        to: &EarlierActivation,
        why: Option<&str>,
    ) -> SqlResult<()> {
        let caller = self.caller.clone();
        self.execute(
            "INSERT INTO triage_internal.activation (classifier, version, kind, returns_to, activated_by, why)
             VALUES ($1, $2, 'rollback', $3, $4, $5)",
            &[
                classifier.into(),
                to.version.into(),
                to.returns_to.into(),
                caller.into(),
                why.into(),
            ],
        )?;
        Ok(())
    }
}

/// The error for a version that does not exist; `known` are those that do.
fn unknown_version(classifier: &str, version: i32, known: &[i32]) -> pg_sys::panic::ErrorReport {
    let known: Vec<_> = known.iter().map(i32::to_string).collect();
    report(
        Code::ERRCODE_UNDEFINED_OBJECT,
        format!(
            "version {version} of classifier \"{classifier}\" does not exist (known: {})",
            known.join(", ")
        ),
    )
}
