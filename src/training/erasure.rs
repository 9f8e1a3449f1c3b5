//! Erasure: what an email or a whole classifier's decisions have taught is taken out again.

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{Features, Result as Learned, State};
use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::arguments::{given, given_classifier};
use crate::error::{SqlResult, from_classifier, report};
use crate::learning::base::{self, Base};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::predict::effects::examples;
use crate::store::review::LockedReview;
use crate::store::{self, Writer};
use crate::suggestion::unknown;
use crate::types::{model_state, storable};

#[pg_extern(sql = false)]
fn forget(source: Option<&str>, key: Option<&str>) -> SqlResult<i64> {
    let (source, key) = (given(source, "source")?, given(key, "key")?);
    store::write(c"triage.forget()", |w| {
        let known = w.sources()?;
        if !known.iter().any(|name| name == source) {
            return Err(unknown("source", source, &known));
        }
        // First the bases, then the reviews: who has compacted may go on to decide.
        for classifier in w.classifiers_of(source, key)? {
            w.lock_base(&classifier)?;
        }
        let reviews = w.lock_reviews(source, key)?;
        if reviews.is_empty() {
            return Err(report(
                Code::ERRCODE_NO_DATA_FOUND,
                format!(
                    "no review of email \"{key}\" in {source} (triage.review has source and email_key)"
                ),
            ));
        }
        let mut erased = 0;
        for LockedReview {
            classifier,
            review_id,
        } in reviews
        {
            w.lock_base(&classifier)?;
            let mut base = Base::read(w, &classifier)?;
            let moved = compaction::take_pending(w, &classifier, &mut base)?;
            let decisions = w.in_force_about(review_id)?;
            let taught = examples(w, &decisions, base.steps_of())?;
            for example in &taught {
                base.forget(example)?;
            }
            // Before the sample is completed from what is left.
            w.count_erasure(&classifier)?;
            erased += w.erase(review_id)?;
            if !taught.is_empty() {
                let gone = taught
                    .iter()
                    .map(|t| base.learned().absent(&t.features, &check_for_interrupts))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(from_classifier)?;
                purge_versions(w, &classifier, &gone)?;
            }
            if moved > 0 || !taught.is_empty() {
                base.write(w, &classifier)?;
            }
        }
        Ok(erased as i64)
    })
}

#[pg_extern(sql = false)]
fn forget_classifier(classifier: Option<&str>) -> SqlResult<i64> {
    let classifier = given_classifier(classifier)?;
    store::write(c"triage.forget_classifier()", |w| {
        w.lock_classifier(classifier)?;
        w.lock_base(classifier)?;
        w.count_erasure(classifier)?;
        // What training made of the emails goes, too.
        change_versions(w, classifier, |state| {
            state.clear_steps(&check_for_interrupts)
        })?;
        let erased = w.erase_all(classifier)?;
        base::rebase(w, classifier)?;
        Ok(erased as i64)
    })
}

/// Takes features that no decision has taught any more out of the steps that versions keep,
/// where the version's own emails do not have them.
fn purge_versions(w: &mut Writer, classifier: &str, gone: &[Features]) -> SqlResult<()> {
    change_versions(w, classifier, |state| {
        gone.iter()
            .try_for_each(|features| state.purge(features, &check_for_interrupts))
    })
}

/// Changes what versions keep.
fn change_versions(
    w: &mut Writer,
    classifier: &str,
    change: impl Fn(&mut State) -> Learned<()>,
) -> SqlResult<()> {
    for version in w.versions(classifier)? {
        check_for_interrupts();
        // Maintenance may have deleted it meanwhile.
        let Some(stored) = w.version(classifier, version)? else {
            continue;
        };
        let opened = stored.model.read_model()?;
        let (fit, metrics) = (opened.meta().fit, opened.meta().metrics.clone());
        let mut state = model_state(stored.model)?;
        change(&mut state).map_err(from_classifier)?;
        let changed = state
            .pack(&fit, metrics, &check_for_interrupts)
            .map_err(from_classifier)?;
        let changed = storable(changed, "email_model")?;
        let header = Header::read(&changed, Kind::Model).map_err(from_classifier)?;
        if header.identity() != opened.identity() {
            w.replace_model(classifier, version, &changed, header.identity())?;
        }
    }
    Ok(())
}
