//! What a session knows about itself: who acts, which statement runs, and whether a change
//! is our own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::error::SqlResult;
use crate::{pg, settings};

/// Longest name of a person, in characters.
const MAX_ACTOR_CHARS: usize = 256;

/// Who made a decision.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The person, as they say.
    pub name: String,
    /// `session_user`
    pub connected_as: String,
    /// `current_user`
    pub acting_as: String,
    /// `application_name`
    pub application: Option<String>,
}

impl Actor {
    /// The argument, else `pg_triage.actor`, else the claim of a web token (PostgREST puts
    /// it into `request.jwt.claims`), else the role.
    pub fn new(given: Option<&str>) -> Self {
        let acting_as = pg::current_user();
        let name = given
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .or_else(settings::actor)
            .or_else(claimed)
            .unwrap_or_else(|| acting_as.clone());
        Self {
            name: name.chars().take(MAX_ACTOR_CHARS).collect(),
            connected_as: pg::session_user(),
            acting_as,
            application: pg::application_name(),
        }
    }
}

fn claimed() -> Option<String> {
    const MOST: usize = 65_536;
    let claims = pg::setting(c"request.jwt.claims")?;
    if claims.len() > MOST {
        return None;
    }
    let claims: serde_json::Value = serde_json::from_str(&claims).ok()?;
    ["email", "preferred_username", "sub"]
        .iter()
        .find_map(|claim| Some(claims.get(claim)?.as_str()?.trim().to_owned()))
        .filter(|name| !name.is_empty())
}

thread_local! {
    /// Trigger depth at which our own statement was issued.
    static OWN_CHANGE: Cell<Option<i32>> = const { Cell::new(None) };
    static ERASING: Cell<Option<i32>> = const { Cell::new(None) };
    static BASE_HELD: Cell<Option<i32>> = const { Cell::new(None) };
    static BATCH: Cell<Option<(i64, i64)>> = const { Cell::new(None) };
    static CHANGED_ROWS: Cell<u64> = const { Cell::new(0) };
    static DECIDED: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
}

type Mark = std::thread::LocalKey<Cell<Option<i32>>>;

/// Puts a mark back when it goes, also when an error unwinds.
struct Marked {
    mark: &'static Mark,
    before: Option<i32>,
}

impl Marked {
    fn set(mark: &'static Mark) -> Self {
        let before = mark.replace(Some(pg::trigger_depth()));
        Self { mark, before }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.mark.set(self.before);
    }
}

/// Whether a trigger fires because of the marked statement itself, not because of what
/// another trigger did in it.
fn is_direct(mark: &'static Mark) -> bool {
    mark.get()
        .is_some_and(|depth| pg::trigger_depth() == depth + 1)
}

/// Runs `f`, whose changes our triggers leave alone.
pub fn as_own_change<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&OWN_CHANGE);
    f()
}

/// Whether a trigger fires because of our own change.
pub fn is_own_change() -> bool {
    is_direct(&OWN_CHANGE)
}

/// Runs `f`, during which nobody else may write the base, not even this session.
pub fn holding_base<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&BASE_HELD);
    f()
}

/// Whether a statement of this session is at work on the base.
pub fn base_is_held() -> bool {
    BASE_HELD.get().is_some()
}

/// Runs `f`, which may delete from the ledger.
pub fn as_erasure<R>(f: impl FnOnce() -> R) -> R {
    let _marked = Marked::set(&ERASING);
    f()
}

/// Whether the ledger may be deleted from.
pub fn is_erasure() -> bool {
    is_direct(&ERASING)
}

/// Begins a statement: its decisions get a batch of their own.
pub fn begin_batch() {
    BATCH.set(None);
    CHANGED_ROWS.set(0);
}

/// Number of the statement's batch; `new` makes one.
pub fn batch(new: impl FnOnce() -> SqlResult<i64>) -> SqlResult<i64> {
    let now = pg::statement_time();
    match BATCH.get() {
        Some((statement, batch)) if statement == now => Ok(batch),
        _ => {
            let batch = new()?;
            BATCH.set(Some((now, batch)));
            Ok(batch)
        }
    }
}

/// Counts one more row that the statement changes.
pub fn count_changed_row() -> u64 {
    CHANGED_ROWS.set(CHANGED_ROWS.get() + 1);
    CHANGED_ROWS.get()
}

/// Notes a decision, for [`take_decided`].
pub fn note_decided(classifier: &str) {
    DECIDED.with_borrow_mut(|decided| match decided.get_mut(classifier) {
        Some(n) => *n += 1,
        None => {
            decided.insert(classifier.to_owned(), 1);
        }
    });
}

/// Classifiers decided about since the last call, with the number of decisions.
pub fn take_decided() -> BTreeMap<String, u64> {
    DECIDED.take()
}

/// True for every n-th call.
pub fn one_in(n: u64) -> bool {
    thread_local! {
        static CALLS: Cell<u64> = const { Cell::new(0) };
    }
    CALLS.set(CALLS.get().wrapping_add(1));
    CALLS.get().is_multiple_of(n)
}

/// Whether [`take_decided`] would return anything.
pub fn has_decided() -> bool {
    DECIDED.with_borrow(|decided| !decided.is_empty())
}
