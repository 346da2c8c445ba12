//! See `fuzz/src/response_head.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::response_head::check(data));
