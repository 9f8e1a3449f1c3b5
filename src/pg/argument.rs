//! Arguments of SQL functions that pgrx would copy or detoast.

use pgrx::{FromDatum, pg_sys};

use super::artifact::RawValue;

fn argument(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<pg_sys::Datum> {
    // SAFETY: the server's call of one of our functions; a missing argument panics.
    unsafe {
        let argument = (*fcinfo).args.as_slice((*fcinfo).nargs as usize)[index];
        (!argument.isnull).then_some(argument.value)
    }
}

/// Argument `index`, of a variable-length type, not detoasted.
pub fn raw_argument(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<RawValue> {
    argument(fcinfo, index).map(|datum| RawValue(datum.cast_mut_ptr()))
}

/// Argument `index`, of type text. Borrowed from the server's memory, because it can be of
/// any size.
pub fn text_argument(fcinfo: &pg_sys::FunctionCallInfo, index: usize) -> Option<&str> {
    // SAFETY: the SQL declaration says text, and what is detoasted lives until the call ends.
    argument(*fcinfo, index).and_then(|datum| unsafe { <&str>::from_datum(datum, false) })
}

/// Argument `index`, of type boolean.
pub fn optional_bool(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Option<bool> {
    // SAFETY: the SQL declaration says boolean.
    argument(fcinfo, index).and_then(|datum| unsafe { bool::from_datum(datum, false) })
}

/// Argument `index`, of type text[]; empty for NULL.
pub fn text_array_argument(fcinfo: pg_sys::FunctionCallInfo, index: usize) -> Vec<String> {
    // SAFETY: the SQL declaration says text[].
    let texts = argument(fcinfo, index)
        .and_then(|datum| unsafe { Vec::<Option<String>>::from_datum(datum, false) });
    texts.unwrap_or_default().into_iter().flatten().collect()
}
