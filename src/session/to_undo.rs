//! What a statement wants undone. Its rows come in any order, and of several decisions about one
//! email the latest has to be undone first: so they are listed, and undone when the statement ends.

use std::cell::RefCell;

use crate::pg;

thread_local! {
    static LISTED: RefCell<Vec<Listed>> = const { RefCell::new(Vec::new()) };
}

/// What shall be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToUndo {
    /// The decision of this number.
    Decision(i64),
    /// What is left of the batch of this number.
    Batch(i64),
}

struct Listed {
    /// When the client sent the statement.
    time: i64,
    /// In which part of the transaction it runs: what is rolled back is not undone either.
    subtransaction: u32,
    what: ToUndo,
}

/// Lists something for the end of the statement.
pub fn list_to_undo(what: ToUndo) {
    LISTED.with_borrow_mut(|listed| {
        listed.push(Listed {
            time: pg::statement_time(),
            subtransaction: pg::subtransaction(),
            what,
        });
    });
}

/// What was listed, at the end of a statement. If another one runs within a statement, it takes
/// with it what that one has listed so far.
pub fn take_to_undo() -> Vec<ToUndo> {
    let (time, current) = (pg::statement_time(), pg::subtransaction());
    let mut taken = Vec::new();
    LISTED.with_borrow_mut(|listed| {
        listed.retain(|entry| {
            let is_ours = entry.time == time;
            if is_ours && entry.subtransaction == current {
                taken.push(entry.what);
                return false;
            }
            is_ours && pg::is_subtransaction_running(entry.subtransaction)
        });
    });
    taken
}
