//! Bytes as the last segment of a journal.
#![no_main]

use alphapulse_hostile::{journal, repair};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| journal::check(bytes));

// Most inputs get right lengths and checksums: without, hardly one would pass the frame's checks.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(8) {
        repair::stream(&mut data[..size], false);
    }
    size
});
