//! What each kind of token is worth: `make bench-features`.
//!
//! Trains and tests on corpora with all kinds of tokens, with all but one, and with words
//! only. A row shows accuracy and mean log loss (nats) on the test mails of each corpus,
//! then their means (of log losses the geometric mean), distinct features per mail and
//! microseconds per mail for finding them. Figures are means over the three score forms:
//! which of them training chooses is a jump that hides what a kind does.
//!
//! Corpora are `NAME.jsonl.gz` in the folder `PG_TRIAGE_CORPORA`, default
//! `../shared/corpora` beside the project; docs/quality.md says what is in them.
#![allow(missing_docs)]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use pg_triage_classifier::tokenizer::Kinds;
use pg_triage_classifier::{
    Features, Learner, Model, ParamGuard, ScoreForm, State, Tokenizer, Trainer, casefold_label,
    never_cancelled,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How a corpus is cut into mails to learn from and mails to test with.
enum Split {
    /// What the corpus says; else test if the sha256 of its id is divisible by five.
    Stored,
    /// A stream in the order of this column, up to so many: the first 60 % teach.
    Stream(&'static str, usize),
}

struct Corpus {
    name: &'static str,
    file: &'static str,
    column: &'static str,
    /// Only the first line of each mail: short texts.
    first_line: bool,
    split: Split,
}

impl Corpus {
    const fn new(name: &'static str, file: &'static str) -> Self {
        Self {
            name,
            file,
            column: "text",
            first_line: false,
            split: Split::Stored,
        }
    }
}

const CORPORA: [Corpus; 10] = [
    Corpus::new("newsgroups", "newsgroups20"),
    Corpus {
        column: "body_bare",
        ..Corpus::new("bodies", "newsgroups20")
    },
    Corpus::new("alltag", "codealltag_de"),
    Corpus::new("tickets", "tickets_de_synthetic"),
    Corpus::new("spamassassin", "spamassassin"),
    Corpus {
        split: Split::Stream("seq", usize::MAX),
        ..Corpus::new("enron1", "enron_spam")
    },
    Corpus {
        split: Split::Stream("order", 10_000),
        ..Corpus::new("trec07p", "trec07p_half")
    },
    Corpus {
        first_line: true,
        ..Corpus::new("news subj.", "newsgroups20")
    },
    Corpus {
        first_line: true,
        ..Corpus::new("tickets subj.", "tickets_de_synthetic")
    },
    Corpus {
        first_line: true,
        ..Corpus::new("spam subj.", "spamassassin")
    },
];

struct Mail {
    text: String,
    label: String,
    test: bool,
}

fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    std::env::var_os("PG_TRIAGE_CORPORA").map_or_else(beside, PathBuf::from)
}

/// The mails of a corpus; none where it is absent.
fn read(corpus: &Corpus) -> Result<Vec<Mail>> {
    let path = folder().join(format!("{}.jsonl.gz", corpus.file));
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()?;
    let Some(lines) = gzip.stdout.take() else {
        return Ok(Vec::new());
    };
    let mut mails = Vec::new();
    for line in BufReader::new(lines).lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = row[corpus.column].as_str().unwrap_or_default();
        let text = if corpus.first_line {
            text.lines().next().unwrap_or_default()
        } else {
            text
        };
        let order = match corpus.split {
            Split::Stored => 0,
            Split::Stream(column, _) => row[column].as_u64().unwrap_or(0),
        };
        // Of the streams of one file the first.
        if row["part"].as_str().is_some_and(|part| part != "enron1") {
            continue;
        }
        let mail = Mail {
            text: text.to_owned(),
            label: row["label"].as_str().unwrap_or_default().to_owned(),
            test: is_test(&row),
        };
        mails.push((order, mail));
    }
    gzip.wait()?;
    mails.sort_by_key(|(order, _)| *order);
    let mut mails: Vec<Mail> = mails.into_iter().map(|(_, mail)| mail).collect();
    if let Split::Stream(_, most) = corpus.split {
        mails.truncate(most);
        let taught = mails.len() * 6 / 10;
        for (i, mail) in mails.iter_mut().enumerate() {
            mail.test = i >= taught;
        }
    }
    Ok(mails)
}

fn is_test(row: &Value) -> bool {
    row["split"].as_str().map_or_else(
        || {
            let hash = Sha256::digest(row["id"].as_str().unwrap_or_default());
            hash.iter()
                .fold(0, |rest, &b| (rest * 256 + u32::from(b)) % 5)
                == 0
        },
        |split| split == "test",
    )
}

#[derive(Default, Clone, Copy)]
struct Figures {
    accuracy: f64,
    ln_loss: f64,
    features: f64,
    micros: f64,
}

impl Figures {
    fn add(&mut self, other: Self, share: f64) {
        self.accuracy += other.accuracy * share;
        self.ln_loss += other.ln_loss * share;
        self.features += other.features * share;
        self.micros += other.micros * share;
    }
}

fn measure(mails: &[Mail], kinds: Kinds) -> Result<Figures> {
    let mut tokenizer = Tokenizer::with_kinds(kinds);
    let start = Instant::now();
    let found: Vec<Features> = mails.iter().map(|m| tokenizer.features(&m.text)).collect();
    let n = mails.len() as f64;
    let mut figures = Figures {
        micros: start.elapsed().as_secs_f64() * 1e6 / n,
        features: found.iter().map(|f| f.keys().len()).sum::<usize>() as f64 / n,
        ..Figures::default()
    };
    let mut state = State::default();
    for (mail, features) in mails.iter().zip(&found).filter(|(m, _)| !m.test) {
        state.learn(features, &mail.label)?;
    }
    for form in ScoreForm::ALL {
        let trainer = Trainer::params().form(form).check()?;
        let artifact = trainer.fit_state(&mut state, &never_cancelled)?;
        let model = Model::from_front(artifact, &never_cancelled)?;
        let labels: Vec<String> = model
            .meta()
            .labels
            .iter()
            .map(|l| casefold_label(l))
            .collect::<std::result::Result<_, _>>()?;
        let (mut tested, mut right, mut loss) = (0.0, 0.0, 0.0);
        for (mail, features) in mails.iter().zip(&found).filter(|(m, _)| m.test) {
            let truth = casefold_label(&mail.label)?;
            let log_p = model.log_probabilities(features, &never_cancelled);
            let best = model.classify(features, &never_cancelled);
            tested += 1.0;
            right += f64::from(best.is_some_and(|b| labels[b.class] == truth));
            let class = labels.iter().position(|l| *l == truth);
            loss -= class.map_or(f64::MIN_POSITIVE.ln(), |c| log_p[c]);
        }
        let share = 1.0 / ScoreForm::ALL.len() as f64;
        figures.accuracy += right / tested * share;
        figures.ln_loss += f64::ln(loss / tested) * share;
    }
    Ok(figures)
}

fn main() -> Result<()> {
    let mut corpora = Vec::new();
    for corpus in &CORPORA {
        let mails = read(corpus)?;
        if mails.is_empty() {
            println!("skipped: {}, no corpus", corpus.name);
        } else {
            corpora.push((corpus.name, mails));
        }
    }
    if corpora.is_empty() {
        return Ok(());
    }
    let mut rows = vec![("all kinds".to_owned(), Kinds::ALL)];
    for (name, kind) in Kinds::NAMED {
        rows.push((format!("no {name}"), Kinds::ALL.without(kind)));
    }
    rows.push(("words and pairs".to_owned(), Kinds::PAIRS));
    rows.push(("words only".to_owned(), Kinds::NONE));
    print!("| accuracy, log loss |");
    for (name, _) in &corpora {
        print!(" {name:>13} |");
    }
    println!("          mean | features |  us |");
    println!("|---|{}---|---|---|", "---|".repeat(corpora.len()));
    for (name, kinds) in rows {
        print!("| {name:<18} |");
        let mut mean = Figures::default();
        for (_, mails) in &corpora {
            let figures = measure(mails, kinds)?;
            mean.add(figures, 1.0 / corpora.len() as f64);
            print!(" {:.4}, {:.4} |", figures.accuracy, figures.ln_loss.exp());
        }
        println!(
            " {:.4}, {:.4} | {:8.0} | {:3.0} |",
            mean.accuracy,
            mean.ln_loss.exp(),
            mean.features,
            mean.micros
        );
    }
    Ok(())
}
