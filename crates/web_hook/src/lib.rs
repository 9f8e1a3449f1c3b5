//! What the web hooks of mail services post, as raw messages.
//!
//! # The way of the data
//!
//! JSON -> a tree, with the JSON that is in its texts -> the payloads of single messages in it -> for
//! each a [`Shape`], which says where the text is -> the raw message that it holds, or one composed
//! of its fields (RFC 5322, 2045). Raw messages are read by others.
//!
//! Time and memory are linear in the size of the payload; long loops call a [`Poll`] callback, so
//! that a host can cancel them; the callback may unwind.
//!
//! # Where to add
//!
//! - **A service**: names of keys in `built_in.txt`, each list in the order of preference. Only where a key says
//!   which other one holds the text (parts of a message) code is needed: `parted.rs`.
//! - **A reason to refuse**, where a service keeps the text elsewhere: `notice` in `refusal.rs`.
//! - **A form of address, date or header**: `header.rs`.
#![forbid(unsafe_code)]

mod json;
mod poll;

mod path;
mod text;

mod attachment;
mod header;
mod shape;

mod compose;
mod form;
mod parted;
mod refusal;

mod message;
mod read;

pub use poll::Poll;
pub use read::{Payload, memory, read};
pub use refusal::Refusal;
pub use shape::{PARTS, Shape};
