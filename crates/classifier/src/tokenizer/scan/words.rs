//! Runs of letters and digits: words, pairs, stems, and the letters of a short text.

use super::position::{Scan, Word};
use crate::tokenizer::casefold::{Role, UNICODE};
use crate::tokenizer::field::Field;
use crate::tokenizer::kinds::Kinds;
use crate::tokenizer::token::{Found, MAX_TEXT_BYTES, MAX_TOKEN_CHARS, MIN_TOKEN_CHARS};

/// No spelling of a word of 40 letters takes more: up to three marks belong to a letter.
const MAX_SPELLED_CHARS: usize = 4 * MAX_TOKEN_CHARS;

/// A text of one line with fewer words is short: its letters count as well. Longer texts
/// and mails do not get them: letters that only some messages of a corpus have tell how long
/// these are, and cost accuracy.
const SHORT_WORDS: usize = 30;

/// Neighbouring letters that form a token.
const LETTERS: usize = 3;

/// Letters of a stem; only longer words have one.
const STEM_CHARS: usize = 5;

impl Scan<'_> {
    /// Reads all words of a line, or of a part of it.
    pub(super) fn line(&mut self, mut at: usize, end: usize) {
        let bytes = self.text.as_bytes();
        while at < end {
            at = match bytes[at] {
                b if b.is_ascii_alphanumeric() => self.word_at(at, end),
                b if b.is_ascii() => at + 1,
                _ => self.run_at(at, end),
            };
        }
    }

    /// The run of letters and digits that begins with ASCII. Returns where it ends.
    fn word_at(&mut self, at: usize, end: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut to = at + 1;
        while to < end && bytes[to].is_ascii_alphanumeric() {
            to += 1;
        }
        if to < end && !bytes[to].is_ascii() {
            return self.run_at(at, end);
        }
        self.ascii_word(at, to);
        to
    }

    fn ascii_word(&mut self, from: usize, to: usize) {
        if from >= self.address_end && self.kinds.has(Kinds::URLS) && !self.zone.is_header() {
            self.web_address(from, to);
        }
        if !(MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&(to - from)) {
            return;
        }
        let start = self.words.len();
        self.words.push_str(&self.text[from..to]);
        self.words[start..].make_ascii_lowercase();
        self.word(from, to, start, false);
    }

    /// A run that is not all ASCII, in pieces: words, and the units of scripts without
    /// spaces. Returns where it ends.
    fn run_at(&mut self, at: usize, end: usize) -> usize {
        let unicode = &*UNICODE;
        let mut piece: Option<(usize, bool)> = None;
        let mut run_end = end;
        for (i, c) in self.text[at..end].char_indices() {
            let i = at + i;
            let unit = match unicode.role(c) {
                Role::Ends => {
                    // At least one character, so that the caller gets on.
                    run_end = if i == at { i + c.len_utf8() } else { i };
                    if let Some((from, unit)) = piece.take() {
                        self.piece(from, i, unit);
                    }
                    break;
                }
                Role::Joins => continue,
                Role::Letter => false,
                Role::Unit => true,
            };
            match piece {
                Some((_, false)) if !unit => {}
                Some((from, was_unit)) => {
                    self.piece(from, i, was_unit);
                    piece = Some((i, unit));
                }
                None => piece = Some((i, unit)),
            }
        }
        if let Some((from, unit)) = piece {
            self.piece(from, run_end, unit);
        }
        run_end
    }

    fn piece(&mut self, from: usize, to: usize, unit: bool) {
        let piece = &self.text[from..to];
        if piece.is_ascii() {
            return self.ascii_word(from, to);
        }
        if piece.chars().nth(MAX_SPELLED_CHARS).is_some() || self.words.len() >= MAX_TEXT_BYTES {
            return;
        }
        // No space between units that adjoin: a pair of them reads as it was written.
        let adjoins = unit && self.previous.is_some_and(|p| p.unit && p.to == from);
        if adjoins {
            self.words.pop();
        }
        let start = self.words.len();
        UNICODE.casefold(piece, self.words);
        let least = if unit { 1 } else { MIN_TOKEN_CHARS };
        if (least..=MAX_TOKEN_CHARS).contains(&self.words[start..].chars().count()) {
            self.word(from, to, start, unit);
        } else {
            self.words.truncate(start);
            if adjoins {
                self.words.push(' ');
            }
        }
    }

    /// The last casefolded word, which begins at `start`: itself, and what it gives rise to.
    fn word(&mut self, from: usize, to: usize, start: usize, unit: bool) {
        if self.zone == Field::Mailer && is_version(&self.words[start..]) {
            return self.words.truncate(start);
        }
        let word = Word {
            from,
            to,
            start,
            end: self.words.len(),
            unit,
        };
        self.words.push(' ');
        if self.zone.is_header() {
            return self.header_word(word);
        }
        self.push(start, word.end, from, to, Field::Body);
        let tagged = match self.zone {
            Field::Subject => self.kinds.has(Kinds::SUBJECT),
            Field::Quote => self.kinds.has(Kinds::QUOTE),
            _ => false,
        };
        if tagged {
            self.push(start, word.end, from, to, self.zone);
        }
        if let Some(p) = self.previous
            && self.kinds.has(Kinds::PAIRS)
        {
            self.push(p.start, word.end, p.from, to, Field::Body);
            if tagged && self.zone == Field::Subject {
                self.push(p.start, word.end, p.from, to, self.zone);
            }
        }
        if self.kinds.has(Kinds::STEMS) && !unit && word.end - start > STEM_CHARS {
            let stem = self.words[start..word.end].char_indices().nth(STEM_CHARS);
            if let Some((length, _)) = stem {
                self.push(start, start + length, from, to, Field::Stem);
            }
        }
        if self.kinds.has(Kinds::CAPITALS) && is_shouted(&self.text.as_bytes()[from..to]) {
            self.push(start, word.end, from, to, Field::Capitals);
        }
        self.previous = Some(word);
        if let Some(short) = &mut self.short {
            short.push(word);
            if short.len() == SHORT_WORDS {
                self.short = None;
            }
        }
    }

    /// A word of a header line, and the pair with the one before. Words of a sender's name form
    /// none, because the address says already who it is; characters do, to be words at all.
    fn header_word(&mut self, word: Word) {
        self.push(word.start, word.end, word.from, word.to, self.zone);
        let pairs = self.kinds.has(Kinds::PAIRS) && (self.zone != Field::Sender || word.unit);
        if let Some(p) = self.previous
            && pairs
        {
            self.push(p.start, word.end, p.from, word.to, self.zone);
        }
        self.previous = Some(word);
    }

    /// Letters of a short text, with the spaces around its words.
    pub(super) fn letters(&mut self) {
        for word in self.short.take().unwrap_or_default() {
            if word.unit {
                continue;
            }
            let text = &self.words[..=word.end];
            let begins = text[word.start - 1..]
                .char_indices()
                .map(|(i, _)| word.start - 1 + i);
            let ends = begins.clone().skip(LETTERS).chain([text.len()]);
            for (start, end) in begins.zip(ends) {
                self.found
                    .push(Found::new(start, end, word.from, word.to, Field::Letters));
            }
        }
    }
}

/// `5`, `v2`, `2014b`: programs change it all the time.
fn is_version(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

/// Three capitals and more.
fn is_shouted(word: &[u8]) -> bool {
    word.len() >= 3 && word.iter().all(u8::is_ascii_uppercase)
}
