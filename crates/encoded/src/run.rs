//! Encoded lines in a row.

use crate::line::{Content, MAX_BLANK, Within};

/// What begins with a line.
pub(crate) struct Found {
    /// Where it ends.
    pub end: usize,
    /// As it is written.
    pub name: Option<String>,
    /// Decoded.
    pub bytes: u64,
}

/// What a line is.
pub(crate) enum Step {
    /// Encoded: so many bytes.
    Data(u64),
    /// The last line.
    End,
    /// Part of it, if more of it follows; so many bytes then.
    Perhaps(u64),
    /// No part of it.
    Stop,
}

/// Reads lines as far as they are encoded. `None` if none is.
pub(crate) fn run<'a>(
    lines: Within<'a>,
    name: Option<String>,
    mut step: impl FnMut(&'a [u8]) -> Step,
) -> Option<Found> {
    let mut found = None;
    let (mut bytes, mut open, mut passed) = (0, 0, 0);
    for Content { text, end } in lines {
        match step(text) {
            Step::Data(more) => {
                bytes += open + more;
                (open, passed) = (0, 0);
                found = Some(end);
            }
            Step::End => {
                bytes += open;
                found = found.map(|_| end).or((open > 0).then_some(end));
                break;
            }
            Step::Perhaps(more) => {
                open += more;
                passed += 1;
                if passed > MAX_BLANK {
                    break;
                }
            }
            Step::Stop => break,
        }
    }
    found.map(|end| Found { end, name, bytes })
}
