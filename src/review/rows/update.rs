//! Updated rows: a change of the label column is a decision.

use pg_triage_decision::Door;
use pgrx::{pg_extern, pg_sys};

use super::foreign_key::{is_by_foreign_key, recall_action};
use super::insert::warn_of_no_key;
use super::memory::{
    Remembered, knows, last_predicted, predicted_before, recall, recall_last, remember, settle,
    take_settled,
};
use super::save;
use super::statement::{announce_by_row, begin_by_row};
use super::table::{Columns, attachment, check_agrees, fires_for_us, label_request, name_of};
use super::text::{NewText, predicted_anew, recall_text};
use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg::{self, Returned, Row, Trigger};
use crate::predict::classify::Prediction;
use crate::review::decide::{self, OwnRow};
use crate::review::prediction::recorded;
use crate::session::Actor;
use crate::store::email::IfLocked;
use crate::store::review::EmailName;
use crate::store::source::Source;
use crate::store::{self, Writer};

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
    let Some(columns) = Columns::of(&trigger, &source)? else {
        return Ok(Returned::row(new));
    };
    begin_by_row(&trigger, &source)?;
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
    // Held already, unless another trigger has set it.
    store::hold_labels()?;
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
    let Some(columns) = Columns::of(&trigger, &source)? else {
        return Ok(Returned::nothing());
    };
    let (old, new) = (trigger.old(), trigger.new_row());
    let (Some(old_key), Some(key)) = (columns.key_of(old)?, columns.key_of(new)?) else {
        // One that gets its key waits for classify_pending().
        if columns.label_of(old)? != columns.label_of(new)? {
            warn_of_no_key(&source);
        }
        return Ok(Returned::nothing());
    };
    let updated = Updated {
        source: &source,
        columns: &columns,
        row: new,
        old_key,
        key,
        before: columns.label_of(old)?,
        label: columns.label_of(new)?,
    };
    match recall_action(source.id, &updated.old_key) {
        Some(action) => {
            store::as_owner(|w| updated.follow_key(w))?;
            action.record(&source, &updated.key, updated.label.is_some())?;
        }
        None => updated.record(updated.meaning())?,
    }
    announce_by_row(&trigger, &source);
    Ok(Returned::nothing())
}

/// A row that has been updated.
struct Updated<'a> {
    source: &'a Source,
    columns: &'a Columns<'a>,
    row: Row,
    old_key: String,
    key: String,
    /// The label that it had.
    before: Option<String>,
    label: Option<String>,
}

/// What an update means for the review of its row.
struct Meaning {
    /// The label that a person gives; none takes a decision back.
    decided: Option<Option<String>>,
    /// What was predicted of a row that had no label.
    predicted: Option<Prediction>,
    /// What becomes of the review because the text is another one.
    text: Option<NewText>,
    /// Whether the row has its label because of that.
    is_relabelled: bool,
}

impl Updated<'_> {
    fn name(&self) -> EmailName<'_> {
        name_of(self.source, &self.key)
    }

    fn meaning(&self) -> Meaning {
        let (before, label) = (&self.before, &self.label);
        let text = recall_text(self.source.id, &self.key);
        let gives = |text: &NewText| text.gives(label.as_deref());
        let is_relabelled = text.as_ref().is_some_and(gives);
        let mut predicted = None;
        let decided = match recall(self.source.id, &self.old_key) {
            Some(Remembered::Cleared) => Some(None),
            Some(Remembered::Predicted(ours)) if ours.label == *label && before != label => {
                predicted = Some(ours);
                None
            }
            _ if before == label || is_relabelled => None,
            _ => Some(given_label(label.as_deref()).map(str::to_owned)),
        };
        Meaning {
            decided,
            predicted,
            // Another trigger may have given the row another label since.
            text: text.filter(|text| is_relabelled || matches!(text, NewText::Decided)),
            is_relabelled,
        }
    }

    /// Writes down what it means; takes no connection where that is nothing.
    fn record(&self, meaning: Meaning) -> SqlResult<()> {
        let Meaning {
            decided,
            predicted,
            text,
            is_relabelled,
        } = meaning;
        if self.old_key == self.key && decided.is_none() && predicted.is_none() && text.is_none() {
            return Ok(());
        }
        let email_text = match decided {
            Some(Some(_)) => self.columns.text_of(self.row)?,
            _ => String::new(),
        };
        let actor = Actor::new(None);
        let is_settled = take_settled(self.source.id, &self.key);
        store::as_owner(|w| {
            self.follow_key(w)?;
            if let Some(prediction) = &predicted {
                w.complete_review(self.name(), &recorded(prediction))?;
            }
            if let Some(given) = &decided {
                if self.is_changed_since(w, is_settled)? {
                    return Ok(());
                }
                let label = self.decide(w, &actor, given.as_deref(), &email_text)?;
                if !is_relabelled {
                    let (now, decided) = (self.label.as_deref(), label.as_deref());
                    check_agrees(self.source, &self.key, now, decided)?;
                }
                settle(self.source.id, &self.key);
            }
            match text {
                Some(text) if is_relabelled || decided.is_none() => text.record(w, self.name()),
                _ => Ok(()),
            }
        })
    }

    fn follow_key(&self, w: &mut Writer) -> SqlResult<()> {
        if self.old_key == self.key {
            return Ok(());
        }
        w.move_review(name_of(self.source, &self.old_key), &self.key)
    }

    /// Whether it has been changed again, by the same statement or another trigger: that one
    /// decides. Where policies apply to the table's owner the row is not looked at: this statement
    /// has it, and must not fail on them.
    fn is_changed_since(&self, w: &mut Writer, is_settled: bool) -> SqlResult<bool> {
        if pg::hides_rows_from_owner(self.source.relation) {
            return Ok(is_settled);
        }
        let email = w.lock_email(self.source, &self.key, IfLocked::Wait)?;
        Ok(email.is_some_and(|email| email.label != self.label))
    }

    /// Decides that it has this label, or that a decision is taken back; returns the label that it
    /// is to have by that.
    fn decide(
        &self,
        w: &mut Writer,
        actor: &Actor,
        given: Option<&str>,
        text: &str,
    ) -> SqlResult<Option<String>> {
        let row = OwnRow {
            source: self.source,
            key: &self.key,
            // A label that is taken away is not one that comes back.
            before: given.and(self.before.as_deref()),
            text,
            received_at: self.columns.received_at(self.row),
        };
        decide::decide_own_row(w, actor, &row, label_request(Door::Table, given), None)
    }
}
