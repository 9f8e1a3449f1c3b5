//! What is read of a message, and the text that the classifier sees.

use crate::field::MAX_LINE_BYTES;

/// What is attached: not even decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// File name.
    pub name: Option<String>,
    /// `application/pdf`, in small letters.
    pub media_type: String,
    /// Decoded size in bytes.
    pub bytes: u64,
    /// Whether it is encoded in a text, as uuencode, and is no part of the message.
    pub in_text: bool,
}

/// What was read of a message. No text has a NUL, and only the body has line breaks (LF).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// First id of In-Reply-To, without angle brackets.
    pub in_reply_to: Option<String>,
    /// Ids of References, the oldest first.
    pub references: Vec<String>,
    /// Seconds since 1970-01-01 UTC.
    pub sent_at: Option<i64>,
    /// First address of From: `Name <address>`, or the one of both that is there.
    pub sender: Option<String>,
    /// Addresses of To and Cc, separated by comma and space, each like the sender.
    pub recipients: Option<String>,
    /// Decoded subject.
    pub subject: Option<String>,
    /// Id of the mailing list (List-Id), without angle brackets.
    pub list_id: Option<String>,
    /// Program that wrote the message (X-Mailer, User-Agent).
    pub mailer: Option<String>,
    /// Plain text, or HTML as text.
    pub body: String,
    /// Language of the body: a BCP 47 tag, `en`.
    pub language: Option<&'static str>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// Whether there was more than the limits allow.
    pub truncated: bool,
}

impl Message {
    /// Attachments, one a line: `invoice.pdf (application/pdf, 34567 bytes)`.
    pub fn attachment_list(&self) -> Option<String> {
        let lines: Vec<_> = self
            .attachments
            .iter()
            .map(|a| {
                let name = a.name.as_deref().unwrap_or("unnamed");
                format!("{name} ({}, {} bytes)", a.media_type, a.bytes)
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Header fields that say something about the label, one a line, `Name: value`, under
    /// names that the tokenizer knows. A file that is encoded in a text is none of them: the text
    /// says the same without it, in whatever column it stands.
    pub fn header(&self) -> Option<String> {
        let names: Vec<_> = self
            .attachments
            .iter()
            .filter(|a| !a.in_text)
            .map(|a| match &a.name {
                Some(name) => format!("{name} {}", a.media_type),
                None => a.media_type.clone(),
            })
            .collect();
        let mut attached = names.join(", ");
        attached.truncate(attached.floor_char_boundary(MAX_LINE_BYTES));
        let attached = (!attached.is_empty()).then_some(attached);
        let lines: Vec<_> = [
            ("From", &self.sender),
            ("List-Id", &self.list_id),
            ("X-Mailer", &self.mailer),
            ("Attached", &attached),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value.as_ref()?)))
        .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The message as one text, as the classifier sees it: header fields, subject, body.
    pub fn text(&self) -> String {
        let parts = [self.header(), self.subject.clone(), Some(self.body.clone())];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}
