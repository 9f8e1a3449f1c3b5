//! What the golden files hold: built by `make artifacts` for a new format version, and again by
//! the test that reads them.

use pg_triage_classifier::{Learner, ParamGuard, State, Tokenizer, Trainer, never_cancelled};

type AnyResult<T> = Result<T, Box<dyn std::error::Error>>;

/// A small state and model that every later release must read.
pub fn golden_files() -> AnyResult<(Vec<u8>, Vec<u8>)> {
    let mails = [
        ("invoice 4711 is wrong, we paid twice", "Billing"),
        ("please refund the double payment", "billing"),
        ("Die Rechnung enthält die falsche Umsatzsteuer", "Billing"),
        ("login fails with error 500 after the update", "support"),
        ("Gerät verliert ständig die Verbindung", "support"),
        ("パスワードを忘れました login", "support"),
    ];
    let mails: Vec<_> = mails.map(|(t, l)| (t.to_owned(), l.to_owned())).into();
    let mut state = learn(&mails)?;
    state.skip();
    let model = Trainer::params()
        .check()?
        .fit_state(&mut state, &never_cancelled)?;
    Ok((state.to_bytes(&never_cancelled)?, model))
}

/// The counts of these texts under these labels.
pub fn learn(mails: &[(String, String)]) -> AnyResult<State> {
    let mut state = State::default();
    let mut tokenizer = Tokenizer::default();
    for (text, label) in mails {
        state.learn(&tokenizer.features(text), label)?;
    }
    Ok(state)
}
