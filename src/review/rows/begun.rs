//! Which statements on attached tables have begun, and which of their triggers said so.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::pg;

/// What has begun a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A trigger of the attached table for statements.
    Table,
    /// The first of its rows: it names a partition, or a table above.
    Row,
}

/// When the client sent it, and which command of the transaction it is.
type Statement = (i64, u32);

thread_local! {
    /// The last statement on each attached table, by how many triggers deep it is.
    static BEGUN: RefCell<HashMap<(i32, i64), (Statement, By)>> = RefCell::default();
}

fn statement() -> Statement {
    (pg::statement_time(), pg::calling_command())
}

/// Notes that the running statement on a table has begun.
pub fn note(source: i64, by: By) {
    let place = (pg::trigger_depth(), source);
    BEGUN.with_borrow_mut(|begun| begun.insert(place, (statement(), by)));
}

/// What has begun the running statement on a table, if anything has.
pub fn by(source: i64) -> Option<By> {
    let place = (pg::trigger_depth(), source);
    let (then, by) = BEGUN.with_borrow(|begun| begun.get(&place).copied())?;
    (then == statement()).then_some(by)
}
