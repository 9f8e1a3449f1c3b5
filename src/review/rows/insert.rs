//! New rows: they get a label before they are written, and a review after.

use pg_triage_decision::{Door, FoundLabel};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use super::allowed::with_label;
use super::label::labelled;
use super::memory::{Remembered, is_cleared, is_moved, may_know, recall, remember, take_settled};
use super::returned::is_same_email;
use super::statement::{announce_by_row, begin_by_row};
use super::table::{Columns, attachment, check_agrees, fires_for_us, label_request, name_of};
use super::text::{is_recorded, recall_text};
use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::pg::{self, Returned, Row, Trigger};
use crate::review::decide::{self, OwnRow};
use crate::review::prediction::{self, is_without_text, predict, recorded, warn_of_statement};
use crate::session::Actor;
use crate::store::Writer;
use crate::store::review::NewPrediction;
use crate::store::review::{EmailName, NO_TEXT};
use crate::store::source::Source;
use crate::{settings, store};

#[pg_extern(sql = false)]
fn label_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let new = trigger.new_row();
    if fires_for_us(&trigger) || pg::is_restoring() {
        return Ok(Returned::row(new));
    }
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::row(new));
    };
    let Some(columns) = Columns::of(&trigger, &source)? else {
        return Ok(Returned::row(new));
    };
    begin_by_row(&trigger, &source)?;
    // White space is what forms and files send for nothing.
    let given = columns.label_of(new)?;
    if let Some(label) = given.filter(|label| given_label(Some(label)).is_some()) {
        return spelled(&trigger, &source, &columns, &label).map(Returned::row);
    }
    let completed = trigger.completed(new, columns.keys())?;
    let key = columns.key_of(completed)?;
    if key.is_none() {
        warn_of_no_key(&source);
        // The row would be refused without one.
        if !trigger.is_not_null(columns.label()) {
            return Ok(Returned::row(new));
        }
    }
    let key = key.unwrap_or_default();
    if is_cleared(source.id, &key) || is_moved(source.id, &key) {
        return Ok(Returned::row(new));
    }
    let (mut row, mut what) = labelled(&trigger, &source, &columns, new)?;
    if let Remembered::Unclassified(reason) = &what
        && trigger.is_not_null(columns.label())
        && !columns.has_value(row)?
    {
        row = trigger.with_default(row, columns.label());
        if !columns.has_value(row)? {
            let column = row.name(columns.label());
            return Err(no_label(&source, &key, reason.as_deref(), &column));
        }
        what = Remembered::Defaulted(reason.clone());
    }
    remember(source.id, key, what);
    Ok(Returned::row(row))
}

/// A row with the label that it came with, which is a decision if the table is attached so, in the
/// classifier's own spelling. Written now: a row that is written once more after it was inserted has
/// its deferred triggers fire again.
fn spelled(trigger: &Trigger, source: &Source, columns: &Columns, given: &str) -> SqlResult<Row> {
    let row = trigger.new_row();
    if !source.record_given_labels {
        return Ok(row);
    }
    let label = given_label(Some(given)).unwrap_or(given);
    // What can be no label is refused when it is recorded.
    let known = store::read_now(|r| r.label(&source.classifier, label)).unwrap_or_default();
    match known.filter(|known| known != given) {
        Some(known) => Ok(with_label(trigger, source, columns, row, &known)?.unwrap_or(row)),
        None => Ok(row),
    }
}

/// A row that gets no label, which its column does not allow.
fn no_label(source: &Source, key: &str, reason: Option<&str>, column: &str) -> ErrorReport {
    report(
        Code::ERRCODE_NOT_NULL_VIOLATION,
        format!(
            "email \"{key}\" in {} gets no label ({}), and column \"{column}\" is NOT NULL and has no default: drop NOT NULL, or give it a default and attach with default_is_empty => true",
            source.name,
            reason.unwrap_or("nothing is known about it yet")
        ),
    )
}

/// Says that rows without a key have no review.
pub fn warn_of_no_key(source: &Source) {
    warn_of_statement(&format!(
        "rows of {} whose key is null are not classified, and nothing is written down about them: give them a key first",
        source.name
    ));
}

#[pg_extern(sql = false)]
fn record_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if fires_for_us(&trigger) || pg::is_restoring() {
        return Ok(Returned::nothing());
    }
    let Some(source) = attachment(&trigger)? else {
        return Ok(Returned::nothing());
    };
    let Some(columns) = Columns::of(&trigger, &source)? else {
        return Ok(Returned::nothing());
    };
    let row = trigger.new_row();
    let Some(key) = columns.key_of(row)? else {
        return Ok(Returned::nothing());
    };
    if is_recorded(source.id, &key) {
        return Ok(Returned::nothing());
    }
    let label = columns.label_of(row)?;
    let written = Written {
        source: &source,
        columns,
        row,
        key,
        label,
    };
    written.record()?;
    announce_by_row(&trigger, &source);
    Ok(Returned::nothing())
}

/// A row that has been written.
struct Written<'a> {
    source: &'a Source,
    columns: Columns<'a>,
    row: Row,
    key: String,
    label: Option<String>,
}

impl Written<'_> {
    fn name(&self) -> EmailName<'_> {
        name_of(self.source, &self.key)
    }

    fn text(&self) -> SqlResult<String> {
        self.columns.text_of(self.row)
    }

    /// With the time at which the email was received.
    fn dated<'p>(&self, prediction: NewPrediction<'p>) -> NewPrediction<'p> {
        NewPrediction {
            received_at: self.columns.received_at(self.row),
            ..prediction
        }
    }

    /// Gives the row its review, or decides about the one that it has.
    fn record(&self) -> SqlResult<()> {
        let source = self.source;
        if take_settled(source.id, &self.key) {
            return self.complete();
        }
        let mut unclassified = None;
        let mut is_defaulted = false;
        let known = match recall(source.id, &self.key) {
            Some(Remembered::Predicted(prediction)) => Some(prediction),
            Some(Remembered::Unclassified(reason)) => {
                unclassified = reason;
                None
            }
            Some(Remembered::Defaulted(reason)) => {
                (unclassified, is_defaulted) = (reason, true);
                None
            }
            Some(Remembered::Cleared) => return self.decide(None, "", None),
            Some(Remembered::Updated { key, label }) => {
                return self.record_move(&key, label.as_deref());
            }
            None if self.label.is_none() || may_know(source.id) => {
                let text = self.text()?;
                unclassified = is_without_text(&text).then(|| NO_TEXT.to_owned());
                predict(source, &text)?
            }
            None => None,
        };
        let ours = known.filter(|prediction| prediction.label == self.label);
        match (ours, &self.label) {
            (Some(prediction), Some(_)) => store::as_owner(|w| {
                w.insert_review(self.name(), &self.dated(recorded(&prediction)))
            }),
            (_, label) if label.is_none() || is_defaulted => store::as_owner(|w| {
                let new = NewPrediction {
                    given_label: label.as_deref(),
                    ..prediction::unclassified(unclassified.as_deref())
                };
                w.insert_review(self.name(), &self.dated(new))
            }),
            (None, Some(label)) if source.record_given_labels => self.record_given(label),
            (None, Some(label)) => store::as_owner(|w| self.record_labelled(w, label)),
            (_, None) => Ok(()),
        }
    }

    /// Another trigger has updated the row already and has so decided about it: only what was
    /// predicted is missing.
    fn complete(&self) -> SqlResult<()> {
        match recall(self.source.id, &self.key) {
            Some(Remembered::Predicted(prediction)) => store::as_owner(|w| {
                w.complete_review(self.name(), &self.dated(recorded(&prediction)))
            }),
            _ => Ok(()),
        }
    }

    /// Decides about the row by its own statement. `before` is the label that it had.
    fn decide(&self, before: Option<&str>, text: &str, label: Option<&str>) -> SqlResult<()> {
        let row = OwnRow {
            source: self.source,
            key: &self.key,
            before,
            text,
            received_at: self.columns.received_at(self.row),
        };
        let actor = Actor::new(None);
        let request = label_request(Door::Table, label);
        let label = store::as_owner(|w| decide::decide_own_row(w, &actor, &row, request, None))?;
        check_agrees(
            self.source,
            &self.key,
            self.label.as_deref(),
            label.as_deref(),
        )
    }

    /// The row has come from another partition, where it had this key and label.
    fn record_move(&self, old_key: &str, before: Option<&str>) -> SqlResult<()> {
        if old_key != self.key {
            store::as_owner(|w| {
                w.move_review(name_of(self.source, old_key), &self.key)?;
                // Its old key has left the table, which a trigger of the partition may have noted.
                w.note_returned(self.source, vec![self.key.clone()])
            })?;
        }
        let label = self.label.as_deref();
        if let Some(text) = recall_text(self.source.id, &self.key) {
            let relabelled = text.gives(label);
            if relabelled || before == label {
                return store::as_owner(|w| text.record(w, self.name()));
            }
        }
        if before == label {
            return Ok(());
        }
        self.decide(before, &self.text()?, given_label(label))
    }

    /// The row came with a label. Where its key has a review, it is that email again, deleted and
    /// inserted by what keeps tables in step, or another email has the key now.
    fn record_labelled(&self, w: &mut Writer, label: &str) -> SqlResult<()> {
        let Some(review) = w.lock_review_of(self.name())? else {
            return Ok(());
        };
        match is_same_email(w, &review, label, || self.text())? {
            true => w
                .note_returned(self.source, vec![self.key.clone()])
                .map(drop),
            false => w.reset_review(self.name(), label, self.columns.received_at(self.row)),
        }
    }

    /// A label that the row came with, as a decision.
    fn record_given(&self, label: &str) -> SqlResult<()> {
        let text = self.text()?;
        let prediction = predict(self.source, &text)?.unwrap_or_default();
        let actor = Actor::new(None);
        store::as_owner(|w| {
            let given = given_label(Some(label));
            let known = match given.map(|label| w.known_label(&self.source.classifier, label)) {
                Some(Err(error)) if settings::keeps_pending() => {
                    warning!("not recorded as a decision: {}", error.message());
                    return Ok(());
                }
                found => found.transpose()?,
            };
            w.insert_review(self.name(), &self.dated(recorded(&prediction)))?;
            let row = OwnRow {
                source: self.source,
                key: &self.key,
                before: None,
                text: &text,
                received_at: self.columns.received_at(self.row),
            };
            let request = label_request(Door::Insert, given);
            let known = known.map(FoundLabel::Known);
            let decided = decide::decide_own_row(w, &actor, &row, request, known)?;
            // In the classifier's own spelling.
            match self.source.table() {
                Some(place) if decided.as_deref() != Some(label) => {
                    w.write_label(self.source, &place, &self.key, decided.as_deref())
                }
                _ => Ok(()),
            }
        })
    }
}
