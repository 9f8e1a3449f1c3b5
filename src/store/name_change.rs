//! `triage_internal.name_change`: names that have changed in lookup tables, until labels follow.

use std::collections::HashSet;

use pg_triage_classifier::casefold_label;

use super::connection::{Reader, Writer};
use super::row::row;
use crate::error::SqlResult;
use crate::pg;

row! {
    /// One row of it.
    struct NoteRow {
        change_id: i64,
        id: Option<String>,
        label: Option<String>,
        name: Option<String>,
        is_new: bool,
        changed_by: String,
    }
}

/// A name that changes.
#[derive(Debug, Default)]
pub struct NewName<'a> {
    /// The id; `None` where the label column holds the labels themselves.
    pub id: Option<&'a str>,
    /// The name before, if that was in use.
    pub before: Option<&'a str>,
    /// The name now, if that is in use.
    pub after: Option<&'a str>,
    /// Whether the row was inserted.
    pub is_new: bool,
}

/// What has become of the name of an id since labels followed last.
#[derive(Debug)]
pub struct Changed {
    /// `None` where the label column holds the labels themselves.
    pub id: Option<String>,
    /// What it was called.
    pub before: Option<String>,
    /// What it is called now.
    pub after: Option<String>,
    /// Whether its row has gone and come again, or was not there before: what it was called says
    /// nothing of what it is now, unless that name is gone.
    is_new: bool,
}

/// What labels are to do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Stays,
    /// The label has another name.
    Renamed,
    /// The name is that of another label, or of a new one.
    Added,
    /// The label is not to be used any more.
    Retired,
}

/// Names that labels have not followed yet.
#[derive(Debug, Default)]
pub struct NameChanges {
    /// By id, in the order in which they began to change.
    pub changed: Vec<Changed>,
    /// The last note that is in it.
    pub last: i64,
    /// Who has changed the first name.
    pub changed_by: String,
}

impl NameChanges {
    fn of(notes: Vec<NoteRow>) -> Self {
        let mut all = Self::default();
        for note in notes {
            all.last = note.change_id;
            if all.changed.is_empty() {
                all.changed_by = note.changed_by;
            }
            // A name that has changed already: without an id, one that is what this one was.
            let earlier = all.changed.iter_mut().find(|one| match &note.id {
                Some(_) => one.id == note.id,
                None => one.id.is_none() && one.after == note.label,
            });
            match earlier {
                Some(earlier) => {
                    earlier.after = note.name;
                    earlier.is_new |= note.is_new;
                }
                None => all.changed.push(Changed {
                    id: note.id,
                    before: note.label,
                    after: note.name,
                    is_new: note.is_new,
                }),
            }
        }
        all
    }

    /// The ids whose names have changed.
    pub fn ids(&self) -> HashSet<&str> {
        let ids = self.changed.iter();
        ids.filter_map(|one| one.id.as_deref()).collect()
    }

    /// What labels are to do about each of them. `kept` are the casefolded names in use of all
    /// other ids; `is_label` says whether a casefolded name is that of a label already.
    pub fn fates(&self, kept: &HashSet<String>, is_label: impl Fn(&str) -> bool) -> Vec<Fate> {
        let key = |name: &Option<String>| casefold_label(name.as_deref()?).ok();
        let mut now = kept.clone();
        now.extend(self.changed.iter().filter_map(|one| key(&one.after)));
        let fate = |one: &Changed| match (&one.before, &one.after) {
            (Some(before), Some(after)) if before == after => Fate::Stays,
            (Some(before), Some(after)) => {
                let (old, new) = (casefold_label(before), casefold_label(after));
                let (Ok(old), Ok(new)) = (old, new) else {
                    return Fate::Added;
                };
                let is_other = match one.is_new {
                    // A table that is filled anew: names say what labels mean, and only where one
                    // is gone and another one new do ids.
                    true => old != new && (now.contains(&old) || is_label(&new)),
                    false => kept.contains(&old),
                };
                match is_other {
                    true => Fate::Added,
                    false => Fate::Renamed,
                }
            }
            (None, Some(_)) => Fate::Added,
            (Some(_), None) if key(&one.before).is_some_and(|key| now.contains(&key)) => {
                Fate::Stays
            }
            (Some(_), None) => Fate::Retired,
            (None, None) => Fate::Stays,
        };
        self.changed.iter().map(fate).collect()
    }
}

impl Reader<'_> {
    /// Names that labels of an attachment have not followed yet.
    pub fn name_changes(&self, source: i64) -> SqlResult<NameChanges> {
        let from = "FROM triage_internal.name_change WHERE source_id = $1 ORDER BY change_id";
        self.rows(from, &[source.into()]).map(NameChanges::of)
    }

    /// Whether there are any.
    pub fn has_name_changes(&self, source: i64) -> SqlResult<bool> {
        let from = "FROM triage_internal.name_change WHERE source_id = $1 LIMIT 1";
        self.exists(from, &[source.into()])
    }

    /// Roughly how many rows another name of a label may change in the extension's own tables.
    pub fn estimated_emails(&self) -> SqlResult<i64> {
        let found = self.value(
            "max(reltuples)::bigint FROM pg_class
              WHERE oid IN ('triage.review'::regclass, 'triage.decision'::regclass)",
            &[],
        )?;
        Ok(found.unwrap_or_default())
    }
}

impl Writer<'_> {
    /// Notes names that one statement changes. Labels follow when the transaction commits, but
    /// for where nothing may be left to be done then.
    pub fn note_names(&mut self, source: i64, names: &[NewName]) -> SqlResult<()> {
        fn all<'a, T>(names: &[NewName<'a>], of: impl Fn(&NewName<'a>) -> T) -> Vec<T> {
            names.iter().map(of).collect()
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let caller = self.caller.clone();
        self.execute(
            "INSERT INTO triage_internal.name_change (source_id, id, label, name, is_new, at_commit, changed_by)
             SELECT $1, id, label, name, is_new, n = 1 AND $6, $7
               FROM ROWS FROM (unnest($2), unnest($3), unnest($4), unnest($5)) WITH ORDINALITY
                    AS u (id, label, name, is_new, n)
              ORDER BY n",
            &[
                source.into(),
                all(names, |one| owned(one.id)).into(),
                all(names, |one| owned(one.before)).into(),
                all(names, |one| owned(one.after)).into(),
                all(names, |one| one.is_new).into(),
                (!pg::is_restricted()).into(),
                caller.into(),
            ],
        )
        .map(drop)
    }

    /// Labels have followed, up to this note.
    pub fn forget_names(&mut self, source: i64, last: i64) -> SqlResult<()> {
        self.execute(
            "DELETE FROM triage_internal.name_change WHERE source_id = $1 AND change_id <= $2",
            &[source.into(), last.into()],
        )
        .map(drop)
    }
}
