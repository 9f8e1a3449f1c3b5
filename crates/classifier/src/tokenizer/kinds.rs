//! Which kinds of tokens are looked for.

/// A set of kinds of tokens, beside single words, which are always there. The default is
/// all; fewer are for measuring what a kind is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// No kind: words only.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self((1 << Self::NAMED.len()) - 1);
    /// Pairs of neighbouring words.
    pub const PAIRS: Self = Self(1);
    /// [`Field::Subject`](crate::tokenizer::Field::Subject).
    pub const SUBJECT: Self = Self(1 << 1);
    /// [`Field::Quote`](crate::tokenizer::Field::Quote).
    pub const QUOTE: Self = Self(1 << 2);
    /// [`Field::Stem`](crate::tokenizer::Field::Stem).
    pub const STEMS: Self = Self(1 << 3);
    /// [`Field::Letters`](crate::tokenizer::Field::Letters).
    pub const LETTERS: Self = Self(1 << 4);
    /// [`Field::Capitals`](crate::tokenizer::Field::Capitals).
    pub const CAPITALS: Self = Self(1 << 5);
    /// [`Field::Host`](crate::tokenizer::Field::Host) and
    /// [`Field::Url`](crate::tokenizer::Field::Url).
    pub const URLS: Self = Self(1 << 6);
    /// [`Field::Sender`](crate::tokenizer::Field::Sender),
    /// [`Field::List`](crate::tokenizer::Field::List),
    /// [`Field::Mailer`](crate::tokenizer::Field::Mailer) and
    /// [`Field::Attachment`](crate::tokenizer::Field::Attachment). Without it, header lines are
    /// passed over.
    pub const HEADERS: Self = Self(1 << 7);

    /// Each kind with its name.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("pairs", Self::PAIRS),
        ("subject", Self::SUBJECT),
        ("quote", Self::QUOTE),
        ("stems", Self::STEMS),
        ("letters", Self::LETTERS),
        ("capitals", Self::CAPITALS),
        ("urls", Self::URLS),
        ("headers", Self::HEADERS),
    ];

    /// The kinds of this set without `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this kind is among them.
    pub(super) fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::ALL
    }
}
