//! Statements: prepared on first use and kept for the session.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::ops::Range;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::spi::SpiClient;
use pgrx::{PgSqlErrorCode as Code, Spi, pg_sys};

use super::column::Column;
use super::content::{Content, column_content};
use super::interrupt::probe_for_text;
use super::key::key_text;
use crate::error::{SqlResult, report};

/// Result of a statement.
pub struct Rows<'c> {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
    connection: PhantomData<&'c ()>,
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // After an error the server cleans up by itself.
        if !self.table.is_null() && !std::thread::panicking() {
            // SAFETY: made by the statement that is still connected, and not freed before.
            unsafe { pg_sys::SPI_freetuptable(self.table) }
        }
    }
}

/// One row of a result.
pub struct ResultRow<'r> {
    rows: &'r Rows<'r>,
    index: usize,
}

impl ResultRow<'_> {
    /// A column, from 0, as a value of the type that it has. It is an error of ours if the
    /// query gives another type, or NULL where the Rust type has none.
    pub fn get<T: Column>(&self, column: usize) -> SqlResult<T> {
        let number = column as i32 + 1;
        // SAFETY: a valid description; the server checks the number.
        let type_id = unsafe { pg_sys::SPI_gettypeid((*self.rows.table).tupdesc, number) };
        if !T::accepts(type_id) {
            return Err(self.unexpected(number, T::NAME));
        }
        match self.rows.datum(self.index, number) {
            // SAFETY: of an accepted type.
            Some(datum) => unsafe { T::read(datum) },
            None => T::null().ok_or_else(|| self.unexpected(number, "not null")),
        }
    }

    /// What a column, from 0, holds that a text is read from, of a text about `most` bytes.
    pub fn content(&self, column: usize, most: usize) -> SqlResult<Option<Content>> {
        let tuple = self.rows.tuple(self.index);
        // SAFETY: a row of the result, with its description.
        unsafe { column_content(tuple, (*self.rows.table).tupdesc, column as i32 + 1, most) }
    }

    /// The key that these columns, from 0, hold; `None` if one of them is null.
    pub fn key(&self, columns: Range<usize>) -> SqlResult<Option<String>> {
        let numbers = columns.map(|column| column as i32 + 1);
        let tuple = self.rows.tuple(self.index);
        // SAFETY: a row of the result, with its description.
        unsafe { key_text(tuple, (*self.rows.table).tupdesc, numbers) }
    }

    fn unexpected(&self, number: i32, wanted: &str) -> ErrorReport {
        // SAFETY: a valid description; null for a column that does not exist.
        let name = unsafe {
            let name = pg_sys::SPI_fname((*self.rows.table).tupdesc, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        };
        report(
            Code::ERRCODE_INTERNAL_ERROR,
            format!(
                "column {number} (\"{}\") of a statement is not {wanted}",
                name.unwrap_or_default()
            ),
        )
    }
}

impl Rows<'_> {
    /// The rows one after another.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ResultRow<'_>> {
        let rows = self;
        (0..self.count).map(move |index| ResultRow { rows, index })
    }

    /// Refuses to copy a result that there is no memory for: three times its long values,
    /// because what is made of them takes memory, too.
    pub fn probe(&self) -> SqlResult<()> {
        const VARIABLE: i16 = -1;
        if self.table.is_null() {
            return Ok(());
        }
        // SAFETY: as many attributes as the valid description says.
        let columns = unsafe {
            let description = (*self.table).tupdesc;
            (*description)
                .attrs
                .as_slice((*description).natts.max(0) as usize)
        };
        let long = (1..)
            .zip(columns)
            .filter(|(_, column)| column.attlen == VARIABLE);
        let bytes: usize = long
            .flat_map(|(number, _)| (0..self.count).map(move |row| (row, number)))
            .map(|(row, number)| self.size(row, number))
            .sum();
        probe_for_text(3 * bytes)
    }

    /// Number of rows returned or, without RETURNING, processed.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Size of a variable-length column, without reading it.
    fn size(&self, row: usize, column: i32) -> usize {
        self.datum(row, column).map_or(0, |datum| {
            // SAFETY: the query says that it is of variable length.
            unsafe { pg_sys::toast_raw_datum_size(datum) }
        })
    }

    fn datum(&self, row: usize, column: i32) -> Option<pg_sys::Datum> {
        let mut null = false;
        // SAFETY: the table is valid and `row` is checked by the slice; the server checks
        // the column.
        let datum = unsafe {
            pg_sys::SPI_getbinval(self.tuple(row), (*self.table).tupdesc, column, &mut null)
        };
        (!null).then_some(datum)
    }

    fn tuple(&self, row: usize) -> pg_sys::HeapTuple {
        // SAFETY: the table holds `count` tuples while SPI is connected.
        unsafe { std::slice::from_raw_parts((*self.table).vals, self.count)[row] }
    }
}

thread_local! {
    static PLANS: RefCell<HashMap<(String, Vec<pg_sys::Oid>), pg_sys::SPIPlanPtr>> =
        RefCell::default();
}

/// The server checks before each use that a plan is still right, and plans again if not.
fn plan(query: &str, types: &[pg_sys::Oid]) -> SqlResult<(pg_sys::SPIPlanPtr, bool)> {
    // Attached tables can be many, each with statements of its own. Beyond that, a plan
    // is used once; none that is kept is dropped, because it may be running.
    const MOST: usize = 1000;
    // Types by number: after DROP and CREATE EXTENSION those of the same name have others.
    let key = (query.to_owned(), types.to_vec());
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
        return Ok((plan, true));
    }
    let text = CString::new(query).map_err(|_| {
        report(
            Code::ERRCODE_INTERNAL_ERROR,
            "a statement holds a zero byte",
        )
    })?;
    let mut types = types.to_vec();
    // SAFETY: as many types as parameters; the plan is moved to memory that lives as long
    // as the session before it is kept.
    unsafe {
        let plan = pg_sys::SPI_prepare(text.as_ptr(), types.len() as i32, types.as_mut_ptr());
        let keep = PLANS.with_borrow(HashMap::len) < MOST;
        if plan.is_null() || keep && pg_sys::SPI_keepplan(plan) != 0 {
            let message = format!("a statement could not be prepared: {query}");
            return Err(report(Code::ERRCODE_INTERNAL_ERROR, message));
        }
        if keep {
            PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
        }
        Ok((plan, keep))
    }
}

fn run<'c>(query: &str, arguments: &[DatumWithOid], read_only: bool) -> SqlResult<Rows<'c>> {
    let types: Vec<_> = arguments.iter().map(DatumWithOid::oid).collect();
    let (mut values, mut nulls) = (Vec::new(), Vec::<c_char>::new());
    for argument in arguments {
        let datum = argument.datum().map(|datum| datum.sans_lifetime());
        nulls.push(if datum.is_some() { b' ' } else { b'n' } as c_char);
        values.push(datum.unwrap_or(pg_sys::Datum::from(0usize)));
    }
    let (plan, kept) = plan(query, &types)?;
    // SAFETY: both arrays have as many items as the plan has parameters, of its types.
    unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        let status =
            pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), nulls.as_ptr(), read_only, 0);
        let (table, count) = (pg_sys::SPI_tuptable, pg_sys::SPI_processed as usize);
        if !kept {
            pg_sys::SPI_freeplan(plan);
        }
        if status < 0 {
            let message = format!("a statement failed with status {status}: {query}");
            return Err(report(Code::ERRCODE_INTERNAL_ERROR, message));
        }
        Ok(Rows {
            table,
            count,
            connection: PhantomData,
        })
    }
}

/// Which rows a statement sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// Those that the caller's statement sees, and it may only read. pgrx's own `select` takes
    /// a new snapshot once the transaction has written something, and a statement would then
    /// see more than its snapshot shows.
    CallersSnapshot,
    /// What there is now, and what the transaction itself has written.
    Now,
}

/// A connection to SPI, from which what is read cannot escape.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'c> {
    sees: Sees,
    connection: PhantomData<&'c ()>,
}

/// Runs `f` connected to SPI.
pub fn connected<R>(sees: Sees, f: impl FnOnce(Connection) -> R) -> R {
    Spi::connect(|_| {
        f(Connection {
            sees,
            connection: PhantomData,
        })
    })
}

impl<'c> Connection<'c> {
    /// This connection, for statements that see other rows.
    pub fn seeing(self, sees: Sees) -> Self {
        Self { sees, ..self }
    }

    /// Runs a statement that is used often: its plan is kept.
    pub fn run(&self, query: &str, arguments: &[DatumWithOid]) -> SqlResult<Rows<'c>> {
        run(query, arguments, self.sees == Sees::CallersSnapshot)
    }
}

/// Runs a statement without parameters that will not come again.
pub fn execute_once<'c>(_connection: &mut SpiClient<'c>, query: &str) -> SqlResult<Rows<'c>> {
    let text = CString::new(query).map_err(|_| {
        report(
            Code::ERRCODE_INTERNAL_ERROR,
            "a statement holds a zero byte",
        )
    })?;
    // SAFETY: a NUL-terminated string.
    unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        let status = pg_sys::SPI_execute(text.as_ptr(), false, 0);
        if status < 0 {
            let message = format!("a query failed with status {status}: {query}");
            return Err(report(Code::ERRCODE_INTERNAL_ERROR, message));
        }
        Ok(Rows {
            table: pg_sys::SPI_tuptable,
            count: pg_sys::SPI_processed as usize,
            connection: PhantomData,
        })
    }
}
