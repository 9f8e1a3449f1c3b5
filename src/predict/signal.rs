//! The signal that tells every session's models that what they were read from has changed.

use pgrx::{pg_extern, pg_sys};

use crate::error::SqlResult;
use crate::pg;
use crate::store::label_table::signal_names;

/// Row and statement trigger of the tables that models are read from.
#[pg_extern(sql = false)]
fn signal_change(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<()> {
    let changed = pg::Trigger::new(fcinfo)?.relation();
    // Names of ids are spelled as the labels are.
    if Some(changed) == pg::extension_relation(c"triage", c"label")
        || Some(changed) == pg::extension_relation(c"triage_internal", c"source")
    {
        signal_names();
    }
    // Gone only while the extension is being dropped: then nobody needs the signal.
    if let Some(signal) = pg::extension_relation(c"triage_internal", c"model_signal") {
        pg::invalidate_relation(signal);
    }
    if pg::is_restoring() {
        pg::worker::begin_restore();
    }
    Ok(())
}
