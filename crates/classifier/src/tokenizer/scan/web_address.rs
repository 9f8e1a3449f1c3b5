//! Tokens of web addresses: hosts, domains, and the words behind them.

use super::position::Scan;
use crate::tokenizer::address;
use crate::tokenizer::casefold::UNICODE;
use crate::tokenizer::field::Field;
use crate::tokenizer::token::{Found, MAX_TEXT_BYTES, MAX_TOKEN_CHARS, MIN_TOKEN_CHARS};

impl Scan<'_> {
    /// The web address that may begin with the word `from..to`.
    pub(super) fn web_address(&mut self, from: usize, to: usize) {
        let Some(url) = address::web(self.text, from, to) else {
            return;
        };
        // Also of one that is no good: nothing in it is looked at again.
        self.address_end = url.end;
        if !(1..=address::MAX_HOST_BYTES).contains(&url.host.len()) {
            return;
        }
        self.host(url.host.start, url.host.end);
        let bytes = self.text.as_bytes();
        let mut from = url.host.end;
        for part in bytes[from..url.end].split(|b| !b.is_ascii_alphanumeric()) {
            let to = from + part.len();
            if (MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&part.len()) {
                self.casefolded_other(from, to, Field::Url);
            }
            from = to + 1;
        }
    }

    /// A host and the domains that it belongs to, of two labels and more.
    fn host(&mut self, from: usize, to: usize) {
        let Some(start) = self.casefolded_other(from, to, Field::Host) else {
            return;
        };
        let end = self.others.len();
        let host = &self.others[start..];
        // The parts of an IP address are not domains.
        if host.ends_with(|c: char| c.is_ascii_digit()) {
            return;
        }
        // Where a part of any other stands in the text, its casefolded form does not tell.
        let is_ascii = self.text[from..to].is_ascii();
        let mut dots = host.rmatch_indices('.').map(|(i, _)| i + 1);
        dots.next();
        for domain in dots.take(address::MAX_DOMAINS) {
            let written = if is_ascii { from + domain } else { from };
            self.found
                .push(Found::new(start + domain, end, written, to, Field::Host));
        }
    }

    /// Casefolds `from..to` among the others. Returns where it begins there.
    fn casefolded_other(&mut self, from: usize, to: usize, field: Field) -> Option<usize> {
        if self.others.len() >= MAX_TEXT_BYTES {
            return None;
        }
        let start = self.others.len();
        UNICODE.casefold(&self.text[from..to], self.others);
        // Nothing is left of characters that nobody sees.
        if start == self.others.len() {
            return None;
        }
        self.push(start, self.others.len(), from, to, field);
        Some(start)
    }
}
