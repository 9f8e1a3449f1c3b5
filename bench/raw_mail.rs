//! What header lines are worth: `cargo run --release -p pg_triage_bench --bin raw_mail`.
//!
//! The raw messages of the SpamAssassin public corpus, with all header lines, with some, and
//! with none; once as they are, and once without the header fields of mailing lists, which
//! give the class away here: most ham of this corpus is from a few lists.
//!
//! "Stream": all messages in random order; each is answered first, and then its label is
//! learned; trained at 100 messages and whenever they have doubled, as in bench/quality.py.
//! "Later mail": trained on the older of the two collections that the corpus consists of,
//! judged by the newer one and the hard ham, nothing learned in between; what only remembers
//! the mail that it has seen does not help there. A row shows accuracy and mean log loss
//! (nats).
//!
//! The corpus is `spamassassin.tar.gz` in the folder `PG_TRIAGE_CORPORA`, default
//! `../shared/corpora` beside the project. The first argument is the number of random orders
//! to average over, 3 without it.
#![allow(missing_docs)]

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use pg_triage_classifier::artifact::{Header, Kind};
use pg_triage_classifier::{
    CellCounts, Features, Learner, Live, Model, ParamGuard, State, Tokenizer, Trainer,
    never_cancelled,
};
use pg_triage_mail::{Limits, Message};
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const FIRST_TRAINING: usize = 100;

/// Header fields that mailing lists add, in small letters: whole names, and beginnings of
/// names.
const LIST_FIELDS: [&str; 8] = [
    "mailing-list",
    "precedence",
    "errors-to",
    "sender",
    "x-beenthere",
    "x-been-there",
    "x-loop",
    "x-mailing-list",
];
const LIST_PREFIXES: [&str; 4] = ["list-", "x-mailman-", "x-list", "x-egroups-"];

/// Which header lines stay.
const ROWS: [(&str, &[&str]); 7] = [
    ("no header lines", &[]),
    ("From", &["From"]),
    ("X-Mailer", &["X-Mailer"]),
    ("Attached", &["Attached"]),
    ("List-Id", &["List-Id"]),
    ("all but List-Id", &["From", "X-Mailer", "Attached"]),
    ("all", &["From", "List-Id", "X-Mailer", "Attached"]),
];

struct Raw {
    name: String,
    label: &'static str,
    bytes: Vec<u8>,
}

impl Raw {
    fn is_newer(&self) -> bool {
        !["easy_ham/", "spam/"]
            .iter()
            .any(|group| self.name.starts_with(group))
    }
}

/// The messages of the archive; none where it is absent.
fn read() -> Result<Vec<Raw>> {
    let corpora = std::env::var_os("PG_TRIAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
        PathBuf::from,
    );
    let archive = corpora.join("spamassassin.tar.gz");
    if !archive.exists() {
        return Ok(Vec::new());
    }
    let folder = std::env::temp_dir().join(format!("raw_mail_{}", std::process::id()));
    fs::create_dir(&folder)?;
    let unpacked = Command::new("tar")
        .args(["-xzf".as_ref(), archive.as_os_str(), "-C".as_ref()])
        .arg(&folder)
        .status()?;
    let mut mails = Vec::new();
    for group in fs::read_dir(folder.join("spamassassin"))? {
        let group = group?;
        let name = group.file_name().to_string_lossy().into_owned();
        let label = if name.starts_with("spam") {
            "spam"
        } else {
            "ham"
        };
        for file in fs::read_dir(group.path())? {
            let file = file?;
            mails.push(Raw {
                name: format!("{name}/{}", file.file_name().to_string_lossy()),
                label,
                bytes: fs::read(file.path())?,
            });
        }
    }
    fs::remove_dir_all(&folder)?;
    match unpacked.success() {
        true => Ok(mails),
        false => Err("tar failed".into()),
    }
}

fn without_list_fields(raw: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(raw.len());
    let (mut in_header, mut dropped) = (true, false);
    for line in raw.split_inclusive(|&b| b == b'\n') {
        in_header &= !line.trim_ascii().is_empty();
        if in_header && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|&b| b == b':').next().unwrap_or_default();
            let name = name.trim_ascii_end().to_ascii_lowercase();
            dropped = LIST_FIELDS.iter().any(|f| name == f.as_bytes())
                || LIST_PREFIXES.iter().any(|f| name.starts_with(f.as_bytes()));
        }
        if !(in_header && dropped) {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// As `Message::text` puts it together, with these header lines only.
fn text(message: &Message, wanted: &[&str]) -> String {
    let header = message.header().unwrap_or_default();
    let lines = header.lines().filter(|line| {
        wanted
            .iter()
            .any(|name| line.starts_with(&format!("{name}: ")))
    });
    let rest = message.subject.as_deref().into_iter();
    let rest = rest.chain([message.body.as_str()]);
    lines.chain(rest).collect::<Vec<_>>().join("\n")
}

#[derive(Default)]
struct Figures {
    judged: f64,
    right: f64,
    loss: f64,
}

impl Figures {
    fn judge(&mut self, live: &Live, features: &Features, label: &str) {
        let answers = live.rank(features, &never_cancelled);
        let probability = answers.iter().find(|a| a.label == label);
        self.judged += 1.0;
        self.right += f64::from(answers.first().is_some_and(|best| best.label == label));
        // A label that nobody has given yet has no probability: wrong, without a loss.
        self.loss -= probability.map_or(0.0, |a| a.probability.ln());
    }

    fn row(&self) -> String {
        let n = self.judged;
        format!("{:5.2} % {:.4}", 100.0 * self.right / n, self.loss / n)
    }
}

fn train(state: &mut State) -> Result<Live> {
    let bytes = Trainer::params()
        .check()?
        .fit_state(state, &never_cancelled)?;
    let header = Header::read(&bytes, Kind::Model)?;
    let mut read =
        |range: Range<usize>| Ok::<_, pg_triage_classifier::Error>(bytes[range].to_vec());
    let counts = CellCounts::read(&header, &mut read, &never_cancelled)?;
    let mut live = Live::new(Rc::new(Model::from_bytes(bytes.clone(), &never_cancelled)?));
    live.set_counts(Rc::new(counts));
    Ok(live)
}

/// Each is answered first and learned then.
fn stream(mails: &[(Features, &Raw)], figures: &mut Figures) -> Result<()> {
    let mut state = State::default();
    let empty = state.pack(&Default::default(), Default::default(), &never_cancelled)?;
    let mut live = Live::new(Rc::new(Model::from_bytes(empty, &never_cancelled)?));
    let mut next_training = FIRST_TRAINING;
    for (n, (features, mail)) in mails.iter().enumerate() {
        figures.judge(&live, features, mail.label);
        state.learn(features, mail.label)?;
        if n + 1 == next_training {
            next_training *= 2;
            live = train(&mut state)?;
        } else {
            let step = live.step_towards(features, mail.label, &never_cancelled)?;
            live.learn(features, mail.label)?;
            live.step(features, &step, false)?;
            live.refresh(&never_cancelled)?;
        }
    }
    Ok(())
}

fn later_mail(mails: &[(Features, &Raw)]) -> Result<Figures> {
    let mut state = State::default();
    for (features, mail) in mails.iter().filter(|(_, m)| !m.is_newer()) {
        state.learn(features, mail.label)?;
    }
    let live = train(&mut state)?;
    let mut figures = Figures::default();
    for (features, mail) in mails.iter().filter(|(_, m)| m.is_newer()) {
        figures.judge(&live, features, mail.label);
    }
    Ok(figures)
}

fn main() -> Result<()> {
    let orders: usize = std::env::args().nth(1).map_or(Ok(3), |n| n.parse())?;
    let mails = read()?;
    if mails.is_empty() {
        println!("skipped: raw_mail, no spamassassin.tar.gz");
        return Ok(());
    }
    println!("| list fields | header lines    |        stream |    later mail |");
    println!("|---|---|---|---|");
    for (fields, stripped) in [("taken out", true), ("left in", false)] {
        let messages: Vec<Message> = mails
            .iter()
            .map(|mail| match stripped {
                true => without_list_fields(&mail.bytes),
                false => mail.bytes.clone(),
            })
            .map(|raw| pg_triage_mail::parse(&raw, &Limits::default(), &never_cancelled))
            .collect();
        for (name, wanted) in ROWS {
            let mut tokenizer = Tokenizer::default();
            let mut found: Vec<_> = messages
                .iter()
                .zip(&mails)
                .map(|(message, mail)| (tokenizer.features(&text(message, wanted)), mail))
                .collect();
            let later = later_mail(&found)?;
            let mut streamed = Figures::default();
            for order in 1..=orders {
                found.sort_by_cached_key(|(_, mail)| {
                    Sha256::digest(format!("{order} {}", mail.name)).to_vec()
                });
                stream(&found, &mut streamed)?;
            }
            println!(
                "| {fields:<11} | {name:<15} | {} | {} |",
                streamed.row(),
                later.row()
            );
        }
    }
    Ok(())
}
