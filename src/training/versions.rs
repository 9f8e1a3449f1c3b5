//! Classifiers, labels and model versions: what `sql/models.sql` declares.

use pgrx::{PgSqlErrorCode as Code, notice, pg_extern, pg_sys};

use crate::arguments::{self, check_note, given, given_classifier};
use crate::error::{SqlResult, from_core, report};
use crate::learning::{base, compaction};
use crate::store::model::NewModel;
use crate::{pg, review::decide, store};

#[pg_extern(sql = false)]
fn label_key(label: &str) -> SqlResult<String> {
    pg_triage_classifier::casefold_label(label).map_err(from_core)
}

/// Row and statement trigger of the catalogue tables.
#[pg_extern(sql = false)]
fn signal_change(_fcinfo: pg_sys::FunctionCallInfo) {
    // Gone only while the extension is being dropped: then nobody needs the signal.
    if let Some(signal) = pg::extension_relation(c"triage_internal", c"model_signal") {
        pg::invalidate_relation(signal);
    }
    if pg::is_restoring() {
        pg::worker::begin_restore();
    }
}

#[pg_extern(sql = false)]
fn create_classifier(name: Option<&str>, description: Option<&str>) -> SqlResult<String> {
    let name = arguments::comparable_name(given(name, "name")?);
    if name.is_empty()
        || name != name.trim()
        || name.chars().count() > arguments::MAX_NAME_CHARS
        || name.chars().any(char::is_control)
    {
        return Err(report(
            Code::ERRCODE_INVALID_NAME,
            "classifier name must have 1 to 128 printable characters and no white space around it",
        ));
    }
    store::write(c"triage.create_classifier()", |w| {
        w.create_classifier(name, description)
    })?;
    Ok(name.to_owned())
}

#[pg_extern(sql = false)]
fn add_label(
    classifier: Option<&str>,
    label: Option<&str>,
    description: Option<&str>,
) -> SqlResult<String> {
    let (classifier, label) = (given_classifier(classifier)?, given(label, "label")?);
    // First: it refuses what is too long to work on.
    if pg_triage_classifier::casefold_label(label)
        .map_err(from_core)?
        .is_empty()
    {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            "label must not be empty",
        ));
    }
    let stored = store::write(c"triage.add_label()", |w| {
        w.lock_classifier(classifier)?;
        let stored = w.add_label(classifier, label, description)?;
        if let Some(description) = description {
            decide::describe(w, classifier, &stored, description)?;
            compaction::compact_if_due(w)?;
        }
        Ok(stored)
    })?;
    if stored != label.trim() {
        notice!(
            "label \"{}\" is the same as \"{stored}\", which exists",
            label.trim()
        );
    }
    Ok(stored)
}

/// The model is passed on as it is, without reading more of it than its front.
#[pg_extern(sql = false)]
fn deploy(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<i32> {
    let classifier = given_classifier(pg::text_argument(&fcinfo, 0))?;
    let model = pg::raw_argument(fcinfo, 1).ok_or_else(|| {
        report(
            Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "there is no model to deploy: train_classifier() saw no row with both body and label",
        )
    })?;
    let activate = pg::optional_bool(fcinfo, 2).unwrap_or(true);
    let note = pg::text_argument(&fcinfo, 3);
    check_note(note, "note")?;
    let opened = model.read_model()?;
    store::write(c"triage.deploy()", |w| {
        w.lock_classifier(classifier)?;
        let new = NewModel {
            stored: model.argument(),
            about: &opened,
            from_ledger: false,
            note,
            steps_of: None,
            verdict: None,
        };
        let version = w.insert_model(classifier, new)?;
        if activate && w.activate(classifier, version, note)? {
            base::rebase(w, classifier)?;
        }
        Ok(version)
    })
}

#[pg_extern(sql = false)]
fn activate(classifier: Option<&str>, version: Option<i32>, why: Option<&str>) -> SqlResult<i32> {
    let (classifier, version) = (given_classifier(classifier)?, given(version, "version")?);
    check_note(why, "why")?;
    let changed = store::write(c"triage.activate()", |w| {
        w.lock_classifier(classifier)?;
        let changed = w.activate(classifier, version, why)?;
        if changed {
            base::rebase(w, classifier)?;
        }
        Ok(changed)
    })?;
    if !changed {
        notice!("version {version} of classifier \"{classifier}\" is active already");
    }
    Ok(version)
}

#[pg_extern(sql = false)]
fn rollback(classifier: Option<&str>, why: Option<&str>) -> SqlResult<i32> {
    let classifier = given_classifier(classifier)?;
    check_note(why, "why")?;
    store::write(c"triage.rollback()", |w| {
        w.lock_classifier(classifier)?;
        let version = w.roll_back(classifier, why)?;
        base::rebase(w, classifier)?;
        Ok(version)
    })
}
