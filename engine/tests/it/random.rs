//! Random cases that can be run again.

use alloy::primitives::{Address, B256, U256};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Cases of each comparison.
pub(crate) const CASES: usize = 1_000;

/// A generator whose seed is printed, and taken from `ALPHAPULSE_SEED` when that is set.
#[allow(clippy::print_stderr, reason = "a failure must be repeatable")]
pub(crate) fn rng(name: &str) -> StdRng {
    let seed = std::env::var("ALPHAPULSE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("{name}: ALPHAPULSE_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

pub(crate) fn address(rng: &mut StdRng) -> Address {
    Address::from(rng.random::<[u8; 20]>())
}

pub(crate) fn hash(rng: &mut StdRng) -> B256 {
    B256::from(rng.random::<[u8; 32]>())
}

/// A number of any length: short ones and ones at the edge of a byte are as likely as long ones.
pub(crate) fn number(rng: &mut StdRng, bits_max: usize) -> U256 {
    let bits = rng.random_range(0..=bits_max);
    let all = U256::from_be_bytes(rng.random::<[u8; 32]>());
    if bits == 0 { U256::ZERO } else { all >> (256 - bits) }
}

pub(crate) fn bytes(rng: &mut StdRng, length_max: usize) -> Vec<u8> {
    let length = rng.random_range(1..=length_max);
    (0..length).map(|_| rng.random()).collect()
}
