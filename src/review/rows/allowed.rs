//! What a table lets into its label column: a label that its type, a constraint, an index or a
//! policy refuses is not written, because the row would fail.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode as Code, pg_sys, warning};

use super::table::Columns;
use crate::error::SqlResult;
use crate::pg::{self, Check, Event, ForeignKey, Generated, Row, Rules, Trigger, Value};
use crate::store::policy::Policy;
use crate::store::source::Source;
use crate::store::{self, Writer};

/// What one statement has found out. The next one asks anew: what a foreign key refers to is
/// locked until the transaction ends, but for changes of the transaction itself.
#[derive(Default)]
struct Known {
    statement: (i64, i64),
    rules: HashMap<(pg_sys::Oid, i16), Rc<Rules>>,
    /// By table, command and user; `None` where none applies.
    policies: HashMap<(pg_sys::Oid, Event, String), Option<Rc<Policy>>>,
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

/// What the running statement's table lets into its label column.
fn rules_of(trigger: &Trigger, column: i16) -> Rc<Rules> {
    let place = (trigger.relation(), column);
    if let Some(rules) = with_known(|known| known.rules.get(&place).cloned()) {
        return rules;
    }
    let rules = Rc::new(trigger.rules(column));
    with_known(|known| known.rules.insert(place, rules.clone()));
    rules
}

/// The policies that a row of the running statement has to satisfy, if they depend on its label.
fn policy_of(trigger: &Trigger, source: &Source) -> SqlResult<Option<Rc<Policy>>> {
    if !pg::hides_rows(source.relation) {
        return Ok(None);
    }
    let place = (source.relation, trigger.event(), pg::current_user());
    if let Some(policy) = with_known(|known| known.policies.get(&place).cloned()) {
        return Ok(policy);
    }
    let policy = match source.label_column() {
        Some(column) => {
            // Of the table that was attached: columns of a partition have other numbers.
            let generated = pg::rules_of(source.relation, column).generated;
            let mut columns: Vec<i32> = generated.iter().map(|c| i32::from(c.number)).collect();
            columns.push(column.into());
            let is_update = trigger.event() == Event::Update;
            store::read_now(|r| r.policy(source, &place.2, is_update, columns))?.map(Rc::new)
        }
        None => None,
    };
    with_known(|known| known.policies.insert(place, policy.clone()));
    Ok(policy)
}

/// The row with a label, or why the table does not let it have that.
pub fn with_label(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    row: Row,
    label: &str,
) -> SqlResult<Result<Row, String>> {
    let (None, Some(value)) = (columns.refusal(label), columns.stored(label)) else {
        return Ok(Err(columns.refusal(label).unwrap_or_default()));
    };
    let column = columns.label();
    let put = || row.with(&[(column, Value::Text(value))]);
    let rules = rules_of(trigger, column);
    if !rules.is_nothing()
        && let Some(refusal) = refused_by_rules(trigger, &rules, label, value, put)?
    {
        return Ok(Err(refusal));
    }
    let labelled = put()?;
    if is_refused_by_policy(trigger, source, labelled)? {
        return Ok(Err(format!(
            "label \"{label}\" violates row-level security of {}",
            source.name
        )));
    }
    Ok(Ok(labelled))
}

/// Why the type of the label column, a constraint or an index refuses a label.
fn refused_by_rules(
    trigger: &Trigger,
    rules: &Rules,
    label: &str,
    value: &str,
    put: impl Fn() -> SqlResult<Row>,
) -> SqlResult<Option<String>> {
    let name = (trigger.relation(), rules.column, label.to_owned());
    let refusal = match with_known(|known| known.refusals.get(&name).cloned()) {
        Some(refusal) => refusal,
        None => {
            let complete = |row, numbers: &[i16]| trigger.completed(row, numbers);
            let refusal = refusal(rules, label, value, &put, complete)?;
            with_known(|known| known.refusals.insert(name, refusal.clone()));
            refusal
        }
    };
    if refusal.is_some() {
        return Ok(refusal);
    }
    refused_by_row(trigger, rules, put()?, label, &|others| !others.is_empty())
}

/// Whether a policy that depends on the label does not let a row be written.
fn is_refused_by_policy(trigger: &Trigger, source: &Source, row: Row) -> SqlResult<bool> {
    let Some(policy) = policy_of(trigger, source)? else {
        return Ok(false);
    };
    Ok(!pg::catching(|| policy.lets(&trigger.completed_all(row)?)).unwrap_or(false))
}

/// Whether the table refuses the label that a row has and keeps, because an update changes other
/// columns.
pub fn is_refused_now(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    old: Row,
    new: Row,
) -> SqlResult<bool> {
    let rules = rules_of(trigger, columns.label());
    let is_changed = |&number: &i16| number == 0 || !old.stores_same(&new, number);
    let concerns = |others: &[i16]| others.iter().any(is_changed);
    if policy_of(trigger, source)?.is_none() && !rules.others().any(concerns) {
        return Ok(false);
    }
    let Some(label) = columns.label_of(new)? else {
        return Ok(false);
    };
    Ok(
        refused_by_row(trigger, &rules, new, &label, &concerns)?.is_some()
            || is_refused_by_policy(trigger, source, new)?,
    )
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
    let put = || row.with(&[(column, Value::Text(value))]);
    let complete = |row, numbers: &[i16]| pg::completed(source.relation, row, numbers);
    pg::as_table_owner(source.relation, &source.search_path, || {
        refusal(&rules, label, value, put, complete)
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

/// Warns what a statement on an attached table can still fail on because of a label that is
/// predicted, or of one that is not.
pub fn warn_of_what_fails(w: &mut Writer, source: &Source, label_column: &str) -> SqlResult<()> {
    let Some(column) = source.label_column() else {
        return Ok(());
    };
    let rules = pg::rules_of(source.relation, column);
    for unique in &rules.uniques {
        warning!(
            "index \"{}\" of {} lets a label in only once: where the best one is there already, a row gets the next best or waits; of two sessions that insert at the same moment, one can still fail",
            unique.name,
            source.name
        );
    }
    if rules.is_required && w.label_default(source)?.is_none() {
        warning!(
            "column \"{label_column}\" of {} is NOT NULL and has no default, so an INSERT fails that gets no label: drop NOT NULL, or give it a default and attach with default_is_empty => true",
            source.name
        );
    }
    for view in w.checking_views(source, column)? {
        warning!(
            "view {view} has a CHECK OPTION and depends on column \"{label_column}\" of {}: an INSERT through it fails where the predicted label does not satisfy it; drop the option, or give rows their label there",
            source.name
        );
    }
    Ok(())
}

/// Why a label is refused, whatever else the row holds. `complete` computes generated columns.
fn refusal(
    rules: &Rules,
    label: &str,
    value: &str,
    put: impl Fn() -> SqlResult<Row>,
    complete: impl Fn(Row, &[i16]) -> SqlResult<Row>,
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
    let alone = |others: &[i16]| others.is_empty();
    match with_generated(rules, put()?, label, &alone, complete)? {
        Ok(whole) => refused_by_constraint(rules, &whole, label, &alone),
        Err(refusal) => Ok(Some(refusal)),
    }
}

/// Why a row with a label is refused, as far as it depends on other columns that are of `concern`,
/// or on other rows.
fn refused_by_row(
    trigger: &Trigger,
    rules: &Rules,
    labelled: Row,
    label: &str,
    concern: &impl Fn(&[i16]) -> bool,
) -> SqlResult<Option<String>> {
    let complete = |row, numbers: &[i16]| trigger.completed(row, numbers);
    let whole = match with_generated(rules, labelled, label, &|_| true, complete)? {
        Ok(whole) => whole,
        Err(refusal) => return Ok(Some(refusal)),
    };
    if let Some(refusal) = refused_by_constraint(rules, &whole, label, concern)? {
        return Ok(Some(refusal));
    }
    // Of a label that stays, what it depends on alone is as it was.
    let is_new =
        trigger.event() != Event::Update || !trigger.old().stores_same(&labelled, rules.column);
    for unique in &rules.uniques {
        if !is_new && !concern(&unique.others) {
            continue;
        }
        let checked = pg::catching_error(|| trigger.check_unique(&whole, unique));
        if let Err(error) = checked {
            return Ok(Some(match error.code {
                Some(Code::ERRCODE_EXCLUSION_VIOLATION) => format!(
                    "label \"{label}\" is there already, which unique index \"{}\" does not allow",
                    unique.name
                ),
                _ => format!(
                    "label \"{label}\" is refused by index \"{}\": {}",
                    unique.name, error.message
                ),
            }));
        }
    }
    Ok(None)
}

/// The row with the generated columns that are made of its label and of columns of `concern`, or why
/// they refuse the label.
fn with_generated(
    rules: &Rules,
    labelled: Row,
    label: &str,
    concern: &impl Fn(&[i16]) -> bool,
    complete: impl Fn(Row, &[i16]) -> SqlResult<Row>,
) -> SqlResult<Result<Row, String>> {
    let wanted = |generated: &&Generated| concern(&generated.others);
    let generated: Vec<&Generated> = rules.generated.iter().filter(wanted).collect();
    if generated.is_empty() {
        return Ok(Ok(labelled));
    }
    let numbers: Vec<i16> = generated.iter().map(|column| column.number).collect();
    let whole = match pg::catching(|| complete(labelled, &numbers)) {
        Ok(whole) => whole,
        Err(message) => {
            return Ok(Err(format!(
                "label \"{label}\" is refused by a generated column: {message}"
            )));
        }
    };
    for column in generated.iter().filter(|column| column.is_required) {
        if whole.text(column.number)?.is_none() {
            return Ok(Err(format!(
                "label \"{label}\" leaves generated column \"{}\" null, which is NOT NULL",
                column.name
            )));
        }
    }
    Ok(Ok(whole))
}

/// Why a check constraint or a foreign key refuses a row, of those that depend on columns of
/// `concern`.
fn refused_by_constraint(
    rules: &Rules,
    whole: &Row,
    label: &str,
    concern: &impl Fn(&[i16]) -> bool,
) -> SqlResult<Option<String>> {
    for check in rules.checks.iter().filter(|check| concern(&check.others)) {
        let satisfies = pg::catching(|| whole.satisfies(check));
        if let Some(refusal) = refused_by_check(satisfies, check, label) {
            return Ok(Some(refusal));
        }
    }
    for key in rules.foreign_keys.iter().filter(|key| concern(&key.others)) {
        if let Some(refusal) = refused_by_key(whole, key, label)? {
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
        let what = match key.others.is_empty() {
            true => format!("label \"{label}\" is"),
            false => format!("label \"{label}\" and other columns are"),
        };
        format!(
            "{what} not in the table that foreign key \"{}\" refers to",
            key.name
        )
    }))
}
