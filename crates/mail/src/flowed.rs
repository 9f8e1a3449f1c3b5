//! `format=flowed` (RFC 3676): paragraphs whose lines were broken for transport.

use crate::lines::POLL_BYTES;
use crate::poll::Poll;

/// Puts lines together that are one paragraph. `delsp`: the space before such a line break is
/// none.
pub(crate) fn unwrap(text: &str, delsp: bool, poll: Poll) -> String {
    let mut out = String::with_capacity(text.len());
    // Depth of quotation of the line before, if it goes on.
    let mut going_on: Option<usize> = None;
    let mut polled = 0;
    for line in text.split_inclusive('\n') {
        if out.len() - polled >= POLL_BYTES {
            polled = out.len();
            poll();
        }
        let (line, broken) = match line.strip_suffix('\n') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let unquoted = line.trim_start_matches('>');
        let depth = line.len() - unquoted.len();
        // Space-stuffing (section 4.4).
        let content = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        let signature = content == "-- ";
        if going_on.is_some_and(|d| d != depth || signature) {
            out.push('\n');
            going_on = None;
        }
        if going_on.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        let flows = content.ends_with(' ') && !signature && broken;
        let content = match content.strip_suffix(' ') {
            Some(shorter) if flows && delsp => shorter,
            _ => content,
        };
        out += content;
        if flows {
            going_on = Some(depth);
        } else {
            going_on = None;
            if broken {
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    fn unwrap(text: &str, delsp: bool) -> String {
        super::unwrap(text, delsp, &|| ())
    }

    #[test]
    fn lines_that_end_with_a_space_go_on() {
        assert_eq!(unwrap("one \ntwo\nthree\n", false), "one two\nthree\n");
        assert_eq!(unwrap("one \ntwo\n", true), "onetwo\n");
        assert_eq!(unwrap(" From me\n", false), "From me\n");
    }

    #[test]
    fn quotations_and_signatures_keep_apart() {
        assert_eq!(unwrap("> a \n> b \nc\n", false), "> a b \nc\n");
        assert_eq!(unwrap("bye \n-- \nme\n", false), "bye \n-- \nme\n");
    }
}
