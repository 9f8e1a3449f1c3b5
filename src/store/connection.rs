//! Connections to the tables, with the rights of their owner: queries through a [`Reader`],
//! statements that change something through a [`Writer`].

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::Deref;

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode as Code, pg_sys};

use super::row::FromRow;
use crate::error::{SqlResult, report};
use crate::pg::{self, Column, Connection, Rows, Sees};

thread_local! {
    /// Who called the statement that calls a function of ours, which takes it: whatever that
    /// function executes of somebody else's is not to act in their name.
    static ON_BEHALF_OF: Cell<Option<String>> = const { Cell::new(None) };
}

/// Decisions read at once: each has some kilobytes.
pub const DECISIONS_AT_ONCE: usize = 500;

/// Queries of one connection. Its methods put SELECT before what they are given: a statement
/// that changes something cannot be made of that, and rows are locked by writers only.
pub struct Reader<'c> {
    pub(super) connection: Connection<'c>,
}

/// Statements that change something, of one connection; and all that a [`Reader`] can do.
pub struct Writer<'c> {
    reader: Reader<'c>,
    /// Who called: written down with every change.
    pub(super) caller: String,
}

impl<'c> Deref for Writer<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

/// Forgets on whose behalf a function is called, also when an error unwinds.
struct OnBehalf;

impl Drop for OnBehalf {
    fn drop(&mut self) {
        ON_BEHALF_OF.take();
    }
}

impl Writer<'_> {
    /// From now on, what is written down is in the name of somebody who has asked for it before.
    pub fn act_for(&mut self, caller: &str) {
        self.caller = caller.to_owned();
    }

    /// Calls a function of ours, which then writes down the caller of this connection as its own:
    /// else that were the owner of the extension. The expression gives one value.
    pub(super) fn call<V: Column>(
        &mut self,
        expression: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Option<V>> {
        ON_BEHALF_OF.set(Some(self.caller.clone()));
        let _forgotten = OnBehalf;
        self.returning_value(&format!("SELECT {expression}"), arguments)
    }
}

/// Runs `f` for an SQL function that writes.
pub fn write<R>(function: &CStr, f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    pg::prevent_if_read_only(function);
    as_owner(f)
}

/// Runs `f` where the caller's statement writes already, or another call has asked whether it
/// may.
pub fn as_owner<R>(f: impl FnOnce(&mut Writer) -> SqlResult<R>) -> SqlResult<R> {
    let caller = ON_BEHALF_OF.take().unwrap_or_else(pg::current_user);
    connected(Sees::Now, |reader| f(&mut Writer { reader, caller }))
}

/// Runs `f`, which sees only what the caller's statement sees: what it reads in several queries
/// fits together.
pub fn read<R>(f: impl FnOnce(&Reader) -> SqlResult<R>) -> SqlResult<R> {
    connected(Sees::CallersSnapshot, |reader| f(&reader))
}

/// Runs `f`, which sees what is committed by now and what the transaction itself has written.
pub fn read_now<R>(f: impl FnOnce(&Reader) -> SqlResult<R>) -> SqlResult<R> {
    connected(Sees::Now, |reader| f(&reader))
}

fn connected<R>(sees: Sees, f: impl FnOnce(Reader) -> SqlResult<R>) -> SqlResult<R> {
    pg::probe_for_work()?;
    pg::as_owner_of(signal_relation()?, || {
        pg::connected(sees, |connection| f(Reader { connection }))
    })
}

/// OID of `triage_internal.model_signal`: stands for the extension's tables.
pub fn signal_relation() -> SqlResult<pg_sys::Oid> {
    pg::extension_relation(c"triage_internal", c"model_signal").ok_or_else(|| {
        report(
            Code::ERRCODE_UNDEFINED_OBJECT,
            "extension pg_triage is not installed in this database: run CREATE EXTENSION pg_triage",
        )
    })
}

impl<'c> Reader<'c> {
    /// This connection, to see only what the caller's statement sees.
    pub fn at_statement(&self) -> Self {
        Self {
            connection: self.connection.seeing(Sees::CallersSnapshot),
        }
    }

    /// Rows of `SELECT columns of T` and the rest of the query: `FROM ...`.
    pub(super) fn rows<T: FromRow>(
        &self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Vec<T>> {
        read_all(&self.select::<T>(rest, arguments)?)
    }

    /// The first of such rows, if there is one.
    pub(super) fn maybe<T: FromRow>(
        &self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Option<T>> {
        let rows = self.select::<T>(rest, arguments)?;
        rows.iter().next().map(|row| T::from_row(&row)).transpose()
    }

    /// The first of such rows, of a query that always gives one.
    pub(super) fn one<T: FromRow>(&self, rest: &str, arguments: &[DatumWithOid]) -> SqlResult<T> {
        self.maybe(rest, arguments)?.ok_or_else(nothing_returned)
    }

    /// The only column of all rows: `SELECT` and the rest of the query, `column FROM ...`.
    pub(super) fn values<V: Column>(
        &self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Vec<V>> {
        first_column(&self.connection.run(&format!("SELECT {rest}"), arguments)?)
    }

    /// The only column of the first row, if there is one.
    pub(super) fn value<V: Column>(
        &self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Option<V>> {
        let rows = self.connection.run(&format!("SELECT {rest}"), arguments)?;
        rows.iter().next().map(|row| row.get(0)).transpose()
    }

    /// Whether `SELECT FROM ...` finds anything.
    pub(super) fn exists(&self, rest: &str, arguments: &[DatumWithOid]) -> SqlResult<bool> {
        let rows = self.connection.run(&format!("SELECT {rest}"), arguments)?;
        Ok(rows.len() > 0)
    }

    fn select<T: FromRow>(&self, rest: &str, arguments: &[DatumWithOid]) -> SqlResult<Rows<'c>> {
        self.connection
            .run(&format!("SELECT {} {rest}", T::COLUMNS), arguments)
    }
}

impl<'c> Writer<'c> {
    /// Runs a statement; returns how many rows it is about.
    pub(super) fn execute(
        &mut self,
        statement: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<usize> {
        Ok(self.connection.run(statement, arguments)?.len())
    }

    /// Rows of `SELECT columns of T` and the rest of the query, locked for an update.
    pub(super) fn lock_all<T: FromRow>(
        &mut self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Vec<T>> {
        self.rows(&format!("{rest} FOR UPDATE"), arguments)
    }

    /// The first of such rows, if there is one.
    pub(super) fn lock_first<T: FromRow>(
        &mut self,
        rest: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Option<T>> {
        self.maybe(&format!("{rest} FOR UPDATE"), arguments)
    }

    /// Rows of a statement, followed by `RETURNING columns of T`.
    pub(super) fn returning<T: FromRow>(
        &mut self,
        statement: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Vec<T>> {
        let query = format!("{statement} RETURNING {}", T::COLUMNS);
        read_all(&self.connection.run(&query, arguments)?)
    }

    /// The only column of the rows that a statement returns.
    pub(super) fn returning_values<V: Column>(
        &mut self,
        statement: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Vec<V>> {
        first_column(&self.connection.run(statement, arguments)?)
    }

    /// The only column of the first row that a statement returns, if there is one.
    pub(super) fn returning_value<V: Column>(
        &mut self,
        statement: &str,
        arguments: &[DatumWithOid],
    ) -> SqlResult<Option<V>> {
        let rows = self.connection.run(statement, arguments)?;
        rows.iter().next().map(|row| row.get(0)).transpose()
    }
}

/// All rows of a result, refused if there is not the memory for what they hold.
fn read_all<T: FromRow>(rows: &Rows) -> SqlResult<Vec<T>> {
    rows.probe()?;
    rows.iter().map(|row| T::from_row(&row)).collect()
}

fn first_column<V: Column>(rows: &Rows) -> SqlResult<Vec<V>> {
    rows.probe()?;
    rows.iter().map(|row| row.get(0)).collect()
}

pub(super) fn nothing_returned() -> pg_sys::panic::ErrorReport {
    report(Code::ERRCODE_INTERNAL_ERROR, "a statement returned no row")
}
