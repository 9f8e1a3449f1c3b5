//! Rich Text Format, as text; or as the HTML that Outlook has put into it ([MS-OXRTFEX]).

use std::collections::BTreeMap;

use crate::charset;
use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Groups in groups whose state is kept; those within have that of the innermost.
const MAX_DEPTH: usize = 256;
/// Fonts whose character set is kept.
const MAX_FONTS: usize = 1024;
/// Longest control word.
const MAX_WORD_BYTES: usize = 32;

/// What an RTF document says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub text: String,
    /// Whether the text is HTML.
    pub html: bool,
    /// Whether there is more than was asked for.
    pub cut: bool,
}

/// The text of a document, at most about `limit` bytes of it. `None` if it is no RTF.
pub(crate) fn read(rtf: &[u8], limit: usize, poll: Poll) -> Option<Document> {
    rtf.trim_ascii_start().starts_with(b"{\\rtf").then(|| {
        let mut reader = Reader {
            rtf,
            at: 0,
            limit,
            poll,
            out: String::new(),
            bytes: Vec::new(),
            html: false,
            page: None,
            fonts: BTreeMap::new(),
            font: 0,
            group: Group {
                shows: Shows::Text,
                hidden: false,
                page: None,
                substitutes: 1,
            },
            groups: Vec::new(),
            deeper: 0,
            substitutes: 0,
            surrogate: None,
        };
        let cut = !reader.run();
        Document {
            text: reader.out,
            html: reader.html,
            cut,
        }
    })
}

/// What becomes of what stands in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Text,
    /// HTML, as it is.
    Tag,
    Fonts,
    Nothing,
}

/// What holds to the end of a group.
#[derive(Debug, Clone, Copy)]
struct Group {
    shows: Shows,
    hidden: bool,
    /// Code page of the font; `None` is the document's.
    page: Option<u32>,
    /// Characters after each `\u` for those who do not know it.
    substitutes: usize,
}

struct Reader<'a> {
    rtf: &'a [u8],
    at: usize,
    limit: usize,
    poll: Poll<'a>,
    out: String,
    /// Text whose charset is the group's.
    bytes: Vec<u8>,
    html: bool,
    /// Code page of the document.
    page: Option<u32>,
    /// Code pages by font.
    fonts: BTreeMap<i32, u32>,
    /// Font of the table that is being read.
    font: i32,
    group: Group,
    groups: Vec<Group>,
    /// Groups that are open beyond those.
    deeper: usize,
    /// Characters that are left out now.
    substitutes: usize,
    /// The first half of a character beyond U+FFFF.
    surrogate: Option<u16>,
}

impl Reader<'_> {
    /// Returns whether it came to the end.
    fn run(&mut self) -> bool {
        let mut polled = 0;
        while let Some(byte) = self.next() {
            if self.at - polled >= POLL_BYTES {
                polled = self.at;
                (self.poll)();
            }
            match byte {
                b'{' => self.open(),
                b'}' => self.close(),
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
            if self.out.len() + self.bytes.len() > self.limit {
                self.flush();
                if self.out.len() > self.limit {
                    self.out.truncate(self.out.floor_char_boundary(self.limit));
                    return false;
                }
            }
        }
        self.flush();
        true
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.rtf.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn open(&mut self) {
        self.flush();
        self.substitutes = 0;
        if self.groups.len() < MAX_DEPTH {
            self.groups.push(self.group);
        } else {
            self.deeper += 1;
        }
    }

    fn close(&mut self) {
        self.flush();
        self.substitutes = 0;
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(group) = self.groups.pop() {
            self.group = group;
        }
    }

    /// What follows a backslash.
    fn control(&mut self) {
        let Some(byte) = self.next() else {
            return;
        };
        match byte {
            b'\'' => {
                let digits = self.rtf.get(self.at..self.at + 2);
                let text = digits.and_then(|d| std::str::from_utf8(d).ok());
                if let Some(byte) = text.and_then(|t| u8::from_str_radix(t, 16).ok()) {
                    self.at += 2;
                    self.byte(byte);
                }
            }
            b'*' => self.destination(),
            b'~' => self.symbol("\u{a0}"),
            b'_' => self.symbol("-"),
            b'-' => {}
            b'\r' | b'\n' => self.symbol("\n"),
            b'\t' => self.symbol("\t"),
            b'a'..=b'z' | b'A'..=b'Z' => {
                self.at -= 1;
                self.word();
            }
            byte => self.byte(byte),
        }
    }

    /// A group that those who do not know its first word leave out.
    fn destination(&mut self) {
        let shows = if self.rtf[self.at..].starts_with(b"\\htmltag") {
            Shows::Tag
        } else {
            Shows::Nothing
        };
        self.show(shows);
    }

    /// From here on; but nothing shows what is in a group that is left out.
    fn show(&mut self, shows: Shows) {
        self.flush();
        if self.group.shows != Shows::Nothing && self.deeper == 0 {
            self.group.shows = shows;
        }
    }

    /// A control word, with its number and the space that ends it.
    fn word(&mut self) {
        let rest = &self.rtf[self.at..];
        let letters = rest.iter().take(MAX_WORD_BYTES);
        let length = letters.take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = rest.split_at(length);
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest[sign..].iter().take(10);
        let digits = digits.take_while(|b| b.is_ascii_digit()).count();
        let mut number = None;
        self.at += length;
        if digits > 0 {
            let text = std::str::from_utf8(&rest[..sign + digits]).unwrap_or_default();
            number = text.parse::<i64>().ok();
            self.at += sign + digits;
        }
        if self.rtf.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        let number = number.map(|n| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
        self.act(word, number);
    }

    fn act(&mut self, word: &[u8], number: Option<i32>) {
        let on = number != Some(0);
        match word {
            b"u" => return self.unicode(number.unwrap_or(0)),
            b"bin" => {
                let bytes = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
                self.at = self.at.saturating_add(bytes).min(self.rtf.len());
            }
            b"par" | b"line" | b"sect" | b"page" | b"row" => return self.symbol("\n"),
            b"tab" | b"cell" => return self.symbol("\t"),
            b"emdash" => return self.symbol("\u{2014}"),
            b"endash" => return self.symbol("\u{2013}"),
            b"lquote" => return self.symbol("\u{2018}"),
            b"rquote" => return self.symbol("\u{2019}"),
            b"ldblquote" => return self.symbol("\u{201c}"),
            b"rdblquote" => return self.symbol("\u{201d}"),
            b"bullet" => return self.symbol("\u{2022}"),
            b"emspace" | b"enspace" => return self.symbol(" "),
            // Of a group whose state is not kept it would hold for those around it.
            b"uc" | b"v" | b"htmlrtf" if self.deeper > 0 => {}
            b"uc" => self.group.substitutes = usize::try_from(number.unwrap_or(1)).unwrap_or(0),
            b"ansicpg" => self.page = u32::try_from(number.unwrap_or(0)).ok(),
            b"mac" => self.page = Some(10_000),
            b"pc" => self.page = Some(437),
            b"pca" => self.page = Some(850),
            b"fromhtml" if self.out.is_empty() => self.html = on,
            b"v" if self.html => {}
            b"htmlrtf" | b"v" => {
                self.flush();
                self.group.hidden = on;
            }
            b"f" if self.group.shows == Shows::Fonts => self.font = number.unwrap_or(0),
            b"f" => {
                let page = self.fonts.get(&number.unwrap_or(0)).copied();
                if page != self.group.page {
                    self.flush();
                    self.group.page = page;
                }
            }
            b"fcharset" | b"cpg" if self.group.shows == Shows::Fonts => {
                let number = number.unwrap_or(0);
                let page = if word == b"cpg" {
                    u32::try_from(number).ok()
                } else {
                    page_of_charset(number)
                };
                if let Some(page) = page
                    && self.fonts.len() < MAX_FONTS
                {
                    self.fonts.insert(self.font, page);
                }
            }
            b"fonttbl" => self.show(Shows::Fonts),
            b"colortbl" | b"stylesheet" | b"info" | b"pict" | b"header" | b"headerl"
            | b"headerr" | b"headerf" | b"footer" | b"footerl" | b"footerr" | b"footerf"
            | b"fldinst" | b"filetbl" | b"revtbl" | b"nonshppict" | b"xe" | b"tc" | b"rxe"
            | b"private" => self.show(Shows::Nothing),
            // What numbers and bullets stand for is in the HTML.
            b"pntext" | b"listtext" if self.html => self.show(Shows::Nothing),
            _ => {}
        }
        self.surrogate = None;
    }

    /// A character by its number in UTF-16, signed.
    fn unicode(&mut self, number: i32) {
        let unit = number as u16;
        let units = self.surrogate.take().into_iter().chain([unit]);
        if (0xd800..0xdc00).contains(&unit) {
            self.surrogate = Some(unit);
        } else if let Some(character) = char::decode_utf16(units).last() {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.symbol(character.encode_utf8(&mut [0; 4]));
        }
        self.substitutes = self.group.substitutes;
    }

    fn is_shown(&self) -> bool {
        !self.group.hidden && matches!(self.group.shows, Shows::Text | Shows::Tag)
    }

    fn byte(&mut self, byte: u8) {
        if self.substitutes > 0 {
            self.substitutes -= 1;
        } else if self.is_shown() {
            self.bytes.push(byte);
        }
    }

    fn symbol(&mut self, text: &str) {
        self.flush();
        self.substitutes = 0;
        if self.is_shown() {
            self.out.push_str(text);
        }
    }

    /// Appends the bytes as text.
    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let escapes = self.html && self.group.shows == Shows::Text;
        let page = self.group.page.or(self.page);
        let label = page.map(|page| format!("cp{page}"));
        let text = charset::decode(&self.bytes, label.as_deref(), self.limit, self.poll);
        if escapes && text.contains(['<', '&']) {
            self.out += &text.replace('&', "&amp;").replace('<', "&lt;");
        } else {
            self.out += &text;
        }
        self.bytes.clear();
    }
}

/// The code page of a font's character set; `None` for that of the document.
fn page_of_charset(charset: i32) -> Option<u32> {
    Some(match charset {
        77 => 10_000,
        128 => 932,
        129 => 949,
        130 => 1361,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        255 => 437,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rtf: &str) -> Document {
        read(rtf.as_bytes(), 1000, &|| ()).unwrap()
    }

    fn text(rtf: &str) -> String {
        let document = document(&format!("{{\\rtf1\\ansi\\ansicpg1252 {rtf}}}"));
        assert!(!document.html && !document.cut);
        document.text
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        for (rtf, seen) in [
            ("one\\par two\\line\r\nthree", "one\ntwo\nthree"),
            ("\\b bold\\b0  and \\i italic", "bold and italic"),
            (
                "{\\colortbl;\\red0;}{\\stylesheet Normal;}{\\info{\\title t}}a",
                "a",
            ),
            (
                "{\\*\\generator Writer {in {here}}}a{\\*\\bkmkstart b}c",
                "ac",
            ),
            (
                "gr\\'fc\\'dfe \\{a\\\\b\\} \\~\\_\\-",
                "grüße {a\\b} \u{a0}-",
            ),
            (
                "{\\field{\\*\\fldinst HYPERLINK \"http://x\"}{\\fldrslt here}}",
                "here",
            ),
            ("a{\\v hidden}b\\v c\\v0 d", "abd"),
            ("\\u8364?\\u252\\'fc\\uc0\\u-10179\\u-8704.", "€ü\u{1f600}."),
            ("{\\uc2\\u945 ab}c", "αc"),
            ("\\ldblquote a\\rdblquote\\emdash\\tab\\bullet", "“a”—\t•"),
            ("a\\bin3 {{{b", "ab"),
            ("{\\pict 00ff{\\*\\x y}}a}}}b", "ab"),
            ("\\unknownword12 a\\'zz", "azz"),
        ] {
            assert_eq!(text(rtf), seen, "{rtf}");
        }
        assert_eq!(read(b"no RTF", 10, &|| ()), None);
    }

    #[test]
    fn fonts_have_character_sets() {
        let fonts = "{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}{\\f1\\fcharset204 Arial;}{\\f2\\fcharset128{\\*\\panose 1}MS;}}";
        let rtf = format!("{fonts}\\f0 caf\\'e9 {{\\f1\\'ef\\'f0\\'e8}} {{\\f2 \\'82\\'b1}}\\'e9");
        assert_eq!(text(&rtf), "café при こé");
    }

    #[test]
    fn html_is_taken_out() {
        let rtf = "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0 Arial;}}\r\n\
            {\\*\\htmltag19 <html>}{\\*\\htmltag34 <head>}\\htmlrtf {\\htmlrtf0\
            {\\*\\htmltag64 <p>}\\htmlrtf{\\b\\htmlrtf0 1 < 2 \\'e9{\\*\\htmltag84 &nbsp;}\\htmlrtf \\'a0\\htmlrtf0 \
            {\\pntext\\'b7}end{\\*\\htmltag72 </p>\\par }\\htmlrtf\\par}\\htmlrtf0}{\\*\\mhtmltag1 <no>}\
            \\htmlrtf }\\htmlrtf0{\\*\\htmltag27 </html>}}";
        let found = document(rtf);
        assert!(found.html);
        assert_eq!(
            found.text,
            "<html><head><p>1 &lt; 2 é&nbsp;end</p>\n</html>"
        );
        let text = document("{\\rtf1\\ansi\\fromtext a < b}");
        assert_eq!((text.text.as_str(), text.html), ("a < b", false));
    }

    #[test]
    fn depth_length_and_damage_are_bounded() {
        let deep = format!("{{\\rtf1 {}a{}b", "{".repeat(100_000), "}".repeat(100_000));
        assert_eq!(document(&deep).text, "ab");
        for word in ["\\v ", "\\uc9 ", "\\*", "\\info ", "\\htmlrtf ", "\\f9 "] {
            for depth in 250..260 {
                let (open, close) = ("{".repeat(depth), "}".repeat(depth));
                let behind = document(&format!("{{\\rtf1 {open}{{{word}}}seen\\u32 ?it{close}}}"));
                assert_eq!(behind.text, "seen it", "{word} {depth}");
            }
        }
        let long = document(&format!("{{\\rtf1 {}", "word \\'e9".repeat(1000)));
        assert!(long.cut && long.text.len() <= 1000);
        for rtf in [
            "{\\rtf",
            "{\\rtf1\\",
            "{\\rtf1\\'",
            "{\\rtf1\\u",
            "{\\rtf1\\bin99999999999 a",
            "{\\rtf1\\u-99999999999999999999 a",
        ] {
            document(rtf);
        }
    }
}
