//! Keys of attached rows as text: the same whatever the session's settings are, and such that
//! the key's type reads it back.

use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::artifact::copy;
use crate::error::SqlResult;

/// The key that the columns `numbers` hold; `None` if one of them is null. A key of several
/// columns is a JSON array of their texts.
///
/// # Safety
/// A tuple of this description.
pub(super) unsafe fn key_text(
    tuple: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
    numbers: impl ExactSizeIterator<Item = i32>,
) -> SqlResult<Option<String>> {
    let is_single = numbers.len() == 1;
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        match unsafe { column_text(tuple, description, number) }? {
            Some(part) if is_single => return Ok(Some(part)),
            Some(part) => parts.push(part),
            None => return Ok(None),
        }
    }
    // Strings always become JSON.
    Ok(serde_json::to_string(&parts).ok())
}

/// The columns of a key that [`key_text`] made of so many; `None` if it was another number.
pub fn key_parts(key: &str, columns: usize) -> Option<Vec<String>> {
    if columns == 1 {
        return Some(vec![key.to_owned()]);
    }
    let parts: Vec<String> = serde_json::from_str(key).ok()?;
    (parts.len() == columns).then_some(parts)
}

/// # Safety
/// A tuple of this description.
unsafe fn column_text(
    tuple: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
    number: i32,
) -> SqlResult<Option<String>> {
    unsafe {
        let mut is_null = false;
        let datum = pg_sys::SPI_getbinval(tuple, description, number, &mut is_null);
        if is_null {
            return Ok(None);
        }
        let type_id = pg_sys::getBaseType(pg_sys::SPI_gettypeid(description, number));
        match type_id {
            pg_sys::DATEOID
            | pg_sys::TIMEOID
            | pg_sys::TIMETZOID
            | pg_sys::TIMESTAMPOID
            | pg_sys::TIMESTAMPTZOID => time_text(datum, type_id).map(Some),
            _ => {
                let text = pg_sys::SPI_getvalue(tuple, description, number);
                let bytes = CStr::from_ptr(text).to_bytes();
                let bytes = match type_id {
                    // The blanks that fill char(n) mean nothing.
                    pg_sys::BPCHAROID => {
                        let last = bytes.iter().rposition(|&byte| byte != b' ');
                        &bytes[..last.map_or(0, |last| last + 1)]
                    }
                    _ => bytes,
                };
                let owned = copy(bytes)?;
                pg_sys::pfree(text.cast());
                Ok(Some(String::from_utf8_lossy(&owned).into_owned()))
            }
        }
    }
}

/// ISO 8601, in UTC where there is a zone.
///
/// # Safety
/// A date or time of this type.
unsafe fn time_text(datum: pg_sys::Datum, type_id: pg_sys::Oid) -> SqlResult<String> {
    let mut buffer = [0 as c_char; pg_sys::MAXDATELEN as usize + 1];
    let utc = 0;
    unsafe {
        pg_sys::JsonEncodeDateTime(buffer.as_mut_ptr(), datum, type_id, &utc);
        let text = CStr::from_ptr(buffer.as_ptr());
        Ok(text.to_string_lossy().into_owned())
    }
}
