//! Encoded blocks in text: files that were put into a mail before there was MIME, and armour.
//! They are no text, and their letters, different in each mail, tell nothing about a label.
//!
//! [`blocks`] finds them in one pass, in linear time and without memory. A block begins with a
//! line that says so, or not even that in Base64; and it is one only if lines follow that are
//! encoded: a sentence about `begin 644` is a sentence. Its lines may all be quoted (`> `), and
//! its end may be missing.
//!
//! It is a crate of its own because both others need it: `pg_triage_mail` cuts blocks out of
//! bodies and lists the files, `pg_triage_classifier` passes over those in texts that never
//! were a raw mail.
//!
//! # Where to add
//!
//! - **An encoding**: a module of its own, in [`Blocks`] the letter that its first line begins
//!   with, and in `likely` what no text has without it.
#![forbid(unsafe_code)]

mod armour;
mod base64;
mod binhex;
mod likely;
mod line;
mod poll;
mod run;
mod uuencode;
mod yenc;

use std::ops::Range;

pub use poll::Poll;

use line::{Line, Lines, Within, quotation};
use run::Found;

/// Lines of a text that are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Where it stands, in bytes: whole lines.
    pub range: Range<usize>,
    /// The file's name as it is written there; nobody has looked at what it is made of.
    pub name: Option<String>,
    /// Size of the file, decoded: never more than 45 bytes for two characters of the block, which
    /// are a line of zeros of uuencode whose blanks are lost.
    pub bytes: u64,
}

/// The blocks of a text, in their order.
pub fn blocks<'a>(text: &'a str, poll: Poll<'a>) -> Blocks<'a> {
    let text = if likely::may_have_blocks(text, poll) {
        text
    } else {
        ""
    };
    Blocks {
        lines: Lines::new(text, poll),
        before: b"",
    }
}

/// The blocks of a text that are still to be found.
pub struct Blocks<'a> {
    lines: Lines<'a>,
    /// The line before, if it is text.
    before: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        loop {
            let line = self.lines.next()?;
            if let Some(found) = self.found(&line) {
                self.lines.go_to(found.end);
                self.before = b"";
                return Some(Block {
                    range: line.start..found.end,
                    name: found.name,
                    bytes: found.bytes,
                });
            }
            self.before = line.text;
        }
    }
}

impl Blocks<'_> {
    fn found(&self, line: &Line) -> Option<Found> {
        let quoted = quotation(line.text);
        let rest = &line.text[quoted..];
        let text = rest.trim_ascii_start();
        let prefix = quoted + rest.len() - text.len();
        let after = Within::new(self.lines, &line.text[..prefix]);
        let begun = match text.first()? {
            b'b' => uuencode::begun(text, after).or_else(|| base64::begun(text, after)),
            b'-' => armour::begun(text, after),
            b'=' => yenc::begun(text, after),
            b'(' => binhex::begun(text, after),
            _ => None,
        };
        if begun.is_some() || prefix > quoted {
            return begun;
        }
        let (first, end) = (text, line.next);
        match text.first()? {
            b'M' => uuencode::unbegun(first, end, after),
            _ => None,
        }
        .or_else(|| base64::unbegun(first, end, after, self.before))
    }
}
