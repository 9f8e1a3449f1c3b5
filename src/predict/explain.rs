//! `explain_email`: which words speak for a label, and which against.

use pg_triage_classifier::tokenizer::Token;
use pg_triage_classifier::{Features, Tokenizer, casefold_label};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, name, pg_extern};

use crate::arguments::comparable_name;
use crate::error::{SqlResult, from_classifier, report};
use crate::predict::active::Active;
use crate::suggestion::unknown_label;
use crate::{pg, predict::cache, store};

const DEFAULT_TOP: i32 = 20;
const MOST_TOP: i32 = 1000;

/// Token, field, contribution and rank.
type Row = (String, &'static str, f64, i32);

#[pg_extern(sql = false)]
fn explain_email(
    body: Option<&str>,
    label: Option<&str>,
    classifier: Option<&str>,
    top: Option<i32>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(token, String),
            name!(field, &'static str),
            name!(contribution, f64),
            name!(rank, i32),
        ),
    >,
    ErrorReport,
> {
    let top = top.unwrap_or(DEFAULT_TOP);
    if !(1..=MOST_TOP).contains(&top) {
        return Err(report(
            Code::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("top must be between 1 and {MOST_TOP}, got {top}"),
        ));
    }
    let nothing = || Ok(TableIterator::new(Vec::new()));
    let (Some(body), Some(classifier)) = (body, classifier) else {
        return nothing();
    };
    let Some(active) = cache::active_model(classifier)? else {
        return nothing();
    };
    let class = match label {
        Some(label) => class_of(&active, classifier, label)?,
        None => None,
    };
    Ok(TableIterator::new(explain(&active, body, class, top)?))
}

/// The label's class; `None` for white space only, which is no label.
fn class_of(active: &Active, classifier: &str, label: &str) -> SqlResult<Option<usize>> {
    let casefolded = casefold_label(label).map_err(from_classifier)?;
    if casefolded.is_empty() {
        return Ok(None);
    }
    let labels = active.live.labels();
    if let Ok(class) = labels.binary_search_by(|l| l.casefolded.cmp(&casefolded)) {
        return Ok(Some(class));
    }
    let known = store::read(|r| r.labels(comparable_name(classifier)))?;
    let same = |known: &&String| {
        pg::check_for_interrupts();
        casefold_label(known).is_ok_and(|known| known == casefolded)
    };
    Err(match known.iter().find(same) {
        Some(label) => report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "label \"{label}\" of classifier \"{classifier}\" has no email yet, so no word \
                 can speak for it: correct an email to it first"
            ),
        ),
        None => unknown_label(label, classifier, &known),
    })
}

/// The bias, the `top` tokens that say most, and the rest as one row.
fn explain(active: &Active, body: &str, class: Option<usize>, top: i32) -> SqlResult<Vec<Row>> {
    // Tokens, what is known about them, and their order take twice as much again.
    pg::probe_for_text(3 * Tokenizer::memory(body))?;
    let mut tokenizer = Tokenizer::default();
    let tokens: Vec<Token> = tokenizer.tokens(body).collect();
    pg::check_for_interrupts();
    let mut first: Vec<(u64, usize)> = (0..).zip(&tokens).map(|(i, t)| (t.key(), i)).collect();
    pg::check_for_interrupts();
    first.sort_unstable();
    first.dedup_by_key(|&mut (key, _)| key);
    pg::check_for_interrupts();
    let keys = first.iter().map(|&(key, _)| key).collect();
    let features = Features::from_sorted(keys).unwrap_or_default();
    let explanation = active
        .live
        .explain(&features, class, &pg::check_for_interrupts)
        .map_err(from_classifier)?;
    let Some(explanation) = explanation else {
        return Ok(Vec::new());
    };
    let mut parts: Vec<(usize, f64)> = explanation
        .features
        .iter()
        .map(|&(feature, part)| (first[feature].1, part))
        .collect();
    parts.sort_unstable_by_key(|&(token, _)| token);
    // Groups of letters from one word read as one.
    parts.dedup_by(|next, part| {
        let [a, b] = [&tokens[next.0], &tokens[part.0]];
        let same = a.field == b.field && a.written == b.written;
        if same {
            part.1 += next.1;
        }
        same
    });
    parts.retain(|&(_, part)| part != 0.0);
    pg::check_for_interrupts();
    // Equals stay in reading order.
    parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let (shown, others) = parts.split_at(parts.len().min(top as usize));

    let label = |class: usize| active.labels[class].as_str();
    let labels = [explanation.class, explanation.rival].map(label);
    let bias = (labels.join(" against "), "bias", explanation.bias, 0);
    let of_token = |(&(token, part), rank): (&(usize, f64), i32)| {
        let token = &tokens[token];
        let written = &body[token.written.clone()];
        (on_one_line(written), token.field.name(), part, rank)
    };
    let mut rows = vec![bias];
    rows.extend(shown.iter().zip(1..).map(of_token));
    if !others.is_empty() {
        let sum = others.iter().map(|&(_, part)| part).sum();
        let count = format!("{} more", others.len());
        rows.push((count, "other tokens", sum, top + 1));
    }
    Ok(rows)
}

/// What was written, without line breaks, and without what would change how the rest of a
/// line is shown. Between the words of a pair there may be anything: of a long text both
/// ends are shown.
fn on_one_line(written: &str) -> String {
    const END: usize = 400;
    if written.len() <= 2 * END {
        return in_a_line(written);
    }
    let start = &written[..written.floor_char_boundary(END)];
    let end = &written[written.ceil_char_boundary(written.len() - END)..];
    [start, end].map(in_a_line).join(" … ")
}

fn in_a_line(written: &str) -> String {
    let mut out = String::new();
    for c in written.chars() {
        match c {
            _ if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            // Of those that set the direction of writing, what does not end with the word.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            _ if c.is_control() => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}
