//! From counts to what they add to scores, feature by feature.

use std::sync::LazyLock;

use super::totals::{ClassSums, ClassTerms, Totals};
use crate::counts::{Cell, MAX_SUM, RESIDUAL_ONE, WEIGHT_ONE, document_frequency};
use crate::math::ln;
use crate::score_form::ScoreForm;

/// How counts are weighed. A feature's terms depend on this and on its own counts alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weighing {
    pub(super) form: ScoreForm,
    pub(super) reference: u64,
    log_reference: u64,
    log_alpha: f64,
    logs: &'static Logs,
}

/// Cells to weigh between two polls: each takes a logarithm or two.
pub(crate) const CELLS_PER_POLL: usize = 1 << 16;

/// One in fixed-point logarithms.
const LOG_ONE: f64 = 4_294_967_296.0;

/// ln(1 + n), in 1 / [`LOG_ONE`].
fn log_fixed(n: u64) -> u64 {
    (ln(1.0 + n as f64) * LOG_ONE).round() as u64
}

/// Logarithms of small counts, which most are.
#[derive(Debug)]
struct Logs {
    /// [`log_fixed`].
    fixed: [u64; Self::NUMBER],
    /// Scores of [`ScoreForm::MultinomialBoolean`].
    seen: [f64; Self::NUMBER],
}

impl Logs {
    const NUMBER: usize = 1024;

    fn get() -> &'static Self {
        static LOGS: LazyLock<Logs> = LazyLock::new(|| Logs {
            fixed: std::array::from_fn(|n| log_fixed(n as u64)),
            seen: std::array::from_fn(|n| seen(n as u32)),
        });
        &LOGS
    }
}

/// Score of a feature that so many documents of a class have, to one that none has.
fn seen(documents: u32) -> f64 {
    let alpha = ScoreForm::MultinomialBoolean.alpha();
    ln(f64::from(documents) + alpha) - ln(alpha)
}

/// One feature's part in what its cells add to the scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowWeighing {
    weighing: Weighing,
    /// Weight of the feature in the message vector; zero if no document has it.
    pub gain: f64,
    /// Weight of its cells together, and the logarithm of that.
    whole: u64,
    log_whole: f64,
}

impl RowWeighing {
    /// What a cell adds to the score of its class, compared with a class without it.
    pub(crate) fn score(&self, documents: u32, weight: u64, residual: i32) -> f64 {
        // Steps alone do not make a feature known.
        match self.gain == 0.0 {
            true => 0.0,
            false => {
                let residual = f64::from(residual) / RESIDUAL_ONE;
                self.counted(documents, weight) + self.gain * self.gain * residual
            }
        }
    }

    /// The part of layer A.
    pub(super) fn counted(&self, documents: u32, weight: u64) -> f64 {
        let (alpha, log_alpha) = (self.weighing.form.alpha(), self.weighing.log_alpha);
        let log = |weight| match weight {
            0 => log_alpha,
            weight => ln(self.value(weight) + alpha),
        };
        match self.weighing.form {
            // Both logarithms would be the same.
            _ if weight == 0 => 0.0,
            ScoreForm::MultinomialBoolean => {
                match self.weighing.logs.seen.get(documents as usize) {
                    Some(&seen) => seen,
                    None => seen(documents),
                }
            }
            ScoreForm::MultinomialTfIdf => self.gain * (log(weight) - log_alpha),
            ScoreForm::ComplementTfIdf => {
                self.gain * (self.log_whole - log(self.whole.saturating_sub(weight)))
            }
        }
    }

    fn value(&self, weight: u64) -> f64 {
        // Below 2^63, and signed numbers are converted faster.
        weight as i64 as f64 / WEIGHT_ONE * self.gain
    }
}

impl Weighing {
    /// The weighing under this form, with N = `reference`, below 2^48.
    pub(crate) fn new(form: ScoreForm, reference: u64) -> Self {
        Self {
            form,
            reference,
            log_reference: log_fixed(reference),
            log_alpha: ln(form.alpha()),
            logs: Logs::get(),
        }
    }

    /// ln(1 + min(df, N)) in fixed point.
    pub(crate) fn log_df_of(&self, df: u64) -> u64 {
        let n = df.min(self.reference);
        match self.logs.fixed.get(n as usize) {
            Some(&log) => log,
            None => log_fixed(n),
        }
    }

    fn log_df(&self, row: &[Cell]) -> u64 {
        self.log_df_of(document_frequency(row))
    }

    /// Whether the sum is one that counts can have.
    pub(crate) fn in_range(&self, sums: &ClassSums) -> bool {
        sums.tokens < MAX_SUM
            && sums.weight < MAX_SUM
            && sums.weight_log_df <= u128::from(sums.weight) * u128::from(self.log_reference)
    }

    /// How the cells of a feature in so many documents, of so much weight, are weighed.
    pub(crate) fn row(&self, documents: u64, whole: u64) -> RowWeighing {
        let mut row = RowWeighing {
            weighing: *self,
            gain: match documents {
                0 => 0.0,
                _ => self.gain(documents),
            },
            whole,
            log_whole: 0.0,
        };
        if self.form == ScoreForm::ComplementTfIdf {
            row.log_whole = ln(row.value(whole) + self.form.alpha());
        }
        row
    }

    /// What a feature in so many documents weighs in the message vector.
    pub(crate) fn gain(&self, documents: u64) -> f64 {
        match self.form {
            ScoreForm::MultinomialBoolean => 1.0,
            _ => {
                let log = self.log_reference.saturating_sub(self.log_df_of(documents));
                log as f64 / LOG_ONE + 1.0
            }
        }
    }

    /// What a feature that no document has weighs in the message vector.
    pub(crate) fn unknown_gain(&self) -> f64 {
        self.gain(0)
    }

    /// Constants of the classes.
    pub(crate) fn class_terms(&self, totals: &Totals) -> ClassTerms {
        let alpha = self.form.alpha();
        let smoothing = alpha * totals.features as f64;
        let all: u64 = totals.documents.iter().sum();
        let prior = totals
            .documents
            .iter()
            .map(|&n| match self.form.prior_counts() {
                // Half a document for a class whose only document is left out.
                true => ln((n as f64).max(0.5) / all.max(1) as f64),
                false => 0.0,
            })
            .collect();
        // Sum over k of w_kc idf_k. Sums that are not of one table may not fit together.
        let one = u128::from(self.log_reference) + LOG_ONE as u128;
        let value = |s: &ClassSums| (u128::from(s.weight) * one).saturating_sub(s.weight_log_df);
        let real = |value: u128| value as f64 / (WEIGHT_ONE * LOG_ONE);
        let whole: u128 = totals.sums.iter().map(value).sum();
        let base = totals
            .sums
            .iter()
            .map(|s| match self.form {
                ScoreForm::MultinomialBoolean => ln(alpha) - ln(s.tokens as f64 + smoothing),
                ScoreForm::MultinomialTfIdf => ln(alpha) - ln(real(value(s)) + smoothing),
                // ln(v_k + a) is the same for every class and drops out of any comparison.
                ScoreForm::ComplementTfIdf => ln(real(whole - value(s)) + smoothing),
            })
            .map(|term| if term.is_finite() { term } else { 0.0 })
            .collect();
        ClassTerms { prior, base }
    }

    /// Adds a row's part to the sums of its classes that need logarithms.
    pub(super) fn add_log_df(&self, sums: &mut [ClassSums], row: &[Cell]) {
        let log_df = u128::from(self.log_df(row));
        for cell in row {
            sums[cell.class as usize].weight_log_df += u128::from(cell.weight) * log_df;
        }
    }
}
