//! Patterns and events, guided by coverage.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trialbridge_fuzz::check(input));
