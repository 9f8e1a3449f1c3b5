//! Reads raw messages with the core alone: `messages FILE...` prints what is read of each as a
//! line of JSON, `messages --time FILE...` how long it takes.

use std::time::Instant;

use pg_triage_mail::{Limits, Message, content_hash, parse};
use serde_json::json;

/// Passes over the files when timing.
const PASSES: u32 = 5;

fn read(raw: &[u8]) -> Message {
    parse(raw, &Limits::default(), &|| ())
}

fn main() -> std::io::Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let timed = names.first().is_some_and(|a| a == "--time");
    if timed {
        names.remove(0);
        let files = names
            .iter()
            .map(std::fs::read)
            .collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = files.iter().map(Vec::len).sum();
        for (what, work) in [
            ("parse", (|raw| read(raw).body.len()) as fn(&[u8]) -> usize),
            ("content_hash", |raw| content_hash(raw, &|| ()).len()),
        ] {
            let start = Instant::now();
            let mut total = 0;
            for _ in 0..PASSES {
                total += files.iter().map(|raw| work(raw)).sum::<usize>();
            }
            let seconds = start.elapsed().as_secs_f64() / f64::from(PASSES);
            println!(
                "{what}: {:.1} us per message, {:.0} MB/s ({} messages, {bytes} bytes, {total})",
                1e6 * seconds / files.len() as f64,
                bytes as f64 / 1e6 / seconds,
                files.len()
            );
        }
        return Ok(());
    }
    for name in names {
        let raw = std::fs::read(&name)?;
        let m = read(&raw);
        let line = json!({
            "file": name, "message_id": m.message_id, "in_reply_to": m.in_reply_to, "references": m.references,
            "sent_at": m.sent_at, "sender": m.sender, "recipients": m.recipients, "subject": m.subject,
            "list_id": m.list_id, "mailer": m.mailer, "body": m.body, "language": m.language,
            "attachments": m.attachment_list(), "truncated": m.truncated,
            "content_hash": content_hash(&raw, &|| ()),
        });
        println!("{line}");
    }
    Ok(())
}
