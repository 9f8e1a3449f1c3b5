//! Lookup tables that label columns refer to: the column list of one of their triggers says which
//! columns hold ids and names of the labels, as that of an attached table does for its own.

use pgrx::pg_sys;

use super::attachment::{columns_of, name_of_column, quote, text};
use super::trigger::Trigger;

/// The function of the triggers on lookup tables.
const FUNCTION: &std::ffi::CStr = c"follow_label_table";

/// How to get at the rows of a lookup table in SQL. All names are quoted.
#[derive(Debug, Clone)]
pub struct LabelTable {
    /// The table, with its schema.
    pub table: String,
    /// The column that label columns refer to.
    pub id: String,
    /// The column with the names of the labels.
    pub name: String,
    /// The column that marks rows that are not to be used any more.
    pub retired: Option<RetiredColumn>,
}

/// A column that marks rows of a lookup table.
#[derive(Debug, Clone)]
pub struct RetiredColumn {
    /// Its name.
    pub name: String,
    /// How it does so.
    pub mark: Mark,
}

/// How a column marks rows that are not to be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// By being true.
    True,
    /// By not being true: it marks those that are used.
    NotTrue,
    /// By having a value, as the time since when.
    Value,
}

impl Mark {
    /// Whether a value, in its text form, marks the row.
    pub fn retires(self, value: Option<&str>) -> bool {
        match self {
            Self::True => value == Some("t"),
            Self::NotTrue => value != Some("t"),
            Self::Value => value.is_some(),
        }
    }

    fn of(name: &str, type_id: pg_sys::Oid) -> Self {
        // SAFETY: a syscache look-up.
        if unsafe { pg_sys::getBaseType(type_id) } != pg_sys::BOOLOID {
            return Self::Value;
        }
        let name = name.trim_matches('"').to_lowercase();
        let marks_used =
            (name.ends_with("active") || name.ends_with("enabled")) && !name.ends_with("inactive");
        if marks_used {
            Self::NotTrue
        } else {
            Self::True
        }
    }
}

/// Numbers of the columns of a lookup table.
pub struct LabelColumns {
    /// What label columns refer to.
    pub id: i16,
    /// The names of the labels.
    pub name: i16,
    /// What marks rows that are not to be used any more, if there is such a column.
    pub retired: Option<(i16, Mark)>,
}

/// The lookup table of an attachment; `None` if it is gone, or its trigger is.
pub fn label_table(relation: pg_sys::Oid, source: i64) -> Option<LabelTable> {
    // SAFETY: a relation that was just found to exist is locked before it is looked at.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let found = columns_of(open, source, FUNCTION, 2).and_then(|columns| {
            let schema = text(pg_sys::get_namespace_name((*(*open).rd_rel).relnamespace))?;
            let table = text(pg_sys::get_rel_name(relation))?;
            let type_of = |n: i16| pg_sys::SPI_gettypeid((*open).rd_att, n.into());
            let retired = columns.get(2).and_then(|&number| {
                let name = name_of_column(relation, number)?;
                let mark = Mark::of(&name, type_of(number));
                Some(RetiredColumn { name, mark })
            });
            Some(LabelTable {
                table: format!("{}.{}", quote(&schema), quote(&table)),
                id: name_of_column(relation, columns[0])?,
                name: name_of_column(relation, columns[1])?,
                retired,
            })
        });
        // The lock stays until the transaction ends: the names hold as long.
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        found
    }
}

impl Trigger {
    /// Which columns of a lookup table have the names of an attachment's labels; `None` if the
    /// trigger that lists them is gone.
    pub fn label_columns(&self, source: i64) -> Option<LabelColumns> {
        // SAFETY: open while the trigger runs; the columns exist.
        unsafe {
            let relation = self.open_relation();
            let columns = columns_of(relation, source, FUNCTION, 2)?;
            let retired = columns.get(2).and_then(|&number| {
                let name = name_of_column((*relation).rd_id, number)?;
                let type_id = pg_sys::SPI_gettypeid((*relation).rd_att, number.into());
                Some((number, Mark::of(&name, type_id)))
            });
            Some(LabelColumns {
                id: columns[0],
                name: columns[1],
                retired,
            })
        }
    }
}
