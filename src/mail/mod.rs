//! Ways in for raw mail: reading and storing messages, and the sample mails.

mod ingest;
mod sample_mails;
