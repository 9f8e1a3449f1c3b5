//! vCards (RFC 6350, and the older versions): whose card it is and how to reach them.

use crate::content_line::Properties;
use crate::poll::Poll;

/// What is told of a card. Its name comes first, under whichever property.
const SHOWN: [&str; 8] = ["FN", "ORG", "TITLE", "EMAIL", "TEL", "ADR", "URL", "NOTE"];

/// The cards of a text whose lines end with LF, one value a line, at most about `limit` bytes.
/// `None` if it is no vCard.
pub(crate) fn to_text(text: &str, limit: usize, poll: Poll) -> Option<String> {
    let mut out = String::new();
    let mut within = false;
    for property in Properties::new(text, poll) {
        if out.len() > limit {
            break;
        }
        let name = property.name();
        let is_card = property.raw().eq_ignore_ascii_case("vcard");
        if name.eq_ignore_ascii_case("begin") && is_card {
            out.push_str(if within { "\n" } else { "" });
            within = true;
        } else if within && SHOWN.iter().any(|n| name.eq_ignore_ascii_case(n)) {
            // The components of an address or an organization.
            let line = property.line();
            let parts = line
                .split(';')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let line = parts.collect::<Vec<_>>().join(", ");
            if !line.is_empty() {
                out.push_str(&line);
                out.push('\n');
            }
        }
    }
    within.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_what_a_reader_sees_of_it() {
        let card = "BEGIN:VCARD\nVERSION:3.0\nUID:1\nN:Lee;Ann\nFN:Ann Lee\nORG:Example Ltd;Sales\nitem1.EMAIL;type=work:ann@example.org\nPHOTO;ENCODING=b:aGVs\n bG8=\nEND:VCARD\n";
        assert_eq!(
            to_text(&card.repeat(2), 1000, &|| ()).as_deref(),
            Some(
                "Ann Lee\nExample Ltd, Sales\nann@example.org\n\nAnn Lee\nExample Ltd, Sales\nann@example.org\n"
            )
        );
        assert_eq!(to_text("FN:Ann", 1000, &|| ()), None);
    }
}
