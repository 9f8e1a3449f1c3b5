//! What html5gum's tokenizer calls.

use html5gum::{Emitter, Error, State, naive_next_state};

use super::writer::Writer;

impl Emitter for Writer<'_> {
    /// All of the text.
    type Token = Vec<u8>;

    fn pop_token(&mut self) -> Option<Vec<u8>> {
        if self.ended || self.out.len() >= self.limit {
            self.end_link();
            return Some(std::mem::take(&mut self.out));
        }
        None
    }

    fn emit_eof(&mut self) {
        self.ended = true;
    }

    fn emit_string(&mut self, text: &[u8]) {
        self.text(text);
    }

    fn init_start_tag(&mut self) {
        self.begin_tag(false);
    }

    fn init_end_tag(&mut self) {
        self.begin_tag(true);
    }

    fn push_tag_name(&mut self, name: &[u8]) {
        self.tag.push(name);
    }

    fn init_attribute(&mut self) {
        self.attributes.set(self.attributes.get() + 1);
        self.end_attribute();
        self.attribute.clear();
        self.value.clear();
    }

    fn push_attribute_name(&mut self, name: &[u8]) {
        self.attribute.push(name);
    }

    fn push_attribute_value(&mut self, value: &[u8]) {
        self.value.push(value);
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.end_attribute();
        let name = std::mem::take(&mut self.tag.bytes);
        let next = if self.tag_is_end {
            self.end_tag(&name);
            None
        } else {
            self.start_tag(&name);
            self.last_start_tag.clone_from(&name);
            // Mail programs run no scripts, so they show this.
            naive_next_state(&name).filter(|_| name != b"noscript")
        };
        self.tag.bytes = name;
        next
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tag_is_end && self.tag.bytes == self.last_start_tag
    }

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start_tag = name.unwrap_or_default().to_vec();
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_error(&mut self, _: Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn emit_current_doctype(&mut self) {}
    fn set_force_quirks(&mut self) {}
    fn set_self_closing(&mut self) {}
}
