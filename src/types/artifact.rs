//! The types `email_state` and `email_model`: input, output, and how their values are read
//! within the memory that training may use. Both are the bytes of an artifact; the text form is
//! their base64, so that dump and restore give the same bytes.

use std::ffi::{CStr, CString};

use base64::prelude::{BASE64_STANDARD, Engine};
use pg_triage_classifier::{Error, Model, State};
use pgrx::datum::Internal;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::error::{SqlResult, from_classifier, report};
use crate::pg::{self, RawValue};
use crate::settings;

/// A dumped row stays below 1 GB, and the text form is a third longer than the value. 4 MB
/// are left for the row's other columns.
pub const MAX_VALUE_BYTES: usize = ((1 << 30) - (4 << 20)) / 4 * 3;
const _: () = assert!(MAX_VALUE_BYTES.div_ceil(3) * 4 + (1 << 20) < 1 << 30);

/// Refuses what could be stored but not dumped.
pub fn storable(bytes: Vec<u8>, sql_type: &str) -> SqlResult<Vec<u8>> {
    if bytes.len() <= MAX_VALUE_BYTES {
        return Ok(bytes);
    }
    Err(report(
        Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        format!(
            "{sql_type} of {} MB is over the {} MB that pg_dump can write: train on fewer or shorter emails",
            bytes.len() >> 20,
            MAX_VALUE_BYTES >> 20
        ),
    ))
}

/// The bytes of a state, as they are stored.
pub fn state_bytes(state: &mut State) -> SqlResult<Vec<u8>> {
    let bytes = state
        .to_bytes(&pg::check_for_interrupts)
        .map_err(from_classifier)?;
    storable(bytes, "email_state")
}

/// Reads a state within the memory that training may use.
pub fn load_state(bytes: &[u8]) -> SqlResult<State> {
    // In memory it takes no less than stored.
    if bytes.len() > settings::training_memory() {
        return Err(too_large(0));
    }
    within_memory(State::from_bytes(bytes, &pg::check_for_interrupts).map_err(from_classifier)?)
}

/// Passes a state on, unless it takes more memory than training may use.
pub fn within_memory(state: State) -> SqlResult<State> {
    check_memory(&state)?;
    Ok(state)
}

/// Refuses a state that takes more memory than training may use.
pub fn check_memory(state: &State) -> SqlResult<()> {
    if state.bytes() > settings::training_memory() {
        return Err(too_large(state.documents()));
    }
    Ok(())
}

fn too_large(documents: u64) -> ErrorReport {
    let limit = settings::training_memory();
    from_classifier(Error::StateTooLarge { limit, documents })
}

/// Opens a model for classifying: without the counts that training needs.
pub fn open_model(bytes: &[u8]) -> SqlResult<Model> {
    Model::from_front(pg::copy(bytes)?, &pg::check_for_interrupts).map_err(from_classifier)
}

/// The counts that a stored model keeps, within the memory that training may use.
pub fn model_state(model: RawValue) -> SqlResult<State> {
    let bytes = model.content()?;
    within_memory(Model::state(&bytes, &pg::check_for_interrupts).map_err(from_classifier)?)
}

/// Characters of base64 between two polls: whole groups of four.
const TEXT_PER_POLL: usize = 16 << 20;

fn decode(text: &CStr, sql_type: &str) -> SqlResult<Vec<u8>> {
    let text = text.to_bytes();
    let mut bytes = pg::buffer(base64::decoded_len_estimate(text.len()))?;
    let mut piece = pg::buffer(TEXT_PER_POLL)?;
    // encode() breaks lines.
    let mut characters = text.iter().filter(|c| !c.is_ascii_whitespace());
    loop {
        pg::check_for_interrupts();
        piece.clear();
        piece.extend(characters.by_ref().take(TEXT_PER_POLL));
        // Padding is for the end: a piece of whole groups that has it is the last one.
        if piece.is_empty() {
            return Ok(bytes);
        }
        let ended = bytes.len() % 3 != 0;
        if ended || BASE64_STANDARD.decode_vec(&piece, &mut bytes).is_err() {
            return Err(report(
                Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
                format!("invalid input for type {sql_type}: it is not base64"),
            ));
        }
    }
}

fn encode(bytes: &[u8]) -> SqlResult<CString> {
    let length = bytes.len().div_ceil(3) * 4;
    let mut text = pg::buffer(length + 1)?;
    for piece in bytes.chunks(TEXT_PER_POLL / 4 * 3) {
        pg::check_for_interrupts();
        let start = text.len();
        text.resize(start + piece.len().div_ceil(3) * 4, 0);
        // Cannot fail: there is room.
        let _ = BASE64_STANDARD.encode_slice(piece, &mut text[start..]);
    }
    // Cannot fail: base64 holds no zero byte.
    Ok(CString::new(text).unwrap_or_default())
}

fn valid_state(bytes: Vec<u8>) -> SqlResult<Vec<u8>> {
    let bytes = storable(bytes, "email_state")?;
    State::from_bytes(&bytes, &pg::check_for_interrupts).map_err(from_classifier)?;
    Ok(bytes)
}

fn valid_model(bytes: Vec<u8>) -> SqlResult<Vec<u8>> {
    let bytes = storable(bytes, "email_model")?;
    let model = Model::from_bytes(bytes, &pg::check_for_interrupts).map_err(from_classifier)?;
    Ok(model.into_bytes())
}

#[pg_extern(sql = false)]
fn email_state_in(text: &CStr) -> SqlResult<Vec<u8>> {
    valid_state(decode(text, "email_state")?)
}

#[pg_extern(sql = false)]
fn email_state_out(bytes: &[u8]) -> SqlResult<CString> {
    encode(bytes)
}

#[pg_extern(sql = false)]
fn email_state_recv(buffer: Internal) -> SqlResult<Vec<u8>> {
    valid_state(pg::receive(buffer)?)
}

#[pg_extern(sql = false)]
fn email_state_send(bytes: &[u8]) -> &[u8] {
    bytes
}

#[pg_extern(sql = false)]
fn email_model_in(text: &CStr) -> SqlResult<Vec<u8>> {
    valid_model(decode(text, "email_model")?)
}

#[pg_extern(sql = false)]
fn email_model_out(bytes: &[u8]) -> SqlResult<CString> {
    encode(bytes)
}

#[pg_extern(sql = false)]
fn email_model_recv(buffer: Internal) -> SqlResult<Vec<u8>> {
    valid_model(pg::receive(buffer)?)
}

#[pg_extern(sql = false)]
fn email_model_send(bytes: &[u8]) -> &[u8] {
    bytes
}
