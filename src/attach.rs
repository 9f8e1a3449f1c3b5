//! Tables whose rows are labelled on insert, and whose label column is a way to correct.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use pg_triage_core::tokenizer::MAX_TEXT_BYTES;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use crate::cache::{self, Active};
use crate::catalog::ledger::Prediction;
use crate::catalog::source::{Source, attached_by_trigger};
use crate::catalog::{self, Writer};
use crate::decide::{self, Known, Verdict, Wish, given_label};
use crate::error::{SqlResult, report};
use crate::models::{given, given_classifier};
use crate::pg::{self, Returned, Row, Trigger};
use crate::session::{self, Actor};
use crate::{classify, settings};

// ---------------------------------------------------------------------------------------
// From the trigger before a row is written to the one after it

/// What the trigger before a row knows, and the one after it must.
#[derive(Clone)]
enum Remembered {
    /// We filled in this label.
    Predicted(Prediction),
    /// We could not fill in any.
    Unclassified,
    /// A person took the label away.
    Cleared,
}

/// Beyond this, an email is classified again after it was written: a COPY of millions must
/// not fill the session's memory.
const MOST_REMEMBERED: usize = 100_000;

#[derive(Default)]
struct Memory {
    transaction: i64,
    /// By attachment and key.
    rows: HashMap<(i64, String), (i64, Remembered)>,
    overflown: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static WARNED: Cell<i64> = const { Cell::new(0) };
}

fn remember(source: i64, key: String, what: Remembered) {
    let (transaction, statement) = (pg::transaction_time(), pg::statement_time());
    MEMORY.with_borrow_mut(|memory| {
        if memory.transaction != transaction {
            *memory = Memory {
                transaction,
                ..Memory::default()
            };
        }
        if memory.rows.len() >= MOST_REMEMBERED {
            memory.overflown = true;
        } else {
            memory.rows.insert((source, key), (statement, what));
        }
    });
}

/// What this statement knows about a row, once; whether it may have known more.
fn recall(source: i64, key: &str) -> (Option<Remembered>, bool) {
    let (transaction, statement) = (pg::transaction_time(), pg::statement_time());
    MEMORY.with_borrow_mut(|memory| {
        if memory.transaction != transaction {
            return (None, false);
        }
        let found = memory.rows.remove(&(source, key.to_owned()));
        if memory.rows.is_empty() && memory.rows.capacity() > 1000 {
            memory.rows.shrink_to_fit();
        }
        let found = found.filter(|(then, _)| *then == statement);
        (found.map(|(_, what)| what), memory.overflown)
    })
}

// ---------------------------------------------------------------------------------------
// Triggers

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
fn warn_once(message: &str) {
    let statement = pg::statement_time();
    if WARNED.replace(statement) != statement {
        warning!("rows stay without a label: {message}");
    }
}

#[pg_extern(sql = false)]
fn label_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let new = trigger.new_row();
    if session::is_own_change() || pg::is_restoring() {
        return Ok(Returned::row(new));
    }
    let source = attached_by_trigger(trigger.argument()?)?;
    if !source.attached {
        return Ok(Returned::row(new));
    }
    let columns = Columns::of(&trigger, &source)?;
    if new.text_up_to(columns.label(), 1)?.is_some() {
        return Ok(Returned::row(new));
    }
    let prediction = predict(&source, &columns.text(new)?)?;
    let fits = |label: &str| {
        trigger
            .limit(columns.label())
            .is_none_or(|limit| label.chars().count() <= limit)
    };
    let label = prediction.as_ref().and_then(|p| p.label.clone());
    let key = new.text(columns.key())?.unwrap_or_default();
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
    if session::is_own_change() || pg::is_restoring() {
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
    let (remembered, overflown) = recall(source.id, &key);
    let known = match remembered {
        Some(Remembered::Predicted(prediction)) => Some(prediction),
        Some(_) => None,
        None if overflown || label.is_none() => predict(&source, &columns.text(new)?)?,
        None => None,
    };
    let ours = known.filter(|prediction| prediction.label == label);
    match (ours, &label) {
        (Some(prediction), Some(_)) => catalog::as_owner(|w| {
            w.insert_review(&source.name, &key, &source.classifier, &prediction)
        })?,
        (_, None) => catalog::as_owner(|w| {
            let nothing = Prediction::default();
            w.insert_review(&source.name, &key, &source.classifier, &nothing)
        })?,
        (None, Some(label)) if source.record_given_labels => {
            record_given(&source, &key, label, &columns.text(new)?)?;
        }
        (None, Some(_)) => {}
    }
    Ok(Returned::nothing())
}

/// A label that the row came with, as a decision.
fn record_given(source: &Source, key: &str, label: &str, text: &str) -> SqlResult<()> {
    let prediction = predict(source, text)?.unwrap_or_default();
    let features = classify::features(text)?;
    let actor = Actor::new(None);
    catalog::as_owner(|w| {
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
        decide_here(w, &actor, source, key, verdict, &features, "insert")
    })
}

#[pg_extern(sql = false)]
fn decide_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if session::is_own_change() || pg::is_restoring() {
        return Ok(Returned::row(new));
    }
    let source = attached_by_trigger(trigger.argument()?)?;
    if !source.attached {
        return Ok(Returned::row(new));
    }
    let columns = Columns::of(&trigger, &source)?;
    let key = old.text(columns.key())?.unwrap_or_default();
    let given = new.text(columns.label())?;
    let label = match given_label(given.as_deref()) {
        Some(label) => Some(catalog::as_owner(|w| {
            w.known_label(&source.classifier, label)
        })?),
        // The decision is taken back: what had been predicted is the label again.
        None => {
            let review =
                catalog::as_owner(|w| w.review_of(&source.name, &key, &source.classifier, false))?;
            remember(source.id, key, Remembered::Cleared);
            review.and_then(|review| review.predicted_label)
        }
    };
    if label == given {
        return Ok(Returned::row(new));
    }
    Ok(Returned::row(
        new.with(&[(columns.label(), label.as_deref())])?,
    ))
}

#[pg_extern(sql = false)]
fn record_decision(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if session::is_own_change() || pg::is_restoring() {
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
    let (old_label, label) = (old.text(columns.label())?, new.text(columns.label())?);
    let (remembered, _) = recall(source.id, &old_key);
    let verdict = match remembered {
        Some(Remembered::Cleared) => Some(Verdict::Label(None)),
        // INSERT ... ON CONFLICT DO UPDATE SET label = excluded.label: ours, not a person's.
        Some(Remembered::Predicted(prediction)) if prediction.label == label => None,
        _ if old_label == label => None,
        _ => Some(Verdict::Label(given_label(label.as_deref()))),
    };
    if old_key == key && verdict.is_none() {
        return Ok(Returned::nothing());
    }
    let features = match verdict {
        Some(Verdict::Label(Some(_))) => classify::features(&columns.text(new)?)?,
        _ => pg_triage_core::Features::default(),
    };
    let actor = Actor::new(None);
    catalog::as_owner(|w| {
        if old_key != key {
            w.move_review(&source.name, &old_key, &key)?;
        }
        match verdict {
            Some(verdict) => decide_here(w, &actor, &source, &key, verdict, &features, "table"),
            None => Ok(()),
        }
    })?;
    Ok(Returned::nothing())
}

/// Decides about a row of the statement's own table: the server has it locked.
fn decide_here(
    w: &mut Writer,
    actor: &Actor,
    source: &Source,
    key: &str,
    verdict: Verdict,
    features: &pg_triage_core::Features,
    door: &'static str,
) -> SqlResult<()> {
    let review = match w.review_of(&source.name, key, &source.classifier, true)? {
        Some(review) => review,
        None => {
            // Never classified: it was there before, or came with a label.
            let nothing = Prediction::default();
            w.complete_review(&source.name, key, &source.classifier, &nothing)?;
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
    let known = Known {
        features: Some(features),
    };
    let (_, after) = decide::settle(w, actor, review, wish, &known)?;
    w.update_review(&after)
}

#[pg_extern(sql = false)]
fn begin_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    Trigger::new(fcinfo)?;
    if !session::is_own_change() {
        session::begin_batch();
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn end_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    Trigger::new(fcinfo)?;
    if !session::is_own_change() && session::has_decided() {
        catalog::as_owner(decide::fold_if_due)?;
    }
    Ok(Returned::nothing())
}

#[pg_extern(sql = false)]
fn refuse_erasure(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    Trigger::new(fcinfo)?;
    if session::is_erasure() {
        return Ok(Returned::nothing());
    }
    Err(report(
        Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "triage.decision is append-only: take a decision back with triage.undo(decision_id), or erase an email with triage.forget(source, key)",
    ))
}

// ---------------------------------------------------------------------------------------
// Functions

#[pg_extern(sql = false)]
fn attach(
    relation: Option<pg_sys::Oid>,
    text_columns: Option<Vec<Option<String>>>,
    label_column: Option<&str>,
    key_column: Option<&str>,
    classifier: Option<&str>,
    record_given_labels: Option<bool>,
) -> SqlResult<i64> {
    let relation = given(relation, "relation")?;
    let text_columns = given(text_columns, "text_columns")?;
    let label_column = given(label_column, "label_column")?;
    let classifier = given_classifier(classifier)?;
    let mut path = pg::setting(c"search_path").unwrap_or_default();
    if !path.contains("pg_temp") {
        // Last: it would be searched first if it were not named.
        path.push_str(if path.trim().is_empty() {
            "pg_catalog, pg_temp"
        } else {
            ", pg_temp"
        });
    }
    catalog::write(c"triage.attach()", |w| {
        w.lock_classifier(classifier)?;
        w.attach(
            &path,
            relation,
            text_columns,
            label_column,
            key_column,
            classifier,
            record_given_labels.unwrap_or(false),
        )
    })
}

#[pg_extern(sql = false)]
fn detach(relation: Option<pg_sys::Oid>) -> SqlResult<i32> {
    let relation = given(relation, "relation")?;
    catalog::write(c"triage.detach()", |w| w.detach(relation))
}

/// Rows classified between two looks at the table.
const ROWS_AT_ONCE: i64 = 200;

#[pg_extern(sql = false)]
fn classify_pending(relation: Option<pg_sys::Oid>, most: Option<i32>) -> SqlResult<i64> {
    let most = i64::from(given(most, "most")?);
    catalog::write(c"triage.classify_pending()", |w| {
        let sources = w.attachments(relation)?;
        if let Some(relation) = relation {
            w.check_attached(relation, !sources.is_empty())?;
        }
        let mut labelled = 0;
        for source in sources {
            labelled += classify_rows(w, &source, most - labelled)?;
        }
        Ok(labelled)
    })
}

fn classify_rows(w: &mut Writer, source: &Source, most: i64) -> SqlResult<i64> {
    let Some(active) = cache::active_model(&source.classifier)? else {
        return Ok(0);
    };
    let Some(place) = pg::column_names(source.relation, source.id)? else {
        return Ok(0);
    };
    let mut labelled = 0;
    while labelled < most {
        let rows = w.unlabelled(source, &place, (most - labelled).min(ROWS_AT_ONCE))?;
        if rows.is_empty() {
            break;
        }
        let before = labelled;
        for (key, text) in rows {
            pg::check_for_interrupts();
            let prediction = classify::predict(&active, &classify::features(&text)?);
            if let Some(label) = &prediction.label {
                w.write_label(source, &place, &key, Some(label))?;
                w.complete_review(&source.name, &key, &source.classifier, &prediction)?;
                labelled += 1;
            }
        }
        if labelled == before {
            break;
        }
    }
    Ok(labelled)
}
