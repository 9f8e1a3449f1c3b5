//! Steps of the residual layer: computed once, by who decides, and stored with the decision.

use std::cell::RefCell;
use std::rc::Rc;

use pg_triage_classifier::{Features, Learner, Live, Step};

use crate::error::{SqlResult, from_classifier};
use crate::pg;
use crate::predict::active::{self, Active};
use crate::predict::cache;
use crate::store::Reader;

/// A decision that the session's model does not show yet.
struct Unseen {
    features: Features,
    label: String,
    step: Step,
}

/// The model as the running statement sees it: that of its snapshot and what the statement
/// itself has decided. Else a thousand equal emails that one statement corrects would each make
/// up for the same mistake.
///
/// It holds no reference to the session's model, which could not be brought up to date in
/// place then: every decision would begin with a copy.
struct StatementModel {
    installation: pgrx::pg_sys::Oid,
    /// Two classifiers may have the same model, and learn each for itself.
    classifier: String,
    version: Option<i32>,
    base: u128,
    applied: Rc<[i64]>,
    /// The first decision; a copy of the model is only made for a second.
    unseen: Option<Unseen>,
    live: Option<Live>,
}

thread_local! {
    static STATEMENT_MODEL: RefCell<Option<StatementModel>> = const { RefCell::new(None) };
}

/// The step with which the classifier learns that an email has this label, and the
/// version that it counts for; `None` without a model, or without labels to move apart.
pub fn step(
    r: &Reader,
    classifier: &str,
    features: &Features,
    label: &str,
) -> SqlResult<Option<(Step, i64)>> {
    let Some(active) = cache::active_model_of(r, classifier)? else {
        return Ok(None);
    };
    if active.version.is_none() && active.live.labels().len() < 2 {
        return Ok(None);
    }
    // Taken out: what follows can unwind.
    let known = STATEMENT_MODEL.take();
    let mut model = known
        .filter(|model| model.is_about(classifier, &active))
        .unwrap_or_else(|| StatementModel::new(classifier, &active));
    let step = model.step(r, &active.live, classifier, features, label)?;
    STATEMENT_MODEL.replace(Some(model));
    Ok(Some((step, active.steps_of)))
}

impl StatementModel {
    fn new(classifier: &str, active: &Active) -> Self {
        Self {
            installation: active.installation,
            classifier: classifier.to_owned(),
            version: active.version,
            base: active.live.base().identity(),
            applied: active.applied.clone(),
            unseen: None,
            live: None,
        }
    }

    /// Whether it has learned from what this shows, and nothing else.
    fn is_about(&self, classifier: &str, active: &Active) -> bool {
        self.installation == active.installation
            && self.classifier == classifier
            && self.version == active.version
            && self.base == active.live.base().identity()
            && self.applied == active.applied
    }

    fn step(
        &mut self,
        r: &Reader,
        snapshot: &Live,
        classifier: &str,
        features: &Features,
        label: &str,
    ) -> SqlResult<Step> {
        let poll = &pg::check_for_interrupts;
        if let Some(seen) = self.unseen.take() {
            pg_triage_classifier::probe(2 * snapshot.memory()).map_err(from_classifier)?;
            let live = self.live.insert(snapshot.clone());
            active::read_counts(&r.at_statement(), classifier, live)?;
            learn(live, &seen.features, &seen.label, &seen.step)?;
        }
        let step = match &mut self.live {
            Some(live) => {
                let step = live
                    .step_towards(features, label, poll)
                    .map_err(from_classifier)?;
                learn(live, features, label, &step)?;
                step
            }
            None => {
                let step = snapshot
                    .step_towards(features, label, poll)
                    .map_err(from_classifier)?;
                self.unseen = Some(Unseen {
                    features: features.clone(),
                    label: label.to_owned(),
                    step: step.clone(),
                });
                step
            }
        };
        Ok(step)
    }
}

/// Learns as the decision will be learned. What it replaces stays: steps need not be exact.
fn learn(live: &mut Live, features: &Features, label: &str, step: &Step) -> SqlResult<()> {
    live.learn(features, label)
        .and_then(|()| live.step(features, step, false))
        .and_then(|()| live.refresh(&pg::check_for_interrupts))
        .map_err(from_classifier)
}
