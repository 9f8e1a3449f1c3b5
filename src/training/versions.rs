//! Model versions: which there are, and which one answers.

use pgrx::{PgSqlErrorCode as Code, notice, pg_extern, pg_sys};

use crate::arguments::{check_note, given, given_classifier};
use crate::error::{SqlResult, report};
use crate::learning::base;
use crate::store::model::{Calibrated, NewModel};
use crate::training::labels::version::with_labels_of_now;
use crate::{pg, store};

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
            calibrated: Calibrated::AsTrained,
            relabelled_from: None,
            comparison: None,
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
    let (version, changed) = store::write(c"triage.activate()", |w| {
        w.lock_classifier(classifier)?;
        w.check_version(classifier, version)?;
        let version = with_labels_of_now(w, classifier, version)?;
        let changed = w.activate(classifier, version, why)?;
        if changed {
            base::rebase(w, classifier)?;
        }
        Ok((version, changed))
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
        let mut to = w.rollback(classifier)?;
        to.version = with_labels_of_now(w, classifier, to.version)?;
        w.roll_back(classifier, &to, why)?;
        base::rebase(w, classifier)?;
        Ok(to.version)
    })
}
