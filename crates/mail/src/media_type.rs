//! Media types (RFC 2046, section 3): which of them are text, how it is written, and what
//! programs write instead of them.

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Html,
    /// HTML for one program alone: never in place of the other alternatives.
    LesserHtml,
    Rtf,
    Calendar,
    Contact,
    /// Nobody has said: what the bytes are decides.
    Unknown,
}

/// How text of this type is written, and whether mail programs show no more than a name of it,
/// as of a file. `None` if it is no text.
///
/// A subtype that is not known is plain text (RFC 2046, section 4.1.4).
pub(crate) fn text(media_type: &str) -> Option<(Format, bool)> {
    Some(match media_type {
        "text/html" | "text/enriched" | "text/richtext" | "application/xhtml+xml" => {
            (Format::Html, false)
        }
        "text/x-amp-html" | "text/watch-html" => (Format::LesserHtml, false),
        "text/css"
        | "text/csv"
        | "text/ecmascript"
        | "text/javascript"
        | "text/tab-separated-values"
        | "text/xml" => (Format::Plain, true),
        "text/calendar" | "text/x-vcalendar" => (Format::Calendar, false),
        "application/ics" | "application/x-ics" => (Format::Calendar, true),
        "text/rtf" => (Format::Rtf, false),
        "application/rtf" | "application/x-rtf" => (Format::Rtf, true),
        "text/directory" | "text/vcard" | "text/x-vcard" => (Format::Contact, true),
        "application/octet-stream" => (Format::Unknown, true),
        "text/rfc822-headers" => return None,
        _ if media_type.starts_with("text/") => (Format::Plain, false),
        _ => return None,
    })
}

/// Whether this is the header of a message that is not there otherwise (RFC 6522, section 4; RFC
/// 6533, section 5).
pub(crate) fn is_header(media_type: &str) -> bool {
    matches!(
        media_type,
        "text/rfc822-headers" | "message/rfc822-headers" | "message/global-headers"
    )
}

/// Splits the value of Content-Type into the media type, in small letters, and its parameters.
/// No type if there is none, or nothing that could be one: `nonsense`.
pub(crate) fn split(value: &str) -> (Option<String>, &str) {
    let value = value.trim_start_matches(|c: char| c.is_whitespace() || "\"';".contains(c));
    let (kind, rest) = token(value);
    if rest.starts_with('=') {
        return (None, value);
    }
    let (subtype, rest) = match rest.strip_prefix('/') {
        Some(rest) => token(rest.trim_start_matches([' ', '\t', '/'])),
        None => ("", rest),
    };
    let media_type = match (&*kind.to_ascii_lowercase(), &*subtype.to_ascii_lowercase()) {
        ("html" | "htm", _) | ("text", "htm" | "xhtml" | "xhtml+xml") => "text/html".to_owned(),
        ("plain" | "txt", _) | ("text", "") | ("application", "plain") => "text/plain".to_owned(),
        ("multipart", "") => "multipart/mixed".to_owned(),
        ("message", "") => "message/rfc822".to_owned(),
        ("application" | "audio" | "image" | "video", "") => "application/octet-stream".to_owned(),
        (_, "") | ("", _) => return (None, rest),
        (kind, subtype) => format!("{kind}/{subtype}"),
    };
    (Some(media_type), rest)
}

/// What stands before white space or a sign that ends a token (RFC 2045, section 5.1), and what
/// follows that.
fn token(value: &str) -> (&str, &str) {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "()<>@,;:\\\"/[]?=".contains(c);
    let end = value.find(ends).unwrap_or(value.len());
    let (token, rest) = value.split_at(end);
    (token, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_as_programs_write_them() {
        for (value, media_type, rest) in [
            ("text/plain; charset=x", Some("text/plain"), "; charset=x"),
            ("TEXT / Plain", Some("text/plain"), ""),
            ("text/html;", Some("text/html"), ";"),
            ("\"text/html\"; a=b", Some("text/html"), "\"; a=b"),
            ("text/plain charset=x", Some("text/plain"), "charset=x"),
            ("text/plain>", Some("text/plain"), ">"),
            ("text//markdown", Some("text/markdown"), ""),
            ("plain/text", Some("text/plain"), ""),
            ("text", Some("text/plain"), ""),
            ("html", Some("text/html"), ""),
            (
                "multipart; boundary=b",
                Some("multipart/mixed"),
                "; boundary=b",
            ),
            ("image/svg+xml (c)", Some("image/svg+xml"), "(c)"),
            ("charset=x", None, "charset=x"),
            ("nonsense; charset=x", None, "; charset=x"),
            ("", None, ""),
        ] {
            let (found, parameters) = split(value);
            assert_eq!(
                (found.as_deref(), parameters),
                (media_type, rest),
                "{value}"
            );
        }
    }

    #[test]
    fn any_text_is_read_and_data_is_a_file() {
        assert_eq!(text("text/x-markdown"), Some((Format::Plain, false)));
        assert_eq!(text("application/xhtml+xml"), Some((Format::Html, false)));
        assert_eq!(text("text/csv"), Some((Format::Plain, true)));
        assert_eq!(text("application/json"), None);
    }
}
