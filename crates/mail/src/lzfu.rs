//! The compression of RTF in Outlook's messages ([MS-OXRTFCP]).

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// What the dictionary has before anything was read.
const DICTIONARY: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}\
    {\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArial\
    Times New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\
    \\b\\i\\u\\tab\\tx";
/// Bytes that can be referred to.
const WINDOW: usize = 4096;
/// Sizes, kind and checksum.
const HEADER_BYTES: usize = 16;

/// What is written as `bytes`, at most `limit` bytes of it, and whether there is more. `None` if
/// it is not of this kind. Damage ends it.
pub(crate) fn decompress(bytes: &[u8], limit: usize, poll: Poll) -> Option<(Vec<u8>, bool)> {
    let (header, bytes) = bytes.split_at_checked(HEADER_BYTES)?;
    match &header[8..12] {
        b"MELA" => {
            let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
            let size = bytes.len().min(size as usize);
            Some((bytes[..size.min(limit)].to_vec(), size > limit))
        }
        b"LZFu" => Some(inflate(bytes, limit, poll)),
        _ => None,
    }
}

fn inflate(bytes: &[u8], limit: usize, poll: Poll) -> (Vec<u8>, bool) {
    // The dictionary is what was written last: here it is before the output, and both are one.
    let mut out = DICTIONARY.to_vec();
    let limit = limit.saturating_add(DICTIONARY.len());
    let mut rest = bytes.iter().copied();
    let mut polled = 0;
    'runs: while let Some(kinds) = rest.next() {
        if out.len() - polled >= POLL_BYTES {
            polled = out.len();
            poll();
        }
        if out.len() > limit {
            break;
        }
        for bit in 0..8 {
            let Some(first) = rest.next() else {
                break 'runs;
            };
            if kinds >> bit & 1 == 0 {
                out.push(first);
                continue;
            }
            let Some(second) = rest.next() else {
                break 'runs;
            };
            let reference = usize::from(first) << 8 | usize::from(second);
            let (offset, length) = (reference >> 4, (reference & 15) + 2);
            // Positions count around the window.
            let back = (out.len() + WINDOW - offset) % WINDOW;
            if back == 0 {
                break 'runs;
            }
            for _ in 0..length {
                // What nothing was written to.
                let byte = out.len().checked_sub(back).map_or(0, |n| out[n]);
                out.push(byte);
            }
        }
    }
    let more = out.len() > limit;
    out.truncate(limit);
    out.drain(..DICTIONARY.len());
    (out, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two examples of [MS-OXRTFCP] section 4, and one of every byte.
    #[test]
    fn examples_of_the_specification() {
        let simple =
            b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 \
            hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let (rtf, more) = decompress(simple, 1000, &|| ()).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&rtf),
            "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
        );
        assert!(!more);
        let crossing =
            b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4\x4b\x51\x41\0\x04\x20WXYZ\x0d\x6e\x7d\x01\x0e\xb0";
        let (rtf, _) = decompress(crossing, 1000, &|| ()).unwrap();
        assert_eq!(rtf, b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        let stored = b"\x10\0\0\0\x03\0\0\0MELA\0\0\0\0abcd";
        assert_eq!(
            decompress(stored, 9, &|| ()),
            Some((b"abc".to_vec(), false))
        );
        assert_eq!(decompress(stored, 2, &|| ()), Some((b"ab".to_vec(), true)));
        assert_eq!(decompress(b"LZFu", 2, &|| ()), None);
    }

    #[test]
    fn a_bomb_is_cut() {
        let run = [b"\xff".as_slice(), &b"\x0c\xef".repeat(8)].concat();
        let bomb = [&[0; 8], b"LZFu\0\0\0\0".as_slice(), &run.repeat(10_000)].concat();
        let (rtf, more) = decompress(&bomb, 1000, &|| ()).unwrap();
        assert_eq!((rtf.len(), more), (1000, true));
    }
}
