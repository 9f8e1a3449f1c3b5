//! Payloads that somebody made up to cost time or memory, or to make a message say what it should not.
#![allow(missing_docs, clippy::unwrap_used)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use pg_triage_mail::{Limits, Message};
use pg_triage_web_hook::{Refusal, Shape, read};
use proptest::prelude::*;

/// Repeated so often, a payload has as many bytes as asked for.
fn repeated(start: &str, unit: &str, end: &str, bytes: usize) -> String {
    format!("{start}{}{end}", unit.repeat(bytes / unit.len()))
}

/// Payloads of this many bytes.
fn payloads(bytes: usize) -> Vec<String> {
    let around = |start: &str, unit: &str, end: &str| repeated(start, unit, end, bytes);
    vec![
        around("{\"text\": \"", "a line\\n", "\"}"),
        around("{\"text\": \"", "<b", "\"}"),
        around("{\"text\": \"", "\\u0000\\ud800", "\"}"),
        around("{\"text\": \"", "{", "\"}"),
        around("{\"text\": \"", "[[\\\"", "\"}"),
        around("{\"message\": \"", "[1,", "\"}"),
        around("{\"message\": \"", "{\\\"message\\\":", "\"}"),
        around("{\"a\": ", "[", ""),
        around("{\"text\": \"t\", \"a\": ", "{\"data\":", "1"),
        around("[", "{},", "{}]"),
        around("[", "{\"items\":[", ""),
        around("{\"items\": [", "[],", "1]}"),
        around(
            "{\"text\": \"t\", \"to\": [",
            "{\"value\":{\"value\":{}}},",
            "\"a\"]}",
        ),
        around("{\"text\": \"t\", \"from\": \"", "<\\\"", "\"}"),
        around("{\"text\": \"t\", \"headers\": \"", "a:b\\n", "\"}"),
        around("{\"text\": \"t\", \"headers\": [", "[\"x\",\"y\"],", "1]}"),
        around("{\"text\": \"t\", \"attachments\": [", "{},", "{}]}"),
        around(
            "{\"text\": \"t\", \"attachments\": [{\"content\": \"",
            "QUJD\\n",
            "\"}]}",
        ),
        around(
            "{\"text\": \"t\", \"attachments\": [{\"content\": [",
            "1,",
            "2]}]}",
        ),
        around("{\"raw\": \"", "QUJD", "\"}"),
        around("{\"raw\": \"", "a:b\\n", "\"}"),
        around("{\"comments\": [", "{\"body\":\"b\"},", "1]}"),
        around("{\"subject\": \"s\", \"zzz\": [", "{\"a\":[{}]},", "1]}"),
        // Long keys around many values.
        repeated(
            &format!("{{\"{}\": [", "k".repeat(bytes / 2)),
            "{\"a\":\"b c\"},",
            "1]}",
            bytes / 2,
        ),
        repeated(
            &format!("{{\"data\": {{\"{}\": {{\"a\": [", "k.".repeat(bytes / 4)),
            "[\"b\"],",
            "1]}}}",
            bytes / 2,
        ),
        around(
            "{\"payload\": {\"mimeType\": \"multipart/mixed\", \"parts\": [",
            "{\"parts\":[{}]},",
            "1]}}",
        ),
        around(
            "{\"bodyValues\": {}, \"textBody\": [",
            "{\"partId\":\"1\"},",
            "1]}",
        ),
        around(
            "{\"fields\": [",
            "{\"name\":\"a\",\"value\":\"b\"},",
            "{\"name\":\"a\",\"value\":\"b\"}]}",
        ),
        (0..bytes / 20)
            .map(|n| format!("\"h[{n}][a]\":\"{n}\","))
            .fold("{".to_owned(), |all, f| all + &f)
            + "\"text\":\"t\"}",
        (0..bytes / 12)
            .map(|n| format!("\"{n}\":\"x y\","))
            .fold("{".to_owned(), |all, f| all + &f)
            + "\"z\":1}",
    ]
}

/// Milliseconds each on an idle machine; a square of the size would take many times the limit.
#[test]
fn no_payload_takes_long_or_goes_long_without_a_poll() {
    for payload in payloads(1_600_000) {
        let timed = || {
            let (longest, last) = (Cell::new(Duration::ZERO), Cell::new(Instant::now()));
            let start = Instant::now();
            let poll = || longest.set(longest.get().max(last.replace(Instant::now()).elapsed()));
            drop(read(&payload, &[], &poll));
            poll();
            (start.elapsed(), longest.get())
        };
        // Others may need the processor as well.
        let runs: Vec<_> = (0..3).map(|_| timed()).collect();
        let taken = runs.iter().map(|run| run.0).min().unwrap();
        let unpolled = runs.iter().map(|run| run.1).min().unwrap();
        let name = &payload[..60];
        assert!(taken < Duration::from_secs(10), "{name}: {taken:?}");
        assert!(unpolled < Duration::from_secs(1), "{name}: {unpolled:?}");
    }
}

fn taken(payload: &str) -> Message {
    let found = read(payload, &[], &|| ()).unwrap().messages;
    pg_triage_mail::parse(found[0].as_ref().unwrap(), &Limits::default(), &|| ())
}

#[test]
fn no_field_can_say_what_another_one_says() {
    let evil = r#"a\r\nList-Id: <evil>\r\n\r\nevil"#;
    let payload = format!(
        r#"{{"text": "plain", "subject": "{evil}", "from": {{"name": "{evil}", "email": "{evil}"}}, "to": ["{evil}"],
            "message_id": "{evil}", "references": ["{evil}"], "date": "{evil}",
            "headers": {{"X-A": "{evil}", "{evil}": "x", "Content-Type": "text/html"}},
            "attachments": [{{"name": "{evil}", "type": "{evil}", "content": "AAAA"}}]}}"#
    );
    let message = taken(&payload);
    assert_eq!((message.body.trim(), message.list_id), ("plain", None));
    assert_eq!(message.attachments.len(), 1);
    // What looks like the end of a part is text.
    let first = read(r#"{"text": "one", "html": "<p>x"}"#, &[], &|| ())
        .unwrap()
        .messages;
    let raw = String::from_utf8(first[0].clone().unwrap()).unwrap();
    let boundary = raw
        .split("boundary=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let message = taken(&format!(r#"{{"text": "one\n--{boundary}--\ntwo"}}"#));
    assert!(message.body.contains("two"));
}

/// What is there once and referred to often is in the message once.
#[test]
fn nothing_multiplies_what_a_payload_holds() {
    let text = "QUFB".repeat(10_000);
    for payload in [
        format!(
            r#"{{"Text-part": "t", "Parts": [{}1], "Attachment1": "{text}"}}"#,
            r#"{"ContentRef": "Attachment1", "Headers": {}},"#.repeat(500)
        ),
        format!(
            r#"{{"bodyValues": {{"1": {{"value": "{text}"}}}}, "textBody": [{0}1], "htmlBody": [{0}1]}}"#,
            r#"{"partId": "1", "type": "text/plain"},"#.repeat(500)
        ),
        format!(
            r#"{{"payload": {{"mimeType": "text/plain", "body": {{"data": "{text}"}}}}, "q": [{}1]}}"#,
            r#"{"body": 1},"#.repeat(500)
        ),
        format!(
            r#"{{"items": [{}1], "text": "{text}", "attachments": [{{"content": "{text}"}}]}}"#,
            r#"{"text": "t"},"#.repeat(500)
        ),
        format!(
            r#"{{"zzz": "{text}", "subject": "{text}", "from": "{text}", "items": [{}1]}}"#,
            r#"{"text": "t"},"#.repeat(500)
        ),
    ] {
        let found = read(&payload, &[], &|| ()).unwrap().messages;
        let taken: usize = found.iter().flatten().map(Vec::len).sum();
        let most = 2 * payload.len() + 1000 * found.len();
        assert!(taken <= most, "{taken} of {}: {payload:.60}", payload.len());
    }
}

#[test]
fn too_much_is_refused_as_too_much() {
    let many = repeated("{\"text\": \"t\", \"a\": [", "{},", "1]}", 3_100_000);
    assert!(matches!(
        read(&many, &[], &|| ()),
        Err(Refusal::TooLarge(_))
    ));
    for start in ["[", "{\"items\": ["] {
        let end = if start == "[" { "{}]" } else { "{}]}" };
        let messages = repeated(start, "{\"text\":\"t\"},", end, 200_000);
        assert!(matches!(
            read(&messages, &[], &|| ()),
            Err(Refusal::TooLarge(_))
        ));
    }
}

proptest! {
    #[test]
    fn any_payload_is_read_or_refused(payload in r#"[\[\]{}":,a-z0-9\\\n<>@. -]{0,200}"#) {
        let shape = Shape::new("own", &["".to_owned(), "a".to_owned(), "".to_owned(), "b, c[*]".to_owned()]);
        drop(read(&payload, &[shape.unwrap()], &|| ()));
    }

    #[test]
    fn the_text_is_what_was_written(text in "word [a-zA-Z \\n.,\u{e4}\u{20ac}-]{0,200}") {
        let found = taken(&serde_json::json!({ "plain": text, "html": "<p>html" }).to_string()).body;
        prop_assert!(found.split_whitespace().eq(text.split_whitespace()), "{found:?}");
    }
}
