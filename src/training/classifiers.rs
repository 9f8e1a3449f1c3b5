//! Classifiers and their labels. What a label's description teaches is a decision, so that it can
//! be taken back: it goes the way of all decisions.

use pgrx::{PgSqlErrorCode as Code, notice, pg_extern};

use crate::arguments::{MAX_NAME_CHARS, comparable_name, given, given_classifier};
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::compaction;
use crate::review::rows::allowed::warn_of_refused;
use crate::store::label_change::NewLabelChange;
use crate::{review::decide, store};

#[pg_extern(sql = false)]
fn label_key(label: &str) -> SqlResult<String> {
    pg_triage_classifier::casefold_label(label).map_err(from_classifier)
}

#[pg_extern(sql = false)]
fn create_classifier(name: Option<&str>, description: Option<&str>) -> SqlResult<String> {
    let name = comparable_name(given(name, "name")?);
    if name.is_empty()
        || name != name.trim()
        || name.chars().count() > MAX_NAME_CHARS
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
        .map_err(from_classifier)?
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
        if w.set_retired(classifier, &stored, false)? {
            w.insert_label_change(NewLabelChange {
                classifier,
                kind: "restore",
                label: &stored,
                new_label: None,
                undoes: None,
            })?;
            notice!("label \"{stored}\" was retired and is in use again");
        }
        for source in w.attachments(None)? {
            if source.classifier == classifier {
                warn_of_refused(&source, std::slice::from_ref(&stored))?;
            }
        }
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
