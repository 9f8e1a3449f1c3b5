//! Raw RFC 5322 messages: headers, the best text, and what is attached.

use mail_parser::{Address, MessageParser};

use crate::Poll;

/// How much of a message is read. What is beyond is left out, and [`Message::truncated`] says
/// so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole message.
    pub message_bytes: usize,
    /// Bytes of one header section: of the message, or of a part.
    pub header_bytes: usize,
    /// Parts, with those that contain others.
    pub parts: usize,
    /// Parts within parts within parts.
    pub depth: usize,
    /// Bytes of decoded text: what the body can have.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            header_bytes: 256 << 10,
            parts: 1000,
            depth: 32,
            text_bytes: 4 << 20,
        }
    }
}

/// What is attached: never unpacked, not even decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// File name.
    pub name: Option<String>,
    /// `application/pdf`, in small letters.
    pub media_type: String,
    /// Decoded size in bytes.
    pub bytes: u64,
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
    /// names that the tokenizer knows.
    pub fn header(&self) -> Option<String> {
        let names: Vec<_> = self
            .attachments
            .iter()
            .map(|a| match &a.name {
                Some(name) => format!("{name} {}", a.media_type),
                None => a.media_type.clone(),
            })
            .collect();
        let attached = (!names.is_empty()).then(|| names.join(", "));
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

/// Most memory, in bytes, that reading a message of this many bytes takes.
pub fn memory(raw: usize, limits: &Limits) -> usize {
    let raw = raw.min(limits.message_bytes);
    3 * raw + 4 * raw.min(limits.text_bytes)
}

/// Tells whether two messages are the same one, however they came: SHA-256, in hexadecimal,
/// of what the sender wrote. Header fields that mail servers add on the way do not count, nor
/// do line endings.
pub fn content_hash(raw: &[u8], poll: Poll) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for piece in raw.chunks(1 << 20) {
        poll();
        hasher.update(piece);
    }
    format!("{:x}", hasher.finalize())
}

/// Reads one message. Whatever the bytes are, it returns what could be read.
pub fn parse(raw: &[u8], limits: &Limits, poll: Poll) -> Message {
    poll();
    let raw = &raw[..raw.len().min(limits.message_bytes)];
    let Some(message) = MessageParser::default().parse(raw) else {
        return Message::default();
    };
    let text = |s: &str| s.replace('\0', "\u{fffd}");
    Message {
        message_id: message.message_id().map(text),
        sent_at: message.date().map(|d| d.to_timestamp()),
        sender: message
            .from()
            .and_then(Address::first)
            .map(|a| match (a.name(), a.address()) {
                (Some(name), Some(address)) => text(&format!("{name} <{address}>")),
                (name, address) => text(address.or(name).unwrap_or_default()),
            }),
        subject: message.subject().map(text),
        body: message
            .body_text(0)
            .map_or_else(String::new, |b| text(&b.replace("\r\n", "\n"))),
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_encoded_message() {
        let raw = b"From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n\
            Subject: =?iso-8859-1?q?R=FCckfrage?=\r\n\
            Date: Tue, 3 Mar 2026 10:00:00 +0100\r\n\
            Message-ID: <1@example.org>\r\n\
            Content-Type: text/plain; charset=iso-8859-1\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=FC=DFe\r\n";
        let m = parse(raw, &Limits::default(), &|| ());
        assert_eq!(m.sender.as_deref(), Some("Jörg <j@example.org>"));
        assert_eq!(m.subject.as_deref(), Some("Rückfrage"));
        assert_eq!(m.message_id.as_deref(), Some("1@example.org"));
        assert_eq!(m.sent_at, Some(1_772_528_400));
        assert_eq!(m.body, "Grüße\n");
    }
}
