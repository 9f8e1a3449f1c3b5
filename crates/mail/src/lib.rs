//! Raw RFC 5322 messages: headers, the best text, and what is attached.
//!
//! One pass over the lines finds the parts ([`structure`]), within [`Limits`]; then the fields
//! of the message ([`field`]) and the parts that are its text ([`body`]) are decoded, and
//! nothing else.
//!
//! Long loops call a [`Poll`] callback, so that a host can cancel them; the callback may unwind.
#![forbid(unsafe_code)]

mod address;
mod body;
mod charset;
mod date;
mod field;
mod flowed;
mod guard;
mod html;
mod identity;
mod language;
mod limits;
mod line_ends;
mod lines;
mod message;
mod parse;
mod poll;
mod section;
mod structure;
mod thread;
mod transfer;
mod words;

pub use identity::content_hash;
pub use limits::{Limits, memory};
pub use message::{Attachment, Message};
pub use parse::parse;
pub use poll::{Poll, never_cancelled};
pub use thread::thread_id;
