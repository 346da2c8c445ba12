//! See `fuzz/src/focus_bill.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::focus_bill::check(data));
