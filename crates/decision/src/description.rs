//! The description of a label: one small email that teaches it.

use crate::outcome::{Decision, Effect, Kind};
use crate::request::Door;

/// The decision with which a label's description is learned, or, if there is none any more
/// (`is_empty`), forgotten. `earlier` is the decision that taught the one before.
pub fn describe(label: &str, earlier: Option<i64>, is_empty: bool) -> Decision {
    let label = || label.to_owned();
    Decision {
        kind: if is_empty { Kind::Undo } else { Kind::Import },
        door: Door::Description,
        old_label: earlier.map(|_| label()),
        new_label: (!is_empty).then(label),
        note: None,
        replaces: earlier,
        undoes: earlier.filter(|_| is_empty),
        effect: if is_empty {
            Effect::Nothing
        } else {
            Effect::Email
        },
        queue_reason: None,
    }
}
