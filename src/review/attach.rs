//! Attaching tables, and labelling what they held before there was a model.

use pgrx::{pg_extern, pg_sys, warning};

use crate::arguments::{given, given_classifier, given_most};
use crate::error::SqlResult;
use crate::pg;
use crate::predict::cache;
use crate::review::absence::warn_of_other_labels;
use crate::review::prediction::is_without_text;
use crate::review::rows::allowed::{warn_of_refused, warn_of_what_fails};
use crate::review::waiting::label_waiting;
use crate::store::label_table::{names, signal_names};
use crate::store::source::{INBOX, NewAttachment, Source};
use crate::store::{self, Writer};

#[pg_extern(sql = false)]
#[expect(clippy::too_many_arguments, reason = "those of the SQL function")]
fn attach(
    relation: Option<pg_sys::Oid>,
    text_columns: Option<Vec<Option<String>>>,
    label_column: Option<&str>,
    key_column: Option<&str>,
    classifier: Option<&str>,
    record_given_labels: Option<bool>,
    label_table: Option<pg_sys::Oid>,
    label_name_column: Option<&str>,
    show: Option<Vec<Option<String>>>,
    corrections: Option<&str>,
    received_at_column: Option<&str>,
    default_is_empty: Option<bool>,
) -> SqlResult<i64> {
    let relation = given(relation, "relation")?;
    let text_columns = given(text_columns, "text_columns")?;
    let label_column = given(label_column, "label_column")?;
    let classifier = given_classifier(classifier)?;
    let search_path = current_search_path();
    store::write(c"triage.attach()", |w| {
        w.lock_classifier(classifier)?;
        let number = w.attach(NewAttachment {
            relation,
            text_columns,
            label_column,
            key_column,
            classifier,
            record_given_labels: record_given_labels.unwrap_or(false),
            search_path: &search_path,
            label_table,
            label_name_column,
            show,
            corrections: corrections.unwrap_or("anyone"),
            received_at_column,
            default_is_empty: default_is_empty.unwrap_or(false),
        })?;
        if let Some(reason) = w.hidden_rows(&w.source(number)?)? {
            warning!(
                "decisions about rows that policies hide will fail, but for those by an UPDATE of the table: {reason}"
            );
        }
        let default_is_empty = default_is_empty.unwrap_or(false);
        mind_default(w, &w.source(number)?, label_column, default_is_empty)?;
        let source = w.source(number)?;
        // A table that was attached before may have had another one.
        signal_names();
        if let Some(names) = names(&source)? {
            if names.is_hidden {
                warning!(
                    "names in {} that policies hide from its owner are no labels: ALTER TABLE {0} NO FORCE ROW LEVEL SECURITY, or let its owner see them",
                    names.table
                );
            }
            if let Some(name) = names.check()?.first() {
                warning!(
                    "several rows of the label_table are called \"{name}\": predictions and corrections by name get the first of them"
                );
            }
            for label in names.labels() {
                w.add_label(classifier, label, None)?;
            }
        }
        warn_of_refused(&source, &w.labels(classifier)?)?;
        warn_of_what_fails(w, &source, label_column)?;
        warn_of_other_labels(w, &source)?;
        Ok(number)
    })
}

/// Lets the default of the label column count as no label, or says what it does.
fn mind_default(
    w: &mut Writer,
    source: &Source,
    label_column: &str,
    is_empty: bool,
) -> SqlResult<()> {
    if source.id == INBOX {
        return Ok(());
    }
    let default = w.label_default(source)?;
    if let (Some(default), false) = (&default, is_empty) {
        warning!(
            "column \"{label_column}\" of {} has the default {default}, so new rows come with a label and are not classified: attach with default_is_empty => true, or drop the default",
            source.name
        );
    }
    w.set_empty_label(source, default.as_deref().filter(|_| is_empty))
}

/// The caller's search path, as triggers may use it.
pub fn current_search_path() -> String {
    let path = pg::setting(c"search_path").unwrap_or_default();
    // pg_temp comes last: where it is not named, it would be searched first.
    let mut path: Vec<&str> = path
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && part.trim_matches('"') != "pg_temp")
        .collect();
    if path.is_empty() {
        path.push("pg_catalog");
    }
    path.push("pg_temp");
    path.join(", ")
}

#[pg_extern(sql = false)]
fn detach(relation: Option<pg_sys::Oid>) -> SqlResult<i32> {
    let relation = given(relation, "relation")?;
    store::write(c"triage.detach()", |w| w.detach(relation))
}

/// Rows classified between two looks at the table.
const ROWS_AT_ONCE: i64 = 200;

#[pg_extern(sql = false)]
fn classify_pending(relation: Option<pg_sys::Oid>, most: Option<i32>) -> SqlResult<i64> {
    let most = given_most(most)?;
    store::write(c"triage.classify_pending()", |w| {
        let mut labelled = 0;
        for source in attachments_of(w, relation)? {
            labelled += classify_visible_rows(w, &source, most - labelled)?;
        }
        Ok(labelled)
    })
}

/// Labels rows of one table that policies show its owner, at most so many; returns how many. Says
/// that there may be others. What policies keep from being read stops no other table.
pub fn classify_visible_rows(w: &mut Writer, source: &Source, most: i64) -> SqlResult<i64> {
    let Some(reason) = w.hidden_rows(source)? else {
        return classify_rows(w, source, most);
    };
    let (labelled, problem) = match pg::catching(|| classify_rows(w, source, most)) {
        Ok(labelled) => (labelled, String::new()),
        Err(message) => (0, format!(" ({message})")),
    };
    warn_of_hidden_rows(source, &problem, &reason);
    Ok(labelled)
}

/// Says that nobody can tell how many rows were not looked at.
pub fn warn_of_hidden_rows(source: &Source, problem: &str, reason: &str) {
    warning!(
        "rows of {} that policies hide are not classified{problem}: {reason}",
        source.name
    );
}

/// The attachments of a table, or of all: whose rows the caller may have classified.
pub fn attachments_of(w: &Writer, relation: Option<pg_sys::Oid>) -> SqlResult<Vec<Source>> {
    let sources = w.attachments(relation)?;
    if let Some(relation) = relation {
        w.check_attached(relation, !sources.is_empty())?;
    }
    Ok(sources)
}

/// Labels rows of one table, at most so many; returns how many.
fn classify_rows(w: &mut Writer, source: &Source, most: i64) -> SqlResult<i64> {
    let Some(active) = cache::active_model_of(w, &source.classifier)? else {
        return Ok(0);
    };
    let Some(place) = source.table() else {
        w.check_columns(source)?;
        return Ok(0);
    };
    store::hold_labels()?;
    let (mut labelled, mut last) = (0, None);
    while labelled < most {
        let wanted = (most - labelled).min(ROWS_AT_ONCE);
        let rows = w.lock_unlabelled(source, &place, last.as_deref(), wanted)?;
        let Some(row) = rows.last() else {
            break;
        };
        last = Some(row.key.clone());
        for row in rows {
            pg::check_for_interrupts();
            if is_without_text(&row.text) {
                continue;
            }
            let written = label_waiting(w, source, &place, &row, &active)?;
            labelled += i64::from(written);
        }
    }
    Ok(labelled)
}
