//! A table takes the place of another one: the reviews and decisions of that one are about its
//! rows from now on.

use pgrx::{PgSqlErrorCode as Code, notice, pg_extern, pg_sys};

use super::absence::{Found, note_presence, warn_of_other_labels, write_decided_labels};
use super::attach::current_search_path;
use crate::arguments::given;
use crate::error::{SqlResult, report};
use crate::pg;
use crate::store::label_table::signal_names;
use crate::store::source::{Adoption, Source};
use crate::store::{self, Writer};

#[pg_extern(sql = false)]
fn adopt(
    relation: Option<pg_sys::Oid>,
    source: Option<&str>,
    text_columns: Option<Vec<Option<String>>>,
    label_column: Option<&str>,
    key_column: Option<&str>,
) -> SqlResult<i64> {
    let relation = given(relation, "relation")?;
    let source = given(source, "source")?;
    let search_path = current_search_path();
    store::write(c"triage.adopt()", |w| {
        store::hold_labels()?;
        let attachments = w.adopt(Adoption {
            relation,
            source,
            text_columns,
            label_column,
            key_column,
            search_path: &search_path,
        })?;
        // Another lookup table may have the names of the labels.
        signal_names();
        let mut there = 0;
        for id in attachments {
            let source = w.source(id)?;
            there += adopt_reviews(w, &source)?;
        }
        Ok(there)
    })
}

/// Looks which reviews have their row in the table; returns how many.
fn adopt_reviews(w: &mut Writer, source: &Source) -> SqlResult<i64> {
    let Found { there, gone } =
        pg::catching(|| note_presence(w, source)).map_err(|problem| misfit(source, &problem))?;
    if there == 0 && gone > 0 && w.has_rows(source)? {
        let problem = format!("none of its {gone} emails is there");
        return Err(misfit(source, &problem));
    }
    if gone > 0 {
        notice!(
            "{gone} emails of {} have no row there: what was decided about them stays, and nobody is asked about the others",
            source.name
        );
    }
    write_decided_labels(w, source)?;
    warn_of_other_labels(w, source)?;
    Ok(there)
}

fn misfit(source: &Source, problem: &str) -> pg_sys::panic::ErrorReport {
    report(
        Code::ERRCODE_INVALID_PARAMETER_VALUE,
        format!(
            "the table does not have the keys of source \"{}\": {problem} (name the right columns as key_column)",
            source.name
        ),
    )
}
