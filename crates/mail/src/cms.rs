//! Cryptographic Message Syntax (RFC 5652), as S/MIME wraps a part of a message in it: what is
//! signed, or compressed (RFC 3274), is taken out. Nothing is verified or decrypted. Programs
//! write BER with indefinite lengths and strings in pieces, so that is read; certificates and
//! signatures, which stand behind the content, are not looked at.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Tags of ASN.1 (X.690 section 8.1.2).
mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OCTET_STRING_IN_PIECES: u8 = 0x24;
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const CONTEXT_0: u8 = 0xa0;
    pub const END_OF_CONTENTS: u8 = 0x00;
}

/// pkcs-7: 1.2.840.113549.1.7
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
/// id-ct-compressedData: 1.2.840.113549.1.9.16.1.9
const COMPRESSED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
/// id-alg-zlibCompress: 1.2.840.113549.1.9.16.3.8
const ZLIB: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08";

/// Strings within strings: a program that writes pieces writes one level.
const MAX_STRING_DEPTH: usize = 8;
/// How the content is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Signed,
    Compressed,
}

/// What the beginning says of a content that can be read.
pub(crate) fn kind(start: &[u8]) -> Option<Kind> {
    content_info(&mut Ber {
        bytes: start,
        at: 0,
    })
}

/// Leaves of `bytes` the content alone, what has come of it; at most `limit` bytes if that is
/// compressed. Returns whether there is more, or `None` if there is no content: a message that
/// is nothing but certificates has none.
pub(crate) fn unwrap(bytes: &mut Vec<u8>, limit: usize, poll: Poll) -> Option<bool> {
    let mut ber = Ber { bytes, at: 0 };
    let kind = content_info(&mut ber)?;
    ber.open(tag::SEQUENCE)?;
    ber.skip(tag::INTEGER, poll)?;
    match kind {
        Kind::Signed => ber.skip(tag::SET, poll)?,
        Kind::Compressed => {
            let mut algorithm = ber;
            ber.skip(tag::SEQUENCE, poll)?;
            algorithm.open(tag::SEQUENCE)?;
            if algorithm.identifier()? != ZLIB {
                return None;
            }
        }
    }
    ber.open(tag::SEQUENCE)?;
    if ber.identifier()? != DATA {
        return None;
    }
    ber.open(tag::CONTEXT_0)?;
    let at = ber.at;
    let length = string(bytes, at, poll)?;
    bytes.truncate(length);
    if kind == Kind::Signed {
        return Some(false);
    }
    let (plain, cut) = decompressed(bytes, limit, poll);
    *bytes = plain;
    Some(cut)
}

/// Enters ContentInfo (RFC 5652 section 3).
fn content_info(ber: &mut Ber) -> Option<Kind> {
    ber.open(tag::SEQUENCE)?;
    let kind = match ber.identifier()? {
        SIGNED_DATA => Kind::Signed,
        COMPRESSED_DATA => Kind::Compressed,
        _ => return None,
    };
    ber.open(tag::CONTEXT_0)?;
    Some(kind)
}

/// Moves the pieces of the string at `at` to the front of `bytes`, and returns how long they are.
fn string(bytes: &mut [u8], mut at: usize, poll: Poll) -> Option<usize> {
    // Where the strings end that have pieces and are open.
    let mut open = Vec::new();
    let (mut kept, mut polled) = (0, at);
    loop {
        if at - polled >= POLL_BYTES {
            polled = at;
            poll();
        }
        let mut ber = Ber { bytes, at };
        let Some(element) = ber.element() else {
            // Cut off.
            return (!open.is_empty()).then_some(kept);
        };
        let start = ber.at;
        let end = element.end(start, bytes.len());
        match element.tag {
            tag::OCTET_STRING if element.length.is_some() => {
                bytes.copy_within(start..end, kept);
                kept += end - start;
                at = end;
            }
            tag::OCTET_STRING_IN_PIECES if open.len() < MAX_STRING_DEPTH => {
                open.push(element.length.map_or(usize::MAX, |_| end));
                at = start;
            }
            tag::END_OF_CONTENTS if open.last() == Some(&usize::MAX) => {
                open.pop();
                at = start;
            }
            _ => return (!open.is_empty()).then_some(kept),
        }
        while open.last().is_some_and(|end| at >= *end) {
            open.pop();
        }
        if open.is_empty() {
            return Some(kept);
        }
    }
}

/// What zlib (RFC 1950) has written as `bytes`, at most `limit` bytes, and whether there is more.
fn decompressed(bytes: &[u8], limit: usize, poll: Poll) -> (Vec<u8>, bool) {
    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let mut plain = Vec::new();
    let mut rest = bytes;
    let mut piece = vec![0; POLL_BYTES];
    loop {
        poll();
        let step = inflate(&mut state, rest, &mut piece, MZFlush::None);
        let room = limit - plain.len();
        plain.extend_from_slice(&piece[..step.bytes_written.min(room)]);
        rest = &rest[step.bytes_consumed..];
        match step.status {
            _ if step.bytes_written > room => return (plain, true),
            Ok(MZStatus::Ok) if step.bytes_written > 0 => {}
            // The end, or damage.
            _ => return (plain, false),
        }
    }
}

/// What stands before the contents of an element.
struct Element {
    tag: u8,
    /// `None` if its end is marked.
    length: Option<usize>,
}

impl Element {
    /// Where it ends that begins at `start`, if it does not go beyond `most`.
    fn end(&self, start: usize, most: usize) -> usize {
        let length = self.length.unwrap_or(usize::MAX);
        start.saturating_add(length).min(most)
    }
}

/// Reads elements of BER in a row.
#[derive(Clone, Copy)]
struct Ber<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Ber<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The next tag and length (X.690 section 8.1). A length that no memory has is as long as
    /// can be.
    fn element(&mut self) -> Option<Element> {
        let tag = self.byte()?;
        let length = match self.byte()? {
            0x80 => None,
            short @ ..0x80 => Some(usize::from(short)),
            long => {
                let mut length = 0_usize;
                for _ in 0..long & 0x7f {
                    let byte = usize::from(self.byte()?);
                    length = match length.checked_mul(256) {
                        Some(length) => length | byte,
                        None => usize::MAX,
                    };
                }
                Some(length)
            }
        };
        Some(Element { tag, length })
    }

    /// Enters an element that has to have this tag.
    fn open(&mut self, tag: u8) -> Option<Element> {
        self.element().filter(|e| e.tag == tag)
    }

    /// An object identifier, as it is written.
    fn identifier(&mut self) -> Option<&'a [u8]> {
        let length = self.open(tag::OBJECT_IDENTIFIER)?.length?;
        let end = self.at.checked_add(length)?;
        let identifier = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(identifier)
    }

    /// Goes behind an element that has to have this tag.
    fn skip(&mut self, tag: u8, poll: Poll) -> Option<()> {
        let mut element = self.open(tag)?;
        // Elements that are open and whose end is marked.
        let mut open = 0_usize;
        let mut polled = self.at;
        loop {
            match element.length {
                None => open += 1,
                Some(0) if element.tag == tag::END_OF_CONTENTS => open = open.checked_sub(1)?,
                Some(_) => self.at = element.end(self.at, self.bytes.len()),
            }
            if open == 0 {
                return Some(());
            }
            if self.at - polled >= POLL_BYTES {
                polled = self.at;
                poll();
            }
            element = self.element()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(bytes: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
        let mut bytes = bytes.to_vec();
        let cut = unwrap(&mut bytes, limit, &|| ())?;
        Some((bytes, cut))
    }

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], &length[..], contents].concat()
    }

    fn marked(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, 0x80], contents, &[0, 0]].concat()
    }

    type Write = fn(u8, &[u8]) -> Vec<u8>;

    fn signed(write: Write, content: &[u8]) -> Vec<u8> {
        let data = [element(6, DATA), write(0xa0, content)].concat();
        let signed = [
            element(2, b"\x01"),
            write(0x31, &write(0x30, &element(6, DATA))),
            write(0x30, &data),
            write(0x31, b""),
        ];
        let signed = write(0xa0, &write(0x30, &signed.concat()));
        write(0x30, &[element(6, SIGNED_DATA), signed].concat())
    }

    #[test]
    fn signed_content_in_one_or_several_pieces() {
        let pieces = [element(4, b"one "), element(4, b""), element(4, b"two")].concat();
        for write in [element, marked] {
            for string in [
                element(4, b"one two"),
                element(0x24, &pieces),
                marked(0x24, &pieces),
                marked(0x24, &marked(0x24, &pieces)),
                element(0x24, &element(0x24, &pieces)),
            ] {
                let bytes = signed(write, &string);
                assert_eq!(kind(&bytes), Some(Kind::Signed));
                assert_eq!(
                    unwrapped(&bytes, 0),
                    Some((b"one two".to_vec(), false)),
                    "{bytes:x?}"
                );
            }
        }
    }

    #[test]
    fn of_what_is_damaged_the_beginning_is_read() {
        let bytes = signed(marked, &marked(0x24, &element(4, b"some words")));
        let cut = bytes.windows(5).position(|w| w == b"words").unwrap();
        assert_eq!(
            unwrapped(&bytes[..cut], 0),
            Some((b"some ".to_vec(), false))
        );
        let mixed = [element(4, b"some "), element(2, b"1"), element(4, b"more")].concat();
        let bytes = signed(element, &element(0x24, &mixed));
        assert_eq!(unwrapped(&bytes, 0), Some((b"some ".to_vec(), false)));
        assert_eq!(unwrapped(&signed(element, b""), 0), None);
        assert_eq!(unwrapped(&signed(element, &element(2, b"1")), 0), None);
        let mut deep = element(4, b"deep");
        for _ in 0..2 * MAX_STRING_DEPTH {
            deep = marked(0x24, &deep);
        }
        assert_eq!(
            unwrapped(&signed(marked, &deep), 0),
            Some((Vec::new(), false))
        );
        for end in 0..bytes.len() {
            unwrapped(&bytes[..end], 10);
        }
    }

    #[test]
    fn lengths_that_no_memory_has() {
        let mut bytes = signed(element, &element(4, b"text"));
        let at = bytes.windows(4).position(|w| w == b"text").unwrap();
        bytes[at - 4..at].fill(0xff);
        bytes.truncate(at + 4);
        assert_eq!(unwrapped(&bytes, 0), Some((b"text".to_vec(), false)));
        let huge = [&[0x30, 0xff][..], &[0xff; 200]].concat();
        assert_eq!(unwrapped(&huge, 0), None);
    }

    #[test]
    fn compressed_content_is_bounded() {
        let plain = b"one line of many\n".repeat(20_000);
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6);
        let write = |algorithm| {
            let data = [
                element(6, DATA),
                element(0xa0, &element(0x24, &element(4, &zlib))),
            ];
            let compressed = [
                element(2, b"\x00"),
                element(0x30, &element(6, algorithm)),
                element(0x30, &data.concat()),
            ];
            let compressed = element(0xa0, &element(0x30, &compressed.concat()));
            element(0x30, &[element(6, COMPRESSED_DATA), compressed].concat())
        };
        let bytes = write(ZLIB);
        assert_eq!(kind(&bytes), Some(Kind::Compressed));
        assert_eq!(unwrapped(&bytes, usize::MAX), Some((plain.clone(), false)));
        assert_eq!(unwrapped(&bytes, plain.len()), Some((plain.clone(), false)));
        for limit in [0, 1, POLL_BYTES, plain.len() - 1] {
            assert_eq!(
                unwrapped(&bytes, limit),
                Some((plain[..limit].to_vec(), true))
            );
        }
        assert_eq!(unwrapped(&write(DATA), usize::MAX), None);
    }
}
