//! What one decision costs in a session's model, and what the residual layer costs a
//! classification: without SQL, so that nothing else is measured. Part of `make bench`.
//!
//! Learns the training mails of 20 Newsgroups (`newsgroups20.jsonl.gz` in the folder
//! `PG_TRIAGE_CORPORA`, default `../shared/corpora` beside the project) and decides about
//! test mails of 1.5 to 2.5 KB, which have 20 labels.
#![allow(missing_docs)]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Instant;

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    CellCounts, Features, Learner, Live, Model, ParamGuard, State, Tokenizer, Trainer,
    never_cancelled,
};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 9;
/// As many as may be pending, by default.
const DECISIONS: usize = 500;

fn main() -> Result<()> {
    let folder = std::env::var_os("PG_TRIAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
        PathBuf::from,
    );
    let path = folder.join("newsgroups20.jsonl.gz");
    if !path.exists() {
        println!("skipped: learning, no newsgroups20");
        return Ok(());
    }
    let mut tokenizer = Tokenizer::default();
    let mut state = State::default();
    let mut mails = Vec::new();
    let mut gunzip = Command::new("gzip")
        .arg("-dc")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = gunzip.stdout.take().ok_or("gzip has no output")?;
    for line in BufReader::new(lines).lines() {
        let mail: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
        let features = tokenizer.features(&text("text"));
        match text("split").as_str() {
            "train" => state.learn(&features, &text("label"))?,
            _ if (1500..2500).contains(&text("text").len()) => {
                mails.push((features, text("label")))
            }
            _ => {}
        }
    }
    gunzip.wait()?;
    mails.truncate(DECISIONS);
    let plain = model(&mut state, false)?;
    let (both, bytes) = (model(&mut state, true)?, state.to_bytes(&never_cancelled)?);
    println!("one mail of 1.5 to 2.5 KB, 20 labels, medians of {ROUNDS} rounds, us:");
    let packed =
        |model: &Model| classified(&mails, |f| model.classify(f, &never_cancelled).is_some());
    let (one, two) = turns(|| packed(&plain.0), || packed(&both.0));
    println!("  classified by the counts alone           {one:6.1}");
    println!(
        "  classified by both layers                {two:6.1}  x {:.2}",
        two / one
    );
    let counts = counts(&both.1)?;
    let base = Rc::new(both.0);
    let mut live = Live::new(base.clone());
    live.set_counts(counts.clone());
    let mut learned = Vec::new();
    for _ in 0..ROUNDS {
        live = Live::new(base.clone());
        live.set_counts(counts.clone());
        learned.push(decided(&mut live, &mails)?);
    }
    let (one, two) = turns(
        || packed(&base),
        || classified(&mails, |f| live.classify(f, &never_cancelled).is_some()),
    );
    println!(
        "  the same, with {} decisions laid over it {two:6.1}  x {:.2}",
        mails.len(),
        two / one
    );
    println!(
        "  one decision, learned by both layers     {:6.1}",
        median(learned)
    );
    println!("  (the state has {} MB)", bytes.len() >> 20);
    Ok(())
}

/// A trained model and its artifact.
fn model(state: &mut State, residuals: bool) -> Result<(Model, Vec<u8>)> {
    let trainer = Trainer::params().residuals(residuals).check()?;
    let bytes = trainer.fit_state(state, &never_cancelled)?;
    Ok((Model::from_bytes(bytes.clone(), &never_cancelled)?, bytes))
}

fn counts(bytes: &[u8]) -> Result<Rc<CellCounts>> {
    let header = Header::read(bytes, Kind::Model)?;
    let mut read =
        |range: std::ops::Range<usize>| Ok::<_, pg_triage_classifier::Error>(bytes[range].to_vec());
    Ok(Rc::new(CellCounts::read(
        &header,
        &mut read,
        &never_cancelled,
    )?))
}

fn classified(mails: &[(Features, String)], classify: impl Fn(&Features) -> bool) -> f64 {
    let start = Instant::now();
    let answers = mails
        .iter()
        .filter(|(features, _)| classify(features))
        .count();
    start.elapsed().as_secs_f64() * 1e6 / answers.max(1) as f64
}

/// Microseconds per decision, each with its step and ready for the next question.
fn decided(live: &mut Live, mails: &[(Features, String)]) -> Result<f64> {
    let start = Instant::now();
    for (features, label) in mails {
        let step = live.step_towards(features, label, &never_cancelled)?;
        live.learn(features, label)?;
        live.step(features, &step, false)?;
        live.refresh(&never_cancelled)?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / mails.len() as f64)
}

/// Medians of two that take turns.
fn turns(one: impl Fn() -> f64, two: impl Fn() -> f64) -> (f64, f64) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (one(), two())).collect();
    (
        median(rounds.iter().map(|r| r.0).collect()),
        median(rounds.iter().map(|r| r.1).collect()),
    )
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
