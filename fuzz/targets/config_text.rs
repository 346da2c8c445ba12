//! See `fuzz/src/config_text.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::config_text::check(data));
