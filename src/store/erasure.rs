//! What is deleted when somebody asks that an email or a classifier be forgotten.

use super::connection::{Reader, Writer};
use crate::error::SqlResult;
use crate::session;

impl Reader<'_> {
    /// How often something of a classifier was erased; `None` if it does not exist.
    pub fn erasures(&self, classifier: &str) -> SqlResult<Option<i64>> {
        self.value(
            "erasures FROM triage.classifier WHERE name = $1",
            &[classifier.into()],
        )
    }
}

impl Writer<'_> {
    /// Counts that something of a classifier is being erased: what was read before is stale.
    pub fn count_erasure(&mut self, classifier: &str) -> SqlResult<()> {
        self.execute(
            "UPDATE triage.classifier SET erasures = erasures + 1 WHERE name = $1",
            &[classifier.into()],
        )?;
        Ok(())
    }

    /// Deletes a review and its decisions; returns how many decisions.
    pub fn erase(&mut self, review_id: i64) -> SqlResult<usize> {
        // What changes of labels have kept of it.
        self.execute(
            "DELETE FROM triage_internal.relabelled m
              WHERE m.relation = 'review' AND m.row_id = $1
                 OR m.relation = 'decision'
                    AND m.row_id IN (SELECT decision_id FROM triage.decision WHERE review_id = $1)
                 OR m.relation = 'source'
                    AND (m.row_id, m.email_key) IN
                        (SELECT s.source_id, r.email_key FROM triage.review r
                           JOIN triage_internal.source s ON s.source = r.source AND s.classifier = r.classifier
                          WHERE r.review_id = $1)",
            &[review_id.into()],
        )?;
        session::as_erasure(|| {
            let erased = self.execute(
                "DELETE FROM triage.decision WHERE review_id = $1",
                &[review_id.into()],
            )?;
            self.execute(
                "DELETE FROM triage.review WHERE review_id = $1",
                &[review_id.into()],
            )?;
            Ok(erased)
        })
    }

    /// Deletes all reviews and decisions of a classifier; returns how many decisions.
    pub fn erase_all(&mut self, classifier: &str) -> SqlResult<usize> {
        session::as_erasure(|| {
            let erased = self.execute(
                "DELETE FROM triage.decision WHERE classifier = $1",
                &[classifier.into()],
            )?;
            for statement in [
                "DELETE FROM triage_internal.relabelled m USING triage_internal.label_change c
                  WHERE c.change_id = m.change_id AND c.classifier = $1",
                "DELETE FROM triage_internal.pending WHERE classifier = $1",
                "DELETE FROM triage.review WHERE classifier = $1",
                "DELETE FROM triage_internal.base WHERE classifier = $1",
            ] {
                self.execute(statement, &[classifier.into()])?;
            }
            Ok(erased)
        })
    }
}
