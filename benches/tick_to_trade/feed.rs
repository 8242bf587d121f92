//! The two feeds of one market: frames as our relay sends them, and logs as a node does.

use std::time::Instant;

use alloy::primitives::aliases::{I24, U112, U160};
use alloy::primitives::{Address, B256, I256, LogData};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Message, Pool as PoolMessage, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Swap,
    V3Tick, WireMessage,
};
use alphapulse_protocol::replica::PoolState;
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, UnixNanos, VenueId, frame};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK};

use crate::market::{Change, Slot, World};

pub(crate) const CHAIN_ID: u64 = 1;
const GWEI: u128 = 1_000_000_000;

/// Events of the pools, as their contracts declare them.
pub(crate) mod abi {
    alloy::sol! {
        event Sync(uint112 reserve0, uint112 reserve1);
        event Swap(
            address indexed sender, address indexed recipient,
            int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick
        );
    }
}

pub(crate) fn id(index: usize) -> u32 {
    u32::try_from(index).expect("few")
}

pub(crate) fn token_address(token: usize) -> Address {
    address(0xee, token)
}

pub(crate) fn pool_address(pool: usize) -> Address {
    address(0x99, pool)
}

fn address(family: u8, index: usize) -> Address {
    let mut bytes = [family; 20];
    bytes[16..].copy_from_slice(&id(index).to_be_bytes());
    Address::from(bytes)
}

/// Half full, so that the base fee stays as it is.
pub(crate) fn context(number: u64) -> BlockContext {
    let hash_of = |number: u64| {
        let mut hash = [0xb1; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    };
    BlockContext {
        number: number.into(),
        hash: hash_of(number),
        parent_hash: hash_of(number - 1),
        // The year 2100: ahead of every clock, so that no block is old by its own time.
        timestamp: (4_102_444_800 + number).into(),
        base_fee: GWEI.into(),
        gas_used: 15_000_000.into(),
        gas_limit: 30_000_000.into(),
    }
}

/// The stream of a relay: a snapshot, then blocks.
#[derive(Debug)]
pub(crate) struct Frames {
    sequence: u64,
    number: u64,
}

impl Frames {
    pub(crate) const fn new() -> Self {
        Self { sequence: 0, number: 1_000 }
    }

    pub(crate) const fn head(&self) -> u64 {
        self.number
    }

    /// Appends a snapshot of the market at rest.
    pub(crate) fn snapshot(&self, world: &World, out: &mut Vec<u8>) {
        let (tokens, pools) = (id(world.token_count()), id(world.pools.len()));
        let begin = SnapshotBegin::new(context(self.number), ChainId(CHAIN_ID), Epoch(1), tokens, pools);
        frame::write(out, &begin);
        let mut written = 0;
        for token in 0..world.token_count() {
            frame::write(out, &Token::new(TokenId(id(token)), token_address(token).into(), "T", 18));
            written += 1;
        }
        for (index, pool) in world.pools.iter().enumerate() {
            let pool_id = PoolId(id(index));
            let tokens = pool.tokens.map(|token| TokenId(id(token)));
            let (address, fee) = (pool_address(index).into(), FeePpm(pool.fee_ppm));
            let described = PoolMessage::uniswap_v2(pool_id, VenueId(pool.venue), address, tokens, fee);
            let described = match &pool.state {
                PoolState::V3(_) => described.with_ticks(pool.tick_spacing, (MIN_TICK, MAX_TICK)),
                _ => described,
            };
            frame::write(out, &described);
            write_slot(out, &Change { pool: index, slot: pool.slot() }, Sequence(0));
            written += 2;
            if let PoolState::V3(state) = &pool.state {
                for tick in &state.ticks {
                    frame::write(out, &V3Tick::new(pool_id, tick.tick, tick.liquidity_net, tick.liquidity_gross));
                    written += 1;
                }
            }
        }
        frame::write(out, &SnapshotEnd::new(written));
    }

    /// Appends the next block.
    pub(crate) fn block(&mut self, changes: &[Change], out: &mut Vec<u8>) {
        self.number += 1;
        let context = context(self.number);
        self.write(out, Block::new(context, BlockNumber(self.number)));
        for change in changes {
            self.sequence += 1;
            write_slot(out, change, Sequence(self.sequence));
        }
        self.write(out, BlockEnd::new(context.block(), id(changes.len())));
    }

    fn write<T: WireMessage>(&mut self, out: &mut Vec<u8>, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        frame::write(out, &message.stamped(Sequence(self.sequence), UnixNanos(0)));
    }
}

fn write_slot(out: &mut Vec<u8>, change: &Change, sequence: Sequence) {
    let pool = PoolId(id(change.pool));
    match change.slot {
        Slot::V2 { reserve_0, reserve_1 } => {
            frame::write(out, &V2Reserves::new(pool, reserve_0, reserve_1).stamped(sequence, UnixNanos(0)));
        }
        Slot::V3 { sqrt_price_x96, tick, liquidity } => {
            let slot = V3Swap::new(pool, sqrt_price_x96, tick, liquidity);
            frame::write(out, &slot.stamped(sequence, UnixNanos(0)));
        }
    }
}

/// A block as a node's client has it: the header's figures that a trade depends on, and the logs.
#[derive(Debug)]
pub(crate) struct LogBlock {
    pub(crate) context: BlockContext,
    pub(crate) logs: Vec<Log>,
    /// When the collector had it in hand.
    pub(crate) seen: Instant,
}

/// Logs of a block with these changes.
pub(crate) fn logs(number: u64, changes: &[Change]) -> Vec<Log> {
    let context = context(number);
    let log = |(index, change): (usize, &Change)| Log {
        inner: alloy::primitives::Log { address: pool_address(change.pool), data: log_data(&change.slot) },
        block_hash: Some(B256::from(context.hash)),
        block_number: Some(number),
        block_timestamp: Some(context.timestamp.get()),
        transaction_hash: Some(B256::repeat_byte(0x77)),
        transaction_index: Some(index as u64),
        log_index: Some(index as u64),
        removed: false,
    };
    changes.iter().enumerate().map(log).collect()
}

fn log_data(slot: &Slot) -> LogData {
    match *slot {
        Slot::V2 { reserve_0, reserve_1 } => {
            abi::Sync { reserve0: U112::from(reserve_0), reserve1: U112::from(reserve_1) }.encode_log_data()
        }
        Slot::V3 { sqrt_price_x96, tick, liquidity } => abi::Swap {
            sender: Address::repeat_byte(0x51),
            recipient: Address::repeat_byte(0x52),
            amount0: I256::MINUS_ONE,
            amount1: I256::ONE,
            sqrtPriceX96: U160::from(sqrt_price_x96),
            liquidity,
            tick: I24::try_from(tick).expect("a tick has 24 bits"),
        }
        .encode_log_data(),
    }
}
