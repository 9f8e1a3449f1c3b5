//! Doors that are rows: `triage.review` and the queue views.

use pg_triage_decision::{Action, Door, QueueReason, Request};
use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys};

use crate::arguments::{given_label, no_review_id};
use crate::error::{SqlResult, report};
use crate::pg::{self, Event, Returned, Row, Trigger, Value};
use crate::review::decide;
use crate::review::wanted::Wanted;
use crate::session::{self, Actor};
use crate::settings;
use crate::store::classifier::DEFAULT_CLASSIFIER;
use crate::store::review::{EmailName, Review};
use crate::store::source::Source;
use crate::store::{self, Reader};

/// Columns that a person writes, and those with which their tool says which review it read; all
/// others, also those of the email's own table, are protected.
const NOT_PROTECTED: [&str; 5] = ["human_label", "note", "action", "review_id", "row_version"];

#[pg_extern(sql = false)]
fn review_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if session::is_own_change(session::Change::Review) {
        return Ok(Returned::row(trigger.new_row()));
    }
    match (trigger.event(), trigger.is_instead()) {
        (Event::Insert, true) => inserted(&trigger),
        (Event::Insert, false) => named(&trigger),
        (Event::Update, instead) => updated(&trigger, instead),
        _ => Ok(Returned::row(trigger.new_row())),
    }
}

pub(super) fn number(row: Row, column: &str) -> SqlResult<Option<i64>> {
    let text = row.text(row.column(column)?)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The table's own trigger fires with the review locked, that of a view with nothing locked.
fn updated(trigger: &Trigger, instead: bool) -> SqlResult<Returned> {
    let is_listed = session::take_listed_row();
    let (old, new) = (trigger.old(), trigger.new_row());
    let id = number(old, "review_id")?.ok_or_else(no_review_id)?;
    if number(new, "review_id")? != Some(id) {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            format!(
                "review_id {id} cannot be changed: is the WHERE clause missing, or does the tool not know the key?"
            ),
        ));
    }
    let changed = |column: &str| -> SqlResult<bool> {
        let number = old.column(column)?;
        Ok(!same(old.text(number)?, new.text(number)?))
    };
    // The version that a client saw, if it sends one; what it did not send is the row's own.
    let current = number(old, "row_version")?;
    let seen = number(new, "row_version")?.or(current);
    // A stale copy of the whole row is a conflict, not an attempt to forge it.
    let stale = seen != current;
    if !instead && pg::is_owner() && pg::trigger_depth() > 1 && changed("classifier")? {
        return renamed(old, new);
    }
    if !stale {
        check_protected(old, new)?;
    }
    let (label, note) = (new.column("human_label")?, new.column("note")?);
    let (new_label, new_note) = (new.text(label)?, new.text(note)?);
    let label_changed =
        given_label(new_label.as_deref()) != given_label(old.text(label)?.as_deref());
    let note_changed = changed("note")?;
    let wanted = Wanted::of(new, label_changed)?;
    // Asked again, the same label is an answer.
    let confirms =
        !label_changed && wanted.is_none() && session::names_label() && wants_answer(old)?;
    let label_changed = label_changed || confirms;
    if wanted.is_none() && !label_changed && !note_changed && !stale {
        return Ok(Returned::row(old));
    }
    if !is_listed {
        check_limit(LISTED)?;
    }
    let request = Request {
        action: match label_changed {
            true => Action::Label(given_label(new_label.as_deref())),
            false => Wanted::action(wanted),
        },
        note: note_changed.then_some(new_note.as_deref()),
        row_version: seen.map(|version| version as i32),
        door: if instead { Door::View } else { Door::Review },
        confirmed_by: None,
    };
    let actor = Actor::new(None);
    let after = store::write(c"UPDATE", |w| {
        let decided = match (wanted, instead) {
            (Some(Wanted::Undo), true) => decide::undo_last(w, &actor, id, request),
            (Some(Wanted::Undo), false) => decide::undo_last_updated(w, &actor, id, request),
            (_, true) => decide::decide(w, &actor, id, request),
            (_, false) => decide::decide_updated(w, &actor, id, request),
        };
        decided.map(|decided| decided.review)
    })?;
    // From the old row: nothing of what the client sent is stored unseen.
    Ok(Returned::row(shown(old, &after, instead)?))
}

/// Whether somebody has decided about a review, and is asked again: its text is another one now, or
/// somebody has put it to people again.
fn wants_answer(row: Row) -> SqlResult<bool> {
    let text = |column: &str| row.text(row.column(column)?);
    Ok(given_label(text("human_label")?.as_deref()).is_some()
        && (text("text_changed_at")?.is_some()
            || text("queue_reason")?.as_deref() == Some(QueueReason::Reopened.name())))
}

/// Refuses a change of any column but those that are for people to write.
fn check_protected(old: Row, new: Row) -> SqlResult<()> {
    for number in 1..=old.columns() {
        let name = old.name(number);
        if !NOT_PROTECTED.contains(&name.as_str()) && !same(old.text(number)?, new.text(number)?) {
            return Err(protected(&name));
        }
    }
    Ok(())
}

/// What takes more rows than an update of reviews may change.
const LISTED: &str = "INSERT INTO triage.review_queue (review_id, human_label) takes any number, as triage.correct_many() does";

/// Counts one more row that the statement changes, and refuses it if that is too many: `otherwise`
/// says how many are changed.
pub(super) fn check_limit(otherwise: &str) -> SqlResult<()> {
    let most = settings::max_rows_per_correction();
    if session::count_changed_row() <= most {
        return Ok(());
    }
    Err(report(
        Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!(
            "more than {most} rows in one statement (pg_triage.max_rows_per_correction): is the WHERE clause missing? {otherwise}"
        ),
    ))
}

/// Whether a client has sent back what it read: forms change line ends and have no NULL, grids
/// keep no white space, and some tools cut digits off numbers and times.
pub(super) fn same(old: Option<String>, new: Option<String>) -> bool {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let close = || {
        let numbers = old.parse::<f64>().ok().zip(new.parse::<f64>().ok());
        numbers.is_some_and(|(old, new)| (old - new).abs() < 1e-6)
    };
    // `2026-11-25 17:00:00.123+00` as `2026-11-25 17:00:00+00`
    let cut = || {
        let second = old.split('.').next().unwrap_or_default();
        second.len() >= 19 && old.contains(':') && new.starts_with(second) && !new.contains('.')
    };
    old == new || visible(&old).eq(visible(&new)) || close() || cut()
}

/// The text without white space.
fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace())
}

/// A classifier's new name, written by the trigger on `triage.classifier`.
fn renamed(old: Row, new: Row) -> SqlResult<Returned> {
    let classifier = new.column("classifier")?;
    let name = new.text(classifier)?;
    let row = old.with(&[(classifier, name.as_deref().into())])?;
    Ok(Returned::row(row))
}

/// Where the view of an attached table has its key: after review_id.
fn shown_key(own: &Source) -> Vec<i16> {
    (2..).take(own.keys).collect()
}

/// `INSERT INTO triage.review_queue (review_id, human_label)`, or `(review_id, action)`: names a review by its number,
/// or by source and key. An explicit list cannot forget a WHERE clause, so it has no limit.
fn inserted(trigger: &Trigger) -> SqlResult<Returned> {
    let new = trigger.new_row();
    let text = |column: &str| -> SqlResult<Option<String>> { new.text(new.column(column)?) };
    let (label, note) = (text("human_label")?, text("note")?);
    let label = given_label(label.as_deref());
    let actor = Actor::new(None);
    let wanted = Wanted::of(new, label.is_some())?;
    let request = Request {
        action: match label {
            Some(_) => Action::Label(label),
            None => Wanted::action(wanted),
        },
        // A row that has no note says nothing about one.
        note: given_label(note.as_deref()).map(Some),
        row_version: number(new, "row_version")?.map(|v| v as i32),
        door: Door::View,
        confirmed_by: None,
    };
    let mut named = Named::of(new)?;
    let after = store::write(c"INSERT", |w| {
        // The view of one table is about that table.
        let own = trigger.optional_argument().map(|id| w.source(id));
        let own = own.transpose()?;
        if let Some(own) = &own
            && named.key.is_none()
        {
            named.key = new.key(&shown_key(own))?;
        }
        if let Some(own) = &own {
            check_key(&named, new, own)?;
        }
        let id = find_named(w, named, own.as_ref())?;
        if let Some(own) = &own {
            check_belongs(&w.review(id)?, own)?;
        }
        if request.action == Action::NoteOnly && request.note.is_none() && wanted.is_none() {
            check_nothing_to_take_back(&w.review(id)?)?;
        }
        let decided = match wanted {
            Some(Wanted::Undo) => decide::undo_last(w, &actor, id, request),
            _ => decide::decide(w, &actor, id, request),
        };
        decided.map(|decided| decided.review)
    })?;
    Ok(Returned::row(shown(new, &after, true)?))
}

/// `INSERT INTO triage.review (review_id, human_label) ... ON CONFLICT (review_id) DO UPDATE`:
/// the row gets all names of the review that it is about, so that whichever of them ON CONFLICT
/// looks at finds it, and the update decides. Nobody but the owner adds a review.
fn named(trigger: &Trigger) -> SqlResult<Returned> {
    session::list_row();
    let new = trigger.new_row();
    let named = Named::of(new)?;
    if named.is_complete() && pg::is_owner() {
        return Ok(Returned::row(new));
    }
    let review = store::write(c"INSERT", |w| {
        let by_number = named.review_id;
        // Without a number in the list of columns it is a new one, which nobody has.
        let number = match named.email() {
            Some(_) => None,
            None => by_number,
        };
        let id = find_named(
            w,
            Named {
                review_id: number,
                ..named
            },
            None,
        )?;
        if let Some(other) = by_number.filter(|&other| other != id)
            && w.has_review(other)?
        {
            return Err(report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("review_id {other} is another email's: this one has review_id {id}"),
            ));
        }
        // Until ON CONFLICT has found it, nobody may erase it.
        w.lock_review(id)
    })?;
    let id = review.review_id.to_string();
    let row = new.with(&[
        (new.column("review_id")?, Value::Text(&id)),
        (new.column("source")?, Value::Text(&review.source)),
        (new.column("email_key")?, Value::Text(&review.email_key)),
        (new.column("classifier")?, Value::Text(&review.classifier)),
    ])?;
    Ok(Returned::row(row))
}

/// How a row that is inserted names its review.
struct Named {
    review_id: Option<i64>,
    source: Option<String>,
    key: Option<String>,
    classifier: Option<String>,
}

impl Named {
    fn of(row: Row) -> SqlResult<Self> {
        let text = |column: &str| -> SqlResult<Option<String>> {
            let text = row.text(row.column(column)?)?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        Ok(Self {
            review_id: number(row, "review_id")?,
            source: text("source")?,
            key: text("email_key")?,
            classifier: text("classifier")?,
        })
    }

    /// Source and key, if both are there.
    fn email(&self) -> Option<(&str, &str)> {
        self.source.as_deref().zip(self.key.as_deref())
    }

    fn is_complete(&self) -> bool {
        self.email().is_some() && self.classifier.is_some()
    }
}

/// Refuses a row that says nothing about a decided review: a column that was not named, and a file
/// that is filled in to a half, have no label either, and must not take back what others decided.
fn check_nothing_to_take_back(review: &Review) -> SqlResult<()> {
    let Some(label) = &review.human_label else {
        return Ok(());
    };
    let id = review.review_id;
    Err(report(
        Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
        format!(
            "review {id} has the label \"{label}\", and an INSERT without a label takes nothing back: UPDATE triage.review SET human_label = NULL WHERE review_id = {id}, or INSERT the action 'undo'"
        ),
    ))
}

/// Refuses a row that has some columns of the key, and not all.
fn check_key(named: &Named, row: Row, own: &Source) -> SqlResult<()> {
    if named.review_id.is_some() || named.key.is_some() {
        return Ok(());
    }
    let (mut missing, columns) = (Vec::new(), shown_key(own));
    for &column in &columns {
        if row.text(column)?.is_none() {
            missing.push(row.name(column));
        }
    }
    if missing.is_empty() || missing.len() == columns.len() {
        return Ok(());
    }
    Err(report(
        Code::ERRCODE_NOT_NULL_VIOLATION,
        format!(
            "{} is missing: the key of {} has it, too (or give review_id)",
            missing.join(", "),
            own.name
        ),
    ))
}

/// The number of the review that a row names; `own` is the attachment that its view is about.
fn find_named(r: &Reader, named: Named, own: Option<&Source>) -> SqlResult<i64> {
    if let Some(id) = named.review_id {
        return Ok(id);
    }
    let source = named.source.or(own.map(|own| own.name.clone()));
    let classifier = named.classifier.or(own.map(|own| own.classifier.clone()));
    let classifier = classifier.as_deref().unwrap_or(DEFAULT_CLASSIFIER);
    let (Some(source), Some(key)) = (source, named.key) else {
        return Err(no_review_id());
    };
    let review = r.review_of(EmailName {
        source: &source,
        key: &key,
        classifier,
    })?;
    let review = review.ok_or_else(|| {
        report(
            Code::ERRCODE_NO_DATA_FOUND,
            format!("no review of email \"{key}\" in {source} by classifier \"{classifier}\""),
        )
    })?;
    Ok(review.review_id)
}

/// Refuses a review of another table than the view is about.
fn check_belongs(review: &Review, own: &Source) -> SqlResult<()> {
    if (&review.source, &review.classifier) == (&own.name, &own.classifier) {
        return Ok(());
    }
    Err(report(
        Code::ERRCODE_INVALID_PARAMETER_VALUE,
        format!(
            "review {} is about {}, not about {}: use its own view, or triage.review_queue",
            review.review_id, review.source, own.name
        ),
    ))
}

/// The row with what was stored, for RETURNING.
fn shown(row: Row, review: &Review, view: bool) -> SqlResult<Row> {
    let (id, version) = (review.review_id.to_string(), review.row_version.to_string());
    let decision = review.decision_id.map(|id| id.to_string());
    let facts = decide::review_facts(review);
    let label = facts.effective_label(review.human_label.as_deref());
    let mut values = vec![
        ("review_id", Value::Text(&id)),
        ("human_label", review.human_label.as_deref().into()),
        ("note", review.note.as_deref().into()),
        ("action", Value::Null),
        ("reviewed_by", review.reviewed_by.as_deref().into()),
        (
            "reviewed_at",
            review.reviewed_at.map_or(Value::Null, Value::Time),
        ),
        ("queue_reason", review.queue_reason.as_deref().into()),
        ("row_version", Value::Text(&version)),
        (
            "text_changed_at",
            review.text_changed_at.map_or(Value::Null, Value::Time),
        ),
    ];
    if view {
        values.extend([
            ("classifier", Value::Text(&review.classifier)),
            ("source", Value::Text(&review.source)),
            ("email_key", Value::Text(&review.email_key)),
            ("predicted_label", review.predicted_label.as_deref().into()),
        ]);
        if row.column("label").is_ok() {
            values.push(("label", label.into()));
        }
    } else {
        values.push(("decision_id", decision.as_deref().into()));
    }
    let values = values
        .into_iter()
        .map(|(name, value)| Ok((row.column(name)?, value)))
        .collect::<SqlResult<Vec<_>>>()?;
    row.with(&values)
}

fn protected(column: &str) -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("column \"{column}\" cannot be changed: only human_label, note and action can"),
    )
}
