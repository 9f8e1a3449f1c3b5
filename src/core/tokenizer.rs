//! Text to tokens to feature keys.
//!
//! A token is a run of 2 to 40 letters and digits, NFKC-normalised and case-folded; every
//! two neighbouring tokens also form a pair. Each counts once per message (SpamBayes,
//! "background reading"; Metsis et al. 2006: Boolean attributes win on email). A feature
//! key is the 64-bit xxh3 hash of a token under its field, seeded with the tokenizer's
//! version: keys of different versions never meet.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use icu_properties::props::{Alphabetic, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Changes whenever the same text would give other features; part of every key's seed and
/// of every stored state and model.
pub const TOKENIZER_VERSION: u64 = 1;

/// Text beyond this many bytes, as given or as normalised, is not read: the cost of one
/// message stays bounded.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

const MIN_TOKEN_CHARS: usize = 2;
const MAX_TOKEN_CHARS: usize = 40;

/// The part of a message that a token was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// The text as given.
    Body = 1,
}

impl Field {
    /// Name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Field::Body => "body",
        }
    }
}

/// One token or pair of neighbours ("payment failed"), folded, with its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// Folded text; the two words of a pair are separated by one space.
    pub text: &'a str,
    /// Where it was found.
    pub field: Field,
}

impl Token<'_> {
    /// The token's feature key.
    pub fn key(&self) -> u64 {
        xxh3_64_with_seed(
            self.text.as_bytes(),
            TOKENIZER_VERSION << 8 | self.field as u64,
        )
    }
}

/// Splits text into tokens. Keeps its buffers between messages.
#[derive(Default)]
pub struct Tokenizer {
    /// The text in NFKC.
    normal: String,
    /// Folded words, separated by one space each, so that a pair is one slice.
    folded: String,
    /// Start and end of each word in `folded`.
    words: Vec<(usize, usize)>,
}

impl Tokenizer {
    /// The tokens of `text` in reading order, repeats included: each word followed by the
    /// pair that it closes.
    pub fn tokens(&mut self, text: &str) -> impl Iterator<Item = Token<'_>> {
        self.split(text);
        let (folded, words) = (self.folded.as_str(), self.words.as_slice());
        words
            .iter()
            .enumerate()
            .flat_map(move |(i, &(start, end))| {
                let pair = i.checked_sub(1).map(|p| words[p].0);
                [Some(start), pair]
                    .into_iter()
                    .flatten()
                    .map(move |from| Token {
                        text: &folded[from..end],
                        field: Field::Body,
                    })
            })
    }

    /// Most memory, in bytes, that tokens, features and a look-up of `text` take: a word of
    /// two letters and its pair take some hundred bytes where it takes three.
    pub fn memory(text: &str) -> usize {
        96 * text.len().min(MAX_TEXT_BYTES)
    }

    /// The feature keys of `text`.
    pub fn features(&mut self, text: &str) -> Features {
        let mut keys: Vec<u64> = self.tokens(text).map(|t| t.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        Features(keys)
    }

    fn split(&mut self, text: &str) {
        self.folded.clear();
        self.words.clear();
        let text = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
        if text.is_ascii() {
            self.split_normal(text);
        } else {
            let mut normal = std::mem::take(&mut self.normal);
            normal.clear();
            // Its only error: the limit is reached.
            let _ = ComposingNormalizer::new_nfkc().normalize_to(text, &mut UpToLimit(&mut normal));
            self.split_normal(&normal);
            self.normal = normal;
        }
    }

    fn split_normal(&mut self, text: &str) {
        let fold = CaseMapper::new();
        let alphabetic = CodePointSetData::new::<Alphabetic>();
        let category = CodePointMapData::<GeneralCategory>::new();
        // Not `char::is_alphanumeric`: what it knows depends on the compiler's version.
        let in_token = |c: char| match c.is_ascii() {
            true => c.is_ascii_alphanumeric(),
            false => {
                alphabetic.contains(c) || GeneralCategoryGroup::Number.contains(category.get(c))
            }
        };
        for run in text.split(|c: char| !in_token(c)) {
            let ascii = run.is_ascii();
            let chars = if ascii {
                run.len()
            } else {
                run.chars().count()
            };
            if !(MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&chars) {
                continue;
            }
            if !self.folded.is_empty() {
                self.folded.push(' ');
            }
            let start = self.folded.len();
            if ascii {
                self.folded
                    .extend(run.chars().map(|c| c.to_ascii_lowercase()));
            } else {
                self.folded.push_str(&fold.fold_string(run));
            }
            self.words.push((start, self.folded.len()));
        }
    }
}

/// Takes [`MAX_TEXT_BYTES`] and refuses the rest: NFKC writes some characters as eighteen
/// others.
struct UpToLimit<'a>(&'a mut String);

impl std::fmt::Write for UpToLimit<'_> {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let end = part.floor_char_boundary(MAX_TEXT_BYTES - self.0.len());
        self.0.push_str(&part[..end]);
        if end < part.len() {
            return Err(std::fmt::Error);
        }
        Ok(())
    }
}

/// The distinct feature keys of one message in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features(Vec<u64>);

impl Features {
    /// From stored keys.
    ///
    /// # Errors
    /// Returns the keys back if they are not strictly ascending.
    pub fn from_sorted(keys: Vec<u64>) -> Result<Self, Vec<u64>> {
        if keys.is_sorted_by(|a, b| a < b) {
            Ok(Self(keys))
        } else {
            Err(keys)
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[u64] {
        &self.0
    }

    /// A hash of the whole message as the classifier sees it.
    pub fn content_hash(&self) -> u64 {
        let mut hasher = Xxh3::with_seed(TOKENIZER_VERSION);
        for key in &self.0 {
            hasher.update(&key.to_le_bytes());
        }
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokenizer::default()
            .tokens(text)
            .map(|t| t.text.to_owned())
            .collect()
    }

    #[test]
    fn words_and_pairs_in_reading_order() {
        assert_eq!(
            words("Re: Payment FAILED, a 2nd time"),
            [
                "re",
                "payment",
                "re payment",
                "failed",
                "payment failed",
                "2nd",
                "failed 2nd",
                "time",
                "2nd time"
            ]
        );
        assert!(words("?! - ... , a b c").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn unicode_forms_of_a_word_are_one_token() {
        assert_eq!(words("Ärger"), words("A\u{308}RGER"));
        assert_eq!(words("Straße"), words("STRASSE"));
        assert_eq!(words("ﬁnance"), ["finance"]);
    }

    #[test]
    fn over_long_runs_are_not_tokens() {
        assert_eq!(words(&"x".repeat(40)).len(), 1);
        assert!(words(&"x".repeat(41)).is_empty());
    }

    #[test]
    fn text_beyond_the_limit_is_not_read() {
        let mut text = "ä ".repeat(MAX_TEXT_BYTES / 3 + 1);
        text.push_str("needle");
        assert!(!words(&text).contains(&"needle".to_owned()));
        // 3 bytes that NFKC makes 33.
        let expanding = "\u{fdfa}".repeat(MAX_TEXT_BYTES / 3);
        let bytes: usize = words(&expanding).iter().map(String::len).sum();
        assert!(bytes <= 3 * MAX_TEXT_BYTES, "{bytes}");
    }

    /// Keys are stored: a change here must come with a new `TOKENIZER_VERSION`.
    #[test]
    fn keys_are_stable() {
        let keys = Tokenizer::default().features("Payment failed").0;
        assert_eq!(
            keys,
            [
                7_807_345_770_020_404_188,
                9_700_541_176_924_459_434,
                14_867_478_025_096_158_139
            ]
        );
    }
}
