//! Whether a text may have blocks. Most have none, and are not read line by line.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::poll::Poll;
use crate::{base64, binhex, uuencode};

/// What stands in the first line of a block that has one: of uuencode, Base64 and yEnc, of armour,
/// of BinHex.
static BEGINNINGS: LazyLock<[Finder; 3]> =
    LazyLock::new(|| [&b"begin"[..], b"BEGIN ", binhex::BEGIN].map(Finder::new));

/// Bytes that are looked at at once. Two such pieces of the text in a row are within a line of
/// a block without a first line, wherever that begins.
const PIECE: usize = 16;
const _: () = assert!(3 * PIECE <= base64::MIN_LETTERS + 1);
const _: () = assert!(3 * PIECE <= uuencode::FULL_LETTERS + 1);
/// Pieces between two polls.
const POLL_PIECES: usize = 1 << 12;

/// Whether there is what no block is without.
pub(crate) fn may_have_blocks(text: &str, poll: Poll) -> bool {
    let bytes = text.as_bytes();
    BEGINNINGS.iter().any(|begin| begin.find(bytes).is_some()) || {
        let (pieces, _) = bytes.as_chunks::<PIECE>();
        let mut before = false;
        pieces.iter().enumerate().any(|(i, piece)| {
            if i % POLL_PIECES == 0 {
                poll();
            }
            let encoded = may_be_encoded(piece);
            std::mem::replace(&mut before, encoded) && encoded
        })
    }
}

/// Whether a piece of a line may be Base64, or uuencode, which has no small letters.
fn may_be_encoded(piece: &[u8; PIECE]) -> bool {
    all(piece, base64::is_letter) || all(piece, uuencode::is_letter)
}

/// Whether all bytes are such. It goes on to the last one, so that they are looked at at once.
fn all(piece: &[u8; PIECE], is: impl Fn(u8) -> bool) -> bool {
    piece.iter().fold(true, |all, &b| all & is(b))
}
