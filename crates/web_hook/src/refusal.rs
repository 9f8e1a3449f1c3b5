//! Why a payload is no message, and what to do about it.

use std::fmt;

use crate::json::{Field, Json, name_of};
use crate::poll::Poll;
use crate::shape::{BUILT_IN, Part};
use crate::text::{SHOWN_CHARS, shown, text_of};

/// Keys that are shown.
const SHOWN_KEYS: usize = 20;
/// Bytes of each that a path has: no fewer characters than are shown, and one more.
const MAX_KEY_BYTES: usize = 4 * (SHOWN_CHARS + 1);
/// Objects within objects that keys are looked for in.
const DEPTH: usize = 6;

/// Why something is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has no text that is understood.
    NoMessage(String),
    /// It tells where the message is.
    Elsewhere(String),
    /// It is more than is read.
    TooLarge(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (Self::NoMessage(why) | Self::Elsewhere(why) | Self::TooLarge(why)) = self;
        f.write_str(why)
    }
}

/// What is no object.
pub(crate) fn no_container(value: &Json) -> Refusal {
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::Text(_) => "string",
        Json::Bytes(_) => "list of numbers",
        Json::List(_) | Json::Object(_) | Json::Deep(_) => "container too deep in others",
    };
    Refusal::NoMessage(format!(
        "the payload is a JSON {kind}: pass the JSON object that the web hook sent"
    ))
}

/// More messages than are taken in at once.
pub(crate) fn too_many(count: usize, most: usize) -> Refusal {
    Refusal::TooLarge(format!(
        "the payload has a list of {count} messages, of which {most} are taken in at once: pass it in pieces"
    ))
}

/// A list without elements.
pub(crate) fn no_messages() -> Refusal {
    Refusal::NoMessage("the payload has a list of 0 messages: nothing is to be taken in".to_owned())
}

/// What a service that keeps the text elsewhere says instead of it.
pub(crate) fn notice(payload: &Json) -> Option<String> {
    let has = |name: &str| payload.get(name).is_some_and(Json::says_something);
    let text = |value: Option<&Json>, name: &str| {
        let text = value?.get(name)?.scalar()?;
        Some(shown(text))
    };
    if has("subscribeurl") {
        return Some(
            "the payload is no message but asks to confirm a subscription: open its SubscribeURL"
                .to_owned(),
        );
    }
    if has("mail") && (has("receipt") || has("notificationtype") || has("eventtype")) {
        let action = payload
            .get("receipt")
            .and_then(|receipt| receipt.get("action"));
        let object = text(action, "bucketname").zip(text(action, "objectkey"));
        let place = object.map_or_else(String::new, |(bucket, key)| {
            format!(" (bucket {bucket}, key {key})")
        });
        return Some(format!(
            "the notification has no \"content\": let Amazon SES publish the message to SNS, or read it from \
             S3{place} and call triage.ingest(raw)"
        ));
    }
    let data = payload.get("data");
    let is_event = data.is_some_and(|data| data.get("emailid").is_some())
        || has("emailid") && has("createdat");
    if is_event {
        return Some(
            "the event has no text: fetch the email that its email_id names from the service, and pass that".to_owned(),
        );
    }
    if has("resource") && (has("subscriptionid") || has("changetype")) {
        return Some(
            "the notification has no text: fetch the message that its \"resource\" names from Microsoft Graph, and \
             pass that"
                .to_owned(),
        );
    }
    if has("historyid") && has("emailaddress")
        || has("subscription")
            && payload
                .get("message")
                .is_some_and(|m| m.get("data").is_some())
    {
        return Some(
            "the notification has no text: fetch the messages since its historyId from the Gmail API, and pass those"
                .to_owned(),
        );
    }
    if let Some(url) = text(payload.get("storage"), "url") {
        return Some(format!(
            "the event has no text: fetch the message from {url}, and pass that"
        ));
    }
    if payload.get("@type").and_then(Json::text) == Some("StateChange") {
        return Some(
            "the notification has no text: fetch what has changed with Email/get, and pass that"
                .to_owned(),
        );
    }
    if payload.get("bodyvalues").is_some() {
        return Some(
            "bodyValues has not the text: ask Email/get for it with fetchTextBodyValues and fetchHTMLBodyValues".to_owned(),
        );
    }
    let preview = ["bodypreview", "snippet", "preview"]
        .into_iter()
        .find(|name| has(name));
    preview.map(|_| {
        "the payload has only the beginning of the text: ask the service for the whole message, its body as well"
            .to_owned()
    })
}

/// What has no text that is understood: the keys that it has, and what could be meant.
pub(crate) fn no_text(payload: &Json, poll: Poll) -> Refusal {
    if let Some(why) = notice(payload) {
        return Refusal::Elsewhere(why);
    }
    let mut keys = Vec::new();
    list_keys(payload, "", DEPTH, &mut keys);
    let mut unread = Unread {
        longest: None,
        poll,
    };
    unread.walk(payload, "", DEPTH);
    let seen = match keys.len() {
        0 => "none".to_owned(),
        _ => keys
            .iter()
            .take(SHOWN_KEYS)
            .map(|key| shown(key))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let more = if keys.len() > SHOWN_KEYS { ", ..." } else { "" };
    let candidate = unread.longest.map(|(key, _)| key);
    // A known key that is there has an object, JSON, a number or nothing.
    let hint = match keys.iter().find(|key| nearest(key) == key.as_str()) {
        Some(known) => format!("{known} is known, but has no text for people"),
        None => {
            let key = candidate.as_deref().or(keys.first().map(String::as_str));
            format!("the nearest known one: {}", key.map_or("text", nearest))
        }
    };
    let key = candidate.unwrap_or_else(|| "key.with.the.text".to_owned());
    let key = shown(&key).replace('\'', "''");
    Refusal::NoMessage(format!(
        "the payload has no text that is understood (its keys: {seen}{more}; {hint}): pass it \
         as text, html or raw, or say where it is, INSERT INTO triage.hook_shape (name, text) VALUES ('my service', '{key}')"
    ))
}

/// The known key of a text that is most like this one.
fn nearest(key: &str) -> &'static str {
    let last = key.rsplit('.').next().unwrap_or(key);
    let name: String = name_of(last).chars().take(SHOWN_CHARS).collect();
    let any = BUILT_IN
        .any
        .part(Part::Text)
        .iter()
        .chain(BUILT_IN.any.part(Part::Html));
    let known = any
        .chain(BUILT_IN.form.part(Part::Text))
        .map(|path| &*path.last_key);
    let likeness = |known: &str| strsim::jaro_winkler(&name, &name_of(known));
    // The first of those that are as much alike: the more usual ones come first.
    let mut best = ("text", 0.0);
    for known in known {
        let likeness = likeness(known);
        if likeness > best.1 {
            best = (known, likeness);
        }
    }
    best.0
}

/// A path with a key more. It is made for each of a million values, so of a long key only what
/// is shown is in it.
fn joined(prefix: &str, key: &str) -> String {
    let key = &key[..key.floor_char_boundary(MAX_KEY_BYTES)];
    let is_plain = !key.contains(['.', ',', '[', ']', '"', '*', '$']) && key.trim() == key;
    let key = if is_plain {
        key.to_owned()
    } else {
        format!("\"{key}\"")
    };
    match prefix {
        "" => key,
        prefix => format!("{prefix}.{key}"),
    }
}

/// The keys of a payload, and of those in it that messages may be in.
fn list_keys(payload: &Json, prefix: &str, depth: usize, keys: &mut Vec<String>) {
    for Field { key, name, value } in payload.fields() {
        if keys.len() > SHOWN_KEYS {
            return;
        }
        let path = joined(prefix, key);
        let is_wrapper = is_wrapper(name) && !value.fields().is_empty();
        match depth.checked_sub(1).filter(|_| is_wrapper) {
            Some(depth) => list_keys(value, &path, depth, keys),
            None => keys.push(path),
        }
    }
}

fn is_wrapper(name: &str) -> bool {
    let mut paths = BUILT_IN.wrapper.part(Part::Messages).iter();
    paths.any(|path| path.first_name() == Some(name))
}

/// Whether something in a payload may be the text of the message, and is not known to be.
pub(crate) fn is_unread(payload: &Json, poll: Poll) -> bool {
    let mut unread = Unread {
        longest: None,
        poll,
    };
    unread.walk(payload, "", DEPTH);
    unread.longest.is_some()
}

struct Unread<'a> {
    /// Where the longest text is that is not known, and how long it is.
    longest: Option<(String, usize)>,
    poll: Poll<'a>,
}

impl Unread<'_> {
    fn found(&mut self, path: &str, length: usize) {
        if self
            .longest
            .as_ref()
            .is_none_or(|(_, longest)| *longest < length)
        {
            self.longest = Some((path.to_owned(), length));
        }
    }

    fn walk(&mut self, value: &Json, path: &str, depth: usize) {
        (self.poll)();
        let Some(deeper) = depth.checked_sub(1) else {
            // Deeper than is looked: something may be there.
            if value.says_something() && !matches!(value, Json::Bool(_) | Json::Number(_)) {
                self.found(path, 0);
            }
            return;
        };
        match value {
            Json::Text(text) if is_prose(text) => self.found(path, text.len()),
            Json::Deep(_) => self.found(path, 0),
            Json::List(elements) => {
                for element in elements {
                    self.walk(element, &format!("{path}[*]"), deeper);
                }
            }
            Json::Object(fields) => {
                for Field { key, name, value } in fields {
                    let is_container = matches!(value, Json::Object(_) | Json::List(_));
                    let is_wrapper = is_container && is_wrapper(name);
                    let is_text = BUILT_IN.texts.contains(name);
                    // What is empty, or only says no.
                    let says_nothing = matches!(value, Json::Text(t) if text_of(value, self.poll).is_none()
                        && Json::within(t, self.poll).is_none());
                    if says_nothing || BUILT_IN.metadata.contains(name) && !is_wrapper && !is_text {
                        continue;
                    }
                    self.walk(value, &joined(path, key), deeper);
                }
            }
            _ => {}
        }
    }
}

/// Whether somebody may have written a text for people: numbers, times, addresses and ids are none.
fn is_prose(text: &str) -> bool {
    let text = text.trim();
    let is_word = !text.contains(char::is_whitespace);
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let is_address = is_word && (text.contains('@') || text.contains("://"));
    let is_id = is_word && text.chars().any(|c| c.is_ascii_digit());
    letters > 0 && !is_address && !is_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named() {
        for (key, wanted) in [
            ("txt", "text"),
            ("order.Body_HTML5", "body-html"),
            ("mesage", "message"),
            ("zzz", "text"),
        ] {
            assert_eq!(nearest(key), wanted);
        }
    }
}
