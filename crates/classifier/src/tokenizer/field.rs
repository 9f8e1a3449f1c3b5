//! What tokens say about their text.

/// What a token says about its text. Part of the key: the same word under another field is
/// another feature. The numbers are stored in keys and never change within a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// A word, or a pair of neighbours, anywhere in the text.
    Body = 1,
    /// A word or pair of the subject, beside the same under `Body`.
    Subject = 2,
    /// A word of a quoted line, beside the same under `Body`.
    Quote = 3,
    /// The beginning of a long word: what most of its inflections and compounds share.
    Stem = 4,
    /// Neighbouring letters of a short text.
    Letters = 5,
    /// A word in capitals, beside the same under `Body`.
    Capitals = 6,
    /// The host of a web address, or a domain that it belongs to.
    Host = 7,
    /// A word of a web address behind its host.
    Url = 8,
    /// Who sent it: the address, its mailbox (`info@`), its domain or one that this belongs to,
    /// a word of the name or the mailbox, `@` if there is no name.
    Sender = 9,
    /// Id of the mailing list, or a domain that it belongs to.
    List = 10,
    /// Words and pairs of the program that wrote it, without version numbers.
    Mailer = 11,
    /// Words and pairs of what is attached: names, extensions, media types.
    Attachment = 12,
}

impl Field {
    /// Name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Field::Body => "body",
            Field::Subject => "subject",
            Field::Quote => "quote",
            Field::Stem => "stem",
            Field::Letters => "letters",
            Field::Capitals => "capitals",
            Field::Host => "host",
            Field::Url => "url",
            Field::Sender => "sender",
            Field::List => "list",
            Field::Mailer => "mailer",
            Field::Attachment => "attachment",
        }
    }

    /// Whether it is that of a header line.
    pub(super) fn is_header(self) -> bool {
        matches!(
            self,
            Field::Sender | Field::List | Field::Mailer | Field::Attachment
        )
    }
}
