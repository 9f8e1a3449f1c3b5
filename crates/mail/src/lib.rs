//! Raw RFC 5322 messages: headers, the best text, and what is attached.
//!
//! One pass over the lines finds the parts ([`structure`]), within [`Limits`]; then the fields
//! of the message ([`field`]) and the parts that are its text ([`body`]) are decoded, and
//! nothing else.
//!
//! Long loops call a [`Poll`] callback, so that a host can cancel them; the callback may unwind.
#![forbid(unsafe_code)]

mod address;
mod body;
mod charset;
mod date;
mod field;
mod flowed;
mod html;
mod identity;
mod lines;
mod section;
mod structure;
mod thread;
mod transfer;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use thread::thread_id;

use body::Body;
use field::Reader;
use section::Name;

/// Called between bounded pieces of work (a few milliseconds at most), so that a host can
/// stop a long computation by unwinding.
pub type Poll<'a> = &'a dyn Fn();

/// A [`Poll`] that never stops anything.
pub fn never_cancelled() {}

/// Bytes that a part has at least: its delimiter line.
const SMALLEST_PART: usize = 4;
/// Memory, in bytes, for what is known of a part.
const PART_MEMORY: usize = 1 << 10;
/// Memory, in bytes, for what its fields are read into.
const FIELDS_MEMORY: usize = 1 << 20;
/// Memory, in bytes, for each byte of a header section: the smallest field has four, and a
/// list of them grows by doubling.
const FIELD_MEMORY: usize = 16;

/// Letters of a body of which a language can be told.
const LANGUAGE_LETTERS: usize = 40;
/// How much of a body, in bytes, is looked at for that.
const LANGUAGE_BYTES: usize = 1 << 10;

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
        let mut attached = names.join(", ");
        attached.truncate(attached.floor_char_boundary(field::MAX_LINE_BYTES));
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

/// Most memory, in bytes, that reading a message of this many bytes takes: a copy if CR alone
/// ends its lines, then what its text is on the way from bytes to body.
pub fn memory(raw: usize, limits: &Limits) -> usize {
    let raw = raw.min(limits.message_bytes);
    let parts = (raw / SMALLEST_PART).min(limits.parts);
    let text = raw.saturating_mul(3).min(limits.text_bytes);
    let fields = FIELD_MEMORY * raw.min(limits.header_bytes);
    raw + 6 * text + PART_MEMORY * parts + fields + FIELDS_MEMORY
}

/// Tells whether two messages are the same one, however they came: SHA-256, in hexadecimal, of
/// Message-ID, From, Subject, Date, Content-Type, Content-Transfer-Encoding, and the body as it
/// stands there, all of it. Header fields that mail servers add on the way do not count, nor do
/// line ends. docs/format.md says what is hashed.
pub fn content_hash(raw: &[u8], poll: Poll) -> String {
    identity::hash(raw, poll)
}

/// Reads one message. Whatever the bytes are, it returns what could be read.
pub fn parse(raw: &[u8], limits: &Limits, poll: Poll) -> Message {
    let kept = &raw[..raw.len().min(limits.message_bytes)];
    let text = lines::as_read(kept, poll);
    let structure = structure::structure(&text, limits, poll);
    let mut message = structure
        .parts
        .first()
        .map_or_else(Message::default, |part| header(&part.fields, poll));
    let mut body = Body::new(limits, poll);
    body.read(&structure, true);
    message.truncated |= body.truncated || kept.len() < raw.len();
    message.language = language(&body.text);
    message.body = body.text;
    message.attachments = body.attachments;
    message
}

/// A message without a body.
fn header(fields: &[(Name, &[u8])], poll: Poll) -> Message {
    let mut reader = Reader::default();
    let all = |name| {
        let named = fields.iter().filter(move |f| f.0 == name);
        named.inspect(move |_| poll()).map(|f| f.1)
    };
    let first = |name| all(name).next();
    let message = Message {
        message_id: first(Name::MessageId).and_then(|v| reader.ids(v).into_iter().next()),
        in_reply_to: first(Name::InReplyTo).and_then(|v| reader.ids(v).into_iter().next()),
        references: first(Name::References).map_or_else(Vec::new, |v| reader.ids(v)),
        sent_at: all(Name::Date)
            .chain(all(Name::Received))
            .find_map(field::date),
        sender: all(Name::From)
            .chain(all(Name::Sender))
            .find_map(|v| reader.address(v)),
        recipients: reader.recipients(all(Name::To).chain(all(Name::Cc))),
        subject: first(Name::Subject).and_then(|v| reader.text(v)),
        list_id: first(Name::ListId).and_then(|v| reader.list_id(v)),
        mailer: all(Name::XMailer)
            .chain(all(Name::UserAgent))
            .find_map(|v| reader.text(v)),
        ..Message::default()
    };
    Message {
        truncated: reader.cut,
        ..message
    }
}

/// BCP 47 tag of the language of a text, if it is long enough to tell.
fn language(text: &str) -> Option<&'static str> {
    use whichlang::Lang;
    let start = &text[..text.floor_char_boundary(LANGUAGE_BYTES)];
    start
        .chars()
        .filter(|c| c.is_alphabetic())
        .nth(LANGUAGE_LETTERS - 1)?;
    Some(match guarded(|| whichlang::detect_language(start))? {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    })
}

/// Calls into a library with what a mail says. None of them is known to panic; if one does,
/// its part of the mail is not read, instead of no mail.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
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
        assert_eq!(m.body, "Grüße");
    }

    fn read(raw: &str, limits: Limits) -> Message {
        parse(raw.as_bytes(), &limits, &|| ())
    }

    #[test]
    fn line_ends_and_marks_before_the_header() {
        let cr = "From: a@example.org\rSubject: b\r\rone\rtwo\n";
        for raw in [cr.to_owned(), format!("\u{feff}{cr}")] {
            let m = read(&raw, Limits::default());
            assert_eq!(m.subject.as_deref(), Some("b"));
            assert_eq!(m.body, "one\ntwo");
            assert_eq!(
                content_hash(raw.as_bytes(), &|| ()),
                content_hash(cr.replace('\r', "\r\n").as_bytes(), &|| ())
            );
        }
    }

    #[test]
    fn what_is_cut_is_said() {
        let base64 = "QUFB".repeat(20 << 10);
        let uu = format!("begin 644 a\n{}", "#86%A\n".repeat(9000));
        let mut texts = Vec::new();
        for encoding in ["8bit", "quoted-printable"] {
            for blank in ["\n", " ", "\r\n", "=20", " =\n", "=\n"] {
                let text = format!("a{}text that is lost", blank.repeat(3000));
                texts.push((encoding, text));
            }
        }
        texts.push(("base64", base64));
        texts.push(("x-uuencode", uu));
        for (encoding, text) in texts {
            let raw = format!("Content-Transfer-Encoding: {encoding}\n\n{text}");
            let all = read(&raw, Limits::default());
            assert!(!all.truncated, "{encoding} {text:.20}");
            let written = text.len();
            for text_bytes in (1000..1030).chain([1 << 10, 3 << 14, 3000, 3001]) {
                let limits = Limits {
                    text_bytes,
                    ..Limits::default()
                };
                let m = read(&raw, limits);
                let lost = m.body.len() < all.body.len();
                assert!(
                    m.truncated || !lost,
                    "{encoding} {text_bytes} of {written} {text:.20}"
                );
            }
        }
        let raw = format!(
            "Content-Transfer-Encoding: quoted-printable\n\na{}b",
            " ".repeat(8_000_000)
        );
        assert!(read(&raw, Limits::default()).truncated);
        // Longer as text than in the message.
        let mut raw = b"Content-Type: text/plain; charset=iso-8859-1\n\n".to_vec();
        raw.extend([0xe9; 1 << 16]);
        raw.extend(b"lost");
        let limits = Limits {
            text_bytes: 2 << 16,
            ..Limits::default()
        };
        let m = parse(&raw, &limits, &|| ());
        assert!(m.truncated && !m.body.contains("lost"));
    }

    #[test]
    fn boundary_lines_are_no_text() {
        let inner = "--out\nContent-Type: multipart/alternative; boundary=in\n\n--in\n\nplain\n--in\nContent-Type: text/html\n\n<p>html\n--in--\n";
        let raw = |first: &str| {
            format!("Content-Type: multipart/mixed; boundary=out\n\n{first}{inner}--out--\n")
        };
        let first = "--out\n\nfirst\n";
        let limited = |raw: &str, parts| {
            read(
                raw,
                Limits {
                    parts,
                    ..Limits::default()
                },
            )
        };
        let m = limited(&raw(first), 3);
        assert!(m.truncated);
        assert_eq!(m.body, "first");
        assert_eq!(limited(&raw(first), 4).body, "first\n\nplain");
        // There is nothing else.
        assert!(limited(&raw(""), 2).body.contains("plain"));
        assert!(limited(&raw(""), 1).body.contains("plain"));
        // A multipart without parts is what it says.
        assert_eq!(
            limited("Content-Type: multipart/mixed; boundary=b\n\nno parts", 1).body,
            "no parts"
        );
    }

    #[test]
    fn headings_are_short() {
        let raw = format!(
            "Content-Type: message/rfc822\n\nSubject: {}\nFrom: a@example.org\n\ninner",
            "word ".repeat(500)
        );
        let m = read(&raw, Limits::default());
        assert!(m.truncated && m.body.len() < 1100, "{}", m.body.len());
        assert!(m.body.ends_with("\nFrom: a@example.org\n\ninner"));
    }

    #[test]
    fn parts_of_encoded_messages_count() {
        let inner = format!(
            "Content-Type: multipart/mixed; boundary=c\n\n{}",
            "--c\nContent-Type: a/b\n\n".repeat(8)
        );
        let encoded: String = inner.bytes().map(|b| format!("={b:02X}")).collect();
        let part = format!(
            "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}\n"
        );
        let raw = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}",
            part.repeat(3)
        );
        let limits = Limits {
            parts: 12,
            ..Limits::default()
        };
        let m = parse(raw.as_bytes(), &limits, &|| ());
        assert!(m.truncated && m.attachments.len() <= limits.parts);
        let all = parse(raw.as_bytes(), &Limits::default(), &|| ());
        assert!(!all.truncated && all.attachments.len() == 3 * (1 + 8));
    }
}
