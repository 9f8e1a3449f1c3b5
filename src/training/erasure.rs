//! Erasure: what an email or a whole classifier's decisions have taught is taken out again.

use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::arguments::{given, given_classifier};
use crate::error::{SqlResult, from_core, report};
use crate::pg::check_for_interrupts;
use crate::store;
use crate::suggestion::unknown;

#[pg_extern(sql = false)]
fn forget(source: Option<&str>, key: Option<&str>) -> SqlResult<i64> {
    let (source, key) = (given(source, "source")?, given(key, "key")?);
    store::write(c"triage.forget()", |w| {
        let known = w.sources()?;
        if !known.iter().any(|name| name == source) {
            return Err(unknown("source", source, &known));
        }
        // First the bases, then the reviews: who has folded may go on to decide.
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
        for (classifier, review) in reviews {
            w.lock_base(&classifier)?;
            let mut base = w.read_base(&classifier)?;
            let folded = w.take_pending(&classifier, &mut base)?;
            let taught = w.taught_by(review, base.steps_of())?;
            for taught in &taught {
                base.forget(taught)?;
            }
            // Before the sample is completed from what is left.
            erased += w.erase(review)?;
            if !taught.is_empty() {
                let gone = taught
                    .iter()
                    .map(|t| base.learned().absent(&t.features, &check_for_interrupts))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(from_core)?;
                w.purge_versions(&classifier, &gone)?;
            }
            if folded > 0 || !taught.is_empty() {
                w.write_base(&classifier, base)?;
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
        let erased = w.erase_all(classifier)?;
        w.rebase(classifier)?;
        Ok(erased)
    })
}
