//! Steps of the residual layer: computed once, by who decides, and stored with the decision.

use std::cell::RefCell;
use std::collections::HashSet;

use pg_triage_classifier::{Features, Learner, Live, Step};

use crate::error::{SqlResult, from_core};
use crate::pg;
use crate::predict::active::{self, Active};
use crate::predict::cache;

/// A decision that the session's model does not show yet.
struct Unseen {
    features: Features,
    label: String,
    step: Step,
}

/// What the decisions of one statement are about: the model of its snapshot and what the
/// statement itself has decided. Else a thousand equal emails that one statement corrects
/// would each make up for the same mistake.
///
/// It holds no reference to the session's model, which could not be brought up to date in
/// place then: every decision would begin with a copy.
struct Teacher {
    installation: pgrx::pg_sys::Oid,
    version: Option<i32>,
    base: u128,
    applied: HashSet<i64>,
    /// The first decision; a copy of the model is only made for a second.
    unseen: Option<Unseen>,
    live: Option<Live>,
}

thread_local! {
    static TEACHER: RefCell<Option<Teacher>> = const { RefCell::new(None) };
}

/// The step with which the classifier learns that an email has this label, and the
/// version that it counts for; `None` without a model.
pub fn step(classifier: &str, features: &Features, label: &str) -> SqlResult<Option<(Step, i64)>> {
    let Some(active) = cache::active_model(classifier)? else {
        return Ok(None);
    };
    // Taken out: what follows can unwind.
    let known = TEACHER.take();
    let mut teacher = known
        .filter(|teacher| teacher.is_about(&active))
        .unwrap_or_else(|| Teacher::new(&active));
    let step = teacher.step(&active.live, classifier, features, label)?;
    TEACHER.replace(Some(teacher));
    Ok(Some((step, active.steps_of)))
}

impl Teacher {
    fn new(active: &Active) -> Self {
        Self {
            installation: active.installation,
            version: active.version,
            base: active.live.base().identity(),
            applied: active.applied.clone(),
            unseen: None,
            live: None,
        }
    }

    /// Whether it has learned from what this shows, and nothing else.
    fn is_about(&self, active: &Active) -> bool {
        self.installation == active.installation
            && self.version == active.version
            && self.base == active.live.base().identity()
            && self.applied == active.applied
    }

    fn step(
        &mut self,
        snapshot: &Live,
        classifier: &str,
        features: &Features,
        label: &str,
    ) -> SqlResult<Step> {
        let poll = &pg::check_for_interrupts;
        if let Some(seen) = self.unseen.take() {
            pg_triage_classifier::probe(2 * snapshot.memory()).map_err(from_core)?;
            let live = self.live.insert(snapshot.clone());
            active::read_counts(classifier, live)?;
            teach(live, &seen.features, &seen.label, &seen.step)?;
        }
        let step = match &mut self.live {
            Some(live) => {
                let step = live
                    .step_towards(features, label, poll)
                    .map_err(from_core)?;
                teach(live, features, label, &step)?;
                step
            }
            None => {
                let step = snapshot
                    .step_towards(features, label, poll)
                    .map_err(from_core)?;
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

/// As the decision will be learned. What it replaces stays: steps need not be exact.
fn teach(live: &mut Live, features: &Features, label: &str, step: &Step) -> SqlResult<()> {
    live.learn(features, label)
        .and_then(|()| live.step(features, step, false))
        .and_then(|()| live.refresh(&pg::check_for_interrupts))
        .map_err(from_core)
}
