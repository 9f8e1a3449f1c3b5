//! Lines of a message.

use memchr::memchr;

use crate::poll::Poll;

/// Bytes between two polls.
pub(crate) const POLL_BYTES: usize = 1 << 16;

/// The text without the CRs at its end.
pub(crate) fn without_carriage<'a>(text: &'a [u8], poll: Poll) -> &'a [u8] {
    let mut end = text.len();
    for piece in text.rchunks(POLL_BYTES) {
        if let Some(n) = piece.iter().rposition(|&b| b != b'\r') {
            end -= piece.len() - n - 1;
            break;
        }
        end -= piece.len();
        if piece.len() == POLL_BYTES {
            poll();
        }
    }
    &text[..end]
}

/// One line, as positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub start: usize,
    /// Without the line break.
    pub end: usize,
    /// Where the next line begins.
    pub next: usize,
}

impl Line {
    /// What the line says.
    pub(crate) fn text<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[self.start..self.end]
    }
}

/// Lines that end with LF, and however many CR before it: CR CR LF is met, where something
/// converted line ends twice.
pub(crate) struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
    poll: Option<Poll<'a>>,
    polled: usize,
}

impl<'a> Lines<'a> {
    /// The lines from `at` on.
    pub(crate) fn new(raw: &'a [u8], at: usize) -> Self {
        Self {
            raw,
            at,
            poll: None,
            polled: at,
        }
    }

    /// These lines, with a poll between them.
    pub(crate) fn polled(self, poll: Poll<'a>) -> Self {
        Self {
            poll: Some(poll),
            ..self
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let start = self.at;
        let rest = self.raw.get(start..).filter(|rest| !rest.is_empty())?;
        let (length, broken) = match memchr(b'\n', rest) {
            Some(n) => (n, 1),
            None => (rest.len(), 0),
        };
        self.at = start + length + broken;
        if let Some(poll) = self.poll
            && self.at - self.polled >= POLL_BYTES
        {
            self.polled = self.at;
            poll();
        }
        let text = without_carriage(&rest[..length], self.poll.unwrap_or(&|| ()));
        Some(Line {
            start,
            end: start + text.len(),
            next: self.at,
        })
    }
}
