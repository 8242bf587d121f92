//! The rival's pools: state by contract address, as logs leave it.

use alloy::primitives::map::AddressMap;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::replica::{PoolState, TickLiquidity, V3State};
use alphapulse_strategies::pool::concentrated_liquidity::{V3View, quote_exact_in};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK};

use crate::feed::{self, abi};
use crate::market::World;

const PPM: f64 = 1e6;
const Q96: f64 = 79_228_162_514_264_337_593_543_950_336.0;

/// A pool as the bot knows it.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) venue: u16,
    pub(super) tokens: [Address; 2],
    pub(super) fee_ppm: u32,
    curve: Curve,
    /// Output per input after fees for the first unit, token 0 in and token 1 in.
    rates: [f64; 2],
}

#[derive(Debug)]
enum Curve {
    Constant { reserves: [U256; 2] },
    Concentrated { spacing: i32, sqrt_price_x96: U256, tick: i32, liquidity: u128, ticks: Vec<TickLiquidity> },
}

/// All pools.
#[derive(Debug, Default)]
pub(super) struct Book(AddressMap<Pool>);

impl Book {
    pub(super) fn new(world: &World) -> Self {
        let pool = |(index, pool): (usize, &crate::market::Pool)| {
            let curve = match &pool.state {
                PoolState::V2(state) => {
                    Curve::Constant { reserves: [U256::from(state.reserve_0), U256::from(state.reserve_1)] }
                }
                PoolState::V3(V3State { sqrt_price_x96, tick, liquidity, ticks }) => Curve::Concentrated {
                    spacing: pool.tick_spacing,
                    sqrt_price_x96: *sqrt_price_x96,
                    tick: *tick,
                    liquidity: *liquidity,
                    ticks: ticks.clone(),
                },
                other => unreachable!("the world has no pool of {other:?}"),
            };
            let tokens = pool.tokens.map(feed::token_address);
            let mut known = Pool { venue: pool.venue, tokens, fee_ppm: pool.fee_ppm, curve, rates: [0.0; 2] };
            known.update_rates();
            (feed::pool_address(index), known)
        };
        Self(world.pools.iter().enumerate().map(pool).collect())
    }

    pub(super) fn get(&self, pool: &Address) -> &Pool {
        &self.0[pool]
    }

    /// Takes a log; returns whether a pool of ours emitted it.
    pub(super) fn apply(&mut self, log: &Log) -> bool {
        let Some(pool) = self.0.get_mut(&log.address()) else { return false };
        let is_known = match log.topic0() {
            Some(&abi::Sync::SIGNATURE_HASH) => abi::Sync::decode_log(&log.inner).is_ok_and(|sync| {
                pool.curve = Curve::Constant { reserves: [sync.reserve0.to(), sync.reserve1.to()] };
                true
            }),
            Some(&abi::Swap::SIGNATURE_HASH) => {
                abi::Swap::decode_log(&log.inner).is_ok_and(|swap| pool.curve.set_slot(&swap))
            }
            _ => false,
        };
        pool.update_rates();
        is_known
    }
}

impl Curve {
    fn set_slot(&mut self, swap: &abi::Swap) -> bool {
        let Self::Concentrated { sqrt_price_x96, tick, liquidity, .. } = self else { return false };
        *sqrt_price_x96 = swap.sqrtPriceX96.to();
        *tick = swap.tick.as_i32();
        *liquidity = swap.liquidity;
        true
    }
}

impl Pool {
    /// Token paid and token received.
    pub(super) const fn direction(&self, zero_for_one: bool) -> (Address, Address) {
        if zero_for_one { (self.tokens[0], self.tokens[1]) } else { (self.tokens[1], self.tokens[0]) }
    }

    pub(super) const fn is_v3(&self) -> bool {
        matches!(self.curve, Curve::Concentrated { .. })
    }

    pub(super) fn rate(&self, zero_for_one: bool) -> f64 {
        self.rates[usize::from(!zero_for_one)]
    }

    /// Virtual reserve of the token paid: no sensible trade pays more.
    pub(super) fn reserve_in(&self, zero_for_one: bool) -> U256 {
        match &self.curve {
            Curve::Constant { reserves } => reserves[usize::from(!zero_for_one)],
            Curve::Concentrated { sqrt_price_x96, liquidity, .. } => {
                let liquidity = U256::from(*liquidity);
                let scaled = liquidity << 96;
                if zero_for_one { scaled / sqrt_price_x96 } else { (liquidity * sqrt_price_x96) >> 96 }
            }
        }
    }

    /// Output for an input, as the pool computes it; zero when it cannot take the whole input.
    pub(super) fn quote(&self, zero_for_one: bool, amount_in: U256) -> U256 {
        match &self.curve {
            Curve::Constant { reserves } => {
                let [reserve_in, reserve_out] = if zero_for_one { *reserves } else { [reserves[1], reserves[0]] };
                let scale = U256::from(1_000_000);
                let paid = amount_in * U256::from(1_000_000 - self.fee_ppm);
                paid * reserve_out / (reserve_in * scale + paid)
            }
            Curve::Concentrated { spacing, sqrt_price_x96, tick, liquidity, ticks } => {
                let view = V3View {
                    fee_ppm: self.fee_ppm,
                    tick_spacing: *spacing,
                    sqrt_price_x96: *sqrt_price_x96,
                    tick: *tick,
                    liquidity: *liquidity,
                    ticks,
                    known_ticks: (MIN_TICK, MAX_TICK),
                };
                match quote_exact_in(&view, zero_for_one, amount_in) {
                    Ok(swap) if !swap.is_partial => swap.amount_out,
                    _ => U256::ZERO,
                }
            }
        }
    }

    fn update_rates(&mut self) {
        let price = match &self.curve {
            Curve::Constant { reserves } => f64::from(reserves[1]) / f64::from(reserves[0]),
            Curve::Concentrated { sqrt_price_x96, .. } => (f64::from(*sqrt_price_x96) / Q96).powi(2),
        };
        let kept = 1.0 - f64::from(self.fee_ppm) / PPM;
        self.rates = [price * kept, kept / price];
    }
}
