//! Which statement runs, and what it has decided.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use crate::error::SqlResult;
use crate::pg;
use crate::pg::shared_memory::{WakeRequest, wake_at_commit};

thread_local! {
    static STATEMENT: Cell<Statement> = const { Cell::new(Statement::NONE) };
    static ACTIVITY: Cell<u64> = const { Cell::new(0) };
    static DECIDED: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// A statement that decides.
#[derive(Clone, Copy)]
struct Statement {
    /// When the client sent it, and how many triggers deep it is.
    time: i64,
    depth: i32,
    batch: Option<i64>,
    changed_rows: u64,
    /// How many decisions it has made.
    decided: u64,
    /// Whether the row that comes next was listed by the client.
    listed: bool,
    /// Whether it was said how to take it back.
    announced: bool,
    /// Whether it is an update that names the label.
    names_label: bool,
}

impl Statement {
    const NONE: Self = Self {
        time: 0,
        depth: 0,
        batch: None,
        changed_rows: 0,
        decided: 0,
        listed: false,
        announced: false,
        names_label: false,
    };
}

/// Begins a statement: its decisions get a batch of their own, unless a trigger of another
/// one issued it.
pub fn begin_batch() {
    note_activity();
    let (time, depth) = (pg::statement_time(), pg::trigger_depth());
    let running = STATEMENT.get();
    if running.time == time && running.depth > 0 && running.depth < depth {
        return;
    }
    STATEMENT.set(Statement {
        time,
        depth,
        ..Statement::NONE
    });
}

/// Notes that the statement that has begun is an update of reviews that names the label.
pub fn name_label() {
    let statement = STATEMENT.get();
    STATEMENT.set(Statement {
        names_label: true,
        ..statement
    });
}

/// Whether the running statement is an update of reviews that names the label, if to the same one.
pub fn names_label() -> bool {
    let statement = STATEMENT.get();
    statement.time == pg::statement_time() && statement.names_label
}

/// Number of the statement's batch; `new` makes one.
pub fn batch(new: impl FnOnce() -> SqlResult<i64>) -> SqlResult<i64> {
    let time = pg::statement_time();
    let mut statement = STATEMENT.get();
    if statement.time != time {
        statement = Statement {
            time,
            ..Statement::NONE
        };
    }
    let batch = match statement.batch {
        Some(batch) => batch,
        None => new()?,
    };
    statement.batch = Some(batch);
    STATEMENT.set(statement);
    Ok(batch)
}

/// Counts one more row that the statement changes.
pub fn count_changed_row() -> u64 {
    let mut statement = STATEMENT.get();
    statement.changed_rows += 1;
    STATEMENT.set(statement);
    statement.changed_rows
}

/// Notes that a client has listed the row that it is about to change, as INSERT does: it cannot
/// have forgotten a WHERE clause.
pub fn list_row() {
    let statement = STATEMENT.get();
    STATEMENT.set(Statement {
        listed: true,
        ..statement
    });
}

/// Whether the row that is changed was listed; the next one was not.
pub fn take_listed_row() -> bool {
    let statement = STATEMENT.get();
    STATEMENT.set(Statement {
        listed: false,
        ..statement
    });
    statement.listed
}

/// The statement's batch and how many decisions are in it, once; `None` if there are none, or a
/// trigger of another statement issued it, whose they are.
pub fn take_batch() -> Option<(i64, u64)> {
    let mut statement = STATEMENT.get();
    let is_current =
        statement.time == pg::statement_time() && statement.depth == pg::trigger_depth();
    let batch = statement
        .batch
        .filter(|_| is_current && statement.decided > 0)?;
    let decided = std::mem::take(&mut statement.decided);
    STATEMENT.set(statement);
    Some((batch, decided))
}

/// The running statement's batch once it has made more decisions than this; said once.
pub fn batch_beyond(most: u64) -> Option<i64> {
    let mut statement = STATEMENT.get();
    let is_current = statement.time == pg::statement_time();
    if !is_current || statement.announced || statement.decided <= most {
        return None;
    }
    statement.announced = true;
    STATEMENT.set(statement);
    statement.batch
}

/// A number that is another one once a decision was made, or a statement on an attached table began.
pub fn activity() -> u64 {
    ACTIVITY.get()
}

fn note_activity() {
    ACTIVITY.set(ACTIVITY.get().wrapping_add(1));
}

/// Notes a decision of the statement's batch, for [`take_batch`] and [`take_decided`].
pub fn note_decided(classifier: &str) {
    note_activity();
    let mut statement = STATEMENT.get();
    statement.decided += 1;
    STATEMENT.set(statement);
    wake_at_commit(WakeRequest::Now);
    DECIDED.with_borrow_mut(|decided| match decided.get_mut(classifier) {
        Some(n) => *n += 1,
        None => {
            decided.insert(classifier.to_owned(), 1);
        }
    });
}

/// Notes that an email has got a review.
pub fn note_received() {
    wake_at_commit(WakeRequest::Look);
}

/// Classifiers decided about since the last call, with the number of decisions.
pub fn take_decided() -> BTreeMap<String, u64> {
    DECIDED.take()
}

/// True for every n-th call. Sessions begin at different places: of many that call it once, one in
/// n hears yes, too.
pub fn one_in(n: u64) -> bool {
    thread_local! {
        // Hashed: clients that start a process themselves for each session get every second number.
        static CALLS: Cell<u64> = Cell::new(RandomState::new().hash_one(std::process::id()));
    }
    CALLS.set(CALLS.get().wrapping_add(1));
    CALLS.get().is_multiple_of(n)
}

/// Whether [`take_decided`] would return anything.
pub fn has_decided() -> bool {
    DECIDED.with_borrow(|decided| !decided.is_empty())
}
