//! Shapes of payloads: which key holds what. Those of the services and those of one's own are data
//! of the same kind.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::json::Json;
use crate::path::{Path, paths};
use crate::poll::Poll;
use crate::text::shown;

/// What a shape says of a payload, in the order of the columns of `triage.hook_shape`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Requires,
    Messages,
    Raw,
    Text,
    Html,
    Subject,
    Sender,
    SenderName,
    Recipients,
    Cc,
    SentAt,
    MessageId,
    InReplyTo,
    ReferenceIds,
    Headers,
    Attachments,
    Ignored,
}

/// How many parts a shape has.
pub const PARTS: usize = NAMES.len();

/// The names of the parts, which are those of the columns.
const NAMES: [&str; 17] = [
    "requires",
    "messages",
    "raw",
    "text",
    "html",
    "subject",
    "sender",
    "sender_name",
    "recipients",
    "cc",
    "sent_at",
    "message_id",
    "in_reply_to",
    "reference_ids",
    "headers",
    "attachments",
    "ignored",
];

/// Where in payloads of one kind things are.
#[derive(Debug, Clone)]
pub struct Shape {
    name: String,
    /// Whether somebody else has written it.
    is_own: bool,
    parts: [Vec<Path>; PARTS],
}

impl Shape {
    /// A shape of one's own: paths by part, in the order of the columns of `triage.hook_shape`; an empty
    /// text is none. The error says what is wrong with which column.
    pub fn new(name: &str, columns: &[String]) -> Result<Self, String> {
        if name.trim().is_empty() {
            return Err("name is empty: say which service has this shape".to_owned());
        }
        let mut shape = Self {
            is_own: true,
            ..empty(name)
        };
        for ((part, column), text) in shape.parts.iter_mut().zip(NAMES).zip(columns) {
            if !text.is_empty() {
                *part = paths(text).map_err(|why| format!("{column} '{}': {why}", shown(text)))?;
            }
        }
        match shape.names_text() {
            true => Ok(shape),
            false => Err(format!(
                "shape \"{name}\" finds no text: set raw, text or html to the path of the key that has it"
            )),
        }
    }

    /// Its name if it is a known one: some of them need code.
    pub(crate) fn known_name(&self) -> &str {
        if self.is_own { "" } else { &self.name }
    }

    pub(crate) fn part(&self, part: Part) -> &[Path] {
        &self.parts[part as usize]
    }

    /// Whether it says where a text is.
    fn names_text(&self) -> bool {
        let texts = [Part::Raw, Part::Text, Part::Html];
        texts.iter().any(|part| !self.part(*part).is_empty())
    }

    /// Whether a payload has all that it requires.
    pub(crate) fn fits(&self, payload: &Json) -> bool {
        let mut required = self.part(Part::Requires).iter();
        required.all(|path| path.leads(payload))
    }

    /// Makes JSON of texts that are JSON, where its paths lead through them.
    pub(crate) fn unfold(&self, payload: &mut Json, poll: Poll) {
        for part in [Part::Messages, Part::Headers, Part::Attachments] {
            for path in self.part(part) {
                path.unfold(payload, true, poll);
            }
        }
        for path in self.parts.iter().flatten() {
            path.unfold(payload, false, poll);
        }
    }
}

/// The shapes that are known.
pub(crate) struct BuiltIn {
    /// In the order in which they are tried.
    pub(crate) tried: Vec<Shape>,
    /// Of which all texts count, tried last.
    pub(crate) form: Shape,
    /// What other shapes do not say.
    pub(crate) any: Shape,
    /// Where messages are.
    pub(crate) wrapper: Shape,
    /// Names of keys that are not the text of a message.
    pub(crate) metadata: BTreeSet<Box<str>>,
    /// Names of keys that are its text.
    pub(crate) texts: BTreeSet<Box<str>>,
}

pub(crate) static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(BuiltIn::read);

impl BuiltIn {
    fn read() -> Self {
        let mut shapes: Vec<Shape> = Vec::new();
        let mut current = String::new();
        for line in include_str!("built_in.txt").lines().chain(["shape"]) {
            let is_next = !line.starts_with([' ', '#']);
            if is_next && !current.is_empty() {
                read_line(&current, &mut shapes);
                current.clear();
            }
            if !line.starts_with('#') {
                current.push_str(line.trim_end());
            }
        }
        let mut take = |name: &str| {
            let at = shapes.iter().position(|shape| shape.name == name);
            at.map_or_else(|| empty(name), |at| shapes.remove(at))
        };
        let (form, wrapper, metadata) = (take("form"), take("wrapper"), take("metadata"));
        let any = shapes.last().cloned().unwrap_or_else(|| empty("any"));
        let names = |shape: &Shape, parts: &[Part]| -> Vec<Box<str>> {
            let paths = parts.iter().flat_map(|part| shape.part(*part).to_vec());
            paths
                .filter_map(|path| path.first_name().map(Box::from))
                .collect()
        };
        let own = [Part::Text, Part::Html];
        let texts: BTreeSet<_> = [names(&any, &own), names(&form, &own)]
            .concat()
            .into_iter()
            .collect();
        let described = [
            Part::Raw,
            Part::Subject,
            Part::Sender,
            Part::SenderName,
            Part::Recipients,
            Part::Cc,
            Part::SentAt,
            Part::MessageId,
            Part::InReplyTo,
            Part::ReferenceIds,
            Part::Headers,
            Part::Attachments,
            Part::Ignored,
        ];
        let mut metadata: BTreeSet<_> = names(&metadata, &[Part::Ignored]).into_iter().collect();
        metadata.extend(names(&any, &described));
        Self {
            tried: shapes,
            form,
            any,
            wrapper,
            metadata,
            texts,
        }
    }
}

fn empty(name: &str) -> Shape {
    Shape {
        name: name.to_owned(),
        is_own: false,
        parts: std::array::from_fn(|_| Vec::new()),
    }
}

/// A line of the file: `shape NAME`, or `PART = PATHS` of the last one.
fn read_line(line: &str, shapes: &mut Vec<Shape>) {
    if let Some(name) = line.strip_prefix("shape ") {
        shapes.push(empty(name));
    } else if let (Some((part, text)), Some(shape)) = (line.split_once('='), shapes.last_mut())
        && let Some(at) = NAMES.iter().position(|name| *name == part.trim())
        && let Ok(paths) = paths(text)
    {
        shape.parts[at] = paths;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_built_in_shapes_is_read() {
        let mut shapes = Vec::new();
        let mut lines = 0;
        for line in include_str!("built_in.txt").lines() {
            if let Some((part, _)) = line.split_once('=') {
                assert!(NAMES.contains(&part.trim()), "{line}");
                lines += 1;
            } else if let Some(name) = line.strip_prefix("shape ") {
                shapes.push(name);
            }
        }
        let built_in = &*BUILT_IN;
        let special = [&built_in.form, &built_in.wrapper];
        let read = built_in.tried.iter().chain(special);
        // Those of "metadata" are a set of names.
        let parts: usize = read
            .map(|s| s.parts.iter().filter(|p| !p.is_empty()).count())
            .sum();
        assert_eq!(parts + 1, lines);
        assert_eq!(built_in.tried.len() + 3, shapes.len());
        assert!(built_in.metadata.contains("spfcheck") && built_in.texts.contains("bodyplain"));
    }

    #[test]
    fn a_wrong_shape_says_what_is_wrong() {
        let shape = |text: &str| {
            let mut columns = vec![String::new(); PARTS];
            columns[Part::Text as usize] = text.to_owned();
            Shape::new("shop", &columns)
        };
        assert!(shape("order.note").is_ok());
        let error = shape("order..note").err().unwrap_or_default();
        assert!(
            error.starts_with("text 'order..note': a key is missing"),
            "{error}"
        );
        let error = Shape::new("shop", &[]).err().unwrap_or_default();
        assert!(error.contains("finds no text"), "{error}");
    }
}
