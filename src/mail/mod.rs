//! Ways in for raw mail: reading and storing messages, and the demo mails.

mod demo;
mod ingest;
