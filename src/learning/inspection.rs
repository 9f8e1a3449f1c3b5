//! What decisions have taught, as sessions answer with it and as the ledger alone gives it:
//! both must be the same.

use pgrx::pg_extern;

use crate::arguments::given_classifier;
use crate::error::{SqlResult, from_classifier};
use crate::learning::compaction::with_pending;
use crate::learning::replay;
use crate::pg::check_for_interrupts;
use crate::{store, types};

#[pg_extern(sql = false)]
fn learned_state(classifier: Option<&str>) -> SqlResult<Vec<u8>> {
    let classifier = given_classifier(classifier)?;
    store::read(|r| {
        r.check_classifier(classifier)?;
        let mut base = with_pending(r, classifier)?;
        let learned = base.learned();
        learned
            .clear_steps(&check_for_interrupts)
            .map_err(from_classifier)?;
        types::state_bytes(learned)
    })
}

#[pg_extern(sql = false)]
fn replayed_state(classifier: Option<&str>) -> SqlResult<Vec<u8>> {
    let classifier = given_classifier(classifier)?;
    store::read(|r| {
        r.check_classifier(classifier)?;
        types::state_bytes(&mut replay::counts(r, classifier)?)
    })
}

#[pg_extern(sql = false)]
fn learned_model(classifier: Option<&str>) -> SqlResult<Vec<u8>> {
    let classifier = given_classifier(classifier)?;
    store::read(|r| {
        r.check_classifier(classifier)?;
        with_pending(r, classifier)?.packed()
    })
}

#[pg_extern(sql = false)]
fn replayed_model(classifier: Option<&str>) -> SqlResult<Vec<u8>> {
    let classifier = given_classifier(classifier)?;
    store::read(|r| {
        r.check_classifier(classifier)?;
        replay::model(r, classifier)
    })
}
