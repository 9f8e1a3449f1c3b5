//! Any bytes as a message: no panic, and what is read keeps every promise that is made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_classifier::Tokenizer;
use pg_triage_mail::{Limits, Message, content_hash, never_cancelled, parse};

/// So small that an input of a kilobyte meets each of them.
const SMALL: Limits = Limits {
    message_bytes: 800,
    header_bytes: 200,
    parts: 4,
    depth: 2,
    text_bytes: 100,
};

fuzz_target!(|raw: &[u8]| {
    for limits in [Limits::default(), SMALL] {
        let message = parse(raw, &limits, &never_cancelled);
        keeps_promises(&message, raw, &limits);
    }
    same_on_other_systems(raw);
});

fn keeps_promises(message: &Message, raw: &[u8], limits: &Limits) {
    let fields = [
        &message.message_id,
        &message.in_reply_to,
        &message.sender,
        &message.recipients,
        &message.subject,
        &message.list_id,
        &message.mailer,
    ];
    let names = message.attachments.iter().filter_map(|a| a.name.as_ref());
    for text in fields
        .into_iter()
        .flatten()
        .chain(&message.references)
        .chain(names)
    {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    assert!(!message.body.contains(['\0', '\r']), "{:?}", message.body);
    assert!(message.body.len() <= limits.text_bytes);
    assert!(message.attachments.len() <= limits.parts);
    assert!(message.references.len() <= 100);
    for attachment in &message.attachments {
        // Zeros of uuencode may be blanks that are lost: a letter and a line break are 45 bytes.
        assert!(attachment.bytes <= raw.len() as u64 * 45 / 2);
    }
    assert!(raw.len() <= limits.message_bytes || message.truncated);
    let text = message.text();
    let features = Tokenizer::default().features(&text);
    assert!(size_of_val(features.keys()) <= Tokenizer::memory(&text));
}

/// A mail server may change line endings.
fn same_on_other_systems(raw: &[u8]) {
    let unix: Vec<u8> = raw.iter().copied().filter(|&b| b != b'\r').collect();
    let mut windows = Vec::new();
    for &byte in &unix {
        windows.extend_from_slice(if byte == b'\n' {
            b"\r\n"
        } else {
            std::slice::from_ref(&byte)
        });
    }
    assert_eq!(
        content_hash(&unix, &never_cancelled),
        content_hash(&windows, &never_cancelled)
    );
}
