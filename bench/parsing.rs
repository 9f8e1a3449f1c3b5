//! Reads messages again and again, without PostgreSQL, and prints the microseconds that one
//! takes on average: `parsing FILE SECONDS`. In the file a length of four bytes, the least
//! significant first, stands before each message. `scripts/bench parse` calls it.
#![allow(missing_docs)]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use pg_triage_mail::Limits;
use pg_triage_mail::never_cancelled;

fn main() -> Result<(), Box<dyn Error>> {
    let [file, seconds] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: parsing FILE SECONDS")?;
    let stored = std::fs::read(file)?;
    let messages = split(&stored).ok_or("not a file of messages")?;
    let least = Duration::from_secs_f64(seconds.parse()?);

    let mut rounds = 0;
    let start = Instant::now();
    while rounds == 0 || start.elapsed() < least {
        for raw in &messages {
            black_box(pg_triage_mail::parse(
                raw,
                &Limits::default(),
                &never_cancelled,
            ));
        }
        rounds += 1;
    }
    let parsed = (rounds * messages.len().max(1)) as f64;
    println!("{:.3}", start.elapsed().as_secs_f64() * 1e6 / parsed);
    Ok(())
}

fn split(mut stored: &[u8]) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while !stored.is_empty() {
        let (length, rest) = stored.split_first_chunk()?;
        let (raw, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        messages.push(raw);
        stored = rest;
    }
    Some(messages)
}
