//! Versions from before a change of labels, under the names of now.
//!
//! A version is never changed. One whose labels have other names by now is followed by a new one
//! when it is to answer: trained anew on what it was trained on, under the names of now, so that
//! it is the version that there would be if the names had been so from the start. One that
//! maintenance made keeps its calibration and steps instead: how it came about, with emails left
//! out to compare it by, is not to be had again.

use pg_triage_classifier::State;

use crate::error::{SqlResult, from_classifier};
use crate::learning::replay;
use crate::pg::{RawValue, check_for_interrupts};
use crate::store::Writer;
use crate::store::label_change::Relabelling;
use crate::store::model::{Calibrated, NewModel, StoredVersion};
use crate::training::aggregates;
use crate::training::retrain::own_part;
use crate::types::{model_state, open_model, storable, within_memory};

/// The version that this one is under the names of now: itself if no label of its classifier has
/// changed since, else one that is there already, or is made. It has to exist.
pub fn with_labels_of_now(w: &mut Writer, classifier: &str, version: i32) -> SqlResult<i32> {
    let changes = w.relabellings_since(classifier, version)?;
    if changes.is_empty() {
        return Ok(version);
    }
    if let Some(made) = w.relabelled_version(classifier, version)?
        && w.relabellings_since(classifier, made)?.is_empty()
    {
        return Ok(made);
    }
    let Some(stored) = w.version(classifier, version)? else {
        return Ok(version);
    };
    make(w, classifier, version, stored, &changes)
}

/// What a version is made of.
struct Made {
    /// What is stored.
    stored: Vec<u8>,
    /// What its figures are taken from.
    about: Vec<u8>,
}

fn make(
    w: &mut Writer,
    classifier: &str,
    version: i32,
    stored: StoredVersion,
    changes: &[Relabelling],
) -> SqlResult<i32> {
    let opened = stored.model.read_model()?;
    let (fit, metrics) = (opened.meta().fit, opened.meta().metrics.clone());
    let mut own = model_state(stored.model)?;
    for change in changes {
        own.relabel(&change.from, &change.to, &check_for_interrupts)
            .map_err(from_classifier)?;
    }
    let is_alone = !stored.from_ledger && fit.reference_documents == own.documents();
    let again = match stored.is_of_maintenance {
        true => None,
        false => train_again(w, classifier, &stored, is_alone, &own)?,
    };
    let made = match again {
        Some(made) => made,
        None => {
            let packed = own
                .pack(&fit, metrics, &check_for_interrupts)
                .map_err(from_classifier)?;
            Made {
                about: packed.clone(),
                stored: packed,
            }
        }
    };
    let bytes = storable(made.stored, "email_model")?;
    let note = format!("version {version} with its labels as they are called now");
    let new = NewModel {
        stored: RawValue::of_bytes(&bytes, c"email_model"),
        about: &open_model(&made.about)?,
        from_ledger: stored.from_ledger,
        note: Some(&note),
        steps_of: Some(stored.steps_of),
        calibrated: Calibrated::AsTrained,
        relabelled_from: Some((version, stored.last_decision)),
        comparison: None,
    };
    w.insert_model(classifier, new)
}

/// Trains on the emails that a version was trained on; `None` if they are not there any more.
/// `is_alone` says that these were its own alone.
fn train_again(
    w: &mut Writer,
    classifier: &str,
    version: &StoredVersion,
    is_alone: bool,
    own: &State,
) -> SqlResult<Option<Made>> {
    let poll = &check_for_interrupts;
    let outside = (!version.from_ledger).then(|| own.clone());
    let mut all = outside.clone().unwrap_or_default();
    if !is_alone {
        let learned = replay::counts_until(w, classifier, version.last_decision)?;
        all.merge(&learned, poll).map_err(from_classifier)?;
    }
    let mut all = within_memory(all)?;
    if all.is_empty() {
        return Ok(None);
    }
    let about = aggregates::fit(&mut all)?;
    if is_alone {
        let stored = about.clone();
        return Ok(Some(Made { stored, about }));
    }
    let model = open_model(&about)?;
    let (fit, metrics) = (model.meta().fit, model.meta().metrics.clone());
    let stored = own_part(&mut all, outside)?
        .pack(&fit, metrics, poll)
        .map_err(from_classifier)?;
    Ok(Some(Made { stored, about }))
}
