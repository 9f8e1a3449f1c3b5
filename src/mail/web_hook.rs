//! Mail that a web hook brings as JSON: `triage.ingest_json`, `triage.ingest_json_all`.

use pg_triage_web_hook::{PARTS, Payload, Refusal, Shape};
use pgrx::iter::SetOfIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, pg_extern, warning};

use super::ingest::take_in;
use crate::error::{SqlResult, report};
use crate::{pg, store};

/// Takes in what a payload brings: one message and no more, or all of them, one row each, in their
/// order: NULL for one that is refused.
#[pg_extern(sql = false)]
fn ingest_payload(
    payload: Option<&str>,
    mailbox: Option<&str>,
    several: bool,
) -> Result<SetOfIterator<'static, Option<i64>>, ErrorReport> {
    let payload = payload.ok_or_else(|| {
        report(
            Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "the payload is NULL: pass the JSON object that the web hook sent",
        )
    })?;
    let ids = store::write(c"triage.ingest_json()", |w| {
        let shapes = w.hook_shapes()?;
        let shapes = shapes.iter().map(|columns| shape(columns));
        let shapes = shapes.collect::<SqlResult<Vec<_>>>()?;
        pg::probe_for_text(pg_triage_web_hook::memory(payload))?;
        let found = pg_triage_web_hook::read(payload, &shapes, &pg::check_for_interrupts);
        let Payload {
            messages,
            mailbox: named,
        } = found.map_err(|refusal| refused(&refusal))?;
        let count = messages.len();
        if count > 1 && !several {
            return Err(report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!(
                    "the payload has {count} messages: take them in with SELECT triage.ingest_json_all($1), which gives \
                     the email_id of each"
                ),
            ));
        }
        if let Some(refusal) = first_refusal(&messages) {
            return Err(refused(refusal));
        }
        let mailbox = mailbox.or(named.as_deref());
        let mut ids = Vec::with_capacity(count);
        for (n, message) in messages.into_iter().enumerate() {
            pg::check_for_interrupts();
            ids.push(match message {
                Ok(raw) => Some(take_in(w, &raw, mailbox)?),
                Err(refusal) => {
                    let n = n + 1;
                    warning!("message {n} of {count} is not taken in: {refusal}");
                    None
                }
            });
        }
        Ok(ids)
    })?;
    Ok(SetOfIterator::new(ids))
}

/// Why the first of the messages is refused, if all of them are.
fn first_refusal(messages: &[Result<Vec<u8>, Refusal>]) -> Option<&Refusal> {
    match messages.iter().any(Result::is_ok) {
        true => None,
        false => messages.first()?.as_ref().err(),
    }
}

fn refused(refusal: &Refusal) -> ErrorReport {
    let code = match refusal {
        Refusal::NoMessage(_) | Refusal::Elsewhere(_) => Code::ERRCODE_INVALID_PARAMETER_VALUE,
        Refusal::TooLarge(_) => Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
    };
    report(code, refusal.to_string())
}

/// A shape of its columns, of which the first is the name.
fn shape(columns: &[String]) -> SqlResult<Shape> {
    let (name, paths) = columns
        .split_first()
        .ok_or_else(|| report(Code::ERRCODE_INVALID_PARAMETER_VALUE, "no columns"))?;
    Shape::new(name, paths).map_err(|why| report(Code::ERRCODE_INVALID_PARAMETER_VALUE, why))
}

/// Whether the columns of `triage.hook_shape`, the name first, make a shape; an error says why not.
#[pg_extern(sql = false)]
fn is_hook_shape(columns: Vec<Option<String>>) -> SqlResult<bool> {
    let columns: Vec<String> = columns.into_iter().map(Option::unwrap_or_default).collect();
    shape(&columns).map(|_| columns.len() == PARTS + 1)
}
