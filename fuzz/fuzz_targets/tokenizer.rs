//! Any text: tokens of what was written, in the promised memory, the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_triage_classifier::Tokenizer;

fuzz_target!(|text: &str| {
    let mut tokenizer = Tokenizer::default();
    let mut bytes = 0;
    for token in tokenizer.tokens(text) {
        assert!(token.written.start <= token.written.end && token.written.end <= text.len());
        assert!(
            text.is_char_boundary(token.written.start) && text.is_char_boundary(token.written.end)
        );
        bytes += token.text.len();
    }
    assert!(bytes <= Tokenizer::memory(text), "{bytes} bytes of tokens");
    let features = tokenizer.features(text);
    assert!(features.keys().is_sorted_by(|a, b| a < b));
    assert!(size_of_val(features.keys()) <= Tokenizer::memory(text));
    assert_eq!(features, Tokenizer::default().features(text));
});
