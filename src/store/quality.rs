//! The audit sample, and the counts per day.

use super::connection::Writer;
use crate::error::SqlResult;
use crate::session;

/// Days for which an audit is drawn in one transaction.
const DAYS_AT_ONCE: i32 = 50;

impl Writer<'_> {
    /// Draws one review of each day that is over and has predictions, but no audit; returns
    /// how many. All of the day's predictions are as likely, those that somebody has decided
    /// about included: otherwise the sample would be of what nobody looked at.
    pub fn draw_missing_audits(&mut self) -> SqlResult<i64> {
        let drawn = session::as_own_change(session::Change::Review, || {
            self.execute(
                "WITH missing AS (
                     SELECT t.classifier, t.day, z.zone
                       FROM triage_internal.review_statistics_now t CROSS JOIN triage_internal.report_timezone z
                      WHERE t.grain = 'label' AND t.day < timezone(z.zone, now())::date
                      GROUP BY t.classifier, t.day, z.zone
                     HAVING sum(t.n) > 0 AND coalesce(sum(t.n) FILTER (WHERE t.audit), 0) = 0
                      ORDER BY t.day DESC LIMIT $1),
                 drawn AS (
                     SELECT (SELECT r.review_id FROM triage.review r
                              WHERE r.classifier = m.classifier AND r.predicted_label IS NOT NULL
                                -- The index knows times only, and no day is longer.
                                AND r.received_at BETWEEN timezone(m.zone, m.day - interval '1 day')
                                                      AND timezone(m.zone, m.day + interval '2 days')
                                AND timezone(m.zone, r.received_at)::date = m.day
                              ORDER BY random() LIMIT 1) AS review_id
                       FROM missing m)
                 UPDATE triage.review r
                    SET audit = true, row_version = r.row_version + 1,
                        queue_reason = CASE WHEN r.queue_reason = 'reopened' THEN r.queue_reason
                                            WHEN r.human_label IS NULL THEN 'audit' END
                   FROM drawn d
                  WHERE r.review_id = d.review_id AND r.predicted_label IS NOT NULL
                 RETURNING r.review_id",
                &[DAYS_AT_ONCE.into()],
            )
        })?;
        Ok(drawn as i64)
    }

    /// Adds changes of reviews to the counts per day, or counts anew in another time zone;
    /// returns how many.
    pub fn compact_review_statistics(&mut self, most: i64) -> SqlResult<i64> {
        let counted = self.returning_value(
            "SELECT triage_internal.compact_review_statistics($1)",
            &[most.into()],
        )?;
        Ok(counted.unwrap_or_default())
    }
}
