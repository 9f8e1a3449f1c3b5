//! Taking changes of labels back.

use pg_triage_decision::Door;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::change::{self, Change};
use super::description;
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::base::Base;
use crate::learning::{compaction, replay};
use crate::pg::check_for_interrupts;
use crate::review::decide;
use crate::session::Actor;
use crate::store::Writer;
use crate::store::label_change::{LabelChange, LabelRow, NewLabelChange};
use crate::store::label_column::Names;

/// Rows of attached tables that are read at once.
const ROWS_AT_ONCE: i64 = 10_000;

/// Takes a change back; returns the number of the change that does so. The caller holds the locks
/// of labels and classifier.
pub fn undo(w: &mut Writer, undone: &LabelChange) -> SqlResult<i64> {
    check(w, undone)?;
    let label = undone.new_label.as_deref().unwrap_or(&undone.label);
    let key = pg_triage_classifier::casefold_label(label).map_err(from_classifier)?;
    let found = w.label_row(&undone.classifier, &key)?;
    let now = found.ok_or_else(|| gone(undone, label))?;
    match undone.kind.as_str() {
        "rename" => {
            let why = format!(
                "label \"{}\" is called \"{}\" again",
                now.label, undone.label
            );
            let active = w.active_version(&undone.classifier)?;
            let is_its_own = active == undone.version_after;
            change::apply(
                w,
                &Change {
                    classifier: &undone.classifier,
                    kind: "undo",
                    from: &now,
                    to: &undone.label,
                    into: None,
                    undoes: Some(undone.change_id),
                    version: undone.version_before.filter(|_| is_its_own),
                    follows: None,
                    why: &why,
                },
            )
        }
        "merge" => unmerge(w, undone, &now),
        kind => {
            let is_split = kind == "split";
            let id = w.insert_label_change(NewLabelChange {
                classifier: &undone.classifier,
                kind: "undo",
                label: &now.label,
                new_label: None,
                undoes: Some(undone.change_id),
            })?;
            let emails = match is_split {
                true => take_back_asking(w, undone.change_id)?,
                false => {
                    w.set_retired(&undone.classifier, &now.label, kind == "restore")?;
                    0
                }
            };
            w.complete_label_change(id, emails)?;
            Ok(id)
        }
    }
}

/// Takes emails out of the queue again that nobody has decided about since; returns how many.
fn take_back_asking(w: &mut Writer, change_id: i64) -> SqlResult<usize> {
    let actor = Actor::new(None);
    let asked = w.unanswered(change_id)?;
    for &decision in &asked {
        check_for_interrupts();
        let decision = w.decision(decision)?;
        decide::undo(w, &actor, &decision, None, Door::Function)?;
    }
    compaction::compact_if_due(w)?;
    Ok(asked.len())
}

/// Refuses what cannot be taken back.
fn check(w: &mut Writer, undone: &LabelChange) -> SqlResult<()> {
    let refused = |why: String| {
        Err(report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "change {} cannot be undone, because {why}",
                undone.change_id
            ),
        ))
    };
    if undone.kind == "undo" {
        return refused("it takes another one back: change the label again".to_owned());
    }
    if let Some(by) = undone.undone_by {
        return refused(format!("change {by} has taken it back already"));
    }
    if let Some(later) = w.later_label_change(undone)? {
        return refused(format!(
            "change {} ({} of label \"{}\") builds on it: undo that one first",
            later.change_id, later.kind, later.label
        ));
    }
    let key = pg_triage_classifier::casefold_label(&undone.label).map_err(from_classifier)?;
    let is_moved = undone
        .new_label
        .as_deref()
        .map(pg_triage_classifier::casefold_label)
        .transpose()
        .map_err(from_classifier)?
        .is_some_and(|new| new != key);
    if is_moved && w.label_row(&undone.classifier, &key)?.is_some() {
        return refused(format!(
            "label \"{}\" exists again: rename that one first",
            undone.label
        ));
    }
    Ok(())
}

fn gone(undone: &LabelChange, label: &str) -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "change {} cannot be undone, because label \"{label}\" does not exist any more",
            undone.change_id
        ),
    )
}

/// Makes two labels of one again. Counts cannot be taken apart, so they are counted anew from the
/// ledger.
fn unmerge(w: &mut Writer, merge: &LabelChange, into: &LabelRow) -> SqlResult<i64> {
    let classifier = merge.classifier.as_str();
    change::check_sees_rows(w, classifier, true)?;
    w.lock_base(classifier)?;
    let mut base = Base::read(w, classifier)?;
    let moved = compaction::take_pending(w, classifier, &mut base)?;
    let has_counts = moved > 0 || w.needs_base(classifier)?;
    let id = w.insert_label_change(NewLabelChange {
        classifier,
        kind: "undo",
        label: &into.label,
        new_label: Some(&merge.label),
        undoes: Some(merge.change_id),
    })?;
    w.count_erasure(classifier)?;
    let emails = w.unmerge(merge, into)?;
    // Somebody may have described the label anew since.
    if into.description == merge.description {
        let before = merge.new_label_description.as_deref();
        w.set_description(classifier, &into.label, before)?;
        teach(w, classifier, &into.label, before)?;
    }
    let description = merge.label_description.as_deref();
    teach(w, classifier, &merge.label, description)?;
    // What teaching has appended is counted with all others.
    compaction::take_pending(w, classifier, &mut base)?;
    base.replace_counts(replay::counts(w, classifier)?);
    let why = format!("label \"{}\" is one of its own again", merge.label);
    let is_its_own = w.active_version(classifier)? == merge.version_after;
    let change = Change {
        classifier,
        kind: "undo",
        from: into,
        to: &merge.label,
        into: None,
        undoes: Some(merge.change_id),
        version: merge.version_before.filter(|_| is_its_own),
        follows: None,
        why: &why,
    };
    change::finish(w, &change, base, has_counts)?;
    let names = Names {
        old: &into.label,
        new: &merge.label,
    };
    for source in w.attachments(None)? {
        let Some(place) = source.table().filter(|_| source.classifier == classifier) else {
            continue;
        };
        let ids = change::ids_of(&source, names)?;
        let names = match &ids {
            Some((old, new)) => Names { old, new },
            None if source.label_table.is_some() => continue,
            None => names,
        };
        let mut after = 0;
        loop {
            let name = (source.id, source.name.as_str());
            let rows = w.rows_to_unmerge(merge, name, after, ROWS_AT_ONCE)?;
            let Some(last) = rows.last() else {
                break;
            };
            after = last.relabelled_id;
            let keys: Vec<_> = rows.into_iter().map(|row| row.key).collect();
            w.relabel_keys(&source, &place, names, &keys)?;
        }
    }
    w.complete_label_change(id, emails)?;
    Ok(id)
}

/// Lets a label's description teach what it had taught.
fn teach(
    w: &mut Writer,
    classifier: &str,
    label: &str,
    description: Option<&str>,
) -> SqlResult<()> {
    let earlier = w.described(classifier, label)?;
    let text = description.map(str::trim).filter(|text| !text.is_empty());
    match (earlier, text) {
        (Some(earlier), Some(text)) => {
            description::rewrite(w, earlier.decision_id, label, text).map(drop)
        }
        (None, Some(text)) => decide::describe(w, classifier, label, text),
        (Some(earlier), None) => w.rewrite_description(earlier.decision_id, None),
        (None, None) => Ok(()),
    }
}
