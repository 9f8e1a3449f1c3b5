//! Import of labelled history into the ledger: what `sql/training/import.sql` declares as
//! learn_from().

use std::collections::HashMap;

use pg_triage_decision::{Door, Kind};
use pgrx::{notice, pg_extern, pg_sys, warning};

use crate::arguments::{given, given_classifier, given_label};
use crate::error::SqlResult;
use crate::learning::base::Base;
use crate::learning::compaction;
use crate::pg;
use crate::session::{self, Actor};
use crate::store::decision::NewDecision;
use crate::store::history::{LabelPlace, PastEmail};
use crate::store::review::EmailName;
use crate::store::{self, Writer};
use crate::training::retrain::train_version;
use crate::types::ledger::StoredExample;
use crate::{predict::classify, types};

/// Emails learned between two notices.
const ROWS_PER_NOTICE: i64 = 10_000;

/// What an import has done so far.
struct Import<'a> {
    classifier: &'a str,
    source: &'a str,
    actor: Actor,
    batch: i64,
    base: Base,
    /// Labels as given and as stored.
    labels: HashMap<String, String>,
    learned: i64,
    decided: i64,
    predicted: i64,
    empty: i64,
}

#[pg_extern(sql = false)]
fn learn_from(
    classifier: Option<&str>,
    relation: Option<pg_sys::Oid>,
    text_columns: Option<Vec<Option<String>>>,
    label_column: Option<&str>,
    label_table: Option<pg_sys::Oid>,
    label_name_column: Option<&str>,
    received_at_column: Option<&str>,
) -> SqlResult<i64> {
    let classifier = given_classifier(classifier)?;
    let relation = given(relation, "relation")?;
    let text_columns = given(text_columns, "text_columns")?;
    let label_column = given(label_column, "label_column")?;
    let actor = Actor::new(None);
    let (history, base, batch) = store::write(c"triage.learn_from()", |w| {
        store::hold_labels()?;
        w.lock_classifier(classifier)?;
        w.lock_base(classifier)?;
        let label = LabelPlace {
            column: label_column,
            table: label_table,
            name_column: label_name_column,
        };
        let history = w.history(relation, &text_columns, label, received_at_column)?;
        w.register_source(&history.source, classifier, relation)?;
        let mut base = Base::read(w, classifier)?;
        compaction::take_pending(w, classifier, &mut base)?;
        session::begin_batch();
        let batch = session::batch(|| w.next_batch())?;
        Ok((history, base, batch))
    })?;
    if pg::hides_rows(relation) {
        let (user, source) = (pg::current_user(), &history.source);
        warning!(
            "row-level security shows {user} some rows of {source}, or none: only those are learned from"
        );
    }
    let mut import = Import {
        classifier,
        source: &history.source,
        actor,
        batch,
        base,
        labels: HashMap::new(),
        learned: 0,
        decided: 0,
        predicted: 0,
        empty: 0,
    };
    // With the caller's rights: who may not read a table cannot learn from it either. What is
    // executed there must not compact or train meanwhile.
    session::holding_base(|| {
        import.add_labels(&history.labels()?)?;
        history.emails(|emails| import.learn(emails))
    })?;
    import.finish()
}

impl Import<'_> {
    /// Adds the labels, the most frequent spelling of each first, and says which are new.
    fn add_labels(&mut self, found: &[(String, i64)]) -> SqlResult<()> {
        const SHOWN: usize = 20;
        let mut added = Vec::new();
        store::as_owner(|w| {
            for (given, count) in found {
                let Some(given) = given_label(Some(given)) else {
                    continue;
                };
                let known = w.label(self.classifier, given)?.is_some();
                let label = w.add_label(self.classifier, given, None)?;
                if !known {
                    added.push(format!("{label} ({count})"));
                }
                self.labels.insert(given.to_owned(), label);
            }
            Ok(())
        })?;
        let more = match added.len().saturating_sub(SHOWN) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        added.truncate(SHOWN);
        if !added.is_empty() {
            notice!("new labels: {}{more}", added.join(", "));
        }
        Ok(())
    }

    fn name<'k>(&'k self, key: &'k str) -> EmailName<'k> {
        EmailName {
            source: self.source,
            key,
            classifier: self.classifier,
        }
    }

    /// Learns some emails, and says from time to time how many it has been.
    fn learn(&mut self, emails: &mut dyn Iterator<Item = SqlResult<PastEmail>>) -> SqlResult<()> {
        let before = self.learned / ROWS_PER_NOTICE;
        store::as_owner(|w| {
            for email in emails {
                self.take(w, email?)?;
            }
            types::check_memory(self.base.learned())
        })?;
        if self.learned / ROWS_PER_NOTICE > before {
            notice!("{} emails learned so far", self.learned);
        }
        Ok(())
    }

    /// Takes an email over as decided, unless it is so already or has no label.
    fn take(&mut self, w: &mut Writer, email: PastEmail) -> SqlResult<()> {
        let PastEmail {
            key,
            text,
            label,
            received_at,
        } = email;
        let Some(given) = given_label(label.as_deref()) else {
            self.empty += 1;
            return Ok(());
        };
        if let Some(key) = &key
            && let Some(review) = w.lock_review_of(self.name(key))?
        {
            match review.human_label {
                Some(_) => self.decided += 1,
                None => self.predicted += 1,
            }
            return Ok(());
        }
        let given_label = label.as_deref();
        let label = match self.labels.get(given) {
            Some(label) => label.clone(),
            None => {
                let label = w.add_label(self.classifier, given, None)?;
                self.labels.insert(given.to_owned(), label.clone());
                label
            }
        };
        let features = classify::features(&text)?;
        let review_id = match &key {
            Some(key) => {
                let email = self.name(key);
                match w.insert_decided(email, &label, given_label, received_at, &self.actor)? {
                    Some(review_id) => Some(review_id),
                    None => {
                        self.decided += 1;
                        return Ok(());
                    }
                }
            }
            None => None,
        };
        let decision = NewDecision {
            review_id,
            source: Some(self.source),
            email_key: key.as_deref(),
            classifier: self.classifier,
            kind: Kind::Import.name(),
            old_label: None,
            new_label: Some(&label),
            predicted_label: None,
            confidence: None,
            model_version: None,
            note: None,
            door: Door::Import.name(),
            replaces: None,
            undoes: None,
            queue_reason: None,
            example: Some(StoredExample::new(&features, &label, None)?),
        };
        let id = w.append(decision, &self.actor, self.batch)?.decision_id;
        if let Some(review_id) = review_id {
            w.set_decision(review_id, id)?;
        }
        self.base.add(&features, &label)?;
        self.learned += 1;
        Ok(())
    }

    /// Says what was skipped, and stores what was learned: in a first version, if there is none.
    fn finish(self) -> SqlResult<i64> {
        for (n, what) in [
            (self.empty, "without a label"),
            (self.decided, "that were decided already"),
            (
                self.predicted,
                "that the classifier labelled, and no person confirmed",
            ),
        ] {
            if n > 0 {
                let rows = if n == 1 { "row" } else { "rows" };
                notice!("skipped {n} {rows} {what}");
            }
        }
        let (classifier, base, learned) = (self.classifier, self.base, self.learned);
        store::as_owner(|w| {
            if !base.has_model() && learned > 0 {
                train_version(
                    w,
                    classifier,
                    base,
                    Some("first model, of imported history"),
                )?;
                return Ok(());
            }
            base.write(w, classifier)
        })?;
        Ok(learned)
    }
}
