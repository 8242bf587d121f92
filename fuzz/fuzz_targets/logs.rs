//! A node's answer to `eth_getLogs` into the log decoder.
#![no_main]

use alphapulse_hostile::logs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| logs::check(bytes));
