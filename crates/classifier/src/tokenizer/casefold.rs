//! Which characters make a word, and the one form of a word that all its spellings share.

use std::sync::LazyLock;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use icu_properties::props::{
    Alphabetic, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, LineBreak,
};
use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed, CodePointSetData, CodePointSetDataBorrowed,
};

/// What a character does to a run of letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A letter or digit of a script that separates words.
    Letter,
    /// A letter of a script that does not: each is a unit of its own.
    Unit,
    /// Belongs to the letter before it.
    Joins,
    /// Is not part of any word.
    Ends,
}

/// Not `char::is_alphanumeric`: what that knows depends on the compiler's version.
pub(super) struct Unicode {
    category: CodePointMapDataBorrowed<'static, GeneralCategory>,
    line_break: CodePointMapDataBorrowed<'static, LineBreak>,
    alphabetic: CodePointSetDataBorrowed<'static>,
    ignorable: CodePointSetDataBorrowed<'static>,
    case: CaseMapperBorrowed<'static>,
    nfkc: ComposingNormalizerBorrowed<'static>,
}

/// The tables of Unicode, read once.
pub(super) static UNICODE: LazyLock<Unicode> = LazyLock::new(|| Unicode {
    category: CodePointMapData::new(),
    line_break: CodePointMapData::new(),
    alphabetic: CodePointSetData::new::<Alphabetic>(),
    ignorable: CodePointSetData::new::<DefaultIgnorableCodePoint>(),
    case: CaseMapper::new(),
    nfkc: ComposingNormalizer::new_nfkc(),
});

impl Unicode {
    /// What this character does to a run.
    pub(super) fn role(&self, c: char) -> Role {
        if c.is_ascii() {
            return if c.is_ascii_alphanumeric() {
                Role::Letter
            } else {
                Role::Ends
            };
        }
        let category = self.category.get(c);
        match category {
            GeneralCategory::UppercaseLetter | GeneralCategory::LowercaseLetter => Role::Letter,
            // Half-width voicing marks are letters by category; the vowels and finals of
            // decomposed Hangul are too.
            _ if matches!(c, '\u{ff9e}' | '\u{ff9f}' | '\u{1160}'..='\u{11ff}') => Role::Joins,
            GeneralCategory::OtherLetter | GeneralCategory::ModifierLetter => {
                match self.line_break.get(c) {
                    // Ideographs, kana and Hangul may be broken anywhere, the scripts of
                    // South East Asia only with a dictionary: no spaces between words, or
                    // (Hangul) words that carry their particles.
                    LineBreak::Ideographic
                    | LineBreak::ConditionalJapaneseStarter
                    | LineBreak::Nonstarter
                    | LineBreak::ComplexContext
                    | LineBreak::H2
                    | LineBreak::H3
                    | LineBreak::JL => Role::Unit,
                    _ => Role::Letter,
                }
            }
            _ if GeneralCategoryGroup::Mark.contains(category) => Role::Joins,
            _ if self.ignorable.contains(c) => Role::Joins,
            _ if GeneralCategoryGroup::Number.contains(category) => Role::Letter,
            _ if self.alphabetic.contains(c) => Role::Letter,
            _ => Role::Ends,
        }
    }

    /// Appends the form of `word` that does not depend on case, composition and width, nor
    /// on characters that nobody sees. The length of `word` is the caller's business: NFKC
    /// writes some characters as eighteen others.
    pub(super) fn casefold(&self, word: &str, out: &mut String) {
        if word.is_ascii() {
            let start = out.len();
            out.push_str(word);
            out[start..].make_ascii_lowercase();
            return;
        }
        let seen = word.chars().filter(|&c| !self.ignorable.contains(c));
        let normal: String = self.nfkc.normalize_iter(seen).collect();
        // Casefolding can undo a composition.
        let casefolded = self.case.fold_string(&normal);
        out.extend(self.nfkc.normalize_iter(casefolded.chars()));
    }
}
