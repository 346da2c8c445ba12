//! See `fuzz/src/cloud_event.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cloud_event::check(data));
