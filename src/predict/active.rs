//! What a classifier answers with: its active model and the decisions since.

use std::rc::Rc;

use pg_triage_classifier::{Error, Fit, Label, Live, Model, apply, casefold_label};
use pgrx::pg_sys;

use crate::error::{SqlResult, from_classifier};
use crate::pg::{self, RawValue};
use crate::predict::effects::effects;
use crate::store::classifier::{DEFAULT_CLASSIFIER, KnownLabel, unknown_classifier};
use crate::store::{DECISIONS_AT_ONCE, Reader};

/// A model in use.
#[derive(Clone)]
pub struct Active {
    /// The model with the decisions since.
    pub live: Live,
    /// Its labels in class order, those without emails last, spelled as in `triage.label`.
    pub labels: Vec<String>,
    /// Its version; `None` while only decisions are known.
    pub version: Option<i32>,
    /// Below which confidence a person should see a prediction.
    pub review_below: f64,
    /// The decisions that `live` holds beyond its base, ascending.
    pub applied: Rc<[i64]>,
    /// The version whose steps count, 0 for none.
    pub steps_of: i64,
    /// Which installation of the extension it was read from: numbers start again in the next.
    pub installation: pg_sys::Oid,
}

/// What reading found.
pub enum Found {
    /// A model to answer with.
    Active(Active),
    /// Nothing yet; the latest stored version, if there is one to activate.
    NoModel { stored: Option<i32> },
}

/// Reads what a classifier answers with under the caller's snapshot; `known`'s parts are used
/// again if they are still right.
pub fn read(
    r: &Reader,
    installation: pg_sys::Oid,
    classifier: &str,
    known: Option<Active>,
) -> SqlResult<Found> {
    let Some(served) = r.served(classifier)? else {
        if classifier == DEFAULT_CLASSIFIER {
            return Ok(Found::NoModel { stored: None });
        }
        return Err(unknown_classifier(classifier, r.classifiers()?));
    };
    let mut pending = r.pending(classifier)?;
    pg_triage_classifier::probe(64 * pending.len()).map_err(from_classifier)?;
    pending.sort_unstable();
    let pending: Rc<[i64]> = pending.into();
    let nothing = || {
        let stored = r.latest_version(classifier)?;
        Ok(Found::NoModel { stored })
    };
    if served.stored.is_none() && pending.is_empty() {
        return nothing();
    }
    let header = served.stored.map(RawValue::read_header).transpose()?;
    let identity = match &header {
        Some(header) => header.identity(),
        None => empty_base()?.identity(),
    };
    let known = known.filter(|known| {
        known.installation == installation
            && known.steps_of == served.steps_of
            && known.live.base().identity() == identity
    });
    let (mut live, applied) = match known {
        Some(known) => kept(known, &pending),
        None => {
            let base = match (served.stored, &header) {
                (Some(stored), Some(header)) => stored.read_model_after(header)?,
                _ => empty_base()?,
            };
            (Live::new(Rc::new(base)), Rc::default())
        }
    };
    if applied.len() < pending.len() {
        if let (true, Some(stored), Some(header)) = (live.needs_counts(), served.stored, &header) {
            live.set_counts(Rc::new(stored.read_counts(header)?));
        }
        let is_new = |id: &&i64| applied.binary_search(id).is_err();
        let new: Vec<i64> = pending.iter().filter(is_new).copied().collect();
        apply_decisions(r, &mut live, &new, served.steps_of)?;
    }
    let catalogue = Catalogue::new(r.labels_with_use(classifier)?)?;
    live.declare(catalogue.in_use.clone())
        .map_err(from_classifier)?;
    live.hide(catalogue.retired);
    let all = live.labels().iter().chain(live.labels_without_emails());
    let labels = spelled(all.map(|l| (&*l.casefolded, &*l.name)), &catalogue.all);
    // Without a version only decisions are known: of none, or of a single label, nothing can be
    // said.
    if served.version.is_none() && (live.documents() == 0 || labels.len() < 2) {
        return nothing();
    }
    Ok(Found::Active(Active {
        live,
        labels,
        version: served.version,
        steps_of: served.steps_of,
        review_below: served.review_below,
        applied: pending,
        installation,
    }))
}

/// What a known model of the same base still gives, and the decisions in that: all of its own, or
/// none if one of them counts no more.
fn kept(known: Active, pending: &[i64]) -> (Live, Rc<[i64]>) {
    let still_counts = |id: &i64| pending.binary_search(id).is_ok();
    if known.applied.iter().all(still_counts) {
        return (known.live, known.applied);
    }
    let mut live = Live::new(known.live.base().clone());
    if let Some(counts) = known.live.counts() {
        live.set_counts(counts.clone());
    }
    (live, Rc::default())
}

/// Applies stored decisions, ascending, that a model does not hold yet.
fn apply_decisions(r: &Reader, live: &mut Live, decisions: &[i64], steps_of: i64) -> SqlResult<()> {
    for some in decisions.chunks(DECISIONS_AT_ONCE) {
        pg::check_for_interrupts();
        let effects = effects(r, some, steps_of)?;
        apply(live, &effects, &pg::check_for_interrupts).map_err(from_classifier)?;
    }
    live.refresh(&pg::check_for_interrupts)
        .map_err(from_classifier)
}

/// Sets the counts that learning needs, if the base is still the one that is stored.
pub fn read_counts(r: &Reader, classifier: &str, live: &mut Live) -> SqlResult<()> {
    if !live.needs_counts() {
        return Ok(());
    }
    if let Some(stored) = r.served(classifier)?.and_then(|served| served.stored) {
        live.set_counts(Rc::new(stored.read_counts(&stored.read_header()?)?));
    }
    Ok(())
}

fn empty_base() -> SqlResult<Model> {
    Model::empty(Fit::default()).map_err(from_classifier)
}

/// The labels of a classifier, in order of their casefolded form.
struct Catalogue {
    all: Rc<Vec<Label>>,
    /// Those that may be answered.
    in_use: Rc<Vec<Label>>,
    /// Casefolded forms of the others.
    retired: Vec<String>,
}

impl Catalogue {
    fn new(labels: Vec<KnownLabel>) -> SqlResult<Self> {
        let mut retired = Vec::new();
        for label in labels.iter().filter(|label| label.is_retired) {
            retired.push(casefold_label(&label.label).map_err(from_classifier)?);
        }
        retired.sort_unstable();
        let labels = labels.into_iter().map(|label| label.label).collect();
        let all = Rc::new(casefolded(labels)?);
        let is_in_use = |label: &&Label| retired.binary_search(&label.casefolded).is_err();
        let in_use = match retired.is_empty() {
            true => all.clone(),
            false => Rc::new(all.iter().filter(is_in_use).cloned().collect()),
        };
        Ok(Self {
            all,
            in_use,
            retired,
        })
    }
}

/// Labels of `triage.label` in order of their casefolded form.
pub fn casefolded(labels: Vec<String>) -> SqlResult<Vec<Label>> {
    let casefolded = |name: String| {
        let casefolded = casefold_label(&name)?;
        Ok(Label { casefolded, name })
    };
    let labels = labels.into_iter().map(casefolded);
    let mut labels: Vec<Label> = labels
        .collect::<Result<_, Error>>()
        .map_err(from_classifier)?;
    labels.sort_unstable_by(|a, b| a.casefolded.cmp(&b.casefolded));
    Ok(labels)
}

/// Labels, given in casefolded form and as emails have them, spelled as `triage.label` has them;
/// `stored` is in order.
pub fn spelled<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    stored: &[Label],
) -> Vec<String> {
    let spelled = |(casefolded, name): (&str, &str)| match stored
        .binary_search_by(|l| (*l.casefolded).cmp(casefolded))
    {
        Ok(at) => stored[at].name.clone(),
        Err(_) => name.to_owned(),
    };
    labels.map(spelled).collect()
}
