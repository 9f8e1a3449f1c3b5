//! `triage.classifier` and `triage.label`.

use pg_triage_classifier::casefold_label;
use pg_triage_decision::FoundLabel;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, from_classifier, report};
use crate::pg;
use crate::suggestion::{renamed_label, retired_label, unknown, unknown_label};

/// The classifier that exists without being registered.
pub const DEFAULT_CLASSIFIER: &str = "default";

/// A label in a classifier's own spelling, whatever the spelling that is asked for.
const BY_KEY: &str =
    "label FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2";

row! {
    /// A label, and whether it may be given.
    pub struct KnownLabel {
        pub label: String,
        pub is_retired: bool = "retired_at IS NOT NULL",
    }
}

impl Reader<'_> {
    /// Names of all classifiers that are registered.
    pub fn classifiers(&self) -> SqlResult<Vec<String>> {
        self.values("name FROM triage.classifier ORDER BY name", &[])
    }

    /// Refuses a classifier that does not exist.
    pub fn check_classifier(&self, name: &str) -> SqlResult<()> {
        let names = self.classifiers()?;
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(unknown_classifier(name, names))
    }

    /// Below which confidence a person should see a prediction.
    pub fn review_below(&self, classifier: &str) -> SqlResult<f64> {
        let found = self.value(
            "review_below FROM triage.classifier WHERE name = $1",
            &[classifier.into()],
        )?;
        // Of a classifier that is gone nothing is left to see.
        Ok(found.unwrap_or(0.0))
    }

    /// Labels of a classifier, with and without emails.
    pub fn labels(&self, classifier: &str) -> SqlResult<Vec<String>> {
        self.values(
            "label FROM triage.label WHERE classifier = $1 ORDER BY label",
            &[classifier.into()],
        )
    }

    /// A label in the classifier's own spelling, if it has it.
    pub fn label(&self, classifier: &str, given: &str) -> SqlResult<Option<String>> {
        let key = casefold_label(given).map_err(from_classifier)?;
        self.value(BY_KEY, &[classifier.into(), key.as_str().into()])
    }

    /// Labels of a classifier in no order, and which of them are retired.
    pub fn labels_with_use(&self, classifier: &str) -> SqlResult<Vec<KnownLabel>> {
        self.rows(
            "FROM triage.label WHERE classifier = $1",
            &[classifier.into()],
        )
    }

    /// Labels of a classifier that may be given.
    pub fn labels_in_use(&self, classifier: &str) -> SqlResult<Vec<String>> {
        self.values(
            "label FROM triage.label WHERE classifier = $1 AND retired_at IS NULL ORDER BY label",
            &[classifier.into()],
        )
    }

    /// A label, or what may be said about one that the classifier does not have.
    pub fn find_label(&self, classifier: &str, given: &str) -> SqlResult<FoundLabel> {
        let found = |found: KnownLabel| match found.is_retired {
            true => FoundLabel::Retired(found.label),
            false => FoundLabel::Known(found.label),
        };
        // Mostly it is spelled as it is stored: then nothing has to be casefolded.
        let same = "FROM triage.label WHERE classifier = $1 AND label = $2";
        if let Some(label) = self.maybe(same, &[classifier.into(), given.into()])? {
            return Ok(found(label));
        }
        let key = casefold_label(given).map_err(from_classifier)?;
        let alike =
            "FROM triage.label WHERE classifier = $1 AND triage_internal.label_key(label) = $2";
        if let Some(label) = self.maybe(alike, &[classifier.into(), key.as_str().into()])? {
            return Ok(found(label));
        }
        if let Some(label) = self.renamed_to(classifier, &key)? {
            return Ok(FoundLabel::Renamed(label));
        }
        let takes_new = self.exists(
            "FROM triage.classifier WHERE name = $1 AND open_labels",
            &[classifier.into()],
        )?;
        if takes_new {
            return Ok(FoundLabel::New);
        }
        self.labels_in_use(classifier).map(FoundLabel::Unknown)
    }
}

impl Writer<'_> {
    /// Registers a classifier.
    pub fn create_classifier(&mut self, name: &str, description: Option<&str>) -> SqlResult<()> {
        let caller = self.caller.clone();
        let inserted = self.execute(
            "INSERT INTO triage.classifier (name, description, created_by) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO NOTHING",
            &[name.into(), description.into(), caller.into()],
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
            let caller = self.caller.clone();
            self.execute(
                "INSERT INTO triage.classifier (name, created_by) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                &[name.into(), caller.into()],
            )?;
        }
        // An update, not a row lock: a transaction with an older snapshot must fail (40001)
        // instead of deciding on history.
        let locked = self.execute(
            "UPDATE triage.classifier SET description = description WHERE name = $1",
            &[name.into()],
        )?;
        if locked == 1 {
            return Ok(());
        }
        Err(unknown_classifier(name, self.classifiers()?))
    }

    /// Adds a label or, if given, a description to one that exists; returns its spelling.
    pub fn add_label(
        &mut self,
        classifier: &str,
        label: &str,
        description: Option<&str>,
    ) -> SqlResult<String> {
        if let Some(label) = self.label(classifier, label)? {
            if description.is_some() {
                self.execute(
                    "UPDATE triage.label SET description = $3 WHERE classifier = $1 AND label = $2",
                    &[classifier.into(), label.as_str().into(), description.into()],
                )?;
            }
            return Ok(label);
        }
        let label = label.trim();
        let caller = self.caller.clone();
        let inserted = self.execute(
            "INSERT INTO triage.label (classifier, label, description, created_by) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &[classifier.into(), label.into(), description.into(), caller.into()],
        )?;
        if inserted == 1 {
            return Ok(label.to_owned());
        }
        // Another session was faster, perhaps with another spelling.
        self.label(classifier, label)?.ok_or_else(|| {
            report(
                Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!("label \"{label}\" is being added by another session: try again"),
            )
        })
    }

    /// A label that is about to be written, as [`Reader::find_label`] finds it. A transaction that
    /// keeps one snapshot fails (40001) where the label has another name since.
    pub fn label_to_give(&mut self, classifier: &str, given: &str) -> SqlResult<FoundLabel> {
        let found = self.find_label(classifier, given)?;
        if let (FoundLabel::Known(label), true) = (&found, pg::keeps_one_snapshot()) {
            self.lock_label(classifier, label)?;
        }
        Ok(found)
    }

    /// A label in the classifier's own spelling. One that does not exist is an error, or is
    /// added if the classifier takes new ones.
    pub fn known_label(&mut self, classifier: &str, given: &str) -> SqlResult<String> {
        match self.label_to_give(classifier, given)? {
            FoundLabel::Known(label) => Ok(label),
            FoundLabel::Retired(label) => Err(retired_label(&label, classifier)),
            FoundLabel::Renamed(label) => Err(renamed_label(given, &label, classifier)),
            FoundLabel::New => self.add_label(classifier, given, None),
            FoundLabel::Unknown(known) => Err(unknown_label(given, classifier, &known)),
        }
    }
}

/// `classifier "x" does not exist`: the default one can always be named.
pub fn unknown_classifier(name: &str, mut known: Vec<String>) -> pg_sys::panic::ErrorReport {
    if !known.iter().any(|k| k == DEFAULT_CLASSIFIER) {
        known.insert(0, DEFAULT_CLASSIFIER.to_owned());
    }
    unknown("classifier", name, &known)
}
