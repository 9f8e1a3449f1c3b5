//! Any bytes in winmail.dat: as attributes, as properties, and as RTF, plain and compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_mail::{Limits, never_cancelled, parse};

const HEAD: &[u8] = b"Content-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22\x01\x00";
const PROPERTIES: &[u8] = b"\x01\x03\x90\x06\x00\xff\xff\xff\x7f\x01\x00\x00\x00";
const FILE: &[u8] = b"\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00\x02\x05\x90\x06\x00\xff\xff\xff\x7f\x01\x00\x00\x00";
const RTF: &[u8] = b"\x02\x01\x09\x10\x01\x00\x00\x00\xff\xff\xff\x7f\0\0\0\0\xff\xff\0\0";
const SMALL: Limits = Limits {
    message_bytes: 800,
    header_bytes: 200,
    parts: 3,
    depth: 2,
    text_bytes: 100,
};

fuzz_target!(|bytes: &[u8]| {
    for raw in [
        [HEAD, bytes].concat(),
        [HEAD, PROPERTIES, bytes].concat(),
        [HEAD, FILE, bytes].concat(),
        [HEAD, PROPERTIES, RTF, b"MELA\0\0\0\0{\\rtf1", bytes].concat(),
        [HEAD, PROPERTIES, RTF, b"LZFu\0\0\0\0\0{\\rtf1 a", bytes].concat(),
    ] {
        for limits in [Limits::default(), SMALL] {
            let message = parse(&raw, &limits, &never_cancelled);
            assert!(message.body.len() <= limits.text_bytes.min(60 * raw.len()));
            assert!(message.attachments.len() <= limits.parts);
            assert!(!message.body.contains(['\0', '\r']), "{:?}", message.body);
            for attachment in &message.attachments {
                let name = attachment.name.as_deref().unwrap_or("a");
                assert!(
                    !name.is_empty() && !name.contains(char::is_control),
                    "{name:?}"
                );
                assert!(attachment.bytes <= raw.len() as u64);
            }
        }
    }
});
