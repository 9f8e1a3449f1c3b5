//! vCards (RFC 6350, and the older versions): whose card it is and how to reach them.

use crate::content_line::Properties;
use crate::poll::Poll;

/// What is told of a card, beside its name.
const SHOWN: [&str; 7] = ["ORG", "TITLE", "EMAIL", "TEL", "ADR", "URL", "NOTE"];

/// The cards of a text whose lines end with LF, one value a line, at most about `limit` bytes.
/// `None` if it is no vCard.
pub(crate) fn to_text(text: &str, limit: usize, poll: Poll) -> Option<String> {
    let mut out = String::new();
    let mut card: Option<Card> = None;
    for property in Properties::new(text, poll) {
        if out.len() + card.as_ref().map_or(0, |c| c.rest.len()) > limit {
            break;
        }
        let name = property.name().to_ascii_uppercase();
        if name == "BEGIN" && property.raw().eq_ignore_ascii_case("vcard") {
            card.replace(Card::default())
                .unwrap_or_default()
                .write(&mut out);
        }
        let Some(card) = &mut card else {
            continue;
        };
        let values = || {
            // The components of a name, an address, an organization.
            let line = property.line();
            let parts = line.split(';').map(str::trim);
            let parts = parts.filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(", ")
        };
        match name.as_str() {
            "FN" => card.name = values(),
            // Older cards have no other.
            "N" if card.name.is_empty() => card.name = values(),
            name if SHOWN.contains(&name) => {
                card.rest.push_str(&values());
                card.rest.push('\n');
            }
            _ => {}
        }
    }
    card?.write(&mut out);
    Some(out)
}

#[derive(Default)]
struct Card {
    name: String,
    rest: String,
}

impl Card {
    fn write(&self, out: &mut String) {
        if !self.name.is_empty() || !self.rest.is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            *out += &format!("{}\n{}", self.name, self.rest);
        }
    }
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
        let old = "BEGIN:VCARD\nN;QUOTED-PRINTABLE:M=C3=BCller;Ann;;;\nEND:VCARD";
        assert_eq!(to_text(old, 1000, &|| ()).as_deref(), Some("Müller, Ann\n"));
        assert_eq!(to_text("FN:Ann", 1000, &|| ()), None);
    }
}
