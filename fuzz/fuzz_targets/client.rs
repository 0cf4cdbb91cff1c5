#![no_main]
//! See `api/src/oidc/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::run("client", data));
