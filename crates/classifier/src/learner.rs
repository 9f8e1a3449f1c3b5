//! What can learn, and how stored decisions are applied to it.

use crate::error::{Error, Result};
use crate::features::Features;
use crate::poll::Poll;
use crate::step::Step;

/// One labelled email, as far as learning needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its features.
    pub features: Features,
    /// The label that a person gave it, as spelled by them.
    pub label: String,
    /// Its step of the residual layer. Empty if it was computed against another model than
    /// the one that learns.
    pub step: Step,
}

/// What one decision changes in what is learned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionEffect {
    /// The example that holds from now on.
    pub adds: Option<Example>,
    /// The example that holds no longer: that of the decision which this one replaces.
    pub removes: Option<Example>,
}

/// Counts, or a model over counts, that emails are added to and taken back from.
///
/// The result depends on the set of emails that are there in the end, not on the order of
/// calls, as long as nothing is taken back before it is there. [`apply`] keeps to that.
pub trait Learner {
    /// Learns one email.
    ///
    /// # Errors
    /// [`Error::LabelTooLong`], [`Error::TooManyLabels`], [`Error::TooManyDocuments`],
    /// [`Error::OutOfMemory`].
    fn learn(&mut self, features: &Features, label: &str) -> Result<()>;

    /// Takes back one email that was learned under this spelling of the label.
    ///
    /// # Errors
    /// [`Error::NotLearned`], with nothing changed, if the counts of the email's label or of
    /// its features rule it out. The caller has to know what was learned: counts cannot tell
    /// one email from two that together have its features.
    fn unlearn(&mut self, features: &Features, label: &str, poll: Poll) -> Result<()>;

    /// Adds a step of the residual layer to the features of an email, or takes it back.
    /// Labels that are not known are passed over: learn first.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    fn step(&mut self, features: &Features, step: &Step, take_back: bool) -> Result<()>;
}

/// Applies stored decisions, which may be given in any order.
///
/// All that is learned comes first: what is taken back may have been learned by another of
/// them, and steps are about labels that have emails. Un-learning comes last, because it has
/// to sort in what was learned; an email that was never learned is passed over, so that a
/// ledger which somebody wrote to directly does not stop classification.
///
/// # Errors
/// Those of [`Learner::learn`] and [`Learner::step`]; some decisions are applied then, so the
/// learner is of no more use.
pub fn apply<L: Learner>(learner: &mut L, effects: &[DecisionEffect], poll: Poll) -> Result<()> {
    let added = || effects.iter().filter_map(|effect| effect.adds.as_ref());
    let removed = || effects.iter().filter_map(|effect| effect.removes.as_ref());
    for example in added() {
        poll();
        learner.learn(&example.features, &example.label)?;
    }
    let steps = added().map(|example| (example, false));
    let taken_back = removed().map(|example| (example, true));
    for (example, take_back) in steps.chain(taken_back) {
        poll();
        learner.step(&example.features, &example.step, take_back)?;
    }
    for example in removed() {
        poll();
        match learner.unlearn(&example.features, &example.label, poll) {
            Ok(()) | Err(Error::NotLearned { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
