//! Web addresses in a text.

use std::ops::Range;

/// Longest host name (RFC 1035).
pub(super) const MAX_HOST_BYTES: usize = 255;

/// Longest part of a web address that is read.
const MAX_URL_BYTES: usize = 2048;

/// Domains of a host that count, from the shortest.
pub(super) const MAX_DOMAINS: usize = 4;

/// A web address, as byte positions.
pub(super) struct Web {
    /// May be empty, or longer than a host can be.
    pub host: Range<usize>,
    pub end: usize,
}

/// The web address that begins with the word `from..to`: `scheme://` or `www.`.
pub(super) fn web(text: &str, from: usize, to: usize) -> Option<Web> {
    let bytes = text.as_bytes();
    let start = match bytes.get(to)? {
        b':' if bytes[to..].starts_with(b"://") => to + 3,
        b'.' if bytes[from..to].eq_ignore_ascii_case(b"www") => from,
        _ => return None,
    };
    let until = |range: Range<usize>, ends: &dyn Fn(u8) -> bool| {
        let length = bytes[range.clone()].iter().position(|&b| ends(b));
        length.map_or(range.end, |n| range.start + n)
    };
    let limit = text.floor_char_boundary(start + MAX_URL_BYTES);
    let mut end = until(start..limit, &|b| b <= b' ' || b"<>\"\\^`{|}".contains(&b));
    // Behind an address stands what ends the sentence.
    while end > start && b".,;:!?')]*".contains(&bytes[end - 1]) {
        end -= 1;
    }
    let authority = until(start..end, &|b| b"/?#".contains(&b));
    let user = bytes[start..authority].iter().rposition(|&b| b == b'@');
    let host = user.map_or(start, |n| start + n + 1);
    Some(Web {
        host: host..until(host..authority, &|b| b == b':'),
        end,
    })
}
