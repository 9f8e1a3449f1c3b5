//! What can be the text of a message, and whether it is HTML.

use std::borrow::Cow;

use crate::json::Json;
use crate::poll::Poll;

/// What programs write where they have nothing to say.
const NOTHING: [&str; 5] = ["false", "true", "null", "undefined", "[object Object]"];

/// Characters of a text that an error shows.
pub(crate) const SHOWN_CHARS: usize = 60;

/// Tags of HTML that mails and the editors of forms write.
const TAGS: [&[u8]; 31] = [
    b"a",
    b"b",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"div",
    b"em",
    b"font",
    b"h1",
    b"h2",
    b"h3",
    b"head",
    b"hr",
    b"html",
    b"i",
    b"img",
    b"li",
    b"meta",
    b"ol",
    b"p",
    b"pre",
    b"span",
    b"strong",
    b"style",
    b"table",
    b"td",
    b"tr",
    b"u",
    b"ul",
];

/// A text in an error: its beginning, in one line.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN_CHARS)
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}

/// The text that a value holds: a text, or a list of texts; `None` if it is empty, or something else
/// that happens to be there, such as JSON or "false".
pub(crate) fn text_of<'j>(value: &'j Json, poll: Poll) -> Option<Cow<'j, str>> {
    match value {
        Json::Text(text) if is_text(text, poll) => Some(Cow::Borrowed(text)),
        Json::List(elements) => {
            let texts = elements.iter().map(Json::text);
            let texts: Vec<&str> = texts.collect::<Option<_>>()?;
            let said: Vec<&str> = texts.into_iter().filter(|t| is_text(t, poll)).collect();
            (!said.is_empty()).then(|| Cow::Owned(said.join("\n\n")))
        }
        _ => None,
    }
}

fn is_text(text: &str, poll: Poll) -> bool {
    let trimmed = text.trim();
    !trimmed.is_empty()
        && !NOTHING
            .iter()
            .any(|word| trimmed.eq_ignore_ascii_case(word))
        && Json::within(trimmed, poll).is_none()
}

/// Whether a text is written as HTML: it begins with a tag, or has about as many as lines. A
/// text that only speaks of a tag is none.
pub(crate) fn is_html(text: &str, poll: Poll) -> bool {
    let bytes = text.trim_start().as_bytes();
    let (mut tags, mut ends) = (0_usize, 0_usize);
    for (n, at) in memchr::memchr_iter(b'<', bytes).enumerate() {
        if n.is_multiple_of(1 << 12) {
            poll();
        }
        let rest = &bytes[at + 1..];
        if at == 0 && rest.len() > 8 && rest[..8].eq_ignore_ascii_case(b"!doctype") {
            return true;
        }
        let is_end = rest.first() == Some(&b'/');
        let name = &rest[usize::from(is_end)..];
        let length = name
            .iter()
            .take(11)
            .take_while(|b| b.is_ascii_alphanumeric())
            .count();
        let (name, after) = (&name[..length], name.get(length));
        let is_tag = TAGS.iter().any(|tag| name.eq_ignore_ascii_case(tag))
            && matches!(after, Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'));
        if is_tag && at == 0 {
            return memchr::memchr(b'>', rest).is_some();
        }
        tags += usize::from(is_tag);
        let is_break = name.eq_ignore_ascii_case(b"br");
        ends += usize::from(is_tag && (is_end || is_break));
    }
    let lines = 1 + memchr::memchr_iter(b'\n', bytes).count();
    ends > 0 && 2 * tags >= lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_make_html_and_talk_of_tags_does_not() {
        let html = [
            "<p>We were <b>charged</b> twice.</p>",
            " \n<!DOCTYPE html>\n\nx",
            "Hello<br>we were charged<BR/>twice",
            "We were <b>charged</b> twice",
            "<div class=\"a\">\n\n\n\nx",
        ];
        for text in html {
            assert!(is_html(text, &|| ()), "{text}");
        }
        let plain = [
            "",
            "a < b and c > d",
            "<ann@example.org> wrote",
            "<3 you",
            "Dear all,\n\nthe page lacks a </div> here.\n\nBest regards\nAnn\n",
            "<p",
        ];
        for text in plain {
            assert!(!is_html(text, &|| ()), "{text}");
        }
    }

    #[test]
    fn only_texts_are_texts() {
        for json in [
            "false",
            "\"false\"",
            "\"\"",
            "\" \"",
            "{\"a\": \"b\"}",
            "\"{\\\"a\\\": 1}\"",
            "\" [1] \"",
            "[1]",
            "17",
            "null",
            "\"[object Object]\"",
            "[{\"a\": 1}]",
            "[\"\"]",
        ] {
            let value = Json::parse(json, &|| ()).unwrap_or(Json::Null);
            assert_eq!(text_of(&value, &|| ()), None, "{json}");
        }
        for (json, wanted) in [
            ("\"[1] is the invoice\"", "[1] is the invoice"),
            ("\"{name}, hello\"", "{name}, hello"),
            ("[\"one\", \"two\"]", "one\n\ntwo"),
            ("\"17\"", "17"),
        ] {
            let value = Json::parse(json, &|| ()).unwrap_or(Json::Null);
            assert_eq!(text_of(&value, &|| ()).as_deref(), Some(wanted));
        }
    }
}
