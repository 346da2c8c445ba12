//! See `fuzz/src/cache_headers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cache_headers::check(data));
