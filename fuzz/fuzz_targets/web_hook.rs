//! Any text as the payload of a web hook: no panic, messages that are read again, and the same ones
//! when it comes again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pg_triage_mail::{Limits, parse};
use pg_triage_web_hook::{PARTS, Shape, memory, read};

/// A shape of one's own, for what built-in ones do not do: messages in lists of lists.
static OWN: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let mut columns = vec![String::new(); PARTS];
    columns[1] = "hits, a[*].b".to_owned();
    columns[3] = "note, lines[*].text, x[0].\"y.z\"".to_owned();
    Shape::new("own", &columns).into_iter().collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(payload) = std::str::from_utf8(bytes) else {
        return;
    };
    // As a path, it is one or says why not.
    let paths = vec![payload.to_owned(); PARTS];
    drop(Shape::new("x", &paths));
    let poll = || ();
    let (first, second) = (read(payload, &OWN, &poll), read(payload, &OWN, &poll));
    let Ok(first) = first else {
        assert!(second.is_err());
        return;
    };
    assert!(second.is_ok_and(|second| second.messages == first.messages));
    let taken: usize = first.messages.iter().flatten().map(Vec::len).sum();
    assert!(
        taken <= memory(payload) + 4096 * first.messages.len(),
        "{taken} bytes"
    );
    for raw in first.messages.iter().flatten() {
        let message = parse(raw, &Limits::default(), &poll);
        assert!(!message.body.contains('\0'));
    }
});
