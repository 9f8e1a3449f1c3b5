//! What is due, done one task at a time: what `sql/maintenance/maintain.sql` declares.

use std::time::{Duration, Instant};

use pgrx::iter::TableIterator;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode as Code, name, pg_extern};

use crate::error::{SqlResult, report};
use crate::learning::compaction;
use crate::maintenance::audit;
use crate::review::absence::note_absent;
use crate::review::{attach, label_table};
use crate::store::maintenance::Due;
use crate::store::{self, Writer};
use crate::training::prepared::PreparedVersion;
use crate::{pg, settings};

/// One call begins no task after this: its transaction should not be long.
const TIME_FOR_TASKS: Duration = Duration::from_secs(20);

/// Rows that one task classifies.
const ROWS_AT_ONCE: i64 = 2000;

/// Changes of reviews that one task counts.
const CHANGES_AT_ONCE: i64 = 100_000;

/// A task that has begun.
pub struct Claim {
    job: i64,
    due: Due,
}

/// Finds the next task that is due, and writes down that it begins. `None` if nothing is, or
/// another session is at it.
pub fn claim() -> SqlResult<Option<Claim>> {
    if !pg::worker::maintain_alone() {
        return Ok(None);
    }
    store::write(c"triage.maintain()", |w| {
        w.check_not_replicated()?;
        w.end_stale_jobs()?;
        let Some(due) = w.next_due()? else {
            return Ok(None);
        };
        let job = w.begin_job(&due)?;
        Ok(job.map(|job| Claim { job, due }))
    })
}

/// Does the task, or reads what is needed for it if it takes long: then [`finish`] follows,
/// in another transaction, after [`PreparedVersion::compute`] in none. A task that fails is no
/// error here: it is written down.
pub fn begin(claim: &Claim) -> SqlResult<Option<PreparedVersion>> {
    if !is_mine(claim)? {
        return Ok(None);
    }
    pg::report_activity(&match &claim.due.classifier {
        Some(classifier) => format!("{} {classifier}: {}", claim.due.task, claim.due.reason),
        None => format!("{}: {}", claim.due.task, claim.due.reason),
    });
    let begun = pg::catching(|| task(&claim.due));
    let outcome = match begun {
        Ok(Begun::Prepared(version)) => {
            progress(1)?;
            return Ok(Some(version));
        }
        Ok(Begun::Done(result)) => Ok(result),
        Err(error) => Err(error),
    };
    end(claim, &outcome)?;
    Ok(None)
}

/// Writes what [`PreparedVersion::compute`] has made.
pub fn finish(claim: &Claim, version: PreparedVersion, computed: SqlResult<()>) -> SqlResult<()> {
    if !is_mine(claim)? {
        return Ok(());
    }
    progress(2)?;
    let outcome = match computed {
        Ok(()) => pg::catching(|| version.finish()),
        Err(error) => Err(error.message().to_owned()),
    };
    end(claim, &outcome)
}

/// Whether it has not been taken over: the lock is gone if the process has ended.
fn is_mine(claim: &Claim) -> SqlResult<bool> {
    store::read_now(|r| r.is_running(claim.job))
}

/// Notes how many of its three parts a long task has done.
fn progress(done: i64) -> SqlResult<()> {
    store::write(c"triage.maintain()", |w| w.progress(done, 3))
}

fn end(claim: &Claim, outcome: &Result<String, String>) -> SqlResult<()> {
    store::write(c"triage.maintain()", |w| w.end_job(claim.job, outcome))
}

/// What a task has come to in its first transaction.
enum Begun {
    Done(String),
    Prepared(PreparedVersion),
}

fn task(due: &Due) -> SqlResult<Begun> {
    let classifier = due.classifier.as_deref().unwrap_or_default();
    match due.task.as_str() {
        "train" => PreparedVersion::read_for_training(classifier, &due.reason).map(Begun::Prepared),
        "calibrate" => Ok(match PreparedVersion::read_for_calibration(classifier)? {
            Ok(version) => Begun::Prepared(version),
            Err(reason) => Begun::Done(reason),
        }),
        "audit" => Ok(Begun::Done(match audit::draw()? {
            Some(drawn) => format!("{drawn} emails drawn"),
            None => "pg_triage.audit_rate is 0".to_owned(),
        })),
        task => store::write(c"triage.maintain()", |w| match task {
            "names" => follow_names(w, classifier),
            "compact" => compact(w, classifier),
            "classify" => classify(w, classifier),
            "statistics" => count_reviews(w),
            "watch" => w.watch(),
            "sweep" => sweep(w),
            "retain" => retain(w),
            // Of SQL that is newer than this library: not done, and not tried again at once.
            unknown => Err(report(
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("task \"{unknown}\" is not known to this library: install the one of the extension's version"),
            )),
        })
        .map(Begun::Done),
    }
}

fn compact(w: &mut Writer, classifier: &str) -> SqlResult<String> {
    if !w.try_lock_base(classifier)? {
        // A failure, so that it is not tried again at once.
        return Err(report(
            Code::ERRCODE_LOCK_NOT_AVAILABLE,
            format!("classifier \"{classifier}\" is being changed by another session"),
        ));
    }
    let moved = compaction::compact_pending(w, classifier)?;
    Ok(format!("{moved} decisions"))
}

/// Labels follow the names of lookup tables.
fn follow_names(w: &mut Writer, classifier: &str) -> SqlResult<String> {
    let tables = label_table::follow_all(w, classifier)?;
    Ok(format!("names of {tables} tables"))
}

fn classify(w: &mut Writer, classifier: &str) -> SqlResult<String> {
    let mut labelled = 0;
    for source in w.attachments(None)? {
        if source.classifier == classifier && labelled < ROWS_AT_ONCE {
            labelled += attach::classify_visible_rows(w, &source, ROWS_AT_ONCE - labelled)?;
            w.progress(labelled, ROWS_AT_ONCE)?;
        }
    }
    Ok(format!("{labelled} rows"))
}

fn count_reviews(w: &mut Writer) -> SqlResult<String> {
    let counted = w.compact_review_statistics(CHANGES_AT_ONCE)?;
    Ok(format!("{counted} changes"))
}

/// Reviews whose rows are gone leave the queue.
fn sweep(w: &mut Writer) -> SqlResult<String> {
    let (mut gone, mut differ) = (0, 0);
    for id in w.dropped_attachments()? {
        let source = w.source(id)?;
        gone += w.note_all_deleted(&source)? as i64;
        w.end_attachment(id)?;
    }
    for source in w.attachments(None)? {
        let found = note_absent(w, &source)?;
        gone += found.gone;
        differ += found.differ;
    }
    let mut result = format!("{gone} emails were gone");
    if differ > 0 {
        result += &format!("; {differ} rows have another label than their review says");
    }
    Ok(result)
}

fn retain(w: &mut Writer) -> SqlResult<String> {
    let [versions, jobs, alerts] = w.retain(settings::keep_versions(), settings::keep_jobs())?;
    Ok(format!(
        "deleted {versions} versions, {jobs} jobs, {alerts} alerts"
    ))
}

// pgrx reads the columns off the type.
#[allow(clippy::type_complexity)]
#[pg_extern(sql = false)]
fn maintain(
    most: Option<i32>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(job_id, i64),
            name!(task, Option<String>),
            name!(classifier, Option<String>),
            name!(reason, Option<String>),
            name!(status, Option<String>),
            name!(result, Option<String>),
            name!(error, Option<String>),
            name!(seconds, Option<f64>),
        ),
    >,
    ErrorReport,
> {
    let most = most.map_or(usize::MAX, |most| most.max(0) as usize);
    let begun = Instant::now();
    let mut done = Vec::new();
    while done.len() < most && begun.elapsed() < TIME_FOR_TASKS {
        pg::check_for_interrupts();
        let Some(claim) = claim()? else {
            break;
        };
        if let Some(mut version) = begin(&claim)? {
            let computed = version.compute();
            finish(&claim, version, computed)?;
        }
        let job = store::read_now(|r| r.job(claim.job))?;
        done.push((claim.job, job));
    }
    Ok(TableIterator::new(done.into_iter().map(|(id, job)| {
        // Deleted meanwhile, if jobs are not kept.
        let Some(job) = job else {
            return (id, None, None, None, None, None, None, None);
        };
        (
            id,
            Some(job.task),
            job.classifier,
            Some(job.reason),
            Some(job.status),
            job.result,
            job.error,
            job.seconds,
        )
    })))
}
