//! What would change if another version were active.

use std::collections::BTreeMap;

use pg_triage_classifier::Model;
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern};

use crate::arguments::{given, given_classifier};
use crate::error::SqlResult;
use crate::learning::base::Base;
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::predict::classify;
use crate::store::{self, Reader};
use crate::types::open_model;

/// Reviews that are named per change.
const EXAMPLES: usize = 10;
/// Most emails compared: their texts are read.
const MOST: i32 = 100_000;

/// Emails that would get another label.
#[derive(Default)]
struct Change {
    emails: i64,
    examples: Vec<String>,
}

// pgrx reads the columns off the type.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn preview(
    classifier: Option<&str>,
    version: Option<i32>,
    most: Option<i32>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(label_now, Option<String>),
            name!(label_then, Option<String>),
            name!(emails, i64),
            name!(compared, i64),
            name!(review_ids, String),
        ),
    >,
    ErrorReport,
> {
    let (classifier, version) = (given_classifier(classifier)?, given(version, "version")?);
    let most = given(most, "most")?.clamp(0, MOST);
    let (compared, changes) = store::read(|r| {
        r.check_classifier(classifier)?;
        r.check_version(classifier, version)?;
        let now = model(r, classifier, None)?;
        let then = model(r, classifier, Some(version))?;
        compare(r, classifier, most, (&now, &then))
    })?;
    let mut changes: Vec<_> = changes.into_iter().collect();
    changes.sort_by_key(|(_, change)| -change.emails);
    Ok(TableIterator::new(changes.into_iter().map(
        move |((now, then), change)| {
            (
                now,
                then,
                change.emails,
                compared,
                change.examples.join(", "),
            )
        },
    )))
}

/// What answers, or would if this version were active: its part and all decisions.
fn model(r: &Reader, classifier: &str, version: Option<i32>) -> SqlResult<Model> {
    let mut base = Base::read_for(r, classifier, version)?;
    compaction::add_pending(r, classifier, &mut base)?;
    open_model(&base.packed()?)
}

type Changes = BTreeMap<(Option<String>, Option<String>), Change>;

fn compare(
    r: &Reader,
    classifier: &str,
    most: i32,
    (now, then): (&Model, &Model),
) -> SqlResult<(i64, Changes)> {
    let (mut compared, mut changes) = (0, Changes::new());
    for review in r.latest_reviews(classifier, most)? {
        check_for_interrupts();
        let Some(source) = r.source_named(&review.source, classifier)? else {
            continue;
        };
        // Its table may be detached, the email gone.
        let Some(email) = r.email(&source, &review.email_key)? else {
            continue;
        };
        compared += 1;
        let features = classify::features(&email.text)?;
        let answer = |model: &Model| {
            let best = model.classify(&features, &check_for_interrupts);
            best.map(|best| best.label.to_owned())
        };
        let labels = (answer(now), answer(then));
        if labels.0 == labels.1 {
            continue;
        }
        let change = changes.entry(labels).or_default();
        change.emails += 1;
        if change.examples.len() < EXAMPLES {
            change.examples.push(review.review_id.to_string());
        }
    }
    Ok((compared, changes))
}
