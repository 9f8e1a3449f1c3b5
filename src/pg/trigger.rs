//! What a trigger function is called with, and what it returns.

use std::ffi::{CStr, CString};

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::{Datum, DatumWithOid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{PgSqlErrorCode as Code, pg_sys, trigger_support};

use super::artifact::copy;
use super::attachment::{LEAST, LIST, argument_of, columns_of, other_lists};
use super::column::Timestamp;
use super::content::{Content, column_content};
use super::generated;
use super::key::key_text;
use super::partition::tables_above;
use crate::error::{SqlResult, report};

/// What fired a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE or TRUNCATE
    Erasure,
}

/// One call of a trigger function.
pub struct Trigger(*mut pg_sys::TriggerData);

/// One of the two rows of a row trigger.
#[derive(Clone, Copy)]
pub struct Row {
    relation: pg_sys::Oid,
    tuple: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
}

/// What a column of a row is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL
    Null,
    /// What the column's type makes of this text.
    Text(&'a str),
    /// An instant, in a column of type timestamptz.
    Time(Timestamp),
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// Result of a trigger function: a row, or nothing for a statement trigger.
pub struct Returned(pg_sys::Datum);

impl Returned {
    /// Nothing: of a statement trigger, or of one that fires after the row.
    pub fn nothing() -> Self {
        Self(pg_sys::Datum::from(0usize))
    }

    /// This row.
    pub fn row(row: Row) -> Self {
        Self(pg_sys::Datum::from(row.tuple))
    }
}

// SAFETY: triggers return the pointer of a tuple, or a null pointer, and never SQL's NULL.
unsafe impl BoxRet for Returned {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

// SAFETY: the SQL declarations are written by hand.
unsafe impl SqlTranslatable for Returned {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Returned);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
        Err(ArgumentError::NotValidAsArgument("trigger"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("trigger")));
}

impl Trigger {
    /// From the call of a function that was declared `RETURNS trigger`.
    pub fn new(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Self> {
        // SAFETY: the server's call of one of our functions.
        unsafe {
            if !trigger_support::called_as_trigger(fcinfo) {
                return Err(report(
                    Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                    "this function can only be called by its trigger",
                ));
            }
            Ok(Self((*fcinfo).context.cast()))
        }
    }

    pub(super) fn old_table(&self) -> *mut pg_sys::Tuplestorestate {
        self.data().tg_oldtable
    }

    pub(super) fn description(&self) -> pg_sys::TupleDesc {
        // SAFETY: open while the trigger runs.
        unsafe { (*self.data().tg_relation).rd_att }
    }

    /// Whether the table is being emptied.
    pub fn is_truncation(&self) -> bool {
        self.data().tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE
    }

    fn data(&self) -> &pg_sys::TriggerData {
        // SAFETY: lives as long as the call.
        unsafe { &*self.0 }
    }

    /// The table or view, which is open while the trigger runs.
    pub(super) fn open_relation(&self) -> pg_sys::Relation {
        self.data().tg_relation
    }

    /// What happens to the row, or to the table.
    pub fn event(&self) -> Event {
        match self.data().tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Event::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Event::Update,
            _ => Event::Erasure,
        }
    }

    /// Whether it is on a view.
    pub fn is_instead(&self) -> bool {
        self.data().tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_INSTEAD
    }

    /// The table or view; of a partitioned table the partition.
    pub fn relation(&self) -> pg_sys::Oid {
        // SAFETY: open while the trigger runs.
        unsafe { (*self.data().tg_relation).rd_id }
    }

    /// The trigger's argument, a number, if it has one.
    pub fn optional_argument(&self) -> Option<i64> {
        // SAFETY: the server's own array of `tgnargs` strings.
        unsafe { argument_of(&*self.data().tg_trigger) }
    }

    /// The trigger's argument, a number.
    pub fn argument(&self) -> SqlResult<i64> {
        self.optional_argument().ok_or_else(|| {
            report(
                Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "this trigger was not made by triage.attach()",
            )
        })
    }

    /// Whether it is called for each row.
    pub fn is_for_row(&self) -> bool {
        self.data().tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
    }

    /// Whether the table is a partition, whose rows may move to another one.
    pub fn is_on_partition(&self) -> bool {
        // SAFETY: open while the trigger runs.
        unsafe { (*(*self.data().tg_relation).rd_rel).relispartition }
    }

    /// Numbers of the columns that an update names in its SET list. Generated columns follow by
    /// themselves: they are left out.
    pub fn set_columns(&self) -> Vec<i16> {
        let (set, relation) = (self.data().tg_updatedcols, self.relation());
        let mut columns = Vec::new();
        let mut member = -1;
        loop {
            // SAFETY: a set of the server's, or null for none.
            member = unsafe { pg_sys::bms_next_member(set, member) };
            if member < 0 {
                return columns;
            }
            let number = (member + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16;
            // SAFETY: a syscache look-up of a column that exists.
            if unsafe { pg_sys::get_attgenerated(relation, number) } == 0 {
                columns.push(number);
            }
        }
    }

    /// Whether an update names one of these columns in its SET list, or what one of them is generated
    /// from.
    pub fn sets_one_of(&self, columns: &[i16]) -> bool {
        let set = self.data().tg_updatedcols;
        let is_set = |&number: &i16| {
            let member = i32::from(number) - pg_sys::FirstLowInvalidHeapAttributeNumber;
            // SAFETY: a set of the server's, or null for none.
            unsafe { pg_sys::bms_is_member(member, set) }
        };
        columns.iter().any(is_set)
    }

    /// Whether an update names this column in its SET list.
    pub fn sets(&self, column: &CStr) -> bool {
        // SAFETY: a valid description of the open relation.
        let number = unsafe { pg_sys::SPI_fnumber(self.description(), column.as_ptr()) };
        i16::try_from(number).is_ok_and(|number| self.set_columns().contains(&number))
    }

    /// Whether it is a trigger of this table: on it, or on a partition of it that has it from there.
    pub fn is_of(&self, table: pg_sys::Oid) -> bool {
        match self.is_clone() {
            true => self.distance(table).is_some_and(|distance| distance > 0),
            false => self.relation() == table,
        }
    }

    /// Whether a partition has it from a table above.
    pub fn is_clone(&self) -> bool {
        // SAFETY: the server's own description of the trigger.
        unsafe { (*self.data().tg_trigger).tgisclone }
    }

    /// How far above a table is of the partition that has this clone of a trigger; 0 for itself.
    pub fn distance(&self, table: pg_sys::Oid) -> Option<usize> {
        if self.relation() == table {
            return Some(0);
        }
        // SAFETY: the server's own description of the trigger.
        let number = unsafe { (*self.data().tg_trigger).tgoid };
        let above = tables_above(number, self.relation());
        Some(1 + above.iter().position(|&above| above == table)?)
    }

    /// Other attachments whose triggers the table has, and their label columns.
    pub fn other_attachments(&self, argument: i64) -> Vec<(i64, i16)> {
        // SAFETY: open while the trigger runs.
        unsafe { other_lists(self.data().tg_relation, argument) }
    }

    /// Whether other tables inherit from the table, or did so.
    pub fn has_children(&self) -> bool {
        // SAFETY: open while the trigger runs.
        let relation = unsafe { &*(*self.data().tg_relation).rd_rel };
        relation.relhassubclass && relation.relkind == pg_sys::RELKIND_RELATION as i8
    }

    /// Name of the table or view, with its schema.
    pub fn relation_name(&self) -> String {
        super::relation::qualified_name(self.relation()).unwrap_or_default()
    }

    /// Column numbers in the list (`UPDATE OF label, keys, texts`) of the relation's trigger
    /// that calls `triage_internal.record_decision` with that argument; `None` if it is gone, with
    /// a column or by hand.
    pub fn columns(&self, argument: i64) -> Option<Vec<i16>> {
        // SAFETY: open while the trigger runs.
        unsafe { columns_of(self.data().tg_relation, argument, LIST, LEAST) }
    }

    /// The row before an update.
    pub fn old(&self) -> Row {
        self.row(self.data().tg_trigtuple)
    }

    /// The row as it will be, or is.
    pub fn new_row(&self) -> Row {
        match self.event() {
            Event::Update => self.row(self.data().tg_newtuple),
            _ => self.row(self.data().tg_trigtuple),
        }
    }

    fn row(&self, tuple: pg_sys::HeapTuple) -> Row {
        // SAFETY: open while the trigger runs.
        let description = unsafe { (*self.data().tg_relation).rd_att };
        Row {
            relation: self.relation(),
            tuple,
            description,
        }
    }

    /// Whether column `number` must have a value.
    pub fn is_not_null(&self, number: i16) -> bool {
        let number = usize::try_from(number).unwrap_or(0);
        // SAFETY: as many attributes as the description of the open relation says.
        unsafe {
            let description = (*self.data().tg_relation).rd_att;
            let natts = (*description).natts.max(0) as usize;
            let attributes = (*description).attrs.as_slice(natts);
            let attribute = number.checked_sub(1).and_then(|n| attributes.get(n));
            attribute.is_some_and(|attribute| attribute.attnotnull)
        }
    }

    /// The row with its generated columns of these, which the server computes after the triggers
    /// that fire before it is written: an expression of the table's owner, run as the server runs
    /// it a moment later.
    pub fn completed(&self, row: Row, columns: &[i16]) -> SqlResult<Row> {
        // SAFETY: columns of the open relation; what the expressions need lives until it is freed
        // here, and the new row is a copy.
        let tuple =
            unsafe { generated::with_generated(self.data().tg_relation, row.tuple, columns) };
        Ok(tuple.map_or(row, |tuple| row.of(tuple)))
    }

    /// The row with all of its generated columns.
    pub fn completed_all(&self, row: Row) -> SqlResult<Row> {
        let all: Vec<i16> = (1..=row.columns()).collect();
        self.completed(row, &all)
    }

    /// The row with the default of one column.
    pub fn with_default(&self, row: Row, column: i16) -> Row {
        // SAFETY: a column of the open relation; the new row is a copy.
        row.of(unsafe { generated::with_defaults(self.data().tg_relation, row.tuple, &[column]) })
    }
}

fn type_modifier(relation: pg_sys::Oid, column: i16) -> i32 {
    let (mut type_id, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
    // SAFETY: a syscache look-up of a column that exists.
    unsafe {
        pg_sys::get_atttypetypmodcoll(
            relation,
            column,
            &mut type_id,
            &mut modifier,
            &mut collation,
        );
    }
    modifier
}

impl Row {
    pub(super) fn new(
        relation: pg_sys::Oid,
        tuple: pg_sys::HeapTuple,
        description: pg_sys::TupleDesc,
    ) -> Self {
        Self {
            relation,
            tuple,
            description,
        }
    }

    /// Another tuple of the same table.
    pub(super) fn of(&self, tuple: pg_sys::HeapTuple) -> Self {
        Self { tuple, ..*self }
    }

    /// The whole row as an argument of a statement.
    pub fn argument(&self) -> DatumWithOid<'static> {
        // SAFETY: a tuple with its description, which has the number of its type; the value is a
        // copy in the current memory context.
        unsafe {
            let row = pg_sys::heap_copy_tuple_as_datum(self.tuple, self.description);
            DatumWithOid::new(row, (*self.description).tdtypeid)
        }
    }

    pub(super) fn tuple(&self) -> pg_sys::HeapTuple {
        self.tuple
    }

    pub(super) fn description(&self) -> pg_sys::TupleDesc {
        self.description
    }

    /// Number of a column.
    pub fn column(&self, name: &str) -> SqlResult<i16> {
        let missing = || {
            report(
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("column \"{name}\" is missing"),
            )
        };
        let name = CString::new(name).map_err(|_| missing())?;
        // SAFETY: a valid description.
        let number = unsafe { pg_sys::SPI_fnumber(self.description, name.as_ptr()) };
        i16::try_from(number)
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(missing)
    }

    /// How many columns there are.
    pub fn columns(&self) -> i16 {
        // SAFETY: a valid description.
        unsafe { (*self.description).natts as i16 }
    }

    /// Name of a column.
    pub fn name(&self, number: i16) -> String {
        // SAFETY: a valid description; null for a column that does not exist.
        unsafe {
            let name = pg_sys::SPI_fname(self.description, number.into());
            if name.is_null() {
                return String::new();
            }
            CStr::from_ptr(name).to_string_lossy().into_owned()
        }
    }

    /// The key that these columns hold; `None` if one of them is null.
    pub fn key(&self, numbers: &[i16]) -> SqlResult<Option<String>> {
        let numbers = numbers.iter().map(|&number| i32::from(number));
        // SAFETY: a tuple with its description.
        unsafe { key_text(self.tuple, self.description, numbers) }
    }

    /// Whether a column is stored as in another row of the table: what differs there may still
    /// have the same text form.
    pub fn stores_same(&self, other: &Row, number: i16) -> bool {
        // SAFETY: columns of existing rows of one description; the bytes compared are those that
        // their type, or their own length, says they have.
        unsafe {
            let read = |row: &Row| {
                let mut is_null = false;
                let number = i32::from(number);
                let datum = pg_sys::SPI_getbinval(row.tuple, row.description, number, &mut is_null);
                (!is_null).then_some(datum)
            };
            let (Some(ours), Some(theirs)) = (read(self), read(other)) else {
                return read(self).is_none() && read(other).is_none();
            };
            let (mut length, mut by_value) = (0, false);
            let type_id = pg_sys::SPI_gettypeid(self.description, number.into());
            pg_sys::get_typlenbyval(type_id, &mut length, &mut by_value);
            if by_value {
                return ours.value() == theirs.value();
            }
            let bytes = |datum: pg_sys::Datum| {
                let start: *const u8 = datum.cast_mut_ptr();
                let length = match usize::try_from(length) {
                    Ok(length) => length,
                    Err(_) => pgrx::varlena::varsize_any(start.cast()),
                };
                std::slice::from_raw_parts(start, length)
            };
            bytes(ours) == bytes(theirs)
        }
    }

    /// A column in its text form, not more than about `most` bytes of it.
    pub fn text_up_to(&self, number: i16, most: usize) -> SqlResult<Option<String>> {
        // SAFETY: the server checks the column; the text is ours to free.
        unsafe {
            let value = pg_sys::SPI_getvalue(self.tuple, self.description, number.into());
            if value.is_null() {
                return Ok(None);
            }
            let bytes = CStr::from_ptr(value).to_bytes();
            let bytes = copy(&bytes[..bytes.len().min(most)])?;
            pg_sys::pfree(value.cast());
            Ok(Some(match String::from_utf8(bytes) {
                Ok(text) => text,
                // Cut within a character.
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            }))
        }
    }

    /// What a column holds that a text is read from, of a text about `most` bytes.
    pub fn content(&self, number: i16, most: usize) -> SqlResult<Option<Content>> {
        // SAFETY: a tuple with its description.
        unsafe { column_content(self.tuple, self.description, number.into(), most) }
    }

    /// A column in its text form.
    pub fn text(&self, number: i16) -> SqlResult<Option<String>> {
        self.text_up_to(number, usize::MAX)
    }

    /// The same row with other values in some columns.
    pub fn with(&self, values: &[(i16, Value)]) -> SqlResult<Row> {
        let (mut numbers, mut data, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
        for &(number, value) in values {
            numbers.push(i32::from(number));
            nulls.push(value == Value::Null);
            // SAFETY: the type of an existing column, and its input function.
            data.push(unsafe {
                let type_id = pg_sys::SPI_gettypeid(self.description, number.into());
                match value {
                    Value::Null => pg_sys::Datum::from(0usize),
                    Value::Time(time) if type_id == pg_sys::TIMESTAMPTZOID => {
                        pg_sys::Datum::from(time.0)
                    }
                    Value::Time(_) => return Err(self.no_time(number)),
                    Value::Text(text) => {
                        let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
                        pg_sys::getTypeInputInfo(type_id, &mut input, &mut parameter);
                        let text = CString::new(text).unwrap_or_default();
                        pg_sys::OidInputFunctionCall(
                            input,
                            text.as_ptr().cast_mut(),
                            parameter,
                            type_modifier(self.relation, number),
                        )
                    }
                }
            });
        }
        // SAFETY: arrays of `values.len()` items; the copy is in the trigger's own memory.
        let tuple = unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                self.tuple,
                self.description,
                numbers.len() as i32,
                numbers.as_mut_ptr(),
                data.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        };
        Ok(Row { tuple, ..*self })
    }

    fn no_time(&self, number: i16) -> ErrorReport {
        report(
            Code::ERRCODE_DATATYPE_MISMATCH,
            format!(
                "column \"{}\" is not timestamp with time zone",
                self.name(number)
            ),
        )
    }
}
