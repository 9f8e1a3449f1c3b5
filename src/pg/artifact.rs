//! Stored artifacts: large values, read in pieces, and how they are passed on.

use std::ffi::CStr;
use std::ops::Range;
use std::rc::Rc;

use pg_triage_classifier::artifact::{HEADER_BYTES, Header, Kind};
use pg_triage_classifier::{CellCounts, Model};
use pgrx::datum::{DatumWithOid, Internal};
use pgrx::{PgMemoryContexts, PgSqlErrorCode as Code, pg_sys, varlena};

use super::interrupt::check_for_interrupts;
use super::relation::{column_type, extension_relation};
use crate::error::{SqlResult, from_classifier, report};

/// The rest of a message that a binary receive function was given.
pub fn receive(buffer: Internal) -> SqlResult<Vec<u8>> {
    // SAFETY: the server passes a StringInfo to receive functions; they must consume it.
    unsafe {
        let info: &mut pg_sys::StringInfoData = buffer
            .unwrap() // of pgrx: returns an Option, and never panics
            .and_then(|datum| datum.cast_mut_ptr::<pg_sys::StringInfoData>().as_mut())
            .ok_or_else(|| report(Code::ERRCODE_NULL_VALUE_NOT_ALLOWED, "nothing to receive"))?;
        let (from, to) = (info.cursor.max(0) as usize, info.len.max(0) as usize);
        let bytes = std::slice::from_raw_parts(info.data.cast::<u8>(), to);
        info.cursor = info.len;
        copy(bytes.get(from..).unwrap_or_default())
    }
}

/// An empty buffer with room for `n` bytes: a failed Rust allocation would end the server.
pub fn buffer(n: usize) -> SqlResult<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(n).map_err(|_| {
        let message = format!("out of memory: could not allocate {n} bytes");
        report(Code::ERRCODE_OUT_OF_MEMORY, message)
    })?;
    Ok(buffer)
}

/// A copy of bytes of any size.
pub fn copy(bytes: &[u8]) -> SqlResult<Vec<u8>> {
    let mut copy = buffer(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// What is read of a large value between two polls.
const SLICE_BYTES: usize = 16 << 20;

/// A value as the executor passes it, still out of line if it is stored so.
#[derive(Clone, Copy)]
pub struct RawValue(pub(super) *mut pg_sys::varlena);

impl RawValue {
    /// As a parameter for SPI, of the type of column `triage_internal.model.model`.
    pub fn argument(self) -> DatumWithOid<'static> {
        let model = extension_relation(c"triage_internal", c"model").unwrap_or(pg_sys::InvalidOid);
        // SAFETY: the value came in as an argument of that type and outlives the statement.
        unsafe { DatumWithOid::new(pg_sys::Datum::from(self.0), column_type(model, c"model")) }
    }

    /// An artifact as a parameter of type `kind`, email_state or email_model.
    pub fn of_bytes(bytes: &[u8], kind: &CStr) -> DatumWithOid<'static> {
        // SAFETY: a copy in the server's memory, of a type that has bytea's representation.
        unsafe {
            let datum = varlena::rust_byte_slice_to_bytea(bytes).into_pg();
            DatumWithOid::new(pg_sys::Datum::from(datum), Self::type_of(kind))
        }
    }

    /// NULL as such a parameter.
    pub fn null(kind: &CStr) -> DatumWithOid<'static> {
        DatumWithOid::null_oid(Self::type_of(kind))
    }

    fn type_of(kind: &CStr) -> pg_sys::Oid {
        let column = match kind {
            kind if kind == c"email_state" => c"learned",
            _ => c"serving",
        };
        let base = extension_relation(c"triage_internal", c"base").unwrap_or(pg_sys::InvalidOid);
        column_type(base, column)
    }

    /// The first `n` bytes of the content, or all if there are fewer; the rest of an
    /// out-of-line value is not read.
    fn front(self, n: usize) -> SqlResult<Vec<u8>> {
        self.part(0..n)
    }

    /// These bytes of the content, or as many of them as there are.
    fn part(self, range: Range<usize>) -> SqlResult<Vec<u8>> {
        let n = range.len();
        let mut part = buffer(n)?;
        while part.len() < n {
            check_for_interrupts();
            let wanted = (n - part.len()).min(SLICE_BYTES);
            let start = range.start + part.len();
            // SAFETY: a valid varlena pointer; the slice is a fresh copy that we free. Values
            // and slices are below 1 GB.
            let got = unsafe {
                let slice = pg_sys::pg_detoast_datum_slice(self.0, start as i32, wanted as i32);
                let bytes = varlena::varlena_to_byte_slice(slice);
                part.extend_from_slice(bytes);
                let got = bytes.len();
                pg_sys::pfree(slice.cast());
                got
            };
            if got < wanted {
                break;
            }
        }
        Ok(part)
    }

    /// The whole content.
    pub fn content(self) -> SqlResult<Vec<u8>> {
        // SAFETY: reads the size that a valid varlena pointer tells.
        let size = unsafe { pg_sys::toast_raw_datum_size(pg_sys::Datum::from(self.0)) };
        self.part(0..size.saturating_sub(pg_sys::VARHDRSZ))
    }

    /// Reads the counts behind a stored model's packed cells.
    pub fn read_counts(self, header: &Header) -> SqlResult<CellCounts> {
        struct Failed(pg_sys::panic::ErrorReport);
        impl From<pg_triage_classifier::Error> for Failed {
            fn from(error: pg_triage_classifier::Error) -> Self {
                Self(from_classifier(error))
            }
        }
        let mut read = |range: Range<usize>| self.part(range).map_err(Failed);
        CellCounts::read(header, &mut read, &check_for_interrupts).map_err(|failed| failed.0)
    }

    /// Reads the header of a stored model.
    pub fn read_header(self) -> SqlResult<Header> {
        let front = self.front(HEADER_BYTES)?;
        let needed = Header::bytes_needed(&front, Kind::Model).map_err(from_classifier)?;
        Header::read(&self.front(needed)?, Kind::Model).map_err(from_classifier)
    }

    /// Reads what classification needs of a stored model.
    pub fn read_model(self) -> SqlResult<Model> {
        self.read_model_after(&self.read_header()?)
    }

    /// Reads what classification needs of a stored model whose header has been read.
    pub fn read_model_after(self, header: &Header) -> SqlResult<Model> {
        let serving = Model::serving_bytes(header).map_err(from_classifier)?;
        Model::from_front(self.front(serving)?, &check_for_interrupts).map_err(from_classifier)
    }

    /// Bytes that tell one value from another within a statement: the pointer of an
    /// out-of-line value, else the artifact's header with its checksum.
    fn fingerprint(self) -> SqlResult<Vec<u8>> {
        // SAFETY: a valid varlena pointer; an on-disk pointer has a fixed size.
        unsafe {
            if varlena::varatt_is_1b_e(self.0) {
                let size = varlena::varsize_any(self.0);
                return copy(std::slice::from_raw_parts(self.0.cast::<u8>(), size));
            }
        }
        self.front(HEADER_BYTES)
    }
}

struct PinnedModel {
    fingerprint: Vec<u8>,
    model: Rc<Model>,
}

/// Opens a model that is passed as an argument once per call site and statement.
pub fn pinned_model(fcinfo: pg_sys::FunctionCallInfo, value: RawValue) -> SqlResult<Rc<Model>> {
    let fingerprint = value.fingerprint()?;
    // SAFETY: `fn_extra` is the function's own, and what it points to lives as long as
    // `fn_mcxt`.
    unsafe {
        let flinfo = (*fcinfo).flinfo;
        if let Some(pinned) = (*flinfo).fn_extra.cast::<PinnedModel>().as_mut() {
            if pinned.fingerprint != fingerprint {
                pinned.model = Rc::new(value.read_model()?);
                pinned.fingerprint = fingerprint;
            }
            return Ok(pinned.model.clone());
        }
        let model = Rc::new(value.read_model()?);
        let pinned =
            PgMemoryContexts::For((*flinfo).fn_mcxt).leak_and_drop_on_delete(PinnedModel {
                fingerprint,
                model: model.clone(),
            });
        (*flinfo).fn_extra = pinned.cast();
        Ok(model)
    }
}
