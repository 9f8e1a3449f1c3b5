//! Tables whose rows are labelled on insert, and whose label column is a way to correct.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use pg_triage_core::tokenizer::MAX_TEXT_BYTES;
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys, warning};

use crate::cache::{self, Active};
use crate::catalog::ledger::Prediction;
use crate::catalog::source::{IfLocked, Source, attached_by_trigger};
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
    /// It had this label in another partition.
    Moved(Option<String>),
}

/// Beyond this, an email is classified again after it was written: a COPY of millions must
/// not fill the session's memory.
const MOST_REMEMBERED: usize = 100_000;

type RowName = (i64, String);

struct Note {
    /// Of triggers: a statement that a trigger issues is one deeper.
    depth: i32,
    statement: i64,
    what: Remembered,
}

#[derive(Default)]
struct Memory {
    transaction: i64,
    /// By attachment and key.
    rows: HashMap<RowName, Note>,
    /// The last row that a label was filled in for.
    last: Option<RowName>,
    overflown: bool,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static WARNED: Cell<i64> = const { Cell::new(0) };
}

/// A statement on an attached table begins: what earlier ones left is of no use.
fn forget_statement(source: i64) {
    let depth = pg::trigger_depth();
    MEMORY.with_borrow_mut(|memory| {
        memory
            .rows
            .retain(|(of, _), note| *of != source || note.depth < depth);
        memory.last = None;
    });
}

fn remember(source: i64, key: String, what: Remembered) {
    let (transaction, statement) = (pg::transaction_time(), pg::statement_time());
    let depth = pg::trigger_depth();
    MEMORY.with_borrow_mut(|memory| {
        if memory.transaction != transaction {
            *memory = Memory {
                transaction,
                ..Memory::default()
            };
        }
        if memory.rows.len() >= MOST_REMEMBERED {
            memory.overflown = true;
            return;
        }
        let note = Note {
            depth,
            statement,
            what,
        };
        memory.last = Some((source, key.clone()));
        memory.rows.insert((source, key), note);
    });
}

impl Memory {
    fn is_current(&self, note: &Note) -> bool {
        self.transaction == pg::transaction_time()
            && note.statement == pg::statement_time()
            && note.depth == pg::trigger_depth()
    }
}

/// What this statement knows about a row, once.
fn recall(source: i64, key: &str) -> Option<Remembered> {
    MEMORY.with_borrow_mut(|memory| {
        let note = memory.rows.remove(&(source, key.to_owned()))?;
        if memory.rows.is_empty() && memory.rows.capacity() > 1000 {
            memory.rows.shrink_to_fit();
        }
        memory.is_current(&note).then_some(note.what)
    })
}

/// Whether this statement may know a row under another key: one that was not known yet when
/// the label was filled in.
fn may_know() -> bool {
    MEMORY.with_borrow(|memory| {
        memory.overflown || memory.rows.values().any(|note| memory.is_current(note))
    })
}

/// Whether something is known about a row.
fn knows(source: i64, key: &str) -> bool {
    MEMORY.with_borrow(|memory| {
        let note = memory.rows.get(&(source, key.to_owned()));
        note.is_some_and(|note| memory.is_current(note))
    })
}

/// The row that a label was filled in for last, if it was this label.
fn last_predicted(source: i64, label: &str) -> Option<String> {
    MEMORY.with_borrow(|memory| {
        let name = memory.last.as_ref().filter(|(of, _)| *of == source)?;
        let note = memory
            .rows
            .get(name)
            .filter(|note| memory.is_current(note))?;
        match &note.what {
            Remembered::Predicted(p) if p.label.as_deref() == Some(label) => Some(name.1.clone()),
            _ => None,
        }
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
    // White space is what forms and files send for nothing.
    if given_label(new.text(columns.label())?.as_deref()).is_some() {
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
    let known = match recall(source.id, &key) {
        Some(Remembered::Predicted(prediction)) => Some(prediction),
        Some(Remembered::Unclassified) => None,
        Some(Remembered::Cleared) => {
            return decide_new(&source, &key, Verdict::Label(None), None, String::new());
        }
        Some(Remembered::Moved(before)) if before == label => return Ok(Returned::nothing()),
        Some(Remembered::Moved(before)) => {
            let verdict = Verdict::Label(given_label(label.as_deref()));
            return decide_new(
                &source,
                &key,
                verdict,
                before.as_deref(),
                columns.text(new)?,
            );
        }
        None if label.is_none() || may_know() => predict(&source, &columns.text(new)?)?,
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

fn decide_new(
    source: &Source,
    key: &str,
    verdict: Verdict,
    before: Option<&str>,
    text: String,
) -> SqlResult<Returned> {
    let features = classify::features(&text)?;
    let actor = Actor::new(None);
    catalog::as_owner(|w| {
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

/// Partitioned tables only: a row that moves to another partition is deleted and inserted.
#[pg_extern(sql = false)]
fn record_move(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if session::is_own_change() || pg::is_restoring() {
        return Ok(Returned::nothing());
    }
    let source = attached_by_trigger(trigger.argument()?)?;
    let columns = Columns::of(&trigger, &source)?;
    let old = trigger.old();
    if let Some(key) = old.text(columns.key())?
        && !knows(source.id, &key)
    {
        let label = old.text(columns.label())?;
        remember(source.id, key, Remembered::Moved(label));
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
        decide_here(w, &actor, source, (key, None), verdict, &features, "insert")
    })
}

#[pg_extern(sql = false)]
fn decide_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    let (old, new) = (trigger.old(), trigger.new_row());
    if session::is_own_change() {
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
        Some(label) => Some(catalog::as_owner(|w| {
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
    let review = catalog::as_owner(|w| w.review_of(&source.name, key, &source.classifier, false))?;
    let label = review.as_ref().and_then(decide::label_without_person);
    if label.as_deref() == before {
        // No trigger after the row would fire.
        let nothing = pg_triage_core::Features::default();
        let actor = Actor::new(None);
        let verdict = Verdict::Label(None);
        if review.is_some_and(|review| review.human_label.is_some()) {
            catalog::as_owner(|w| {
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
    Ok(inserted == key || !catalog::as_owner(|w| w.email_exists(source, &inserted))?)
}

fn recall_last(source: i64) -> Option<Prediction> {
    let last = MEMORY.with_borrow_mut(|memory| memory.last.take())?;
    match recall(source, &last.1) {
        Some(Remembered::Predicted(prediction)) => Some(prediction),
        _ => None,
    }
}

#[pg_extern(sql = false)]
fn record_decision(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if session::is_own_change() {
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
        _ => pg_triage_core::Features::default(),
    };
    let actor = Actor::new(None);
    catalog::as_owner(|w| {
        if old_key != key {
            w.move_review(&source.name, &old_key, &key)?;
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
    features: &pg_triage_core::Features,
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
    let known = Known {
        features: Some(features),
    };
    let (_, after) = decide::settle(w, actor, review, wish, &known)?;
    w.update_review(&after)
}

#[pg_extern(sql = false)]
fn begin_batch(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if !session::is_own_change() {
        session::begin_batch();
        if let Some(source) = trigger.optional_argument() {
            forget_statement(source);
        }
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
    let Some(place) = pg::place_of(source.relation, source.id) else {
        return Ok(0);
    };
    let (mut labelled, mut last) = (0, None);
    while labelled < most {
        let wanted = (most - labelled).min(ROWS_AT_ONCE);
        let rows = w.unlabelled(source, &place, last.as_deref(), wanted)?;
        let Some((key, _)) = rows.last() else {
            break;
        };
        last = Some(key.clone());
        for (key, text) in rows {
            pg::check_for_interrupts();
            let prediction = classify::predict(&active, &classify::features(&text)?);
            let Some(label) = &prediction.label else {
                continue;
            };
            // One row that does not take its label must not stop the others.
            let written = pg::catching(|| {
                let written = w.write_label(source, &place, &key, Some(label))?;
                if written {
                    w.complete_review(&source.name, &key, &source.classifier, &prediction)?;
                }
                Ok(written)
            });
            match written {
                Ok(written) => labelled += i64::from(written),
                Err(message) => warning!(
                    "email \"{key}\" in {} stays without a label: {message}",
                    source.name
                ),
            }
        }
    }
    Ok(labelled)
}
