//! Web and mail addresses in a text.

use std::ops::Range;

use super::fold::UNICODE;

/// Longest host or mail address (RFC 1035, RFC 5321).
const MAX_NAME_BYTES: usize = 255;

/// Longest part of a mail address before the `@` (RFC 5321).
const MAX_LOCAL_BYTES: usize = 64;

/// Longest part of a web address that is read.
const MAX_URL_BYTES: usize = 2048;

/// Domains of a host that count, from the shortest.
pub(super) const MAX_DOMAINS: usize = 4;

/// A web address, as byte positions.
pub(super) struct Web {
    pub host: Range<usize>,
    pub end: usize,
}

/// The web address that begins with the word `from..to`: `scheme://` or `www.`.
pub(super) fn web(text: &str, from: usize, to: usize, line_end: usize) -> Option<Web> {
    let limit = |start: usize, most: usize| text.floor_char_boundary(line_end.min(start + most));
    let text = text.as_bytes();
    let rest = &text[to..line_end];
    let start = if rest.starts_with(b"://") {
        to + 3
    } else if text[from..to].eq_ignore_ascii_case(b"www") && rest.starts_with(b".") {
        from
    } else {
        return None;
    };
    let until = |range: Range<usize>, ends: &dyn Fn(u8) -> bool| {
        let length = text[range.clone()].iter().position(|&b| ends(b));
        length.map_or(range.end, |n| range.start + n)
    };
    let mut end = until(start..limit(start, MAX_URL_BYTES), &|b| {
        b <= b' ' || b"<>\"\\^`{|}".contains(&b)
    });
    // Behind an address stands what ends the sentence.
    while end > start && b".,;:!?')]*".contains(&text[end - 1]) {
        end -= 1;
    }
    let authority = until(start..end, &|b| b"/?#".contains(&b));
    let user = text[start..authority].iter().rposition(|&b| b == b'@');
    let host = user.map_or(start, |n| start + n + 1);
    let host = host..until(host..authority, &|b| b == b':');
    (1..=MAX_NAME_BYTES)
        .contains(&host.len())
        .then_some(Web { host, end })
}

/// The mail address around the `@` at `at`, not reaching back before `floor`.
pub(super) fn mail(text: &[u8], floor: usize, at: usize, line_end: usize) -> Option<Range<usize>> {
    let local = |b: u8| b.is_ascii_alphanumeric() || b"._%+-=".contains(&b);
    let host = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    let floor = floor.max(at.saturating_sub(MAX_LOCAL_BYTES));
    let mut from = at;
    while from > floor && local(text[from - 1]) {
        from -= 1;
    }
    let limit = line_end.min(at + 1 + MAX_NAME_BYTES);
    let mut to = at + 1;
    while to < limit && host(text[to]) {
        to += 1;
    }
    while b".-".contains(&text[to - 1]) {
        to -= 1;
    }
    (from < at && text[at + 1..to].contains(&b'.')).then_some(from..to)
}

/// The shape of the number that begins at `from`, and where it ends: `money 4`, `date`.
pub(super) fn number(text: &str, from: usize, line_end: usize) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let digit = |i: usize| i < line_end && bytes[i].is_ascii_digit();
    // Groups of digits and what stands between them; the first six decide.
    let mut groups = [0usize; 6];
    let mut marks = [0u8; 5];
    let mut n = 0;
    let mut at = from;
    loop {
        let start = at;
        while digit(at) {
            at += 1;
        }
        if n < groups.len() {
            groups[n] = at - start;
        }
        n += 1;
        if at < line_end
            && matches!(bytes[at], b'.' | b',' | b':' | b'/' | b'-' | b'\'')
            && digit(at + 1)
        {
            if n <= marks.len() {
                marks[n - 1] = bytes[at];
            }
            at += 1;
        } else {
            break;
        }
    }
    if at < line_end
        && (bytes[at].is_ascii_alphabetic()
            || bytes[at] >= 0x80 && UNICODE.role(next_char(text, at)?) != super::fold::Role::Ends)
    {
        return None;
    }
    let (g, m) = (&groups[..n.min(6)], &marks[..n.saturating_sub(1).min(5)]);
    let before = text[..from].trim_end_matches(' ').chars().next_back();
    let after = text[at..line_end].trim_start_matches(' ').chars().next();
    let currency = |c: Option<char>| c.is_some_and(|c| UNICODE.is_currency(c));
    let integer_digits = || {
        let mut sum = g[0];
        for (i, &mark) in m.iter().enumerate() {
            if matches!(mark, b'.' | b',' | b'\'') && g[i + 1] == 3 {
                sum += 3;
            } else {
                break;
            }
        }
        sum
    };
    let shape = if currency(before) || currency(after) {
        format!("money {}", integer_digits().min(12))
    } else if m.len() == 2
        && m[0] == m[1]
        && matches!(m[0], b'.' | b'/' | b'-')
        && g.iter().all(|&d| d <= 4)
        && g[1] <= 2
    {
        "date".to_owned()
    } else if (1..=2).contains(&m.len())
        && m.iter().all(|&m| m == b':')
        && g.iter().all(|&d| d <= 2)
    {
        "time".to_owned()
    } else if after == Some('%') {
        "percent".to_owned()
    } else if !m.is_empty() && m.iter().all(|m| matches!(m, b'-' | b'/' | b':')) {
        "digits".to_owned()
    } else {
        format!("number {}", integer_digits().min(12))
    };
    Some((shape, at))
}

fn next_char(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next()
}
