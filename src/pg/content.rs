//! What columns hold that texts are read from.

use std::ffi::CStr;

use pgrx::pg_sys;
use pgrx::varlena;

use super::artifact::copy;
use crate::error::SqlResult;

/// The value of a column that may hold a text, as its type has it.
pub enum Content {
    /// In its text form.
    Text(String),
    /// The text of a JSON document, which is valid.
    Json(String),
    /// Bytes of a raw message.
    Message(Vec<u8>),
}

/// What an argument of any type holds; `None` for NULL.
pub fn content_argument(
    fcinfo: pg_sys::FunctionCallInfo,
    index: usize,
    most: usize,
) -> SqlResult<Option<Content>> {
    // SAFETY: the server's call of one of our functions; a missing argument panics.
    unsafe {
        let argument = (*fcinfo).args.as_slice((*fcinfo).nargs as usize)[index];
        if argument.isnull {
            return Ok(None);
        }
        let type_id = pg_sys::get_fn_expr_argtype((*fcinfo).flinfo, index as i32);
        content(argument.value, type_id, most).map(Some)
    }
}

/// What a column holds, of a text not more than about `most` bytes; `None` for NULL.
///
/// # Safety
/// A tuple of this description.
pub(super) unsafe fn column_content(
    tuple: pg_sys::HeapTuple,
    description: pg_sys::TupleDesc,
    number: i32,
    most: usize,
) -> SqlResult<Option<Content>> {
    unsafe {
        let mut is_null = false;
        let datum = pg_sys::SPI_getbinval(tuple, description, number, &mut is_null);
        if is_null {
            return Ok(None);
        }
        let type_id = pg_sys::SPI_gettypeid(description, number);
        content(datum, type_id, most).map(Some)
    }
}

/// # Safety
/// A datum of this type.
unsafe fn content(datum: pg_sys::Datum, type_id: pg_sys::Oid, most: usize) -> SqlResult<Content> {
    unsafe {
        let base = match type_id {
            pg_sys::TEXTOID | pg_sys::VARCHAROID => type_id,
            _ => pg_sys::getBaseType(type_id),
        };
        match base {
            pg_sys::TEXTOID | pg_sys::VARCHAROID => {
                stored(datum, |bytes| text(bytes, most)).map(Content::Text)
            }
            pg_sys::BYTEAOID => stored(datum, copy).map(Content::Message),
            _ => {
                let (mut output, mut is_variable) = (pg_sys::InvalidOid, false);
                pg_sys::getTypeOutputInfo(base, &mut output, &mut is_variable);
                let value = pg_sys::OidOutputFunctionCall(output, datum);
                let bytes = CStr::from_ptr(value).to_bytes();
                let content = match base {
                    // Its end is needed, too.
                    pg_sys::JSONOID | pg_sys::JSONBOID => {
                        text(bytes, usize::MAX).map(Content::Json)
                    }
                    // The blanks that fill char(n) mean nothing.
                    pg_sys::BPCHAROID => text(bytes.trim_ascii_end(), most).map(Content::Text),
                    _ => text(bytes, most).map(Content::Text),
                };
                pg_sys::pfree(value.cast());
                content
            }
        }
    }
}

/// What `read` makes of the bytes of a value, which is detoasted for that long.
///
/// # Safety
/// A datum of a variable-length type.
unsafe fn stored<R>(
    datum: pg_sys::Datum,
    read: impl FnOnce(&[u8]) -> SqlResult<R>,
) -> SqlResult<R> {
    unsafe {
        let stored: *mut pg_sys::varlena = datum.cast_mut_ptr();
        let value = pg_sys::pg_detoast_datum_packed(stored);
        let result = read(varlena::varlena_to_byte_slice(value));
        if value != stored {
            pg_sys::pfree(value.cast());
        }
        result
    }
}

fn text(bytes: &[u8], most: usize) -> SqlResult<String> {
    let bytes = copy(&bytes[..bytes.len().min(most)])?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
