//! Every setting of pg_triage.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

static TRAINING_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1 << 20);

/// Declares the settings to the server.
pub fn register() {
    GucRegistry::define_int_guc(
        c"pg_triage.training_memory",
        c"Most memory that one training state may use.",
        c"A training aggregate that needs more stops with an error that says after how many \
          emails. Each parallel worker and each group has a state of its own; making the \
          model from it takes about as much again.",
        &TRAINING_MEMORY,
        1 << 10,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    crate::pg::reserve_setting_prefix(c"pg_triage");
}

/// `pg_triage.training_memory` in bytes.
pub fn training_memory() -> usize {
    usize::try_from(TRAINING_MEMORY.get()).unwrap_or(0) << 10
}
