//! Mail of Outlook whose text and files are in `winmail.dat` (MS-OXTNEF).
#![allow(missing_docs, clippy::unwrap_used)]

mod build;

use std::cell::Cell;

use pg_triage_mail::{Limits, Message, never_cancelled, parse};
use proptest::prelude::*;

use build::{multipart, part, read};

const CODE_PAGE: u32 = 0x0006_9007;
const BODY: u32 = 0x0002_800c;
const PROPERTIES: u32 = 0x0006_9003;
const FILE_BEGINS: u32 = 0x0006_9002;
const FILE_TITLE: u32 = 0x0001_8010;
const FILE_DATA: u32 = 0x0006_800f;
const FILE_PROPERTIES: u32 = 0x0006_9005;

/// A stream of these attributes.
fn tnef(attributes: &[Vec<u8>]) -> Vec<u8> {
    [b"\x78\x9f\x3e\x22\x01\x00".to_vec(), attributes.concat()].concat()
}

fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
    let of_file = matches!(id, FILE_BEGINS | FILE_TITLE | FILE_DATA | FILE_PROPERTIES);
    let sum = data
        .iter()
        .fold(0_u16, |sum, &b| sum.wrapping_add(b.into()));
    [
        &[1 + u8::from(of_file)][..],
        &id.to_le_bytes(),
        &(data.len() as u32).to_le_bytes(),
        data,
        &sum.to_le_bytes(),
    ]
    .concat()
}

fn code_page(page: u32) -> Vec<u8> {
    attribute(CODE_PAGE, &[page.to_le_bytes(), [0; 4]].concat())
}

fn properties(of: u32, all: &[Vec<u8>]) -> Vec<u8> {
    attribute(
        of,
        &[(all.len() as u32).to_le_bytes().to_vec(), all.concat()].concat(),
    )
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut padded = (data.len() as u32).to_le_bytes().to_vec();
    padded.extend(data);
    padded.resize(padded.len().next_multiple_of(4), 0);
    padded
}

/// A property of variable length.
fn property(kind: u16, id: u16, data: &[u8]) -> Vec<u8> {
    [
        &kind.to_le_bytes()[..],
        &id.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &padded(data),
    ]
    .concat()
}

fn number(id: u16, value: u32) -> Vec<u8> {
    [
        &3_u16.to_le_bytes()[..],
        &id.to_le_bytes(),
        &value.to_le_bytes(),
    ]
    .concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// RTF as it is, in the wrapping of compressed one.
fn rtf(text: &str) -> Vec<u8> {
    let size = (text.len() as u32).to_le_bytes();
    let whole = (text.len() as u32 + 12).to_le_bytes();
    property(
        0x102,
        0x1009,
        &[&whole[..], &size, b"MELA\0\0\0\0", text.as_bytes()].concat(),
    )
}

/// A file as Outlook adds one.
fn file(title: &[u8], name: Option<&str>, data: &[u8]) -> Vec<u8> {
    let name = name.map(|name| property(0x1f, 0x3707, &utf16(name)));
    let named: Vec<_> = name.into_iter().chain([number(0x3705, 1)]).collect();
    [
        attribute(FILE_BEGINS, &[0; 14]),
        attribute(FILE_TITLE, &[title, b"\0"].concat()),
        attribute(FILE_DATA, data),
        properties(FILE_PROPERTIES, &named),
    ]
    .concat()
}

const TYPE: &str = "Content-Type: application/ms-tnef; name=winmail.dat";

/// What is read of a message that is nothing else.
fn alone(attributes: &[Vec<u8>]) -> Message {
    read(&part(TYPE, &tnef(attributes)))
}

fn list(message: &Message) -> String {
    message.attachment_list().unwrap_or_default()
}

#[test]
fn the_text_is_the_body_where_there_is_no_other() {
    let text = attribute(BODY, b"The order \x96 please\r\ncancel it.\r\n\0");
    let stream = tnef(&[code_page(1252), text.clone()]);
    for header in [
        TYPE,
        "Content-Type: application/vnd.ms-tnef",
        "Content-Type: application/octet-stream; name=\"WinMail.dat\"",
        "Content-Disposition: attachment; filename=win.dat\nContent-Type: application/octet-stream",
    ] {
        let m = read(&part(header, &stream));
        assert_eq!(m.body, "The order – please\ncancel it.", "{header}");
        assert!(m.attachments.is_empty() && !m.truncated);
    }
    let added = part(TYPE, &stream);
    assert!(
        read(&multipart(&["\n \n", &added]))
            .body
            .starts_with("The order")
    );
    let m = read(&multipart(&["\nsomething else", &added]));
    assert_eq!(
        (m.body.as_str(), m.attachments.len()),
        ("something else", 0)
    );
    let m = read(&multipart(&[&added, "\nbehind"]));
    assert_eq!(m.body, "behind");
    let forwarded = format!("Content-Type: message/rfc822\n\nSubject: inner\n{added}");
    let m = read(&multipart(&["\nmine", &forwarded]));
    assert!(
        m.body.starts_with("mine\n\nSubject: inner\n\nThe order"),
        "{}",
        m.body
    );
}

#[test]
fn texts_of_all_kinds_are_read() {
    let html = "<html><body><p>rich &amp; <b>long</b></p></body></html>";
    let of = |all: &[Vec<u8>]| alone(&[code_page(1251), properties(PROPERTIES, all)]).body;
    let plain = property(0x1f, 0x1000, &utf16("Zażółć 你\u{3000}好 \u{1f600}"));
    assert_eq!(
        of(std::slice::from_ref(&plain)),
        "Zażółć 你\u{3000}好 \u{1f600}"
    );
    assert_eq!(of(&[property(0x1e, 0x1000, b"\xef\xf0\xe8\0")]), "при");
    assert_eq!(
        of(&[property(0x102, 0x1013, html.as_bytes())]),
        "rich & long"
    );
    assert_eq!(of(&[property(0x1f, 0x1013, &utf16(html))]), "rich & long");
    let greek = [
        number(0x3fde, 28597),
        property(0x102, 0x1013, b"<p>\xe1\xe2"),
    ];
    assert_eq!(of(&greek), "αβ");
    let rich = rtf("{\\rtf1\\ansi\\ansicpg1252 gr\\'fc\\'dfe\\par {\\i all}}");
    assert_eq!(of(std::slice::from_ref(&rich)), "grüße\nall");
    let wrapped = rtf(
        "{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}one\\htmlrtf\\par\\htmlrtf0{\\*\\htmltag64 <p>}two}",
    );
    assert_eq!(of(&[wrapped]), "one\n\ntwo");
    let compressed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
    assert_eq!(of(&[property(0x102, 0x1009, compressed)]), "hello world");
    assert_eq!(
        of(&[rich.clone(), plain.clone()]),
        of(&[plain]),
        "RTF is the last choice"
    );
    let blank = attribute(BODY, b" \r\n\0");
    assert_eq!(
        alone(&[blank, properties(PROPERTIES, &[rich])]).body,
        "grüße\nall"
    );
}

#[test]
fn files_are_listed_with_their_names() {
    let all = [
        code_page(1252),
        attribute(BODY, b"see the files\0"),
        file(
            b"OFFER~1.PDF",
            Some("Angebot für März.pdf"),
            b"\r\n\r\n\r\n",
        ),
        file(b"a\xe9.txt", None, b"text that is no body"),
        attribute(FILE_BEGINS, &[0; 14]),
        properties(
            FILE_PROPERTIES,
            &[
                property(0x1e, 0x3001, b"shown\0"),
                property(0x1e, 0x3704, b"IMAGE.PNG\0"),
                property(0x1e, 0x370e, b"Image/PNG\0"),
                property(0x102, 0x3701, b"12345"),
            ],
        ),
        attribute(FILE_BEGINS, &[0; 14]),
        properties(
            FILE_PROPERTIES,
            &[
                property(0x1f, 0x3001, &utf16("The first mail")),
                property(0x0d, 0x3701, &[&[7; 16], &tnef(&[])[..]].concat()),
            ],
        ),
    ];
    let m = alone(&all);
    assert_eq!(m.body, "see the files");
    let listed = "Angebot für März.pdf (application/octet-stream, 6 bytes)\n\
        a\u{e9}.txt (application/octet-stream, 20 bytes)\n\
        IMAGE.PNG (image/png, 5 bytes)\n\
        The first mail (application/vnd.ms-outlook, 6 bytes)";
    assert_eq!(list(&m), listed);
    let png = "Content-Type: image/png; name=b.png\n\nPNG";
    let m = read(&multipart(&["\nmine", &part(TYPE, &tnef(&all)), png]));
    assert_eq!(m.body, "mine");
    assert_eq!(list(&m), format!("{listed}\nb.png (image/png, 3 bytes)"));
}

#[test]
fn properties_of_all_kinds_are_passed() {
    let several = [
        &0x101f_u16.to_le_bytes()[..],
        &0x3a58_u16.to_le_bytes(),
        &2_u32.to_le_bytes(),
        &padded(&utf16("a")),
        &padded(b""),
    ]
    .concat();
    let numbers = [
        &0x1003_u16.to_le_bytes()[..],
        &0x3a59_u16.to_le_bytes(),
        &2_u32.to_le_bytes(),
        &[9; 8],
    ]
    .concat();
    let named = [
        &0x0003_u16.to_le_bytes()[..],
        &0x8001_u16.to_le_bytes(),
        &[1; 16],
        &[0; 4],
        &[2; 4],
        &[3; 4],
    ]
    .concat();
    let by_text = [
        &0x000b_u16.to_le_bytes()[..],
        &0x8002_u16.to_le_bytes(),
        &[1; 16],
        &1_u32.to_le_bytes(),
        &padded(&utf16("name")),
        &[1, 0, 0, 0],
    ]
    .concat();
    let time = [
        &0x0040_u16.to_le_bytes()[..],
        &0x0039_u16.to_le_bytes(),
        &[8; 8],
    ]
    .concat();
    let guid = [
        &0x0048_u16.to_le_bytes()[..],
        &0x0040_u16.to_le_bytes(),
        &[8; 16],
    ]
    .concat();
    let text = property(0x1e, 0x1000, b"behind all\0");
    let m = alone(&[properties(
        PROPERTIES,
        &[several, numbers, named, by_text, time, guid, text],
    )]);
    assert_eq!(m.body, "behind all");
}

#[test]
fn what_holds_nothing_stays_an_attachment() {
    for bytes in [
        &b""[..],
        b"\x78\x9f\x3e\x22",
        b"\x89PNG\r\n",
        &tnef(&[code_page(1252)]),
    ] {
        let m = read(&part(TYPE, bytes));
        assert_eq!((m.body.as_str(), m.truncated), ("", false));
        assert_eq!(
            list(&m),
            format!("winmail.dat (application/ms-tnef, {} bytes)", bytes.len())
        );
    }
    let other = tnef(&[attribute(BODY, b"text\0")]);
    let m = read(&part(
        "Content-Type: application/octet-stream; name=data.bin",
        &other,
    ));
    assert_eq!(m.body, "");
    let cut = &other[..other.len() - 4];
    assert_eq!(read(&part(TYPE, cut)).body, "tex", "what has come of it");
}

// ---- hostile ------------------------------------------------------------------

#[test]
fn files_and_texts_are_bounded() {
    let files: Vec<_> = (0..500)
        .map(|n| file(format!("{n}.txt").as_bytes(), None, b""))
        .collect();
    let stream = tnef(&[attribute(BODY, b"text\0"), files.concat()]);
    let limits = Limits {
        parts: 20,
        ..Limits::default()
    };
    let raw = multipart(&[&part(TYPE, &stream), &part(TYPE, &stream)]);
    let m = parse(raw.as_bytes(), &limits, &never_cancelled);
    assert!(
        m.truncated && m.attachments.len() <= 20,
        "{}",
        m.attachments.len()
    );

    let run = [b"\xff".as_slice(), &b"\x0c\xee".repeat(8)].concat();
    let start = b"\0\0\0\0\0\0\0\0LZFu\0\0\0\0\0{\\rtf1 a".as_slice();
    let bomb = property(0x102, 0x1009, &[start, &run.repeat(1 << 18)].concat());
    let stream = tnef(&[properties(PROPERTIES, &[bomb])]);
    let m = read(&multipart(&[part(TYPE, &stream).as_str(); 3]));
    assert!(m.truncated && m.body.len() <= Limits::default().text_bytes);
    let limits = Limits {
        text_bytes: 100,
        ..Limits::default()
    };
    let text = tnef(&[properties(
        PROPERTIES,
        &[property(0x1f, 0x1000, &utf16(&"ü".repeat(99)))],
    )]);
    let m = parse(part(TYPE, &text).as_bytes(), &limits, &never_cancelled);
    assert_eq!((m.body.len(), m.truncated), (100, true));
}

#[test]
fn reading_polls() {
    let length = 2 << 20;
    let rich = |unit: &str| {
        properties(
            PROPERTIES,
            &[rtf(&format!(
                "{{\\rtf1 {}",
                unit.repeat(length / unit.len())
            ))],
        )
    };
    let lzfu = [
        b"\0\0\0\0\0\0\0\0LZFu\0\0\0\0\0{\\rtf1 a".as_slice(),
        &b"\0abcdefgh".repeat(length / 9),
    ]
    .concat();
    for stream in [
        tnef(&[attribute(0, b"").repeat(length / 11)]),
        tnef(&[properties(PROPERTIES, &[number(1, 1).repeat(length / 8)])]),
        tnef(&[properties(
            PROPERTIES,
            &[[
                &0x101e_u16.to_le_bytes()[..],
                &[1, 0],
                &[0xff; 4],
                &vec![0; length],
            ]
            .concat()],
        )]),
        tnef(&[properties(
            PROPERTIES,
            &[property(0x1f, 0x1000, &vec![b'a'; length])],
        )]),
        tnef(&[properties(PROPERTIES, &[property(0x102, 0x1009, &lzfu)])]),
        tnef(&[rich("{")]),
        tnef(&[rich("\\b ")]),
        tnef(&[rich("\\'e9")]),
        tnef(&[rich("word ")]),
    ] {
        let raw = part(TYPE, &stream);
        let polls = Cell::new(0);
        parse(raw.as_bytes(), &Limits::default(), &|| {
            polls.set(polls.get() + 1)
        });
        let start = String::from_utf8_lossy(&stream[..50]);
        assert!(
            polls.get() >= 2 * length / (1 << 16),
            "{} of {} {start:?}",
            polls.get(),
            stream.len()
        );
    }
}

/// Streams that are right here and there.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{\\rtf1 ",
        "{",
        "}",
        "\\'e9",
        "\\u-10179 ",
        "\\fromhtml1 ",
        "\\htmlrtf ",
        "{\\*\\htmltag1 <p>",
        "\\bin9 ",
        "\\uc",
        "\\fonttbl",
        "\\f1",
        "\\fcharset128 ",
        "a<b ",
    ]);
    let rich = prop::collection::vec(words, 0..20)
        .prop_map(|words| rtf(&format!("{{\\rtf1{}", words.concat())));
    let any_rtf = prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| {
        property(
            0x102,
            0x1009,
            &[&b"\0\0\0\0\0\0\0\0LZFu\0\0\0\0\0{\\rtf1 "[..], &bytes].concat(),
        )
    });
    let kinds = prop::sample::select(vec![0x1e, 0x1f, 0x102, 0x0d, 0x03, 0x40, 0x101e, 0x1003]);
    let ids = prop::sample::select(vec![
        0x1000, 0x1009, 0x1013, 0x3001, 0x3707, 0x3704, 0x3701, 0x370e, 0x3fde, 0x8001,
    ]);
    let other = (kinds, ids, prop::collection::vec(any::<u8>(), 0..30))
        .prop_map(|(kind, id, data)| property(kind, id, &data));
    let one = prop_oneof![1 => rich, 1 => any_rtf, 3 => other];
    let all = prop::collection::vec(one, 0..6);
    let attributes = prop::sample::select(vec![
        PROPERTIES,
        FILE_PROPERTIES,
        FILE_BEGINS,
        FILE_TITLE,
        FILE_DATA,
        BODY,
        CODE_PAGE,
    ]);
    let attributes = (attributes, all).prop_map(|(id, all)| properties(id, &all));
    prop::collection::vec(attributes, 0..8).prop_map(|all| tnef(&all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_stream_is_read(stream in streams(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut damaged = stream.clone();
        let at = at.index(stream.len());
        damaged[at] = byte;
        for bytes in [&stream[..], &damaged, &damaged[..at]] {
            let raw = part(TYPE, bytes);
            for limits in [Limits::default(), Limits { text_bytes: 20, parts: 3, depth: 2, ..Limits::default() }] {
                let m = parse(raw.as_bytes(), &limits, &never_cancelled);
                prop_assert!(m.body.len() <= limits.text_bytes && m.attachments.len() <= limits.parts);
                prop_assert!(!m.body.chars().any(|c| c < ' ' && c != '\n' && c != '\t'));
                for a in &m.attachments {
                    let name = a.name.as_deref().unwrap_or("a");
                    prop_assert!(!name.is_empty() && !name.contains(char::is_control) && name.len() <= 255);
                    prop_assert!(!a.media_type.is_empty() && !a.media_type.contains(char::is_control));
                }
            }
        }
    }
}
