//! Errors about names that do not exist: what was given, and what it could have meant.

use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;

use crate::error::report;
use crate::pg::check_for_interrupts;

/// `classifier "spma" does not exist (did you mean "spam"? known: default, spam)`
pub fn unknown(what: &str, given: &str, known: &[String]) -> ErrorReport {
    let (shown, choices) = suggestion(given, known, "known");
    report(
        Code::ERRCODE_UNDEFINED_OBJECT,
        format!("{what} \"{shown}\" does not exist ({choices})"),
    )
}

/// `label "biling" does not exist in classifier "department" (did you mean "billing"? allowed:
/// billing, hr)`
pub fn unknown_label(given: &str, classifier: &str, allowed: &[String]) -> ErrorReport {
    let (shown, mut choices) = suggestion(given, allowed, "allowed");
    if allowed.is_empty() {
        choices = format!(
            "it has no labels yet: SELECT triage.add_label('{}', 'a label')",
            classifier.replace('\'', "''")
        );
    }
    report(
        Code::ERRCODE_FOREIGN_KEY_VIOLATION,
        format!("label \"{shown}\" does not exist in classifier \"{classifier}\" ({choices})"),
    )
}

/// `action "accepted" does not exist (did you mean "accept"? allowed: accept, skip, undo, ask again)`
pub fn unknown_action(given: &str, allowed: &[String]) -> ErrorReport {
    let (shown, choices) = suggestion(given, allowed, "allowed");
    report(
        Code::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("action \"{shown}\" does not exist ({choices})"),
    )
}

/// `label "billing" of classifier "department" is retired: ...`
pub fn retired_label(label: &str, classifier: &str) -> ErrorReport {
    report(
        Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!(
            "label \"{label}\" of classifier \"{classifier}\" is retired: give another one, or SELECT triage.add_label('{}', '{}') brings it back",
            classifier.replace('\'', "''"),
            label.replace('\'', "''")
        ),
    )
}

/// `label "billing" of classifier "department" is called "invoices" now: use that name`
pub fn renamed_label(given: &str, label: &str, classifier: &str) -> ErrorReport {
    let (shown, _) = suggestion(given, &[], "");
    report(
        Code::ERRCODE_FOREIGN_KEY_VIOLATION,
        format!(
            "label \"{shown}\" of classifier \"{classifier}\" is called \"{label}\" now: use that name"
        ),
    )
}

/// What was given, shortened, and what it could have meant.
fn suggestion(given: &str, known: &[String], word: &str) -> (String, String) {
    const LISTED: usize = 20;
    const SHOWN: usize = 128;
    // Comparing takes length times length, and a name may be as long as an email.
    let shown: String = given.chars().take(SHOWN).collect();
    let comparable = if shown.len() < given.len() { "" } else { given };
    let nearest = known
        .iter()
        .inspect(|_| check_for_interrupts())
        .map(|k| {
            (
                strsim::damerau_levenshtein(&k.to_lowercase(), &comparable.to_lowercase()),
                k,
            )
        })
        .filter(|(distance, k)| *distance * 3 <= k.chars().count())
        .min();
    let meant = nearest.map_or(String::new(), |(_, k)| format!("did you mean \"{k}\"? "));
    let mut list = known
        .iter()
        .take(LISTED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if known.len() > LISTED {
        list.push_str(&format!(" and {} more", known.len() - LISTED));
    }
    (shown, format!("{meant}{word}: {list}"))
}
