//! A payload as the messages that it brings.

use crate::form;
use crate::json::{self, Json, JsonError};
use crate::message::{Found, compose, is_empty_mail, says_something, texts, texts_of};
use crate::path::Path;
use crate::poll::Poll;
use crate::refusal::{self, Refusal};
use crate::shape::{BUILT_IN, Part, Shape};

/// Payloads within payloads that a message is looked for in.
const WRAPPED: usize = 8;

/// Most messages of a list.
const MAX_MESSAGES: usize = 10_000;

/// What a payload brings.
#[derive(Debug)]
pub struct Payload {
    /// Messages in their order, each as one (RFC 5322), or why it is none.
    pub messages: Vec<Result<Vec<u8>, Refusal>>,
    /// The mailbox that it names.
    pub mailbox: Option<String>,
}

/// The most memory, in bytes, that reading a payload takes.
pub fn memory(payload: &str) -> usize {
    // The tree, texts in it that are JSON again, and messages made of it.
    json::memory(payload) + payload.len().saturating_mul(4)
}

/// Reads a payload, with the shapes of one's own before those that are known. It is an error if no
/// message is in it at all; of several, each may be refused for itself.
pub fn read(payload: &str, own: &[Shape], poll: Poll) -> Result<Payload, Refusal> {
    let mut root = Json::parse(payload, poll).map_err(|error| match error {
        JsonError::Malformed => Refusal::NoMessage("the payload is no JSON".to_owned()),
        JsonError::TooMany => Refusal::TooLarge(
            "the payload has more than 1000000 values: post the message as raw, or without what is not its own".to_owned(),
        ),
    })?;
    if !matches!(root, Json::Object(_) | Json::List(_)) {
        return Err(refusal::no_container(&root));
    }
    let reader = Reader { own, poll };
    reader.unfold(&mut root, WRAPPED);
    let mailbox = root.get("mailbox").and_then(Json::text).map(str::to_owned);
    let mut messages = reader.gather(&root, &[], WRAPPED).messages;
    if let [Err(_)] = &messages[..]
        && let Some(Err(refusal)) = messages.pop()
    {
        return Err(refusal);
    }
    match messages.is_empty() {
        true => Err(refusal::no_messages()),
        false => Ok(Payload { messages, mailbox }),
    }
}

struct Reader<'a> {
    own: &'a [Shape],
    poll: Poll<'a>,
}

/// What was found in a payload.
#[derive(Default)]
struct Gathered {
    messages: Vec<Result<Vec<u8>, Refusal>>,
    /// Whether one of them has a text.
    has_text: bool,
}

impl Reader<'_> {
    /// Makes JSON of texts that are JSON wherever messages are looked for, as they come in forms, and
    /// objects of keys such as `headers[subject]`.
    fn unfold(&self, payload: &mut Json, deeper: usize) {
        (self.poll)();
        if let Json::List(elements) = payload {
            // Of more none is read.
            for element in elements.iter_mut().take(MAX_MESSAGES) {
                if let Some(deeper) = deeper.checked_sub(1) {
                    self.unfold(element, deeper);
                }
            }
            return;
        }
        json::nest(payload);
        form::flatten(payload);
        let built_in = [&BUILT_IN.form, &BUILT_IN.wrapper]
            .into_iter()
            .chain(&BUILT_IN.tried);
        for shape in self.own.iter().chain(built_in) {
            shape.unfold(payload, self.poll);
        }
        for shape in self.own {
            for path in shape.part(Part::Messages) {
                path.change(payload, &mut |found| match found {
                    Json::List(elements) => {
                        for element in elements {
                            shape.unfold(element, self.poll);
                        }
                    }
                    one => shape.unfold(one, self.poll),
                });
            }
        }
        let Some(deeper) = deeper.checked_sub(1) else {
            return;
        };
        for name in wrappers() {
            if let Some(inner @ (Json::Object(_) | Json::List(_))) = payload.get_mut(name) {
                self.unfold(inner, deeper);
            }
        }
    }

    /// The messages of a payload: its own, else those that it is put around.
    fn gather(&self, payload: &Json, around: &[&Json], deeper: usize) -> Gathered {
        (self.poll)();
        match payload {
            // What is around several messages is of none of them.
            Json::List(elements) => self.all(elements.iter().collect(), None, deeper),
            Json::Object(_) => self.within(payload, around, deeper),
            other => Gathered::refused(refusal::no_container(other)),
        }
    }

    /// The messages of a list, with the shape of its elements if that is known.
    fn all(&self, elements: Vec<&Json>, shape: Option<&Shape>, deeper: usize) -> Gathered {
        if elements.len() > MAX_MESSAGES {
            return Gathered::refused(refusal::too_many(elements.len(), MAX_MESSAGES));
        }
        let mut all = Gathered::default();
        for element in elements {
            // A method of JMAP (RFC 8620) and what it answers; only one gives messages.
            if let Json::List(method) = element
                && let [Json::Text(method), answer, ..] = &method[..]
                && method.contains('/')
            {
                let list = answer.get("list").filter(|_| method == "Email/get");
                if let (Some(list), Some(deeper)) = (list, deeper.checked_sub(1)) {
                    let gathered = self.gather(list, &[], deeper);
                    all.has_text |= gathered.has_text;
                    all.messages.extend(gathered.messages);
                }
                continue;
            }
            let found = shape.map(|shape| texts_of(shape, element, self.poll));
            let gathered = match (found.filter(Found::has_text), deeper.checked_sub(1)) {
                (Some(found), _) => self.composed(found, element, &[]),
                (None, Some(deeper)) => self.gather(element, &[], deeper),
                (None, None) => Gathered::refused(refusal::no_text(element, self.poll)),
            };
            all.has_text |= gathered.has_text;
            match gathered.messages.is_empty() {
                true => all.messages.push(Err(refusal::no_messages())),
                false => all.messages.extend(gathered.messages),
            }
        }
        all
    }

    fn composed(&self, found: Found, payload: &Json, around: &[&Json]) -> Gathered {
        Gathered {
            has_text: found.has_text(),
            messages: vec![Ok(compose(found, payload, around, self.poll))],
        }
    }

    fn within(&self, payload: &Json, around: &[&Json], deeper: usize) -> Gathered {
        let mut elsewhere =
            refusal::notice(payload).map(|why| Gathered::refused(Refusal::Elsewhere(why)));
        // It has a text, which is for whoever set up the hook.
        if payload.get("subscribeurl").is_some()
            && let Some(elsewhere) = elsewhere.take()
        {
            return elsewhere;
        }
        for shape in self.own {
            let found = shape.part(Part::Messages).iter();
            let found = found.flat_map(|path| path.find(payload));
            let elements: Vec<&Json> = found
                .flat_map(|found| match found {
                    Json::List(elements) => elements.iter().collect(),
                    one => vec![one],
                })
                .collect();
            // Only then are the others looked into: each is, once.
            let mut texts = elements.iter();
            if texts.any(|element| texts_of(shape, element, self.poll).has_text()) {
                return self.all(elements, Some(shape), deeper);
            }
        }
        if let Some(found) = texts(payload, self.own, self.poll) {
            return self.composed(found, payload, around);
        }
        let mut refused: Option<Gathered> = None;
        let mut without_text: Option<Gathered> = None;
        if let Some(deeper) = deeper.checked_sub(1) {
            let around: Vec<&Json> = [payload]
                .into_iter()
                .chain(around.iter().copied())
                .collect();
            for name in wrappers() {
                let Some(inner) = payload.get(name) else {
                    continue;
                };
                let is_around = match inner {
                    Json::List(elements) => {
                        elements.is_empty()
                            || elements
                                .iter()
                                .any(|e| !matches!(e, Json::Text(_) | Json::Number(_)))
                    }
                    inner => matches!(inner, Json::Object(_)),
                };
                if !is_around {
                    continue;
                }
                let gathered = self.gather(inner, &around, deeper);
                if gathered.has_text {
                    return gathered;
                }
                let is_one = gathered.messages.iter().any(Result::is_ok);
                let kept = if is_one {
                    &mut without_text
                } else {
                    &mut refused
                };
                kept.get_or_insert(gathered);
            }
        }
        if let Some(elsewhere) = elsewhere {
            return elsewhere;
        }
        let is_said = refused.as_ref().is_some_and(Gathered::is_said);
        // Mail may be without text, but not if something else may be it.
        if !is_said
            && (is_empty_mail(payload, self.poll) || !refusal::is_unread(payload, self.poll))
        {
            if let Some(gathered) = without_text {
                return gathered;
            }
            if says_something(payload, self.poll) {
                let mut fitting = BUILT_IN.tried.iter().filter(|shape| shape.fits(payload));
                let shape = fitting.next().unwrap_or(&BUILT_IN.any);
                return self.composed(texts_of(shape, payload, self.poll), payload, around);
            }
            if let Some(none) = refused.take_if(|refused| refused.messages.is_empty()) {
                return none;
            }
        }
        match refused {
            Some(several) if several.messages.len() > 1 || is_said => several,
            _ => Gathered::refused(refusal::no_text(payload, self.poll)),
        }
    }
}

/// Names of keys that messages may be in.
fn wrappers() -> impl Iterator<Item = &'static str> {
    let paths = BUILT_IN.wrapper.part(Part::Messages);
    paths.iter().filter_map(Path::first_name)
}

impl Gathered {
    fn refused(refusal: Refusal) -> Self {
        Self {
            messages: vec![Err(refusal)],
            has_text: false,
        }
    }

    /// Whether it is said what to do, and more need not be.
    fn is_said(&self) -> bool {
        let said = &self.messages[..];
        matches!(said, [Err(Refusal::Elsewhere(_) | Refusal::TooLarge(_))])
    }
}
