//! Another calibration of the active version, by the audit sample. No label changes, only how
//! sure the answers are.

use pg_triage_classifier::{
    AuditedAnswer, Fit, Found, MIN_ANSWERS_TO_CALIBRATE, MIN_EMAILS_TO_CALIBRATE, PairedAnswers,
    inverse_temperature, recalibrated,
};
use pgrx::PgSqlErrorCode as Code;

use super::inputs::{Inputs, MOST_COMPARED, SUPERSEDED};
use crate::error::{SqlResult, from_classifier, report};
use crate::pg::{RawValue, check_for_interrupts};
use crate::store::comparison::AuditedReview;
use crate::store::model::{Calibrated, ChampionComparison, NewModel, StoredVersion};
use crate::store::{Reader, Writer};
use crate::types::{model_state, open_model, storable};

/// A version that is being calibrated.
pub struct Calibration {
    inputs: Inputs,
    by: Evidence,
}

/// What it is calibrated by.
enum Evidence {
    /// Emails that the active version has not learned: enough for a curve of its own.
    Emails(Option<Fit>),
    /// So many answers of this version and of those before, and the temperature that suits them.
    Answers {
        emails: usize,
        inverse_temperature: f64,
    },
}

impl Calibration {
    /// Reads the audit sample since the active version was trained, if that is much, or else what
    /// versions before were found to be worth, too; or says that there is too little of it.
    pub fn read(r: &Reader, classifier: &str) -> SqlResult<Result<Self, String>> {
        let learned = r.last_learned(classifier)?;
        let audited = r.audited(classifier, learned, MOST_COMPARED)?;
        if audited.len() >= MIN_EMAILS_TO_CALIBRATE {
            let inputs = Inputs::read(r, classifier, &audited)?;
            let by = Evidence::Emails(None);
            return Ok(Ok(Self { inputs, by }));
        }
        let answers = r.audited_reviews(classifier, MOST_COMPARED)?;
        let emails = answers.len();
        if emails < MIN_ANSWERS_TO_CALIBRATE {
            return Ok(Err(format!(
                "as it is: {emails} emails of the audit sample are answered, {MIN_ANSWERS_TO_CALIBRATE} are needed"
            )));
        }
        let active = r.active_version(classifier)?.unwrap_or(0);
        let present = r
            .version(classifier, active)?
            .and_then(|v| v.inverse_temperature);
        let Some(present) = present else {
            return Ok(Err(format!(
                "as it is: it has a calibration of its own; {} emails of the audit sample are answered since it was trained, {MIN_EMAILS_TO_CALIBRATE} are needed for another one",
                audited.len()
            )));
        };
        let answers: Vec<AuditedAnswer> = answers.iter().map(answer).collect();
        let Some(inverse_temperature) = inverse_temperature(&answers, present) else {
            return Ok(Err(as_it_is(emails)));
        };
        let by = Evidence::Answers {
            emails,
            inverse_temperature,
        };
        // Nothing is scored anew.
        let inputs = Inputs::read(r, classifier, &[])?;
        Ok(Ok(Self { inputs, by }))
    }

    /// Fits the probabilities to the audit sample, where that makes them clearly better.
    pub fn compute(&mut self) -> SqlResult<()> {
        if let Evidence::Emails(fit) = &mut self.by {
            let inputs = &mut self.inputs;
            let model = open_model(&inputs.base.packed()?)?;
            *fit = recalibrated(&model, &inputs.judges, &check_for_interrupts)
                .map_err(from_classifier)?;
        }
        Ok(())
    }

    /// Stores the active version once more with that fit, and activates it.
    pub fn finish(self, w: &mut Writer) -> SqlResult<String> {
        let emails = match self.by {
            Evidence::Emails(_) => self.inputs.judges.len(),
            Evidence::Answers { emails, .. } => emails,
        };
        if !self.inputs.are_current(w)? {
            return Ok(SUPERSEDED.to_owned());
        }
        let (classifier, champion) = (&self.inputs.classifier, self.inputs.champion);
        let stored = read_version(w, classifier, champion)?;
        let fitted = match self.by {
            Evidence::Emails(fit) => fit.map(|fit| (fit, Calibrated::Anew)),
            Evidence::Answers {
                inverse_temperature,
                ..
            } => raised(&stored, inverse_temperature)?,
        };
        let Some((fit, calibrated)) = fitted else {
            return Ok(as_it_is(emails));
        };
        let version = store_refitted(w, classifier, champion, stored, &fit, calibrated)?;
        let why = format!("calibrated on {emails} audited emails");
        self.inputs.activate(w, version, &why)
    }
}

fn as_it_is(emails: usize) -> String {
    format!("as it is: {emails} audited emails suggest nothing clearly better")
}

/// What was predicted for an email, and what people found.
fn answer(of: &AuditedReview) -> AuditedAnswer {
    let found = match (of.is_best, of.is_second) {
        (true, _) => Found::Best,
        (_, true) => Found::Second,
        _ => Found::Other,
    };
    AuditedAnswer::new(
        of.confidence,
        of.second_confidence,
        of.inverse_temperature,
        found,
    )
}

/// The fit of a version at another temperature.
fn raised(
    stored: &StoredVersion,
    inverse_temperature: f64,
) -> SqlResult<Option<(Fit, Calibrated)>> {
    let Some(present) = stored.inverse_temperature else {
        return Ok(None);
    };
    let fit = stored.model.read_model()?.meta().fit;
    let fit = fit.raised_to(inverse_temperature / present);
    Ok(fit.map(|fit| (fit, Calibrated::ByPower(inverse_temperature))))
}

fn read_version(r: &Reader, classifier: &str, version: i32) -> SqlResult<StoredVersion> {
    r.version(classifier, version)?.ok_or_else(|| {
        report(
            Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("version {version} of classifier \"{classifier}\" was deleted meanwhile"),
        )
    })
}

/// Stores a version once more with another fit; returns the new version.
fn store_refitted(
    w: &mut Writer,
    classifier: &str,
    version: i32,
    stored: StoredVersion,
    fit: &Fit,
    calibrated: Calibrated,
) -> SqlResult<i32> {
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
        calibrated,
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
