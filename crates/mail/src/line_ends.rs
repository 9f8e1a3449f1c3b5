//! What ends a line in a message, and a message with one kind of line ends.

use std::borrow::Cow;

use memchr::memchr;

use crate::lines::{Lines, POLL_BYTES, without_carriage};
use crate::poll::Poll;
use crate::section::{is_envelope, is_field};

/// A message as its lines are read: without a UTF-8 byte order mark before it, and with LF
/// where CR alone ends lines.
pub(crate) fn as_read<'a>(raw: &'a [u8], poll: Poll) -> Cow<'a, [u8]> {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    if has_cr_only(raw, poll) {
        cr_to_lf(raw, poll).into()
    } else {
        raw.into()
    }
}

/// Whether CR alone ends the lines, as on old Macintoshes: there is no LF but at the very end,
/// where mail servers add one, or none before the empty line that ends the header section, all
/// lines of which are fields and their folds then.
fn has_cr_only(raw: &[u8], poll: Poll) -> bool {
    let (text, others) = raw.split_at(memchr(b'\n', raw).unwrap_or(raw.len()));
    let text = without_carriage(text, poll);
    if memchr(b'\r', text).is_none() {
        return false;
    }
    let only_breaks = others.chunks(POLL_BYTES).all(|piece| {
        poll();
        piece.iter().all(|b| matches!(b, b'\r' | b'\n'))
    });
    if only_breaks {
        return true;
    }
    let first = text.iter().position(|&b| b != b'\r').unwrap_or(0);
    let mut polled = 0;
    let mut at = 0;
    for (i, line) in text[first..].split(|&b| b == b'\r').enumerate() {
        at += line.len();
        if at - polled >= POLL_BYTES {
            polled = at;
            poll();
        }
        if line.is_empty() {
            return i > 0;
        }
        let folded = i > 0 && matches!(line[0], b' ' | b'\t');
        if !(folded || is_field(line) || i == 0 && is_envelope(line)) {
            return false;
        }
    }
    false
}

/// LF for every CR; for both together, one.
fn cr_to_lf(raw: &[u8], poll: Poll) -> Vec<u8> {
    let mut converted = Vec::with_capacity(raw.len());
    for line in Lines::new(raw, 0).polled(poll) {
        for piece in line.text(raw).chunks(POLL_BYTES) {
            poll();
            converted.extend(piece.iter().map(|&b| if b == b'\r' { b'\n' } else { b }));
        }
        // At the end of the message there may be no LF.
        let breaks = raw.len() - line.end;
        converted.extend((breaks > 0).then_some(b'\n'));
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> String {
        String::from_utf8_lossy(&as_read(raw.as_bytes(), &|| ())).into_owned()
    }

    #[test]
    fn cr_alone_ends_lines() {
        let lf = "From: a\nSubject: b\n c\n\none\ntwo";
        let cr = lf.replace('\n', "\r");
        assert_eq!(read(&cr), lf);
        for end in ["\n", "\r\n", "\n\n", "\r\n\r\n"] {
            assert_eq!(read(&format!("{cr}{end}")).trim_end(), lf, "{end:?}");
        }
        assert_eq!(read("no header\rtext\r\n"), "no header\ntext\n");
        assert_eq!(
            read(&format!("{cr} \nthree\r\nfour\rfive")),
            format!("{lf} \nthree\nfour\nfive")
        );
        assert_eq!(
            read("From a today\rTo: b\r\rc\nd"),
            "From a today\nTo: b\n\nc\nd"
        );
    }

    #[test]
    fn stray_cr_ends_no_lines() {
        for raw in [
            "From: a\nSubject: b\rTo: c\n\none\rtwo\n",
            "From: a\r\nSubject: b\rTo: c\r\n\r\none\rtwo\r\n",
            "Subject: a\rTo: b\nFrom: c\n\nd",
            "Subject: a\rb\r\rc\nFrom: d\n\ne",
            "From: a\r\r\nSubject: b\r\r\n\r\r\nc\r\r\n",
            "no header\r\rtext\nmore",
            "\n\r\rTo: a\n\nb",
            "\r\n",
            "",
        ] {
            assert_eq!(read(raw), raw);
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(read("\u{feff}To: a\n\n\u{feff}b"), "To: a\n\n\u{feff}b");
    }
}
