//! In-server tests.
