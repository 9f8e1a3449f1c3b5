//! Lines of a message.

use memchr::memchr;

use crate::Poll;

/// Bytes between two polls.
pub(super) const POLL_BYTES: usize = 1 << 16;

/// One line, as positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub start: usize,
    /// Without the line break.
    pub end: usize,
    /// Where the next line begins.
    pub next: usize,
}

impl Line {
    pub(super) fn text<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[self.start..self.end]
    }
}

/// Lines that end with LF, and however many CR before it: CR CR LF is met, where something
/// converted line ends twice.
pub(super) struct Lines<'a> {
    raw: &'a [u8],
    at: usize,
    poll: Option<Poll<'a>>,
    polled: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(raw: &'a [u8], at: usize) -> Self {
        Self {
            raw,
            at,
            poll: None,
            polled: at,
        }
    }

    pub(super) fn polled(self, poll: Poll<'a>) -> Self {
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
        let text = &rest[..length];
        let carriage = text.iter().rev().take_while(|&&b| b == b'\r').count();
        Some(Line {
            start,
            end: start + length - carriage,
            next: self.at,
        })
    }
}
