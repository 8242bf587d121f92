//! Pool maths beside other implementations of it: random pools, random swaps, each pool by a sequence of its own swaps.
//!
//! `ALPHAPULSE_CASES` multiplies the swaps of each family, `ALPHAPULSE_SEED` replaces the seed. Where two differ by
//! design the difference is named and counted; any other fails.

mod crypto_swap;
mod stable_swap;
mod tally;

use rand::Rng;
use rand::rngs::SmallRng;

/// Swaps that a pool sees before the next pool.
const SWAPS_PER_POOL: u64 = 20;

/// Log-uniform in `1..2^bits`.
fn sized(random: &mut SmallRng, bits: u32) -> u128 {
    random.random::<u128>() >> (128 - random.random_range(1..=bits)) | 1
}
