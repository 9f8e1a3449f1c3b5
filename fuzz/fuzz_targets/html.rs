//! Any bytes as an HTML body: what stands before them is read whatever follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_mail::{Limits, never_cancelled, parse};

const HEAD: &[u8] = b"Content-Type: text/html; charset=utf-8\n\n<p>The first line.</p>";

fuzz_target!(|html: &[u8]| {
    let raw = [HEAD, html].concat();
    for text_bytes in [Limits::default().text_bytes, HEAD.len()] {
        let limits = Limits {
            text_bytes,
            ..Limits::default()
        };
        let message = parse(&raw, &limits, &never_cancelled);
        let body = message.body;
        assert!(body.starts_with("The first line."), "{body:?}");
        assert!(body.len() <= text_bytes);
        assert!(!body.contains(['\0', '\r']), "{body:?}");
    }
});
