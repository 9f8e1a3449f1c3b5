//! Reviews of emails whose rows are gone: they leave the queue, and return with the row.

use std::collections::HashSet;

use super::connection::{Reader, Writer};
use super::email::{has_key_of, names_of};
use super::review::is_aside;
use super::row::row;
use super::source::Source;
use crate::error::SqlResult;
use crate::pg;

row! {
    /// A review and the key of its email.
    pub struct ReviewedEmail {
        pub review_id: i64,
        pub email_key: String,
    }
}

/// What is said about a review whose row is gone.
const LEAVES: &str = "UPDATE triage.review
      SET deleted_at = now(), deleted_queue_reason = queue_reason, queue_reason = NULL, row_version = row_version + 1
    WHERE source = $1 AND classifier = $2 AND deleted_at IS NULL";

fn list(keys: Vec<String>) -> Vec<Option<String>> {
    keys.into_iter().map(Some).collect()
}

impl Reader<'_> {
    /// Which of these keys have a row in the attached table: none, if that is gone.
    pub fn present(&self, source: &Source, keys: &[String]) -> SqlResult<HashSet<String>> {
        let Some(place) = source.table() else {
            return Ok(HashSet::new());
        };
        let columns = place.keys.len();
        let mut parts: Vec<Vec<Option<String>>> = vec![Vec::new(); columns];
        for key in keys.iter().filter(|key| !is_aside(key)) {
            let Some(key) = pg::key_parts(key, columns) else {
                continue;
            };
            for (list, part) in parts.iter_mut().zip(key) {
                list.push(Some(part));
            }
        }
        let numbered = |text: &dyn Fn(usize) -> String| {
            let all: Vec<_> = (1..=columns).map(text).collect();
            all.join(", ")
        };
        let query = format!(
            "SELECT {} FROM unnest({}) AS k ({}) JOIN {} AS t ON {}",
            names_of(&place).join(", "),
            numbered(&|n| format!("CAST(${n} AS text[])")),
            numbered(&|n| format!("k{n}")),
            place.table,
            has_key_of(&place),
        );
        let given: Vec<_> = parts.into_iter().map(Into::into).collect();
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.connection.run(&query, &given)?;
            let keys = rows.iter().map(|row| row.key(0..columns));
            keys.filter_map(Result::transpose).collect()
        })
    }

    /// Reviews of an attachment after the review `after`, as many as asked for: all, or those that
    /// are `open`.
    pub fn reviews_of(
        &self,
        source: &Source,
        open: bool,
        after: i64,
        most: i64,
    ) -> SqlResult<Vec<ReviewedEmail>> {
        self.rows(
            "FROM triage.review
              WHERE source = $1 AND classifier = $2 AND review_id > $4
                AND (queue_reason IS NOT NULL OR NOT $3)
              ORDER BY review_id LIMIT $5",
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                open.into(),
                after.into(),
                most.into(),
            ],
        )
    }

    /// Whether an attached table has any row.
    pub fn has_rows(&self, source: &Source) -> SqlResult<bool> {
        let Some(place) = source.table() else {
            return Ok(false);
        };
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            self.exists(&format!("FROM {} LIMIT 1", place.table), &[])
        })
    }

    /// Attachments of tables that were dropped.
    pub fn dropped_attachments(&self) -> SqlResult<Vec<i64>> {
        self.values(
            "source_id FROM triage_internal.dropped_source WHERE attached ORDER BY 1",
            &[],
        )
    }
}

impl Writer<'_> {
    /// Emails whose rows are gone leave the queue; returns how many reviews that changed.
    pub fn note_deleted(&mut self, source: &Source, keys: Vec<String>) -> SqlResult<usize> {
        self.change_review(
            &format!("{LEAVES} AND email_key = ANY ($3)"),
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                list(keys).into(),
            ],
        )
    }

    /// All emails of an attachment leave the queue; returns how many reviews that changed.
    pub fn note_all_deleted(&mut self, source: &Source) -> SqlResult<usize> {
        self.change_review(
            LEAVES,
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
            ],
        )
    }

    /// Emails whose rows are back return to the queue, if they were there; returns how many
    /// reviews that changed.
    pub fn note_returned(&mut self, source: &Source, keys: Vec<String>) -> SqlResult<usize> {
        self.change_review(
            "UPDATE triage.review
                SET deleted_at = NULL, queue_reason = deleted_queue_reason, deleted_queue_reason = NULL,
                    row_version = row_version + 1
              WHERE source = $1 AND classifier = $2 AND email_key = ANY ($3) AND deleted_at IS NOT NULL",
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                list(keys).into(),
            ],
        )
    }

    /// An attachment whose table was dropped is none any more.
    pub fn end_attachment(&mut self, id: i64) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.source SET attached = false WHERE source_id = $1",
            &[id.into()],
        )?;
        Ok(())
    }
}
