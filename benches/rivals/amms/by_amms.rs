//! `amms`: its pools told one by one, and its state space told of whole blocks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::rpc::types::Log;
use alphapulse_protocol::replica::{PoolState, V3State};
use amms::amms::Token;
use amms::amms::amm::{AMM, AutomatedMarketMaker};
use amms::amms::uniswap_v2::UniswapV2Pool;
use amms::amms::uniswap_v3::{Info, UniswapV3Pool};
use amms::state_space::StateSpace;
use anyhow::{Context, Result, bail, ensure};

use crate::logs::{address, log};
use crate::rival::{Logs, Rival};
use crate::world::{SPACING, Update, World};

const FEE_PPM: u32 = 3_000;
/// `amms` counts a pair's fee in hundred thousandths.
const FEE: usize = 300;

fn token(byte: u8) -> Token {
    Token::new_with_decimals(Address::repeat_byte(byte), 18)
}

fn ranged(address: Address, state: &V3State) -> UniswapV3Pool {
    let mut pool = UniswapV3Pool {
        address,
        token_a: token(1),
        token_b: token(2),
        liquidity: state.liquidity,
        sqrt_price: state.sqrt_price_x96,
        fee: FEE_PPM,
        tick: state.tick,
        tick_spacing: SPACING,
        tick_bitmap: HashMap::new(),
        ticks: HashMap::new(),
    };
    for entry in &state.ticks {
        pool.ticks.insert(entry.tick, Info::new(entry.liquidity_gross, entry.liquidity_net, true));
        pool.flip_tick(entry.tick, SPACING);
    }
    pool
}

fn space(world: &World) -> StateSpace {
    let mut space = StateSpace::default();
    for (index, pool) in world.pools.iter().enumerate() {
        let address = address(index);
        let held = match pool.state() {
            PoolState::V2(state) => {
                let (token_a, token_b) = (token(1), token(2));
                let (reserve_0, reserve_1) = (state.reserve_0, state.reserve_1);
                AMM::from(UniswapV2Pool { address, token_a, token_b, reserve_0, reserve_1, fee: FEE })
            }
            PoolState::V3(state) => AMM::from(ranged(address, &state)),
            _ => unreachable!("the world has no others"),
        };
        space.state.insert(address, held);
    }
    space
}

fn check(space: &StateSpace, world: &World) -> Result<()> {
    for (index, pool) in world.pools.iter().enumerate() {
        match (pool.state(), space.get(&address(index))) {
            (PoolState::V2(state), Some(AMM::UniswapV2Pool(held))) => {
                ensure!((state.reserve_0, state.reserve_1) == (held.reserve_0, held.reserve_1), "pair {index}");
            }
            (PoolState::V3(state), Some(AMM::UniswapV3Pool(held))) => {
                let slot: (U256, _, _) = (held.sqrt_price, held.tick, held.liquidity);
                ensure!((state.sqrt_price_x96, state.tick, state.liquidity) == slot, "slot of pool {index}");
                let is_same = state.ticks.iter().all(|entry| {
                    let tick = held.ticks.get(&entry.tick).map(|tick| (tick.liquidity_gross, tick.liquidity_net));
                    tick == Some((entry.liquidity_gross, entry.liquidity_net))
                });
                ensure!(is_same && state.ticks.len() == held.ticks.len(), "ticks of pool {index}");
            }
            _ => bail!("pool {index} is of another kind"),
        }
    }
    Ok(())
}

fn rpc_log(update: &Update) -> Log {
    Log { inner: log(update), ..Log::default() }
}

/// Each log handed to its pool.
pub(crate) struct Pools {
    space: StateSpace,
    logs: Logs<Log>,
}

impl Pools {
    pub(crate) fn new(world: &World) -> Self {
        Self { space: space(world), logs: Logs::new() }
    }
}

impl Rival for Pools {
    fn name(&self) -> &'static str {
        "amms, sync of a pool"
    }

    fn load(&mut self, blocks: &[Vec<Update>]) {
        self.logs.load(blocks, rpc_log);
    }

    fn prepare(&mut self) {
        self.logs.prepare();
    }

    fn run(&mut self) -> Result<(usize, Duration)> {
        let started = Instant::now();
        for log in &self.logs.ready {
            self.space.get_mut(&log.address()).context("a known pool")?.sync(log)?;
        }
        Ok((self.logs.ready.len(), started.elapsed()))
    }

    fn is_at_end(&self) -> bool {
        self.logs.is_at_end()
    }

    fn check(&self, world: &World) -> Result<()> {
        check(&self.space, world)
    }
}

/// Each block's logs handed to the whole.
pub(crate) struct Space {
    space: StateSpace,
    logs: Logs<Log>,
    number: u64,
}

impl Space {
    pub(crate) fn new(world: &World) -> Self {
        Self { space: space(world), logs: Logs::new(), number: 1_000 }
    }
}

impl Rival for Space {
    fn name(&self) -> &'static str {
        "amms, sync of a block"
    }

    fn is_whole_block(&self) -> bool {
        true
    }

    fn load(&mut self, blocks: &[Vec<Update>]) {
        self.logs.load(blocks, rpc_log);
    }

    fn prepare(&mut self) {
        self.logs.prepare();
        self.number += 1;
        self.logs.ready.iter_mut().for_each(|log| log.block_number = Some(self.number));
    }

    fn run(&mut self) -> Result<(usize, Duration)> {
        let started = Instant::now();
        self.space.sync(&self.logs.ready)?;
        Ok((self.logs.ready.len(), started.elapsed()))
    }

    fn is_at_end(&self) -> bool {
        self.logs.is_at_end()
    }

    fn check(&self, world: &World) -> Result<()> {
        check(&self.space, world)
    }
}
