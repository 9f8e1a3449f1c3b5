//! The language of a body.

use whichlang::Lang;

use crate::guard::guarded;

/// Letters of a body of which a language can be told.
const LANGUAGE_LETTERS: usize = 40;
/// How much of a body, in bytes, is looked at for that.
const LANGUAGE_BYTES: usize = 1 << 10;

/// BCP 47 tag of the language of a text, if it is long enough to tell.
pub(crate) fn language(text: &str) -> Option<&'static str> {
    let start = &text[..text.floor_char_boundary(LANGUAGE_BYTES)];
    start
        .chars()
        .filter(|c| c.is_alphabetic())
        .nth(LANGUAGE_LETTERS - 1)?;
    Some(match guarded(|| whichlang::detect_language(start))? {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    })
}
