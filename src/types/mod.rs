//! The classifier's values in their stored form.

mod artifact;
mod json_text;
pub mod ledger;
pub mod text;

pub use artifact::{
    check_memory, load_state, model_state, open_model, state_bytes, storable, within_memory,
};
