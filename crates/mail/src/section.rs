//! Header sections (RFC 5322 section 2.2, RFC 2046 section 5.1): where they end, and the
//! fields that are read of them, as they stand there.

use crate::lines::{Line, Lines};
use crate::poll::Poll;

/// The fields that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Cc,
    ContentDisposition,
    ContentId,
    ContentLocation,
    ContentTransferEncoding,
    ContentType,
    Date,
    From,
    InReplyTo,
    ListId,
    MessageId,
    Received,
    References,
    Sender,
    Subject,
    To,
    UserAgent,
    XMailer,
}

/// Lines of an mbox or protocol that are passed over before a header.
const MAX_LINES_BEFORE: usize = 20;

impl Name {
    /// Longest name that is read.
    const MAX_BYTES: usize = 25;

    fn of(name: &[u8]) -> Option<Self> {
        let mut buffer = [0; Self::MAX_BYTES];
        let small = buffer.get_mut(..name.len())?;
        small.copy_from_slice(name);
        small.make_ascii_lowercase();
        Some(match &*small {
            b"cc" => Self::Cc,
            b"content-disposition" => Self::ContentDisposition,
            b"content-id" => Self::ContentId,
            b"content-location" => Self::ContentLocation,
            b"content-transfer-encoding" => Self::ContentTransferEncoding,
            b"content-type" => Self::ContentType,
            b"date" => Self::Date,
            b"from" => Self::From,
            b"in-reply-to" => Self::InReplyTo,
            b"list-id" => Self::ListId,
            b"message-id" => Self::MessageId,
            b"received" => Self::Received,
            b"references" => Self::References,
            b"sender" => Self::Sender,
            b"subject" => Self::Subject,
            b"to" => Self::To,
            b"user-agent" => Self::UserAgent,
            b"x-mailer" => Self::XMailer,
            _ => return None,
        })
    }
}

/// Splits `name: value`; `None` if the line is no field. White space before the colon is
/// obsolete (RFC 5322 section 4.5) and still met.
fn split_field(line: &[u8]) -> Option<(&[u8], usize)> {
    let name = line
        .iter()
        .position(|&b| !(b'!'..=b'~').contains(&b) || b == b':')?;
    let blanks = line[name..]
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t'))?;
    let colon = name + blanks;
    (name > 0 && line[colon] == b':').then(|| (&line[..name], colon + 1))
}

/// Whether the line is a header field.
pub(crate) fn is_field(line: &[u8]) -> bool {
    split_field(line).is_some()
}

/// A line of an mbox file before a message, quoted or not.
pub(crate) fn is_envelope(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// How a header section ended.
pub(crate) struct End {
    /// Where the body begins.
    pub body: usize,
    /// Whether it was longer than allowed: fields behind that are left out.
    pub cut: bool,
}

/// A line that a program wrote before a message when it fetched or sent it: of HTTP, POP3, IMAP,
/// SMTP or a news batch.
fn is_protocol(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 7] = [
        b"HTTP/",
        b"+OK",
        b"#! rnews ",
        b"HELO ",
        b"EHLO ",
        b"MAIL FROM:",
        b"RCPT TO:",
    ];
    let command = line.trim_ascii_end();
    STARTS.iter().any(|start| {
        let text = line.get(..start.len());
        text.is_some_and(|text| text.eq_ignore_ascii_case(start))
    }) || command == b"DATA"
        || line.starts_with(b"* ") && memchr::memmem::find(line, b" FETCH ").is_some()
        || command.ends_with(b" HTTP/1.0")
        || command.ends_with(b" HTTP/1.1")
}

/// The start of the header section of a message that begins at `at`: behind lines that are empty
/// or blank, of an mbox, or of a protocol, if a header follows: else they are text, such as a
/// sentence that begins with "From". White space and a byte order mark before the first field
/// do not count.
pub(crate) fn start(raw: &[u8], at: usize, poll: Poll) -> usize {
    let mut envelope = None;
    let mut before = 0;
    for line in Lines::new(raw, at).polled(poll) {
        let text = line.text(raw);
        let field = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let field = field.trim_ascii_start();
        let is_first = field.len() == text.len() || starts_with_field(raw, line.next);
        if is_field(field) && is_first {
            return line.end - field.len();
        }
        match field {
            // A message without fields: the line belongs to it all the same.
            b"" if envelope == Some(line.start) => return line.start,
            b"" => {}
            _ if before == MAX_LINES_BEFORE => break,
            _ if is_envelope(field) => envelope = Some(line.next),
            _ if is_protocol(field) => {}
            _ => break,
        }
        before += usize::from(!field.is_empty());
    }
    envelope.filter(|&end| end == raw.len()).unwrap_or(at)
}

fn starts_with_field(raw: &[u8], at: usize) -> bool {
    let mut lines = Lines::new(raw, at);
    lines.next().is_some_and(|line| is_field(line.text(raw)))
}

/// Reads the header section at `at`, at most `limit` bytes of it, and calls `field` with each
/// field that is known: its name, and its value with the line breaks in it.
///
/// The section ends at an empty line, before a line that `stops` it (a boundary), or before
/// one that is no field, unless another field follows and it does not look like a boundary: then
/// it is skipped.
pub(crate) fn read<'a>(
    raw: &'a [u8],
    at: usize,
    limit: usize,
    poll: Poll,
    stops: &dyn Fn(&[u8]) -> bool,
    mut field: impl FnMut(Name, &'a [u8]),
) -> End {
    let limit = at.saturating_add(limit);
    let mut open: Option<(Name, usize, usize)> = None;
    let mut close = |open: &mut Option<(Name, usize, usize)>| {
        if let Some((name, start, end)) = open.take() {
            field(name, &raw[start..end.min(limit).max(start)]);
        }
    };
    let mut end = End {
        body: raw.len(),
        cut: false,
    };
    for line in Lines::new(raw, at).polled(poll) {
        let text = line.text(raw);
        if text.is_empty() || stops(text) {
            end.body = if text.is_empty() {
                line.next
            } else {
                line.start
            };
            break;
        }
        if matches!(text[0], b' ' | b'\t') && line.start > at {
            if let Some((_, _, end)) = &mut open {
                *end = line.end;
            }
        } else if let Some((name, value)) = split_field(text) {
            close(&mut open);
            if line.start + value <= limit
                && let Some(name) = Name::of(name)
            {
                open = Some((name, line.start + value, line.end));
            }
        } else if line.start == at || text.starts_with(b"--") || !continues(raw, &line) {
            end.body = line.start;
            break;
        } else {
            close(&mut open);
        }
        end.cut |= line.end > limit;
    }
    close(&mut open);
    end
}

/// Whether a field follows this line, which is none.
fn continues(raw: &[u8], line: &Line) -> bool {
    is_envelope(line.text(raw))
        || Lines::new(raw, line.next)
            .next()
            .is_some_and(|next| is_field(next.text(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(raw: &str) -> (Vec<(Name, &str)>, &str) {
        let mut found = Vec::new();
        let bytes = raw.as_bytes();
        let end = read(
            bytes,
            start(bytes, 0, &|| ()),
            1000,
            &|| (),
            &|l| l == b"--b",
            |n, v| found.push((n, std::str::from_utf8(v).unwrap())),
        );
        (found, &raw[end.body..])
    }

    #[test]
    fn known_fields_with_their_folds() {
        let (found, body) = fields("TO: a\r\n b\r\nX-Y: z\r\n more\r\nSubject :c\r\n\r\nbody\r\n");
        assert_eq!(
            found,
            [(Name::To, " a\r\n b"), (Name::Subject, "c")],
            "field names are compared without case"
        );
        assert_eq!(body, "body\r\n");
    }

    #[test]
    fn a_message_may_begin_with_an_mbox_line_or_empty_lines() {
        assert_eq!(fields("From me  today\nTo: a\n\nb").0.len(), 1);
        assert_eq!(fields("\n\nTo: a\n\nb"), (vec![(Name::To, " a")], "b"));
        for before in [
            "   \n",
            " \t\r\n\r\n",
            "\u{feff}",
            "\nFrom me  today\n>From you\n",
            "\n\u{feff} ",
            "HTTP/1.1 200 OK\r\n",
            "POST /mail HTTP/1.1\n",
            "+OK 512 octets\n\n",
            "* 1 FETCH (BODY[] {512}\n",
            "HELO x\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\n",
        ] {
            let raw = format!("{before}To: a\nCc: c\n\nb");
            assert_eq!(
                fields(&raw),
                (vec![(Name::To, " a"), (Name::Cc, " c")], "b"),
                "{before:?}"
            );
        }
        assert_eq!(fields("From me\n\nb"), (vec![], "b"));
        assert_eq!(fields("From here on\nwe go\n").1, "From here on\nwe go\n");
        assert_eq!(
            fields("  indented\ntext: more\n").1,
            "  indented\ntext: more\n"
        );
        assert_eq!(fields("\nno header\n").1, "no header\n");
        assert_eq!(fields("no header\nTo: a\n").1, "no header\nTo: a\n");
    }

    #[test]
    fn a_section_ends_at_a_boundary_or_where_text_begins() {
        assert_eq!(
            fields("To: a\n--b\n\n"),
            (vec![(Name::To, " a")], "--b\n\n")
        );
        assert_eq!(
            fields("To: a\nhello\nthere\n"),
            (vec![(Name::To, " a")], "hello\nthere\n")
        );
        assert_eq!(fields("To: a\n \n--c\nCc: b\n\n").1, "--c\nCc: b\n\n");
        // A line that does not belong there.
        assert_eq!(fields("To: a\nwhat is this\nCc: b\n\nc").0.len(), 2);
    }

    #[test]
    fn what_is_beyond_the_limit_is_left_out() {
        let raw = format!("To: {}\nSubject: s\n\nbody", "x, ".repeat(400));
        let (found, body) = fields(&raw);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.len() < 1000);
        assert_eq!(body, "body");
        let cut = |raw: &str| read(raw.as_bytes(), 0, 1000, &|| (), &|_| false, |_, _| ()).cut;
        assert!(cut(&raw));
        assert!(!cut(&format!("To: a\n\n{raw}")));
        assert!(!cut(&format!("To: a\n{}", "text ".repeat(400))));
    }
}
