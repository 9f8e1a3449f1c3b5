//! Human labels that the rest of the ledger contradicts: what `sql/training/label_errors.sql`
//! declares.

use std::collections::HashSet;
use std::rc::Rc;

use pg_triage_classifier::{LabelError, LabelErrorFinder};
use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{name, pg_extern};

use crate::arguments::comparable_name;
use crate::error::{SqlResult, from_classifier};
use crate::learning::compaction;
use crate::pg::check_for_interrupts;
use crate::predict::active::{casefolded, spelled};
use crate::store::{self, Reader, learned};

/// Most that are listed: a person reads from the top, and memory is bounded.
const MOST: usize = 10_000;

/// The worst so far.
#[derive(Default)]
struct Worst(Vec<(i64, LabelError)>);

impl Worst {
    fn add(&mut self, decision_id: i64, found: LabelError) {
        self.0.push((decision_id, found));
        if self.0.len() >= 2 * MOST {
            self.keep();
        }
    }

    /// Worst first; of equals the older decision.
    fn keep(&mut self) {
        let by_margin = |a: &LabelError, b: &LabelError| b.margin.total_cmp(&a.margin);
        self.0
            .sort_unstable_by(|(id, a), (other, b)| by_margin(a, b).then(id.cmp(other)));
        self.0.truncate(MOST);
    }
}

// pgrx reads the columns off the type.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn find_suspects(
    classifier: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(decision_id, i64),
            name!(label, String),
            name!(label_probability, f64),
            name!(suggested_label, String),
            name!(suggested_probability, f64),
            name!(margin, f64),
        ),
    >,
    ErrorReport,
> {
    let classifier = comparable_name(classifier);
    let (worst, labels) = store::read(|r| suspects(r, classifier))?;
    let labels = Rc::new(labels);
    Ok(TableIterator::new(worst.0.into_iter().map(
        move |(decision_id, found)| {
            (
                decision_id,
                labels[found.label].clone(),
                found.probability,
                labels[found.suggested].clone(),
                found.suggested_probability,
                found.margin,
            )
        },
    )))
}

/// The suspects, and the labels that they speak of.
fn suspects(r: &Reader, classifier: &str) -> SqlResult<(Worst, Vec<String>)> {
    r.check_classifier(classifier)?;
    let mut base = compaction::with_pending(r, classifier)?;
    let mut worst = Worst::default();
    let finder =
        LabelErrorFinder::new(base.learned(), &check_for_interrupts).map_err(from_classifier)?;
    let Some(finder) = finder else {
        return Ok((worst, Vec::new()));
    };
    let confirmed: HashSet<i64> = r.confirmed(classifier)?.into_iter().collect();
    let mut place = Some(learned::START);
    while let Some(from) = place {
        let page = r.in_force(classifier, from)?;
        for decision in page.found {
            check_for_interrupts();
            // Somebody has looked at it: it is as it should be.
            if confirmed.contains(&decision.decision_id) {
                continue;
            }
            let found = finder
                .check(&decision.features, &decision.label)
                .map_err(from_classifier)?;
            if let Some(found) = found {
                worst.add(decision.decision_id, found);
            }
        }
        place = page.next;
    }
    worst.keep();
    let labels = spelled(
        finder.labels().iter().map(|l| (&*l.casefolded, l.name())),
        &casefolded(r.labels(classifier)?)?,
    );
    Ok((worst, labels))
}
