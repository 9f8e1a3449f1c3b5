//! Text without what is encoded in it.

use pg_triage_encoded::{Block, blocks};

use crate::poll::Poll;

/// A text without the encoded blocks in it; `each` gets to know them. `None` if there are none.
pub(crate) fn cut_blocks(text: &str, poll: Poll, mut each: impl FnMut(&Block)) -> Option<String> {
    let (mut kept, mut from) = (String::new(), 0);
    for block in blocks(text, poll) {
        keep(&text[from..block.range.start], &mut kept);
        from = block.range.end;
        each(&block);
    }
    (from > 0).then(|| {
        keep(&text[from..], &mut kept);
        kept
    })
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
