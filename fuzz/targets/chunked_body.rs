//! See `fuzz/src/chunked_body.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::chunked_body::check(data));
