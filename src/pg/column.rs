//! Values of a result's columns, each read as exactly the type that it has.

use pgrx::datum::DatumWithOid;
use pgrx::{FromDatum, PgSqlErrorCode as Code, pg_sys, varlena};

use super::artifact::{RawValue, copy};
use crate::error::{SqlResult, report};

/// A Rust type that a column can be read as.
pub trait Column: Sized {
    /// What a column of another type is told to be.
    const NAME: &'static str;

    /// Whether values of this SQL type are read.
    fn accepts(type_id: pg_sys::Oid) -> bool;

    /// What NULL is; an error for a type that has none.
    fn null() -> Option<Self> {
        None
    }

    /// The value of a column that is not NULL.
    ///
    /// # Safety
    /// A datum of a type that is accepted.
    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self>;
}

impl<T: Column> Column for Option<T> {
    const NAME: &'static str = T::NAME;

    fn accepts(type_id: pg_sys::Oid) -> bool {
        T::accepts(type_id)
    }

    fn null() -> Option<Self> {
        Some(None)
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        // SAFETY: as for the caller.
        unsafe { T::read(datum) }.map(Some)
    }
}

/// Values that the datum itself holds.
macro_rules! by_value {
    ($($type:ty, $name:literal, $oid:ident;)*) => {$(
        impl Column for $type {
            const NAME: &'static str = $name;

            fn accepts(type_id: pg_sys::Oid) -> bool {
                type_id == pg_sys::$oid
            }

            unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
                // SAFETY: a datum of this type, not NULL.
                unsafe { <$type>::from_datum(datum, false) }.ok_or_else(unreadable)
            }
        }
    )*};
}

by_value! {
    bool, "boolean", BOOLOID;
    i32, "integer", INT4OID;
    i64, "bigint", INT8OID;
    f64, "double precision", FLOAT8OID;
    pg_sys::Oid, "oid", OIDOID;
}

impl Column for String {
    const NAME: &'static str = "text";

    fn accepts(type_id: pg_sys::Oid) -> bool {
        matches!(type_id, pg_sys::TEXTOID | pg_sys::VARCHAROID)
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        // SAFETY: text and varchar are both variable-length.
        let bytes = unsafe { content(datum) }?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            // A server with another encoding.
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}

impl Column for Vec<String> {
    const NAME: &'static str = "text[]";

    fn accepts(type_id: pg_sys::Oid) -> bool {
        type_id == pg_sys::TEXTARRAYOID
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        // SAFETY: a datum of this type, not NULL.
        unsafe { Self::from_datum(datum, false) }.ok_or_else(unreadable)
    }
}

impl Column for Vec<u8> {
    const NAME: &'static str = "bytea";

    fn accepts(type_id: pg_sys::Oid) -> bool {
        type_id == pg_sys::BYTEAOID
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        // SAFETY: bytea is variable-length.
        unsafe { content(datum) }
    }
}

/// A value of any variable-length type, not detoasted: the copy is in the memory that the
/// connection to SPI frees when it ends, and must not be used after that.
impl Column for RawValue {
    const NAME: &'static str = "of variable length";

    fn accepts(type_id: pg_sys::Oid) -> bool {
        const VARIABLE: i16 = -1;
        // SAFETY: a syscache look-up.
        unsafe { pg_sys::get_typlen(type_id) == VARIABLE }
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        // SAFETY: a variable-length value; of one that is stored out of line only the pointer
        // is copied.
        unsafe {
            let value: *mut pg_sys::varlena = datum.cast_mut_ptr();
            let bytes = varlena::varsize_any(value);
            let copy = pg_sys::palloc(bytes);
            std::ptr::copy_nonoverlapping(value.cast::<u8>(), copy.cast::<u8>(), bytes);
            Ok(Self(copy.cast()))
        }
    }
}

/// An instant as the server keeps it, so that it is written back exactly: microseconds
/// since 2000-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// As a parameter of type timestamptz; none is NULL.
    pub fn argument(time: Option<Self>) -> DatumWithOid<'static> {
        match time {
            // SAFETY: such a datum is the number itself.
            Some(Self(microseconds)) => unsafe {
                DatumWithOid::new(microseconds, pg_sys::TIMESTAMPTZOID)
            },
            None => DatumWithOid::null_oid(pg_sys::TIMESTAMPTZOID),
        }
    }
}

impl Column for Timestamp {
    const NAME: &'static str = "timestamp with time zone";

    fn accepts(type_id: pg_sys::Oid) -> bool {
        type_id == pg_sys::TIMESTAMPTZOID
    }

    unsafe fn read(datum: pg_sys::Datum) -> SqlResult<Self> {
        Ok(Self(datum.value() as i64))
    }
}

/// The bytes of a variable-length value. The memory for the copy may be refused, and what
/// detoasting took is freed at once: a result can have many.
///
/// # Safety
/// A datum of a variable-length type.
unsafe fn content(datum: pg_sys::Datum) -> SqlResult<Vec<u8>> {
    // SAFETY: as for the caller; what was detoasted is another value than what was passed in.
    unsafe {
        let stored: *mut pg_sys::varlena = datum.cast_mut_ptr();
        let value = pg_sys::pg_detoast_datum_packed(stored);
        let bytes = copy(varlena::varlena_to_byte_slice(value));
        if value != stored {
            pg_sys::pfree(value.cast());
        }
        bytes
    }
}

fn unreadable() -> pg_sys::panic::ErrorReport {
    report(Code::ERRCODE_INTERNAL_ERROR, "a value could not be read")
}
