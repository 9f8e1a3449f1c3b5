//! Labels that change: what `sql/training/labels.sql` declares.
//!
//! A change takes the lock of labels first, then that of the classifier: who decides, or labels
//! new mail, holds the former as long as its transaction, so nobody writes a name that is no more.

mod change;
mod description;
mod follow;
mod undo;
pub mod version;

use pg_triage_classifier::{MAX_LABEL_BYTES, casefold_label};
use pg_triage_decision::{Action, Door, Request};
use pgrx::{PgSqlErrorCode as Code, notice, pg_extern, pg_sys};

use crate::arguments::{given, given_classifier};
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::review::decide;
use crate::session::{self, Actor};
use crate::store::classifier::DEFAULT_CLASSIFIER;
use crate::store::label_change::{LabelRow, NewLabelChange};
use crate::store::{self, Writer};
use crate::suggestion::{retired_label, unknown_label};
use crate::types::ledger::{load_features, signed};
use change::Change;

/// The key of a label that a caller gives; white space only is none.
fn key_of(label: &str) -> SqlResult<String> {
    let key = casefold_label(label).map_err(from_classifier)?;
    if key.is_empty() {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            "label must not be empty",
        ));
    }
    Ok(key)
}

/// A label as the catalogue has it. It is an error if there is none.
fn existing(w: &Writer, classifier: &str, label: &str) -> SqlResult<LabelRow> {
    let key = key_of(label)?;
    if let Some(row) = w.label_row(classifier, &key)? {
        return Ok(row);
    }
    Err(unknown_label(label, classifier, &w.labels(classifier)?))
}

/// Refuses a classifier that does not exist; the default one does without being registered.
fn check(w: &Writer, classifier: &str) -> SqlResult<()> {
    match classifier == DEFAULT_CLASSIFIER {
        true => Ok(()),
        false => w.check_classifier(classifier),
    }
}

fn lock(w: &mut Writer, classifier: &str) -> SqlResult<()> {
    check(w, classifier)?;
    w.lock_labels()?;
    w.lock_classifier(classifier)
}

#[pg_extern(sql = false)]
fn rename_label(classifier: Option<&str>, old: Option<&str>, new: Option<&str>) -> SqlResult<i64> {
    let classifier = given_classifier(classifier)?;
    let (old, new) = (given(old, "old")?, given(new, "new")?);
    key_of(new)?;
    let new = new.trim();
    store::write(c"triage.rename_label()", |w| {
        lock(w, classifier)?;
        let from = existing(w, classifier, old)?;
        rename(w, classifier, &from, new, None)
    })
}

/// Gives a label another name, in all tables but a lookup table that has it already. The caller
/// holds the locks.
fn rename(
    w: &mut Writer,
    classifier: &str,
    from: &LabelRow,
    new: &str,
    follows: Option<pg_sys::Oid>,
) -> SqlResult<i64> {
    let new_key = key_of(new)?;
    if from.label == new {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("label \"{new}\" of classifier \"{classifier}\" is called that already"),
        ));
    }
    if from.key != new_key
        && let Some(other) = w.label_row(classifier, &new_key)?
    {
        let quoted = |text: &str| text.replace('\'', "''");
        return Err(report(
            Code::ERRCODE_DUPLICATE_OBJECT,
            format!(
                "label \"{}\" exists in classifier \"{classifier}\": SELECT triage.merge_labels('{}', '{}', '{}') makes one of both",
                other.label,
                quoted(classifier),
                quoted(&from.label),
                quoted(&other.label)
            ),
        ));
    }
    let why = format!("label \"{}\" is called \"{new}\" now", from.label);
    change::apply(
        w,
        &Change {
            classifier,
            kind: "rename",
            from,
            to: new,
            into: None,
            undoes: None,
            version: None,
            follows,
            why: &why,
        },
    )
}

#[pg_extern(sql = false)]
fn merge_labels(
    classifier: Option<&str>,
    from_label: Option<&str>,
    into_label: Option<&str>,
) -> SqlResult<i64> {
    let classifier = given_classifier(classifier)?;
    let from = given(from_label, "from_label")?;
    let into = given(into_label, "into_label")?;
    store::write(c"triage.merge_labels()", |w| {
        lock(w, classifier)?;
        let from = existing(w, classifier, from)?;
        let into = existing(w, classifier, into)?;
        if from.key == into.key {
            return Err(report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("label \"{}\" cannot be merged with itself", from.label),
            ));
        }
        if into.is_retired {
            return Err(retired_label(&into.label, classifier));
        }
        let why = format!("label \"{}\" is part of \"{}\" now", from.label, into.label);
        change::apply(
            w,
            &Change {
                classifier,
                kind: "merge",
                from: &from,
                to: &into.label,
                into: Some(&into),
                undoes: None,
                version: None,
                follows: None,
                why: &why,
            },
        )
    })
}

#[pg_extern(sql = false)]
fn retire_label(classifier: Option<&str>, label: Option<&str>) -> SqlResult<i64> {
    let (classifier, label) = (given_classifier(classifier)?, given(label, "label")?);
    store::write(c"triage.retire_label()", |w| {
        lock(w, classifier)?;
        let label = existing(w, classifier, label)?;
        if label.is_retired {
            return Err(retired_label(&label.label, classifier));
        }
        let id = w.insert_label_change(NewLabelChange {
            classifier,
            kind: "retire",
            label: &label.label,
            new_label: None,
            undoes: None,
        })?;
        w.set_retired(classifier, &label.label, true)?;
        let emails = w.reviews_with(classifier, &label.key)?;
        w.complete_label_change(id, emails as usize)?;
        Ok(id)
    })
}

#[pg_extern(sql = false)]
fn split_label(classifier: Option<&str>, label: Option<&str>) -> SqlResult<i64> {
    let (classifier, label) = (given_classifier(classifier)?, given(label, "label")?);
    let actor = Actor::new(None);
    let request = Request {
        action: Action::AskAgain,
        note: None,
        row_version: None,
        door: Door::Function,
        confirmed_by: None,
    };
    store::write(c"triage.split_label()", |w| {
        store::hold_labels()?;
        check(w, classifier)?;
        let label = existing(w, classifier, label)?;
        let id = w.insert_label_change(NewLabelChange {
            classifier,
            kind: "split",
            label: &label.label,
            new_label: None,
            undoes: None,
        })?;
        session::begin_batch();
        let mut asked = Vec::new();
        // In one order for everybody, so that nobody waits in a circle.
        for review_id in w.reviews_labelled(classifier, &label.label)? {
            check_for_interrupts();
            asked.extend(decide::decide(w, &actor, review_id, request)?.decision);
        }
        let emails = asked.len();
        w.note_asked(id, asked)?;
        w.complete_label_change(id, emails)?;
        compaction::compact_if_due(w)?;
        if emails > 0 {
            notice!(
                "triage.add_label() adds what \"{}\" is split into; the emails are in triage.review_queue",
                label.label
            );
        }
        Ok(emails as i64)
    })
}

#[pg_extern(sql = false)]
fn undo_label_change(change_id: Option<i64>) -> SqlResult<i64> {
    let change_id = given(change_id, "change_id")?;
    store::write(c"triage.undo_label_change()", |w| {
        let found = w.label_change(change_id)?;
        lock(w, &found.classifier)?;
        // As it is now that nobody else can take it back.
        let found = w.label_change(change_id)?;
        undo::undo(w, &found)
    })
}

/// Whether a text is the label with this key; one that is too long for a label is none.
#[pg_extern(sql = false)]
fn is_label(label: &str, key: &str) -> bool {
    label == key
        || label.len() <= 2 * MAX_LABEL_BYTES
            && casefold_label(label).is_ok_and(|folded| folded == key)
}

/// Whether a trigger fires because a label is being given another name.
#[pg_extern(sql = false)]
fn is_changing_labels() -> bool {
    session::is_label_change()
}

/// The place in the order of the training sample of an email with these features, as the ledger
/// has them.
#[pg_extern(sql = false)]
fn sample_priority(features: &[u8], label: &str) -> SqlResult<i64> {
    let features = load_features(features.to_vec())?;
    let priority = pg_triage_classifier::training_sample_priority(&features, label);
    Ok(signed(priority.map_err(from_classifier)?))
}
