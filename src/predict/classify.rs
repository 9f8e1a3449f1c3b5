//! Reading: `classify_email`, its scores, `classify_with`, and the tokenizer.

use std::cell::RefCell;
use std::collections::HashSet;

use pg_triage_classifier::{Features, Ranking, Tokenizer};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern, pg_sys};

use crate::error::SqlResult;
use crate::predict::active::Active;
use crate::{pg, predict::cache};

const TOKENS_PER_POLL: usize = 16_384;

thread_local! {
    static TOKENIZER: RefCell<Tokenizer> = RefCell::default();
}

/// What a classifier sees in a text.
pub fn features(body: &str) -> SqlResult<Features> {
    pg::probe_for_text(Tokenizer::memory(body))?;
    Ok(TOKENIZER.with_borrow_mut(|t| t.features(body)))
}

#[pg_extern(sql = false)]
fn classify_email(body: &str, classifier: &str) -> SqlResult<Option<String>> {
    let Some(active) = cache::active_model(classifier)? else {
        return Ok(None);
    };
    Ok(best_label(&active, &features(body)?))
}

/// The best label of an email; `None` if nothing is known about any.
pub fn best_label(active: &Active, features: &Features) -> Option<String> {
    let best = active.live.classify(features, &pg::check_for_interrupts);
    best.map(|best| active.labels[best.class].clone())
}

/// What a classifier says about an email.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    /// The best label.
    pub label: Option<String>,
    /// Its probability.
    pub confidence: Option<f64>,
    /// The next best one.
    pub second_label: Option<String>,
    /// Its probability.
    pub second_confidence: Option<f64>,
    /// The version that says so.
    pub version: Option<i32>,
    /// How much of the email the classifier had never seen.
    pub unknown_share: Option<f64>,
    /// Below which confidence a person should see it.
    pub review_below: f64,
}

/// The two best labels of an email, and how sure they are.
pub fn predict(active: &Active, features: &Features) -> Prediction {
    let ranking = active.live.predict(features, &pg::check_for_interrupts);
    prediction_from(active, &ranking, 0)
}

/// What an email gets whose best label is not allowed: the next best that is, with its own
/// probability. `None` if no other one is.
pub fn predict_next(
    active: &Active,
    features: &Features,
    mut allows: impl FnMut(&str) -> SqlResult<bool>,
) -> SqlResult<Option<Prediction>> {
    let ranking = active.live.predict(features, &pg::check_for_interrupts);
    for (rank, scored) in ranking.ranked.iter().enumerate().skip(1) {
        pg::check_for_interrupts();
        if allows(&active.labels[scored.class])? {
            return Ok(Some(prediction_from(active, &ranking, rank)));
        }
    }
    Ok(None)
}

/// The label of this rank, from 0, and the next.
fn prediction_from(active: &Active, ranking: &Ranking, first: usize) -> Prediction {
    let at = |rank: usize| {
        let scored = ranking.ranked.get(first + rank)?;
        Some((active.labels[scored.class].clone(), scored.probability))
    };
    let (label, confidence) = at(0).unzip();
    let (second_label, second_confidence) = at(1).unzip();
    // Who has seen emails of one label only has had no choice, however often.
    let with_emails = active.live.labels().len();
    let seen = ranking.ranked.iter().filter(|s| s.class < with_emails);
    let has_choice = seen.take(2).count() > 1;
    Prediction {
        unknown_share: label.is_some().then_some(ranking.unknown_share),
        label,
        confidence,
        second_label,
        second_confidence,
        version: active.version,
        review_below: if has_choice { active.review_below } else { 1.0 },
    }
}

#[pg_extern(sql = false)]
fn classify_email_scores(
    body: &str,
    classifier: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(label, String),
            name!(probability, f64),
            name!(rank, i32),
        ),
    >,
    ErrorReport,
> {
    let rows: Vec<_> = match cache::active_model(classifier)? {
        Some(active) => (1..)
            .zip(
                active
                    .live
                    .rank(&features(body)?, &pg::check_for_interrupts),
            )
            .map(|(rank, s)| (active.labels[s.class].clone(), s.probability, rank))
            .collect(),
        None => Vec::new(),
    };
    Ok(TableIterator::new(rows))
}

/// Both arguments are read from `fcinfo`: a model is not detoasted for every row.
#[pg_extern(sql = false)]
fn classify_with(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Option<String>> {
    let (Some(model), Some(body)) = (pg::raw_argument(fcinfo, 0), pg::text_argument(&fcinfo, 1))
    else {
        return Ok(None);
    };
    let model = pg::pinned_model(fcinfo, model)?;
    let best = model.classify(&features(body)?, &pg::check_for_interrupts);
    Ok(best.map(|best| best.label.to_owned()))
}

/// Each token once, in the order in which a reader meets them.
#[pg_extern(sql = false)]
fn email_tokens(
    body: &str,
) -> Result<TableIterator<'static, (name!(token, String), name!(field, &'static str))>, ErrorReport>
{
    // A row takes about as much again.
    pg::probe_for_text(2 * Tokenizer::memory(body))?;
    let rows: Vec<_> = TOKENIZER.with_borrow_mut(|t| {
        let mut seen = HashSet::new();
        t.tokens(body)
            .enumerate()
            .inspect(|(i, _)| {
                if i % TOKENS_PER_POLL == 0 {
                    pg::check_for_interrupts();
                }
            })
            .filter(|(_, token)| seen.insert(token.key()))
            .map(|(_, token)| (token.text.to_owned(), token.field.name()))
            .collect()
    });
    Ok(TableIterator::new(rows))
}
