//! Updated rows: a change of the label column is a decision.

use pg_triage_decision::Door;
use pgrx::{pg_extern, pg_sys};

use super::foreign_key::{is_by_foreign_key, recall_action};
use super::memory::{
    Remembered, knows, last_predicted, predicted_before, recall, recall_last, remember, settle,
    take_settled,
};
use super::save;
use super::table::{Columns, attachment, check_agrees, fires_for_us, label_request, name_of};
use super::text::{NewText, predicted_anew, recall_text};
use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg::{self, Returned, Row, Trigger};
use crate::review::decide::{self, OwnRow};
use crate::review::prediction::recorded;
use crate::session::Actor;
use crate::store;
use crate::store::email::IfLocked;
use crate::store::source::Source;

#[pg_extern(sql = false)]
fn decide_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if fires_for_us(&trigger) {
        return Ok(Returned::row(new));
    }
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::row(new));
    };
    let columns = Columns::of(&trigger, &source)?;
    let decided = decided_row(&trigger, &source, &columns)?;
    let decided = predicted_anew(&trigger, &source, &columns, old, decided)?;
    if trigger.is_on_partition() {
        note_move(&source, &columns, old, decided)?;
    }
    Ok(Returned::row(decided))
}

/// The row with the label that it is to get.
fn decided_row(trigger: &Trigger, source: &Source, columns: &Columns) -> SqlResult<Row> {
    let (old, new) = (trigger.old(), trigger.new_row());
    // Compared and not read off the statement: another trigger may have set it.
    if old.stores_same(&new, columns.label()) {
        return Ok(new);
    }
    let (before, given) = (columns.label_of(old)?, columns.label_of(new)?);
    if before == given {
        return Ok(new);
    }
    let key = columns.key_of(old)?.unwrap_or_default();
    if is_by_foreign_key(trigger, source, columns, &key)? {
        return Ok(new);
    }
    if let Some(label) = &given
        && is_upsert(source, label, &key)?
    {
        // The email keeps the label that it has; one without gets ours.
        return match (&before, recall_last(source.id)) {
            (None, Some(prediction)) => {
                remember(source.id, key, Remembered::Predicted(prediction));
                Ok(new)
            }
            _ => columns.keep(new, old),
        };
    }
    let change = save::Change {
        source,
        key: &key,
        before: before.as_deref(),
        given: given.as_deref(),
    };
    if change.is_save(trigger, columns)? {
        return columns.keep(new, old);
    }
    let label = match given_label(given.as_deref()) {
        Some(label) => {
            columns.check_label(new)?;
            Some(store::as_owner(|w| {
                w.known_label(&source.classifier, label)
            })?)
        }
        None => cleared(source, &key, before.as_deref())?,
    };
    if label == given {
        return Ok(new);
    }
    columns.put(new, label.as_deref())
}

/// An update that moves a row to another partition deletes it here and inserts it there.
fn note_move(source: &Source, columns: &Columns, old: Row, new: Row) -> SqlResult<()> {
    if let (Some(before), Some(key)) = (columns.key_of(old)?, columns.key_of(new)?)
        && !knows(source.id, &key)
    {
        let label = columns.label_of(old)?;
        remember(source.id, key, Remembered::Updated { key: before, label });
    }
    Ok(())
}

/// The decision is taken back: what had been predicted is the label again.
fn cleared(source: &Source, key: &str, before: Option<&str>) -> SqlResult<Option<String>> {
    let actor = Actor::new(None);
    store::as_owner(|w| {
        let review = w.review_of(name_of(source, key))?;
        let facts = review.as_ref().map(decide::review_facts);
        let known = facts
            .as_ref()
            .and_then(|facts| facts.label_without_person());
        let predicted = predicted_before(source.id, key);
        let label = known.or(predicted.as_deref());
        if label != before {
            remember(source.id, key.to_owned(), Remembered::Cleared);
        } else if facts
            .as_ref()
            .is_some_and(|facts| facts.human_label.is_some())
        {
            // No trigger after the row would fire.
            let row = OwnRow {
                source,
                key,
                before: None,
                text: "",
                received_at: None,
            };
            let request = label_request(Door::Table, None);
            decide::decide_own_row(w, &actor, &row, request, None)?;
        }
        Ok(label.map(str::to_owned))
    })
}

/// Whether an update comes from `INSERT ... ON CONFLICT DO UPDATE SET label = excluded.label`
/// with a label that we had filled in: not what a person said.
fn is_upsert(source: &Source, label: &str, key: &str) -> SqlResult<bool> {
    let Some(inserted) = last_predicted(source.id, label) else {
        return Ok(false);
    };
    // Where policies apply to the table's owner it cannot be looked up.
    if pg::hides_rows_from_owner(source.relation) {
        return Ok(true);
    }
    // In a MERGE the row that was labelled before is there, and this is another one.
    let stored = store::read_now(|r| r.stored_key(source, &inserted))?;
    Ok(stored.is_none_or(|stored| stored == key))
}

#[pg_extern(sql = false)]
fn record_decision(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if fires_for_us(&trigger) {
        return Ok(Returned::nothing());
    }
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::nothing());
    };
    let columns = Columns::of(&trigger, &source)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    let (Some(old_key), Some(key)) = (columns.key_of(old)?, columns.key_of(new)?) else {
        return Ok(Returned::nothing());
    };
    let (before, label) = (columns.label_of(old)?, columns.label_of(new)?);
    if let Some(action) = recall_action(source.id, &old_key) {
        if old_key != key {
            store::as_owner(|w| w.move_review(name_of(&source, &old_key), &key))?;
        }
        action.record(&source, &key, label.is_some())?;
        return Ok(Returned::nothing());
    }
    let mut ours = None;
    let new_text = recall_text(source.id, &key);
    let relabelled = new_text
        .as_ref()
        .is_some_and(|text| text.gives(label.as_deref()));
    // The label that a person gives, if one does.
    let decided = match recall(source.id, &old_key) {
        Some(Remembered::Cleared) => Some(None),
        Some(Remembered::Predicted(prediction)) if prediction.label == label && before != label => {
            ours = Some(prediction);
            None
        }
        _ if before == label || relabelled => None,
        _ => Some(given_label(label.as_deref())),
    };
    // Another trigger may have given it another label since.
    let new_text = new_text.filter(|text| relabelled || matches!(text, NewText::Decided));
    if old_key == key && decided.is_none() && ours.is_none() && new_text.is_none() {
        return Ok(Returned::nothing());
    }
    let text = match decided {
        Some(Some(_)) => columns.text_of(new)?,
        _ => String::new(),
    };
    let actor = Actor::new(None);
    let is_settled = take_settled(source.id, &key);
    store::as_owner(|w| {
        if old_key != key {
            w.move_review(name_of(&source, &old_key), &key)?;
        }
        if let Some(prediction) = ours {
            w.complete_review(name_of(&source, &key), &recorded(&prediction))?;
        }
        let Some(given) = decided else {
            return match new_text {
                Some(text) => text.record(w, name_of(&source, &key)),
                None => Ok(()),
            };
        };
        // Changed again since, by the same statement or another trigger: that one decides. Where
        // policies apply to the table's owner it is not looked at: this statement has the row, and
        // must not fail on them.
        let is_changed = match pg::hides_rows_from_owner(source.relation) {
            true => is_settled,
            false => w
                .lock_email(&source, &key, IfLocked::Wait)?
                .is_some_and(|email| email.label != label),
        };
        if is_changed {
            return Ok(());
        }
        let row = OwnRow {
            source: &source,
            key: &key,
            // A label that is taken away is not one that comes back.
            before: given.and(before.as_deref()),
            text: &text,
            received_at: columns.received_at(new),
        };
        let request = label_request(Door::Table, given);
        let decided = decide::decide_own_row(w, &actor, &row, request, None)?;
        if !relabelled {
            check_agrees(&source, &key, label.as_deref(), decided.as_deref())?;
        }
        settle(source.id, &key);
        match new_text {
            Some(text) if relabelled => text.record(w, name_of(&source, &key)),
            _ => Ok(()),
        }
    })?;
    Ok(Returned::nothing())
}
