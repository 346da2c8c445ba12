//! See `fuzz/src/calendar.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::calendar::check(data));
