//! Text without what is encoded in it.

use pg_triage_encoded::{Block, blocks};

use crate::poll::Poll;

/// Cuts encoded blocks out of a text; `each` gets to know them.
pub(crate) fn cut_blocks(text: String, poll: Poll, mut each: impl FnMut(&Block)) -> String {
    let (mut kept, mut from) = (String::new(), 0);
    for block in blocks(&text, poll) {
        keep(&text[from..block.range.start], &mut kept);
        from = block.range.end;
        each(&block);
    }
    if from == 0 {
        return text;
    }
    keep(&text[from..], &mut kept);
    kept
}

/// Appends text that stood around blocks: no more than one blank line where one was.
fn keep(text: &str, kept: &mut String) {
    let blank = kept.is_empty() || kept.ends_with("\n\n");
    kept.push_str(if blank {
        text.trim_start_matches('\n')
    } else {
        text
    });
}
