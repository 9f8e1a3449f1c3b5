//! Doors that are functions: `triage.accept()`, `correct()`, `skip()`, `correct_many()`,
//! `ask_again()`.

use std::ffi::CStr;

use pg_triage_decision::{Action, Door, Request};
use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::arguments::{given_label, given_review_id};
use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::review::decide;
use crate::session::{self, Actor};
use crate::{pg, store};

#[pg_extern(sql = false)]
fn accept(
    review_id: Option<i64>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    let request = request(Action::Accept, note, row_version);
    by_function(c"triage.accept()", review_id, actor, request)
}

#[pg_extern(sql = false)]
fn correct(
    review_id: Option<i64>,
    label: Option<&str>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    let request = request(Action::Label(given_label(label)), note, row_version);
    by_function(c"triage.correct()", review_id, actor, request)
}

#[pg_extern(sql = false)]
fn skip(
    review_id: Option<i64>,
    note: Option<&str>,
    actor: Option<&str>,
    row_version: Option<i32>,
) -> SqlResult<Option<i64>> {
    let request = request(Action::Skip, note, row_version);
    by_function(c"triage.skip()", review_id, actor, request)
}

fn request<'a>(action: Action<'a>, note: Option<&'a str>, row_version: Option<i32>) -> Request<'a> {
    Request {
        action,
        note: note.map(Some),
        row_version,
        door: Door::Function,
        confirmed_by: None,
    }
}

/// Decides about one review for the SQL function of this name.
fn by_function(
    name: &CStr,
    review_id: Option<i64>,
    actor: Option<&str>,
    request: Request,
) -> SqlResult<Option<i64>> {
    let review_id = given_review_id(review_id)?;
    let actor = Actor::new(actor);
    let request = Request {
        confirmed_by: Some(&actor.name),
        ..request
    };
    store::write(name, |w| {
        let decided = decide::decide(w, &actor, review_id, request)?;
        compaction::compact_if_due(w)?;
        Ok(decided.decision)
    })
}

#[pg_extern(sql = false)]
fn correct_many(
    review_ids: Option<&str>,
    label: Option<&str>,
    note: Option<&str>,
    actor: Option<&str>,
) -> SqlResult<i64> {
    let request = request(Action::Label(given_label(label)), note, None);
    decide_many(c"triage.correct_many()", review_ids, actor, request)
}

#[pg_extern(sql = false)]
fn ask_again(review_ids: Option<&str>, note: Option<&str>, actor: Option<&str>) -> SqlResult<i64> {
    let request = request(Action::AskAgain, note, None);
    decide_many(c"triage.ask_again()", review_ids, actor, request)
}

/// Decides about many reviews for the SQL function of this name, all or none; returns the batch.
fn decide_many(
    name: &CStr,
    review_ids: Option<&str>,
    actor: Option<&str>,
    request: Request,
) -> SqlResult<i64> {
    let mut ids = numbers(review_ids.unwrap_or_default())?;
    // In one order for everybody, so that nobody waits in a circle.
    ids.sort_unstable();
    ids.dedup();
    let actor = Actor::new(actor);
    let request = Request {
        confirmed_by: Some(&actor.name),
        ..request
    };
    store::write(name, |w| {
        session::begin_batch();
        let batch = session::batch(|| w.next_batch())?;
        for id in ids {
            pg::check_for_interrupts();
            decide::decide(w, &actor, id, request)?;
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
