//! Ways in for mail: reading and storing raw messages, what web hooks post, and the sample mails.

mod ingest;
mod sample_mails;
mod web_hook;
