//! Training aggregates: `train_classifier`, `collect_emails`, `merge_states`, and
//! `fit_email_model`.

use pg_triage_classifier::{Learner, ParamGuard, State, Tokenizer, Trainer};
use pgrx::datum::Internal;
use pgrx::{notice, pg_extern, pg_sys};

use crate::error::{SqlResult, from_classifier};
use crate::pg;
use crate::types::{check_memory, load_state, state_bytes, storable};

/// Transition state of all three aggregates.
#[derive(Default)]
struct Training {
    state: State,
    tokenizer: Tokenizer,
    told: bool,
}

impl Training {
    fn check_memory(&self) -> SqlResult<()> {
        check_memory(&self.state)
    }

    fn merge(&mut self, other: &State) -> SqlResult<()> {
        self.state
            .merge(other, &pg::check_for_interrupts)
            .map_err(from_classifier)?;
        self.check_memory()
    }

    /// Says once, at the end, what a person should know about the input. A window function
    /// ends once per row.
    fn notices(&mut self) {
        if self.told {
            return;
        }
        let skipped = self.state.skipped();
        if skipped > 0 {
            let rows = if skipped == 1 { "row" } else { "rows" };
            notice!("skipped {skipped} {rows} without body or label");
        }
        let several = self.state.labels().iter().filter(|l| l.spellings.len() > 1);
        self.told = skipped > 0 || several.clone().next().is_some();
        for label in several.clone().take(5) {
            let spellings: Vec<_> = label
                .spellings
                .keys()
                .take(5)
                .map(|s| format!("\"{s}\""))
                .collect();
            notice!(
                "{} are one label, shown as \"{}\"",
                spellings.join(", "),
                label.name()
            );
        }
        let more = several.count().saturating_sub(5);
        if more > 0 {
            notice!("{more} more labels have several spellings");
        }
    }
}

#[pg_extern(sql = false)]
fn train_accumulate(
    mut state: Internal,
    body: Option<&str>,
    label: Option<&str>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Internal> {
    pg::with_state(&mut state, fcinfo, |t: &mut Training| {
        match (body, label) {
            (Some(body), Some(label)) => {
                pg::probe_for_text(Tokenizer::memory(body))?;
                let features = t.tokenizer.features(body);
                t.state.learn(&features, label).map_err(from_classifier)?;
            }
            _ => t.state.skip(),
        }
        t.check_memory()
    })??;
    Ok(state)
}

#[pg_extern(sql = false)]
fn train_accumulate_state(
    mut state: Internal,
    other: Option<&[u8]>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Internal> {
    if let Some(other) = other {
        let other = load_state(other)?;
        pg::with_state(&mut state, fcinfo, |t: &mut Training| t.merge(&other))??;
    }
    Ok(state)
}

#[pg_extern(sql = false)]
fn train_combine(
    mut state: Internal,
    mut other: Internal,
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<Internal> {
    if let Some(other) = pg::state_of::<Training>(&mut other) {
        pg::with_state(&mut state, fcinfo, |t: &mut Training| t.merge(&other.state))??;
    }
    Ok(state)
}

#[pg_extern(sql = false)]
fn train_serialize(mut state: Internal) -> SqlResult<Option<Vec<u8>>> {
    pg::state_of::<Training>(&mut state)
        .map(|t| state_bytes(&mut t.state))
        .transpose()
}

#[pg_extern(sql = false)]
fn train_deserialize(bytes: &[u8], _unused: Internal) -> SqlResult<Internal> {
    Ok(Internal::new(Training {
        state: load_state(bytes)?,
        ..Training::default()
    }))
}

/// Final function of `collect_emails` and `merge_states`.
#[pg_extern(sql = false)]
fn train_final_state(mut state: Internal) -> SqlResult<Option<Vec<u8>>> {
    pg::state_of::<Training>(&mut state)
        .map(|t| {
            t.notices();
            state_bytes(&mut t.state)
        })
        .transpose()
}

/// Final function of `train_classifier`: NULL if no row had both body and label.
#[pg_extern(sql = false)]
fn train_final_model(mut state: Internal) -> SqlResult<Option<Vec<u8>>> {
    let Some(t) = pg::state_of::<Training>(&mut state) else {
        return Ok(None);
    };
    t.notices();
    if t.state.documents() == 0 {
        return Ok(None);
    }
    fit(&mut t.state).map(Some)
}

#[pg_extern(sql = false)]
fn fit_email_model(state: &[u8]) -> SqlResult<Vec<u8>> {
    fit(&mut load_state(state)?)
}

/// Trains a model on a state.
pub fn fit(state: &mut State) -> SqlResult<Vec<u8>> {
    let trainer = Trainer::params().check().map_err(from_classifier)?;
    let bytes = trainer
        .fit_state(state, &pg::check_for_interrupts)
        .map_err(from_classifier)?;
    storable(bytes, "email_model")
}
