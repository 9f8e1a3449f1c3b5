//! Payloads in which one key says which other holds the text: Gmail's and JMAP's parts of a message,
//! Mailjet's attachments.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::Encoding;

use crate::attachment::{Attachment, base64_of};
use crate::header;
use crate::json::Json;
use crate::poll::Poll;

/// What such a payload says.
#[derive(Default)]
pub(crate) struct Parted {
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) headers: Option<Json>,
    pub(crate) attachments: Vec<Attachment>,
}

fn text<'j>(value: &'j Json, name: &str) -> Option<&'j str> {
    value.get(name)?.text().filter(|text| !text.is_empty())
}

fn add(to: &mut Option<String>, text: &str) {
    match to {
        Some(all) => {
            all.push_str("\n\n");
            all.push_str(text);
        }
        None => *to = Some(text.to_owned()),
    }
}

/// A part's text: UTF-8, or what its header says if it is not.
fn decoded<'b>(part: &Json, bytes: &'b [u8], poll: Poll) -> Cow<'b, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let headers = part
        .get("headers")
        .map(|headers| header::fields_as_they_are(headers, poll))
        .unwrap_or_default();
    let mut types = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let label = types.next().and_then(|(_, value)| {
        let small = value.to_ascii_lowercase();
        let after = small.split_once("charset=")?.1;
        Some(
            after
                .trim_start_matches(['"', '\''])
                .split(['"', '\'', ';', ' '])
                .next()?
                .to_owned(),
        )
    });
    let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    encoding
        .unwrap_or(encoding_rs::WINDOWS_1252)
        .decode(bytes)
        .0
}

/// A `Message` of the Gmail API in format `full`: parts in parts, their bodies in base64url.
pub(crate) fn gmail(message: &Json, poll: Poll) -> Parted {
    let mut found = Parted::default();
    let payload = message.get("payload");
    found.headers = payload.and_then(|p| p.get("headers")).cloned();
    // Parts in parts, as deep as JSON is taken apart, in the order of the message.
    let mut open: Vec<&Json> = payload.into_iter().collect();
    while let Some(part) = open.pop() {
        poll();
        if let Some(parts) = part.get("parts") {
            open.extend(parts.elements().iter().rev());
        }
        let media_type = text(part, "mimetype")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let data = part.get("body").and_then(|body| text(body, "data"));
        let bytes = data
            .and_then(|data| base64_of(data, poll))
            .unwrap_or_default();
        let name = text(part, "filename");
        match (&*media_type, name) {
            (media_type, None) if media_type.starts_with("multipart/") => {}
            ("text/html", None) => add(&mut found.html, &decoded(part, &bytes, poll)),
            (media_type, None) if media_type.starts_with("text/") => {
                add(&mut found.text, &decoded(part, &bytes, poll));
            }
            _ => found.attachments.push(Attachment {
                name: name.map(str::to_owned),
                media_type: Some(media_type),
                content: bytes,
            }),
        }
    }
    found
}

/// An `Email` of JMAP (RFC 8621) with the values of its bodies.
pub(crate) fn jmap(email: &Json) -> Parted {
    let mut found = Parted::default();
    let Some(values) = email.get("bodyvalues") else {
        return found;
    };
    let by_key: BTreeMap<&str, &Json> = values
        .fields()
        .iter()
        .map(|f| (&*f.key, &f.value))
        .collect();
    let parts = |name: &str| email.get(name).map_or(&[][..], Json::elements);
    let value = |part: &Json| text(by_key.get(text(part, "partid")?)?, "value").map(str::to_owned);
    let mut seen = Vec::new();
    for part in parts("textbody").iter().chain(parts("htmlbody")) {
        let Some(id) = text(part, "partid").filter(|id| !seen.contains(id)) else {
            continue;
        };
        // A message has few parts of text; of more, the first count.
        if seen.len() < 100 {
            seen.push(id);
            if let Some(value) = value(part) {
                let is_html =
                    text(part, "type").is_some_and(|t| t.eq_ignore_ascii_case("text/html"));
                add(
                    if is_html {
                        &mut found.html
                    } else {
                        &mut found.text
                    },
                    &value,
                );
            }
        }
    }
    // Where it is not said which is which, all count.
    if seen.is_empty() {
        for value in by_key.values() {
            if let Some(value) = text(value, "value") {
                add(&mut found.text, value);
            }
        }
    }
    found
}

/// What is attached to a payload of Mailjet: `Attachment1` in base64, which a part with headers refers to.
pub(crate) fn mailjet(payload: &Json, poll: Poll) -> Vec<Attachment> {
    let parts = payload.get("parts").map_or(&[][..], Json::elements);
    let mut seen = BTreeSet::new();
    let all = parts.iter().filter_map(|part| {
        let reference = crate::json::name_of(text(part, "contentref")?);
        let content = payload
            .get(&reference)
            .filter(|_| reference.starts_with("attachment"))?;
        // A thousand parts that refer to one file would be a thousand files.
        if !seen.insert(reference) {
            return None;
        }
        let header = |name: &str| text(part.get("headers")?, name);
        let parameter = |name: &str| {
            let value = header("contentdisposition").or_else(|| header("contenttype"))?;
            let after = value.split_once(&format!("{name}="))?.1;
            after
                .trim_start_matches('"')
                .split(['"', ';'])
                .next()
                .map(str::to_owned)
        };
        Some(Attachment {
            name: parameter("filename").or_else(|| parameter("name")),
            media_type: header("contenttype").map(str::to_owned),
            content: base64_of(content.text()?, poll).unwrap_or_default(),
        })
    });
    all.take(1001).collect()
}
