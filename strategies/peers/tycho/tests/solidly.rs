//! Solidly quotes beside those of `tycho-simulation`'s Aerodrome pools: random pools, random swaps, each pool by a sequence of
//! its own swaps. The first generation's curve is in no published crate; recorded answers stand for it.
//!
//! `ALPHAPULSE_CASES` multiplies the swaps of each curve, `ALPHAPULSE_SEED` replaces the seed.

#[path = "../../tests/it/tally.rs"]
#[expect(dead_code, reason = "the other peers have more to say of a swap")]
mod tally;

use alphapulse_strategies::pool::solidly::{SolidlyCurve, SolidlyView};
use alphapulse_strategies::pool::{QuoteError, Way};
use num_bigint::BigUint;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use ruint::aliases::U256;
use tycho_common::Bytes;
use tycho_common::models::Chain;
use tycho_common::models::token::Token;
use tycho_common::simulation::protocol_sim::ProtocolSim;
use tycho_simulation::evm::protocol::aerodrome_v1::state::AerodromeV1State;

use crate::tally::{Tally, Verdict};

/// Swaps that a pool sees before the next pool.
const SWAPS_PER_POOL: u64 = 20;
/// Parts per million in a basis point.
const PPM_PER_BPS: u32 = 100;
/// The fee, in basis points, that the peer's contract reads as none.
const ZERO_FEE_BPS: u32 = 420;

struct Pool {
    view: SolidlyView,
    fee_bps: u32,
    decimals: [u8; 2],
    tokens: [Token; 2],
}

impl Pool {
    fn random(curve: SolidlyCurve, random: &mut SmallRng) -> Self {
        let decimals: [u8; 2] = core::array::from_fn(|_| [6, 8, 18, 18][random.random_range(0..4)]);
        let scales = decimals.map(|decimals| 10_u128.pow(u32::from(decimals)));
        let whole = 10_u128.pow(random.random_range(0..9));
        // Within a factor of a hundred, and thinner in one pool of eight.
        let spread = if random.random_ratio(1, 8) { 100_000 } else { 100 };
        let reserves = scales.map(|scale| scale * whole / random.random_range(1..=spread) + 1);
        let fee_bps = random.random_range(1..ZERO_FEE_BPS);
        let view = SolidlyView { reserves, scales, fee_ppm: fee_bps * PPM_PER_BPS, curve };
        let token = |address: u8, decimals: u8| {
            Token::new(&Bytes::from(vec![address; 20]), "", u32::from(decimals), 0, &[], Chain::Ethereum, 100)
        };
        Self { view, fee_bps, decimals, tokens: [token(1, decimals[0]), token(2, decimals[1])] }
    }

    /// The peer's amount; none where it refuses.
    fn peer(&self, way: Way, amount_in: U256) -> Option<U256> {
        let [reserve_0, reserve_1] = self.view.reserves.map(U256::from);
        let is_stable = self.view.curve != SolidlyCurve::Volatile;
        let [decimals_0, decimals_1] = self.decimals;
        let pool = AerodromeV1State::new(reserve_0, reserve_1, is_stable, self.fee_bps, decimals_0, decimals_1);
        let [token_in, token_out] = [way.token_in, way.token_out].map(|at| &self.tokens[usize::from(at)]);
        let amount_in = BigUint::from_bytes_be(&amount_in.to_be_bytes::<32>());
        let amount = pool.get_amount_out(amount_in, token_in, token_out).ok()?.amount;
        U256::try_from_be_slice(&amount.to_bytes_be())
    }
}

fn compare(curve: SolidlyCurve, seed: u64) {
    let mut tally = Tally::new(seed);
    let seed = tally.seed;
    let mut random = SmallRng::seed_from_u64(seed);
    while tally.next_pool() {
        let mut pool = Pool::random(curve, &mut random);
        for _ in 0..SWAPS_PER_POOL {
            let token_in = random.random_range(0..2_u8);
            let way = Way { token_in, token_out: 1 - token_in };
            let held = pool.view.reserves[usize::from(token_in)];
            let bits = random.random_range(1..=(128 - held.leading_zeros()).min(120) + 4);
            let amount_in = U256::from(random.random::<u128>() >> (128 - bits) | 1);
            let ours = pool.view.quote_exact_in(way, amount_in);
            let theirs = pool.peer(way, amount_in);
            tally.add(match (ours, theirs) {
                (Ok(ours), Some(theirs)) if ours == theirs => Verdict::Equal,
                (Err(_), None) => Verdict::Refused,
                (Err(QuoteError::UnknownVariant), Some(_)) => {
                    Verdict::Named("two releases of the contract answer differently, so that none is quoted here")
                }
                _ => panic!("seed {seed}: {ours:?} here, {theirs:?} there, {way:?} {amount_in} of {:?}", pool.view),
            });
            if let Ok(swapped) = pool.view.swap_exact_in(way, amount_in) {
                pool.view.reserves = swapped.after;
            }
        }
    }
    tally.finish(&format!("solidly {curve:?} by tycho-simulation"));
}

#[test]
fn volatile_pools_equal_tycho_simulation() {
    compare(SolidlyCurve::Volatile, 31);
}

#[test]
fn stable_pools_of_the_second_generation_equal_tycho_simulation() {
    compare(SolidlyCurve::StableV2, 32);
}
