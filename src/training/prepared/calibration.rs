//! Another calibration of the active version, by the audit sample. No label changes, only how
//! sure the answers are.

use pg_triage_classifier::{Fit, MIN_EMAILS_TO_CALIBRATE, PairedAnswers, recalibrated};
use pgrx::PgSqlErrorCode as Code;

use super::inputs::{Inputs, MOST_COMPARED, SUPERSEDED};
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::{RawValue, check_for_interrupts};
use crate::store::model::{ChampionComparison, NewModel};
use crate::store::{Reader, Writer};
use crate::types::{model_state, open_model, storable};

/// A version that is being calibrated.
pub struct Calibration {
    inputs: Inputs,
    fit: Option<Fit>,
}

impl Calibration {
    /// Reads the audit sample since the active version was trained, or says that there is too
    /// little of it.
    pub fn read(r: &Reader, classifier: &str) -> SqlResult<Result<Self, String>> {
        let learned = r.last_learned(classifier)?;
        let audited = r.audited(classifier, learned, MOST_COMPARED)?;
        if audited.len() < MIN_EMAILS_TO_CALIBRATE {
            return Ok(Err(format!(
                "as it is: {} emails of the audit sample are answered since it was trained, {MIN_EMAILS_TO_CALIBRATE} are needed",
                audited.len(),
            )));
        }
        let inputs = Inputs::read(r, classifier, &audited)?;
        Ok(Ok(Self { inputs, fit: None }))
    }

    /// Fits the probabilities to the audit sample, where that makes them clearly better.
    pub fn compute(&mut self) -> SqlResult<()> {
        let inputs = &mut self.inputs;
        let model = open_model(&inputs.base.packed()?)?;
        self.fit =
            recalibrated(&model, &inputs.judges, &check_for_interrupts).map_err(from_classifier)?;
        Ok(())
    }

    /// Stores the active version once more with that fit, and activates it.
    pub fn finish(self, w: &mut Writer) -> SqlResult<String> {
        let emails = self.inputs.judges.len();
        let Some(fit) = self.fit else {
            return Ok(format!(
                "as it is: {emails} audited emails suggest nothing clearly better"
            ));
        };
        if !self.inputs.are_current(w)? {
            return Ok(SUPERSEDED.to_owned());
        }
        let (classifier, champion) = (&self.inputs.classifier, self.inputs.champion);
        let version = store_refitted(w, classifier, champion, &fit)?;
        let why = format!("calibrated on {emails} audited emails");
        self.inputs.activate(w, version, &why)
    }
}

/// Stores a version once more with another fit; returns the new version.
fn store_refitted(w: &mut Writer, classifier: &str, version: i32, fit: &Fit) -> SqlResult<i32> {
    let stored = w.version(classifier, version)?;
    let stored = stored.ok_or_else(|| {
        report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("version {version} of classifier \"{classifier}\" was deleted meanwhile"),
        )
    })?;
    let metrics = stored.model.read_model()?.meta().metrics.clone();
    let packed = model_state(stored.model)?.pack(fit, metrics, &check_for_interrupts);
    let packed = storable(packed.map_err(from_classifier)?, "email_model")?;
    let about = open_model(&packed)?;
    let new = NewModel {
        stored: RawValue::of_bytes(&packed, c"email_model"),
        about: &about,
        from_ledger: stored.from_ledger,
        note: Some("calibrated by maintenance"),
        steps_of: Some(stored.steps_of),
        relabelled_from: None,
        comparison: Some(ChampionComparison {
            last_decision: stored.last_decision,
            champion: version,
            compared: PairedAnswers::default(),
            refused: None,
            reviewer: None,
        }),
    };
    w.insert_model(classifier, new)
}
