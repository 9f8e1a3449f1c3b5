//! Ways in for raw mail: reading and storing messages, and the sample mails.

mod demo;
mod ingest;
