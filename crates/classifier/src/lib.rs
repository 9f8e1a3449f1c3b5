//! The classifier of pg_triage: from the text of an email to calibrated probabilities of
//! labels, without PostgreSQL.
//!
//! # The way of the data
//!
//! text -> tokens ([`Tokenizer`]) -> sorted 64-bit keys ([`Features`]) -> exact integer counts
//! ([`State`]) -> score form, residuals and calibration ([`Trainer`]) -> one packed table
//! ([`Model`]) -> the model and what was decided since ([`Live`]) -> probabilities.
//!
//! A decision takes the short way: its features and its step ([`Step`], computed once, when it
//! was made) are an [`Example`], and [`apply`] brings many of them into whatever is a
//! [`Learner`].
//!
//! Everything stored is a pure function of the *set* of learned emails: the same emails in any
//! order, split and merged in any way, give the same bytes on every machine. Long loops call a
//! [`Poll`] callback, so that a host can cancel them; the callback may unwind.
//!
//! A module imports only from lower layers, which `docs/architecture.md` lists.
//!
//! # Where to add
//!
//! - **A kind of token**: a [`Field`](tokenizer::Field) with the next number if its words are
//!   to be features of their own, a name in [`Kinds`](tokenizer::Kinds), and the code that
//!   finds it in `tokenizer/scan/`. Raise [`TOKENIZER_VERSION`], because keys are stored, and
//!   show what it is worth: `make bench-features`.
//! - **A score form**: a variant at the end of [`ScoreForm`] (its number is stored) and in
//!   [`ScoreForm::ALL`]; what a cell counts and what a class starts with in
//!   `naive_bayes/weighing.rs`. `tests/oracle.rs` compares it with the formula written out.
//! - **A figure of training**: [`Metrics`], computed in `evaluation.rs`; it is stored, so the
//!   format version changes with it.
//! - **What can learn**: implement [`Learner`].
#![forbid(unsafe_code)]

mod error;
mod math;
mod memory;
mod poll;

pub mod artifact;

mod features;
mod labels;
pub mod tokenizer;

mod counts;
mod score_form;
mod step;
mod training_sample;

mod learner;
mod state;

mod calibration;
mod evaluation;
mod fit;
mod naive_bayes;

mod baseline;
mod comparison;
mod form_choice;
mod label_errors;
mod residual;
mod reviewers;
mod train;

mod live;
mod model;
mod recalibration;

mod linfa_traits;

pub use calibration::Calibration;
pub use comparison::{Comparison, PairedAnswers, Refusal, TOLERANCE};
pub use error::{Error, Result};
pub use evaluation::Metrics;
pub use features::{Features, TOKENIZER_VERSION};
pub use fit::Fit;
pub use form_choice::JUDGED_DOCUMENTS;
pub use label_errors::{LabelError, LabelErrorFinder};
pub use labels::{Label, MAX_LABEL_BYTES, MAX_LABELS, casefold_label};
pub use learner::{DecisionEffect, Example, Learner, apply};
pub use linfa::ParamGuard;
pub use linfa_traits::Messages;
pub use live::{Explanation, Live, Ranking};
pub use memory::probe;
pub use model::{CellCounts, LabelProbability, Model, ModelMeta};
pub use naive_bayes::{NaiveBayes, Scores};
pub use poll::{Poll, never_cancelled};
pub use recalibration::{
    AuditedAnswer, Found, MIN_ANSWERS_TO_CALIBRATE, MIN_EMAILS_TO_CALIBRATE, inverse_temperature,
    recalibrated,
};
pub use reviewers::{ComparedDecision, StandsOut, margin_against, stands_out};
pub use score_form::ScoreForm;
pub use state::{LabelCounts, State};
pub use step::Step;
pub use tokenizer::Tokenizer;
pub use train::{Trainer, TrainerParams, TrainerValidParams};
pub use training_sample::training_sample_priority;
