//! What deciding needs to know.

use pg_triage_decision::{EmailFacts, Policy, QueueReason, ReviewFacts};
use pgrx::PgSqlErrorCode as Code;

use crate::error::{SqlResult, report};
use crate::pg::check_for_interrupts;
use crate::store::decision::StoredDecision;
use crate::store::email::{Email, IfLocked};
use crate::store::review::Review;
use crate::store::source::Source;
use crate::store::{Reader, Writer};

/// An email and its review, locked in this order.
pub struct Locked {
    /// The attachment that they belong to, if there is one.
    pub source: Option<Source>,
    /// The email, if it is there.
    pub email: Option<Email>,
    /// Its review.
    pub review: Review,
    /// Whether the server is about to update the review: it stores what the trigger returns.
    pub is_updated: bool,
}

impl Locked {
    /// The email as the decision needs it.
    pub fn email_facts(&self) -> Option<EmailFacts> {
        let email = self.email.as_ref()?;
        let label = email.label.clone();
        Some(EmailFacts { label })
    }

    /// The email's text, if it is there.
    pub fn text(&self) -> Option<&str> {
        self.email.as_ref().map(|email| email.text.as_str())
    }
}

/// Locks the email of a review, then the review.
pub fn lock(w: &mut Writer, review_id: i64) -> SqlResult<Locked> {
    let found = w.review(review_id)?;
    let (source, mut email) = open_email(w, &found, IfLocked::Wait)?;
    let review = w.lock_review(review_id)?;
    // What was waited for may have given the email another key, or the key another email.
    let other = review.email_key != found.email_key;
    if other || email.is_none() && review.row_version != found.row_version {
        return Err(report(
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!(
                "email \"{}\" in {} was changed by another session: try again",
                found.email_key, found.source
            ),
        ));
    }
    if let (None, Some(source)) = (&email, &source) {
        email = w.lock_email(source, &review.email_key, IfLocked::Fail)?;
        if email.is_none() {
            w.check_not_hidden(source, &review.email_key)?;
        }
    }
    Ok(Locked {
        source,
        email,
        review,
        is_updated: false,
    })
}

/// Locks the email of a review that the server has locked for an update. Whoever holds the email
/// may wait for the review, so it is not waited for.
pub fn lock_updated(w: &mut Writer, review_id: i64) -> SqlResult<Locked> {
    let review = w.review(review_id)?;
    let (source, email) = open_email(w, &review, IfLocked::Fail)?;
    if let (Some(source), None) = (&source, &email) {
        w.check_not_hidden(source, &review.email_key)?;
    }
    Ok(Locked {
        source,
        email,
        review,
        is_updated: true,
    })
}

/// The attachment of a review and its email, locked.
fn open_email(
    w: &mut Writer,
    review: &Review,
    if_locked: IfLocked,
) -> SqlResult<(Option<Source>, Option<Email>)> {
    let Some(source) = w.source_named(&review.source, &review.classifier)? else {
        return Ok((None, None));
    };
    let email = w.lock_email(&source, &review.email_key, if_locked)?;
    if email.is_none() {
        w.check_columns(&source)?;
    }
    Ok((Some(source), email))
}

/// A stored review as the decision needs it.
pub fn review_facts(review: &Review) -> ReviewFacts {
    ReviewFacts {
        review_id: review.review_id,
        predicted_label: review.predicted_label.clone(),
        confidence: review.confidence,
        given_label: review.given_label.clone(),
        human_label: review.human_label.clone(),
        reviewed_by: review.reviewed_by.clone(),
        is_imported: false,
        note: review.note.clone(),
        queue_reason: reason(review.queue_reason.as_deref()),
        is_audit: review.audit,
        is_outdated: review.text_changed_at.is_some(),
        row_version: review.row_version,
        decision_id: review.decision_id,
    }
}

/// Why something waits; for a reason that we do not know, it waits behind others.
fn reason(name: Option<&str>) -> Option<QueueReason> {
    name.map(|name| QueueReason::from_name(name).unwrap_or(QueueReason::Confident))
}

/// Why the email of a decision was in the queue before it.
pub fn queued_before(r: &Reader, decision: &StoredDecision) -> SqlResult<Option<QueueReason>> {
    match decision.replaces {
        Some(earlier) => Ok(reason(r.decision(earlier)?.queue_reason.as_deref())),
        None => Ok((decision.old_label.is_none()).then_some(QueueReason::Unclassified)),
    }
}

/// The decisions about a review that hold: the latest one; if that took another one back, the
/// one before that, which it has brought back; and so on.
pub struct Holding {
    pub decisions: Vec<StoredDecision>,
    /// Whether everything is taken back.
    pub is_initial: bool,
}

/// Looks which decisions about a review hold.
pub fn holding(r: &Reader, review: &Review) -> SqlResult<Holding> {
    let mut decisions: Vec<StoredDecision> = Vec::new();
    let mut next = review.decision_id;
    while let Some(id) = next {
        check_for_interrupts();
        let decision = r.decision(id)?;
        next = match decision.undoes {
            Some(undone) => {
                let undone = r.decision(undone)?;
                match undone.replaces {
                    Some(earlier) => brought_back(r, &decision, earlier)?,
                    None if decision.new_label == undone.old_label => {
                        decisions.push(decision);
                        return Ok(Holding {
                            decisions,
                            is_initial: true,
                        });
                    }
                    None => None,
                }
            }
            None => None,
        };
        decisions.push(decision);
    }
    Ok(Holding {
        is_initial: decisions.is_empty(),
        decisions,
    })
}

/// The earlier decision, if an undo has brought it back: one that cleared the label has not.
fn brought_back(r: &Reader, undo: &StoredDecision, earlier: i64) -> SqlResult<Option<i64>> {
    let before = r.decision(earlier)?;
    let waits = |decision: &StoredDecision| {
        reason(decision.queue_reason.as_deref()).map(|reason| reason == QueueReason::Reopened)
    };
    let is_same = undo.new_label == before.new_label && waits(undo) == waits(&before);
    Ok(is_same.then_some(earlier))
}

/// What the classifier asks of its reviewers, where that is needed.
pub fn policy(r: &Reader, is_needed: bool, classifier: &str) -> SqlResult<Policy> {
    Ok(match is_needed {
        true => Policy {
            review_below: r.review_below(classifier)?,
        },
        false => Policy::default(),
    })
}
