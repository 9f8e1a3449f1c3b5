//! Names that a statement has changed in a lookup table that `attach(..., label_table => ...)` knows:
//! the labels follow. What refers to the rows by their numbers needs no change.

use pgrx::{PgSqlErrorCode as Code, pg_extern, pg_sys};

use super::{key_of, lock, rename};
use crate::arguments::given_classifier;
use crate::error::{SqlResult, report};
use crate::pg::{self, check_for_interrupts};
use crate::store::{self, Writer};

/// A label that is to have another name.
struct Renaming {
    old_key: String,
    new_key: String,
    new: String,
    /// Whether its name is one that is on the way only.
    is_between: bool,
}

#[pg_extern(sql = false)]
fn follow_label_names(
    classifier: Option<&str>,
    label_table: Option<pg_sys::Oid>,
    old: Vec<String>,
    new: Vec<String>,
) -> SqlResult<Option<String>> {
    let classifier = given_classifier(classifier)?;
    let mut renamings = Vec::new();
    for (old, new) in old.iter().zip(&new) {
        renamings.push(Renaming {
            old_key: key_of(old)?,
            new_key: key_of(new)?,
            new: new.trim().to_owned(),
            is_between: false,
        });
    }
    store::write(c"UPDATE", |w| {
        lock(w, classifier)?;
        let problems = follow(w, classifier, label_table, renamings)?;
        Ok((!problems.is_empty()).then(|| problems.join("; ")))
    })
}

/// Renames labels in an order in which each new name is free; where they change places, one of them
/// goes by an unused name. Returns why some cannot have their names.
fn follow(
    w: &mut Writer,
    classifier: &str,
    label_table: Option<pg_sys::Oid>,
    mut pending: Vec<Renaming>,
) -> SqlResult<Vec<String>> {
    let mut problems = Vec::new();
    loop {
        check_for_interrupts();
        let is_free = |one: &Renaming| {
            one.new_key == one.old_key || pending.iter().all(|other| other.old_key != one.new_key)
        };
        if let Some(place) = pending.iter().position(is_free) {
            let next = pending.swap_remove(place);
            let Some(from) = w.label_row(classifier, &next.old_key)? else {
                continue;
            };
            if from.label == next.new {
                continue;
            }
            let renamed = pg::catching(|| rename(w, classifier, &from, &next.new, label_table));
            match renamed {
                Ok(_) => {}
                // Nobody is to find that name.
                Err(problem) if next.is_between => {
                    return Err(report(
                        Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                        problem,
                    ));
                }
                Err(problem) => problems.push(problem),
            }
            continue;
        }
        let Some(first) = pending.first_mut() else {
            return Ok(problems);
        };
        let between = unused_name(w, classifier)?;
        if let Some(from) = w.label_row(classifier, &first.old_key)? {
            rename(w, classifier, &from, &between, label_table)?;
        }
        first.old_key = key_of(&between)?;
        first.is_between = true;
    }
}

/// A name that no label has.
fn unused_name(w: &Writer, classifier: &str) -> SqlResult<String> {
    let mut number = 1;
    loop {
        let name = format!("being renamed {number}");
        if w.label_row(classifier, &key_of(&name)?)?.is_none() {
            return Ok(name);
        }
        number += 1;
    }
}
