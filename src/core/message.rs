//! Raw RFC 5322 messages, read by `mail-parser`.

use mail_parser::{Address, MessageParser};

use crate::{Error, Result};

/// What the inbox keeps of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub sent_at: Option<i64>,
    /// First address of From, with its name.
    pub sender: Option<String>,
    /// Decoded subject.
    pub subject: Option<String>,
    /// The plain text part, or the HTML part as text.
    pub body: String,
}

/// Reads one message.
///
/// # Errors
/// [`Error::NotAMessage`].
pub fn parse(raw: &[u8]) -> Result<Message> {
    let message = MessageParser::default()
        .parse(raw)
        .ok_or(Error::NotAMessage)?;
    let text = |s: &str| s.replace('\0', "\u{fffd}");
    Ok(Message {
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
    })
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
        let m = parse(raw).unwrap();
        assert_eq!(m.sender.as_deref(), Some("Jörg <j@example.org>"));
        assert_eq!(m.subject.as_deref(), Some("Rückfrage"));
        assert_eq!(m.message_id.as_deref(), Some("1@example.org"));
        assert_eq!(m.sent_at, Some(1_772_528_400));
        assert_eq!(m.body, "Grüße\n");
    }
}
