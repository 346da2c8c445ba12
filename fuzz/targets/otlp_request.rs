//! See `fuzz/src/otlp_request.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::otlp_request::check(data));
