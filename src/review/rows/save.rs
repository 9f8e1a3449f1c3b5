//! Updates that set a whole row, as object-relational mappers save an object: the label in it is
//! what the program read, or what it did not know yet, and not what a person says now.

use std::cell::Cell;

use pgrx::{PgSqlErrorCode as Code, notice};

use super::table::{Columns, name_of};
use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::pg::{self, Trigger};
use crate::review::decide;
use crate::store;
use crate::store::source::Source;

thread_local! {
    static NOTED: Cell<i64> = const { Cell::new(0) };
}

/// An update that changes the label of a row.
pub struct Change<'a> {
    pub source: &'a Source,
    /// The row's key.
    pub key: &'a str,
    /// Its label so far.
    pub before: Option<&'a str>,
    /// The label that it is to get.
    pub given: Option<&'a str>,
}

impl Change<'_> {
    /// Whether the row keeps its label, because this is a save and not a decision.
    ///
    /// # Errors
    /// The update is about the label alone, and the attachment does not let this user decide so.
    pub fn is_save(&self, trigger: &Trigger, columns: &Columns) -> SqlResult<bool> {
        let set = trigger.set_columns();
        // Another trigger of the table may have set it.
        let is_named = set.contains(&columns.label());
        if let Some(roles) = &self.source.corrections
            && !pg::is_one_of(roles)
        {
            if is_named && set.len() == 1 {
                return Err(self.refused(roles));
            }
            self.say("you may not correct it by updating the table");
            return Ok(true);
        }
        if !is_named || set.len() == 1 || self.before.is_none() || !self.is_stale()? {
            return Ok(false);
        }
        self.say(
            "an UPDATE that sets it to NULL, or to what had been predicted, together with other columns is a save and not a decision (to decide, set the label alone)",
        );
        Ok(true)
    }

    /// Whether the label given is what a program knows that has read the row before anybody
    /// decided about it.
    fn is_stale(&self) -> SqlResult<bool> {
        let Some(given) = given_label(self.given) else {
            return Ok(true);
        };
        let review = store::as_owner(|w| w.review_of(name_of(self.source, self.key)))?;
        let facts = review.as_ref().map(decide::review_facts);
        Ok(facts.is_some_and(|facts| facts.label_without_person() == Some(given)))
    }

    /// Says once per statement that a label was kept.
    fn say(&self, why: &str) {
        let statement = pg::statement_time();
        if NOTED.replace(statement) != statement {
            notice!(
                "email \"{}\" in {} keeps its label \"{}\": {why}",
                self.key,
                self.source.name,
                self.before.unwrap_or_default()
            );
        }
    }

    fn refused(&self, roles: &[String]) -> pgrx::pg_sys::panic::ErrorReport {
        let who = match roles {
            [] => "nobody".to_owned(),
            roles => roles.join(", "),
        };
        report(
            Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!(
                "{} may not correct labels by updating {} (corrections: {who}): use triage.correct(), triage.review or the queue view, or attach the table again with other corrections",
                pg::current_user(),
                self.source.name
            ),
        )
    }
}
