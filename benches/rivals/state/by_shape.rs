//! Pools as `amms` and others like it keep them, written anew: the log decoded by alloy, the pool found by its address in a
//! hash map, ticks and their bitmap in hash maps of their own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, Log, U256};
use alloy::sol_types::SolEvent;
use alphapulse_protocol::replica::PoolState;
use anyhow::{Context, Result, bail, ensure};

use crate::logs::{abi, address, log};
use crate::rival::{Logs, Rival};
use crate::world::{SPACING, Update, World};

#[derive(Default)]
struct Tick {
    gross: u128,
    net: i128,
}

struct Curve {
    sqrt_price: U256,
    tick: i32,
    liquidity: u128,
    bitmap: HashMap<i16, U256>,
    ticks: HashMap<i32, Tick>,
}

enum Held {
    Pair([u128; 2]),
    Curve(Curve),
}

impl Held {
    fn new(state: &PoolState) -> Self {
        match state {
            PoolState::V2(state) => Self::Pair([state.reserve_0, state.reserve_1]),
            PoolState::V3(state) => {
                let (bitmap, ticks) = (HashMap::new(), HashMap::new());
                let (sqrt_price, tick, liquidity) = (state.sqrt_price_x96, state.tick, state.liquidity);
                let mut curve = Curve { sqrt_price, tick, liquidity, bitmap, ticks };
                for entry in &state.ticks {
                    curve.ticks.insert(entry.tick, Tick { gross: entry.liquidity_gross, net: entry.liquidity_net });
                    curve.flip(entry.tick);
                }
                Self::Curve(curve)
            }
            _ => unreachable!("the world has no others"),
        }
    }

    fn sync(&mut self, log: &Log) -> Result<()> {
        let topic = *log.topics().first().context("a topic")?;
        match self {
            Self::Pair(reserves) => {
                let event = abi::Sync::decode_log(log)?;
                *reserves = [event.reserve0.to(), event.reserve1.to()];
            }
            Self::Curve(curve) if topic == abi::Swap::SIGNATURE_HASH => {
                let event = abi::Swap::decode_log(log)?;
                curve.sqrt_price = event.sqrtPriceX96.to();
                (curve.tick, curve.liquidity) = (event.tick.as_i32(), event.liquidity);
            }
            Self::Curve(curve) if topic == abi::Mint::SIGNATURE_HASH => {
                let event = abi::Mint::decode_log(log)?;
                let amount = i128::try_from(event.amount)?;
                curve.modify(event.tickLower.as_i32(), event.tickUpper.as_i32(), amount)?;
            }
            Self::Curve(curve) if topic == abi::Burn::SIGNATURE_HASH => {
                let event = abi::Burn::decode_log(log)?;
                let amount = i128::try_from(event.amount)?;
                curve.modify(event.tickLower.as_i32(), event.tickUpper.as_i32(), -amount)?;
            }
            Self::Curve(_) => bail!("another event"),
        }
        Ok(())
    }
}

impl Curve {
    fn modify(&mut self, lower: i32, upper: i32, delta: i128) -> Result<()> {
        for (tick, net) in [(lower, delta), (upper, -delta)] {
            let entry = self.ticks.entry(tick).or_default();
            let before = entry.gross;
            entry.gross = before.checked_add_signed(delta).context("gross")?;
            entry.net += net;
            if (before == 0) != (entry.gross == 0) {
                self.flip(tick);
            }
        }
        if (lower..upper).contains(&self.tick) {
            self.liquidity = self.liquidity.checked_add_signed(delta).context("liquidity")?;
        }
        Ok(())
    }

    fn flip(&mut self, tick: i32) {
        let place = tick / SPACING;
        let word = self.bitmap.entry(i16::try_from(place >> 8).expect("16 bits")).or_default();
        *word ^= U256::ONE << usize::try_from(place & 255).expect("below 256");
    }
}

pub(crate) struct Shape {
    pools: HashMap<Address, Held>,
    logs: Logs<Log>,
}

impl Shape {
    pub(crate) fn new(world: &World) -> Self {
        let pools = world.pools.iter().enumerate().map(|(index, pool)| (address(index), Held::new(&pool.state())));
        Self { pools: pools.collect(), logs: Logs::new() }
    }
}

impl Rival for Shape {
    fn name(&self) -> &'static str {
        "alloy's decoding and hash maps"
    }

    fn load(&mut self, blocks: &[Vec<Update>]) {
        self.logs.load(blocks, log);
    }

    fn prepare(&mut self) {
        self.logs.prepare();
    }

    fn run(&mut self) -> Result<(usize, Duration)> {
        let started = Instant::now();
        for log in &self.logs.ready {
            self.pools.get_mut(&log.address).context("a known pool")?.sync(log)?;
        }
        Ok((self.logs.ready.len(), started.elapsed()))
    }

    fn is_at_end(&self) -> bool {
        self.logs.is_at_end()
    }

    fn check(&self, world: &World) -> Result<()> {
        for (index, pool) in world.pools.iter().enumerate() {
            match (pool.state(), self.pools.get(&address(index))) {
                (PoolState::V2(state), Some(Held::Pair(held))) => {
                    ensure!([state.reserve_0, state.reserve_1] == *held, "pair {index}");
                }
                (PoolState::V3(state), Some(Held::Curve(held))) => {
                    let slot = (held.sqrt_price, held.tick, held.liquidity);
                    ensure!((state.sqrt_price_x96, state.tick, state.liquidity) == slot, "slot of pool {index}");
                    let is_same = state.ticks.iter().all(|entry| {
                        let tick = held.ticks.get(&entry.tick);
                        tick.is_some_and(|tick| (tick.gross, tick.net) == (entry.liquidity_gross, entry.liquidity_net))
                    });
                    ensure!(is_same && state.ticks.len() == held.ticks.len(), "ticks of pool {index}");
                }
                _ => bail!("pool {index} is of another kind"),
            }
        }
        Ok(())
    }
}
