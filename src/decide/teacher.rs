//! Steps of the residual layer: computed once, by who decides, and stored with the decision.

use std::cell::RefCell;
use std::rc::Rc;

use pg_triage_core::{Features, Live, Step};

use crate::cache::{self, Active};
use crate::catalog;
use crate::error::{SqlResult, from_core};
use crate::pg;

/// A decision that the session's model does not show yet.
struct Unseen {
    features: Features,
    label: String,
    step: Step,
}

/// The model that the decisions of one statement are about: that of its snapshot and what
/// the statement itself has decided. Else a thousand equal emails that one statement corrects
/// would each make up for the same mistake.
struct Teacher {
    snapshot: Rc<Active>,
    /// The first decision; its copy of the model is only made for a second.
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
        .unwrap_or_else(|| Teacher::new(active));
    let step = teacher.step(classifier, features, label)?;
    let steps_of = teacher.snapshot.steps_of();
    TEACHER.replace(Some(teacher));
    Ok(Some((step, steps_of)))
}

impl Teacher {
    fn new(snapshot: Rc<Active>) -> Self {
        Self {
            snapshot,
            unseen: None,
            live: None,
        }
    }

    /// Whether it has learned from what this shows, and nothing else.
    fn is_about(&self, active: &Active) -> bool {
        let known = &self.snapshot;
        known.installation == active.installation
            && known.version == active.version
            && known.live.base().identity() == active.live.base().identity()
            && known.applied == active.applied
    }

    fn step(&mut self, classifier: &str, features: &Features, label: &str) -> SqlResult<Step> {
        let poll = &pg::check_for_interrupts;
        if let Some(seen) = self.unseen.take() {
            pg_triage_core::probe(2 * self.snapshot.live.memory()).map_err(from_core)?;
            let live = self.live.insert(self.snapshot.live.clone());
            catalog::read_counts(classifier, live)?;
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
                let live = &self.snapshot.live;
                let step = live
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
        .and_then(|()| live.settle(&pg::check_for_interrupts))
        .map_err(from_core)
}
