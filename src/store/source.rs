//! Attached tables: how to get at their rows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;

use pg_triage_classifier::tokenizer::MAX_TEXT_BYTES;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::classifier::DEFAULT_CLASSIFIER;
use super::connection::Writer;
use super::review::is_aside;
use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable};
use crate::session;

/// The attachment of the built-in inbox, which exists without a row in `triage_internal.source`: a
/// row that comes with the extension would collide on restore.
pub const INBOX: i64 = 0;

/// One row of `triage_internal.source`.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: i64,
    pub name: String,
    pub classifier: String,
    pub relation: pg_sys::Oid,
    pub attached: bool,
    pub record_given_labels: bool,
    pub search_path: CString,
}

/// What is read of an email that is being decided about.
pub struct Email {
    /// Its text, as far as it is read.
    pub text: String,
    /// The label in its row.
    pub label: Option<String>,
    /// Where that is.
    pub place: AttachedTable,
}

/// What to do about a row that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfLocked {
    /// Wait for it. Only for who has no lock on the review: rows are locked in the order
    /// email, review, so that nobody waits in a circle.
    Wait,
    /// Fail, as a conflict.
    Fail,
    /// Read it all the same, and do not lock it.
    Read,
}

thread_local! {
    static SOURCES: RefCell<HashMap<i64, (u64, Rc<Source>)>> = RefCell::default();
}

/// The attachment that a trigger belongs to, as the session knows it.
pub fn attached_by_trigger(id: i64) -> SqlResult<Rc<Source>> {
    pg::watch_relation(super::connection::signal_relation()?);
    let now = pg::invalidations();
    let known = SOURCES.with_borrow(|sources| sources.get(&id).cloned());
    if let Some((then, source)) = known
        && then == now
        && !pg::keeps_one_snapshot()
    {
        return Ok(source);
    }
    let source = Rc::new(super::connection::as_owner(|w| w.source(id))?);
    // What an old snapshot shows does not hold for the next transaction.
    if !pg::keeps_one_snapshot() {
        SOURCES.with_borrow_mut(|sources| sources.insert(id, (now, source.clone())));
    }
    Ok(source)
}

const COLUMNS: &str =
    "source_id, source, classifier, relation::oid, attached, record_given_labels, search_path";

fn source_in(rows: &pg::Rows, row: usize) -> SqlResult<Source> {
    let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a source lacks a value");
    Ok(Source {
        id: rows.parsed(row, 1).ok_or_else(missing)?,
        name: rows.text(row, 2).ok_or_else(missing)?,
        classifier: rows.text(row, 3).ok_or_else(missing)?,
        relation: rows
            .parsed::<u32>(row, 4)
            .map(pg_sys::Oid::from)
            .ok_or_else(missing)?,
        attached: rows.text(row, 5).as_deref() == Some("t"),
        record_given_labels: rows.text(row, 6).as_deref() == Some("t"),
        search_path: CString::new(rows.text(row, 7).ok_or_else(missing)?).unwrap_or_default(),
    })
}

fn inbox() -> Source {
    Source {
        id: INBOX,
        name: "triage.email".to_owned(),
        classifier: DEFAULT_CLASSIFIER.to_owned(),
        relation: pg::extension_relation(c"triage", c"email").unwrap_or(pg_sys::InvalidOid),
        attached: true,
        record_given_labels: false,
        search_path: c"pg_catalog, pg_temp".to_owned(),
    }
}

impl Writer<'_> {
    /// An attachment by its number.
    pub fn source(&mut self, id: i64) -> SqlResult<Source> {
        let query = format!("SELECT {COLUMNS} FROM triage_internal.source WHERE source_id = $1");
        let rows = self.run(&query, &[id.into()])?;
        match rows.len() {
            0 if id == INBOX => Ok(inbox()),
            0 => Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "triage_internal.source has no row {id}, which a trigger belongs to: drop the triggers zz_triage_*_{id} and attach the table again"
                ),
            )),
            _ => source_in(&rows, 0),
        }
    }

    /// The attachment that a review belongs to.
    pub fn source_named(&mut self, name: &str, classifier: &str) -> SqlResult<Option<Source>> {
        let query = format!(
            "SELECT {COLUMNS} FROM triage_internal.source WHERE source = $1 AND classifier = $2"
        );
        let rows = self.run(&query, &[name.into(), classifier.into()])?;
        if rows.len() > 0 {
            return source_in(&rows, 0).map(Some);
        }
        let inbox = self.source(INBOX)?;
        Ok((inbox.name == name && inbox.classifier == classifier).then_some(inbox))
    }

    /// Notes under which name a relation's rows are reviewed that is not attached.
    pub fn register_source(
        &mut self,
        source: &str,
        classifier: &str,
        relation: pg_sys::Oid,
    ) -> SqlResult<()> {
        if relation == inbox().relation {
            return Ok(());
        }
        let actor = self.actor.clone();
        self.run(
            "INSERT INTO triage_internal.source (source, classifier, relation, attached, search_path, attached_by)
             VALUES ($1, $2, $3::oid::regclass, false, 'pg_catalog, pg_temp', $4) ON CONFLICT DO NOTHING",
            &[source.into(), classifier.into(), relation.into(), actor.into()],
        )?;
        Ok(())
    }

    /// Names under which emails are reviewed.
    pub fn sources(&mut self) -> SqlResult<Vec<String>> {
        let rows = self.run(
            "SELECT source FROM triage_internal.source UNION SELECT source FROM triage.review ORDER BY 1",
            &[],
        )?;
        Ok(rows.texts())
    }

    /// The attachments of a table, or of all of them.
    pub fn attachments(&mut self, relation: Option<pg_sys::Oid>) -> SqlResult<Vec<Source>> {
        let query = format!(
            "SELECT {COLUMNS} FROM triage_internal.source WHERE source_id <> 0 ORDER BY source_id"
        );
        let rows = self.run(&query, &[])?;
        let mut found: Vec<_> = (0..rows.len())
            .map(|row| source_in(&rows, row))
            .collect::<SqlResult<_>>()?;
        found.insert(0, self.source(INBOX)?);
        found.retain(|s| s.attached && relation.is_none_or(|relation| s.relation == relation));
        Ok(found)
    }

    /// Reads an email and locks its row against changes; `None` if it is gone, or its table is
    /// not attached.
    pub fn lock_email(
        &mut self,
        source: &Source,
        key: &str,
        if_locked: IfLocked,
    ) -> SqlResult<Option<Email>> {
        if !source.attached || is_aside(key) {
            return Ok(None);
        }
        let Some(place) = pg::attached_table(source.relation, source.id) else {
            return Ok(None);
        };
        let from = format!(
            "FROM {} WHERE {} {} CAST($1 AS {})",
            place.table, place.key, place.key_equals, place.key_type
        );
        let query = format!(
            "SELECT left(concat_ws(E'\\n', {}), {}), {}::text {from} {}",
            place.texts.join(", "),
            MAX_TEXT_BYTES + 1,
            place.label,
            match if_locked {
                IfLocked::Wait => "FOR NO KEY UPDATE",
                IfLocked::Fail => "FOR NO KEY UPDATE SKIP LOCKED",
                IfLocked::Read => "",
            }
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.run(&query, &[key.into()])?;
            if rows.len() > 0 {
                let (text, label) = (rows.text(0, 1).unwrap_or_default(), rows.text(0, 2));
                return Ok(Some(Email { text, label, place }));
            }
            if if_locked == IfLocked::Fail
                && self.run(&format!("SELECT {from}"), &[key.into()])?.len() > 0
            {
                return Err(report(
                    Code::ERRCODE_T_R_SERIALIZATION_FAILURE,
                    format!(
                        "email \"{key}\" in {} is being changed by another session: try again",
                        source.name
                    ),
                ));
            }
            Ok(None)
        })
    }

    /// The key of the row that has this one, as it is spelled there.
    pub fn stored_key(&mut self, source: &Source, key: &str) -> SqlResult<Option<String>> {
        let Some(place) = pg::attached_table(source.relation, source.id) else {
            return Ok(None);
        };
        let query = format!(
            "SELECT {key}::text FROM {table} WHERE {key} {equals} CAST($1 AS {kind})",
            key = place.key,
            table = place.table,
            equals = place.key_equals,
            kind = place.key_type
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.run(&query, &[key.into()])?;
            Ok((rows.len() > 0).then(|| rows.text(0, 1)).flatten())
        })
    }

    /// Sets the label in an email's row; false if a trigger of the table would not have it.
    /// These run as for its owner.
    pub fn write_label(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        key: &str,
        label: Option<&str>,
    ) -> SqlResult<bool> {
        let query = format!(
            "UPDATE {} SET {} = $2 WHERE {} {} CAST($1 AS {})",
            place.table, place.label, place.key, place.key_equals, place.key_type
        );
        pg::as_table_owner(source.relation, &source.search_path, || {
            session::as_own_change(session::Change::Label(source.id), || {
                let rows = self.run(&query, &[key.into(), label.into()])?;
                Ok(rows.len() > 0)
            })
        })
    }

    /// Keys and texts of rows without a label, locked, in the order of their keys after
    /// `after`, as many as asked for; those that another transaction has locked are left out.
    pub fn unlabelled(
        &mut self,
        source: &Source,
        place: &AttachedTable,
        after: Option<&str>,
        most: i64,
    ) -> SqlResult<Vec<(String, String)>> {
        let query = format!(
            // Qualified: by itself the name would mean the column of the result, which is text.
            "SELECT t.{key}::text, left(concat_ws(E'\\n', {texts}), {limit}) FROM {table} t
              WHERE (t.{label} IS NULL OR btrim(t.{label}) = '')
                AND ($2 IS NULL OR t.{key} {follows} CAST($2 AS {kind}))
              ORDER BY t.{key} LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
            key = place.key,
            texts = place
                .texts
                .iter()
                .map(|text| format!("t.{text}"))
                .collect::<Vec<_>>()
                .join(", "),
            limit = MAX_TEXT_BYTES + 1,
            table = place.table,
            label = place.label,
            follows = place.key_follows,
            kind = place.key_type,
        );
        pg::as_table_owner(source.relation, pg::OWN_PATH, || {
            let rows = self.run(&query, &[most.into(), after.into()])?;
            Ok((0..rows.len())
                .filter_map(|row| rows.text(row, 1).zip(rows.text(row, 2)))
                .collect())
        })
    }

    /// Attaches a table; returns the number of the attachment.
    #[allow(clippy::too_many_arguments)]
    pub fn attach(
        &mut self,
        search_path: &str,
        relation: pg_sys::Oid,
        text_columns: Vec<Option<String>>,
        label_column: &str,
        key_column: Option<&str>,
        classifier: &str,
        record_given_labels: bool,
    ) -> SqlResult<i64> {
        let caller = self.actor.clone();
        let rows = self.run(
            "SELECT triage_internal.attach_relation($1, $2, $3::oid::regclass, $4, $5, $6, $7, $8)",
            &[
                caller.into(),
                search_path.into(),
                relation.into(),
                text_columns.into(),
                label_column.into(),
                key_column.into(),
                classifier.into(),
                record_given_labels.into(),
            ],
        )?;
        rows.parsed(0, 1)
            .ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a table was not attached"))
    }

    /// Detaches a table; returns from how many classifiers.
    pub fn detach(&mut self, relation: pg_sys::Oid) -> SqlResult<i32> {
        let caller = self.actor.clone();
        let rows = self.run(
            "SELECT triage_internal.detach_relation($1, $2::oid::regclass)",
            &[caller.into(), relation.into()],
        )?;
        rows.parsed(0, 1)
            .ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a table was not detached"))
    }

    /// Refuses a table that is not attached, and one that the caller does not own unless it
    /// is a trainer.
    pub fn check_attached(&mut self, relation: pg_sys::Oid, attached: bool) -> SqlResult<()> {
        let caller = self.actor.clone();
        let rows = self.run(
            "SELECT coalesce($1::oid::regclass::text, ''),
                    pg_has_role($2::name, c.relowner, 'USAGE') OR pg_has_role($2::name, 'triage_trainer', 'USAGE'),
                    (SELECT string_agg(s.relation::text, ', ') FROM triage_internal.source s WHERE s.attached)
               FROM pg_class c WHERE c.oid = $1",
            &[relation.into(), caller.into()],
        )?;
        if rows.len() == 0 {
            return Err(report(
                Code::ERRCODE_UNDEFINED_TABLE,
                "this table does not exist",
            ));
        }
        let name = rows.text(0, 1).unwrap_or_default();
        if !attached {
            let known = rows.text(0, 3).unwrap_or_else(|| "triage.email".to_owned());
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("table {name} is not attached (attached: {known}): use triage.attach()"),
            ));
        }
        if rows.text(0, 2).as_deref() != Some("t") {
            return Err(report(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {name} or a trainer to classify its rows"),
            ));
        }
        Ok(())
    }

    /// The query that reads labelled history (key, text, label) from a relation, the name under
    /// which its rows are reviewed, and the query that counts its labels. They run later, with
    /// the caller's rights.
    pub fn history(
        &mut self,
        relation: pg_sys::Oid,
        text_columns: &[Option<String>],
        label_column: &str,
        most_characters: usize,
    ) -> SqlResult<(String, String, String)> {
        let rows = self.run(
            "SELECT triage_internal.history_query($1::oid::regclass, $2, $3, $4),
                    triage_internal.source_name($1::oid::regclass),
                    format('SELECT %I::pg_catalog.text, pg_catalog.count(*) FROM %s GROUP BY 1 ORDER BY 2 DESC, 1', $3, $1::oid::regclass)",
            &[
                relation.into(),
                text_columns.to_vec().into(),
                label_column.into(),
                (most_characters as i32).into(),
            ],
        )?;
        let missing = || report(Code::ERRCODE_INTERNAL_ERROR, "a relation cannot be read");
        let text = |column| rows.text(0, column).ok_or_else(missing);
        Ok((text(1)?, text(2)?, text(3)?))
    }
}
