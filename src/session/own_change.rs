//! Which changes are our own: triggers leave them alone, and let through what nobody else may do.

use std::cell::Cell;

use crate::pg;

thread_local! {
    static OWN_CHANGE: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static CHANGING_LABELS: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static ERASING: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static BASE_HELD: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
}

/// What a statement of ours changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `triage.review`
    Review,
    /// The label column of this attachment.
    Label(i64),
    /// The ledger.
    Ledger,
    /// `triage_internal.base`
    Base,
}

/// Kind of a statement of ours, and the trigger depth at which it was issued.
type Mark = std::thread::LocalKey<Cell<Option<(Change, i32)>>>;

/// Puts a mark back when it goes, also when an error unwinds.
struct Marked {
    mark: &'static Mark,
    before: Option<(Change, i32)>,
}

impl Marked {
    fn set(mark: &'static Mark, change: Change) -> Self {
        let before = mark.replace(Some((change, pg::trigger_depth())));
        Self { mark, before }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.mark.set(self.before);
    }
}

/// Whether a trigger fires because of the marked statement itself: not because of what
/// another trigger did in it, nor of what a rule or a constraint of the table did elsewhere.
fn is_direct(mark: &'static Mark, change: Change) -> bool {
    mark.get() == Some((change, pg::trigger_depth() - 1))
}

/// Runs `f`, whose changes of this kind our triggers leave alone.
pub fn as_own_change<R>(change: Change, f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&OWN_CHANGE, change);
    f()
}

/// Whether a change of ours is under way. Costs nothing.
pub fn has_own_change() -> bool {
    OWN_CHANGE.get().is_some()
}

/// Whether a trigger fires because of our own change.
pub fn is_own_change(change: Change) -> bool {
    is_direct(&OWN_CHANGE, change)
}

/// Runs `f`, during which nobody else may write the base, not even this session.
pub fn holding_base<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&BASE_HELD, Change::Base);
    f()
}

/// Whether a statement of this session is at work on the base.
pub fn base_is_held() -> bool {
    BASE_HELD.get().is_some()
}

/// Runs `f`, which may delete from the ledger.
pub fn as_erasure<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&ERASING, Change::Ledger);
    f()
}

/// Runs `f`, which gives rows of the ledger and labels other names.
pub fn as_label_change<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&CHANGING_LABELS, Change::Ledger);
    f()
}

/// Whether a trigger fires because labels get other names; asked by the trigger, or by the condition
/// of one.
pub fn is_label_change() -> bool {
    let in_condition = CHANGING_LABELS.get() == Some((Change::Ledger, pg::trigger_depth()));
    in_condition || is_direct(&CHANGING_LABELS, Change::Ledger)
}

/// Whether the ledger may be deleted from.
pub fn is_erasure() -> bool {
    is_direct(&ERASING, Change::Ledger)
}
