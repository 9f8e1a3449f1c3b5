//! Header lines, which a text may begin with: who sent it, through which mailing list, with
//! which program, and what is attached.
//!
//! Their words are features of their own: `billing` in a sender's name says something else
//! than in a sentence.

use super::position::{Scan, line_end};
use crate::tokenizer::address;
use crate::tokenizer::casefold::UNICODE;
use crate::tokenizer::field::Field;
use crate::tokenizer::kinds::Kinds;
use crate::tokenizer::token::MAX_TEXT_BYTES;

/// What a line begins with, and what its words say. Names are those of the header fields,
/// spelled as `Message::header` of pg_triage_mail spells them; no standard
/// has one for attachments.
const LINES: [(&[u8], Field); 4] = [
    (b"From: ", Field::Sender),
    (b"List-Id: ", Field::List),
    (b"X-Mailer: ", Field::Mailer),
    (b"Attached: ", Field::Attachment),
];

/// Longest address: 64 bytes of mailbox, the sign, 255 of domain (RFC 5321, 4.5.3.1).
const MAX_ADDRESS_BYTES: usize = 64 + 1 + address::MAX_HOST_BYTES;

impl Scan<'_> {
    /// Reads the lines up to the first that is none, or that was there before. Returns where
    /// the rest of the text begins.
    pub(super) fn header_lines(&mut self) -> usize {
        let text = self.text;
        let mut unseen = LINES.to_vec();
        let mut at = 0;
        while let Some(i) = unseen
            .iter()
            .position(|(start, _)| text.as_bytes()[at..].starts_with(start))
        {
            let (start, field) = unseen.swap_remove(i);
            let (from, end) = (at + start.len(), line_end(text.as_bytes(), at));
            if self.kinds.has(Kinds::HEADERS) {
                self.zone = field;
                let value = text[from..end].trim_ascii_end();
                self.header_line(from, from + value.len());
                self.previous = None;
            }
            at = text.len().min(end + 1);
        }
        self.zone = Field::Body;
        at
    }

    fn header_line(&mut self, from: usize, end: usize) {
        match self.zone {
            Field::Sender => self.sender(from, end),
            Field::List => self.domains(from, end),
            _ => self.line(from, end),
        }
    }

    /// `Name <address>`, or one of both.
    fn sender(&mut self, from: usize, end: usize) {
        let value = &self.text[from..end];
        let address = match value.rfind('<') {
            Some(open) if value.ends_with('>') => from + open + 1..end - 1,
            _ if !value.contains(' ') => from..end,
            _ => return self.line(from, end),
        };
        let Some(sign) = self.text[address.clone()].rfind('@') else {
            return self.line(from, end);
        };
        let sign = address.start + sign;
        let domain = sign + 1;
        if address.start == from {
            self.casefolded_header(sign, domain);
        }
        self.line(from, domain);
        if address.len() > MAX_ADDRESS_BYTES {
            return;
        }
        self.casefolded_header(address.start, address.end);
        // `info@`, `no-reply@`: what kind of mailbox, whoever has it.
        self.casefolded_header(address.start, domain);
        self.domains(domain, address.end);
    }

    /// A domain and those that it belongs to, down to the top-level one, `.org`.
    fn domains(&mut self, from: usize, end: usize) {
        let domain = &self.text[from..end];
        if domain.len() > address::MAX_HOST_BYTES {
            return;
        }
        self.casefolded_header(from, end);
        // The parts of an IP address are not domains.
        if domain.ends_with(|c: char| c.is_ascii_digit() || c == ']') {
            return;
        }
        let mut dots = domain.rmatch_indices('.').map(|(i, _)| from + i);
        if let Some(top) = dots.next() {
            self.casefolded_header(top, end);
        }
        for dot in dots.take(address::MAX_DOMAINS) {
            self.casefolded_header(dot + 1, end);
        }
    }

    /// Casefolds `from..to` as one token of this line.
    fn casefolded_header(&mut self, from: usize, to: usize) {
        let start = self.words.len();
        if start >= MAX_TEXT_BYTES {
            return;
        }
        UNICODE.casefold(&self.text[from..to], self.words);
        let end = self.words.len();
        if start < end {
            self.words.push(' ');
            self.push(start, end, from, to, self.zone);
        }
    }
}
