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
    static OWN_CHANGE: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static ERASING: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static BASE_HELD: Cell<Option<(Change, i32)>> = const { Cell::new(None) };
    static STATEMENT: Cell<Statement> = const { Cell::new(Statement::NONE) };
    static DECIDED: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
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

/// Whether the ledger may be deleted from.
pub fn is_erasure() -> bool {
    is_direct(&ERASING, Change::Ledger)
}

/// A statement that decides.
#[derive(Clone, Copy)]
struct Statement {
    /// When the client sent it, and how many triggers deep it is.
    time: i64,
    depth: i32,
    batch: Option<i64>,
    changed_rows: u64,
}

impl Statement {
    const NONE: Self = Self {
        time: 0,
        depth: 0,
        batch: None,
        changed_rows: 0,
    };
}

/// Begins a statement: its decisions get a batch of their own, unless a trigger of another
/// one issued it.
pub fn begin_batch() {
    let (time, depth) = (pg::statement_time(), pg::trigger_depth());
    let running = STATEMENT.get();
    if running.time == time && running.depth > 0 && running.depth < depth {
        return;
    }
    STATEMENT.set(Statement {
        time,
        depth,
        ..Statement::NONE
    });
}

/// Number of the statement's batch; `new` makes one.
pub fn batch(new: impl FnOnce() -> SqlResult<i64>) -> SqlResult<i64> {
    let time = pg::statement_time();
    let mut statement = STATEMENT.get();
    if statement.time != time {
        statement = Statement {
            time,
            ..Statement::NONE
        };
    }
    let batch = match statement.batch {
        Some(batch) => batch,
        None => new()?,
    };
    statement.batch = Some(batch);
    STATEMENT.set(statement);
    Ok(batch)
}

/// Counts one more row that the statement changes.
pub fn count_changed_row() -> u64 {
    let mut statement = STATEMENT.get();
    statement.changed_rows += 1;
    STATEMENT.set(statement);
    statement.changed_rows
}

/// Notes a decision, for [`take_decided`].
pub fn note_decided(classifier: &str) {
    pg::shared_memory::wake_at_commit(pg::shared_memory::WakeRequest::Now);
    DECIDED.with_borrow_mut(|decided| match decided.get_mut(classifier) {
        Some(n) => *n += 1,
        None => {
            decided.insert(classifier.to_owned(), 1);
        }
    });
}

/// Notes that an email has got a review.
pub fn note_received() {
    pg::shared_memory::wake_at_commit(pg::shared_memory::WakeRequest::Look);
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
