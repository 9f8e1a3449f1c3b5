//! New rows: they get a label before they are written, and a review after.

use pg_triage_decision::{Door, FoundLabel};
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use super::memory::{Remembered, is_cleared, knows, may_know, recall, remember};
use super::table::{Columns, fires_for_us, label_request, name_of, source_of};
use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::pg::{self, Returned, Trigger, Value};
use crate::predict::classify::Prediction;
use crate::review::decide::{self, OwnRow};
use crate::review::prediction::{predict, recorded, warn_once};
use crate::session::Actor;
use crate::store::source::Source;
use crate::{settings, store};

#[pg_extern(sql = false)]
fn label_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let new = trigger.new_row();
    if fires_for_us(&trigger) || pg::is_restoring() {
        return Ok(Returned::row(new));
    }
    let source = source_of(&trigger)?;
    if !source.attached {
        return Ok(Returned::row(new));
    }
    let columns = Columns::of(&trigger, &source)?;
    // White space is what forms and files send for nothing.
    if given_label(new.text(columns.label())?.as_deref()).is_some() {
        return Ok(Returned::row(new));
    }
    let key = new.text(columns.key())?.unwrap_or_default();
    if is_cleared(source.id, &key) {
        return Ok(Returned::row(new));
    }
    pg::probe_for_work()?;
    let prediction = predict(&source, &columns.text(new)?)?;
    let fits = |label: &str| {
        trigger
            .limit(columns.label())
            .is_none_or(|limit| label.chars().count() <= limit)
    };
    let label = prediction.as_ref().and_then(|p| p.label.clone());
    match (prediction, label) {
        (Some(prediction), Some(label)) if fits(&label) => {
            remember(source.id, key, Remembered::Predicted(prediction));
            Ok(Returned::row(
                new.with(&[(columns.label(), Value::Text(&label))])?,
            ))
        }
        (_, label) => {
            if let Some(label) = label {
                let problem = format!("label \"{label}\" is too long for the column");
                if !settings::keeps_pending() {
                    return Err(report(Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION, problem));
                }
                warn_once(&problem);
            }
            remember(source.id, key, Remembered::Unclassified);
            Ok(Returned::row(new))
        }
    }
}

#[pg_extern(sql = false)]
fn record_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if fires_for_us(&trigger) || pg::is_restoring() {
        return Ok(Returned::nothing());
    }
    let source = source_of(&trigger)?;
    if !source.attached {
        return Ok(Returned::nothing());
    }
    let columns = Columns::of(&trigger, &source)?;
    let new = trigger.new_row();
    let Some(key) = new.text(columns.key())? else {
        return Ok(Returned::nothing());
    };
    let label = new.text(columns.label())?;
    let known = match recall(source.id, &key) {
        Some(Remembered::Predicted(prediction)) => Some(prediction),
        Some(Remembered::Unclassified) => None,
        Some(Remembered::Cleared) => {
            let row = OwnRow {
                source: &source,
                key: &key,
                before: None,
                text: "",
            };
            return decide_now(&row, None);
        }
        Some(Remembered::Updated {
            key: old,
            label: before,
        }) => {
            if old != key {
                store::as_owner(|w| w.move_review(name_of(&source, &old), &key))?;
            }
            if before == label {
                return Ok(Returned::nothing());
            }
            let row = OwnRow {
                source: &source,
                key: &key,
                before: before.as_deref(),
                text: &columns.text(new)?,
            };
            return decide_now(&row, given_label(label.as_deref()));
        }
        None if label.is_none() || may_know(source.id) => predict(&source, &columns.text(new)?)?,
        None => None,
    };
    let ours = known.filter(|prediction| prediction.label == label);
    match (ours, &label) {
        (Some(prediction), Some(_)) => {
            store::as_owner(|w| w.insert_review(name_of(&source, &key), &recorded(&prediction)))?
        }
        (_, None) => store::as_owner(|w| {
            let nothing = Prediction::default();
            w.insert_review(name_of(&source, &key), &recorded(&nothing))
        })?,
        (None, Some(label)) if source.record_given_labels => {
            record_given(&source, &key, label, &columns.text(new)?)?;
        }
        // The key may have been another email's.
        (None, Some(label)) => store::as_owner(|w| w.reset_review(name_of(&source, &key), label))?,
    }
    Ok(Returned::nothing())
}

fn decide_now(row: &OwnRow, label: Option<&str>) -> SqlResult<Returned> {
    let actor = Actor::new(None);
    let request = label_request(Door::Table, label);
    store::as_owner(|w| decide::decide_own_row(w, &actor, row, request, None))?;
    Ok(Returned::nothing())
}

/// Partitioned tables only: an update that moves a row to another partition deletes it here
/// and inserts it there.
#[pg_extern(sql = false)]
fn note_move(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if fires_for_us(&trigger) {
        return Ok(Returned::row(new));
    }
    let source = source_of(&trigger)?;
    let columns = Columns::of(&trigger, &source)?;
    if let (Some(before), Some(key)) = (old.text(columns.key())?, new.text(columns.key())?)
        && !knows(source.id, &key)
    {
        let label = old.text(columns.label())?;
        remember(source.id, key, Remembered::Updated { key: before, label });
    }
    Ok(Returned::row(new))
}

/// A label that the row came with, as a decision.
fn record_given(source: &Source, key: &str, label: &str, text: &str) -> SqlResult<()> {
    let prediction = predict(source, text)?.unwrap_or_default();
    let actor = Actor::new(None);
    store::as_owner(|w| {
        let given = given_label(Some(label));
        let known = match given.map(|label| w.known_label(&source.classifier, label)) {
            Some(Err(error)) if settings::keeps_pending() => {
                warning!("not recorded as a decision: {}", error.message());
                return Ok(());
            }
            found => found.transpose()?,
        };
        w.insert_review(name_of(source, key), &recorded(&prediction))?;
        let row = OwnRow {
            source,
            key,
            before: None,
            text,
        };
        let request = label_request(Door::Insert, given);
        decide::decide_own_row(w, &actor, &row, request, known.map(FoundLabel::Known))
    })
}
