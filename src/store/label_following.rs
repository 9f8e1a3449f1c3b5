//! Labels that follow the names in tables of users, and names that follow labels.

use pg_triage_classifier::casefold_label;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::connection::Writer;
use super::label_table::names;
use super::source::Source;
use crate::error::{SqlResult, from_classifier, report};
use crate::{pg, session};

impl Writer<'_> {
    /// A label has another name: so has it in the lookup table of an attachment, with the rights of
    /// that table's owner. Nothing happens where the table does not have the old one.
    pub fn rename_in_label_table(
        &mut self,
        source: &Source,
        old: &str,
        new: &str,
    ) -> SqlResult<()> {
        let known = names(source)?.unwrap_or_default();
        let Some((relation, place)) = source.label_table.and_then(|relation| {
            pg::label_table(relation, source.id).map(|place| (relation, place))
        }) else {
            return Ok(());
        };
        let Some(id) = known.id_of(old) else {
            return Ok(());
        };
        let statement = format!(
            "UPDATE {} AS t SET {} = $2 WHERE t.{}::text = $1",
            place.table, place.name, place.id
        );
        let cannot = |why: String| {
            report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "label \"{new}\" cannot be written to table {}, let it take the name first: {why}",
                    place.table
                ),
            )
        };
        let written = pg::catching(|| {
            pg::as_table_owner(relation, &source.search_path, || {
                session::as_own_change(session::Change::Label(source.id), || {
                    self.execute(&statement, &[id.into(), new.into()])
                })
            })
        });
        match written.map_err(cannot)? {
            0 => Err(cannot(
                "its owner may not update the row, or a trigger prevents it".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// A table of the user's has a name that is to be a label.
    pub fn follow_new_label(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        let arguments = [classifier.into(), label.into()];
        let label = self.call::<Option<String>>("triage.add_label($1, $2)::text", &arguments);
        label.map(drop)
    }

    /// Names have changed in the lookup table of an attachment, or in the table that it refers to
    /// by the labels themselves: from the first to the second of each. Returns why some labels
    /// cannot follow.
    pub fn follow_renamed_labels(
        &mut self,
        classifier: &str,
        label_table: Option<pg_sys::Oid>,
        renamed: &[(&str, &str)],
    ) -> SqlResult<Option<String>> {
        let (mut old, mut new, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for &(before, after) in renamed {
            if self.label(classifier, before)?.is_none() {
                added.push(after);
                continue;
            }
            old.push(before.to_owned());
            new.push(after.to_owned());
        }
        let problems = match old.is_empty() {
            true => None,
            false => self
                .call::<Option<String>>(
                    "triage_internal.follow_label_names($1, $2, $3, $4)",
                    &[
                        classifier.into(),
                        label_table.into(),
                        old.into(),
                        new.into(),
                    ],
                )?
                .flatten(),
        };
        for label in added {
            self.follow_new_label(classifier, label)?;
        }
        Ok(problems)
    }

    /// Tables that a new name of a label would be written to, and whose owners have not agreed to
    /// that: those of the classifier that do not take their labels from this attachment's lookup
    /// table, where it has one, unless the owner of its own table has their owners' rights; `None`
    /// if there are none.
    pub fn tables_of_others(&self, source: &Source) -> SqlResult<Option<String>> {
        let found = self.value::<Option<String>>(
            "string_agg(s.relation::text, ', ' ORDER BY s.source_id)
               FROM triage_internal.source s
               JOIN pg_class theirs ON theirs.oid = s.relation
               JOIN pg_class ours ON ours.oid = $2
              WHERE s.attached AND s.source_id <> 0 AND s.classifier = $1
                AND ($3 IS NULL OR s.label_table::oid IS DISTINCT FROM $3)
                AND NOT pg_has_role(ours.relowner, theirs.relowner, 'USAGE')",
            &[
                source.classifier.as_str().into(),
                source.relation.into(),
                source.label_table.into(),
            ],
        )?;
        Ok(found.flatten())
    }

    /// An id of a lookup table has no name any more.
    pub fn note_lost_name(&mut self, source: i64, id: &str, name: &str) -> SqlResult<()> {
        self.execute(
            "UPDATE triage_internal.source SET lost_names = lost_names || jsonb_build_object($2, $3)
              WHERE source_id = $1",
            &[source.into(), id.into(), name.into()],
        )
        .map(drop)
    }

    /// The name that an id of a lookup table had before it lost it.
    pub fn lost_name(&self, source: i64, id: &str) -> SqlResult<Option<String>> {
        let found = self.value::<Option<String>>(
            "lost_names ->> $2 FROM triage_internal.source WHERE source_id = $1",
            &[source.into(), id.into()],
        )?;
        Ok(found.flatten())
    }

    /// A label is not to be used any more, says a table of the user's.
    pub fn follow_retired_label(&mut self, classifier: &str, label: &str) -> SqlResult<()> {
        let key = casefold_label(label).map_err(from_classifier)?;
        if let Some(found) = self.label_row(classifier, &key)?
            && !found.is_retired
        {
            let arguments = [classifier.into(), found.label.as_str().into()];
            self.call::<i64>("triage.retire_label($1, $2)", &arguments)?;
        }
        Ok(())
    }
}
