//! `triage_internal.source`: attached tables, and others whose rows are reviewed.

use std::ffi::CString;

use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::classifier::DEFAULT_CLASSIFIER;
use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::{SqlResult, report};
use crate::pg::{self, AttachedTable};
use crate::types::text::TextParts;

/// The attachment of the built-in inbox, which exists without a row in `triage_internal.source`: a
/// row that comes with the extension would collide on restore.
pub const INBOX: i64 = 0;

row! {
    /// One row of `triage_internal.source`.
    #[derive(Debug, Clone)]
    struct SourceRow {
        source_id: i64,
        source: String,
        classifier: String,
        relation: pg_sys::Oid = "relation::oid",
        attached: bool,
        record_given_labels: bool,
        search_path: String,
        key_columns: i32,
        corrections: Option<Vec<String>>,
        text_paths: Option<String> = "text_paths::text",
        label_table: Option<pg_sys::Oid> = "label_table::oid",
        empty_label: Option<String>,
        received_at_place: Option<i32>,
    }
}

/// A table whose rows are reviewed.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: i64,
    pub name: String,
    pub classifier: String,
    pub relation: pg_sys::Oid,
    pub attached: bool,
    /// Whether labels that rows come with are decisions.
    pub record_given_labels: bool,
    /// Where triggers of the table find what they use.
    pub search_path: CString,
    /// How many columns its key has.
    pub keys: usize,
    /// The roles that may decide by updating the table itself; `None` for everybody who may
    /// update it.
    pub corrections: Option<Vec<String>>,
    /// How its text is made of the text columns.
    pub text: TextParts,
    /// The lookup table that has the names of the ids in its label column.
    pub label_table: Option<pg_sys::Oid>,
    /// What its label column holds in place of NULL, where a default counts as no label.
    pub empty_label: Option<String>,
    /// Place of the column that says when an email was received, from 0: see
    /// [`pg::attached_table`].
    pub received_at: Option<usize>,
}

/// What to say of a table that has lost a column which its attachment needs.
pub fn lost_column(table: &str) -> String {
    let literal = pgrx::spi::quote_literal(table);
    format!(
        "table {table} has lost a column that its attachment needs, so that its rows get no label and what people set is not learned: SELECT triage.detach({literal}), then triage.attach() with the columns that it has now"
    )
}

impl Source {
    /// How to get at its rows; `None` if it is gone, or is not the table that was attached.
    pub fn table(&self) -> Option<AttachedTable> {
        pg::attached_table(self.relation, self.id, self.keys, self.received_at)
    }

    /// Number of its label column, on the same terms.
    pub fn label_column(&self) -> Option<i16> {
        pg::label_column(self.relation, self.id)
    }
}

impl From<SourceRow> for Source {
    fn from(row: SourceRow) -> Self {
        Self {
            id: row.source_id,
            name: row.source,
            classifier: row.classifier,
            relation: row.relation,
            attached: row.attached,
            record_given_labels: row.record_given_labels,
            // PostgreSQL's text holds no zero byte.
            search_path: CString::new(row.search_path).unwrap_or_default(),
            keys: row.key_columns.max(1) as usize,
            corrections: row.corrections,
            text: TextParts::of(row.text_paths.as_deref()),
            label_table: row.label_table,
            empty_label: row.empty_label,
            received_at: row.received_at_place.map(|place| place.max(1) as usize - 1),
        }
    }
}

row! {
    /// What a caller may do with a table.
    struct Permission {
        name: String = "coalesce($1::oid::regclass::text, '')",
        is_theirs: bool =
            "pg_has_role($2::name, c.relowner, 'USAGE') OR pg_has_role($2::name, 'triage_trainer', 'USAGE')",
        attached: Option<String> =
            "(SELECT string_agg(s.relation::text, ', ') FROM triage_internal.source s WHERE s.attached)",
    }
}

/// A table that is to be attached.
pub struct NewAttachment<'a> {
    pub relation: pg_sys::Oid,
    pub text_columns: Vec<Option<String>>,
    pub label_column: &'a str,
    /// `None` for the primary key.
    pub key_column: Option<&'a str>,
    pub classifier: &'a str,
    /// Whether labels that rows come with are decisions.
    pub record_given_labels: bool,
    /// Where triggers of the table find what they use.
    pub search_path: &'a str,
    /// The lookup table that the label column refers to.
    pub label_table: Option<pg_sys::Oid>,
    /// Its column with the names of the labels; `None` to find it.
    pub label_name_column: Option<&'a str>,
    /// Columns that the queue view shows beside those that it has anyway.
    pub show: Option<Vec<Option<String>>>,
    /// Who may correct in the table itself: `anyone`, `nobody`, or roles.
    pub corrections: &'a str,
    /// The column that says when an email was received; `None` for the time of the insertion.
    pub received_at_column: Option<&'a str>,
    /// Whether a label that is the column's default counts as none.
    pub default_is_empty: bool,
}

/// A table that is to take the place of another one.
pub struct Adoption<'a> {
    pub relation: pg_sys::Oid,
    /// The name under which the other one's rows were reviewed.
    pub source: &'a str,
    /// Columns; `None` for those of the other one.
    pub text_columns: Option<Vec<Option<String>>>,
    pub label_column: Option<&'a str>,
    pub key_column: Option<&'a str>,
    /// Where triggers of the table find what they use.
    pub search_path: &'a str,
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
        keys: 1,
        label_table: None,
        empty_label: None,
        corrections: None,
        text: TextParts::default(),
        received_at: None,
    }
}

impl Reader<'_> {
    /// An attachment by its number, if there is one.
    pub fn find_source(&self, id: i64) -> SqlResult<Option<Source>> {
        let from = "FROM triage_internal.source WHERE source_id = $1";
        let row = self.maybe::<SourceRow>(from, &[id.into()])?;
        Ok(row.map(Source::from).or_else(|| (id == INBOX).then(inbox)))
    }

    /// An attachment by its number. It is an error if there is none.
    pub fn source(&self, id: i64) -> SqlResult<Source> {
        self.find_source(id)?.ok_or_else(|| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("attachment {id} does not exist (see triage.sources)"),
            )
        })
    }

    /// Refuses to decide about rows of a table that has lost a column which the attachment needs:
    /// the ledger would differ from the table.
    pub fn check_columns(&self, source: &Source) -> SqlResult<()> {
        if !source.attached || source.table().is_some() {
            return Ok(());
        }
        // It may have been detached meanwhile.
        let is_attached = |source: Source| source.attached;
        match pg::qualified_name(source.relation) {
            Some(table) if self.find_source(source.id)?.is_some_and(is_attached) => Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                lost_column(&table),
            )),
            _ => Ok(()),
        }
    }

    /// The attachment that a review belongs to.
    pub fn source_named(&self, name: &str, classifier: &str) -> SqlResult<Option<Source>> {
        let from = "FROM triage_internal.source WHERE source = $1 AND classifier = $2";
        if let Some(row) = self.maybe::<SourceRow>(from, &[name.into(), classifier.into()])? {
            return Ok(Some(row.into()));
        }
        let inbox = self.source(INBOX)?;
        Ok((inbox.name == name && inbox.classifier == classifier).then_some(inbox))
    }

    /// Names under which emails are reviewed.
    pub fn sources(&self) -> SqlResult<Vec<String>> {
        self.values(
            "source FROM triage_internal.source UNION SELECT source FROM triage.review ORDER BY 1",
            &[],
        )
    }

    /// The attachments of a table, or of all of them.
    pub fn attachments(&self, relation: Option<pg_sys::Oid>) -> SqlResult<Vec<Source>> {
        let from = "FROM triage_internal.source WHERE source_id <> 0 ORDER BY source_id";
        let rows: Vec<SourceRow> = self.rows(from, &[])?;
        let mut found = vec![self.source(INBOX)?];
        found.extend(rows.into_iter().map(Source::from));
        found.retain(|s| s.attached && relation.is_none_or(|relation| s.relation == relation));
        Ok(found)
    }
}

impl Writer<'_> {
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
        let caller = self.caller.clone();
        self.execute(
            "INSERT INTO triage_internal.source (source, classifier, relation, attached, search_path, attached_by)
             VALUES ($1, $2, $3::oid::regclass, false, 'pg_catalog, pg_temp', $4) ON CONFLICT DO NOTHING",
            &[source.into(), classifier.into(), relation.into(), caller.into()],
        )?;
        Ok(())
    }

    /// Attaches a table; returns the number of the attachment.
    pub fn attach(&mut self, new: NewAttachment) -> SqlResult<i64> {
        let caller = self.caller.clone();
        let number = self.returning_value(
            "SELECT triage_internal.attach_relation($1, $2, $3::oid::regclass, $4, $5, $6, $7, $8,
                    $9::oid::regclass, $10, $11, $12, $13, $14)",
            &[
                caller.into(),
                new.search_path.into(),
                new.relation.into(),
                new.text_columns.into(),
                new.label_column.into(),
                new.key_column.into(),
                new.classifier.into(),
                new.record_given_labels.into(),
                new.label_table.into(),
                new.label_name_column.into(),
                new.show.into(),
                new.corrections.into(),
                new.received_at_column.into(),
                new.default_is_empty.into(),
            ],
        )?;
        number.ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a table was not attached"))
    }

    /// Puts a table in the place of another one; returns the numbers of the attachments.
    pub fn adopt(&mut self, new: Adoption) -> SqlResult<Vec<i64>> {
        let caller = self.caller.clone();
        self.returning_values(
            "SELECT unnest(triage_internal.adopt_relation($1, $2, $3::oid::regclass, $4, $5, $6, $7))",
            &[
                caller.into(),
                new.search_path.into(),
                new.relation.into(),
                new.source.into(),
                new.text_columns.into(),
                new.label_column.into(),
                new.key_column.into(),
            ],
        )
    }

    /// Detaches a table; returns from how many classifiers.
    pub fn detach(&mut self, relation: pg_sys::Oid) -> SqlResult<i32> {
        let caller = self.caller.clone();
        let classifiers = self.returning_value(
            "SELECT triage_internal.detach_relation($1, $2::oid::regclass)",
            &[caller.into(), relation.into()],
        )?;
        classifiers.ok_or_else(|| report(Code::ERRCODE_INTERNAL_ERROR, "a table was not detached"))
    }

    /// Refuses a table that is not attached, and one that the caller does not own unless it
    /// is a trainer.
    pub fn check_attached(&self, relation: pg_sys::Oid, attached: bool) -> SqlResult<()> {
        let from = "FROM pg_class c WHERE c.oid = $1";
        let caller = self.caller.as_str();
        let found = self.maybe::<Permission>(from, &[relation.into(), caller.into()])?;
        let Some(permission) = found else {
            return Err(report(
                Code::ERRCODE_UNDEFINED_TABLE,
                "this table does not exist",
            ));
        };
        let name = permission.name;
        if !attached {
            let known = permission.attached;
            let known = known.unwrap_or_else(|| "triage.email".to_owned());
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("table {name} is not attached (attached: {known}): use triage.attach()"),
            ));
        }
        if !permission.is_theirs {
            return Err(report(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {name} or a trainer to classify its rows"),
            ));
        }
        Ok(())
    }
}
