//! Charsets with one byte for a character that encoding_rs does not have: DOS, Macintosh, EBCDIC.

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Pages and how they are spelled, as `scripts/code_pages` writes them.
const PAGES: &str = include_str!("pages.txt");

/// The characters of the bytes from 0x80 on, or of all bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page(&'static str);

/// Every page under each of its names, in small letters and digits alone.
pub(super) fn pages() -> impl Iterator<Item = (&'static str, Page)> {
    PAGES
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .flat_map(|(names, characters)| names.split(' ').map(move |name| (name, Page(characters))))
}

impl Page {
    /// Decodes `bytes` to about `limit` bytes of text.
    pub(super) fn decode(self, bytes: &[u8], limit: usize, poll: Poll) -> String {
        let mut table: [char; 256] = std::array::from_fn(|byte| char::from(byte as u8));
        let characters: Vec<char> = self.0.chars().map(control).collect();
        let start = table.len().saturating_sub(characters.len());
        for (entry, character) in table[start..].iter_mut().zip(characters) {
            *entry = character;
        }
        let mut text = String::new();
        for piece in bytes.chunks(POLL_BYTES) {
            poll();
            text.extend(piece.iter().map(|&byte| table[usize::from(byte)]));
            if text.len() > limit {
                break;
            }
        }
        text
    }
}

/// Control characters stand there as their pictures.
fn control(character: char) -> char {
    match character {
        '\u{2400}'..='\u{241f}' => char::from((u32::from(character) - 0x2400) as u8),
        '\u{2421}' => '\u{7f}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_128_or_256_characters_and_names_of_its_own() {
        let mut names: Vec<_> = pages().map(|(name, _)| name).collect();
        assert!(names.len() > 80);
        for (name, page) in pages() {
            assert!(matches!(page.0.chars().count(), 128 | 256), "{name}");
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn lines_of_ebcdic_end() {
        let page = pages().find(|(name, _)| *name == "cp037").map(|p| p.1);
        let text = page.unwrap().decode(b"\xc8\x89\x15\x25", 100, &|| ());
        assert_eq!(text, "Hi\n\n");
    }
}
