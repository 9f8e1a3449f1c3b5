//! The classifier of pg_triage, without PostgreSQL.
//!
//! Data flows one way: text -> tokens ([`tokenizer`]) -> sorted 64-bit feature keys
//! ([`Features`]) -> exact integer counts ([`State`]) -> score form and calibration
//! ([`Trainer`]) -> one packed table ([`Model`]) and what was decided since ([`Live`]) ->
//! calibrated probabilities.
//!
//! Everything stored is a pure function of the *set* of learned emails: the same emails
//! in any order, split and merged in any way, give the same bytes on every machine.
//! Long loops call a [`Poll`] callback, so that a host can cancel them; the callback may
//! unwind.
#![forbid(unsafe_code)]

pub mod artifact;
mod baseline;
mod calibration;
mod comparison;
mod counts;
mod error;
mod evaluation;
mod fit;
mod label_errors;
mod labels;
mod learner;
mod live;
mod math;
mod model;
mod naive_bayes;
mod recalibration;
mod residual;
mod state;
pub mod tokenizer;
mod train;
mod training_sample;

pub use calibration::Calibration;
pub use comparison::{Comparison, PairedAnswers, Refusal, TOLERANCE};
pub use error::{Error, Result, probe};
pub use evaluation::Metrics;
pub use fit::Fit;
pub use label_errors::{ContradictionCount, LabelError, LabelErrorFinder};
pub use labels::{MAX_LABEL_BYTES, MAX_LABELS, casefold_label};
pub use learner::{DecisionEffect, Example, Learner, apply};
pub use linfa::ParamGuard;
pub use live::{Explanation, Live, LiveLabel, Prediction};
pub use model::{CellCounts, Model, ModelMeta, Scored};
pub use naive_bayes::{NaiveBayes, ScoreForm, Scores};
pub use recalibration::{MIN_EMAILS_TO_CALIBRATE, recalibrated};
pub use residual::Step;
pub use state::{LabelCounts, State};
pub use tokenizer::{Features, Tokenizer};
pub use train::{JUDGED_DOCUMENTS, Messages, Trainer, TrainerParams, TrainerValidParams};
pub use training_sample::training_sample_priority;

/// Called between bounded pieces of work (a few milliseconds at most), so that a host can
/// stop a long computation by unwinding.
pub type Poll<'a> = &'a dyn Fn();

/// A [`Poll`] that never stops anything.
pub fn never_cancelled() {}
