//! Reading a message: structure, then the fields of its header, then the body.

use crate::body::Body;
use crate::field::{self, Reader};
use crate::language::language;
use crate::limits::Limits;
use crate::line_ends::as_read;
use crate::message::Message;
use crate::poll::Poll;
use crate::section::Name;
use crate::structure;

/// Reads one message. Whatever the bytes are, it returns what could be read.
pub fn parse(raw: &[u8], limits: &Limits, poll: Poll) -> Message {
    let kept = &raw[..raw.len().min(limits.message_bytes)];
    let text = as_read(kept, poll);
    let structure = structure::structure(&text, limits, poll);
    let mut message = structure
        .parts
        .first()
        .map_or_else(Message::default, |part| {
            header(&part.fields, structure.label_of_body(0), poll)
        });
    let mut body = Body::new(kept.len(), limits, poll);
    body.read(structure, true);
    message.truncated |= body.truncated || kept.len() < raw.len();
    message.language = language(&body.text);
    message.body = body.text;
    message.attachments = body.attachments;
    message
}

/// What the header fields say: a message without a body.
fn header(fields: &[(Name, &[u8])], label_of_body: Option<&str>, poll: Poll) -> Message {
    let mut reader = Reader::of(label_of_body);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::content_hash;

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
