//! Builds `model_artifacts/`: the model of the sample mails, its manifest, and, for a
//! format version that has none yet, the golden files.
//!
//! `make artifacts` runs it; a test builds the same and compares the bytes.
#![allow(dead_code, missing_docs)] // The test that includes this file uses only parts.

mod golden;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use golden::{golden_files, learn};
use pg_triage_classifier::artifact::FORMAT_VERSION;
use pg_triage_classifier::tokenizer::TOKENIZER_VERSION;
use pg_triage_classifier::{Model, ParamGuard, Tokenizer, Trainer, never_cancelled};
use pg_triage_mail::Limits;
use sha2::{Digest, Sha256};

type AnyResult<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> AnyResult<()> {
    let folder = root().join("model_artifacts");
    let model = sample_model()?;
    fs::write(folder.join("sample.model"), &model)?;
    let golden = folder.join(format!("golden/v{FORMAT_VERSION}.model"));
    if !golden.exists() {
        let (state, model) = golden_files()?;
        fs::create_dir_all(folder.join("golden"))?;
        fs::write(golden.with_extension("state"), state)?;
        fs::write(golden, model)?;
    }
    fs::write(folder.join("MANIFEST.toml"), manifest(&model)?)?;
    println!("{}", fs::read_to_string(folder.join("MANIFEST.toml"))?);
    Ok(())
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Text and label of each sample mail of a split, in the order of the file names: what
/// `concat_ws(E'\n', subject, body)` gives in SQL.
pub fn demo_mails(split: &str) -> AnyResult<Vec<(String, String)>> {
    let mut mails = Vec::new();
    for label in sorted(&root().join("demo/mail").join(split))? {
        for file in sorted(&label)? {
            let m = pg_triage_mail::parse(&fs::read(&file)?, &Limits::default(), &never_cancelled);
            let text = m
                .subject
                .map_or(m.body.clone(), |s| format!("{s}\n{}", m.body));
            let name = label.file_name().unwrap_or_default().to_string_lossy();
            mails.push((text, name.into_owned()));
        }
    }
    Ok(mails)
}

pub fn sample_model() -> AnyResult<Vec<u8>> {
    let mut state = learn(&demo_mails("train")?)?;
    Ok(Trainer::params()
        .check()?
        .fit_state(&mut state, &never_cancelled)?)
}

pub fn manifest(model: &[u8]) -> AnyResult<String> {
    let opened = Model::from_bytes(model.to_vec(), &never_cancelled)?;
    let meta = opened.meta();
    let new = demo_mails("new")?;
    let mut tokenizer = Tokenizer::default();
    let right = new
        .iter()
        .filter(|(text, label)| {
            opened
                .classify(&tokenizer.features(text), &never_cancelled)
                .is_some_and(|best| best.label == label.as_str())
        })
        .count();
    let mut out = String::from("# Written by `make artifacts`.\n\n[sample]\n");
    writeln!(out, "file = \"sample.model\"")?;
    writeln!(out, "sha256 = \"{}\"", sha256(model))?;
    writeln!(out, "bytes = {}", model.len())?;
    writeln!(out, "format_version = {FORMAT_VERSION}")?;
    writeln!(out, "tokenizer_version = {TOKENIZER_VERSION}")?;
    writeln!(out, "score_form = \"{}\"", meta.fit.form.name())?;
    writeln!(out, "documents = {}", meta.documents.iter().sum::<u64>())?;
    writeln!(out, "labels = {:?}", meta.labels)?;
    let m = &meta.metrics;
    writeln!(
        out,
        "\n[sample.leave_one_out]\naccuracy = {:.4}",
        m.accuracy
    )?;
    writeln!(out, "macro_f1 = {:.4}", m.macro_f1)?;
    writeln!(out, "log_loss = {:.4}", m.log_loss)?;
    writeln!(out, "calibration_error = {:.4}", m.calibration_error)?;
    writeln!(out, "held_out_accuracy = {:.4}", m.held_out_accuracy)?;
    writeln!(out, "baseline_accuracy = {:.4}", m.baseline_accuracy)?;
    writeln!(out, "\n[sample.new_mails]\ndocuments = {}", new.len())?;
    writeln!(out, "accuracy = {:.4}", right as f64 / new.len() as f64)?;
    for file in sorted(&root().join("model_artifacts/golden"))? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            out,
            "\n[golden.\"{name}\"]\nsha256 = \"{}\"",
            sha256(&fs::read(&file)?)
        )?;
    }
    Ok(out)
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn sorted(folder: &Path) -> AnyResult<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|e| e.map(|e| e.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
