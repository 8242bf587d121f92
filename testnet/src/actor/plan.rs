//! What the traders choose. Pure: randomness comes from the seed, the world from the pools' states.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::deploy::Token;
use crate::exhaustive::{Book, ConcentratedBook, PoolSnapshot};

const SWAPS_MIN: usize = 2;
const SWAPS_MAX: usize = 6;
/// Rounds in which nobody trades.
const QUIET_PROBABILITY: f64 = 0.04;
/// Rounds in which liquidity is added or taken.
const LIQUIDITY_PROBABILITY: f64 = 0.25;
const POSITIONS_MAX: usize = 12;
/// Swaps that lead a pool back towards its tokens' first prices; the others go either way. Without it, prices wander off and
/// leave all ranged liquidity behind.
const RETURN_PROBABILITY: f64 = 0.35;
/// Largest swap, as part of what the pool holds of the token (V3: would hold, were its liquidity over the whole range).
const SWAP_PART_MAX: f64 = 0.05;
/// Largest dust swap, raw units.
const DUST_MAX: u64 = 10_000;
/// Around which the base fee moves: high enough that small opportunities are not worth their gas.
const BASE_FEE_GOAL_WEI: u128 = 2_000_000_000;
/// Gas that a round's trades use, roughly.
const GAS_OF_TRADES: u64 = 1_200_000;
/// Least gas that any transaction uses.
const GAS_MIN: u64 = 21_000;
/// Bounds of a V3 pool's ticks.
const TICK_MAX: i32 = 887_272;

/// One thing that a trader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Gives `amount_in` raw units to a pool.
    Swap {
        /// Pool swapped in.
        pool: Address,
        /// Token 0 in, token 1 out.
        zero_for_one: bool,
        /// Raw units.
        amount_in: U256,
    },
    /// Adds liquidity to a V3 pool.
    AddLiquidity {
        /// Pool concerned.
        pool: Address,
        /// Lower and upper tick.
        ticks: (i32, i32),
        /// Liquidity.
        liquidity: u128,
    },
    /// Takes liquidity out of a V3 pool that was added before.
    RemoveLiquidity {
        /// Pool concerned.
        pool: Address,
        /// Lower and upper tick.
        ticks: (i32, i32),
        /// Liquidity.
        liquidity: u128,
    },
    /// Uses gas, as the rest of a chain's users do.
    BurnGas {
        /// Gas used.
        gas: u64,
    },
}

/// What the traders see of the chain besides pools.
#[derive(Debug, Clone, Copy)]
pub struct Chain {
    /// Base fee of the last block, wei.
    pub base_fee: u128,
    /// Gas limit of a block.
    pub gas_limit: u64,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    pool: Address,
    ticks: (i32, i32),
    liquidity: u128,
}

/// Chooses moves.
#[derive(Debug)]
pub struct Planner {
    rng: StdRng,
    /// Worth of one raw unit, wei.
    worth: BTreeMap<Address, f64>,
    positions: Vec<Position>,
}

impl Planner {
    /// A planner whose every choice follows from `seed`; `tokens` carry the prices that pools return to.
    #[must_use]
    pub fn new(seed: u64, tokens: &[Token]) -> Self {
        let worth = tokens
            .iter()
            .map(|token| (token.address, f64::from(token.price_wei) / 10_f64.powi(i32::from(token.decimals))));
        Self { rng: StdRng::seed_from_u64(seed), worth: worth.collect(), positions: Vec::new() }
    }

    /// A round of moves on this state.
    pub fn round(&mut self, pools: &[PoolSnapshot], chain: Chain) -> Vec<Move> {
        let mut moves = Vec::new();
        if !pools.is_empty() && !self.rng.random_bool(QUIET_PROBABILITY) {
            for _ in 0..self.rng.random_range(SWAPS_MIN..=SWAPS_MAX) {
                let pool = &pools[self.rng.random_range(0..pools.len())];
                moves.extend(self.swap(pool));
            }
            if self.rng.random_bool(LIQUIDITY_PROBABILITY) {
                moves.extend(self.liquidity(pools));
            }
        }
        moves.push(Move::BurnGas { gas: self.gas_to_burn(chain) });
        moves
    }

    fn swap(&mut self, pool: &PoolSnapshot) -> Option<Move> {
        let (held_0, held_1) = holdings(&pool.book);
        let zero_for_one = if self.rng.random_bool(RETURN_PROBABILITY) {
            // Token 0 is dear in this pool when less of it is worth as much.
            held_0 * self.worth_of(pool.key.tokens[0]) < held_1 * self.worth_of(pool.key.tokens[1])
        } else {
            self.rng.random()
        };
        // What somebody wrote into a pool by hand may be no market.
        if ![held_0, held_1].iter().all(|held| held.is_normal()) {
            return None;
        }
        let held = if zero_for_one { held_0 } else { held_1 };
        let amount_in = match self.rng.random_range(0..100) {
            0..10 => U256::from(self.rng.random_range(1..=DUST_MAX)),
            10..70 => U256::from(held * self.part(1e-4, 1e-2)),
            _ => U256::from(held * self.part(1e-2, SWAP_PART_MAX)),
        };
        (!amount_in.is_zero()).then_some(Move::Swap { pool: pool.key.address, zero_for_one, amount_in })
    }

    fn worth_of(&self, token: Address) -> f64 {
        self.worth.get(&token).copied().unwrap_or_default()
    }

    /// A part between both, each order of magnitude as likely as another.
    fn part(&mut self, low: f64, high: f64) -> f64 {
        self.rng.random_range(low.ln()..high.ln()).exp()
    }

    fn liquidity(&mut self, pools: &[PoolSnapshot]) -> Option<Move> {
        let is_full = self.positions.len() >= POSITIONS_MAX;
        if is_full || (!self.positions.is_empty() && self.rng.random_bool(0.4)) {
            let Position { pool, ticks, liquidity } =
                self.positions.swap_remove(self.rng.random_range(0..self.positions.len()));
            return Some(Move::RemoveLiquidity { pool, ticks, liquidity });
        }
        let concentrated: Vec<(&PoolSnapshot, &ConcentratedBook)> = pools
            .iter()
            .filter_map(|pool| match &pool.book {
                Book::Concentrated(book) => Some((pool, book)),
                Book::ConstantProduct(_) => None,
            })
            .collect();
        let (pool, book) = *concentrated.get(self.rng.random_range(0..concentrated.len().max(1)))?;
        let spacing = pool.key.tick_spacing;
        // Around the price, or to one side of it.
        let centre = book.tick + self.rng.random_range(-2_000..=2_000);
        let half_width = self.rng.random_range(spacing..=spacing + 3_000);
        let lower = (centre - half_width).max(-TICK_MAX + spacing).div_euclid(spacing) * spacing;
        let upper = ((centre + half_width).min(TICK_MAX - spacing).div_euclid(spacing) * spacing).max(lower + spacing);
        let liquidity = book.liquidity / 100 * u128::from(self.rng.random_range(1_u8..=60));
        if liquidity == 0 {
            return None;
        }
        let position = Position { pool: pool.key.address, ticks: (lower, upper), liquidity };
        self.positions.push(position);
        Some(Move::AddLiquidity { pool: position.pool, ticks: position.ticks, liquidity })
    }

    /// As much as makes the block fuller than its target while the base fee is below its goal, and emptier above it.
    fn gas_to_burn(&mut self, chain: Chain) -> u64 {
        let target = chain.gas_limit / 2;
        let wanted = if chain.base_fee < BASE_FEE_GOAL_WEI {
            target + target / 100 * self.rng.random_range(0..60)
        } else {
            target - target / 100 * self.rng.random_range(0..60)
        };
        wanted.saturating_sub(GAS_OF_TRADES).max(GAS_MIN)
    }
}

/// Raw units of token 0 and token 1 that set the price: reserves, or what they would be over the whole range.
fn holdings(book: &Book) -> (f64, f64) {
    match book {
        Book::ConstantProduct([zero, one]) => (f64::from(*zero), f64::from(*one)),
        Book::Concentrated(book) => {
            let root = f64::from(book.sqrt_price_x96) / 2_f64.powi(96);
            #[expect(clippy::cast_precision_loss, reason = "sizes of random swaps need no exactness")]
            let liquidity = book.liquidity as f64;
            (liquidity / root, liquidity * root)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alphapulse_protocol::message::PoolKind;

    use super::*;
    use crate::exhaustive::PoolKey;

    const CHAIN: Chain = Chain { base_fee: 1_000_000_000, gas_limit: 30_000_000 };

    fn token(index: u8) -> Token {
        Token {
            address: Address::repeat_byte(index),
            symbol: format!("T{index}"),
            decimals: 18,
            price_wei: U256::from(10).pow(U256::from(18)),
        }
    }

    fn pair(reserves: [u128; 2]) -> PoolSnapshot {
        PoolSnapshot {
            key: PoolKey {
                address: Address::repeat_byte(9),
                kind: PoolKind::UniswapV2,
                tokens: [Address::repeat_byte(1), Address::repeat_byte(2)],
                fee_ppm: 3_000,
                tick_spacing: 0,
            },
            book: Book::ConstantProduct(reserves.map(U256::from)),
        }
    }

    #[test]
    fn one_seed_makes_one_script() {
        let script = |seed| {
            let mut planner = Planner::new(seed, &[token(1), token(2)]);
            (0..50).flat_map(|_| planner.round(&[pair([1 << 70, 1 << 70])], CHAIN)).collect::<Vec<_>>()
        };
        assert_eq!(script(3), script(3));
        assert_ne!(script(3), script(4));
    }

    #[test]
    fn no_swap_is_larger_than_its_part_of_the_pool() {
        let mut planner = Planner::new(1, &[token(1), token(2)]);
        let pools = [pair([1 << 70, 1 << 60])];
        let mut swaps = 0;
        for step in (0..300).flat_map(|_| planner.round(&pools, CHAIN)) {
            let Move::Swap { zero_for_one, amount_in, .. } = step else { continue };
            let held = if zero_for_one { 1_u128 << 70 } else { 1 << 60 };
            assert!(amount_in <= U256::from(held / 20), "{amount_in} of {held}");
            swaps += 1;
        }
        assert!(swaps > 500);
    }

    #[test]
    fn nothing_is_swapped_in_a_pool_without_a_price() {
        let mut planner = Planner::new(1, &[token(1), token(2)]);
        let mut void = pair([0, 0]);
        for liquidity in [0, 1 << 70] {
            let (sqrt_price_x96, ticks) = (U256::ZERO, BTreeMap::new());
            void.book = Book::Concentrated(ConcentratedBook { sqrt_price_x96, tick: 0, liquidity, ticks });
            void.key.tick_spacing = 60;
            let moves: Vec<Move> = (0..300).flat_map(|_| planner.round(std::slice::from_ref(&void), CHAIN)).collect();
            assert!(!moves.iter().any(|step| matches!(step, Move::Swap { .. })), "{moves:?}");
        }
    }

    #[test]
    fn a_dear_token_is_sold_more_often_than_bought() {
        let mut planner = Planner::new(1, &[token(1), token(2)]);
        let pools = [pair([1 << 60, 1 << 62])];
        let moves: Vec<Move> = (0..500).flat_map(|_| planner.round(&pools, CHAIN)).collect();
        let sold = moves.iter().filter(|step| matches!(step, Move::Swap { zero_for_one: true, .. })).count();
        let bought = moves.iter().filter(|step| matches!(step, Move::Swap { zero_for_one: false, .. })).count();
        assert!(sold > bought * 3 / 2, "{sold} {bought}");
    }
}
