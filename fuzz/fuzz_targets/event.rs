#![no_main]
//! See `tests/fuzzed/src/event.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::event(data));
