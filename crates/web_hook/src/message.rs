//! One message: which shape its payload has, and what that says.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::attachment::{attachments, base64_of};
use crate::compose::{self, Parts};
use crate::header;
use crate::json::{Json, name_of};
use crate::parted::{self, Parted};
use crate::path::Path;
use crate::poll::Poll;
use crate::shape::{BUILT_IN, Part, Shape};
use crate::text::{is_html, text_of};

/// Header fields that a raw message begins with; mail servers and programs know of no other first one.
const FIRST_FIELDS: [&str; 20] = [
    "arc-",
    "authentication-results",
    "bcc",
    "cc",
    "content-",
    "date",
    "delivered-to",
    "dkim-signature",
    "from",
    "in-reply-to",
    "list-",
    "message-id",
    "mime-version",
    "received",
    "references",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

/// What a payload holds of a message's text.
pub(crate) struct Found<'s, 'j> {
    shape: &'s Shape,
    raw: Option<Vec<u8>>,
    text: Option<Cow<'j, str>>,
    html: Option<Cow<'j, str>>,
    parted: Parted,
}

impl Found<'_, '_> {
    /// Whether there is a text, and not only a key for it.
    pub(crate) fn has_text(&self) -> bool {
        let texts = self.text.is_some() || self.html.is_some();
        self.raw.is_some() || texts || self.parted.text.is_some() || self.parted.html.is_some()
    }
}

/// What the first shape that finds a text finds; nothing if none does.
pub(crate) fn texts<'s, 'j>(
    payload: &'j Json,
    own: &'s [Shape],
    poll: Poll,
) -> Option<Found<'s, 'j>> {
    let built_in = BUILT_IN.tried.iter().chain([&BUILT_IN.form]);
    let mut shapes = own
        .iter()
        .filter(|s| s.part(Part::Messages).is_empty())
        .chain(built_in);
    shapes.find_map(|shape| Some(texts_of(shape, payload, poll)).filter(Found::has_text))
}

/// What a shape finds.
pub(crate) fn texts_of<'s, 'j>(shape: &'s Shape, payload: &'j Json, poll: Poll) -> Found<'s, 'j> {
    let mut found = Found {
        shape,
        raw: None,
        text: None,
        html: None,
        parted: Parted::default(),
    };
    if !shape.fits(payload) {
        return found;
    }
    match shape.known_name() {
        "gmail" => found.parted = parted::gmail(payload, poll),
        "jmap" => found.parted = parted::jmap(payload),
        "form" => found.text = all_texts(shape.part(Part::Text), payload, poll),
        _ => {
            let texts = |part| {
                shape
                    .part(part)
                    .iter()
                    .flat_map(|path| joined(path, payload, poll))
                    .next()
            };
            found.text = texts(Part::Text);
            found.html = texts(Part::Html);
            let has_text = found.text.is_some() || found.html.is_some();
            found.raw = shape.part(Part::Raw).iter().find_map(|path| {
                let is_raw = !has_text && name_of(&path.last_key).starts_with("raw");
                let mut values = path.find(payload).into_iter().filter_map(Json::text);
                values.find_map(|text| raw_message(text, is_raw, poll))
            });
        }
    }
    if shape.known_name() == "mailjet" {
        found.parted.attachments = parted::mailjet(payload, poll);
    }
    found
}

/// The texts that a path leads to, one below the other.
fn joined<'j>(path: &Path, payload: &'j Json, poll: Poll) -> Option<Cow<'j, str>> {
    let found = path.find(payload).into_iter();
    let mut texts: Vec<Cow<str>> = found.filter_map(|value| text_of(value, poll)).collect();
    match texts.len() {
        0 | 1 => texts.pop(),
        _ => Some(Cow::Owned(texts.join("\n\n"))),
    }
}

/// The texts of all paths, each once.
fn all_texts<'j>(paths: &[Path], payload: &'j Json, poll: Poll) -> Option<Cow<'j, str>> {
    let mut all: Vec<Cow<str>> = Vec::new();
    for text in paths.iter().filter_map(|path| joined(path, payload, poll)) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Cow::Owned(all.join("\n\n"))),
    }
}

/// The raw message that a text is, or is the base64 of; or else, as it is, under a key that says so.
fn raw_message(text: &str, is_raw: bool, poll: Poll) -> Option<Vec<u8>> {
    if text.trim().is_empty() {
        return None;
    }
    let start = text.trim_start_matches(['\r', '\n', '\u{feff}']);
    if begins_with_header(start.as_bytes()) {
        return Some(start.as_bytes().to_vec());
    }
    // A message has a header, and so a colon; base64 has none.
    let is_base64 = !text.contains(':');
    let decoded = is_base64.then(|| base64_of(text, poll)).flatten();
    match decoded.filter(|bytes| begins_with_header(bytes)) {
        None if is_raw => Some(text.as_bytes().to_vec()),
        decoded => decoded,
    }
}

/// Whether bytes begin as a message does: with a line of mbox format or not, then a field of a header,
/// and one that mail has, or more than one.
fn begins_with_header(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(8 << 10)];
    let start = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let mut lines = start.split(|b| *b == b'\n').peekable();
    lines.next_if(|line| line.starts_with(b"From ") || line.starts_with(b">From "));
    let mut fields = 0;
    for line in lines {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        let name = line
            .iter()
            .position(|b| *b == b':')
            .map(|end| line[..end].trim_ascii_end());
        let is_name = |name: &&[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        let Some(name) = name.filter(is_name) else {
            break;
        };
        fields += 1;
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let is_known =
            |known: &&str| name == **known || known.ends_with('-') && name.starts_with(*known);
        if FIRST_FIELDS.iter().any(is_known) || fields > 3 {
            return true;
        }
    }
    false
}

/// Where the fields of a message are looked for.
struct Lookup<'a> {
    shape: &'a Shape,
    payload: &'a Json,
    /// The payloads around, the innermost first: what the message does not say, they may.
    around: &'a [&'a Json],
}

impl<'a> Lookup<'a> {
    /// Where the shape says it is, else where any has it.
    fn paths(&self, part: Part) -> &'a [Path] {
        match self.shape.part(part) {
            [] => BUILT_IN.any.part(part),
            own => own,
        }
    }

    fn values(&self, part: Part) -> impl Iterator<Item = &'a Json> + use<'a> {
        let payload = self.payload;
        self.paths(part).iter().flat_map(|path| path.find(payload))
    }

    /// What the first value says that says anything; else what is said around.
    fn first<T>(&self, part: Part, read: impl Fn(&Json) -> Option<T>) -> Option<T> {
        let paths = self.paths(part);
        let around = self
            .around
            .iter()
            .flat_map(|json| paths.iter().flat_map(|path| path.find(json)));
        self.values(part).chain(around).find_map(read)
    }

    /// When it was sent. The time at which a service signed its request is another one when it
    /// sends it again.
    fn date(&self) -> Option<String> {
        let dates = |json: &Json| {
            let is_signed = json.get("signature").is_some();
            let is_date = |path: &&Path| {
                !is_signed || !matches!(&*path.last_key, "timestamp" | "ts" | "time")
            };
            let mut paths = self.paths(Part::SentAt).iter().filter(is_date);
            paths.find_map(|path| path.find(json).into_iter().find_map(header::date))
        };
        dates(self.payload).or_else(|| self.around.iter().find_map(|json| dates(json)))
    }

    /// The sender: the first that has an address, else the first that names somebody.
    fn sender(&self, poll: Poll) -> Option<(String, &'a str)> {
        let of = |json: &Json| {
            let mut named = None;
            for path in self.paths(Part::Sender) {
                for value in path.find(json) {
                    let Some(mut sender) = header::addresses(value, poll) else {
                        continue;
                    };
                    let is_bare =
                        matches!(value, Json::Text(_)) && !sender.contains(['<', ',', ' ']);
                    if !sender.contains('@') {
                        named.get_or_insert((sender, &*path.last_key));
                        continue;
                    }
                    if is_bare && let Some(name) = self.sender_name(json) {
                        sender = header::with_name(&sender, Some(&name)).unwrap_or(sender);
                    }
                    return Some((sender, &*path.last_key));
                }
            }
            named
        };
        of(self.payload).or_else(|| self.around.iter().find_map(|json| of(json)))
    }

    fn sender_name(&self, json: &Json) -> Option<String> {
        let names = self.paths(Part::SenderName).iter().flat_map(|path| {
            let is_first = path.first_name() == Some("firstname");
            path.find(json)
                .into_iter()
                .map(move |value| (is_first, value))
        });
        let mut names = names.filter_map(|(is_first, value)| match value {
            Json::Text(name) if !is_first => Some(header::line(name)),
            Json::Text(_) => header::name_in(json),
            value => header::name_in(value),
        });
        names.find(|name| !name.is_empty() && !name.contains('@'))
    }

    /// The header: as it came, then what it lacks.
    fn header(&self, headers: Option<&Json>, poll: Poll) -> Vec<(String, String)> {
        let mut header = match headers {
            Some(headers) => header::fields(headers, poll),
            None => {
                let fields = |value: &Json| {
                    Some(header::fields(value, poll)).filter(|fields| !fields.is_empty())
                };
                self.first(Part::Headers, fields).unwrap_or_default()
            }
        };
        let given: BTreeSet<String> = header
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        let addresses = |value: &Json| header::addresses(value, poll);
        let sender = self.sender(poll);
        // A service that names the sender otherwise may call the recipient that.
        let is_sender = sender
            .as_ref()
            .is_none_or(|(_, key)| &*name_of(key) == "email");
        let email = self.payload.get("email").filter(|_| !is_sender);
        let line = |value: &Json| {
            value
                .scalar()
                .map(header::line)
                .filter(|text| !text.is_empty())
        };
        let recipients = self.first(Part::Recipients, addresses);
        let fields = [
            ("From", sender.map(|(sender, _)| sender)),
            ("To", recipients.or_else(|| email.and_then(addresses))),
            ("Cc", self.first(Part::Cc, addresses)),
            ("Subject", self.first(Part::Subject, line)),
            ("Date", self.date()),
            ("Message-ID", self.first(Part::MessageId, header::ids)),
            ("In-Reply-To", self.first(Part::InReplyTo, header::ids)),
            ("References", self.first(Part::ReferenceIds, header::ids)),
        ];
        for (name, value) in fields {
            if let Some(value) = value.filter(|_| !given.contains(&name.to_ascii_lowercase())) {
                header.push((name.to_owned(), value));
            }
        }
        header
    }

    /// Whether the payload says that its text is HTML, or is not.
    fn declared_html(&self) -> Option<bool> {
        if let Some(Json::Bool(is_html)) = self.payload.get("ishtml") {
            return Some(*is_html);
        }
        let kind = self
            .payload
            .get("body")?
            .get("contenttype")?
            .text()?
            .to_ascii_lowercase();
        match kind.contains("html") {
            true => Some(true),
            false => kind.contains("text").then_some(false),
        }
    }
}

/// The message: as it came, or composed of what its payload says.
pub(crate) fn compose(found: Found, payload: &Json, around: &[&Json], poll: Poll) -> Vec<u8> {
    if let Some(raw) = found.raw {
        return raw;
    }
    let lookup = Lookup {
        shape: found.shape,
        payload,
        around,
    };
    let mut attached = found.parted.attachments;
    if attached.is_empty() {
        let listed = |list: &Json| Some(attachments(list, poll)).filter(|list| !list.is_empty());
        attached = lookup.first(Part::Attachments, listed).unwrap_or_default();
    }
    let declared = lookup.declared_html();
    let is_html = |text: &str| declared.unwrap_or_else(|| is_html(text, poll));
    let text = found.text.map(Cow::into_owned).or(found.parted.text);
    let html = found.html.map(Cow::into_owned).or(found.parted.html);
    let (text, html) = match (text, html) {
        // The other one says the same, and is meant to be HTML.
        (Some(text), Some(html)) => (Some(text).filter(|text| !is_html(text)), Some(html)),
        (Some(text), None) if is_html(&text) => (None, Some(text)),
        both => both,
    };
    let header = lookup.header(found.parted.headers.as_ref(), poll);
    let whole = around.last().unwrap_or(&payload);
    let ignored = ignored(found.shape, &header);
    let identity = compose::identity(whole, &|name| ignored.contains(name), poll);
    let parts = Parts {
        header,
        text,
        html,
        attachments: attached,
    };
    compose::message(&parts, &identity, poll)
}

/// Names of keys that are others when the same message is delivered again. Of one with an id that is also
/// the way that it took, as with raw messages: a sender may be told to send it again.
fn ignored<'s>(shape: &'s Shape, header: &[(String, String)]) -> BTreeSet<&'s str> {
    let any = &BUILT_IN.any;
    let mut paths: Vec<&Path> = shape
        .part(Part::Ignored)
        .iter()
        .chain(any.part(Part::Ignored))
        .collect();
    let mut ignored = BTreeSet::new();
    if header
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("message-id"))
    {
        paths.extend(
            shape
                .part(Part::Headers)
                .iter()
                .chain(any.part(Part::Headers)),
        );
        ignored.extend(["envelope", "session"]);
    }
    ignored.extend(paths.into_iter().filter_map(Path::first_name));
    ignored
}

/// Whether a message without text is one: its subject says something, or something is attached.
pub(crate) fn says_something(payload: &Json, poll: Poll) -> bool {
    let found = |part| {
        BUILT_IN
            .any
            .part(part)
            .iter()
            .flat_map(|path| path.find(payload))
    };
    let has_subject =
        found(Part::Subject).any(|value| value.scalar().is_some() && value.says_something());
    let has_key = || {
        found(Part::Text)
            .chain(found(Part::Html))
            .any(|v| matches!(v, Json::Text(_)))
    };
    let in_header = || {
        let mut fields = found(Part::Headers).flat_map(|headers| header::fields(headers, poll));
        fields.any(|(name, _)| name.eq_ignore_ascii_case("subject"))
    };
    has_subject
        || has_key()
        || in_header()
        || found(Part::Attachments).any(|a| !attachments(a, poll).is_empty())
}

/// Whether a service that has read a mail says that it has no text: the keys for it are there and empty.
/// Whatever else is in the payload, it is none.
pub(crate) fn is_empty_mail(payload: &Json, poll: Poll) -> bool {
    let found = |part| {
        let paths = BUILT_IN.any.part(part).iter();
        paths.flat_map(|path| path.find(payload))
    };
    let mut texts = found(Part::Text).chain(found(Part::Html)).peekable();
    let has_key = texts.peek().is_some();
    let is_empty = |value: &Json| !value.says_something() || matches!(value, Json::Bool(_));
    let is_id = |name: &str| name.eq_ignore_ascii_case("message-id");
    let mut header = found(Part::Headers).flat_map(|headers| header::fields(headers, poll));
    has_key && texts.all(is_empty) && header.any(|(name, _)| is_id(&name))
}
