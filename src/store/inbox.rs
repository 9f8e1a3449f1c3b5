//! The built-in inbox, `triage.email`.

use pg_triage_mail::Message;
use pg_triage_mail::thread_id;

use super::connection::{Reader, Writer};
use crate::error::SqlResult;

/// A message on its way into the inbox.
pub struct Incoming<'a> {
    pub mailbox: &'a str,
    pub message: &'a Message,
    pub content_hash: &'a str,
    /// As it came, if it is to be kept.
    pub raw: Option<&'a [u8]>,
    /// Seconds since 1970-01-01 UTC; now by default.
    pub received_at: Option<i64>,
    /// Given, not to be predicted.
    pub label: Option<&'a str>,
}

impl Reader<'_> {
    /// The email of a mailbox with this content.
    pub fn email_with(&self, content_hash: &str, mailbox: &str) -> SqlResult<Option<i64>> {
        self.value(
            "email_id FROM triage.email WHERE content_hash = $1 AND mailbox = $2",
            &[content_hash.into(), mailbox.into()],
        )
    }

    /// Shapes of payloads that are the user's own, as columns in their order; "" for NULL.
    pub fn hook_shapes(&self) -> SqlResult<Vec<Vec<String>>> {
        self.values(
            "array_replace(ARRAY[name, requires, messages, raw, text, html, subject, sender, sender_name,
                                 recipients, cc, sent_at, message_id, in_reply_to, reference_ids, headers,
                                 attachments, ignored], NULL, '')
               FROM triage.hook_shape ORDER BY name COLLATE \"C\"",
            &[],
        )
    }

    /// The thread that a message belongs to: that of a message it refers to, else that of one
    /// that answers it and came before it, else the one that begins with the oldest message
    /// it refers to. No row is changed for it: nobody waits, and no message can move the
    /// conversations of others.
    fn thread_of(&self, message: &Message, content_hash: &str) -> SqlResult<i64> {
        let own_id = message.message_id.as_deref();
        let mut referred: Vec<&str> = message.references.iter().map(String::as_str).collect();
        referred.extend(message.in_reply_to.as_deref());
        let oldest = referred.first().copied().or(own_id).unwrap_or(content_hash);
        let ids: Vec<Option<String>> = referred.iter().map(|id| Some((*id).to_owned())).collect();
        let known = self.value(
            // Looked up first, sorted then: else a planner that knows nothing of the table may
            // read all of it in the order of email_id. Many have the same id only on purpose.
            "thread_id FROM (
                 WITH known AS MATERIALIZED (
                     (SELECT 1 AS preference, email_id, thread_id FROM triage.email
                       WHERE message_id = ANY ($1) AND thread_id IS NOT NULL LIMIT 1000)
                     UNION ALL
                     (SELECT 2, email_id, thread_id FROM triage.email
                       WHERE in_reply_to = $2 AND thread_id IS NOT NULL LIMIT 1000))
                 SELECT thread_id FROM known ORDER BY preference, email_id LIMIT 1) nearest",
            &[ids.into(), own_id.into()],
        )?;
        Ok(known.unwrap_or_else(|| thread_id(oldest)))
    }
}

impl Writer<'_> {
    /// Puts a message into the inbox, unless its mailbox has it already; returns its number.
    pub fn insert_email(&mut self, incoming: &Incoming) -> SqlResult<Option<i64>> {
        let message = incoming.message;
        let thread = self.thread_of(message, incoming.content_hash)?;
        self.returning_value(
            "INSERT INTO triage.email (mailbox, received_at, message_id, sender, subject, body, label, header, sent_at,
                                       recipients, in_reply_to, thread_id, language, attachments, truncated,
                                       content_hash, raw)
             VALUES ($1, coalesce(to_timestamp($2), now()), $3, $4, $5, $6, $7, $8, to_timestamp($9),
                     $10, $11, $12, $13, $14, $15, $16, $17)
             ON CONFLICT (content_hash, mailbox) DO NOTHING
             RETURNING email_id",
            &[
                incoming.mailbox.into(),
                incoming.received_at.map(|s| s as f64).into(),
                message.message_id.as_deref().into(),
                message.sender.as_deref().into(),
                message.subject.as_deref().into(),
                message.body.as_str().into(),
                incoming.label.into(),
                message.header().into(),
                message.sent_at.map(|s| s as f64).into(),
                message.recipients.as_deref().into(),
                message.in_reply_to.as_deref().into(),
                thread.into(),
                message.language.into(),
                message.attachment_list().into(),
                message.truncated.into(),
                incoming.content_hash.into(),
                incoming.raw.into(),
            ],
        )
    }
}
