#![no_main]
//! See `tests/fuzzed/src/checkpoint.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::checkpoint(data));
