//! Triggers that cannot do their work, and say so once a session instead of failing the statement:
//! their table is not the one that was attached (it was restored or copied from there, or the
//! database is another one), or has lost a column that they need.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::{pg_sys, warning};

use crate::pg::Trigger;
use crate::store::source::{Source, lost_column};

thread_local! {
    static WARNED: RefCell<HashSet<pg_sys::Oid>> = RefCell::default();
}

fn is_first(trigger: &Trigger) -> bool {
    WARNED.with_borrow_mut(|warned| warned.insert(trigger.relation()))
}

/// Warns once a session that a table has lost a column, and the list of columns with it.
pub fn warn_of_lost_column(trigger: &Trigger) {
    if is_first(trigger) {
        warning!("{}", lost_column(&trigger.relation_name()));
    }
}

/// Warns once a session that a partition is attached by itself and through a table above.
pub fn warn_of_two(trigger: &Trigger, nearer: &Source, above: &Source) {
    if is_first(trigger) {
        let (nearer, above) = (&nearer.name, &above.name);
        let literal = pgrx::spi::quote_literal(nearer);
        warning!(
            "{nearer} is attached itself and has become a partition of {above}, which is attached, too: its rows are labelled through {nearer} alone. SELECT triage.detach({literal}) to have them labelled through {above}"
        );
    }
}

/// Warns once a session that rows of tables which inherit from an attached one are not labelled.
pub fn warn_of_children(trigger: &Trigger) {
    if trigger.has_children() && is_first(trigger) {
        warning!(
            "rows of tables that inherit from {} are not labelled, and labels set there are not learned: attach each of them, or make it a partitioned table",
            trigger.relation_name()
        );
    }
}

/// Warns once a session that a table has such triggers. `source` is the attachment that they
/// name, if it exists.
pub fn warn_of_orphan(trigger: &Trigger, source: Option<&Source>) {
    if !is_first(trigger) {
        return;
    }
    let table = trigger.relation_name();
    let literal = pgrx::spi::quote_literal(&table);
    let (whose, adopt) = match source {
        Some(source) => (
            format!("belong to {}", source.name),
            format!(
                "SELECT triage.adopt({literal}, {}) if it takes the place of that table",
                pgrx::spi::quote_literal(&source.name)
            ),
        ),
        None => (
            "belong to an attachment of another database".to_owned(),
            "triage.attach() to attach it here".to_owned(),
        ),
    };
    warning!(
        "{table} is not attached: its pg_triage triggers {whose} and do nothing. Use SELECT triage.detach({literal}) to remove them, or {adopt}"
    );
}
