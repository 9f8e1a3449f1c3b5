//! The pieces of a list of addresses: words, comments, and what stands in quotation marks or
//! angle brackets. Each reader returns what it read and what follows.

use crate::words::{Words, decode};

/// Longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// The word that `text` begins with: up to white space or a special character, or an encoded
/// word with whatever is in it.
pub(super) fn word<'a>(text: &'a str, encoded: &mut Words<'a>) -> (&'a str, &'a str) {
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

/// What stands in angle brackets without comments: the address, and the name if that stands
/// there, too. White space around `@` and `.` is none.
pub(super) fn angle<'a>(mut text: &'a str, marks: &mut Marks) -> (String, String, &'a str) {
    if let Some((address, behind)) = text.split_once('>')
        && is_simple(address)
    {
        return (address.to_owned(), String::new(), behind);
    }
    let mut words: Vec<String> = vec![String::new()];
    let mut found = false;
    while let Some(c) = text.chars().next() {
        let word = words.last_mut().filter(|word| !word.is_empty());
        text = match c {
            '>' => {
                text = &text[1..];
                break;
            }
            // `<<address>>`, `<address<mailto:address>>` or `<name <address>>`.
            '<' => {
                if found {
                    text = text.split_once('>').map_or("", |(_, behind)| behind);
                    break;
                }
                words.push(String::new());
                &text[1..]
            }
            '(' if let Some((_, behind)) = marks.comment(text) => behind,
            '"' if let Some((quoted, behind)) = marks.quoted(text) => {
                let mark = if behind.starts_with('@') { "\"" } else { "" };
                let word = format!("{mark}{quoted}{mark}");
                words.push(word);
                behind
            }
            c if c.is_whitespace() => {
                if word.is_some() {
                    words.push(String::new());
                }
                &text[c.len_utf8()..]
            }
            c => {
                found |= c == '@';
                if let Some(last) = words.last_mut() {
                    last.push(c);
                }
                &text[c.len_utf8()..]
            }
        };
    }
    let mut address = String::new();
    let mut name = Vec::new();
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        let goes_on = address.ends_with(['@', '.', ':']) || word.starts_with(['@', '.']);
        if !goes_on && !address.is_empty() {
            if address.contains('@') {
                break;
            }
            name.push(std::mem::take(&mut address));
        }
        address += &word;
    }
    if !address.contains('@') && !name.is_empty() {
        name.push(std::mem::take(&mut address));
        address = name.join(" ");
        name.clear();
    }
    (address, name.join(" "), text)
}

/// What addresses consist of that have nothing around or between them, as nearly all have.
const SIMPLE: [bool; 256] = {
    let mut simple = [false; 256];
    let mut b = 0;
    while b < simple.len() {
        let sign = matches!(b as u8, b'@' | b'.' | b'-' | b'_' | b'+' | b'=');
        simple[b] = (b as u8).is_ascii_alphanumeric() || sign;
        b += 1;
    }
    simple
};

fn is_simple(address: &str) -> bool {
    address.contains('@') && address.bytes().all(|b| SIMPLE[usize::from(b)])
}

/// Quotation marks and parentheses. One that nothing closes means nothing, and neither does
/// one behind it: so the end is looked for once.
#[derive(Default)]
pub(super) struct Marks {
    open_quote: bool,
    open_comment: bool,
}

impl Marks {
    /// What stands in the quotation marks that `text` begins with, and what follows.
    pub(super) fn quoted<'a>(&mut self, text: &'a str) -> Option<(String, &'a str)> {
        let found = text.strip_prefix('"').filter(|_| !self.open_quote);
        let found = found.and_then(quoted);
        self.open_quote |= found.is_none();
        found
    }

    /// The comment that `text` begins with, and what follows. One that nothing closes goes on
    /// to the end, unless an address may be in it.
    pub(super) fn comment<'a>(&mut self, text: &'a str) -> Option<(String, &'a str)> {
        if self.open_comment {
            return None;
        }
        let found = comment(text);
        self.open_comment = found.is_none();
        found.or_else(|| (!text.contains('<')).then(|| (text[1..].to_owned(), "")))
    }
}

/// What stands before a closing quotation mark. `\` quotes the next character.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '"' => return Some((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    None
}

/// The comment that `text` begins with, if it is closed, without its parentheses. Comments
/// nest.
fn comment(text: &str) -> Option<(String, &str)> {
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
            ')' if depth == 1 => return Some((without_parentheses(out), &text[at + 1..])),
            ')' => {
                depth -= 1;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    None
}

/// `((Ann Lee))` says no more than `(Ann Lee)`.
fn without_parentheses(comment: String) -> String {
    match comment
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(inner) if !inner.contains(['(', ')']) => inner.to_owned(),
        _ => comment,
    }
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

/// An address without what stands around it in mail: encoded words, `mailto:`, other brackets.
pub(super) fn tidy(address: String) -> String {
    if is_simple(&address) {
        return address;
    }
    let decoded = decode(&address);
    let mut address = without_route(&decoded);
    for (left, right) in [
        ('[', ']'),
        ('{', '}'),
        ('\u{2039}', '\u{203a}'),
        ('\u{ff1c}', '\u{ff1e}'),
    ] {
        let inner = address
            .strip_prefix(left)
            .and_then(|rest| rest.strip_suffix(right));
        address = inner.filter(|inner| inner.contains('@')).unwrap_or(address);
    }
    const SCHEME: &str = "mailto:";
    match address.get(..SCHEME.len()) {
        Some(start) if start.eq_ignore_ascii_case(SCHEME) => address[SCHEME.len()..].to_owned(),
        _ => address.to_owned(),
    }
}
