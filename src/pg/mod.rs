//! The only unsafe code: what PostgreSQL offers to C and pgrx does not wrap.
#![allow(unsafe_code)]

mod aggregate;
mod argument;
mod artifact;
mod attachment;
mod column;
mod constraint;
mod content;
mod dependencies;
mod environment;
mod generated;
mod interrupt;
mod key;
mod label_table;
mod partition;
mod received;
mod relation;
mod rights;
pub mod shared_memory;
mod snapshot;
mod spi;
mod subtransaction;
mod transition;
mod trigger;
mod unique;
pub mod worker;

pub use aggregate::{state_of, with_state};
pub use argument::{optional_bool, raw_argument, text_argument, text_array_argument};
pub use artifact::{RawValue, buffer, copy, pinned_model, receive};
pub use attachment::{AttachedTable, KeyColumn, attached_table, label_column, listed};
pub use column::{Column, Timestamp};
pub use constraint::{Check, ForeignKey, Generated, Rules, completed, empty_row, rules_of};
pub use content::{Content, content_argument};
pub use environment::{
    application_name, current_user, in_transaction_block, is_parallel_worker, is_restoring,
    is_restricted, is_subtransaction_running, keeps_one_snapshot, random, reserve_setting_prefix,
    session_user, setting, statement_time, subtransaction, transaction_time, trigger_depth,
};
pub use interrupt::{check_for_interrupts, pause, probe_for_text, probe_for_work};
pub use key::key_parts;
pub use label_table::{LabelColumns, LabelTable, Mark, label_table};
pub use relation::{
    extension_relation, is_owner, lock_against_changes, lock_for_rows, qualified_name,
    relation_exists, try_lock_against_changes,
};
pub use rights::{
    OWN_PATH, as_owner_of, as_table_owner, hides_rows, hides_rows_from_owner, is_one_of, on_path,
    prevent_if_read_only,
};
pub use snapshot::{
    SnapshotTime, calling_command, invalidate_relation, invalidations, latest_snapshot_time,
    name_changes, snapshot_time, watch_invalidations, watch_names, watch_relation,
};
pub use spi::{Connection, ResultRow, Rows, Sees, connected, execute_once};
pub use subtransaction::{Caught, catching, catching_error};
pub use trigger::{Event, Returned, Row, Trigger, Value};
pub use worker::report_activity;
