//! Which charset a label names, however it is spelled.

use std::collections::HashMap;
use std::sync::LazyLock;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_2022_JP, KOI8_R, KOI8_U, MACINTOSH,
    REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252, X_MAC_CYRILLIC,
};

use super::page::{self, Page};
use super::shifted::Language;

/// Shortest name that is found in front of something else.
const SHORTEST: usize = 4;

/// A charset, by who decodes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Charset {
    /// What browsers know.
    Web(&'static Encoding),
    Page(Page),
    /// Sets that escape sequences choose (ISO/IEC 2022).
    Shifted(Language),
    /// RFC 1843.
    Hz,
    Johab,
    /// RFC 2152.
    Utf7,
    /// As names of folders have it (RFC 3501 section 5.1.3).
    ImapUtf7,
    Utf16(ByteOrder),
    Utf32(ByteOrder),
}

/// The order of bytes that a label names, or that is taken where nothing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Big,
    Little,
}

/// Labels of encoding_rs that are met with other signs, or with something behind them.
const WEB: [&str; 43] = [
    "ascii",
    "us-ascii",
    "utf-8",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-11",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "latin1",
    "latin2",
    "latin3",
    "latin4",
    "latin5",
    "latin6",
    "koi8-r",
    "koi8-u",
    "koi8-ru",
    "big5",
    "big5-hkscs",
    "gbk",
    "gb2312",
    "gb18030",
    "euc-kr",
    "ks_c_5601-1987",
    "ksc5601",
    "euc-jp",
    "shift_jis",
    "sjis",
    "tis-620",
    "macintosh",
    "hebrew",
    "greek",
    "arabic",
];

/// Names that browsers do not know, in small letters and digits alone.
const OTHERS: [(&str, Charset); 74] = [
    ("646", Charset::Web(UTF_8)),
    ("ansix34", Charset::Web(UTF_8)),
    ("ansi", Charset::Web(WINDOWS_1252)),
    ("western", Charset::Web(WINDOWS_1252)),
    ("88591", Charset::Web(WINDOWS_1252)),
    ("roman", Charset::Web(MACINTOSH)),
    ("macroman", Charset::Web(MACINTOSH)),
    ("mac", Charset::Web(MACINTOSH)),
    ("maccyrillic", Charset::Web(X_MAC_CYRILLIC)),
    ("macukrainian", Charset::Web(X_MAC_CYRILLIC)),
    ("macukraine", Charset::Web(X_MAC_CYRILLIC)),
    ("thai", Charset::Web(WINDOWS_874)),
    ("tactis", Charset::Web(WINDOWS_874)),
    ("koi8", Charset::Web(KOI8_R)),
    ("bigfive", Charset::Web(BIG5)),
    ("cnbig5", Charset::Web(BIG5)),
    ("hkscs", Charset::Web(BIG5)),
    ("cngb", Charset::Web(GBK)),
    ("euccn", Charset::Web(GBK)),
    ("eucgb2312cn", Charset::Web(GBK)),
    ("gb", Charset::Web(GB18030)),
    ("isoir165", Charset::Web(GBK)),
    ("uhc", Charset::Web(EUC_KR)),
    ("ksx1001", Charset::Web(EUC_KR)),
    ("kscx1001", Charset::Web(EUC_KR)),
    ("wansung", Charset::Web(EUC_KR)),
    ("eucjis2004", Charset::Web(EUC_JP)),
    ("eucjisx0213", Charset::Web(EUC_JP)),
    ("ujis", Charset::Web(EUC_JP)),
    ("mskanji", Charset::Web(SHIFT_JIS)),
    ("japanese", Charset::Shifted(Language::Japanese)),
    ("autodetectjp", Charset::Shifted(Language::Japanese)),
    ("jisautodetect", Charset::Shifted(Language::Japanese)),
    ("jis", Charset::Shifted(Language::Japanese)),
    ("jis7", Charset::Shifted(Language::Japanese)),
    ("jis8", Charset::Shifted(Language::Japanese)),
    ("jisencoding", Charset::Shifted(Language::Japanese)),
    ("iso2022", Charset::Shifted(Language::Japanese)),
    ("iso2022jp", Charset::Shifted(Language::Japanese)),
    ("iso2022kr", Charset::Shifted(Language::Korean)),
    ("iso2022cn", Charset::Shifted(Language::Chinese)),
    ("iso2022cnext", Charset::Shifted(Language::Chinese)),
    ("hz", Charset::Hz),
    ("hzgb", Charset::Hz),
    ("hzgb2312", Charset::Hz),
    ("johab", Charset::Johab),
    ("ksc5601johab", Charset::Johab),
    ("ksc56011992", Charset::Johab),
    ("utf7", Charset::Utf7),
    ("unicode11utf7", Charset::Utf7),
    ("unicode20utf7", Charset::Utf7),
    ("utf7imap", Charset::ImapUtf7),
    ("imaputf7", Charset::ImapUtf7),
    ("imap4utf7", Charset::ImapUtf7),
    ("imapmailboxname", Charset::ImapUtf7),
    ("modifiedutf7", Charset::ImapUtf7),
    ("utf16", Charset::Utf16(ByteOrder::Little)),
    ("utf16le", Charset::Utf16(ByteOrder::Little)),
    ("utf16be", Charset::Utf16(ByteOrder::Big)),
    ("unicode", Charset::Utf16(ByteOrder::Little)),
    ("unicodelittle", Charset::Utf16(ByteOrder::Little)),
    ("unicodebig", Charset::Utf16(ByteOrder::Big)),
    ("ucs2", Charset::Utf16(ByteOrder::Little)),
    ("ucs2le", Charset::Utf16(ByteOrder::Little)),
    ("ucs2be", Charset::Utf16(ByteOrder::Big)),
    ("iso10646ucs2", Charset::Utf16(ByteOrder::Little)),
    ("utf32", Charset::Utf32(ByteOrder::Big)),
    ("utf32be", Charset::Utf32(ByteOrder::Big)),
    ("utf32le", Charset::Utf32(ByteOrder::Little)),
    ("ucs4", Charset::Utf32(ByteOrder::Big)),
    ("ucs4be", Charset::Utf32(ByteOrder::Big)),
    ("ucs4le", Charset::Utf32(ByteOrder::Little)),
    ("iso10646ucs4", Charset::Utf32(ByteOrder::Big)),
    ("unicode11utf8", Charset::Web(UTF_8)),
];

/// What stands before the number of a code page.
const BEFORE_NUMBERS: [&str; 11] = [
    "", "cp", "ibm", "windows", "win", "ms", "oem", "dos", "codepage", "ccsid", "ansi",
];

static NAMES: LazyLock<HashMap<String, Charset>> = LazyLock::new(|| {
    let web = WEB
        .iter()
        .filter_map(|label| Some((key(label), web(label)?)));
    let others = OTHERS
        .iter()
        .map(|&(name, charset)| (name.to_owned(), charset));
    let pages = page::pages().map(|(name, page)| (name.to_owned(), Charset::Page(page)));
    web.chain(others).chain(pages).collect()
});

impl Charset {
    /// The charset that this label names: to browsers (WHATWG Encoding), with other signs
    /// between its letters and digits, by the number of a code page, after `x-`, `cs` or
    /// `charset=`, or at the beginning of something longer (`utf8mb4`). `None` if it names none
    /// that is known.
    pub(super) fn of(label: &str) -> Option<Self> {
        if let Some(charset) = web(label) {
            return Some(charset);
        }
        let key = key(label);
        let mut name = key.as_str();
        loop {
            if let Some(charset) = named(name)
                .or_else(|| numbered(name))
                .or_else(|| begins(name))
            {
                return Some(charset);
            }
            name = ["charset", "cs", "x"]
                .iter()
                .find_map(|before| name.strip_prefix(before))?;
        }
    }

    /// Whether text of seven bits may be something else than ASCII in it.
    pub(super) fn is_7_bit(self) -> bool {
        matches!(self, Self::Shifted(_) | Self::Hz)
    }

    /// Whether what bytes mean depends on those before.
    pub(super) fn has_shifts(self) -> bool {
        self.is_7_bit() || matches!(self, Self::Utf7 | Self::ImapUtf7)
    }
}

fn web(label: &str) -> Option<Charset> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    Some(match encoding {
        e if e == REPLACEMENT => return None,
        e if e == UTF_16LE => Charset::Utf16(ByteOrder::Little),
        e if e == UTF_16BE => Charset::Utf16(ByteOrder::Big),
        e if e == ISO_2022_JP => Charset::Shifted(Language::Japanese),
        e => Charset::Web(e),
    })
}

/// Small letters and digits.
fn key(label: &str) -> String {
    let kept = label.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

fn named(name: &str) -> Option<Charset> {
    NAMES.get(name).copied()
}

/// The longest name that this begins with, unless its number goes on.
fn begins(name: &str) -> Option<Charset> {
    (SHORTEST..name.len()).rev().find_map(|end| {
        let (start, rest) = name.split_at(end);
        let digit = |c: char| c.is_ascii_digit();
        let cuts_number = start.ends_with(digit) && rest.starts_with(digit);
        (!cuts_number).then(|| named(start)).flatten()
    })
}

/// A code page of IBM or Microsoft.
fn numbered(name: &str) -> Option<Charset> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (before, number) = name.split_at(digits);
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    if !BEFORE_NUMBERS.contains(&before) || before.is_empty() && (end < 3 || end < number.len()) {
        return None;
    }
    code_page(number[..end].parse().ok()?)
}

fn code_page(number: u32) -> Option<Charset> {
    Some(match number {
        367 | 1208 | 20127 | 65001 => Charset::Web(UTF_8),
        813 => web("iso-8859-7")?,
        819 => Charset::Web(WINDOWS_1252),
        866 => Charset::Web(IBM866),
        874 | 1162 => Charset::Web(WINDOWS_874),
        878 | 20866 => Charset::Web(KOI8_R),
        912..=916 | 919..=921 | 923 | 1089 => web(match number {
            912 => "iso-8859-2",
            913 => "iso-8859-3",
            914 => "iso-8859-4",
            915 => "iso-8859-5",
            916 => "iso-8859-8",
            919 => "iso-8859-10",
            920 => "iso-8859-9",
            921 => "iso-8859-13",
            923 => "iso-8859-15",
            _ => "iso-8859-6",
        })?,
        932 | 942 | 943 => Charset::Web(SHIFT_JIS),
        936 | 1383 | 1386 | 20936 | 51936 => Charset::Web(GBK),
        949 | 970 | 1363 | 51949 => Charset::Web(EUC_KR),
        950 | 951 | 1370 | 1375 => Charset::Web(BIG5),
        954 | 20932 | 33722 | 51932 => Charset::Web(EUC_JP),
        1168 | 21866 => Charset::Web(KOI8_U),
        1200 | 1202 => Charset::Utf16(ByteOrder::Little),
        1201 => Charset::Utf16(ByteOrder::Big),
        1250..=1258 => web(&format!("windows-{number}"))?,
        1275 | 10000 => Charset::Web(MACINTOSH),
        1361 => Charset::Johab,
        1392 | 54936 => Charset::Web(GB18030),
        10007 | 10017 => Charset::Web(X_MAC_CYRILLIC),
        12000 => Charset::Utf32(ByteOrder::Little),
        12001 => Charset::Utf32(ByteOrder::Big),
        28591..=28606 => web(&format!("iso-8859-{}", number - 28590))?,
        38598 => web("iso-8859-8-i")?,
        50220..=50222 => Charset::Shifted(Language::Japanese),
        50225 => Charset::Shifted(Language::Korean),
        50227 | 50229 => Charset::Shifted(Language::Chinese),
        52936 => Charset::Hz,
        65000 => Charset::Utf7,
        _ => return named(&format!("cp{number:03}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(label: &str) -> String {
        match Charset::of(label) {
            Some(Charset::Web(encoding)) => encoding.name().to_ascii_lowercase(),
            Some(Charset::Page(page)) => {
                let mut names = page::pages().filter(|p| p.1 == page);
                names.next().map_or_else(String::new, |p| p.0.to_owned())
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = OTHERS.iter().map(|other| other.0).collect();
        names.extend(page::pages().map(|page| page.0));
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn spellings() {
        for (label, expected) in [
            ("UTF8", "utf-8"),
            ("\"utf-8\"", "utf-8"),
            ("'UTF_8'", "utf-8"),
            ("utf8mb4", "utf-8"),
            ("charset=utf-8", "utf-8"),
            ("cp65001", "utf-8"),
            ("ansi_x3.4", "utf-8"),
            ("_iso-8859-1$ESC", "windows-1252"),
            ("iso 8859 1", "windows-1252"),
            ("ISO8859-15", "iso-8859-15"),
            ("iso-8859-15http-equiv", "iso-8859-15"),
            ("windows-1252http-equivcontent-type", "windows-1252"),
            ("x-cp1250", "windows-1250"),
            ("cp-1251", "windows-1251"),
            ("win1251", "windows-1251"),
            ("csWindows1253", "windows-1253"),
            ("1254", "windows-1254"),
            ("cp28605", "iso-8859-15"),
            ("cp-850", "cp850"),
            ("csPC850Multilingual", "cp850"),
            ("CP00858", "cp858"),
            ("IBM-437", "cp437"),
            ("csIBM037", "cp037"),
            ("ibm-37", "cp037"),
            ("cp866", "ibm866"),
            ("cp874", "windows-874"),
            ("TIS-620", "windows-874"),
            ("KZ-1048", "strk10482002"),
            ("x-mac-romanian", "macromanian"),
            ("x-mac-ce", "maclatin2"),
            ("x-mac-ukrainian", "x-mac-cyrillic"),
            ("euc-cn", "gbk"),
            ("cp949", "euc-kr"),
            ("Big5-HKSCS:2004", "big5"),
            ("shift_jis-2004", "shift_jis"),
        ] {
            assert_eq!(name(label), expected, "{label}");
        }
    }

    #[test]
    fn what_browsers_refuse_or_do_not_know() {
        let japanese = Some(Charset::Shifted(Language::Japanese));
        for label in [
            "iso-2022-jp",
            "iso-2022-jp-ms",
            "ISO-2022-JP-2004",
            "cp50221",
            "csISO2022JP",
        ] {
            assert_eq!(Charset::of(label), japanese, "{label}");
        }
        let korean = Some(Charset::Shifted(Language::Korean));
        assert_eq!(Charset::of("csISO2022KR"), korean);
        assert_eq!(Charset::of("hz-gb-2312"), Some(Charset::Hz));
        assert_eq!(Charset::of("utf-7-imap"), Some(Charset::ImapUtf7));
    }

    #[test]
    fn what_names_nothing() {
        for label in [
            "x-unknown",
            "default",
            "8bit",
            "",
            "?",
            "x",
            "cs",
            "iso-8859-12",
            "cp99999999999",
        ] {
            assert_eq!(Charset::of(label), None, "{label}");
        }
    }
}
