//! What a relay sends when a pool is swapped in or is given liquidity, from our own reckoning of it.

use alphapulse_protocol::message::{
    BalancerStableBalances, BalancerWeightedBalances, CurveCryptoBalances, CurveStableBalances, CurveStableParameters,
    PoolRates, RatesUse, SolidlyReserves, V2Reserves, V3Liquidity, V3Swap, V4Swap,
};
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::{BalancerStableHoldings, CurveStableHoldings};
use alphapulse_protocol::{PoolId, U256};
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::{After, Market};
use rand::Rng;
use rand::rngs::StdRng;

use crate::sketch::bytes;

/// The message for the state that a swap leaves; `None` where the pool refuses the swap.
pub(crate) fn swap(market: &Market, id: PoolId, way: Way, amount_in: U256) -> Option<Vec<u8>> {
    let swapped = market.pool(id).ok()?.swap_exact_in(way, amount_in, market.timestamp()).ok()?;
    Some(match (market.replica().state(id)?, swapped.after) {
        (PoolState::Solidly(state), After::Reserves([reserve_0, reserve_1])) => {
            bytes(SolidlyReserves::new(id, state.fee, reserve_0, reserve_1))
        }
        (_, After::Reserves([reserve_0, reserve_1])) => bytes(V2Reserves::new(id, reserve_0, reserve_1)),
        (PoolState::V4(state), After::Slot { sqrt_price_x96, tick, liquidity }) => {
            bytes(V4Swap::new(id, sqrt_price_x96, tick, liquidity, state.fees))
        }
        (_, After::Slot { sqrt_price_x96, tick, liquidity }) => bytes(V3Swap::new(id, sqrt_price_x96, tick, liquidity)),
        (PoolState::CurveStable(state), After::StableSwap(after)) => {
            bytes(CurveStableBalances::new(id, &CurveStableHoldings { balances: after.balances, ..state.holdings }))
        }
        (_, After::CryptoSwap { holdings, .. }) => bytes(CurveCryptoBalances::new(id, &holdings)),
        (PoolState::BalancerStable(state), After::Balances(balances)) => {
            bytes(BalancerStableBalances::new(id, &BalancerStableHoldings { balances, ..state.holdings }))
        }
        (_, After::Balances(balances)) => bytes(BalancerWeightedBalances::new(id, &balances)),
        _ => return None,
    })
}

/// A random swap of up to a hundredth of what the pool holds.
pub(crate) fn random_swap(market: &Market, id: PoolId, rng: &mut StdRng) -> Option<Vec<u8>> {
    let info = &market.replica().pools()[id.index()];
    let way = random_way(info, rng);
    let held = held(market.replica().state(id)?, usize::from(way.token_in));
    swap(market, id, way, U256::from(held / 100 / rng.random_range(1..1_000_u128) + 1))
}

pub(crate) fn random_way(info: &PoolInfo, rng: &mut StdRng) -> Way {
    let count = u8::try_from(info.tokens.len()).expect("few tokens");
    let token_in = rng.random_range(0..count);
    Way { token_in, token_out: (token_in + rng.random_range(1..count)) % count }
}

/// About what a pool holds of a token.
fn held(state: &PoolState, token: usize) -> u128 {
    match state {
        PoolState::V2(state) => [state.reserve_0, state.reserve_1][token],
        PoolState::Solidly(state) => [state.reserve_0, state.reserve_1][token],
        PoolState::V3(curve) => virtual_reserves(curve.sqrt_price_x96, curve.liquidity)[token],
        PoolState::V4(state) => virtual_reserves(state.curve.sqrt_price_x96, state.curve.liquidity)[token],
        PoolState::CurveStable(state) => state.holdings.balances[token],
        PoolState::CurveCrypto(state) => state.holdings.balances[token],
        PoolState::BalancerWeighted(state) => state.balances[token],
        PoolState::BalancerStable(state) => state.holdings.balances[token],
        _ => 0,
    }
}

fn virtual_reserves(sqrt_price_x96: U256, liquidity: u128) -> [u128; 2] {
    let liquidity = U256::from(liquidity);
    let reserves = [(liquidity << 96_usize) / sqrt_price_x96.max(U256::ONE), (liquidity * sqrt_price_x96) >> 96_usize];
    reserves.map(|reserve| u128::try_from(reserve).unwrap_or(u128::MAX))
}

/// What else may happen to a pool: a position comes or goes, a rate or an amplification is set.
pub(crate) fn random_other(market: &Market, id: PoolId, rng: &mut StdRng) -> Option<Vec<u8>> {
    let info = &market.replica().pools()[id.index()];
    match market.replica().state(id)? {
        PoolState::V3(curve) => Some(position(id, info, curve.tick, rng)),
        PoolState::V4(state) => Some(position(id, info, state.curve.tick, rng)),
        PoolState::CurveStable(state) => {
            let mut terms = state.terms;
            terms.amplification.future += rng.random_range(1..50);
            (terms.amplification.initial_time, terms.amplification.future_time) =
                (market.timestamp() - 10_000, market.timestamp() + rng.random_range(0..10_000));
            Some(bytes(CurveStableParameters::new(id, &terms)))
        }
        PoolState::BalancerStable(state) => {
            let mut rates = state.rates;
            rates.rates[0] += u128::from(rng.random_range(0..1_000_000_000_u32));
            Some(bytes(PoolRates::new(id, RatesUse::Swap, &rates)))
        }
        _ => None,
    }
}

/// A mint around the price; its burn may come later as any other burn of as much.
fn position(id: PoolId, info: &PoolInfo, tick: i32, rng: &mut StdRng) -> Vec<u8> {
    let (spacing, middle) = (info.tick_spacing, tick / info.tick_spacing * info.tick_spacing);
    let lower = middle - spacing * rng.random_range(-5..30);
    let upper = lower + spacing * rng.random_range(1..40);
    bytes(V3Liquidity::new(id, lower, upper, rng.random_range(1..1_000_000_000_000_000)))
}
