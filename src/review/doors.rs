//! The doors beside a table's own label column: `triage.review`, the queue views, functions.

use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys};

use crate::arguments::{given, given_label};
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::pg::{self, Event, Returned, Row, Trigger};
use crate::review::decide::{self, Verdict, Wish};
use crate::session::{self, Actor};
use crate::settings;
use crate::store::review::Review;
use crate::store::source::IfLocked;
use crate::store::{self, Writer};

/// Columns of a review that can be written.
const WRITABLE: [&str; 2] = ["human_label", "note"];

/// Columns of `triage.review` and of every queue view.
const PROTECTED: [&str; 13] = [
    "classifier",
    "source",
    "email_key",
    "received_at",
    "predicted_label",
    "confidence",
    "second_label",
    "second_confidence",
    "margin",
    "model_version",
    "reviewed_by",
    "reviewed_at",
    "queue_reason",
];

/// Columns of `triage.review` alone.
const PROTECTED_IN_TABLE: [&str; 4] = ["decision_id", "given_label", "audit", "unknown_share"];

#[pg_extern(sql = false)]
fn review_row(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Returned> {
    let trigger = Trigger::new(fcinfo)?;
    if session::is_own_change(session::Change::Review) {
        return Ok(Returned::row(trigger.new_row()));
    }
    match (trigger.event(), trigger.is_instead()) {
        (Event::Insert, true) => inserted(&trigger),
        (Event::Update, instead) => updated(&trigger, instead),
        _ => Ok(Returned::row(trigger.new_row())),
    }
}

fn number(row: Row, column: &str) -> SqlResult<Option<i64>> {
    let text = row.text(row.column(column)?)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The table's own trigger fires with the review locked, that of a view with nothing locked.
fn updated(trigger: &Trigger, instead: bool) -> SqlResult<Returned> {
    let (old, new) = (trigger.old(), trigger.new_row());
    let id = number(old, "review_id")?.ok_or_else(no_key)?;
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
        Ok(old.text(number)? != new.text(number)?)
    };
    // The version that a client saw, if it sends one; what it did not send is the row's own.
    let current = number(old, "row_version")?;
    let seen = number(new, "row_version")?.or(current);
    // A stale copy of the whole row is a conflict, not an attempt to forge it.
    let stale = seen != current;
    if !instead && pg::is_owner() && pg::trigger_depth() > 1 && changed("classifier")? {
        return renamed(old, new);
    }
    for number in 1..=old.columns() {
        let name = old.name(number);
        let known = |columns: &[&str]| columns.contains(&name.as_str());
        // A view has the email's text beside the review's columns.
        let checked = known(&PROTECTED) || known(&PROTECTED_IN_TABLE) || instead;
        let exempt = known(&WRITABLE) || name == "row_version" || name == "review_id";
        if checked && !exempt && !stale && !same(old.text(number)?, new.text(number)?) {
            return Err(protected(&name));
        }
    }
    let (label, note) = (new.column("human_label")?, new.column("note")?);
    let (new_label, new_note) = (new.text(label)?, new.text(note)?);
    let label_changed =
        given_label(new_label.as_deref()) != given_label(old.text(label)?.as_deref());
    let note_changed = changed("note")?;
    if !label_changed && !note_changed && !stale {
        return Ok(Returned::row(old));
    }
    let most = settings::max_rows_per_correction();
    if session::count_changed_row() > most {
        return Err(report(
            Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!(
                "more than {most} rows in one statement (pg_triage.max_rows_per_correction): is the WHERE clause missing? triage.correct_many() takes many, and triage.accept(review_id) in a SELECT accepts many"
            ),
        ));
    }
    let wish = Wish {
        verdict: if label_changed {
            Verdict::Label(given_label(new_label.as_deref()))
        } else {
            Verdict::Nothing
        },
        note: note_changed.then_some(new_note.as_deref()),
        row_version: seen.map(|version| version as i32),
        door: if instead { "view" } else { "review" },
    };
    let actor = Actor::new(None);
    let after = store::write(c"UPDATE", |w| {
        if instead {
            return decide::decide(w, &actor, id, wish).map(|(_, after)| after);
        }
        // The server holds the lock on the review already.
        let before = w.review(id, false)?;
        let (source, email) = decide::open_email(w, &before, IfLocked::Fail)?;
        let features = decide::learnable(email.as_ref(), wish.verdict)?;
        let (_, after) = decide::settle(w, &actor, before, wish, features.as_ref())?;
        decide::write_back(w, source.as_ref(), email.as_ref(), &after)?;
        Ok(after)
    })?;
    // From the old row: nothing of what the client sent is stored unseen.
    Ok(Returned::row(shown(old, &after, instead)?))
}

/// Whether a client has sent back what it read. Forms write line ends as CR LF, and some tools
/// cut digits off numbers and times.
fn same(old: Option<String>, new: Option<String>) -> bool {
    let (Some(old), Some(new)) = (&old, &new) else {
        return old == new;
    };
    let close = || {
        let numbers = old.parse::<f64>().ok().zip(new.parse::<f64>().ok());
        numbers.is_some_and(|(old, new)| (old - new).abs() < 1e-6)
    };
    // `2026-11-25 17:00:00.123+00` as `2026-11-25 17:00:00+00`
    let cut = || {
        let second = old.split('.').next().unwrap_or_default();
        second.len() >= 19 && old.contains(':') && new.starts_with(second) && !new.contains('.')
    };
    old == new || close() || old.replace("\r\n", "\n") == new.replace("\r\n", "\n") || cut()
}

/// A classifier's new name, written by the trigger on `triage.classifier`.
fn renamed(old: Row, new: Row) -> SqlResult<Returned> {
    let classifier = new.column("classifier")?;
    let name = new.text(classifier)?;
    let row = old.with(&[(classifier, name.as_deref())])?;
    Ok(Returned::row(row))
}

/// `INSERT INTO triage.review_queue (review_id, human_label)`: names a review by its number,
/// or by source and key. An explicit list cannot forget a WHERE clause, so it has no limit.
fn inserted(trigger: &Trigger) -> SqlResult<Returned> {
    let new = trigger.new_row();
    let text = |column: &str| -> SqlResult<Option<String>> { new.text(new.column(column)?) };
    let (label, note) = (text("human_label")?, text("note")?);
    let label = given_label(label.as_deref());
    let actor = Actor::new(None);
    let wish = Wish {
        verdict: match label {
            Some(_) => Verdict::Label(label),
            None => Verdict::Nothing,
        },
        note: note.as_deref().map(Some),
        row_version: number(new, "row_version")?.map(|v| v as i32),
        door: "view",
    };
    let id = number(new, "review_id")?;
    let (source, key) = (text("source")?, text("email_key")?);
    let classifier = text("classifier")?;
    let after = store::write(c"INSERT", |w| {
        // The view of one table is about that table.
        let own = trigger.optional_argument().map(|id| w.source(id));
        let own = own.transpose()?;
        let source = source.or(own.as_ref().map(|own| own.name.clone()));
        let classifier = classifier.or(own.as_ref().map(|own| own.classifier.clone()));
        let id = match (id, source, key) {
            (Some(id), _, _) => id,
            (None, Some(source), Some(key)) => {
                let classifier = classifier
                    .as_deref()
                    .unwrap_or(store::classifier::DEFAULT_CLASSIFIER);
                let review = w.review_of(&source, &key, classifier, false)?;
                review
                    .ok_or_else(|| {
                        report(
                            Code::ERRCODE_NO_DATA_FOUND,
                            format!("no review of email \"{key}\" in {source} by classifier \"{classifier}\""),
                        )
                    })?
                    .review_id
            }
            _ => return Err(no_key()),
        };
        if let Some(own) = own {
            let review = w.review(id, false)?;
            if (&review.source, &review.classifier) != (&own.name, &own.classifier) {
                return Err(report(
                    Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!(
                        "review {id} is about {}, not about {}: use its own view, or triage.review_queue",
                        review.source, own.name
                    ),
                ));
            }
        }
        decide::decide(w, &actor, id, wish).map(|(_, after)| after)
    })?;
    Ok(Returned::row(shown(new, &after, true)?))
}

/// The row with what was stored, for RETURNING.
fn shown(row: Row, review: &Review, view: bool) -> SqlResult<Row> {
    let (id, version) = (review.review_id.to_string(), review.row_version.to_string());
    let decision = review.decision_id.map(|id| id.to_string());
    let label = decide::effective_label(review);
    let mut values = vec![
        ("review_id", Some(id.as_str())),
        ("human_label", review.human_label.as_deref()),
        ("note", review.note.as_deref()),
        ("reviewed_by", review.reviewed_by.as_deref()),
        ("reviewed_at", review.reviewed_at.as_deref()),
        ("queue_reason", review.queue_reason.as_deref()),
        ("row_version", Some(version.as_str())),
    ];
    if view {
        values.extend([
            ("classifier", Some(review.classifier.as_str())),
            ("source", Some(review.source.as_str())),
            ("email_key", Some(review.email_key.as_str())),
            ("predicted_label", review.predicted_label.as_deref()),
        ]);
        if row.column("label").is_ok() {
            values.push(("label", label.as_deref()));
        }
    } else {
        values.push(("decision_id", decision.as_deref()));
    }
    let values = values
        .into_iter()
        .map(|(name, value)| Ok((row.column(name)?, value)))
        .collect::<SqlResult<Vec<_>>>()?;
    row.with(&values)
}

fn no_key() -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_NOT_NULL_VIOLATION,
        "review_id is missing: it says which email is meant",
    )
}

fn protected(column: &str) -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("column \"{column}\" cannot be changed: only human_label and note can"),
    )
}

#[pg_extern(sql = false)]
fn accept(
    review_id: Option<i64>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    by_function(
        c"triage.accept()",
        review_id,
        Verdict::Accept,
        (note, actor),
        row_version,
    )
}

#[pg_extern(sql = false)]
fn correct(
    review_id: Option<i64>,
    label: Option<&str>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    let verdict = Verdict::Label(given_label(label));
    by_function(
        c"triage.correct()",
        review_id,
        verdict,
        (note, actor),
        row_version,
    )
}

#[pg_extern(sql = false)]
fn skip(
    review_id: Option<i64>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    by_function(
        c"triage.skip()",
        review_id,
        Verdict::Skip,
        (note, actor),
        row_version,
    )
}

fn by_function(
    name: &std::ffi::CStr,
    review_id: Option<i64>,
    verdict: Verdict,
    (note, actor): (Option<&str>, Option<&str>),
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    let review_id = review_id.ok_or_else(no_key)?;
    let actor = Actor::new(actor);
    let wish = Wish {
        verdict,
        note: note.map(Some),
        row_version,
        door: "function",
    };
    store::write(name, |w| {
        let (decision, _) = decide::decide(w, &actor, review_id, wish)?;
        compaction::compact_if_due(w)?;
        Ok(decision)
    })
}

#[pg_extern(sql = false)]
fn correct_many(
    review_ids: Option<&str>,
    label: Option<&str>,
    note: Option<&str>,
    actor: Option<&str>,
) -> SqlResult<i64> {
    let mut ids = numbers(review_ids.unwrap_or_default())?;
    // In one order for everybody, so that nobody waits in a circle.
    ids.sort_unstable();
    ids.dedup();
    let actor = Actor::new(actor);
    let wish = Wish {
        verdict: Verdict::Label(given_label(label)),
        note: note.map(Some),
        row_version: None,
        door: "function",
    };
    store::write(c"triage.correct_many()", |w| {
        session::begin_batch();
        let batch = session::batch(|| w.next_batch())?;
        for id in ids {
            pg::check_for_interrupts();
            decide::decide(w, &actor, id, wish)?;
        }
        compaction::compact_if_due(w)?;
        Ok(batch)
    })
}

/// `7, 8, 12`, also `{7,8,12}` or one number a line.
fn numbers(list: &str) -> SqlResult<Vec<i64>> {
    const MOST_BYTES: usize = 16 << 20;
    if list.len() > MOST_BYTES {
        return Err(report(
            Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "review_ids is too long: give a million at a time",
        ));
    }
    let numbers = list
        .split(|c: char| c.is_whitespace() || ",;{}[]()".contains(c))
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse().map_err(|_| {
                let part: String = part.chars().take(64).collect();
                report(
                    Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
                    format!("\"{part}\" is not a review_id: give them as '7, 8, 12'"),
                )
            })
        })
        .collect::<SqlResult<Vec<_>>>()?;
    if numbers.is_empty() {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            "review_ids is empty: give them as '7, 8, 12'",
        ));
    }
    Ok(numbers)
}

#[pg_extern(sql = false)]
fn undo(decision_id: Option<i64>, note: Option<&str>, actor: Option<&str>) -> SqlResult<i64> {
    let decision_id = given(decision_id, "decision_id")?;
    let actor = Actor::new(actor);
    store::write(c"triage.undo()", |w| {
        let past = w.past(decision_id)?;
        let id = decide::undo(w, &actor, &past, &past, note)?;
        compaction::compact_if_due(w)?;
        Ok(id)
    })
}

#[pg_extern(sql = false)]
fn undo_batch(batch_id: Option<i64>, note: Option<&str>, actor: Option<&str>) -> SqlResult<i64> {
    let batch_id = given(batch_id, "batch_id")?;
    let actor = Actor::new(actor);
    store::write(c"triage.undo_batch()", |w| {
        session::begin_batch();
        undo_all(w, &actor, batch_id, note)
    })
}

fn undo_all(w: &mut Writer, actor: &Actor, batch_id: i64, note: Option<&str>) -> SqlResult<i64> {
    let emails = w.batch(batch_id)?;
    if emails.is_empty() {
        return Err(report(
            Code::ERRCODE_NO_DATA_FOUND,
            format!("batch {batch_id} does not exist (see triage.decision_history)"),
        ));
    }
    for &(first, last) in &emails {
        pg::check_for_interrupts();
        let (first, last) = (w.past(first)?, w.past(last)?);
        decide::undo(w, actor, &first, &last, note)?;
    }
    compaction::compact_if_due(w)?;
    Ok(emails.len() as i64)
}
