//! Transition states of aggregates, on the Rust heap.

use pgrx::datum::Internal;
use pgrx::{PgMemoryContexts, PgSqlErrorCode as Code, pg_sys};

use crate::error::{SqlResult, report};

/// Runs `f` on the aggregate's transition state, made on first use. It lives on the Rust
/// heap until the server resets the aggregate's memory context.
pub fn with_state<T: Default, R>(
    state: &mut Internal,
    fcinfo: pg_sys::FunctionCallInfo,
    f: impl FnOnce(&mut T) -> R,
) -> SqlResult<R> {
    let mut context = std::ptr::null_mut();
    // SAFETY: `fcinfo` comes from the server's call of an SQL function. `internal` values
    // cannot be made in SQL, so the state is one that this function made, with this type.
    unsafe {
        if pg_sys::AggCheckCallContext(fcinfo, &mut context) == 0 {
            return Err(report(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this function can only be called by its aggregate",
            ));
        }
        let state: *mut T = PgMemoryContexts::For(context)
            .switch_to(|_| std::ptr::from_mut(state.get_or_insert_default::<T>()));
        Ok(f(&mut *state))
    }
}

/// The transition state if there is one.
pub fn state_of<T>(state: &mut Internal) -> Option<&mut T> {
    // SAFETY: see `with_state`.
    unsafe { state.get_mut::<T>() }
}
