//! Lists of addresses (RFC 5322 sections 3.4 and 4.4), and what stands for them in mail:
//! missing commas, addresses as names, commas in encoded words. mail-parser's reader makes
//! one address of two and adds comments to names, so it is not used.

mod scan;

use std::borrow::Cow;

use crate::words::{Words, decode};
use scan::{Marks, angle, tidy, word};

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
    /// A comma is missing before it.
    glued: bool,
    /// Words that are addresses.
    bare: usize,
    /// A separator stands behind one of the words.
    separated: bool,
}

struct Word {
    text: String,
    quoted: bool,
    /// What stands behind it.
    separator: Option<char>,
}

impl Word {
    fn bare(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            quoted: false,
            separator: None,
        }
    }

    fn quoted(text: String) -> Self {
        Self {
            text,
            quoted: true,
            separator: None,
        }
    }

    fn is_address(&self) -> bool {
        !self.quoted && self.text.contains('@') && !is_encoded(&self.text)
    }
}

/// The mailboxes in an unfolded value, those of groups among them.
pub(crate) fn mailboxes(value: &str) -> Vec<Mailbox> {
    let mut found = Vec::new();
    let mut open = Open::default();
    let mut encoded = Words::new(value);
    let mut marks = Marks::default();
    // Only a group ends with a semicolon.
    let groups_end = value.rfind(';').unwrap_or(0);
    let (mut in_group, mut has_groups) = (false, false);
    let mut last_comment = String::new();
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            ',' | ';' => {
                let separates = c == ',' || !in_group;
                in_group &= c == ',';
                open.separator(c, separates, &mut found);
                &rest[1..]
            }
            ':' if open.angle.is_none() && open.bare == 0 => {
                let at = value.len() - rest.len();
                if at < groups_end {
                    // The name of a group.
                    open.close_separated(&mut found);
                    open = Open::default();
                    (in_group, has_groups) = (true, true);
                    &rest[1..]
                } else {
                    let (text, behind) = word(&rest[1..], &mut encoded);
                    let goes_on = !text.contains('@');
                    let text = if goes_on { text } else { "" };
                    match open.words.last_mut() {
                        Some(word) => word.text += &format!(":{text}"),
                        None => open.words.push(Word::bare(format!(":{text}"))),
                    }
                    if goes_on { behind } else { &rest[1..] }
                }
            }
            '(' if let Some((text, behind)) = marks.comment(rest) => {
                last_comment.clone_from(&text);
                open.comment = text;
                behind
            }
            '<' => {
                let (address, name, behind) = angle(&rest[1..], &mut marks);
                open.angle(address, name, &mut found);
                behind
            }
            '"' if let Some((text, behind)) = marks.quoted(rest) => {
                if behind.starts_with('@') {
                    let (host, behind) = word(behind, &mut encoded);
                    open.word(Word::bare(format!("\"{text}\"{host}")), &mut found);
                    behind
                } else {
                    open.word(Word::quoted(text), &mut found);
                    behind
                }
            }
            c if c.is_whitespace() || matches!(c, '(' | ')' | '>' | ':' | '"') => {
                &rest[c.len_utf8()..]
            }
            _ => {
                let (text, behind) = word(rest, &mut encoded);
                open.word(Word::bare(text), &mut found);
                behind
            }
        };
    }
    open.close(&mut found);
    let comment = decode(&last_comment);
    if found.is_empty() && !has_groups && !comment.trim().is_empty() {
        // Better than nothing.
        found.push(Mailbox {
            name: comment.into_owned(),
            address: String::new(),
        });
    }
    found
}

impl Open {
    /// A comma or semicolon. Behind words that are no address it may belong to a name without
    /// quotation marks, `Lee, Ann <ann@example.org>`: what follows tells. One word in small
    /// letters is a user of the same host.
    fn separator(&mut self, c: char, may_be_of_name: bool, found: &mut Vec<Mailbox>) {
        let user = |text: &str| {
            let of_user =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            text.bytes().all(of_user)
        };
        match &mut *self.words {
            [word] if !word.quoted && user(&word.text) => self.close(found),
            [.., last] if may_be_of_name && self.angle.is_none() && self.bare == 0 => {
                last.separator = Some(c);
                self.separated = true;
            }
            _ => self.close(found),
        }
    }

    /// What stands before the last separator are names without an address.
    fn close_separated(&mut self, found: &mut Vec<Mailbox>) {
        self.separated = false;
        let last = self.words.iter().rposition(|word| word.separator.is_some());
        let mut words: Vec<_> = self.words.drain(..last.map_or(0, |at| at + 1)).collect();
        for names in words.split_inclusive_mut(|word| word.separator.is_some()) {
            found.push(Mailbox {
                name: joined(names),
                address: String::new(),
            });
        }
    }

    /// What stands in angle brackets after a name; a comma is missing after another address.
    fn angle(&mut self, address: String, name: String, found: &mut Vec<Mailbox>) {
        match self.angle.take() {
            // Not an address: `<Ann Lee> <ann@example.org>`.
            Some(before) if !before.contains('@') => self.words.push(Word::bare(before)),
            Some(before) => {
                self.angle = Some(before);
                self.close(found);
                self.glued = true;
            }
            None => {}
        }
        if !name.is_empty() {
            self.words.push(Word::bare(name));
        }
        self.angle = Some(address);
    }

    /// A comma is missing where a word follows an address.
    fn word(&mut self, word: Word, found: &mut Vec<Mailbox>) {
        if self.angle.is_some() {
            self.close(found);
            self.glued = true;
        }
        if word.is_address() {
            self.bare += 1;
            if self.separated {
                self.close_separated(found);
            }
        }
        self.words.push(word);
    }

    fn close(&mut self, found: &mut Vec<Mailbox>) {
        if self.separated && self.angle.is_none() {
            self.close_separated(found);
        }
        let Open {
            words,
            mut comment,
            angle,
            glued,
            bare: _,
            separated: _,
        } = std::mem::take(self);
        let mut words = match angle {
            Some(_) => words,
            None => joined_at(words),
        };
        let mut addresses: Vec<String> = Vec::new();
        let bare = words.iter().filter(|word| word.is_address()).count();
        match angle {
            // The other way round: `ann@example.org <Ann Lee>`.
            Some(angle) if !angle.is_empty() && !angle.contains('@') && bare == 1 => {
                let (bare, mut others): (_, Vec<_>) = words.into_iter().partition(Word::is_address);
                others.push(Word::bare(angle));
                words = others;
                addresses.extend(bare.into_iter().map(|word| word.text));
            }
            Some(angle) => addresses.push(angle),
            None if bare > 0 => {
                let (bare, others) = words.into_iter().partition(Word::is_address);
                words = behind_colon(others);
                addresses.extend(bare.into_iter().map(|word| word.text));
            }
            // What is left over behind an address, or a comment on none.
            None if glued || words.is_empty() && !comment.contains('@') => return,
            None if comment.contains('@') => addresses.push(std::mem::take(&mut comment)),
            // A user of the same host: `root (Charlie Root)`.
            None if words.len() == 1 && !comment.is_empty() && !words[0].quoted => {
                addresses.extend(words.pop().map(|word| word.text));
            }
            None => addresses.push(String::new()),
        }
        let mut name = joined(&mut words);
        if let ([address], Some(inner)) = (&*addresses, in_brackets(&name))
            && address.is_empty()
        {
            name = inner.to_owned();
        }
        if name.is_empty() {
            name = decode(&comment).into_owned();
        }
        for address in addresses {
            let mailbox = Mailbox {
                name: std::mem::take(&mut name),
                address: tidy(address),
            };
            if mailbox != Mailbox::default() {
                found.push(mailbox);
            }
        }
    }
}

/// The words as a name, with the separators between them.
fn joined(words: &mut [Word]) -> String {
    if let Some(last) = words.last_mut() {
        last.separator = None;
        if !last.quoted {
            let end = last.text.trim_end_matches(':').len();
            last.text.truncate(end);
        }
    }
    let mut name = String::new();
    for word in words {
        name.extend((!name.is_empty()).then_some(' '));
        name += &word.text;
        name.extend(word.separator);
    }
    match decode(&name) {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => name,
    }
}

/// The words behind the name of a group that does not end: `Us: ann@example.org`.
fn behind_colon(mut words: Vec<Word>) -> Vec<Word> {
    let colon = |word: &Word| !word.quoted && word.text.ends_with(':');
    let names = words.iter().rposition(colon).map_or(0, |at| at + 1);
    words.drain(..names);
    words
}

fn in_brackets(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>')
}

/// Words with those put together that white space around an `@` or `.` separates.
fn joined_at(words: Vec<Word>) -> Vec<Word> {
    let mut joined: Vec<Word> = Vec::with_capacity(words.len());
    let mut dot = false;
    for word in words {
        match joined
            .last_mut()
            .filter(|before| !(before.quoted || word.quoted))
        {
            Some(before)
                if before.text.contains('@') && (dot || word.text.starts_with('.'))
                    || before.text.ends_with('@') && !word.text.contains('@')
                    || word.text.starts_with('@') && !before.text.contains('@') =>
            {
                dot = word.text == ".";
                before.text += &word.text;
            }
            _ => {
                dot = false;
                joined.push(word);
            }
        }
    }
    joined
}

/// Whether the word is nothing but an encoded word, whatever is in it.
fn is_encoded(word: &str) -> bool {
    word.starts_with("=?") && word.ends_with("?=")
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
        assert_eq!(list("(Ann Lee)"), ["Ann Lee"]);
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
    fn groups_that_are_none() {
        for (value, expected) in [
            (
                "Shop: Order 12:30 <a@example.org>",
                "Shop: Order 12:30 <a@example.org>",
            ),
            ("Us: a@example.org", "a@example.org"),
            ("mailto:a@example.org", "a@example.org"),
            ("a@example.org:", "a@example.org"),
            ("unlisted-recipients:; (no To-header on input)", ""),
        ] {
            assert_eq!(list(value).join("|"), expected, "{value}");
        }
    }

    #[test]
    fn names_without_quotation_marks() {
        for (value, expected) in [
            ("Lee, Ann <a@example.org>", "Lee, Ann <a@example.org>"),
            (
                "Lee, Ann <a@example.org>, Coe, Cy <c@example.org>",
                "Lee, Ann <a@example.org>|Coe, Cy <c@example.org>",
            ),
            (
                "Shop, Inc.; Orders <a@example.org>",
                "Shop, Inc.; Orders <a@example.org>",
            ),
            (
                "=?utf-8?q?L=C3=A9e?=, Ann <a@example.org>",
                "Lée, Ann <a@example.org>",
            ),
            ("Shop , <a@example.org>", "Shop <a@example.org>"),
            ("root, Ann <a@example.org>", "root|Ann <a@example.org>"),
            ("Ann Lee, c@example.org", "Ann Lee|c@example.org"),
            (
                "c@example.org, Ann <a@example.org>",
                "c@example.org|Ann <a@example.org>",
            ),
        ] {
            assert_eq!(list(value).join("|"), expected, "{value}");
        }
    }

    #[test]
    fn other_signs_around_addresses() {
        for (value, expected) in [
            ("Ann <<a@example.org>>", "Ann <a@example.org>"),
            (
                "Ann <a@example.org<mailto:a@example.org>>",
                "Ann <a@example.org>",
            ),
            ("<Ann <a@example.org>>", "Ann <a@example.org>"),
            ("<Ann Lee> <a@example.org>", "Ann Lee <a@example.org>"),
            ("<Ann Lee a@example.org>", "Ann Lee <a@example.org>"),
            ("Ann [mailto:a@example.org]", "Ann <a@example.org>"),
            ("Ann {a@example.org}", "Ann <a@example.org>"),
            ("Ann (a@example.org)", "Ann <a@example.org>"),
            ("\"<a@example.org>\"", "a@example.org"),
            ("a @ example . org", "a@example.org"),
            ("<\"a b\"@example.org>", "\"a b\"@example.org"),
            ("a@example.org <Ann Lee>", "Ann Lee <a@example.org>"),
            (
                "a@example.org <b@example.org>",
                "a@example.org <b@example.org>",
            ),
            ("Ann <=?utf-8?q?a=40example=2Eorg?=>", "Ann <a@example.org>"),
            (
                "=?utf-8?q?Ann <a@x>?= <a@example.org>",
                "Ann <a@x> <a@example.org>",
            ),
            ("Ann <a@example.org> Lee", "Ann <a@example.org>"),
            ("root (Charlie Root)", "Charlie Root <root>"),
            ("a@example.org ((Ann))", "Ann <a@example.org>"),
        ] {
            assert_eq!(list(value).join("|"), expected, "{value}");
        }
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
        assert_eq!(
            list("Ann (Lee <a@example.org>"),
            ["Ann Lee <a@example.org>"]
        );
        assert_eq!(list("Ann\" <a@example.org>"), ["Ann <a@example.org>"]);
    }
}
