//! See `fuzz/src/recording.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::recording::check(data));
