#![no_main]
//! See `tests/fuzzed/src/school_files.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::school_files(data, fuzzed::ONDE));
