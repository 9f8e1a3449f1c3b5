//! Any bytes as signed mail: whole, behind what begins a signature, and as the signed content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_mail::{Limits, never_cancelled, parse};

const HEAD: &[u8] = b"Content-Type: application/pkcs7-mime; name=smime.p7m\n\n";
const SIGNED: &[u8] =
    b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01";
const DATA: &[u8] = b"\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80";
const STRING: &[u8] = b"\x04\x82";
const ZLIB: &[u8] =
    b"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09\xa0\x80\x30\x80\x02\x01\x00\
    \x30\x0d\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08\
    \x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80";
const SMALL: Limits = Limits {
    message_bytes: 800,
    header_bytes: 200,
    parts: 3,
    depth: 2,
    text_bytes: 100,
};

fuzz_target!(|bytes: &[u8]| {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    let content = [STRING, &length, bytes].concat();
    for raw in [
        [HEAD, bytes].concat(),
        [HEAD, SIGNED, bytes].concat(),
        [HEAD, SIGNED, DATA, bytes].concat(),
        [HEAD, SIGNED, DATA, &content].concat(),
        [HEAD, ZLIB, &content].concat(),
    ] {
        for limits in [Limits::default(), SMALL] {
            let message = parse(&raw, &limits, &never_cancelled);
            assert!(message.body.len() <= limits.text_bytes.min(60 * raw.len()));
            assert!(message.attachments.len() <= limits.parts);
            assert!(!message.body.contains(['\0', '\r']), "{:?}", message.body);
        }
    }
});
