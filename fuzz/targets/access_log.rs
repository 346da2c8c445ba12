//! See `fuzz/src/access_log.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::access_log::check(data));
