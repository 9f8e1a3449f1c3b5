//! Lines, and how they are quoted.

use memchr::memchr;

use crate::poll::Poll;

/// Bytes between two polls.
const POLL_BYTES: usize = 1 << 16;
/// Lines in a row that may be blank or not look encoded, if there are encoded ones behind them.
pub(crate) const MAX_BLANK: usize = 3;
/// Blanks in a line of words, and one of so many characters that is a sign in less.
const MIN_BLANKS: usize = 3;
const SIGNS: usize = 8;
/// Initials before a quotation mark, as in `JD> `.
const MAX_INITIALS: usize = 4;

/// A line.
pub(crate) struct Line<'a> {
    pub start: usize,
    /// Where the next one begins.
    pub next: usize,
    /// Without the line break, and blanks before it.
    pub text: &'a [u8],
}

/// The lines of a text from some place on.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    at: usize,
    poll: Poll<'a>,
    polled: usize,
}

impl<'a> Lines<'a> {
    /// All lines.
    pub(crate) fn new(text: &'a str, poll: Poll<'a>) -> Self {
        Self {
            text,
            at: 0,
            poll,
            polled: 0,
        }
    }

    /// Goes on with the line that begins here.
    pub(crate) fn go_to(&mut self, at: usize) {
        self.at = at;
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let start = self.at;
        let rest = self
            .text
            .as_bytes()
            .get(start..)
            .filter(|r| !r.is_empty())?;
        let length = memchr(b'\n', rest);
        self.at = start + length.map_or(rest.len(), |n| n + 1);
        if self.at - self.polled.min(self.at) >= POLL_BYTES {
            self.polled = self.at;
            (self.poll)();
        }
        Some(Line {
            start,
            next: self.at,
            text: rest[..length.unwrap_or(rest.len())].trim_ascii_end(),
        })
    }
}

/// What stands behind the marks of a quotation at the beginning of a line: `> `, `JD>> `, `| `.
pub(crate) fn quotation(line: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = &line[end..];
        let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let initials = rest[blanks..]
            .iter()
            .take(MAX_INITIALS)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        match rest.get(blanks + initials) {
            Some(b'>') => end += blanks + initials + 1,
            Some(b'|') if initials == 0 => end += blanks + 1,
            // A blank belongs to the mark, more are text.
            _ => return end + usize::from(end > 0 && rest.first() == Some(&b' ')),
        }
    }
}

/// Whether a line is words, mostly letters and several blanks, which no encoding has in a row:
/// mail programs show it, whatever frames it.
pub(crate) fn is_words(line: &str) -> bool {
    let (mut all, mut letters, mut blanks, mut signs) = (0, 0, 0, 0);
    for c in line.chars() {
        all += 1;
        letters += usize::from(c.is_alphabetic());
        blanks += usize::from(c.is_whitespace());
        signs += usize::from(!c.is_alphanumeric() && !c.is_whitespace());
    }
    blanks >= MIN_BLANKS && 2 * letters > all && SIGNS * signs < all
}

/// Lines that all begin as the first one does, without that.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    lines: Lines<'a>,
    prefix: &'a [u8],
}

/// A line within.
pub(crate) struct Content<'a> {
    pub text: &'a [u8],
    /// Where the next line begins.
    pub end: usize,
}

impl<'a> Within<'a> {
    /// The lines that follow one that begins with `prefix`.
    pub(crate) fn new(lines: Lines<'a>, prefix: &'a [u8]) -> Self {
        Self { lines, prefix }
    }

    /// The next line that is not blank.
    pub(crate) fn text(&mut self) -> Option<Content<'a>> {
        self.take(MAX_BLANK + 1)
            .find(|content| !content.text.is_empty())
    }
}

impl<'a> Iterator for Within<'a> {
    type Item = Content<'a>;

    fn next(&mut self) -> Option<Content<'a>> {
        let line = self.lines.next()?;
        let text = match line.text.strip_prefix(self.prefix) {
            Some(text) => text,
            // Blanks at the end of a line are gone.
            None if line.text == self.prefix.trim_ascii_end() => b"",
            None => return None,
        };
        Some(Content {
            text,
            end: line.next,
        })
    }
}
