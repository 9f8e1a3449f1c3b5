//! What a table lets into its label column: a label that its type or a constraint refuses is not
//! written, because the row would fail.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::{pg_sys, warning};

use super::table::Columns;
use crate::error::SqlResult;
use crate::pg::{self, Check, ForeignKey, Row, Rules, Trigger, Value};
use crate::store;
use crate::store::source::Source;

/// What one statement has found out. The next one asks anew: what a foreign key refers to is
/// locked until the transaction ends, but for changes of the transaction itself.
#[derive(Default)]
struct Known {
    statement: (i64, i64),
    rules: HashMap<(pg_sys::Oid, i16), Rc<Rules>>,
    /// Why a label is refused, whatever else the row holds; `None` if it is not.
    refusals: HashMap<(pg_sys::Oid, i16, String), Option<String>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// A statement on an attached table begins.
pub fn forget_refusals() {
    KNOWN.with_borrow_mut(|known| *known = Known::default());
}

fn with_known<R>(f: impl FnOnce(&mut Known) -> R) -> R {
    let statement = (pg::transaction_time(), pg::statement_time());
    KNOWN.with_borrow_mut(|known| {
        if known.statement != statement {
            *known = Known {
                statement,
                ..Known::default()
            };
        }
        f(known)
    })
}

/// The row with a label, or why the table does not let it have that.
pub fn with_label(
    trigger: &Trigger,
    columns: &Columns,
    row: Row,
    label: &str,
) -> SqlResult<Result<Row, String>> {
    let (None, Some(value)) = (columns.refusal(label), columns.stored(label)) else {
        return Ok(Err(columns.refusal(label).unwrap_or_default()));
    };
    let column = columns.label();
    let put = || row.with(&[(column, Value::Text(value))]);
    let place = (trigger.relation(), column);
    let rules = match with_known(|known| known.rules.get(&place).cloned()) {
        Some(rules) => rules,
        None => {
            let rules = trigger.rules(column);
            if rules.is_nothing() {
                return put().map(Ok);
            }
            let rules = Rc::new(rules);
            with_known(|known| known.rules.insert(place, rules.clone()));
            rules
        }
    };
    let name = (place.0, place.1, label.to_owned());
    let refusal = match with_known(|known| known.refusals.get(&name).cloned()) {
        Some(refusal) => refusal,
        None => {
            let refusal = refusal(&rules, label, value, put)?;
            with_known(|known| known.refusals.insert(name, refusal.clone()));
            refusal
        }
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    let labelled = put()?;
    let checks = rules.checks.iter().filter(|check| !check.is_alone);
    for check in checks {
        let whole = || trigger.completed(labelled, &rules.generated);
        let satisfies = pg::catching(|| whole()?.satisfies(check));
        if let Some(refusal) = refused_by_check(satisfies, check, label) {
            return Ok(Err(refusal));
        }
    }
    let keys = rules.foreign_keys.iter().filter(|key| !key.is_alone());
    for key in keys {
        if let Some(refusal) = refused_by_key(&labelled, key, label)? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(labelled))
}

/// Why the label column of an attached table refuses a label whatever else a row holds; `None`
/// if it does not. Runs what its constraints call, as the owner of the table.
pub fn column_refusal(source: &Source, label: &str) -> SqlResult<Option<String>> {
    let (Some(column), Some(row)) = (source.label_column(), pg::empty_row(source.relation)) else {
        return Ok(None);
    };
    let names = store::label_table::names(source)?;
    let value = match &names {
        Some(names) => names.id_of(label),
        None => Some(label),
    };
    let refusal_of_table = names.as_ref().and_then(|names| names.refusal(label));
    let (None, Some(value)) = (&refusal_of_table, value) else {
        return Ok(refusal_of_table);
    };
    let rules = pg::rules_of(source.relation, column);
    pg::as_table_owner(source.relation, &source.search_path, || {
        refusal(&rules, label, value, || {
            row.with(&[(column, Value::Text(value))])
        })
    })
}

/// Warns which labels the label column of an attached table cannot hold, and why.
pub fn warn_of_refused(source: &Source, labels: &[String]) -> SqlResult<()> {
    const SHOWN: usize = 5;
    let mut refused = Vec::new();
    for label in labels {
        pg::check_for_interrupts();
        refused.extend(column_refusal(source, label)?);
    }
    if refused.is_empty() {
        return Ok(());
    }
    let more = match refused.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    refused.truncate(SHOWN);
    warning!(
        "rows of {} do not get every label of classifier \"{}\": {}{more}",
        source.name,
        source.classifier,
        refused.join("; ")
    );
    Ok(())
}

/// Why a label is refused, whatever else the row holds.
fn refusal(
    rules: &Rules,
    label: &str,
    value: &str,
    put: impl Fn() -> SqlResult<Row>,
) -> SqlResult<Option<String>> {
    if rules
        .limit
        .is_some_and(|limit| value.chars().count() > limit)
    {
        return Ok(Some(format!(
            "label \"{label}\" is too long for the column"
        )));
    }
    if rules.is_choosy
        && let Err(message) = pg::catching(|| put().map(drop))
    {
        return Ok(Some(format!("label \"{label}\" is refused: {message}")));
    }
    let labelled = put()?;
    for check in rules.checks.iter().filter(|check| check.is_alone) {
        let satisfies = pg::catching(|| labelled.satisfies(check));
        if let Some(refusal) = refused_by_check(satisfies, check, label) {
            return Ok(Some(refusal));
        }
    }
    for key in rules.foreign_keys.iter().filter(|key| key.is_alone()) {
        if let Some(refusal) = refused_by_key(&labelled, key, label)? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

fn refused_by_check(satisfies: Result<bool, String>, check: &Check, label: &str) -> Option<String> {
    match satisfies {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "label \"{label}\" violates check constraint \"{}\"",
            check.name
        )),
        Err(message) => Some(format!(
            "label \"{label}\" is refused by check constraint \"{}\": {message}",
            check.name
        )),
    }
}

fn refused_by_key(row: &Row, key: &ForeignKey, label: &str) -> SqlResult<Option<String>> {
    let mut values = Vec::with_capacity(key.columns.len());
    for column in &key.columns {
        // A null refers to nothing.
        let Some(value) = row.text(column.own)? else {
            return Ok(None);
        };
        values.push(value);
    }
    let found = store::as_owner(|w| w.lock_referenced(key, &values))?;
    Ok((!found).then(|| {
        let what = match key.is_alone() {
            true => format!("label \"{label}\" is"),
            false => format!("label \"{label}\" and other columns are"),
        };
        format!(
            "{what} not in the table that foreign key \"{}\" refers to",
            key.name
        )
    }))
}
