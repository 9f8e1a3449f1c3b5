//! HTML as a reader sees it, as text. html5gum tells tags from text as browsers do (WHATWG
//! HTML, section 13.2.5); here is what becomes of them.

mod element;
mod emitter;
mod link;
mod tags;
mod writer;

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::string::FromUtf8Error;

use html5gum::{Reader, Tokenizer};

use crate::lines::POLL_BYTES;
use crate::poll::Poll;
use writer::Writer;

/// The text of a document, at most about `limit` bytes of it:
///
/// - No scripts, styles, comments, title, and nothing hidden.
/// - White space as a browser collapses it; blocks on lines of their own.
/// - Alternative texts of images.
/// - Behind a link `(https://host)`, unless its text or an earlier link has this host.
///
/// `None` if it cannot be read at all.
pub(crate) fn to_text(html: &str, limit: usize, poll: Poll) -> Option<String> {
    let text = read(html, limit, poll)?;
    if !text.trim().is_empty() {
        return Some(text);
    }
    behind_open_comment(html).map_or(Some(text), |rest| read(rest, limit, poll))
}

/// What stands behind a comment that does not end, if that ended at the first `>`. Browsers show
/// nothing of it; where that is all there is, somebody has written it to be read.
fn behind_open_comment(html: &str) -> Option<&str> {
    let (start, end) = (b"<!--", b"-->");
    let comment = &html[memchr::memmem::rfind(html.as_bytes(), start)? + start.len()..];
    if memchr::memmem::find(comment.as_bytes(), end).is_some() {
        return None;
    }
    Some(comment.split_once('>')?.1)
}

fn read(html: &str, limit: usize, poll: Poll) -> Option<String> {
    let (polling, attributes) = (Cell::new(false), Cell::new(0));
    let input = Input {
        rest: html.as_bytes(),
        poll_at: html.len().saturating_sub(POLL_BYTES),
        polling: &polling,
        poll,
        attributes: &attributes,
    };
    let mut tokenizer = Tokenizer::new_with_emitter(input, Writer::new(limit, &attributes));
    // The library does not come back often enough for a poll outside.
    let text = match catch_unwind(AssertUnwindSafe(|| tokenizer.next())) {
        Err(stopped) if polling.get() => resume_unwind(stopped),
        found => found.ok()??.ok()?,
    };
    let lossy = |e: FromUtf8Error| String::from_utf8_lossy(e.as_bytes()).into_owned();
    Some(String::from_utf8(text).unwrap_or_else(lossy))
}

/// Attributes of one tag after which it ends, wherever it does. html5gum 0.9.0 calls itself
/// for each, and some ten thousand would overflow the stack, which nothing catches.
const MAX_ATTRIBUTES: usize = 256;

/// A document that is read piece by piece, with a poll between.
struct Input<'a> {
    rest: &'a [u8],
    /// When so many bytes are left.
    poll_at: usize,
    /// Whether it is the poll that unwinds.
    polling: &'a Cell<bool>,
    poll: Poll<'a>,
    /// Attributes of the tag that is being read.
    attributes: &'a Cell<usize>,
}

impl Input<'_> {
    /// Whether a sign that ends the tag is to be read next. The library has just begun an
    /// attribute then.
    fn ends_tag(&self) -> bool {
        let ends = self.attributes.get() > MAX_ATTRIBUTES;
        if ends {
            self.attributes.set(0);
        }
        ends
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
        if self.rest.len() < self.poll_at {
            self.poll_at = self.rest.len().saturating_sub(POLL_BYTES);
            self.polling.set(true);
            (self.poll)();
            self.polling.set(false);
        }
    }

    /// Up to the end of a character.
    fn piece(&self) -> &[u8] {
        let mut end = self.rest.len().min(POLL_BYTES);
        while self.rest.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
            end += 1;
        }
        &self.rest[..end]
    }
}

impl Reader for Input<'_> {
    type Error = Infallible;

    fn read_byte(&mut self) -> Result<Option<u8>, Infallible> {
        if self.ends_tag() {
            return Ok(Some(b'>'));
        }
        let first = self.rest.first().copied();
        if first.is_some() {
            self.advance(1);
        }
        Ok(first)
    }

    fn try_read_string(&mut self, text: &[u8], case_sensitive: bool) -> Result<bool, Infallible> {
        let found = self.rest.get(..text.len()).is_some_and(|start| {
            start == text || !case_sensitive && start.eq_ignore_ascii_case(text)
        });
        if found {
            self.advance(text.len());
        }
        Ok(found)
    }

    fn read_until<'b>(
        &'b mut self,
        needle: &[u8],
        _: &'b mut [u8; 4],
    ) -> Result<Option<&'b [u8]>, Infallible> {
        if self.ends_tag() {
            return Ok(Some(b">"));
        }
        let piece = self.piece();
        if piece.is_empty() {
            return Ok(None);
        }
        // One of the signs itself, if the text begins with it.
        let length = find(needle, piece).map_or(piece.len(), |at| at.max(1));
        let text = &self.rest[..length];
        self.advance(length);
        Ok(Some(text))
    }
}

/// Bytes that are compared with several signs at a time.
const WINDOW: usize = 16;

/// Where the first of these signs is. Four of them end texts and values of attributes, which
/// are most of a document.
fn find(signs: &[u8], text: &[u8]) -> Option<usize> {
    let &[a, b, c, d] = signs else {
        return text
            .iter()
            .position(|byte| signs.iter().any(|sign| sign == byte));
    };
    let is_sign = |&byte: &u8| (byte == a) | (byte == b) | (byte == c) | (byte == d);
    let (windows, _) = text.as_chunks::<WINDOW>();
    let before = windows.iter().take_while(|window| {
        !window
            .iter()
            .fold(false, |found, byte| found | is_sign(byte))
    });
    let start = before.count() * WINDOW;
    Some(start + text[start..].iter().position(is_sign)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        to_text(html, 1 << 20, &|| ()).unwrap()
    }

    #[test]
    fn any_number_of_attributes() {
        for attribute in [
            " a=\"b\"",
            "\na=\"\"",
            " a='b'",
            " a=b",
            " a",
            " =",
            "/",
            " style=\"",
            "\"=\"\"",
        ] {
            for tag in ["<p", "</p", "<a href=\"http://example.org\""] {
                let html = format!("one{tag}{}>two", attribute.repeat(200_000));
                let text = text(&html);
                assert!(text.starts_with("one"), "{attribute}");
            }
        }
        let many = format!("one<p{} hidden>two", " a=\"b\"".repeat(MAX_ATTRIBUTES - 2));
        assert_eq!(text(&many), "one");
    }

    #[test]
    fn blocks_stand_on_lines_of_their_own() {
        assert_eq!(text("<div>one</div><div>two</div>three"), "one\ntwo\nthree");
        assert_eq!(text("<p>one<p>two</p> three"), "one\n\ntwo\n\nthree");
        assert_eq!(
            text("one<br>two<br><br>three<br><br><br>four"),
            "one\ntwo\n\nthree\n\nfour"
        );
        assert_eq!(text("<ul><li>one<li>two</ul>"), "one\ntwo");
        assert_eq!(
            text("<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>"),
            "a b\nc"
        );
    }

    #[test]
    fn white_space_as_browsers_collapse_it() {
        assert_eq!(text(" a \n\t b&nbsp;&nbsp;c "), "a b c");
        assert_eq!(text("V<b>ia</b>gra <i> x</i>"), "Viagra x");
        assert_eq!(text("<pre>a\n  b\n\nc</pre>d"), "a\n  b\n\nc\n\nd");
    }

    #[test]
    fn entities() {
        assert_eq!(
            text("&lt;b&gt; &auml;&#228;&#xe4; &amp;amp; &unknown; AT&T"),
            "<b> äää &amp; &unknown; AT&T"
        );
        assert_eq!(text("1 < 2, a<3"), "1 < 2, a<3");
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        for hidden in [
            "<script>if (a < b) document.write('<p>')</script>",
            "<style>p { color: red }</style>",
            "<title>a</title>",
            "<!-- a > b -->",
            "<!--[if mso]><p>a</p><![endif]-->",
            "<div style='color:red; DISPLAY : None'>a<div>b</div>c</div>",
            "<span hidden>a</span>",
            "<img alt=a style=display:none>",
            "<a href='http://example.org' style='visibility:hidden'>a</a>",
        ] {
            assert_eq!(
                text(&format!("x{hidden}y")).replace('\n', ""),
                "xy",
                "{hidden}"
            );
        }
        assert_eq!(text("<p style='display:none'>a<p>b"), "b");
        for shown in [
            "<p><span hidden></p>b",
            "<table><tr><td><div hidden></td><td>b</table>",
            "<ul><li hidden>a<li>b</ul>",
            "<div hidden><p>a<p>a</div>b",
            "<div hidden><div>a</div>a</span>a</div>b",
            "<p style='display:none;display:block'>b",
            "<p style='display:nonesuch'>b",
            "<p style='' style='display:none'>b",
        ] {
            assert_eq!(text(shown), "b", "{shown}");
        }
        assert_eq!(text("<p style='display:none !important'>a</p>b"), "b");
        assert_eq!(text("<noscript>shown</noscript>"), "shown");
        // A container that marketing mails write, in which all has a size of its own.
        assert_eq!(
            text("<td style='font-size:0px'><p style='font-size:12px'>a</td>"),
            "a"
        );
    }

    #[test]
    fn alternative_texts_of_images() {
        assert_eq!(
            text("a<img src=x alt='Sale &amp; more'>b"),
            "a Sale & more b"
        );
        assert_eq!(text("<img src=x alt=''>a"), "a");
    }

    #[test]
    fn hosts_of_links_once() {
        assert_eq!(
            text(
                "<a href='HTTPS://Pay.Example.org:8080/x?y'>Click</a>, <a href=https://pay.example.org>here</a>."
            ),
            "Click (https://pay.example.org), here."
        );
        assert_eq!(
            text("<a href=http://evil.example href=http://bank.example>here</a>"),
            "here (http://evil.example)"
        );
        assert_eq!(
            text("<a href=http://example.org/a>www.Example.org</a>"),
            "www.Example.org"
        );
        assert_eq!(
            text("<a href='http://bank.example@evil.example/'>bank</a>"),
            "bank (http://evil.example)"
        );
        assert_eq!(
            text("<a href='http://%65vil.example'>a</a>"),
            "a (http://evil.example)"
        );
        assert_eq!(
            text("<a href='//evil.example:80/a'>a</a>"),
            "a (http://evil.example)"
        );
        assert_eq!(
            text("<a href=http://a.example><img src=x></a><p>b"),
            "(http://a.example)\n\nb"
        );
        for nowhere in [
            "mailto:a@example.org",
            "#top",
            "javascript:a()",
            "http:///",
            "/a",
            "http://a b/",
        ] {
            assert_eq!(text(&format!("<a href='{nowhere}'>a</a>")), "a");
        }
        assert_eq!(
            text("<a href=http://a.example>open"),
            "open (http://a.example)"
        );
    }

    #[test]
    fn broken_markup() {
        assert_eq!(text("a<b"), "a");
        assert_eq!(text("a<!-- open>b"), "a");
        assert_eq!(text("<p><!--x>read <b>me"), "read me");
        assert_eq!(text("<!--x>a--><!-- b --> "), "");
        assert_eq!(text("a</p></div></x>b"), "a\n\nb");
        assert_eq!(text("a<script>open"), "a");
        assert_eq!(text("<a href='open>b"), "");
    }

    #[test]
    fn a_document_is_cut_and_polled() {
        let html = "<p>word ".repeat(100_000);
        let polls = std::cell::Cell::new(0);
        let text = to_text(&html, 1000, &|| ()).unwrap();
        assert!((1000..1100).contains(&text.len()));
        to_text(&html, html.len(), &|| polls.set(polls.get() + 1)).unwrap();
        assert!(polls.get() >= html.len() / POLL_BYTES);
        let stopped =
            catch_unwind(|| to_text(&html, html.len(), &|| resume_unwind(Box::new("stop"))));
        assert_eq!(stopped.unwrap_err().downcast_ref(), Some(&"stop"));
        let one_word = "é".repeat(200_000);
        assert!(to_text(&one_word, 1000, &|| ()).unwrap().len() < 1000 + 2 * POLL_BYTES);
        assert_eq!(
            to_text(&one_word, one_word.len(), &|| ()).unwrap(),
            one_word
        );
    }
}
