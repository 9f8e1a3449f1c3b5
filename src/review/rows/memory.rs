//! From the trigger before a row is written to the one after it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::pg;
use crate::predict::classify::Prediction;

/// What the trigger before a row knows, and the one after it must.
#[derive(Clone)]
pub enum Remembered {
    /// We filled in this label.
    Predicted(Prediction),
    /// We could not fill in any, and why, if that is not for want of a model.
    Unclassified(Option<String>),
    /// The same, and the column that cannot be null got its default.
    Defaulted(Option<String>),
    /// A person took the label away.
    Cleared,
    /// An update gives it this key; it had that key and label before.
    Updated { key: String, label: Option<String> },
}

/// Beyond this, an email is classified again after it was written: a COPY of millions must
/// not fill the session's memory.
const MOST_REMEMBERED: usize = 100_000;

type RowName = (i64, String);

struct Note {
    /// How many triggers deep its statement is: one that a trigger issues is one deeper.
    depth: i32,
    statement: i64,
    what: Remembered,
}

#[derive(Default)]
struct Memory {
    transaction: i64,
    /// By attachment and key.
    rows: HashMap<RowName, Note>,
    /// The last row of each attachment that a label was filled in for.
    last: HashMap<i64, String>,
    overflown: bool,
    /// Rows that a trigger of the statement has decided about by updating them again, with its
    /// depth, before the statement's own triggers came to that.
    settled: HashMap<RowName, i32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// A statement on an attached table begins: what earlier ones left is of no use.
pub fn forget_statement(source: i64) {
    let depth = pg::trigger_depth();
    MEMORY.with_borrow_mut(|memory| {
        memory
            .rows
            .retain(|(of, _), note| *of != source || note.depth < depth);
        memory.last.remove(&source);
        memory
            .settled
            .retain(|(of, _), settled| *of != source || *settled < depth);
    });
}

/// Notes that a trigger of another statement has decided about a row.
pub fn settle(source: i64, key: &str) {
    let depth = pg::trigger_depth();
    if depth < 2 {
        return;
    }
    MEMORY.with_borrow_mut(|memory| {
        if memory.settled.try_reserve(1).is_ok() {
            memory.settled.insert((source, key.to_owned()), depth);
        }
    });
}

/// Whether that was so, for a trigger that fires because of that other statement; once.
pub fn take_settled(source: i64, key: &str) -> bool {
    let depth = pg::trigger_depth();
    MEMORY.with_borrow_mut(|memory| {
        if memory.settled.is_empty() {
            return false;
        }
        let settled = memory.settled.remove(&(source, key.to_owned()));
        settled.is_some_and(|settled| settled > depth)
    })
}

/// The label that an insertion has filled in which is not finished: another trigger of it
/// updates the row.
pub fn predicted_before(source: i64, key: &str) -> Option<String> {
    let depth = pg::trigger_depth();
    MEMORY.with_borrow(|memory| {
        let note = memory.rows.get(&(source, key.to_owned()))?;
        let is_running = note.depth < depth && note.statement == pg::statement_time();
        match &note.what {
            Remembered::Predicted(prediction) if is_running => prediction.label.clone(),
            _ => None,
        }
    })
}

pub fn remember(source: i64, key: String, what: Remembered) {
    let (transaction, statement) = (pg::transaction_time(), pg::statement_time());
    let depth = pg::trigger_depth();
    MEMORY.with_borrow_mut(|memory| {
        if memory.transaction != transaction {
            *memory = Memory {
                transaction,
                ..Memory::default()
            };
        }
        let name = (source, key);
        let known = memory.rows.get(&name);
        if known.is_some_and(|n| matches!(n.what, Remembered::Cleared) && memory.is_current(n)) {
            return;
        }
        // What a person did is not dropped.
        let ours = !matches!(what, Remembered::Cleared);
        if ours && memory.rows.len() >= MOST_REMEMBERED || memory.rows.try_reserve(1).is_err() {
            memory.overflown = true;
            return;
        }
        if matches!(what, Remembered::Predicted(_)) {
            memory.last.insert(source, name.1.clone());
        }
        let note = Note {
            depth,
            statement,
            what,
        };
        memory.rows.insert(name, note);
    });
}

impl Memory {
    fn current(&self, source: i64, key: &str) -> Option<&Remembered> {
        let note = self.rows.get(&(source, key.to_owned()))?;
        self.is_current(note).then_some(&note.what)
    }

    fn is_current(&self, note: &Note) -> bool {
        self.transaction == pg::transaction_time()
            && note.statement == pg::statement_time()
            && note.depth == pg::trigger_depth()
    }
}

/// What this statement knows about a row, once.
pub fn recall(source: i64, key: &str) -> Option<Remembered> {
    MEMORY.with_borrow_mut(|memory| {
        let note = memory.rows.remove(&(source, key.to_owned()))?;
        if memory.rows.is_empty() && memory.rows.capacity() > 1000 {
            memory.rows.shrink_to_fit();
        }
        memory.is_current(&note).then_some(note.what)
    })
}

/// Whether this statement may have filled in a label without knowing for which key: there
/// were too many, or the key was generated later.
pub fn may_know(source: i64) -> bool {
    MEMORY.with_borrow(|m| m.overflown && m.transaction == pg::transaction_time())
        || knows(source, "")
}

/// Whether a person took the label of a row away.
pub fn is_cleared(source: i64, key: &str) -> bool {
    MEMORY.with_borrow(|m| matches!(m.current(source, key), Some(Remembered::Cleared)))
}

/// The label that was filled in for a row, by this statement or the one that it runs in.
pub fn predicted_label(source: i64, key: &str) -> Option<String> {
    MEMORY.with_borrow(|memory| {
        let note = memory.rows.get(&(source, key.to_owned()))?;
        let is_ours =
            memory.transaction == pg::transaction_time() && note.statement == pg::statement_time();
        match &note.what {
            Remembered::Predicted(prediction) if is_ours => prediction.label.clone(),
            _ => None,
        }
    })
}

/// Whether an update has noted what a row was, which gives it another place.
pub fn is_moved(source: i64, key: &str) -> bool {
    MEMORY.with_borrow(|m| matches!(m.current(source, key), Some(Remembered::Updated { .. })))
}

/// Whether something is known about a row.
pub fn knows(source: i64, key: &str) -> bool {
    MEMORY.with_borrow(|m| m.current(source, key).is_some())
}

/// The row that a label was filled in for last, if it was this label.
pub fn last_predicted(source: i64, label: &str) -> Option<String> {
    MEMORY.with_borrow(|memory| {
        let key = memory.last.get(&source)?;
        match memory.current(source, key)? {
            Remembered::Predicted(p) if p.label.as_deref() == Some(label) => Some(key.clone()),
            _ => None,
        }
    })
}

/// What is known about that row, once.
pub fn recall_last(source: i64) -> Option<Prediction> {
    let last = MEMORY.with_borrow_mut(|memory| memory.last.remove(&source))?;
    match recall(source, &last) {
        Some(Remembered::Predicted(prediction)) => Some(prediction),
        _ => None,
    }
}
