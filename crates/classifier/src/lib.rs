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
mod features;
mod fit;
mod form_choice;
mod label_errors;
mod labels;
mod learner;
mod linfa_traits;
mod live;
mod math;
mod memory;
mod model;
mod naive_bayes;
mod poll;
mod recalibration;
mod residual;
mod score_form;
mod state;
mod step;
pub mod tokenizer;
mod train;
mod training_sample;

pub use calibration::Calibration;
pub use comparison::{Comparison, PairedAnswers, Refusal, TOLERANCE};
pub use error::{Error, Result};
pub use evaluation::Metrics;
pub use features::{Features, TOKENIZER_VERSION};
pub use fit::Fit;
pub use form_choice::JUDGED_DOCUMENTS;
pub use label_errors::{ContradictionCount, LabelError, LabelErrorFinder};
pub use labels::{Label, MAX_LABEL_BYTES, MAX_LABELS, casefold_label};
pub use learner::{DecisionEffect, Example, Learner, apply};
pub use linfa::ParamGuard;
pub use linfa_traits::Messages;
pub use live::{Explanation, Live, Prediction};
pub use memory::probe;
pub use model::{CellCounts, LabelProbability, Model, ModelMeta};
pub use naive_bayes::{NaiveBayes, Scores};
pub use poll::{Poll, never_cancelled};
pub use recalibration::{MIN_EMAILS_TO_CALIBRATE, recalibrated};
pub use score_form::ScoreForm;
pub use state::{LabelCounts, State};
pub use step::Step;
pub use tokenizer::Tokenizer;
pub use train::{Trainer, TrainerParams, TrainerValidParams};
pub use training_sample::training_sample_priority;
