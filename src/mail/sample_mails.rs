//! The sample mails of `demo/mail`, built into the library.

use include_dir::{Dir, File, include_dir};
use pg_triage_mail::Limits;
use pgrx::{PgSqlErrorCode as Code, pg_extern};

use crate::error::{SqlResult, report};
use crate::store::inbox::Incoming;
use crate::{pg, store};

/// `<train|new>/<label>/<name>.eml`
static MAIL: Dir = include_dir!("$CARGO_MANIFEST_DIR/demo/mail");

#[pg_extern(sql = false)]
fn load_sample() -> SqlResult<i64> {
    let mut files = Vec::new();
    collect(&MAIL, &mut files);
    files.sort_by_key(|f| f.path());
    store::write(c"triage.load_sample()", |w| {
        let mut loaded = 0;
        for file in files {
            pg::check_for_interrupts();
            let mut parts = file.path().iter().map(|part| part.to_string_lossy());
            let (Some(split), Some(label)) = (parts.next(), parts.next()) else {
                return Err(report(
                    Code::ERRCODE_INTERNAL_ERROR,
                    "a sample mail is misplaced",
                ));
            };
            let message = pg_triage_mail::parse(
                file.contents(),
                &Limits::default(),
                &pg::check_for_interrupts,
            );
            let incoming = Incoming {
                mailbox: &format!("sample/{split}"),
                message: &message,
                content_hash: &pg_triage_mail::content_hash(
                    file.contents(),
                    &pg::check_for_interrupts,
                ),
                raw: None,
                received_at: message.sent_at,
                label: Some(&label),
            };
            loaded += i64::from(w.insert_email(&incoming)?.is_some());
        }
        Ok(loaded)
    })
}

fn collect<'a>(dir: &'a Dir<'a>, files: &mut Vec<&'a File<'a>>) {
    files.extend(dir.files());
    for dir in dir.dirs() {
        collect(dir, files);
    }
}
