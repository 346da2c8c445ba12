//! See `fuzz/src/webhook_guard.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::webhook_guard::check(data));
