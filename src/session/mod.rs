//! What a session knows about itself: who acts, which statement runs, and whether a change
//! is our own.

mod actor;
mod own_change;
mod statement;
mod to_undo;

pub use actor::Actor;
pub use own_change::{
    Change, as_erasure, as_label_change, as_own_change, base_is_held, has_own_change, holding_base,
    is_erasure, is_label_change, is_own_change,
};
pub use statement::{
    activity, batch, batch_beyond, begin_batch, count_changed_row, has_decided, list_row,
    name_label, names_label, note_decided, note_received, one_in, take_batch, take_decided,
    take_listed_row,
};
pub use to_undo::{ToUndo, list_to_undo, take_to_undo};
