//! Why a message gets one label and not another.
//!
//! The difference of two scores is a sum over features. Calibration bends that sum, so each
//! part is given its share of the bent one, in proportion: what Aumann and Shapley (1974)
//! give the parts of a function of a sum.

use super::overlay::Overlay;
use super::row::find;
use crate::error::Result;
use crate::evaluation::argmax;
use crate::features::Features;
use crate::memory::reserve;
use crate::model::{Model, ROWS_PER_POLL, Table};
use crate::poll::Poll;

/// Two labels are as good as equal if their scores differ by no more than this share of what
/// speaks for either: to make parts of a size that they do not have of a rest that rounding
/// left would help nobody.
const EVEN: f64 = 1e-6;

/// The log-odds of a label against its rival, as a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The label, as a position in [`Live::labels`](crate::Live::labels).
    pub class: usize,
    /// The most probable of the other labels.
    pub rival: usize,
    /// ln(p of the label / p of the rival), which bias and features add up to.
    pub log_odds: f64,
    /// What no feature says: how frequent the labels are.
    pub bias: f64,
    /// What each known feature says, by its position in [`Features::keys`].
    pub features: Vec<(usize, f64)>,
}

/// Scores of a message that is to be explained, and what became of them.
pub(super) struct Scored {
    /// How many features are known.
    pub known: usize,
    /// What sums over the features were multiplied with.
    pub scale: f64,
    /// Log-probabilities in class order.
    pub log_p: Vec<f64>,
}

/// Explains a label, or the most probable one. `None` if there is no such label or no other.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub(super) fn explanation(
    base: &Model,
    overlay: Option<&Overlay>,
    features: &Features,
    scored: Scored,
    class: Option<usize>,
    poll: Poll,
) -> Result<Option<Explanation>> {
    let Scored {
        known,
        scale,
        log_p,
    } = scored;
    let class = class.unwrap_or_else(|| argmax(&log_p));
    if class >= log_p.len() || log_p.len() < 2 {
        return Ok(None);
    }
    let mut others = log_p.clone();
    others[class] = f64::NEG_INFINITY;
    let rival = argmax(&others);
    // All others are hidden, or all.
    if log_p[class] == f64::NEG_INFINITY || others[rival] == f64::NEG_INFINITY {
        return Ok(None);
    }
    let mut explanation = Explanation {
        class,
        rival,
        log_odds: log_p[class] - log_p[rival],
        bias: 0.0,
        features: Vec::new(),
    };
    if known == 0 {
        // The shares of the labels.
        explanation.bias = explanation.log_odds;
        return Ok(Some(explanation));
    }
    let terms = match overlay {
        Some(overlay) => &overlay.derived.terms,
        None => base.terms(),
    };
    let mut parts = differences(base, overlay, features, (class, rival), poll)?;
    let base_difference = terms.base[class] - terms.base[rival];
    for (_, gain, part) in &mut parts {
        *part = scale * (*gain * base_difference + *part);
    }
    let prior = terms.prior[class] - terms.prior[rival];
    let of_features = || parts.iter().map(|&(_, _, part)| part);
    let sum = prior + of_features().sum::<f64>();
    let size = prior.abs() + of_features().map(f64::abs).sum::<f64>();
    let (factor, rest) = if sum.abs() > EVEN * size {
        (explanation.log_odds / sum, 0.0)
    } else {
        let calibration = &base.meta().fit.calibration;
        let factor = calibration.inverse_temperature(features.keys().len());
        (factor, explanation.log_odds - factor * sum)
    };
    explanation.bias = factor * prior + rest;
    reserve(&mut explanation.features, parts.len())?;
    let part = |(at, _, part)| (at, factor * part);
    explanation.features.extend(parts.into_iter().map(part));
    Ok(Some(explanation))
}

/// Position and gain of each known feature, and the difference of its cells of two
/// labels.
fn differences(
    base: &Model,
    overlay: Option<&Overlay>,
    features: &Features,
    (class, rival): (usize, usize),
    poll: Poll,
) -> Result<Vec<(usize, f64, f64)>> {
    let slot = |class: usize| overlay.map_or(Some(class), |overlay| slot_of(overlay, class));
    let (Some(class), Some(rival)) = (slot(class), slot(rival)) else {
        return Ok(Vec::new());
    };
    let table = base.table()?;
    let mut found = table
        .find(features.keys(), |key| key)
        .into_iter()
        .peekable();
    let mut out = Vec::new();
    reserve(&mut out, features.keys().len())?;
    for (at, &key) in features.keys().iter().enumerate() {
        if at % ROWS_PER_POLL == 0 {
            poll();
        }
        let in_base = found.next_if(|row| row.tag == key);
        let changed = overlay.and_then(|overlay| overlay.rows.get(&key));
        let (gain, difference) = match (changed, in_base) {
            (Some(row), _) => {
                let cell = |slot| find(row.cells(), slot as u16).map(|at| row.cells()[at]);
                let score = |slot| cell(slot).map_or(0.0, |cell| f64::from(cell.score));
                (row.gain().into(), score(class) - score(rival))
            }
            (None, Some(row)) => {
                let score = |class| score_in_base(&table, row.cells.clone(), class);
                (row.gain, score(class) - score(rival))
            }
            (None, None) => continue,
        };
        if gain != 0.0 {
            out.push((at, gain, difference));
        }
    }
    Ok(out)
}

fn slot_of(overlay: &Overlay, class: usize) -> Option<usize> {
    let mut classes = overlay.derived.class_of_slot.iter();
    classes.position(|&c| c as usize == class)
}

fn score_in_base(table: &Table, cells: std::ops::Range<usize>, class: usize) -> f64 {
    let mut cells = table.cells(cells);
    cells
        .find(|&(c, _)| c == class)
        .map_or(0.0, |(_, score)| score.into())
}
