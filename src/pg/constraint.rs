//! What a table's constraints let into one of its columns.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::attachment::{operator, quote, text, type_name};
use super::dependencies::{Dependencies, mentioned};
use super::generated::with_generated;
use super::trigger::{Row, Trigger};
use super::unique::{Unique, uniques};
use crate::error::SqlResult;

/// A check constraint that depends on the column.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// The other columns that it depends on.
    pub others: Vec<i16>,
    /// As the server stores it.
    expression: CString,
}

/// A foreign key that depends on the column.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// Its number in the catalogue.
    pub number: pg_sys::Oid,
    /// Its name.
    pub name: String,
    /// The table that it refers to.
    pub referenced: pg_sys::Oid,
    /// That table in SQL, without tables that inherit from it.
    pub table: String,
    /// The columns that it compares.
    pub columns: Vec<ForeignColumn>,
    /// The other columns that it depends on.
    pub others: Vec<i16>,
}

/// One column of a foreign key. Names are quoted.
#[derive(Debug, Clone)]
pub struct ForeignColumn {
    /// Number of the column in the table that refers.
    pub own: i16,
    /// Its type, of a domain what that is made of.
    pub own_type: String,
    /// The column that it refers to.
    pub name: String,
    /// The operator that says whether the latter is the same as the former.
    pub equals: String,
}

/// A stored generated column that is made of the column.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Its number.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Whether it must have a value.
    pub is_required: bool,
    /// The other columns that it is made of.
    pub others: Vec<i16>,
}

/// What the type and the constraints of a column let in. Where something depends on other columns,
/// too, these are the stored ones: of a generated column what it is made of, and 0 for the whole
/// row.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether the type may refuse a text: an enum or a domain.
    pub is_choosy: bool,
    /// How many characters it takes; `None` for any number.
    pub limit: Option<usize>,
    /// Whether it must have a value.
    pub is_required: bool,
    /// Its own number.
    pub column: i16,
    /// Check constraints that depend on it.
    pub checks: Vec<Check>,
    /// Foreign keys that depend on it.
    pub foreign_keys: Vec<ForeignKey>,
    /// Generated columns that are made of it.
    pub generated: Vec<Generated>,
    /// Indexes that let each of its values in once.
    pub uniques: Vec<Unique>,
}

impl Rules {
    /// Whether any text may be stored.
    pub fn is_nothing(&self) -> bool {
        !self.is_choosy && self.limit.is_none() && self.others().next().is_none()
    }

    /// The other columns that each constraint, index and generated column depends on.
    pub fn others(&self) -> impl Iterator<Item = &[i16]> {
        let checks = self.checks.iter().map(|check| &check.others);
        let foreign_keys = self.foreign_keys.iter().map(|key| &key.others);
        let generated = self.generated.iter().map(|generated| &generated.others);
        let uniques = self.uniques.iter().map(|unique| &unique.others);
        let all = checks.chain(foreign_keys).chain(generated).chain(uniques);
        all.map(Vec::as_slice)
    }
}

impl Trigger {
    /// What may be stored in a column of the table.
    pub fn rules(&self, column: i16) -> Rules {
        // SAFETY: open while the trigger runs.
        unsafe { rules(self.open_relation(), column) }
    }
}

/// What may be stored in a column of a table that is not open; nothing is known of one that is
/// gone.
pub fn rules_of(relation: pg_sys::Oid, column: i16) -> Rules {
    // SAFETY: opened and closed here; the lock stays until the transaction ends.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return Rules::default();
        }
        let found = rules(open, column);
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        found
    }
}

/// A row of nulls of a table that is not open, to try what a column takes; `None` if the table
/// is gone.
pub fn empty_row(relation: pg_sys::Oid) -> Option<Row> {
    // SAFETY: opened and closed here; the description is copied, because the row outlives it.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return None;
        }
        let description = pg_sys::CreateTupleDescCopy((*open).rd_att);
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        let columns = (*description).natts.max(0) as usize;
        let mut values = vec![pg_sys::Datum::from(0usize); columns];
        let mut nulls = vec![true; columns];
        let tuple = pg_sys::heap_form_tuple(description, values.as_mut_ptr(), nulls.as_mut_ptr());
        Some(Row::new(relation, tuple, description))
    }
}

/// A row of a table that is not open with those of these columns that are generated; as it is if the
/// table is gone.
pub fn completed(relation: pg_sys::Oid, row: Row, columns: &[i16]) -> SqlResult<Row> {
    // SAFETY: opened and closed here; after an error the server closes it.
    unsafe {
        let open = pg_sys::try_relation_open(relation, pg_sys::AccessShareLock as i32);
        if open.is_null() {
            return Ok(row);
        }
        let tuple = with_generated(open, row.tuple(), columns);
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        Ok(tuple.map_or(row, |tuple| row.of(tuple)))
    }
}

/// # Safety
/// An open relation and one of its columns.
unsafe fn rules(relation: pg_sys::Relation, column: i16) -> Rules {
    unsafe {
        let description = (*relation).rd_att;
        let type_id = pg_sys::SPI_gettypeid(description, column.into());
        let attributes = (*description)
            .attrs
            .as_slice((*description).natts.max(0) as usize);
        let own = usize::try_from(column - 1)
            .ok()
            .and_then(|n| attributes.get(n));
        let modifier = own.map_or(-1, |attribute| attribute.atttypmod);
        let dependencies = Dependencies::of(description, column);
        let generated = dependencies.generated().filter_map(|number| {
            let others = dependencies.others(&[number])?;
            let attribute = attributes.get(usize::try_from(number - 1).ok()?)?;
            Some(Generated {
                number,
                name: CStr::from_ptr(attribute.attname.data.as_ptr())
                    .to_string_lossy()
                    .into_owned(),
                is_required: attribute.attnotnull,
                others,
            })
        });
        Rules {
            is_choosy: pg_sys::getBaseType(type_id) != type_id || pg_sys::type_is_enum(type_id),
            limit: match type_id {
                pg_sys::VARCHAROID | pg_sys::BPCHAROID => usize::try_from(modifier - 4).ok(),
                _ => None,
            },
            is_required: own.is_some_and(|attribute| attribute.attnotnull),
            column,
            checks: checks(description, &dependencies),
            foreign_keys: foreign_keys(relation, &dependencies),
            generated: generated.collect(),
            uniques: uniques(relation, &dependencies),
        }
    }
}

/// # Safety
/// A description of an open relation.
unsafe fn checks(description: pg_sys::TupleDesc, dependencies: &Dependencies) -> Vec<Check> {
    unsafe {
        let constraints = (*description).constr;
        if constraints.is_null() || (*constraints).num_check == 0 {
            return Vec::new();
        }
        let all =
            std::slice::from_raw_parts((*constraints).check, usize::from((*constraints).num_check));
        let found = all.iter().filter_map(|check| {
            let expression = CStr::from_ptr(check.ccbin);
            Some(Check {
                name: CStr::from_ptr(check.ccname).to_string_lossy().into_owned(),
                others: dependencies.others(&mentioned(expression))?,
                expression: expression.to_owned(),
            })
        });
        found.collect()
    }
}

/// # Safety
/// An open relation.
unsafe fn foreign_keys(relation: pg_sys::Relation, dependencies: &Dependencies) -> Vec<ForeignKey> {
    unsafe {
        let list = pg_sys::RelationGetFKeyList(relation);
        if list.is_null() {
            return Vec::new();
        }
        // Copied first: looking names up may rebuild what the list belongs to.
        let cells = std::slice::from_raw_parts((*list).elements, (*list).length.max(0) as usize);
        let all: Vec<pg_sys::ForeignKeyCacheInfo> = cells
            .iter()
            .map(|cell| *cell.ptr_value.cast::<pg_sys::ForeignKeyCacheInfo>())
            .collect();
        let description = (*relation).rd_att;
        let found = all.iter().filter_map(|key| {
            let others = dependencies.others(&key.conkey[..key.nkeys.max(0) as usize])?;
            foreign_key(key, description, others)
        });
        found.collect()
    }
}

/// # Safety
/// A foreign key of the relation that this is the description of.
unsafe fn foreign_key(
    key: &pg_sys::ForeignKeyCacheInfo,
    description: pg_sys::TupleDesc,
    others: Vec<i16>,
) -> Option<ForeignKey> {
    unsafe {
        let referenced = key.confrelid;
        let schema = text(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(
            referenced,
        )))?;
        let table = text(pg_sys::get_rel_name(referenced))?;
        let only = match pg_sys::get_rel_relkind(referenced) as u8 {
            pg_sys::RELKIND_PARTITIONED_TABLE => "",
            _ => "ONLY ",
        };
        let columns = (0..key.nkeys.max(0) as usize).map(|n| {
            let own_type = pg_sys::SPI_gettypeid(description, key.conkey[n].into());
            let name = text(pg_sys::get_attname(referenced, key.confkey[n], true))?;
            Some(ForeignColumn {
                own: key.conkey[n],
                own_type: type_name(pg_sys::getBaseType(own_type))?,
                name: quote(&name),
                equals: operator(key.conpfeqop[n])?,
            })
        });
        Some(ForeignKey {
            number: key.conoid,
            name: text(pg_sys::get_constraint_name(key.conoid))?,
            referenced,
            table: format!("{only}{}.{}", quote(&schema), quote(&table)),
            columns: columns.collect::<Option<_>>()?,
            others,
        })
    }
}

impl Row {
    /// Whether the row satisfies a check constraint of its table. Runs what that calls, as the
    /// current user.
    pub fn satisfies(&self, check: &Check) -> SqlResult<bool> {
        // SAFETY: what the server does before it stores a row (`ExecRelCheck`). After an error
        // the memory goes with the context that it is in.
        unsafe {
            let state = pg_sys::CreateExecutorState();
            let context = pg_sys::MemoryContextSwitchTo((*state).es_query_cxt);
            let expression = pg_sys::stringToNode(check.expression.as_ptr()).cast();
            let expression = pg_sys::ExecPrepareExpr(expression, state);
            let slot = pg_sys::MakeSingleTupleTableSlot(
                self.description(),
                &raw const pg_sys::TTSOpsHeapTuple,
            );
            pg_sys::ExecStoreHeapTuple(self.tuple(), slot, false);
            let values = pg_sys::CreateExprContext(state);
            (*values).ecxt_scantuple = slot;
            let satisfies = pg_sys::ExecCheck(expression, values);
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::FreeExecutorState(state);
            Ok(satisfies)
        }
    }
}
