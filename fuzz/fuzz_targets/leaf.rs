#![no_main]
//! See `tests/fuzzed/src/leaf.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::leaf(data));
