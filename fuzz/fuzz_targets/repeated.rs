//! A few bytes, repeated very often: whatever calls itself for each of them ends the process,
//! on a stack as small as this, and what takes quadratic time runs into libFuzzer's limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_mail::{Limits, never_cancelled, parse};

const STACK_BYTES: usize = 512 << 10;
const REPEATED_BYTES: usize = 100 << 10;
const MAX_UNIT_BYTES: usize = 64;
const HTML: &[u8] = b"Content-Type: text/html\n\n";

// The last byte says how many of those before it are repeated.
fuzz_target!(|input: &[u8]| {
    let Some((&length, rest)) = input.split_last() else {
        return;
    };
    let length = usize::from(length).clamp(1, MAX_UNIT_BYTES);
    let (before, unit) = rest.split_at(rest.len().saturating_sub(length));
    if unit.is_empty() {
        return;
    }
    // libFuzzer cannot keep the input when the stack is full; then it is here.
    let _ = std::fs::write("fuzz/artifacts/repeated/last", input);
    let many = unit.repeat(REPEATED_BYTES / unit.len());
    let messages = [[before, &many].concat(), [HTML, before, &many].concat()];
    let read = move || {
        for raw in &messages {
            parse(raw, &Limits::default(), &never_cancelled);
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(read).unwrap().join().unwrap();
});
