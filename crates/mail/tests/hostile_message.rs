//! Raw messages that are too long, too deep, or no messages at all.
#![allow(missing_docs, clippy::unwrap_used)]

use std::cell::Cell;

use pg_triage_mail::{Limits, Message, content_hash, parse};
use proptest::prelude::*;

fn read(raw: &str) -> Message {
    parse(raw.as_bytes(), &Limits::default(), &|| ())
}

/// A multipart with boundary `b` and these parts.
fn multipart(subtype: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|p| format!("--b\n{p}\n")).collect();
    format!(
        "Subject: s\nContent-Type: multipart/{subtype}; boundary=b\n\npreamble\n{parts}--b--\nepilogue\n"
    )
}

// ---- limits ------------------------------------------------------------------

fn limited(raw: &str, limits: Limits) -> Message {
    parse(raw.as_bytes(), &limits, &|| ())
}

#[test]
fn limits_hold_and_say_so() {
    let all = Limits::default();
    let raw = multipart("mixed", &["\none", "\ntwo", "\nthree"]);
    assert!(!limited(&raw, all).truncated);

    let m = limited(&raw, Limits { parts: 3, ..all });
    assert_eq!((m.body.as_str(), m.truncated), ("one\n\ntwo", true));
    let m = limited(
        &raw,
        Limits {
            text_bytes: 7,
            ..all
        },
    );
    assert_eq!((m.body.as_str(), m.truncated), ("one\n\ntw", true));
    let m = limited(
        &raw,
        Limits {
            message_bytes: raw.len() - 20,
            ..all
        },
    );
    assert!(m.truncated && m.body.starts_with("one\n\ntwo\n\n"));
    let m = limited(
        &format!("To: a@example.org\nX: {}\n{raw}", "x".repeat(100)),
        Limits {
            header_bytes: 100,
            ..all
        },
    );
    assert!(m.truncated && m.recipients.is_some() && m.subject.is_none());

    let inner = multipart("mixed", &["\ninner"])
        .replace("b\n", "c\n")
        .replace("--b--", "--c--");
    let nested = multipart("mixed", &[&inner, "\nouter"]);
    assert_eq!(
        limited(&nested, Limits { depth: 2, ..all }).body,
        "inner\n\nouter"
    );
    let encoded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKaW5uZXI=";
    let m = limited(
        &multipart("mixed", &[encoded, encoded]),
        Limits { parts: 4, ..all },
    );
    assert_eq!((m.body.matches("inner").count(), m.truncated), (1, true));
    let m = limited(&nested, Limits { depth: 1, ..all });
    assert_eq!((m.body.as_str(), m.truncated), ("outer", true));
}

#[test]
fn characters_are_not_cut() {
    for text_bytes in 0..12 {
        let raw = multipart("mixed", &["\nü€", "\n\u{1d11e}"]);
        let m = limited(
            &raw,
            Limits {
                text_bytes,
                ..Limits::default()
            },
        );
        assert!("ü€\n\n\u{1d11e}".starts_with(&m.body), "{}", m.body);
        assert_eq!(m.truncated, text_bytes < 11);
    }
}

#[test]
fn long_fields_are_cut() {
    let long = "x".repeat(10_000);
    let m = read(&format!(
        "Subject: {long}\nMessage-ID: <{long}>\nList-Id: {long}\n\n"
    ));
    assert_eq!(m.subject.map(|s| s.len()), Some(4096));
    assert_eq!(m.message_id.map(|s| s.len()), Some(512));
    assert_eq!(m.list_id.map(|s| s.len()), Some(4096));
    assert!(m.truncated);
    let many: String = (0..1000).map(|i| format!("u{i}@example.org,\n ")).collect();
    let recipients = read(&format!("To: {many}\nCc: {many}\n\n"))
        .recipients
        .unwrap();
    assert!(recipients.len() <= 16_384 && recipients.starts_with("u0@example.org, u1@"));
}

#[test]
fn names_of_attachments_do_not_crowd_out_the_body() {
    let long = format!(
        "Content-Type: application/{0}; name={0}\n\n",
        "x".repeat(1000)
    );
    let m = read(&multipart("mixed", &[long.as_str(); 100]));
    assert_eq!(m.attachments[0].name.as_ref().map(String::len), Some(255));
    assert_eq!(m.attachments[0].media_type.len(), 255);
    assert!(m.header().is_some_and(|h| h.len() < 5000));
}

#[test]
fn the_first_and_the_last_references_are_kept() {
    let ids: String = (0..200).map(|i| format!("<{i}@example.org>\n ")).collect();
    let m = read(&format!("References: {ids}\n\n"));
    assert_eq!(m.references.len(), 100);
    assert_eq!(m.references[0], "0@example.org");
    assert_eq!(m.references[1], "101@example.org");
    assert_eq!(m.references[99], "199@example.org");
}

/// A host that wants to stop is asked at least once for this many bytes.
const POLLED: usize = 1 << 17;

#[test]
fn every_long_work_polls() {
    let length = 2 << 20;
    let body =
        |header: &str, piece: &str| format!("{header}\n\n{}", piece.repeat(length / piece.len()));
    for raw in [
        body("Subject: s", "some words in a line\n"),
        body("Subject: s", "x"),
        body(
            "Content-Type: text/html",
            "<p>word <a href=http://example.org>a</a>",
        ),
        body("Content-Type: text/html", "x"),
        body("Content-Type: text/plain; charset=gbk", "x"),
        body("Content-Type: text/plain; charset=utf-7", "+ZeV-"),
        body("Content-Type: text/plain; format=flowed", "a \nb\n"),
        body("Content-Type: text/calendar", "BEGIN:VEVENT\n"),
        body(
            "Content-Type: text/calendar\n\nBEGIN:VEVENT",
            "SUMMARY:x\n y\n",
        ),
        body(
            "Content-Type: text/calendar",
            "BEGIN:VEVENT\nLOCATION:x\nEND:VEVENT\n",
        ),
        body(
            "Content-Type: text/calendar",
            "X;ENCODING=QUOTED-PRINTABLE:=\n=\n",
        ),
        body(
            "Content-Type: message/delivery-status",
            "Action: failed\n\n",
        ),
        body("Content-Type: message/delivery-status", " x"),
        body(
            "Content-Type: message/feedback-report",
            "Feedback-Type: x\n y\n",
        ),
        body("Content-Type: text/rfc822-headers", "Subject: x\n y\n"),
        body("Content-Type: text/vcard", "BEGIN:VCARD\nFN:x\n"),
        body("Content-Transfer-Encoding: base64", "aGVsbG8gd29y"),
        body("Content-Transfer-Encoding: quoted-printable", "="),
        body("Content-Transfer-Encoding: quoted-printable", "a=20\n"),
        body(
            "Content-Type: application/pdf\nContent-Transfer-Encoding: base64",
            "aGVsbG8gd29y\n",
        ),
        body("Content-Type: multipart/mixed; boundary=b", "--c\n"),
        body("X: y", "\r\n"),
        body("X: y", "begin 644 a\n"),
        body("X: y", "begin 644 a\n#86%A\n"),
        body("X: y", "=ybegin line=128 size=9 name=a\n*\n"),
        body("X: y", "-----BEGIN A-----\nB: c\n"),
        body("X: y", "> "),
        "X: y\n".repeat(length / 5),
        "\n".repeat(length),
        "\r".repeat(length),
    ] {
        let polls = Cell::new(0);
        let poll = || polls.set(polls.get() + 1);
        parse(raw.as_bytes(), &Limits::default(), &poll);
        assert!(
            polls.get() >= raw.len() / POLLED,
            "{} of {raw:.40}",
            polls.take()
        );
        polls.set(0);
        content_hash(raw.as_bytes(), &poll);
        assert!(
            polls.get() >= raw.len() / POLLED,
            "hash: {} of {raw:.40}",
            polls.take()
        );
    }
}

// ---- whatever the bytes are --------------------------------------------------

/// Pieces that messages are made of.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\n\n",
        " ",
        "From: ",
        "Subject: ",
        "Date: ",
        "References: <",
        ">",
        "To: a@b, ",
        "Content-Type: ",
        "text/plain",
        "text/html",
        "multipart/mixed; boundary=b",
        "multipart/alternative; boundary=\"bb\"",
        "multipart/related; boundary=b",
        "message/rfc822",
        "text/calendar",
        "text/rfc822-headers",
        "message/delivery-status\n\n",
        "message/feedback-report\n\n",
        "message/disposition-notification\n\n",
        "message/external-body; url=\"",
        "Action: failed\n",
        "Final-Recipient: rfc822; =?utf-8?q?",
        "Feedback-Type: abuse\n",
        "text/vcard",
        "application/octet-stream",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\n",
        "DTSTART;TZID=a:20260310T090000\n",
        "DESCRIPTION;ENCODING=QUOTED-PRINTABLE:=\n",
        "ATTENDEE;CN=\"",
        "END:VEVENT\n",
        "BEGIN:VCARD\nFN:",
        "; charset=",
        "utf-8",
        "utf-16",
        "utf-7",
        "gbk",
        "iso-2022-jp",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Disposition: attachment; filename*0*=",
        "--b\n",
        "--bb\n",
        "--b--\n",
        "--bb--\n",
        "=?utf-8?q?",
        "=?utf-8?b?",
        "?=",
        "=C3=BC",
        "aGVsbG8=",
        "<p>",
        "</p>",
        "<a href=http://x>",
        "<pre>",
        "<script>",
        "<!--",
        "<div hidden>",
        "&nbsp;",
        "&#x0;",
        "\u{1b}$B",
        "+ZeV-",
        "(",
        ")",
        "\"",
        "\\",
        "<",
        "word",
        "ü",
        "begin 644 x\n",
        "#86%A\n",
        "`\nend\n",
        "begin-base64 644 x\n",
        "====\n",
        "=ybegin line=128 size=9 name=x\n",
        "*+-=}\n",
        "=yend size=9\n",
        "(This file must be converted with BinHex 4.0)\n",
        ":#86%A:\n",
        "-----BEGIN PGP SIGNED MESSAGE-----\n",
        "-----BEGIN PGP MESSAGE-----\n",
        "-----END PGP MESSAGE-----\n",
        "iQEzBAEBCAAdFiEEabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\n",
        "> ",
        "\0",
    ])
    .prop_map(|s| s.as_bytes().to_vec());
    prop_oneof![9 => text, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000),
        prop::collection::vec(piece(), 0..80).prop_map(|pieces| pieces.concat()),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let all = Limits::default();
    (
        1..2000usize,
        1..200usize,
        1..10usize,
        0..6usize,
        0..300usize,
    )
        .prop_flat_map(
            move |(message_bytes, header_bytes, parts, depth, text_bytes)| {
                let small = Limits {
                    message_bytes,
                    header_bytes,
                    parts,
                    depth,
                    text_bytes,
                };
                prop::sample::select(vec![all, small])
            },
        )
}

fn strings(m: &Message) -> Vec<&str> {
    let names = m
        .attachments
        .iter()
        .flat_map(|a| [a.name.as_deref(), Some(a.media_type.as_str())]);
    let fields = [
        &m.message_id,
        &m.in_reply_to,
        &m.sender,
        &m.recipients,
        &m.subject,
        &m.list_id,
        &m.mailer,
    ];
    let fields = fields.into_iter().map(|f| f.as_deref());
    let references = m.references.iter().map(|r| Some(r.as_str()));
    names.chain(fields).chain(references).flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn anything_is_read(raw in message(), limits in limits()) {
        let m = parse(&raw, &limits, &|| ());
        prop_assert!(m.body.len() <= limits.text_bytes);
        prop_assert!(m.attachments.len() <= limits.parts);
        prop_assert!(!m.body.chars().any(|c| c < ' ' && c != '\n' && c != '\t'));
        for text in strings(&m) {
            prop_assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
            prop_assert_eq!(text, text.trim());
        }
        prop_assert!(!m.text().contains('\0'));
        content_hash(&raw, &|| ());
    }

    #[test]
    fn line_ends_make_no_difference(raw in message()) {
        let lf: Vec<u8> = raw.into_iter().filter(|&b| b != b'\r').collect();
        let crlf = lf.split(|&b| b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        prop_assert_eq!(content_hash(&lf, &|| ()), content_hash(&crlf, &|| ()));
        let limits = Limits::default();
        prop_assert_eq!(parse(&lf, &limits, &|| ()), parse(&crlf, &limits, &|| ()));
    }
}
