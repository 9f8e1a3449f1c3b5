//! Reviews of emails whose rows are gone: they leave the queue, and return with the row.

use std::collections::HashMap;

use super::connection::{Reader, Writer};
use super::email::{has_key_of, names_of};
use super::label_table::names;
use super::review::is_aside;
use super::row::row;
use super::source::Source;
use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg;

row! {
    /// A review and the key of its email.
    pub struct ReviewedEmail {
        pub review_id: i64,
        pub email_key: String,
    }
}

row! {
    /// A review and the label that it says its email has.
    pub struct ReviewedLabel {
        pub review_id: i64,
        pub email_key: String,
        pub label: Option<String> = "coalesce(human_label, predicted_label, given_label)",
    }
}

row! {
    /// What a person said about an email, and the label that its row had before.
    pub struct DecidedLabel {
        pub review_id: i64,
        pub email_key: String,
        pub human_label: String,
        pub before: Option<String> = "coalesce(predicted_label, given_label)",
    }
}

/// Reviews to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All = 0,
    /// Those in the queue.
    Open = 1,
    /// Those whose rows are gone.
    Deleted = 2,
}

/// What is said about a review whose row is gone.
const LEAVES: &str = "UPDATE triage.review
      SET deleted_at = now(), deleted_queue_reason = queue_reason, queue_reason = NULL, row_version = row_version + 1
    WHERE source = $1 AND classifier = $2 AND deleted_at IS NULL";

fn list(keys: Vec<String>) -> Vec<Option<String>> {
    keys.into_iter().map(Some).collect()
}

impl Reader<'_> {
    /// Which of these keys have a row in the attached table, and which label that has: none, if the
    /// table is gone.
    pub fn present(
        &self,
        source: &Source,
        keys: &[String],
    ) -> SqlResult<HashMap<String, Option<String>>> {
        let Some(place) = source.table() else {
            return Ok(HashMap::new());
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
            "SELECT {}, t.{}::text FROM unnest({}) AS k ({}) JOIN {} AS t ON {}",
            names_of(&place).join(", "),
            place.label,
            numbered(&|n| format!("CAST(${n} AS text[])")),
            numbered(&|n| format!("k{n}")),
            place.table,
            has_key_of(&place),
        );
        let names = names(source)?;
        let given: Vec<_> = parts.into_iter().map(Into::into).collect();
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let mut found = HashMap::new();
            for row in self.connection.run(&query, &given)?.iter() {
                let label: Option<String> = row.get(columns)?;
                let label = label.filter(|label| source.empty_label.as_ref() != Some(label));
                let label = given_label(label.as_deref()).map(|label| match &names {
                    Some(names) => names.name_of(label),
                    None => label.to_owned(),
                });
                found.extend(row.key(0..columns)?.map(|key| (key, label)));
            }
            Ok(found)
        })
    }

    /// Reviews of an attachment before the review `before`, the latest first, as many as asked for.
    pub fn labels_reviewed(
        &self,
        source: &Source,
        before: i64,
        most: i64,
    ) -> SqlResult<Vec<ReviewedLabel>> {
        self.rows(
            "FROM triage.review
              WHERE source = $1 AND classifier = $2 AND review_id < $3 ORDER BY review_id DESC LIMIT $4",
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                before.into(),
                most.into(),
            ],
        )
    }

    /// Decided reviews of an attachment after the review `after`, as many as asked for.
    pub fn decided_labels(
        &self,
        source: &Source,
        after: i64,
        most: i64,
    ) -> SqlResult<Vec<DecidedLabel>> {
        self.rows(
            "FROM triage.review
              WHERE source = $1 AND classifier = $2 AND review_id > $3 AND human_label IS NOT NULL
              ORDER BY review_id LIMIT $4",
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                after.into(),
                most.into(),
            ],
        )
    }

    /// The view of an attached table's reviews.
    pub fn queue_view(&self, source: &Source) -> SqlResult<Option<String>> {
        let found: Option<Option<String>> = self.value(
            "'triage.' || quote_ident(queue_view) FROM triage_internal.source WHERE source_id = $1",
            &[source.id.into()],
        )?;
        Ok(found.flatten())
    }

    /// Reviews of an attachment after the review `after`, as many as asked for.
    pub fn reviews_of(
        &self,
        source: &Source,
        which: Which,
        after: i64,
        most: i64,
    ) -> SqlResult<Vec<ReviewedEmail>> {
        self.rows(
            "FROM triage.review
              WHERE source = $1 AND classifier = $2 AND review_id > $4
                AND CASE $3 WHEN 1 THEN queue_reason IS NOT NULL WHEN 2 THEN deleted_at IS NOT NULL ELSE true END
              ORDER BY review_id LIMIT $5",
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                (which as i32).into(),
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
    /// Notes which partitions an attached table has; returns whether these are others than the last
    /// time, or emptied ones.
    pub fn note_partitions(&mut self, source: &Source) -> SqlResult<bool> {
        let changed = self.execute(
            "UPDATE triage_internal.source s SET partition_files = triage_internal.files_of_partitions(s.relation)
              WHERE s.source_id = $1
                AND s.partition_files IS DISTINCT FROM triage_internal.files_of_partitions(s.relation)",
            &[source.id.into()],
        )?;
        Ok(changed > 0)
    }

    /// Emails whose rows are gone leave the queue; returns how many reviews that changed.
    pub fn note_deleted(&mut self, source: &Source, keys: Vec<String>) -> SqlResult<usize> {
        // One key is looked up as such: with a list, the reviews of a table without statistics are
        // all read.
        let (has_key, given) = match keys.as_slice() {
            [key] => ("email_key = $3", key.as_str().into()),
            _ => ("email_key = ANY ($3)", list(keys).into()),
        };
        self.change_review(
            &format!("{LEAVES} AND {has_key}"),
            &[
                source.name.as_str().into(),
                source.classifier.as_str().into(),
                given,
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
