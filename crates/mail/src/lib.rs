//! Raw mail for pg_triage: an RFC 5322 message as the text that the classifier sees, in linear
//! time and bounded memory, whatever the bytes are.
//!
//! # The way of the data
//!
//! bytes -> lines with one kind of end -> parts and their header sections, within [`Limits`] ->
//! decoded fields and the parts that are text -> [`Message`] -> [`Message::text`]: header lines
//! that say something about the label, subject, body. Nothing else is decoded. Beside it,
//! [`content_hash`] tells whether two messages are the same one, and [`thread_id`] which belong
//! together.
//!
//! Long loops call a [`Poll`] callback, so that a host can cancel them; the callback may unwind.
//!
//! A module imports only from lower layers, which `docs/architecture.md` lists.
//!
//! # Where to add
//!
//! - **A header field**: its name in `section.rs`; where it is decoded in `field.rs`; a field of
//!   [`Message`], filled in `parse.rs`. A line for the classifier in [`Message::header`] needs a
//!   line of the same name in the tokenizer, and a new tokenizer version.
//! - **A reader of another format of text** (beside plain text, HTML, RTF, calendars, vCards): a
//!   module of its own that gives text within a limit of bytes and polls, as `html` does; its
//!   `Format` and media types in `media_type.rs`, and a case in `body.rs`.
//! - **A format that holds other parts**: a module that finds them, and a case in `packed.rs`.
//! - **A transfer encoding**: `transfer.rs`.
//! - **A container of messages** (mbox, Maildir) is no message: it is taken apart before.
#![forbid(unsafe_code)]

mod guard;
mod limits;
mod lines;
mod media_type;
mod poll;

mod line_ends;
mod section;
mod stand_in;
mod transfer;

mod address;
mod charset;
mod date;
mod field;
mod words;

mod cms;
mod lzfu;
mod message;
mod rtf;
mod structure;
mod tnef;

mod packed;
mod reading;

mod blocks;
mod body;
mod calendar;
mod contact;
mod content_line;
mod flowed;
mod html;
mod language;
mod report;

mod identity;
mod parse;
mod thread;

pub use identity::content_hash;
pub use limits::{Limits, memory};
pub use message::{Attachment, Message};
pub use parse::parse;
pub use poll::{Poll, never_cancelled};
pub use thread::thread_id;
