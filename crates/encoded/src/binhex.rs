//! BinHex 4.0 (RFC 1741): the name stands in the data.

use crate::line::Within;
use crate::run::{Found, Step, run};

pub(crate) const BEGIN: &[u8] = b"(This file must be converted with BinHex";
const LETTERS: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
/// Longest line.
const MAX_LETTERS: usize = 80;
/// Bytes behind the name in the header: version, type, creator, flags.
const BEHIND_NAME: usize = 1 + 4 + 4 + 2;
/// How much of the data is decoded for the header: the longest name, and what goes with it.
const HEADER_BYTES: usize = 1 + 63 + BEHIND_NAME + 4 + 4;
/// Says that the byte before is repeated.
const REPEAT: u8 = 0x90;

/// A file that begins with the line that says so.
pub(crate) fn begun(line: &[u8], after: Within) -> Option<Found> {
    line.strip_prefix(BEGIN)?;
    let mut decoder = Decoder::default();
    let (mut begun, mut ended) = (false, false);
    let mut found = run(after, None, |line| {
        if line.is_empty() {
            return Step::Perhaps(0);
        }
        let data = match line.strip_prefix(b":") {
            Some(data) if !begun => data,
            _ if begun && !ended => line,
            _ => return Step::Stop,
        };
        begun = true;
        let data = data
            .strip_suffix(b":")
            .inspect(|_| ended = true)
            .unwrap_or(data);
        if data.is_empty() && ended {
            return Step::End;
        }
        if data.len() > MAX_LETTERS {
            return Step::Stop;
        }
        match decoder.read(data) {
            Some(bytes) => Step::Data(bytes),
            None => Step::Stop,
        }
    })?;
    if let Some((name, size)) = decoder.header() {
        found.name = Some(name);
        // Less where bytes are repeated or the end is missing.
        found.bytes = size.min(found.bytes);
    }
    Some(found)
}

#[derive(Default)]
struct Decoder {
    letters: u64,
    group: u32,
    /// The first bytes.
    start: Vec<u8>,
    repeats: bool,
}

impl Decoder {
    /// Bytes that end in these letters; `None` if there are others.
    fn read(&mut self, letters: &[u8]) -> Option<u64> {
        let before = self.letters * 3 / 4;
        for letter in letters {
            let value = LETTERS.iter().position(|l| l == letter)?;
            self.group = self.group << 6 | value as u32;
            self.letters += 1;
            if self.letters.is_multiple_of(4) {
                for byte in &self.group.to_be_bytes()[1..] {
                    self.byte(*byte);
                }
            }
        }
        Some(self.letters * 3 / 4 - before)
    }

    fn byte(&mut self, byte: u8) {
        let room = HEADER_BYTES - self.start.len();
        if std::mem::take(&mut self.repeats) {
            let again = self.start.last().copied();
            match (byte, again) {
                (0, _) if room > 0 => self.start.push(REPEAT),
                (_, Some(b)) => {
                    let times = usize::from(byte).saturating_sub(1).min(room);
                    self.start.extend(std::iter::repeat_n(b, times));
                }
                _ => {}
            }
        } else if byte == REPEAT {
            self.repeats = true;
        } else if room > 0 {
            self.start.push(byte);
        }
    }

    /// Name, and size of both forks.
    fn header(&self) -> Option<(String, u64)> {
        let (&length, rest) = self.start.split_first()?;
        let length = usize::from(length);
        let name = rest.get(..length).filter(|name| !name.is_empty())?;
        let sizes = rest.get(length + BEHIND_NAME..length + BEHIND_NAME + 8)?;
        let size = |four: &[u8]| four.iter().fold(0_u64, |n, &b| n << 8 | u64::from(b));
        let name = String::from_utf8_lossy(name).into_owned();
        Some((name, size(&sizes[..4]) + size(&sizes[4..])))
    }
}
