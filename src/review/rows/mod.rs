//! Triggers of attached tables: rows are labelled before they are written and reviewed after,
//! and an update of the label is a decision.

use std::cell::Cell;

use pg_triage_classifier::tokenizer::MAX_TEXT_BYTES;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg::{self, Returned, Row, Trigger};
use crate::predict::active::Active;
use crate::predict::cache;
use crate::review::decide::{self, Verdict, Wish};
use crate::session::{self, Actor, Change};
use crate::store::review::Prediction;
use crate::store::source::{IfLocked, Source, attached_by_trigger};
use crate::store::{self, Writer};
use crate::{predict::classify, settings};

mod memory;

use memory::{
    Remembered, forget_statement, is_cleared, knows, last_predicted, may_know, recall, recall_last,
    remember,
};

thread_local! {
    static WARNED: Cell<i64> = const { Cell::new(0) };
}

/// Numbers of the columns of an attached table.
struct Columns(Vec<i16>);

impl Columns {
    fn of(trigger: &Trigger, source: &Source) -> SqlResult<Self> {
        trigger.columns(source.id).map(Self)
    }

    fn label(&self) -> i16 {
        self.0[0]
    }

    fn key(&self) -> i16 {
        self.0[1]
    }

    /// Text columns joined by line feeds, as far as they are read: `concat_ws(E'\n', ...)`.
    fn text(&self, row: Row) -> SqlResult<String> {
        let mut text = String::new();
        let mut first = true;
        for &column in &self.0[2..] {
            let Some(part) = row.text_up_to(column, MAX_TEXT_BYTES + 4)? else {
                continue;
            };
            if first {
                text = part;
                first = false;
            } else if text.len() <= MAX_TEXT_BYTES {
                text.push('\n');
                text.push_str(&part);
            }
        }
        Ok(text)
    }
}

/// Whether a trigger fires because we write a label, or a review.
fn is_own_change(trigger: &Trigger) -> bool {
    let is_review = pg::extension_relation(c"triage", c"review") == Some(trigger.relation());
    match trigger.optional_argument() {
        _ if is_review => session::is_own_change(Change::Review),
        Some(source) => session::is_own_change(Change::Label(source)),
        None => false,
    }
}

/// The prediction for an email, or why there is none. The row is not to fail for it.
fn predict(source: &Source, text: &str) -> SqlResult<Option<Prediction>> {
    match attempt(source, text) {
        Ok(prediction) => Ok(prediction),
        Err(error) if settings::keeps_pending() => {
            warn_once(error.message());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn attempt(source: &Source, text: &str) -> SqlResult<Option<Prediction>> {
    let active: Option<std::rc::Rc<Active>> = match cache::known_model(&source.classifier) {
        Some(active) => active,
        None if settings::keeps_pending() => {
            pg::catching(|| cache::active_model(&source.classifier))
                .map_err(|message| report(Code::ERRCODE_INTERNAL_ERROR, message))?
        }
        None => cache::active_model(&source.classifier)?,
    };
    let Some(active) = active else {
        return Ok(None);
    };
    let prediction = classify::predict(&active, &classify::features(text)?);
    Ok(prediction.label.is_some().then_some(prediction))
}

/// Once per statement: a COPY would fill the log.
pub fn warn_once(message: &str) {
    let statement = pg::statement_time();
    if WARNED.replace(statement) != statement {
        warning!("rows stay without a label: {message}");
    }
}

#[pg_extern(sql = false)]
fn label_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let new = trigger.new_row();
    if is_own_change(&trigger) || pg::is_restoring() {
        return Ok(Returned::row(new));
    }
    let source = attached_by_trigger(trigger.argument()?)?;
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
                new.with(&[(columns.label(), Some(label.as_str()))])?,
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
    if is_own_change(&trigger) || pg::is_restoring() {
        return Ok(Returned::nothing());
    }
    let source = attached_by_trigger(trigger.argument()?)?;
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
            return decide_new(&source, &key, Verdict::Label(None), None, String::new());
        }
        Some(Remembered::Updated {
            key: old,
            label: before,
        }) => {
            if old != key {
                store::as_owner(|w| w.move_review(&source.name, &source.classifier, &old, &key))?;
            }
            if before == label {
                return Ok(Returned::nothing());
            }
            let verdict = Verdict::Label(given_label(label.as_deref()));
            return decide_new(
                &source,
                &key,
                verdict,
                before.as_deref(),
                columns.text(new)?,
            );
        }
        None if label.is_none() || may_know(source.id) => predict(&source, &columns.text(new)?)?,
        None => None,
    };
    let ours = known.filter(|prediction| prediction.label == label);
    match (ours, &label) {
        (Some(prediction), Some(_)) => store::as_owner(|w| {
            w.insert_review(&source.name, &key, &source.classifier, &prediction)
        })?,
        (_, None) => store::as_owner(|w| {
            let nothing = Prediction::default();
            w.insert_review(&source.name, &key, &source.classifier, &nothing)
        })?,
        (None, Some(label)) if source.record_given_labels => {
            record_given(&source, &key, label, &columns.text(new)?)?;
        }
        // The key may have been another email's.
        (None, Some(label)) => {
            store::as_owner(|w| w.reset_review((&source.name, &key, &source.classifier), label))?
        }
    }
    Ok(Returned::nothing())
}

fn decide_new(
    source: &Source,
    key: &str,
    verdict: Verdict,
    before: Option<&str>,
    text: String,
) -> SqlResult<Returned> {
    let features = classify::features(&text)?;
    let actor = Actor::new(None);
    store::as_owner(|w| {
        decide_here(
            w,
            &actor,
            source,
            (key, before),
            verdict,
            &features,
            "table",
        )
    })?;
    Ok(Returned::nothing())
}

/// Partitioned tables only: an update that moves a row to another partition deletes it here
/// and inserts it there.
#[pg_extern(sql = false)]
fn note_move(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if is_own_change(&trigger) {
        return Ok(Returned::row(new));
    }
    let source = attached_by_trigger(trigger.argument()?)?;
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
    let features = classify::features(text)?;
    let actor = Actor::new(None);
    store::as_owner(|w| {
        if let Some(label) = given_label(Some(label))
            && let Err(error) = w.known_label(&source.classifier, label)
        {
            if settings::keeps_pending() {
                warning!("not recorded as a decision: {}", error.message());
                return Ok(());
            }
            return Err(error);
        }
        w.insert_review(&source.name, key, &source.classifier, &prediction)?;
        let verdict = Verdict::Label(given_label(Some(label)));
        decide_here(w, &actor, source, (key, None), verdict, &features, "insert")
    })
}

#[pg_extern(sql = false)]
fn decide_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if is_own_change(&trigger) {
        return Ok(Returned::row(new));
    }
    let source = attached_by_trigger(trigger.argument()?)?;
    if !source.attached {
        return Ok(Returned::row(new));
    }
    let columns = Columns::of(&trigger, &source)?;
    let key = old.text(columns.key())?.unwrap_or_default();
    let (before, given) = (old.text(columns.label())?, new.text(columns.label())?);
    if let Some(label) = &given
        && is_upsert(&source, label, &key)?
    {
        // The email keeps the label that it has; one without gets ours.
        return match (&before, recall_last(source.id)) {
            (None, Some(prediction)) => {
                remember(source.id, key, Remembered::Predicted(prediction));
                Ok(Returned::row(new))
            }
            _ => Ok(Returned::row(
                new.with(&[(columns.label(), before.as_deref())])?,
            )),
        };
    }
    let label = match given_label(given.as_deref()) {
        Some(label) => Some(store::as_owner(|w| {
            w.known_label(&source.classifier, label)
        })?),
        None => cleared(&source, &key, before.as_deref())?,
    };
    if label == given {
        return Ok(Returned::row(new));
    }
    Ok(Returned::row(
        new.with(&[(columns.label(), label.as_deref())])?,
    ))
}

/// The decision is taken back: what had been predicted is the label again.
fn cleared(source: &Source, key: &str, before: Option<&str>) -> SqlResult<Option<String>> {
    let review = store::as_owner(|w| w.review_of(&source.name, key, &source.classifier, false))?;
    let label = review.as_ref().and_then(decide::label_without_person);
    if label.as_deref() == before {
        // No trigger after the row would fire.
        let nothing = pg_triage_classifier::Features::default();
        let actor = Actor::new(None);
        let verdict = Verdict::Label(None);
        if review.is_some_and(|review| review.human_label.is_some()) {
            store::as_owner(|w| {
                decide_here(w, &actor, source, (key, None), verdict, &nothing, "table")
            })?;
        }
    } else {
        remember(source.id, key.to_owned(), Remembered::Cleared);
    }
    Ok(label)
}

/// Whether an update comes from `INSERT ... ON CONFLICT DO UPDATE SET label = excluded.label`
/// with a label that we had filled in: not what a person said.
fn is_upsert(source: &Source, label: &str, key: &str) -> SqlResult<bool> {
    let Some(inserted) = last_predicted(source.id, label) else {
        return Ok(false);
    };
    // In a MERGE the row that was labelled before is there, and this is another one.
    let stored = store::as_owner(|w| w.stored_key(source, &inserted))?;
    Ok(stored.is_none_or(|stored| stored == key))
}

#[pg_extern(sql = false)]
fn record_decision(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if is_own_change(&trigger) {
        return Ok(Returned::nothing());
    }
    let source = attached_by_trigger(trigger.argument()?)?;
    if !source.attached {
        return Ok(Returned::nothing());
    }
    let columns = Columns::of(&trigger, &source)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    let (Some(old_key), Some(key)) = (old.text(columns.key())?, new.text(columns.key())?) else {
        return Ok(Returned::nothing());
    };
    let (before, label) = (old.text(columns.label())?, new.text(columns.label())?);
    let mut ours = None;
    let verdict = match recall(source.id, &old_key) {
        Some(Remembered::Cleared) => Some(Verdict::Label(None)),
        Some(Remembered::Predicted(prediction)) if prediction.label == label => {
            ours = Some(prediction);
            None
        }
        _ if before == label => None,
        _ => Some(Verdict::Label(given_label(label.as_deref()))),
    };
    if old_key == key && verdict.is_none() && ours.is_none() {
        return Ok(Returned::nothing());
    }
    let features = match verdict {
        Some(Verdict::Label(Some(_))) => classify::features(&columns.text(new)?)?,
        _ => pg_triage_classifier::Features::default(),
    };
    let actor = Actor::new(None);
    store::as_owner(|w| {
        if old_key != key {
            w.move_review(&source.name, &source.classifier, &old_key, &key)?;
        }
        if let Some(prediction) = ours {
            w.complete_review(&source.name, &key, &source.classifier, &prediction)?;
        }
        let Some(verdict) = verdict else {
            return Ok(());
        };
        // Changed again since, by the same statement or another trigger: that one decides.
        let now = w.lock_email(&source, &key, IfLocked::Wait)?;
        if now.is_some_and(|email| email.label != label) {
            return Ok(());
        }
        let row = (key.as_str(), before.as_deref());
        decide_here(w, &actor, &source, row, verdict, &features, "table")
    })?;
    Ok(Returned::nothing())
}

/// Decides about a row of the statement's own table, which had this label before: the server
/// has it locked.
fn decide_here(
    w: &mut Writer,
    actor: &Actor,
    source: &Source,
    (key, before): (&str, Option<&str>),
    verdict: Verdict,
    features: &pg_triage_classifier::Features,
    door: &'static str,
) -> SqlResult<()> {
    let review = match w.review_of(&source.name, key, &source.classifier, true)? {
        Some(review) => review,
        None => {
            w.insert_unclassified(&source.name, key, &source.classifier, before)?;
            let review = w.review_of(&source.name, key, &source.classifier, true)?;
            review.ok_or_else(|| {
                report(
                    Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
                    format!(
                        "email \"{key}\" in {} is being changed by another session: try again",
                        source.name
                    ),
                )
            })?
        }
    };
    let wish = Wish {
        verdict,
        note: None,
        row_version: None,
        door,
    };
    let (_, after) = decide::settle(w, actor, review, wish, Some(features))?;
    w.update_review(&after)
}

#[pg_extern(sql = false)]
fn begin_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !is_own_change(&trigger) {
        session::begin_batch();
        if let Some(source) = trigger.optional_argument() {
            forget_statement(source);
        }
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn end_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !is_own_change(&trigger) && session::has_decided() {
        store::as_owner(compaction::compact_if_due)?;
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn refuse_erasure(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let is_ledger = pg::extension_relation(c"triage", c"decision") == Some(trigger.relation());
    // Reviews go with their classifier, by the trigger on it.
    if session::is_erasure() || !is_ledger && pg::trigger_depth() > 1 {
        return Ok(Returned::nothing());
    }
    let message = if is_ledger {
        "triage.decision is append-only: take a decision back with triage.undo(decision_id), or erase an email with triage.forget(source, key)"
    } else {
        "reviews are not deleted: take an email out of the queue with triage.skip(review_id), or erase it with triage.forget(source, key)"
    };
    Err(report(Code::ERRCODE_INSUFFICIENT_PRIVILEGE, message))
}
