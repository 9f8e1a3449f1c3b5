//! Signed mail whose text stands in the signature (opaque S/MIME, RFC 8551).
#![allow(missing_docs, clippy::unwrap_used)]

mod build;

use std::cell::Cell;

use pg_triage_mail::{Limits, Message, never_cancelled, parse};
use proptest::prelude::*;

use build::{multipart, part, read};

const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const SIGNED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const ENVELOPED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
const COMPRESSED: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
const ZLIB: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08";

/// An element with its length (DER).
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let bytes = length.to_be_bytes();
    let short = &bytes[bytes.iter().take_while(|&&b| b == 0).count()..];
    match u8::try_from(length) {
        Ok(n @ ..0x80) => [&[tag, n], contents].concat(),
        _ => [&[tag, 0x80 | short.len() as u8], short, contents].concat(),
    }
}

/// An element whose end is marked (BER).
fn ber(tag: u8, contents: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], contents, &[0, 0]].concat()
}

/// Content with a signature that nobody made.
fn signed(content: &[u8]) -> Vec<u8> {
    let data = [der(6, DATA), der(0xa0, &der(4, content))].concat();
    let certificate = der(
        0xa0,
        &der(0x30, &der(4, b"Content-Type: text/plain\n\ncertificate")),
    );
    let parts = [
        der(2, b"\x01"),
        der(0x31, &[]),
        der(0x30, &data),
        certificate,
        der(0x31, &[]),
    ];
    der(
        0x30,
        &[der(6, SIGNED), der(0xa0, &der(0x30, &parts.concat()))].concat(),
    )
}

/// The same as programs write it that do not know the length beforehand.
fn signed_in_pieces(content: &[u8], piece: usize) -> Vec<u8> {
    let pieces: Vec<u8> = content.chunks(piece).flat_map(|p| der(4, p)).collect();
    let data = [der(6, DATA), ber(0xa0, &ber(0x24, &pieces))].concat();
    let digests = ber(0x31, &ber(0x30, &[der(6, DATA), der(5, &[])].concat()));
    let parts = [der(2, b"\x01"), digests, ber(0x30, &data), ber(0x31, &[])];
    ber(
        0x30,
        &[der(6, SIGNED), ber(0xa0, &ber(0x30, &parts.concat()))].concat(),
    )
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let zlib = miniz_oxide::deflate::compress_to_vec_zlib(content, 6);
    let data = [der(6, DATA), der(0xa0, &der(4, &zlib))].concat();
    let parts = [der(2, b"\x00"), der(0x30, &der(6, ZLIB)), der(0x30, &data)];
    der(
        0x30,
        &[der(6, COMPRESSED), der(0xa0, &der(0x30, &parts.concat()))].concat(),
    )
}

const TYPE: &str = "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m";

fn names(message: &Message) -> Vec<&str> {
    let names = message.attachments.iter();
    names
        .map(|a| a.name.as_deref().unwrap_or(&a.media_type))
        .collect()
}

const TEXT: &[u8] = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n";

#[test]
fn the_signed_text_is_the_body() {
    let attached = "Content-Disposition: attachment; filename=smime.p7m\n";
    for header in [
        TYPE.to_owned(),
        TYPE.replace("pkcs7", "x-pkcs7"),
        format!("{attached}{TYPE}"),
        format!("{attached}Content-Type: application/octet-stream"),
        "Content-Type: application/octet-stream; name=\"SMIME.P7M\"".to_owned(),
        "Content-Type: application/pkcs7-mime".to_owned(),
    ] {
        for bytes in [
            signed(TEXT),
            signed_in_pieces(TEXT, 7),
            signed_in_pieces(TEXT, 1000),
            compressed(TEXT),
        ] {
            let m = read(&part(&header, &bytes));
            assert_eq!(m.body, "Grüße", "{header}");
            assert!(m.attachments.is_empty() && !m.truncated, "{m:?}");
        }
    }
    let m = read(&part(
        TYPE,
        &signed(b"Some programs sign text: without any header.\n"),
    ));
    assert_eq!(m.body, "Some programs sign text: without any header.");
    let m = read(&part(
        TYPE,
        &signed(b"Content-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:x\n"),
    ));
    assert_eq!(m.body, "Event: x", "the message is nothing else");
}

#[test]
fn the_signed_part_is_read_with_its_attachments() {
    let inner = multipart(&[
        "Content-Type: text/html\n\n<p>See <b>below</b>.</p>",
        "Content-Type: application/pdf; name=offer.pdf\nContent-Transfer-Encoding: base64\n\nQUJDRA==",
        "Content-Type: message/rfc822\n\nSubject: first\nFrom: a@example.org\n\nwhat was asked",
    ]);
    let m = read(&part(
        &format!("Subject: outer\n{TYPE}"),
        &signed(inner.as_bytes()),
    ));
    assert_eq!(m.subject.as_deref(), Some("outer"));
    assert_eq!(
        m.body,
        "See below.\n\nSubject: first\nFrom: a@example.org\n\nwhat was asked"
    );
    assert_eq!(names(&m), ["offer.pdf", "message/rfc822"]);
    assert_eq!(m.attachments[0].bytes, 4);
}

#[test]
fn what_is_signed_may_stand_anywhere() {
    let text = part(TYPE, &signed(TEXT));
    let png = "Content-Type: image/png; name=a.png\n\nPNG";
    let m = read(&multipart(&["\nbefore", &text, png, "\nafter"]));
    assert_eq!(m.body, "before\n\nGrüße\n\nafter");
    assert_eq!(names(&m), ["a.png"]);
    let with_file = part(TYPE, &signed(multipart(&["\ninner", png]).as_bytes()));
    let m = read(&multipart(&[
        &with_file,
        "Content-Type: image/png; name=b.png\n\nPNG",
    ]));
    assert_eq!(names(&m), ["a.png", "b.png"], "as they stand");

    let forwarded = format!("Content-Type: message/rfc822\n\nSubject: inner\n{text}");
    let m = read(&multipart(&["\nsee below", &forwarded]));
    assert_eq!(m.body, "see below\n\nSubject: inner\n\nGrüße");
    let encoded = part(
        "Content-Type: message/rfc822",
        format!("Subject: inner\n{text}").as_bytes(),
    );
    assert_eq!(
        read(&multipart(&[&encoded])).body,
        "Subject: inner\n\nGrüße"
    );

    let whole = part(
        TYPE,
        &signed(part(TYPE, &signed_in_pieces(text.as_bytes(), 9)).as_bytes()),
    );
    let m = read(&whole);
    assert_eq!(
        (m.body.as_str(), m.truncated, m.attachments.len()),
        ("Grüße", false, 0)
    );
}

#[test]
fn what_cannot_be_read_stays_an_attachment() {
    let enveloped = der(
        0x30,
        &[der(6, ENVELOPED), der(0xa0, &der(0x30, TEXT))].concat(),
    );
    let parts = [
        der(2, b"\x01"),
        der(0x31, &[]),
        der(0x30, &der(6, DATA)),
        der(0x31, &[]),
    ];
    let certificates = der(
        0x30,
        &[der(6, SIGNED), der(0xa0, &der(0x30, &parts.concat()))].concat(),
    );
    for bytes in [enveloped.as_slice(), &certificates, b"no CMS at all", b""] {
        let m = read(&part(TYPE, bytes));
        assert_eq!((m.body.as_str(), m.truncated), ("", false));
        assert_eq!(names(&m), ["smime.p7m"]);
        assert_eq!(m.attachments[0].bytes, bytes.len() as u64);
        let m = read(&multipart(&["\nsee the attachment", &part(TYPE, bytes)]));
        assert_eq!(m.body, "see the attachment");
    }
    for (name, content) in [
        ("invoice.xml.p7m", &b"<?xml version='1.0'?><Invoice/>"[..]),
        ("offer.pdf.p7m", b"%PDF-1.4\n"),
        ("smime.p7m", b"%PDF-1.4\n"),
        ("smime.p7m", b"PK\x03\x04\0\0"),
    ] {
        let header = format!("Content-Type: application/pkcs7-mime; name={name}");
        let m = read(&multipart(&[
            "\nsee the attachment",
            &part(&header, &signed(content)),
        ]));
        assert_eq!(
            (m.body.as_str(), names(&m)),
            ("see the attachment", vec![name])
        );
    }
    let m = read(&part(
        "Content-Type: application/octet-stream; name=a.bin",
        &signed(TEXT),
    ));
    assert_eq!((m.body.as_str(), names(&m)), ("", vec!["a.bin"]));
}

#[test]
fn a_signature_beside_its_text_is_an_attachment() {
    let signature = part(
        "Content-Type: application/pkcs7-signature; name=smime.p7s",
        &signed(b""),
    );
    let m =
        read(&multipart(&["\nclear", &signature]).replace("multipart/mixed", "multipart/signed"));
    assert_eq!((m.body.as_str(), names(&m)), ("clear", vec!["smime.p7s"]));
    let signature = part(
        "Content-Type: application/octet-stream; name=smime.p7s",
        &signed(TEXT),
    );
    let m = read(&multipart(&["\nclear", &signature]));
    assert_eq!((m.body.as_str(), names(&m)), ("clear", vec!["smime.p7s"]));
}

// ---- hostile ------------------------------------------------------------------

#[test]
fn levels_parts_and_depth_are_bounded() {
    let mut raw = "Content-Type: text/plain\n\ninnermost".to_owned();
    for _ in 0..20 {
        raw = part(TYPE, &signed(raw.as_bytes()));
    }
    let m = read(&raw);
    assert!(m.body.is_empty() && m.truncated);
    assert_eq!(names(&m), ["smime.p7m"]);

    let many = multipart(&["\nword"; 50]);
    let raw = multipart(&[
        &part(TYPE, &signed(many.as_bytes())),
        &part(TYPE, &signed(many.as_bytes())),
    ]);
    let limited = |parts, depth| {
        let limits = Limits {
            parts,
            depth,
            ..Limits::default()
        };
        parse(raw.as_bytes(), &limits, &never_cancelled)
    };
    let m = limited(20, 32);
    assert!(m.truncated && m.body.matches("word").count() < 20);
    assert!(limited(2, 32).truncated);
    assert!(limited(1000, 1).truncated);
    let m = limited(1000, 3);
    assert_eq!((m.body.matches("word").count(), m.truncated), (100, false));
}

#[test]
fn compressed_content_does_not_fill_the_memory() {
    let zeros = [
        b"Content-Type: text/plain\n\n".as_slice(),
        &vec![b'0'; 30 << 20],
    ]
    .concat();
    let raw = part(TYPE, &compressed(&zeros));
    let m = read(&raw);
    assert!(
        m.truncated && m.body.len() <= 20 * raw.len(),
        "{} of {}",
        m.body.len(),
        raw.len()
    );
    let twice = part(TYPE, &compressed(raw.as_bytes()));
    let both = multipart(&[twice.as_str(); 50]);
    let m = read(&both);
    assert!(m.truncated && m.body.len() <= Limits::default().text_bytes);
}

#[test]
fn reading_polls() {
    let length = 2 << 20;
    let text = [b"Content-Type: a/b\n\n".as_slice(), &vec![b'x'; length]].concat();
    for raw in [
        part(TYPE, &signed(&text)),
        part(TYPE, &signed_in_pieces(&text[..length / 4], 1)),
        part(
            TYPE,
            &ber(
                0x30,
                &[
                    der(6, SIGNED),
                    ber(
                        0xa0,
                        &ber(
                            0x30,
                            &[der(2, b"\x01"), ber(0x31, &vec![5; length])].concat(),
                        ),
                    ),
                ]
                .concat(),
            ),
        ),
    ] {
        let polls = Cell::new(0);
        parse(raw.as_bytes(), &Limits::default(), &|| {
            polls.set(polls.get() + 1)
        });
        assert!(polls.get() >= raw.len() / (1 << 16), "{}", polls.get());
    }
}

/// Elements within each other, right and wrong.
fn elements() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        der(6, SIGNED),
        der(6, DATA),
        der(6, COMPRESSED),
        der(2, b"\x01"),
        der(4, TEXT),
        der(0x31, &[]),
        vec![0x24, 0x80],
        vec![0x30, 0x80],
        vec![0xa0, 0x80],
        vec![0, 0],
    ]);
    let leaf = prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..9)];
    leaf.prop_recursive(6, 64, 5, |inner| {
        let tag = prop::sample::select(vec![0x30, 0x31, 0xa0, 0x24, 0x04]);
        let inner = prop::collection::vec(inner, 0..5);
        (tag, inner, any::<bool>()).prop_map(|(tag, inner, marked)| {
            let write = if marked { ber } else { der };
            write(tag, &inner.concat())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn anything_signed_is_read(inner in elements(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut whole = signed_in_pieces(TEXT, 5);
        let at = at.index(whole.len());
        whole[at] = byte;
        let start = [&b"\x30\x80"[..], &der(6, SIGNED), b"\xa0\x80\x30\x80", &der(2, b"\x01"), &inner].concat();
        for bytes in [&whole[..], &whole[..at], &inner, &start] {
            let raw = part(TYPE, bytes);
            let m = read(&raw);
            prop_assert!(m.body.len() <= 20 * raw.len());
            prop_assert!(m.attachments.len() <= 2);
            let raw = [TYPE.as_bytes(), b"\n\n", bytes].concat();
            parse(&raw, &Limits { text_bytes: 20, parts: 2, depth: 2, ..Limits::default() }, &never_cancelled);
        }
    }
}
