//! Raw mail: `parse_email`, `email_text`, `classify_email(bytea)`, `triage.ingest`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, name, pg_extern};

use crate::error::{SqlResult, report};
use crate::store::Writer;
use crate::store::inbox::Incoming;
use crate::types::text::message;
use crate::{pg, predict::cache, predict::classify, settings, store};

/// Longest name of a mailbox, in characters. It may come from an address that somebody else
/// wrote, so a longer one is cut and no error.
const MAX_MAILBOX_CHARS: usize = 200;

const DEFAULT_MAILBOX: &str = "inbox";

/// The server's time of a Unix time; `None` for one that it cannot store.
fn timestamp(seconds: i64) -> Option<TimestampWithTimeZone> {
    const UNIX_TO_2000: i64 = 946_684_800;
    let microseconds = seconds.checked_sub(UNIX_TO_2000)?.checked_mul(1_000_000)?;
    TimestampWithTimeZone::try_from(microseconds).ok()
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn parse_email(
    raw: &[u8],
) -> Result<
    TableIterator<
        'static,
        (
            name!(message_id, Option<String>),
            name!(sent_at, Option<TimestampWithTimeZone>),
            name!(sender, Option<String>),
            name!(recipients, Option<String>),
            name!(subject, Option<String>),
            name!(body, String),
            name!(language, Option<&'static str>),
            name!(attachments, Option<String>),
            name!(truncated, bool),
        ),
    >,
    ErrorReport,
> {
    let message = message(raw)?;
    let attachments = message.attachment_list();
    Ok(TableIterator::once((
        message.message_id,
        message.sent_at.and_then(timestamp),
        message.sender,
        message.recipients,
        message.subject,
        message.body,
        message.language,
        attachments,
        message.truncated,
    )))
}

#[pg_extern(sql = false)]
fn email_text(raw: &[u8]) -> SqlResult<String> {
    Ok(message(raw)?.text())
}

#[pg_extern(sql = false)]
fn classify_raw_email(raw: &[u8], classifier: &str) -> SqlResult<Option<String>> {
    let Some(active) = cache::active_model(classifier)? else {
        return Ok(None);
    };
    let features = classify::features(&message(raw)?.text())?;
    Ok(classify::best_label(&active, &features))
}

#[pg_extern(sql = false)]
fn ingest(raw: Option<&[u8]>, mailbox: Option<&str>) -> SqlResult<i64> {
    let raw = raw.ok_or_else(|| {
        report(
            Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "raw is NULL: pass the bytes of the message",
        )
    })?;
    store::write(c"triage.ingest()", |w| take_in(w, raw, mailbox))
}

/// Takes in a message, unless its mailbox has it already; returns its number.
pub(super) fn take_in(w: &mut Writer, raw: &[u8], mailbox: Option<&str>) -> SqlResult<i64> {
    let mailbox = mailbox.map(str::trim).filter(|name| !name.is_empty());
    let mailbox: String = mailbox
        .unwrap_or(DEFAULT_MAILBOX)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_MAILBOX_CHARS)
        .collect();
    // With other line ends it is copied, all of it, whatever the limits are.
    pg::probe_for_text(raw.len())?;
    let content_hash = pg_triage_mail::content_hash(raw, &pg::check_for_interrupts);
    if let Some(known) = w.email_with(&content_hash, &mailbox)? {
        return Ok(known);
    }
    let message = message(raw)?;
    let incoming = Incoming {
        mailbox: &mailbox,
        message: &message,
        content_hash: &content_hash,
        raw: settings::keep_raw().then_some(raw),
        received_at: None,
        label: None,
    };
    match w.insert_email(&incoming)? {
        Some(id) => Ok(id),
        // Another session was faster.
        None => w.email_with(&content_hash, &mailbox)?.ok_or_else(|| {
            report(
                Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
                "another session takes in the same message: try again",
            )
        }),
    }
}
