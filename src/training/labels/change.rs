//! A label that gets another name, or becomes one with another: in all that is stored, as if it
//! had been so from the start.

use pg_triage_classifier::{Learner, casefold_label};
use pgrx::{PgSqlErrorCode as Code, notice, pg_sys};

use super::description;
use super::version::with_labels_of_now;
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::base::{self, Base};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::store::Writer;
use crate::store::label_change::{LabelRow, NewLabelChange};
use crate::store::label_column::Names;
use crate::store::label_table;
use crate::store::source::Source;

/// Rows of attached tables between two notices.
const ROWS_PER_NOTICE: usize = 100_000;

/// What is done to a label. The caller holds the locks of labels and classifier, and has checked
/// the names.
pub struct Change<'a> {
    pub classifier: &'a str,
    /// As it is written down.
    pub kind: &'static str,
    pub from: &'a LabelRow,
    /// What it is called from now on.
    pub to: &'a str,
    /// The label that it becomes one with.
    pub into: Option<&'a LabelRow>,
    /// The change that is taken back by it.
    pub undoes: Option<i64>,
    /// The version that is to answer again, if not the active one.
    pub version: Option<i32>,
    /// The lookup table that the change comes from.
    pub follows: Option<pg_sys::Oid>,
    /// Why another version answers.
    pub why: &'a str,
}

/// Does it; returns the number of the change.
pub fn apply(w: &mut Writer, change: &Change) -> SqlResult<i64> {
    let Change {
        classifier,
        from,
        to,
        into,
        ..
    } = *change;
    let to_key = casefold_label(to).map_err(from_classifier)?;
    check_sees_rows(w, classifier, into.is_some())?;
    w.lock_base(classifier)?;
    let mut base = Base::read(w, classifier)?;
    let moved = compaction::take_pending(w, classifier, &mut base)?;
    let has_counts = moved > 0 || w.needs_base(classifier)?;
    let id = w.insert_label_change(NewLabelChange {
        classifier,
        kind: change.kind,
        label: &from.label,
        new_label: Some(to),
        undoes: change.undoes,
    })?;
    // What maintenance has read has labels that are no more.
    w.count_erasure(classifier)?;

    let own = description::taught(w, classifier, from)?;
    let others = match into {
        Some(into) => description::taught(w, classifier, into)?,
        None => None,
    };
    for (taught, label) in [(&own, Some(from)), (&others, into)] {
        if let (Some(taught), Some(label)) = (taught, label) {
            base.unlearn(&taught.features, &label.label, &check_for_interrupts)
                .map_err(from_classifier)?;
        }
    }
    let described = match into {
        Some(into) => description::of_both(into, from),
        None => from.description.clone(),
    };
    match into {
        Some(into) => {
            w.keep_for_undo(id, classifier, (from, into), described.as_deref())?;
            w.delete_from_catalogue(classifier, &from.label)?;
            w.set_description(classifier, &into.label, described.as_deref())?;
        }
        None => w.rename_in_catalogue(classifier, &from.label, to)?,
    }
    w.relabel_decisions(classifier, &from.key, (to, &to_key))?;
    let emails = w.relabel_reviews(classifier, &from.key, to)?;
    w.relabel_costs(classifier, &from.key, to)?;
    base.relabel(&from.label, to)?;
    // One description is left: that of the other label, if it has taught one.
    let (kept, gone) = match others {
        Some(others) => (Some(others), own),
        None => (own, None),
    };
    if let Some(gone) = gone {
        w.rewrite_description(gone.decision_id, None)?;
    }
    if let (Some(kept), Some(text)) = (kept, &described) {
        let features = description::rewrite(w, kept.decision_id, to, text)?;
        base.learn(&features, to).map_err(from_classifier)?;
    }
    finish(w, change, base, has_counts)?;
    relabel_tables(w, change, id)?;
    w.complete_label_change(id, emails)?;
    Ok(id)
}

/// Stores counts under the names of now, and lets a version answer that has these names.
pub fn finish(w: &mut Writer, change: &Change, base: Base, has_counts: bool) -> SqlResult<()> {
    let classifier = change.classifier;
    if has_counts {
        base.write_counts(w, classifier)?;
    }
    if let Some(active) = w.active_version(classifier)? {
        let version = with_labels_of_now(w, classifier, change.version.unwrap_or(active))?;
        w.replace_active(classifier, version, change.why)?;
    }
    base::rebase(w, classifier)
}

/// Refuses to change labels of rows that policies may hide. Those that refer to a lookup table by
/// id change where two labels become one, or one becomes two, only.
pub fn check_sees_rows(w: &Writer, classifier: &str, changes_ids: bool) -> SqlResult<()> {
    for source in w.attachments(None)? {
        let is_changed = changes_ids || source.label_table.is_none();
        if source.classifier == classifier && is_changed {
            w.check_sees_all(&source)?;
        }
    }
    Ok(())
}

/// Label columns follow, and lookup tables that they refer to: there a name changes, and rows only
/// where two labels become one.
fn relabel_tables(w: &mut Writer, change: &Change, id: i64) -> SqlResult<()> {
    let names = Names {
        old: &change.from.label,
        new: change.to,
    };
    let is_merge = change.into.is_some();
    for source in w.attachments(None)? {
        if source.classifier != change.classifier {
            continue;
        }
        let Some(place) = source.table() else {
            continue;
        };
        let is_lookup = source.label_table.is_some();
        if is_lookup && change.follows == source.label_table {
            continue;
        }
        if is_lookup && !is_merge {
            w.rename_in_label_table(&source, names.old, names.new)?;
            continue;
        }
        let ids = ids_of(&source, names)?;
        let names = match &ids {
            Some((old, new)) => Names { old, new },
            None if is_lookup => continue,
            None => names,
        };
        let (mut all, mut told) = (0, 0);
        w.relabel_rows(&source, &place, names, is_merge, |w, rows, keys| {
            if is_merge {
                w.note_relabelled(id, source.id, keys)?;
            }
            all += rows;
            if all / ROWS_PER_NOTICE > told {
                told = all / ROWS_PER_NOTICE;
                notice!("{all} rows of {} so far", source.name);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The ids of two labels in the lookup table of an attachment; `None` if it has none, or the first
/// of the labels is not in it.
pub fn ids_of(source: &Source, names: Names) -> SqlResult<Option<(String, String)>> {
    let Some(known) = label_table::names(source)? else {
        return Ok(None);
    };
    let Some(old) = known.id_of(names.old) else {
        return Ok(None);
    };
    let new = known.id_of(names.new).ok_or_else(|| {
        report(
            Code::ERRCODE_FOREIGN_KEY_VIOLATION,
            format!(
                "label \"{}\" is not in table {}: insert it there first",
                names.new, known.table
            ),
        )
    })?;
    Ok(Some((old.to_owned(), new.to_owned())))
}
