//! The model's pools: what providers hold, not what a contract stores.

use std::collections::BTreeMap;
use std::ops::Range;

use alphapulse_protocol::U256;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolState, TickLiquidity, V2State, V3State};
use proptest::prelude::*;

/// A pool as the model knows it; tokens by the seed of their address.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) kind: PoolKind,
    pub(super) address: u8,
    pub(super) tokens: [u8; 2],
    pub(super) fee_ppm: u32,
    pub(super) known_ticks: (i32, i32),
    pub(super) holdings: Holdings,
}

/// State of a pool of either kind; the other kind's half is unused.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings {
    pub(super) reserves: (u128, u128),
    pub(super) price: U256,
    pub(super) tick: i32,
    /// Liquidity by range.
    pub(super) positions: BTreeMap<(i32, i32), u128>,
}

impl Holdings {
    /// Liquidity of all ranges around the current tick.
    pub(super) fn active(&self) -> u128 {
        self.positions.iter().filter(|((lower, upper), _)| (*lower..*upper).contains(&self.tick)).map(|(_, l)| l).sum()
    }

    /// Net and gross liquidity at every end of a range within `known`, summed up anew.
    pub(super) fn ticks(&self, known: (i32, i32)) -> Vec<TickLiquidity> {
        let mut ticks = BTreeMap::<i32, (i128, u128)>::new();
        for ((lower, upper), liquidity) in &self.positions {
            let signed = i128::try_from(*liquidity).expect("amounts are small");
            for (tick, net) in [(*lower, signed), (*upper, -signed)] {
                let entry = ticks.entry(tick).or_default();
                (entry.0, entry.1) = (entry.0 + net, entry.1 + liquidity);
            }
        }
        let kept = ticks.into_iter().filter(|(tick, (_, gross))| *gross > 0 && known.0 <= *tick && *tick <= known.1);
        kept.map(|(tick, (liquidity_net, liquidity_gross))| TickLiquidity { tick, liquidity_net, liquidity_gross })
            .collect()
    }
}

impl Pool {
    /// What the mirror must hold.
    pub(super) fn expected(&self) -> PoolState {
        let holdings = &self.holdings;
        match self.kind {
            PoolKind::UniswapV2 => {
                PoolState::V2(V2State { reserve_0: holdings.reserves.0, reserve_1: holdings.reserves.1 })
            }
            _ => PoolState::V3(V3State {
                sqrt_price_x96: holdings.price,
                tick: holdings.tick,
                liquidity: holdings.active(),
                ticks: holdings.ticks(self.known_ticks),
            }),
        }
    }
}

/// A wish; what it comes to depends on the state that it meets.
#[derive(Debug, Clone)]
pub(super) enum Update {
    Reserves {
        pool: usize,
        reserves: (u128, u128),
    },
    Swap {
        pool: usize,
        tick: i32,
        price: u128,
    },
    Mint {
        pool: usize,
        range: (i32, i32),
        amount: u128,
    },
    /// Takes `part` of 4 quarters of a position; 0 is a burn of nothing.
    Burn {
        pool: usize,
        position: usize,
        part: u8,
    },
    AddPool {
        kind: PoolKind,
        tokens: (u8, u8),
        known_ticks: (i32, i32),
        start: Vec<((i32, i32), u128)>,
    },
}

/// What came of a wish: exactly this is sent, and sent again when the chain returns to its block.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Reserves { pool: usize, reserves: (u128, u128) },
    Slot { pool: usize },
    Liquidity { pool: usize, range: (i32, i32), delta: i128 },
    Added { pool: usize },
}

impl Update {
    pub(super) fn reserves(reserve_0: u128, reserve_1: u128) -> Self {
        Self::Reserves { pool: 0, reserves: (reserve_0, reserve_1) }
    }
}

/// Makes a wish true on `pools`, or not if it makes no sense there.
pub(super) fn make(pools: &mut Vec<Pool>, update: &Update) -> Option<Event> {
    match update {
        Update::AddPool { kind, tokens, known_ticks, start } => {
            let holdings =
                Holdings { price: U256::ONE, positions: start.iter().copied().collect(), ..Holdings::default() };
            let address = u8::try_from(pools.len()).ok()?;
            let tokens = [tokens.0, tokens.0.wrapping_add(1 + tokens.1)];
            pools.push(Pool { kind: *kind, address, tokens, fee_ppm: 500, known_ticks: *known_ticks, holdings });
            Some(Event::Added { pool: pools.len() - 1 })
        }
        Update::Reserves { pool, reserves } => {
            let (pool, holdings) = pick(pools, *pool, PoolKind::UniswapV2)?;
            holdings.reserves = *reserves;
            Some(Event::Reserves { pool, reserves: *reserves })
        }
        Update::Swap { pool, tick, price } => {
            let (pool, holdings) = pick(pools, *pool, PoolKind::UniswapV3)?;
            (holdings.tick, holdings.price) = (*tick, U256::from(*price));
            Some(Event::Slot { pool })
        }
        Update::Mint { pool, range, amount } => {
            let (pool, holdings) = pick(pools, *pool, PoolKind::UniswapV3)?;
            *holdings.positions.entry(*range).or_default() += amount;
            Some(Event::Liquidity { pool, range: *range, delta: i128::try_from(*amount).ok()? })
        }
        Update::Burn { pool, position, part } => {
            let (pool, holdings) = pick(pools, *pool, PoolKind::UniswapV3)?;
            let at = position.checked_rem(holdings.positions.len())?;
            let (range, held) = holdings.positions.iter_mut().nth(at)?;
            let burned = *held / 4 * u128::from(*part) + if *part == 4 { *held % 4 } else { 0 };
            *held -= burned;
            Some(Event::Liquidity { pool, range: *range, delta: -i128::try_from(burned).ok()? })
        }
    }
}

/// The pool of this kind that `wish` comes to.
fn pick(pools: &mut [Pool], wish: usize, kind: PoolKind) -> Option<(usize, &mut Holdings)> {
    let of_kind: Vec<_> = (0..pools.len()).filter(|at| pools[*at].kind == kind).collect();
    let at = *of_kind.get(wish.checked_rem(of_kind.len())?)?;
    Some((at, &mut pools[at].holdings))
}

/// Ends on few places, so that ranges share them; some outside what is known.
fn any_range() -> impl Strategy<Value = (i32, i32)> {
    let inner = (-6..6_i32, 1..6_i32).prop_map(|(lower, width)| (lower * 60, (lower + width) * 60));
    prop_oneof![9 => inner, 1 => Just((-887_220, 887_220)), 1 => Just((-887_272, 887_272))]
}

fn any_tick() -> impl Strategy<Value = i32> {
    prop_oneof![6 => -500..500_i32, 3 => (-8..8_i32).prop_map(|at| at * 60), 1 => Just(-887_272), 1 => Just(887_272)]
}

fn any_known_ticks() -> impl Strategy<Value = (i32, i32)> {
    prop_oneof![Just((-887_272, 887_272)), Just((-180, 120)), Just((-887_272, 0)), Just((60, 60))]
}

fn any_new_pool() -> impl Strategy<Value = Update> {
    let kind = prop_oneof![Just(PoolKind::UniswapV2), Just(PoolKind::UniswapV3)];
    let start = prop::collection::vec((any_range(), 1..1_000_u128), 0..3);
    (kind, (0..6_u8, 0..3_u8), any_known_ticks(), start)
        .prop_map(|(kind, tokens, known_ticks, start)| Update::AddPool { kind, tokens, known_ticks, start })
}

fn any_update() -> impl Strategy<Value = Update> {
    let reserve = || prop_oneof![0..1_000_u128, Just((1 << 112) - 1)];
    let amount = prop_oneof![1..100_u128, 1..1_u128 << 100];
    let pool = || 0..8_usize;
    prop_oneof![
        3 => (pool(), (reserve(), reserve())).prop_map(|(pool, reserves)| Update::Reserves { pool, reserves }),
        3 => (pool(), any_tick(), any::<u128>()).prop_map(|(pool, tick, price)| Update::Swap { pool, tick, price }),
        3 => (pool(), any_range(), amount).prop_map(|(pool, range, amount)| Update::Mint { pool, range, amount }),
        3 => (pool(), 0..8_usize, 0..5_u8).prop_map(|(pool, position, part)| Update::Burn { pool, position, part }),
        1 => any_new_pool(),
    ]
}

pub(super) fn any_updates(count: Range<usize>) -> impl Strategy<Value = Vec<Update>> {
    prop::collection::vec(any_update(), count)
}
