//! All queries: reads and writes of the tables in `sql/catalog.sql`, with their owner's
//! rights.

use std::collections::HashSet;
use std::ffi::CStr;
use std::rc::Rc;

use pg_triage_classifier::PairedAnswers;
use pg_triage_classifier::{Fit, LabelCounts, Live, Model, apply, casefold_label};
use pgrx::datum::DatumWithOid;
use pgrx::spi::{SpiClient, SpiTupleTable};
use pgrx::{FromDatum, IntoDatum, PgSqlErrorCode as Code, Spi, pg_sys};

use crate::arguments::comparable_name;
use crate::error::{SqlResult, from_core, report};
use crate::pg::{self, Rows};
use crate::predict::cache::Active;
use crate::suggestion::unknown;

pub mod base;
pub mod inbox;
pub mod installed;
pub mod ledger;
pub mod maintenance;
pub mod quality;
pub mod review;
pub mod source;

/// Decisions read at once: each has some kilobytes.
pub const LESSONS_AT_ONCE: usize = 500;

/// The classifier that exists without being registered.
pub const DEFAULT_CLASSIFIER: &str = "default";

/// Runs `f` for an SQL function that writes: connected to SPI, with the rights of the
/// tables' owner.
pub fn write<R>(function: &CStr, f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    pg::prevent_if_read_only(function);
    as_owner(f)
}

/// The same for one that only reads, but sees what its transaction has written.
pub fn as_owner<R>(f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    connected(false, f)
}

/// The same for one that only reads, and only what the caller's statement sees: what it reads
/// in several queries fits together.
pub fn under_snapshot<R>(f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    connected(true, f)
}

fn connected<R>(read_only: bool, f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    pg::probe_for_work()?;
    let actor = pg::current_user();
    pg::as_owner_of(signal_relation()?, || {
        Spi::connect_mut(|client| {
            f(&mut Writer {
                client,
                actor,
                read_only,
            })
        })
    })
}

/// OID of `triage_internal.model_signal`: stands for the extension's tables.
pub fn signal_relation() -> SqlResult<pg_sys::Oid> {
    pg::extension_relation(c"triage_internal", c"model_signal").ok_or_else(|| {
        report(
            Code::ERRCODE_UNDEFINED_OBJECT,
            "extension pg_triage is not installed in this database: run CREATE EXTENSION pg_triage",
        )
    })
}

/// What a classifier answers with.
pub enum Look {
    /// Its active model with the decisions since.
    Active(Active),
    /// Nothing yet; the latest stored version, if there is one to activate.
    NoModel {
        /// That version.
        stored: Option<String>,
    },
}

/// Where the model that classifier $1 answers with is: in the base, or in its active version.
macro_rules! from_active {
    () => {
        " FROM triage.classifier c
          LEFT JOIN LATERAL (SELECT a.version FROM triage_internal.activation a
                              WHERE a.classifier = c.name
                              ORDER BY a.activation_id DESC LIMIT 1) a ON true
          LEFT JOIN triage_internal.model m ON m.classifier = c.name AND m.version = a.version
          LEFT JOIN triage_internal.base b ON b.classifier = c.name AND b.version IS NOT DISTINCT FROM a.version
         WHERE c.name = $1"
    };
}

/// The active model of a classifier and the decisions since, under the caller's snapshot;
/// `known`'s parts are used again if they are still right.
pub fn read_active(
    signal: pg_sys::Oid,
    classifier: &str,
    known: Option<Active>,
) -> SqlResult<Look> {
    pg::probe_for_work()?;
    pg::as_owner_of(signal, || {
        Spi::connect(|client| {
            let row = pg::select(
                client,
                concat!(
                    "SELECT coalesce(b.serving, m.model), a.version,
                         (SELECT max(version) FROM triage_internal.model WHERE classifier = c.name),
                         c.review_below, coalesce(m.steps_of, a.version, 0)",
                    from_active!()
                ),
                &[classifier],
            )?;
            if row.len() == 0 {
                if classifier == DEFAULT_CLASSIFIER {
                    return Ok(Look::NoModel { stored: None });
                }
                let names = pg::select(
                    client,
                    "SELECT name FROM triage.classifier ORDER BY name",
                    &[],
                )?;
                return Err(unknown_classifier(classifier, names.texts()));
            }
            let rows = pg::select(
                client,
                "SELECT decision_id FROM triage_internal.pending WHERE classifier = $1",
                &[classifier],
            )?;
            pg_triage_classifier::probe(64 * rows.len()).map_err(from_core)?;
            let pending: HashSet<i64> = (0..rows.len()).filter_map(|r| rows.parsed(r, 1)).collect();
            let stored = row.raw(0, 1);
            let nothing = Look::NoModel {
                stored: row.text(0, 3),
            };
            if stored.is_none() && pending.is_empty() {
                return Ok(nothing);
            }
            let header = stored.map(|stored| stored.read_header()).transpose()?;
            let identity = match &header {
                Some(header) => header.identity(),
                None => empty_base()?.identity(),
            };
            let version: Option<i32> = row.parsed(0, 2);
            let steps_of: i64 = row.parsed(0, 5).unwrap_or(0);
            let known = known.filter(|known| {
                known.installation == signal
                    && known.steps_of == steps_of
                    && known.live.base().identity() == identity
            });
            let (mut live, mut applied) = match known {
                Some(known) if known.applied.is_subset(&pending) => (known.live, known.applied),
                Some(known) => {
                    let mut live = Live::new(known.live.base().clone());
                    if let Some(counts) = known.live.counts() {
                        live.set_counts(counts.clone());
                    }
                    (live, HashSet::new())
                }
                None => {
                    let model = match (stored, &header) {
                        (Some(stored), Some(header)) => stored.read_model_after(header)?,
                        _ => empty_base()?,
                    };
                    (Live::new(Rc::new(model)), HashSet::new())
                }
            };
            if applied.len() < pending.len() {
                if let (true, Some(stored), Some(header)) = (live.needs_counts(), stored, &header) {
                    live.set_counts(Rc::new(stored.read_counts(header)?));
                }
                let mut new: Vec<i64> = pending.difference(&applied).copied().collect();
                new.sort_unstable();
                for some in new.chunks(LESSONS_AT_ONCE) {
                    pg::check_for_interrupts();
                    let effects = ledger::lessons(client, some, steps_of)?;
                    apply(&mut live, &effects, &pg::check_for_interrupts).map_err(from_core)?;
                }
                live.refresh(&pg::check_for_interrupts).map_err(from_core)?;
                applied = pending;
            }
            // A single label is no choice yet.
            if stored.is_none() && live.labels().len() < 2 {
                return Ok(nothing);
            }
            let names = pg::select(
                client,
                "SELECT label FROM triage.label WHERE classifier = $1",
                &[classifier],
            )?
            .texts();
            let casefolded = live.labels().iter().map(|l| (&*l.casefolded, &*l.name));
            let labels = catalogue_spelling(casefolded, names)?;
            Ok(Look::Active(Active {
                live,
                labels,
                version,
                steps_of,
                review_below: row.number(0, 4).unwrap_or_default(),
                applied,
                installation: signal,
            }))
        })
    })
}

/// Sets the counts that learning needs, if the base is still the one that is stored.
pub fn read_counts(classifier: &str, live: &mut Live) -> SqlResult<()> {
    if !live.needs_counts() {
        return Ok(());
    }
    pg::as_owner_of(signal_relation()?, || {
        Spi::connect(|client| {
            let row = pg::select(
                client,
                concat!("SELECT coalesce(b.serving, m.model)", from_active!()),
                &[classifier],
            )?;
            if row.len() > 0
                && let Some(stored) = row.raw(0, 1)
            {
                live.set_counts(Rc::new(stored.read_counts(&stored.read_header()?)?));
            }
            Ok(())
        })
    })
}

/// Labels of a classifier, with and without emails.
pub fn labels(classifier: &str) -> SqlResult<Vec<String>> {
    let classifier = comparable_name(classifier);
    pg::as_owner_of(signal_relation()?, || {
        Spi::connect(|client| {
            let query = "SELECT label FROM triage.label WHERE classifier = $1 ORDER BY label";
            Ok(pg::select(client, query, &[classifier])?.texts())
        })
    })
}

fn empty_base() -> SqlResult<Model> {
    Model::empty(Fit::default()).map_err(from_core)
}

/// Labels, given in casefolded form and as emails have them, spelled as in `triage.label`.
fn catalogue_spelling<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    catalogue: Vec<String>,
) -> SqlResult<Vec<String>> {
    let mut by_key = std::collections::HashMap::new();
    for label in catalogue {
        by_key.insert(casefold_label(&label).map_err(from_core)?, label);
    }
    let spelled = |(casefolded, name): (&str, &str)| {
        let known = by_key.remove(casefolded);
        known.unwrap_or_else(|| name.to_owned())
    };
    Ok(labels.map(spelled).collect())
}

/// A model's identity as people see it.
pub fn checksum(identity: u128) -> String {
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
    /// What maintenance found out about it; `None` if a person makes it.
    pub verdict: Option<Verdict>,
}

/// What a comparison with the active version has shown.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The latest decision that training may have seen.
    pub last_decision: i64,
    /// The active version, 0 for decisions alone.
    pub champion: i32,
    /// Its answers and those of the new one.
    pub compared: PairedAnswers,
    /// Why the new one is not to be activated.
    pub refused: Option<String>,
    /// Whose decisions all others contradict, if that is why: the name or role, and the same
    /// with other names of theirs.
    pub reviewer: Option<(String, String)>,
}

/// Statements that change the tables.
pub struct Writer<'a, 'c> {
    client: &'a mut SpiClient<'c>,
    /// Who called: written down with every change.
    actor: String,
    /// Only queries, under the caller's snapshot.
    read_only: bool,
}

impl<'c> Writer<'_, 'c> {
    /// Registers a classifier.
    pub fn create_classifier(&mut self, name: &str, description: Option<&str>) -> SqlResult<()> {
        let inserted = self.update(
            "INSERT INTO triage.classifier (name, description, created_by) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO NOTHING",
            &[name.into(), description.into(), self.actor.as_str().into()],
        )?;
        if inserted == 0 {
            return Err(report(
                Code::ERRCODE_DUPLICATE_OBJECT,
                format!("classifier \"{name}\" already exists"),
            ));
        }
        Ok(())
    }

    /// Locks a classifier against concurrent changes of its labels and versions; creates
    /// the default one on first use.
    pub fn lock_classifier(&mut self, name: &str) -> SqlResult<()> {
        if name == DEFAULT_CLASSIFIER {
            self.update(
                "INSERT INTO triage.classifier (name, created_by) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                &[name.into(), self.actor.as_str().into()],
            )?;
        }
        // An update, not a row lock: a transaction with an older snapshot must fail (40001)
        // instead of deciding on history.
        let locked = self.update(
            "UPDATE triage.classifier SET description = description WHERE name = $1",
            &[name.into()],
        )?;
        if locked == 1 {
            return Ok(());
        }
        let names = values(self.client.select(
            "SELECT name FROM triage.classifier ORDER BY name",
            None,
            &[],
        ))?;
        Err(unknown_classifier(name, names))
    }

    /// Refuses a classifier that does not exist.
    pub fn check_classifier(&mut self, name: &str) -> SqlResult<()> {
        let rows = self.run("SELECT name FROM triage.classifier ORDER BY name", &[])?;
        let names = rows.texts();
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(unknown_classifier(name, names))
    }

    /// Labels of counts, spelled as in `triage.label`.
    pub fn spelled(&mut self, classifier: &str, labels: &[LabelCounts]) -> SqlResult<Vec<String>> {
        let rows = self.run(
            "SELECT label FROM triage.label WHERE classifier = $1",
            &[classifier.into()],
        )?;
        let casefolded = labels.iter().map(|l| (&*l.casefolded, l.name()));
        catalogue_spelling(casefolded, rows.texts())
    }

    /// Below which confidence a person should see a prediction.
    pub fn review_below(&mut self, classifier: &str) -> SqlResult<f64> {
        let rows = self.run(
            "SELECT review_below FROM triage.classifier WHERE name = $1",
            &[classifier.into()],
        )?;
        // Of a classifier that is gone nothing is left to see.
        Ok(match rows.len() {
            0 => 0.0,
            _ => rows.number(0, 1).unwrap_or_default(),
        })
    }

    /// Whether a label exists, in whatever spelling.
    pub fn has_label(&mut self, classifier: &str, label: &str) -> SqlResult<bool> {
        let key = casefold_label(label).map_err(from_core)?;
        let rows = self.run(
            "SELECT FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2",
            &[classifier.into(), key.as_str().into()],
        )?;
        Ok(rows.len() > 0)
    }

    /// Adds a label or, if given, a description to one that exists; returns its spelling.
    pub fn add_label(
        &mut self,
        classifier: &str,
        label: &str,
        description: Option<&str>,
    ) -> SqlResult<String> {
        let key = casefold_label(label).map_err(from_core)?;
        let existing: Vec<String> = values(self.client.update(
            "SELECT label FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2",
            None,
            &[classifier.into(), key.as_str().into()],
        ))?;
        if let Some(label) = existing.into_iter().next() {
            if description.is_some() {
                self.update(
                    "UPDATE triage.label SET description = $3 WHERE classifier = $1 AND label = $2",
                    &[classifier.into(), label.as_str().into(), description.into()],
                )?;
            }
            return Ok(label);
        }
        let label = label.trim();
        let inserted = self.update(
            "INSERT INTO triage.label (classifier, label, description, created_by) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &[classifier.into(), label.into(), description.into(), self.actor.as_str().into()],
        )?;
        if inserted == 1 {
            return Ok(label.to_owned());
        }
        // Another session was faster, perhaps with another spelling.
        let theirs: Vec<String> = values(self.client.update(
            "SELECT label FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2",
            None,
            &[classifier.into(), key.as_str().into()],
        ))?;
        theirs.into_iter().next().ok_or_else(|| {
            report(
                Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!("label \"{label}\" is being added by another session: try again"),
            )
        })
    }

    /// Stores a model as the next version and its labels; returns the version.
    pub fn insert_model(&mut self, classifier: &str, new: NewModel) -> SqlResult<i32> {
        let meta = new.about.meta();
        // A label that exists, in whatever spelling, stays as it is.
        self.update(
            "INSERT INTO triage.label (classifier, label, created_by)
             SELECT $1, label, $3 FROM unnest($2) AS label ON CONFLICT DO NOTHING",
            &[
                classifier.into(),
                meta.labels.clone().into(),
                self.actor.as_str().into(),
            ],
        )?;
        let m = &meta.metrics;
        // Figures without any judged email are unknown, not zero.
        let figure = |value: f64, n: u32| (n > 0).then_some(value);
        let verdict = new.verdict.as_ref();
        let compared = verdict.map(|v| v.compared).filter(|p| p.emails > 0);
        let reviewer = verdict.and_then(|v| v.reviewer.as_ref());
        let share = |right: u64, of: u64| right as f64 / of as f64;
        let versions: Vec<i32> = values(self.client.update(
            "INSERT INTO triage_internal.model (classifier, version, model, checksum, bytes, documents, skipped, labels,
                    score_form, judged, accuracy, macro_f1, log_loss, calibration_error,
                    held_out, held_out_accuracy, baseline_accuracy, note, created_by, from_ledger,
                    last_decision, champion, compared, compared_accuracy, champion_accuracy, refused, steps_of, reviewer, known_as)
             SELECT $1, 1 + greatest(max(version), (SELECT max(version) FROM triage_internal.activation WHERE classifier = $1), 0), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                    -- One that a person made may have seen them all.
                    coalesce($20, (SELECT max(decision_id) FROM triage.decision), 0), $21, $22, $23, $24, $25, $26, $27, $28
               FROM triage_internal.model WHERE classifier = $1
             RETURNING version",
            None,
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
                self.actor.as_str().into(),
                new.from_ledger.into(),
                verdict.map(|v| v.last_decision).into(),
                verdict.map(|v| v.champion).into(),
                compared.map(|p| p.emails as i32).into(),
                compared.map(|p| share(p.challenger, p.emails)).into(),
                compared.map(|p| share(p.champion, p.emails)).into(),
                verdict.and_then(|v| v.refused.as_deref()).into(),
                new.steps_of.into(),
                reviewer.map(|(name, _)| name.as_str()).into(),
                reviewer.map(|(_, known_as)| known_as.as_str()).into(),
            ],
        ))?;
        first(versions)
    }

    /// The active version, if there is one.
    pub fn active_version(&mut self, classifier: &str) -> SqlResult<Option<i32>> {
        let rows = self.run(
            "SELECT version FROM triage_internal.activation WHERE classifier = $1 ORDER BY activation_id DESC LIMIT 1",
            &[classifier.into()],
        )?;
        Ok((rows.len() > 0).then(|| rows.parsed(0, 1)).flatten())
    }

    /// Makes a version active. Returns false if it already was.
    pub fn activate(
        &mut self,
        classifier: &str,
        version: i32,
        why: Option<&str>,
    ) -> SqlResult<bool> {
        self.check_version(classifier, version)?;
        let inserted = self.update(
            "WITH latest AS (SELECT activation_id, version FROM triage_internal.activation
                              WHERE classifier = $1 ORDER BY activation_id DESC LIMIT 1)
             INSERT INTO triage_internal.activation (classifier, version, kind, returns_to, activated_by, why)
             SELECT $1, $2, 'activate', (SELECT activation_id FROM latest), $3, $4
              WHERE NOT EXISTS (SELECT FROM latest WHERE version = $2)",
            &[
                classifier.into(),
                version.into(),
                self.actor.as_str().into(),
                why.into(),
            ],
        )?;
        Ok(inserted == 1)
    }

    /// Goes back to the latest activation of another version, past those whose version has
    /// been deleted since; returns the version.
    pub fn roll_back(&mut self, classifier: &str, why: Option<&str>) -> SqlResult<i32> {
        let versions: Vec<i32> = values(self.client.update(
            "WITH RECURSIVE earlier AS (
                 (SELECT version AS active, false AS there, NULL::int AS version, returns_to
                    FROM triage_internal.activation WHERE classifier = $1 ORDER BY activation_id DESC LIMIT 1)
                 UNION ALL
                 SELECT active,
                        a.version <> active
                        AND EXISTS (SELECT FROM triage_internal.model m WHERE m.classifier = $1 AND m.version = a.version),
                        a.version, a.returns_to
                   FROM earlier JOIN triage_internal.activation a ON a.activation_id = earlier.returns_to
                  WHERE NOT there)
             INSERT INTO triage_internal.activation (classifier, version, kind, returns_to, activated_by, why)
             SELECT $1, version, 'rollback', returns_to, $2, $3 FROM earlier WHERE there
             RETURNING version",
            None,
            &[classifier.into(), self.actor.as_str().into(), why.into()],
        ))?;
        versions.into_iter().next().ok_or_else(|| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("classifier \"{classifier}\" has no earlier activation to go back to (see triage.activations)"),
            )
        })
    }

    /// Runs a statement that is used often: its plan is kept.
    fn run(&mut self, query: &str, arguments: &[DatumWithOid]) -> SqlResult<Rows<'c>> {
        pg::execute(self.client, query, arguments, self.read_only)
    }

    fn update(&mut self, query: &str, arguments: &[DatumWithOid]) -> SqlResult<usize> {
        self.client
            .update(query, None, arguments)
            .map(|t| t.len())
            .map_err(from_spi)
    }
}

fn unknown_version(classifier: &str, version: i32, known: &[String]) -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_UNDEFINED_OBJECT,
        format!(
            "version {version} of classifier \"{classifier}\" does not exist (known: {})",
            known.join(", ")
        ),
    )
}

fn unknown_classifier(name: &str, mut known: Vec<String>) -> pg_sys::panic::ErrorReport {
    if !known.iter().any(|k| k == DEFAULT_CLASSIFIER) {
        known.insert(0, DEFAULT_CLASSIFIER.to_owned());
    }
    unknown("classifier", name, &known)
}

/// The first column of a result, without nulls.
fn values<T: FromDatum + IntoDatum>(table: pgrx::spi::Result<SpiTupleTable>) -> SqlResult<Vec<T>> {
    let values = table.map_err(from_spi)?.map(|row| row.get::<T>(1));
    values
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()
        .map_err(from_spi)
}

fn first<T>(values: Vec<T>) -> SqlResult<T> {
    let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a statement returned no row");
    values.into_iter().next().ok_or_else(missing)
}

/// An error of pgrx's own.
pub fn from_spi(error: pgrx::spi::Error) -> pg_sys::panic::ErrorReport {
    report(Code::ERRCODE_INTERNAL_ERROR, error.to_string())
}
