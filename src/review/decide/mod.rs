//! The one way to decide: every door ends here. It locks the email's row, then its review,
//! appends to the ledger, and brings review and label column in line.

use pg_triage_classifier::{Features, Step};
use pgrx::PgSqlErrorCode as Code;

use crate::arguments::given_note;
use crate::error::{SqlResult, from_core, report};
use crate::predict::classify;
use crate::session::{self, Actor};
use crate::store::Writer;
use crate::store::ledger::{Decision, Past};
use crate::store::review::{Review, queue_reason};
use crate::store::source::{Email, IfLocked, Source};

mod teacher;

/// What a person says about an email.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'a> {
    /// It has this label; none takes an earlier decision back.
    Label(Option<&'a str>),
    /// The prediction is right.
    Accept,
    /// It cannot be said.
    Skip,
    /// Nothing: only the note changes.
    Nothing,
}

/// What a decision teaches.
enum Lesson<'a> {
    Nothing,
    /// An email with these features.
    New(&'a Features),
    /// What this decision has taught before.
    Again(Past),
}

/// A verdict with what comes with it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub verdict: Verdict<'a>,
    /// The note is to be this; `None` leaves it.
    pub note: Option<Option<&'a str>>,
    /// The version that the person saw.
    pub row_version: Option<i32>,
    pub door: &'static str,
}

/// Decides about a review by its number; returns the decision, if it took one, and the review
/// as it is now.
pub fn decide(
    w: &mut Writer,
    actor: &Actor,
    review_id: i64,
    wish: Wish,
) -> SqlResult<(Option<i64>, Review)> {
    let (source, email, before) = lock(w, review_id)?;
    let features = learnable(email.as_ref(), wish.verdict)?;
    let seen = before.row_version;
    let (decision, after) = settle(w, actor, before, wish, features.as_ref())?;
    if after.row_version != seen {
        w.update_review(&after)?;
    }
    write_back(w, source.as_ref(), email.as_ref(), &after)?;
    Ok((decision, after))
}

/// An email and its review, locked in this order.
fn lock(w: &mut Writer, review_id: i64) -> SqlResult<(Option<Source>, Option<Email>, Review)> {
    let found = w.review(review_id, false)?;
    let (source, mut email) = open_email(w, &found, IfLocked::Wait)?;
    let before = w.review(review_id, true)?;
    // What was waited for may have given the email another key, or the key another email.
    let other = before.email_key != found.email_key;
    if other || email.is_none() && before.row_version != found.row_version {
        return Err(report(
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!(
                "email \"{}\" in {} was changed by another session: try again",
                found.email_key, found.source
            ),
        ));
    }
    if let (None, Some(source)) = (&email, &source) {
        email = w.lock_email(source, &before.email_key, IfLocked::Fail)?;
    }
    Ok((source, email, before))
}

/// The attachment of a review and its email, locked.
pub fn open_email(
    w: &mut Writer,
    review: &Review,
    if_locked: IfLocked,
) -> SqlResult<(Option<Source>, Option<Email>)> {
    let Some(source) = w.source_named(&review.source, &review.classifier)? else {
        return Ok((None, None));
    };
    let email = w.lock_email(&source, &review.email_key, if_locked)?;
    Ok((Some(source), email))
}

/// The features of an email, where the verdict teaches something.
pub fn learnable(email: Option<&Email>, verdict: Verdict) -> SqlResult<Option<Features>> {
    match (email, verdict) {
        (Some(email), Verdict::Label(Some(_)) | Verdict::Accept) => {
            classify::features(&email.text).map(Some)
        }
        _ => Ok(None),
    }
}

/// The label that an email's row has while no person has decided.
pub fn label_without_person(review: &Review) -> Option<String> {
    let label = review.predicted_label.as_ref();
    label.or(review.given_label.as_ref()).cloned()
}

/// The label that an email's row should have.
pub fn effective_label(review: &Review) -> Option<String> {
    let label = review.human_label.clone();
    label.or_else(|| label_without_person(review))
}

/// Brings the label column in line with the review.
pub fn write_back(
    w: &mut Writer,
    source: Option<&Source>,
    email: Option<&Email>,
    review: &Review,
) -> SqlResult<()> {
    let (Some(source), Some(email)) = (source, email) else {
        return Ok(());
    };
    let label = effective_label(review);
    if email.label == label {
        return Ok(());
    }
    if w.write_label(source, &email.place, &review.email_key, label.as_deref())? {
        return Ok(());
    }
    Err(report(
        Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "a trigger of {} does not let the label of email \"{}\" be changed",
            source.name, review.email_key
        ),
    ))
}

/// Carries out a wish on a locked review, of an email with these features (none if it is gone:
/// then nothing is learned): appends to the ledger and returns the decision and the review as
/// it shall be. Writes neither the review nor the label column.
pub fn settle(
    w: &mut Writer,
    actor: &Actor,
    before: Review,
    wish: Wish,
    features: Option<&Features>,
) -> SqlResult<(Option<i64>, Review)> {
    check_version(&before, wish.row_version)?;
    let mut after = before.clone();
    if let Some(note) = wish.note {
        after.note = given_note(note)?;
    }
    let (kind, undoes) = match wish.verdict {
        Verdict::Nothing => return Ok((None, touched(before, after))),
        Verdict::Skip => {
            if let Some(label) = &before.human_label {
                return Err(report(
                    Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!(
                        "review {} is decided already (\"{label}\"): take the decision back first",
                        before.review_id
                    ),
                ));
            }
            if before.queue_reason.is_none() {
                return Ok((before.decision_id, touched(before, after)));
            }
            ("skip", None)
        }
        Verdict::Accept | Verdict::Label(Some(_)) => {
            let label = match wish.verdict {
                Verdict::Label(Some(label)) => w.known_label(&before.classifier, label)?,
                _ => {
                    let predicted = before.predicted_label.as_deref().ok_or_else(|| {
                        report(
                            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                            format!(
                                "review {} has no predicted label to accept: use triage.correct({}, 'a label')",
                                before.review_id, before.review_id
                            ),
                        )
                    })?;
                    // It may have been deleted, or have another spelling by now.
                    w.known_label(&before.classifier, predicted)?
                }
            };
            if before.human_label.as_deref() == Some(&label) {
                return Ok((before.decision_id, touched(before, after)));
            }
            let accepts = before
                .predicted_label
                .as_deref()
                .is_some_and(|predicted| same_label(predicted, &label));
            after.human_label = Some(label);
            (if accepts { "accept" } else { "correct" }, None)
        }
        Verdict::Label(None) => {
            if before.human_label.is_none() {
                return Ok((None, touched(before, after)));
            }
            after.human_label = None;
            ("undo", before.decision_id)
        }
    };
    let features = features.filter(|_| after.human_label.is_some());
    append(
        w,
        actor,
        &before,
        after,
        (kind, undoes),
        wish.door,
        features.map_or(Lesson::Nothing, Lesson::New),
    )
    .map(|(decision, after)| (Some(decision), after))
}

fn same_label(a: &str, b: &str) -> bool {
    let casefolded = |label| pg_triage_classifier::casefold_label(label).ok();
    a == b || casefolded(a).is_some() && casefolded(a) == casefolded(b)
}

/// A review whose note alone may have changed.
fn touched(before: Review, mut after: Review) -> Review {
    if before.note != after.note {
        after.row_version = next_version(&before);
    }
    after
}

fn next_version(review: &Review) -> i32 {
    review.row_version.wrapping_add(1)
}

fn check_version(review: &Review, seen: Option<i32>) -> SqlResult<()> {
    match seen {
        Some(seen) if seen != review.row_version => Err(report(
            Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!(
                "review {} was changed by {} since you read it (row_version {seen}, now {}): read it again",
                review.review_id,
                review.reviewed_by.as_deref().unwrap_or("somebody"),
                review.row_version
            ),
        )),
        _ => Ok(()),
    }
}

fn append(
    w: &mut Writer,
    actor: &Actor,
    before: &Review,
    mut after: Review,
    (kind, undoes): (&'static str, Option<i64>),
    door: &'static str,
    lesson: Lesson,
) -> SqlResult<(i64, Review)> {
    let batch = session::batch(|| w.next_batch())?;
    let step = match (&lesson, &after.human_label) {
        (Lesson::New(features), Some(label)) => teacher::step(&before.classifier, features, label)?,
        // What was learned then, not what would be learned now: undone means undone.
        (Lesson::Again(past), _) => past.step.clone(),
        _ => None,
    };
    let features = match &lesson {
        Lesson::Nothing => None,
        Lesson::New(features) => Some(*features),
        Lesson::Again(past) => past.features.as_ref(),
    };
    let decision = Decision {
        review_id: Some(before.review_id),
        classifier: &before.classifier,
        kind,
        old_label: before.human_label.as_deref(),
        new_label: after.human_label.as_deref(),
        predicted_label: before.predicted_label.as_deref(),
        confidence: before.confidence,
        model_version: before.model_version,
        note: after.note.as_deref(),
        door,
        replaces: before.decision_id,
        undoes,
        features,
        step,
    };
    let (id, decided_at) = w.append(&decision, actor, batch, kind != "skip")?;
    session::note_decided(&before.classifier);
    let open = after.human_label.is_none() && kind != "skip";
    after.decision_id = Some(id);
    after.row_version = next_version(before);
    after.reviewed_by = (!open).then(|| actor.name.clone());
    after.reviewed_at = (!open).then_some(decided_at);
    after.queue_reason = match open {
        true => {
            let review_below = w.review_below(&before.classifier)?;
            Some(queue_reason(before.confidence, review_below, before.audit).to_owned())
        }
        false => None,
    };
    Ok((id, after))
}

/// Takes back decisions `first` to `last` about one email, unless a later one exists; returns
/// the decision that does so.
pub fn undo(
    w: &mut Writer,
    actor: &Actor,
    first: &Past,
    last: &Past,
    note: Option<&str>,
) -> SqlResult<i64> {
    let Some(review_id) = last.review_id else {
        return undo_import(w, actor, last, note);
    };
    let (source, email, before) = lock(w, review_id)?;
    if before.decision_id != Some(last.decision_id) {
        return Err(later(last.decision_id, before.decision_id));
    }
    // The email was learned again as it was then, whatever its text is by now.
    let restored = match (&first.old_label, first.replaces) {
        (Some(_), Some(earlier)) => Some(w.past(earlier)?),
        _ => None,
    };
    let mut after = before.clone();
    after.human_label = first.old_label.clone();
    let note = given_note(note)?;
    if note.is_some() {
        after.note = note;
    }
    let kind = ("undo", Some(last.decision_id));
    let (id, after) = append(
        w,
        actor,
        &before,
        after,
        kind,
        "function",
        restored.map_or(Lesson::Nothing, Lesson::Again),
    )?;
    w.update_review(&after)?;
    write_back(w, source.as_ref(), email.as_ref(), &after)?;
    Ok(id)
}

/// An import from a relation without a key has no review.
fn undo_import(w: &mut Writer, actor: &Actor, past: &Past, note: Option<&str>) -> SqlResult<i64> {
    let note = given_note(note)?;
    // Two sessions must not both take it back.
    w.lock_classifier(&past.classifier)?;
    if let Some(by) = w.replaced_by(past.decision_id)? {
        return Err(later(past.decision_id, Some(by)));
    }
    let decision = Decision {
        review_id: None,
        classifier: &past.classifier,
        kind: "undo",
        old_label: past.new_label.as_deref(),
        new_label: None,
        predicted_label: None,
        confidence: None,
        model_version: None,
        note: note.as_deref(),
        door: "function",
        replaces: Some(past.decision_id),
        undoes: Some(past.decision_id),
        features: None,
        step: None,
    };
    let batch = session::batch(|| w.next_batch())?;
    let (id, _) = w.append(&decision, actor, batch, true)?;
    session::note_decided(&past.classifier);
    Ok(id)
}

/// Learns a label's description, and the label itself, as one small email: so a label answers
/// before anybody has decided about a real one. Takes the place of an earlier description.
/// The caller holds the lock of the classifier.
pub fn describe(w: &mut Writer, classifier: &str, label: &str, description: &str) -> SqlResult<()> {
    let before = w.described(classifier, label)?;
    let text = match description.trim() {
        "" => None,
        description => Some(format!("{label} {description}")),
    };
    let features = text.as_deref().map(classify::features).transpose()?;
    let known = before.as_ref().and_then(|past| past.features.as_ref());
    if known == features.as_ref() {
        return Ok(());
    }
    let step = match (&features, w.was_trained(classifier)?) {
        (Some(_), false) => Some((Step::keywords(label).map_err(from_core)?, 0)),
        (Some(features), _) => teacher::step(classifier, features, label)?,
        (None, _) => None,
    };
    let decision = Decision {
        review_id: None,
        classifier,
        kind: if features.is_some() { "import" } else { "undo" },
        old_label: before.as_ref().map(|_| label),
        new_label: features.as_ref().map(|_| label),
        predicted_label: None,
        confidence: None,
        model_version: None,
        note: None,
        door: "description",
        replaces: before.as_ref().map(|past| past.decision_id),
        undoes: before
            .as_ref()
            .filter(|_| features.is_none())
            .map(|past| past.decision_id),
        features: features.as_ref(),
        step,
    };
    let batch = session::batch(|| w.next_batch())?;
    w.append(&decision, &Actor::new(None), batch, true)?;
    session::note_decided(classifier);
    Ok(())
}

fn later(decision: i64, later: Option<i64>) -> pgrx::pg_sys::panic::ErrorReport {
    let later = match later {
        Some(id) => format!("decision {id} about the same email is later: undo that one first"),
        None => "its email was replaced by another one with the same key".to_owned(),
    };
    report(
        Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("decision {decision} cannot be undone, because {later}"),
    )
}
