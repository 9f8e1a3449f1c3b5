//! One step of the residual layer: what one document adds to the residuals of its features.
//! [`crate::residual`] says how steps are computed and why.

use crate::counts::RESIDUAL_ONE;
use crate::error::{Error, Result};
use crate::labels::casefold_label;
use crate::score_form::ScoreForm;

/// No step is larger, in 1 / [`RESIDUAL_ONE`].
const MAX_STEP: f64 = (1u32 << 26) as f64;

/// Logarithm of how much more often a keyword is in a mail of its label. On the sample mails,
/// descriptions and eleven corrections per label together get 48 % right without it and 61 %
/// with it.
const KEYWORDS: f64 = 8.0;

/// How much of what is missing one step makes up for: in logits of the document itself.
const RATE: f64 = 1.0;

/// Smaller differences from the truth teach nothing worth a cell.
pub(crate) const MIN_DIFFERENCE: f64 = 0.01;

/// Most classes that one step moves: the rest of the probability is spread thinly.
const MAX_CLASSES: usize = 16;

/// Most cells that one step moves: the labels of a long document are fewer, and those of a
/// very long one none. Counts do without.
const MAX_CELLS_MOVED: usize = 1 << 15;

/// What a step of one does to the document's own logits: the factor between scores of
/// features and logits, times the sum of the features' squared gains.
pub(crate) fn lever(form: ScoreForm, scale: f64, inverse_temperature: f64, features: usize) -> f64 {
    match form {
        ScoreForm::MultinomialBoolean => inverse_temperature * features as f64,
        // The scale brings the vector to length one.
        _ => inverse_temperature / scale,
    }
}

/// What one document adds to the residuals of each of its features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step(Vec<(String, i32)>);

impl Step {
    /// A step from a label's casefolded form (see [`casefold_label`]) and the amount for each.
    ///
    /// # Errors
    /// [`Error::LabelTooLong`], [`Error::TooManyLabels`].
    pub fn new(amounts: Vec<(String, i32)>) -> Result<Self> {
        if amounts.len() > MAX_CLASSES {
            return Err(Error::TooManyLabels { limit: MAX_CLASSES });
        }
        for (label, _) in &amounts {
            casefold_label(label)?;
        }
        Ok(Self(amounts))
    }

    /// The step towards `label`, from the probabilities that the document's labels were given.
    /// `scale` is that of its [`Scores`](crate::Scores).
    pub(crate) fn of<'a>(
        form: ScoreForm,
        scale: f64,
        inverse_temperature: f64,
        features: usize,
        label: &str,
        answers: impl Iterator<Item = (&'a str, f64)>,
    ) -> Self {
        let lever = lever(form, scale, inverse_temperature, features);
        let amount = |difference: f64| {
            let step = RATE * difference / lever * RESIDUAL_ONE;
            step.clamp(-MAX_STEP, MAX_STEP).round() as i32
        };
        let mut own = 1.0;
        let mut differences = Vec::new();
        for (other, p) in answers {
            match other == label {
                true => own = 1.0 - p,
                false if p >= MIN_DIFFERENCE => differences.push((other, -p)),
                false => {}
            }
        }
        let most = MAX_CELLS_MOVED / features.max(1);
        if own < MIN_DIFFERENCE || most < 2 {
            return Self::default();
        }
        differences.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        differences.truncate(most.min(MAX_CLASSES) - 1);
        differences.push((label, own));
        let amounts = differences
            .into_iter()
            .map(|(label, difference)| (label.to_owned(), amount(difference)))
            .filter(|&(_, amount)| amount != 0);
        Self(amounts.collect())
    }

    /// The step for words that a person has chosen to describe a label, before there is anything to
    /// train on: they count as much as if 150 emails of this label had them.
    ///
    /// # Errors
    /// [`Error::LabelTooLong`].
    pub fn keywords(label: &str) -> Result<Self> {
        let casefolded = casefold_label(label)?;
        Ok(Self(vec![(casefolded, (KEYWORDS * RESIDUAL_ONE) as i32)]))
    }

    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Casefolded labels and what is added for them.
    pub fn labels(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0
            .iter()
            .map(|(label, amount)| (label.as_str(), *amount))
    }

    /// What the step adds for each label, or takes away when it is taken back.
    pub(crate) fn amounts(&self, take_back: bool) -> impl Iterator<Item = (&str, i32)> {
        self.labels().map(move |(label, amount)| {
            let amount = if take_back {
                amount.wrapping_neg()
            } else {
                amount
            };
            (label, amount)
        })
    }
}
