//! Lists of addresses (RFC 5322 sections 3.4 and 4.4), and what stands for them in mail:
//! missing commas, addresses as names, commas in encoded words. mail-parser's reader makes
//! one address of two and adds comments to names, so it is not used.

use crate::words::{Words, decode};

/// Longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// One mailbox. One of both is not empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mailbox {
    /// Display name, or the comment that stands for it.
    pub name: String,
    pub address: String,
}

impl std::fmt::Display for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.name.as_str(), self.address.as_str()) {
            (name, "") => f.write_str(name),
            ("", address) => f.write_str(address),
            (name, address) => write!(f, "{name} <{address}>"),
        }
    }
}

/// What was read of a mailbox so far.
#[derive(Default)]
struct Open {
    words: Vec<Word>,
    comment: String,
    /// What stood in angle brackets.
    angle: Option<String>,
}

struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is_address(&self) -> bool {
        !self.quoted && self.text.contains('@')
    }
}

/// The mailboxes in an unfolded value, those of groups among them.
pub(crate) fn mailboxes(value: &str) -> Vec<Mailbox> {
    let mut found = Vec::new();
    let mut open = Open::default();
    let mut encoded = Words::new(value);
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            ',' | ';' => {
                open.close(&mut found);
                &rest[1..]
            }
            // The name of a group.
            ':' if open.angle.is_none() => {
                open = Open::default();
                &rest[1..]
            }
            '(' => {
                let (comment, behind) = comment(rest);
                open.comment = comment;
                behind
            }
            '<' => {
                if open.angle.is_some() {
                    open.close(&mut found);
                }
                let (angle, behind) = angle(&rest[1..]);
                open.angle = Some(without_route(&angle).to_owned());
                behind
            }
            '"' => {
                let (text, behind) = quoted(&rest[1..]);
                if behind.starts_with('@') {
                    let (host, behind) = word(behind, &mut encoded);
                    open.word(format!("\"{text}\"{host}"), false, &mut found);
                    behind
                } else {
                    open.word(text, true, &mut found);
                    behind
                }
            }
            c if c.is_whitespace() || matches!(c, ')' | '>' | ':') => &rest[c.len_utf8()..],
            _ => {
                let (text, behind) = word(rest, &mut encoded);
                open.word(text.to_owned(), false, &mut found);
                behind
            }
        };
    }
    open.close(&mut found);
    found
}

impl Open {
    /// A comma is missing where a word follows an address.
    fn word(&mut self, text: String, quoted: bool, found: &mut Vec<Mailbox>) {
        if self.angle.is_some() {
            self.close(found);
        }
        self.words.push(Word { text, quoted });
    }

    fn close(&mut self, found: &mut Vec<Mailbox>) {
        let Open {
            mut words,
            comment,
            angle,
        } = std::mem::take(self);
        let mut addresses: Vec<String> = Vec::new();
        match angle {
            Some(angle) => addresses.push(angle),
            None if words.iter().any(Word::is_address) => {
                let (bare, others) = words.into_iter().partition(Word::is_address);
                words = others;
                addresses.extend(bare.into_iter().map(|w| w.text));
            }
            None => addresses.push(String::new()),
        }
        let words: Vec<_> = words.iter().map(|w| w.text.as_str()).collect();
        let mut name = decode(&words.join(" ")).into_owned();
        if name.is_empty() {
            name = decode(&comment).into_owned();
        }
        for address in addresses {
            let mailbox = Mailbox {
                name: std::mem::take(&mut name),
                address,
            };
            if mailbox != Mailbox::default() {
                found.push(mailbox);
            }
        }
    }
}

/// The word that `text` begins with: up to white space or a special character, or an encoded
/// word with whatever is in it.
fn word<'a>(text: &'a str, encoded: &mut Words<'a>) -> (&'a str, &'a str) {
    let mut end = 0;
    while let Some(c) = text[end..].chars().next() {
        end += match c {
            '=' if let Some(word) = encoded.first(&text[end..]) => word.end,
            // The address of a host (RFC 5321 section 4.1.3) may have colons.
            '[' => {
                let literal = &text.as_bytes()[end..];
                let literal = &literal[..literal.len().min(MAX_HOST_BYTES)];
                memchr::memchr(b']', literal).map_or(1, |n| n + 1)
            }
            ',' | ';' | ':' | '<' | '>' | '(' | ')' | '"' => break,
            c if c.is_whitespace() => break,
            c => c.len_utf8(),
        };
    }
    text.split_at(end)
}

/// What stands in angle brackets, without comments and white space.
fn angle(mut text: &str) -> (String, &str) {
    let mut out = String::new();
    while let Some(c) = text.chars().next() {
        text = match c {
            '>' => return (out, &text[1..]),
            '(' => comment(text).1,
            _ => {
                out.extend((!c.is_whitespace()).then_some(c));
                &text[c.len_utf8()..]
            }
        };
    }
    (out, "")
}

/// What stands in quotation marks. `\` quotes the next character.
fn quoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '"' => return (out, &text[at + 1..]),
            c => out.push(c),
        }
    }
    (out, "")
}

/// The comment that `text` begins with, without its parentheses. Comments nest.
fn comment(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '(' if depth == 0 => depth = 1,
            '(' => {
                depth += 1;
                out.push(c);
            }
            ')' if depth == 1 => return (out, &text[at + 1..]),
            ')' => {
                depth -= 1;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    (out, "")
}

/// Hosts on the way (RFC 5322 section 4.4) are no part of an address.
fn without_route(angle: &str) -> &str {
    let angle = angle.trim();
    match angle
        .strip_prefix('@')
        .and_then(|route| route.split_once(':'))
    {
        Some((_, address)) => address.trim(),
        None => angle,
    }
}

#[cfg(test)]
mod tests {
    use super::mailboxes;

    fn list(value: &str) -> Vec<String> {
        mailboxes(value).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_and_addresses() {
        assert_eq!(
            list(
                "Ann Lee <ann@example.org>, bob@example.org, \"Coe, Cy \\\"C\\\"\" <cy@example.org>"
            ),
            [
                "Ann Lee <ann@example.org>",
                "bob@example.org",
                "Coe, Cy \"C\" <cy@example.org>"
            ]
        );
        assert_eq!(list("root"), ["root"]);
        assert_eq!(list(" , ;"), [""; 0]);
        assert_eq!(list("\"a b\"@example.org"), ["\"a b\"@example.org"]);
        assert_eq!(list("<@relay:ann@example.org>"), ["ann@example.org"]);
        assert_eq!(
            list("Ann <ann(at home) @ example.org>"),
            ["Ann <ann@example.org>"]
        );
        assert_eq!(list("Mailer <>"), ["Mailer"]);
    }

    #[test]
    fn a_comment_stands_for_a_name() {
        assert_eq!(
            list("ann@example.org (Ann (A.) Lee)"),
            ["Ann (A.) Lee <ann@example.org>"]
        );
        assert_eq!(
            list("Ann <ann@example.org> (at home)"),
            ["Ann <ann@example.org>"]
        );
    }

    #[test]
    fn members_of_groups() {
        assert_eq!(
            list("Us: ann@example.org, Bob <b@example.org>;, c@example.org").len(),
            3
        );
        assert_eq!(list("Undisclosed recipients:;"), [""; 0]);
    }

    #[test]
    fn missing_commas() {
        assert_eq!(
            list("a@example.org b@example.org"),
            ["a@example.org", "b@example.org"]
        );
        assert_eq!(
            list("Ann <a@example.org> Bob <b@example.org>"),
            ["Ann <a@example.org>", "Bob <b@example.org>"]
        );
    }

    #[test]
    fn encoded_words_with_anything_in_them() {
        assert_eq!(
            list("=?utf-8?q?Lee,_J=C3=B6rg_<x>?= <j@example.org>"),
            ["Lee, Jörg <x> <j@example.org>"]
        );
        assert_eq!(
            list("\"=?utf-8?q?J=C3=B6rg?=\" <j@example.org>"),
            ["Jörg <j@example.org>"]
        );
        assert_eq!(
            list("a@example.org (=?utf-8?q?J=C3=B6rg?=)"),
            ["Jörg <a@example.org>"]
        );
    }

    #[test]
    fn what_is_not_closed_ends_with_the_value() {
        assert_eq!(list("\"Ann <a@example.org>"), ["Ann <a@example.org>"]);
        assert_eq!(list("Ann <a@example.org"), ["Ann <a@example.org>"]);
        assert_eq!(list("a@example.org (Ann"), ["Ann <a@example.org>"]);
    }
}
