//! What the documentations of services say that they post, in `services.json`: all of it tells of one
//! email, and is read as that.
#![allow(missing_docs, clippy::unwrap_used)]

use pg_triage_mail::{Limits, Message, content_hash};
use pg_triage_web_hook::{Refusal, read};
use serde_json::Value;

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("services.json")).unwrap()
}

fn posted(payload: &Value) -> Result<Vec<Result<Vec<u8>, Refusal>>, Refusal> {
    // A text is a payload as it is written.
    let json = payload
        .as_str()
        .map_or_else(|| payload.to_string(), str::to_owned);
    read(&json, &[], &|| ()).map(|payload| payload.messages)
}

fn message(raw: &[u8]) -> Message {
    pg_triage_mail::parse(raw, &Limits::default(), &|| ())
}

/// What is wrong with how a message is read; nothing if it is as expected.
fn wrong(case: &Value, found: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |field: &str, wanted: Option<&str>, got: Option<&str>| {
        if wanted != got {
            wrong.push(format!("{field} is {got:?}, not {wanted:?}"));
        }
    };
    let wanted = |field: &str, default| case.get(field).map_or(default, |value| value.as_str());
    check(
        "subject",
        wanted("subject", Some("Leaking tap")),
        found.subject.as_deref(),
    );
    let has_address = found
        .sender
        .as_deref()
        .is_some_and(|s| s.contains("nora@example.net"));
    let sender = found.sender.as_deref().filter(|_| !has_address);
    match case.get("sender") {
        Some(sender) => check("sender", sender.as_str(), found.sender.as_deref()),
        None => check(
            "sender",
            None,
            if has_address { sender } else { Some("nobody") },
        ),
    }
    for (field, got) in [
        ("message_id", &found.message_id),
        ("recipients", &found.recipients),
    ] {
        if let Some(wanted) = case.get(field) {
            check(field, wanted.as_str(), got.as_deref());
        }
    }
    if let Some(wanted) = case.get("sent_at")
        && wanted.as_i64() != found.sent_at
    {
        wrong.push(format!("sent at {:?}, not {wanted}", found.sent_at));
    }
    if let Some(wanted) = case.get("attachments") {
        let list = found.attachment_list();
        if wanted.as_str() != list.as_deref() {
            wrong.push(format!("attachments are {list:?}"));
        }
    }
    let words = |field: &str, default: &[&str]| -> Vec<String> {
        let given = case.get(field).and_then(Value::as_array);
        given.map_or_else(
            || default.iter().map(|&word| word.to_owned()).collect(),
            |words| {
                words
                    .iter()
                    .map(|word| word.as_str().unwrap().to_owned())
                    .collect()
            },
        )
    };
    let is_empty = case.get("empty").is_some();
    let lacks = words("lacks", &["{", "<p>", "From:"]);
    for word in words("body", &["leaking again"]) {
        if !is_empty && !found.body.contains(&word) {
            wrong.push(format!("no {word:?} in the body {:?}", found.body));
        }
    }
    if lacks.iter().any(|word| found.body.contains(word))
        || is_empty && !found.body.trim().is_empty()
    {
        wrong.push(format!("body is {:?}", found.body));
    }
    wrong
}

#[test]
fn what_services_post_is_read_or_refused_with_the_reason() {
    let mut complaints = Vec::new();
    for case in cases() {
        let name = case["name"].as_str().unwrap();
        let complain = match (case.get("refused"), posted(&case["payload"])) {
            (Some(word), Err(why)) => {
                let why = why.to_string();
                if why.contains(word.as_str().unwrap()) {
                    vec![]
                } else {
                    vec![why]
                }
            }
            (Some(_), Ok(_)) => vec!["is taken in".to_owned()],
            (None, Err(why)) => vec![why.to_string()],
            (None, Ok(messages)) => {
                let count = case
                    .get("count")
                    .map_or(1, |n| n.as_u64().unwrap() as usize);
                let mut hashes: Vec<String> = messages
                    .iter()
                    .flatten()
                    .map(|raw| content_hash(raw, &|| ()))
                    .collect();
                hashes.sort();
                hashes.dedup();
                let each = messages.iter().flat_map(|message_| match message_ {
                    Ok(raw) => wrong(&case, &message(raw)),
                    Err(why) => vec![why.to_string()],
                });
                let mut complain: Vec<String> = each.collect();
                if hashes.len() != count {
                    complain.push(format!("{} messages", hashes.len()));
                }
                complain
            }
        };
        if !complain.is_empty() {
            complaints.push(format!("{name}: {}", complain.join("; ")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
