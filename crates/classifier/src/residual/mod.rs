//! Layer B: what layer A gets wrong.
//!
//! Every feature has, per class, a residual weight that is added to its score. It is the sum
//! of *steps*: a document whose label the classifier gives the probability p moves the
//! residuals of its features, all by the same amounts, one per class:
//!
//! ```text
//! step_c = rate / lever * ((1 if c is its label, else 0) - p_c)
//! ```
//!
//! where the lever is what a step of one would do to the document's own logits: so they change
//! by the rate times what was missing, whatever its length and the score form. It is
//! normalised stochastic gradient descent on the log loss of a softmax regression with layer
//! A's score as offset, the combination of Wang and Manning 2012 turned round.
//!
//! A step is a document's own and is stored with it, in fixed point. So the sums are integers
//! that do not depend on order, taking a document back takes its step back exactly, and who
//! has the documents and their steps has the residuals.
//!
//! Training makes several passes over the stored documents, each time with layer A's score as
//! if the document had never been learned, and averages the weights of all its steps (Polyak
//! and Juditsky 1992). How many passes is decided on documents held out; none is an answer.

mod corpus;

use crate::calibration::{Calibration, Judged};
use crate::counts::{RESIDUAL_ONE, RowIndex};
use crate::error::Result;
use crate::math::log_sum_exp;
use crate::memory::{probe, reserve};
use crate::naive_bayes::NaiveBayes;
use crate::poll::Poll;
use crate::state::State;
use corpus::{Corpus, Weight};

/// Most passes over the documents.
const MAX_PASSES: usize = 4;

/// One in so many documents is held out at a time.
const FOLDS: usize = 5;

/// Fewer documents do not tell whether residuals help.
const MIN_DOCUMENTS: usize = 20;

/// What training has found to be worth adding.
pub(crate) struct Trained {
    /// The residual of each cell, in the order of the table.
    pub residuals: Vec<i32>,
    /// Calibration of the scores of both layers.
    pub calibration: Calibration,
    /// Scores of both layers for documents that the residuals had not seen.
    pub judged: Vec<Judged>,
    /// Their positions in the sample.
    pub positions: Vec<usize>,
}

/// Trains residuals on the sample of a canonical state without any. `None` if they do not make
/// held-out documents more probable.
///
/// # Errors
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
pub(crate) fn train(
    state: &State,
    rows: &RowIndex,
    judge: &NaiveBayes,
    learning: &Calibration,
    most_judged: usize,
    poll: Poll,
) -> Result<Option<Trained>> {
    if state.sampled() < MIN_DOCUMENTS || state.labels().len() < 2 {
        return Ok(None);
    }
    let corpus = Corpus::new(state, rows, judge, learning, poll)?;
    let n = corpus.documents.len();
    let mut weights = Weight::zeros(state)?;
    let most_judged = most_judged.min(n);
    // By number of passes.
    let mut outcomes: Vec<Vec<Judged>> = vec![Vec::new(); MAX_PASSES + 1];
    probe((outcomes.len() + 1) * Judged::memory(most_judged + n / FOLDS + 1, corpus.classes))?;
    let (mut positions, mut losses) = (Vec::new(), vec![0.0; MAX_PASSES + 1]);
    let mut passes = MAX_PASSES;
    for fold in 0..FOLDS {
        if positions.len() >= most_judged {
            break;
        }
        let held_out = |at: &usize| at % FOLDS == fold;
        let mut steps = 0;
        for pass in 0..=passes {
            if pass > 0 {
                let learned = (0..n).filter(|at| !held_out(at));
                corpus.pass(learned, &mut weights, &mut steps, poll);
            }
            for at in (0..n).filter(held_out) {
                poll();
                let logits = corpus.logits(at, &weights, |weight| weight.averaged(steps));
                let entry = &corpus.documents[at];
                losses[pass] += log_sum_exp(logits.iter().copied()) - logits[entry.class];
                outcomes[pass].push(entry.judged(logits));
            }
            // What the first documents say holds for the others.
            if pass > 1 && fold == 0 && losses[pass] > losses[pass - 1] {
                passes = pass;
                break;
            }
        }
        positions.extend((0..n).filter(held_out));
        weights.iter_mut().for_each(Weight::reset);
    }
    // Judged as they will be used: calibrated, each for itself.
    let mut candidates = outcomes[..=passes].iter().map(|judged| {
        let calibration = Calibration::fit(judged, true, poll);
        let log_losses = calibration.log_losses(judged);
        (calibration, log_losses)
    });
    let Some((_, without)) = candidates.next() else {
        return Ok(None);
    };
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let best = (1..)
        .zip(candidates)
        .min_by(|(_, (_, a)), (_, (_, b))| mean(a).total_cmp(&mean(b)));
    let Some((best, (calibration, with))) = best else {
        return Ok(None);
    };
    // By more than chance explains: a standard error of the paired differences.
    let gains: Vec<f64> = without.iter().zip(&with).map(|(a, b)| a - b).collect();
    let gain = mean(&gains);
    let variance = gains.iter().map(|g| (g - gain) * (g - gain)).sum::<f64>() / gains.len() as f64;
    if gain <= (variance / gains.len() as f64).sqrt() {
        return Ok(None);
    }
    let mut steps = 0;
    for _ in 0..best {
        corpus.pass(0..n, &mut weights, &mut steps, poll);
    }
    let mut residuals = Vec::new();
    reserve(&mut residuals, weights.len())?;
    let most = f64::from(i32::MAX / 2);
    residuals.extend(weights.iter().map(|weight| {
        let fixed = weight.averaged(steps) * RESIDUAL_ONE;
        fixed.clamp(-most, most).round() as i32
    }));
    Ok(Some(Trained {
        residuals,
        calibration,
        judged: outcomes.swap_remove(best),
        positions,
    }))
}
