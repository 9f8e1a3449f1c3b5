//! Training and answering through the traits of linfa, for programs that compare learners.

use linfa::dataset::{DatasetBase, Records};
use ndarray::Array1;

use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::model::Model;
use crate::poll::never_cancelled;
use crate::state::State;
use crate::tokenizer::Tokenizer;
use crate::train::TrainerValidParams;

/// Texts as linfa records, for [`linfa::traits::Fit`] and `Predict`.
#[derive(Debug, Clone)]
pub struct Messages(pub Vec<String>);

impl Records for Messages {
    type Elem = f64;

    fn nsamples(&self) -> usize {
        self.0.len()
    }

    /// Hashed features have no fixed number of columns.
    fn nfeatures(&self) -> usize {
        0
    }
}

impl linfa::traits::Fit<Messages, Array1<String>, Error> for TrainerValidParams {
    type Object = Model;

    fn fit(&self, dataset: &DatasetBase<Messages, Array1<String>>) -> Result<Model> {
        let mut state = State::default();
        let mut tokenizer = Tokenizer::default();
        for (text, label) in dataset.records.0.iter().zip(&dataset.targets) {
            state.learn(&tokenizer.features(text), label)?;
        }
        Model::from_bytes(
            self.fit_state(&mut state, &never_cancelled)?,
            &never_cancelled,
        )
    }
}

impl linfa::traits::Predict<&Messages, Array1<String>> for Model {
    fn predict(&self, messages: &Messages) -> Array1<String> {
        let mut tokenizer = Tokenizer::default();
        let label = |text: &String| {
            let features = tokenizer.features(text);
            let best = self.classify(&features, &never_cancelled);
            best.map_or_else(String::new, |best| best.label.to_owned())
        };
        messages.0.iter().map(label).collect()
    }
}
