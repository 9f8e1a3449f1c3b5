//! Whether the plain one of two alternatives only stands in for the rich one: it says that there
//! is HTML, where to see it, or nothing. Told by comparing what both say, so in any language.

use crate::poll::Poll;

/// Longest text, in characters without its links, that is compared.
const MAX_CHARS: usize = 600;
/// Longest text that is looked at for that, in bytes: links are long.
const MAX_BYTES: usize = 8 << 10;
/// How much of a rich text is looked at, in bytes: alternatives may be nested, and each compares.
const MAX_RICH_BYTES: usize = 1 << 16;

/// What a word counts, and a character of a script without spaces.
const WORD: usize = 2;
const CHARACTER: usize = 1;
/// What two texts have in a row says that one is taken from the other: less may be chance.
const PASSAGE: usize = 4 * WORD;
/// What a rich text must have to say more than nothing: less may be the title of a link.
const SENTENCE: usize = 6 * WORD;
/// Left out of the plain text before something that it does have. Less may be a warning that
/// mail servers put on top of HTML, or the names of its pictures.
const MIDDLE: usize = 30 * WORD;
/// How many times as much the rich text has beyond a plain one with a link, and how much at
/// least: else it may be a signature or a disclaimer.
const BEYOND_LINK: (usize, usize) = (5, 100 * WORD);
/// The same for a plain text without a link.
const BEYOND: (usize, usize) = (20, 200 * WORD);

/// Whether a plain text is short enough to be a stand-in.
pub(crate) fn may_stand_in(plain: &str) -> bool {
    let plain = plain.trim();
    let mut room = MAX_CHARS;
    plain.len() <= MAX_CHARS
        || plain.len() <= MAX_BYTES
            && between_links(plain).all(|text| {
                let left = seen_chars(text, room).and_then(|seen| room.checked_sub(seen));
                room = left.unwrap_or(0);
                left.is_some()
            })
}

/// How many characters are seen; `None` if there are more than `most` even without all that are
/// not ASCII.
fn seen_chars(text: &str, most: usize) -> Option<usize> {
    let chars = text.chars().count();
    // Any other has two bytes or more.
    let ascii = chars.saturating_sub(text.len() - chars);
    (ascii <= most).then(|| text.chars().filter(|&c| !is_unseen(c)).count())
}

/// Whether `plain` stands in for `rich`. `plain` is a text that may.
///
/// - What says nothing does, or what is only a link.
/// - A text most of which is not in the rich one does, if that has as much to say: readers of
///   mail see that one.
/// - A text that is in the rich one does if it leaves out what stands before or between, or
///   if the rest is many times as long.
pub(crate) fn stands_in(plain: &str, rich: &str, poll: Poll) -> bool {
    if plain.trim().is_empty() {
        return !rich.trim().is_empty();
    }
    let rich = &rich[..rich.floor_char_boundary(MAX_RICH_BYTES)];
    let own = Passages::of(plain, poll);
    let seen = own.seen_in(rich, poll);
    if 2 * seen.found < own.pairs.len() || own.pairs.is_empty() {
        return seen.size >= own.size.max(SENTENCE);
    }
    let (times, least) = if own.has_link { BEYOND_LINK } else { BEYOND };
    let beyond = seen.size.saturating_sub(own.size);
    seen.left_out >= MIDDLE || beyond >= least.max(times * own.size)
}

/// Pairs of neighbouring words, by hash. Those of a text of one word: it alone.
struct Passages {
    /// In order, each once.
    pairs: Vec<u64>,
    /// Whether there is only one word.
    single: bool,
    size: usize,
    has_link: bool,
}

/// What a rich text has of a plain one.
struct Seen {
    /// Different pairs.
    found: usize,
    size: usize,
    /// The most in a row that is not in the plain text, and has something behind it that is.
    left_out: usize,
}

impl Passages {
    fn of(text: &str, poll: Poll) -> Self {
        let mut all = Vec::new();
        let mut size = 0;
        let has_link = words(text, poll, |word, counts| {
            all.push(word);
            size += counts;
        });
        let single = all.len() == 1;
        let mut pairs: Vec<_> = match all.as_slice() {
            [word] => vec![pair(0, *word)],
            _ => all.windows(2).map(|two| pair(two[0], two[1])).collect(),
        };
        pairs.sort_unstable();
        pairs.dedup();
        Self {
            pairs,
            single,
            size,
            has_link,
        }
    }

    fn seen_in(&self, rich: &str, poll: Poll) -> Seen {
        let mut found = vec![false; self.pairs.len()];
        let (mut size, mut left_out) = (0, 0);
        // In a row: of what is in both, and since there was enough of it.
        let (mut shared, mut since) = (0, 0);
        let mut previous = 0;
        words(rich, poll, |word, counts| {
            size += counts;
            since += counts;
            let before = if self.single { 0 } else { previous };
            match self.pairs.binary_search(&pair(before, word)) {
                Ok(at) => {
                    found[at] = true;
                    shared += counts;
                }
                Err(_) => shared = 0,
            }
            if shared >= PASSAGE {
                left_out = left_out.max(since.saturating_sub(shared));
                since = 0;
            }
            previous = word;
        });
        Seen {
            found: found.into_iter().filter(|found| *found).count(),
            size,
            left_out,
        }
    }
}

/// Hands over the hash of each word and what it counts. Returns whether there is a link, whose
/// words are none of the text.
fn words(text: &str, poll: Poll, mut each: impl FnMut(u64, usize)) -> bool {
    // Neither text is longer than what goes between two polls.
    poll();
    let mut links = 0;
    for (link, text) in between_links(text).enumerate() {
        links = link;
        let mut word = None;
        for c in text.chars() {
            let is_letter = c.is_alphanumeric();
            let alone = is_letter && has_no_spaces(c);
            let goes_on = is_letter && !alone || is_unseen(c);
            if !goes_on && let Some(word) = word.take() {
                each(word, WORD);
            }
            if alone {
                each(folded(FNV_BASIS, c), CHARACTER);
            } else if is_letter {
                word = Some(folded(word.unwrap_or(FNV_BASIS), c));
            }
        }
        if let Some(word) = word {
            each(word, WORD);
        }
    }
    links > 0
}

/// The hash of two words.
fn pair(before: u64, word: u64) -> u64 {
    before.wrapping_mul(FNV_PRIME) ^ word
}

/// FNV-1a: quick, and nothing depends on it but a choice between two texts.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(c)).wrapping_mul(FNV_PRIME)
}

/// The hash of a word and a letter behind it, large or small.
fn folded(hash: u64, letter: char) -> u64 {
    if letter.is_ascii() {
        fnv(hash, letter.to_ascii_lowercase())
    } else {
        letter.to_lowercase().fold(hash, fnv)
    }
}

/// The text before, between and behind web addresses.
fn between_links(text: &str) -> impl Iterator<Item = &str> {
    let may_have_links = may_have_links(text.as_bytes());
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(start) = may_have_links.then(|| first_link(text)).flatten() else {
            return Some(text);
        };
        let (before, link) = text.split_at(start);
        rest = Some(&link[link_length(link.as_bytes())..]);
        Some(before)
    })
}

/// How web addresses begin, and where a sign is in it that is looked for.
const LINKS: [(&str, usize); 4] = [("http://", 4), ("https://", 5), ("ftp://", 3), ("www.", 3)];

/// Whether there are two slashes or `w` in a row. All bytes are looked at at once.
fn may_have_links(text: &[u8]) -> bool {
    let next = text.get(1..).unwrap_or_default();
    text.iter().zip(next).fold(false, |found, (&b, &next)| {
        let is_www = (b | 0x20 == b'w') & (next | 0x20 == b'w');
        found | is_www | (b == b'/') & (next == b'/')
    })
}

/// Where the first web address begins: not within a word.
fn first_link(text: &str) -> Option<usize> {
    memchr::memchr2_iter(b':', b'.', text.as_bytes()).find_map(|sign| {
        let mut starts = LINKS.iter().filter_map(|(link, before)| {
            let start = sign.checked_sub(*before)?;
            let written = text.as_bytes().get(start..start + link.len())?;
            written
                .eq_ignore_ascii_case(link.as_bytes())
                .then_some(start)
        });
        let within_word = |c: char| c.is_alphanumeric() && !has_no_spaces(c);
        starts.find(|&start| !text[..start].ends_with(within_word))
    })
}

/// As far as the characters of a web address go.
fn link_length(text: &[u8]) -> usize {
    let ends = |b: &u8| !b.is_ascii_graphic() || b"<>\")]".contains(b);
    text.iter().position(ends).unwrap_or(text.len())
}

/// Chinese, Japanese, Thai, Lao, Burmese and Khmer.
fn has_no_spaces(c: char) -> bool {
    // Which most are not.
    c >= '\u{e00}'
        && matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Soft hyphens, joiners and spaces without width: in words too.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_for(plain: &str, rich: &str) -> bool {
        may_stand_in(plain) && stands_in(plain, rich, &|| ())
    }

    /// A newsletter of so many sentences.
    fn newsletter(sentences: usize) -> String {
        (0..sentences).fold("Garden News\n\n".to_owned(), |text, n| {
            text + &format!("Offer {n}: chairs, sun shades and a hose, if you order them in the week that is number {n}.\n")
        })
    }

    const DISCLAIMER: &str = "This message and what is attached to it is meant only for the person \
        that it is addressed to. If you got it by mistake, please tell the sender and delete it. \
        Opinions are those of the author. Example Ltd is registered in Exampleton, number 12345, \
        and its office is at 1 Long Street. Think of the trees before you print.";

    #[test]
    fn stand_ins_in_any_language() {
        let long = "x".repeat(150);
        for plain in [
            "This message is in HTML, and your program cannot show it.".to_owned(),
            "Diese Nachricht ist in HTML geschrieben. Ihr Programm kann das nicht anzeigen; \
             bitten Sie den Absender um eine Fassung als Text, oder nehmen Sie ein anderes."
                .repeat(3),
            "Votre logiciel ne peut pas afficher ce message.".to_owned(),
            "Ваша почтовая программа не поддерживает HTML.".to_owned(),
            "您的邮件程序无法显示此邮件，请使用支持HTML的程序查看。".to_owned(),
            "このメールはHTML形式です。対応したソフトでご覧ください。".to_owned(),
            "โปรแกรมอีเมลของคุณไม่สามารถแสดงข้อความนี้ได้".to_owned(),
            format!("View in browser: https://news.example.org/?q={long}"),
            format!("https://news.example.org/{long}"),
            "GARDEN NEWS www.example.org".to_owned(),
            "Garden News".to_owned(),
            "***".to_owned(),
            " \n".to_owned(),
        ] {
            assert!(chosen_for(&plain, &newsletter(40)), "{plain}");
        }
    }

    #[test]
    fn stand_ins_for_chinese_text() {
        let rich = "本周优惠：花园椅子半价，遮阳伞八折，周五之前免费送货。欢迎到我们的商店选购。"
            .repeat(8);
        assert!(chosen_for("如果您无法正常查看此邮件，请点击这里。", &rich));
        assert!(!chosen_for(&rich[..rich.len() / 2], &rich));
        let reply = "好的，周五下午三点在会议室见。";
        assert!(!chosen_for(reply, &format!("{reply}\n\n{DISCLAIMER}")));
    }

    #[test]
    fn stand_ins_that_are_in_the_html_too() {
        let news = newsletter(20);
        let link = "Is this hard to read? View it in your browser: https://example.org/1";
        let footer = "Example Ltd, 1 Long Street, Exampleton. You get this because you signed up for it. \
                      To leave the list, tell us at https://example.org/leave or write to us.";
        let rich = format!(
            "Is this hard to read? View it in your browser (https://example.org)\n{news}\n{footer}"
        );
        for plain in [
            link.to_owned(),
            footer.to_owned(),
            format!("{link}\n\n{footer}"),
        ] {
            assert!(chosen_for(&plain, &rich), "{plain}");
        }
    }

    #[test]
    fn short_texts_that_say_all_stay() {
        for plain in [
            "OK",
            "Yes, that works for me.\n\nAnn",
            "Danke, Rechnung ist da: https://example.org/r/1\n\nViele Grüße\nJörg",
            "Hello Bob,\n\nthe *chairs* have come, but one of them is broken. Could you send another?\n\nAnn",
            "https://example.org/file",
        ] {
            let rich = plain.replace('\n', " ").replace('*', "").to_uppercase();
            assert!(!chosen_for(plain, &rich), "{plain}");
            assert!(
                !chosen_for(plain, &format!("{plain}\n\n{DISCLAIMER}"))
                    || plain.starts_with("http"),
                "{plain}"
            );
            assert!(!chosen_for(plain, ""), "{plain}");
            assert!(!chosen_for(plain, "Logo"), "{plain}");
        }
        // Of a link the title tells less than the link.
        assert!(!chosen_for(
            "https://example.org/file",
            "The file (https://example.org)"
        ));
    }

    #[test]
    fn long_texts_are_not_compared() {
        assert!(may_stand_in(&"word ".repeat(100)));
        assert!(may_stand_in(&format!(
            "{} https://example.org/{}",
            "word ".repeat(100),
            "x".repeat(3000)
        )));
        assert!(!may_stand_in(&"word ".repeat(200)));
        assert!(!may_stand_in(&format!(
            "https://example.org/{}",
            "x".repeat(10_000)
        )));
        assert!(!may_stand_in(&"好".repeat(700)));
    }
}
