//! Our market, told by messages as they come off the wire.

use core::ops::Range;
use std::time::{Duration, Instant};

use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Message, Pool as PoolMessage, SnapshotBegin, SnapshotEnd, Token, V2Reserves,
    V3Liquidity, V3Swap, V3Tick, WireMessage,
};
use alphapulse_protocol::replica::AHEAD_MAX;
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, UnixNanos, VenueId};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK};
use alphapulse_strategies::{Admission, Market};
use anyhow::{Result, ensure};

use crate::world::{Event, Pool, SPACING, Update, World};

/// Tokens of all pools together.
const TOKENS: u32 = 1_000;

pub(crate) fn bytes<T: WireMessage>(message: T) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    Message::from(&message).as_bytes().to_vec()
}

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
        timestamp: (1_700_000_000 + 12 * number).into(),
        base_fee: 1_000_000_000.into(),
        gas_used: 15_000_000.into(),
        gas_limit: 30_000_000.into(),
    }
}

fn id(index: usize) -> PoolId {
    PoolId(u32::try_from(index).expect("few"))
}

/// Market messages of one block, one behind the other.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sent {
    bytes: Vec<u8>,
    /// Where each lies.
    places: Vec<Range<usize>>,
}

impl Sent {
    pub(crate) fn push(&mut self, message: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.places.push(start..self.bytes.len());
    }
}

/// A market, and blocks that it is told of again and again.
pub(crate) struct Ours {
    pub(crate) market: Market,
    number: u64,
    sequence: u64,
    blocks: Vec<Sent>,
    at: usize,
    begin: Vec<u8>,
    end: Vec<u8>,
}

/// What a block took.
pub(crate) struct Times {
    pub(crate) updates: usize,
    /// All its changes.
    pub(crate) applied: Duration,
    /// Its beginning and its end.
    pub(crate) closed: Duration,
}

impl Ours {
    pub(crate) fn new(world: &World) -> Result<Self> {
        let mut body = Vec::new();
        for (index, pool) in world.pools.iter().enumerate() {
            let id = id(index);
            let first = id.0 % (TOKENS - 1);
            let tokens = [TokenId(first), TokenId(first + 1 + id.0 % (TOKENS - 1 - first))];
            let mut address = [0x99; 20];
            address[16..].copy_from_slice(&id.0.to_be_bytes());
            let described = PoolMessage::uniswap_v2(id, VenueId(0), address, tokens, FeePpm(3_000));
            match *pool {
                Pool::Pair { reserves } => {
                    body.push(bytes(described));
                    body.push(bytes(V2Reserves::new(id, reserves[0], reserves[1])));
                }
                Pool::Ranged { .. } => {
                    body.push(bytes(described.with_ticks(SPACING, (MIN_TICK, MAX_TICK))));
                    let alphapulse_protocol::replica::PoolState::V3(state) = pool.state() else {
                        unreachable!("it has ticks")
                    };
                    body.push(bytes(V3Swap::new(id, state.sqrt_price_x96, state.tick, state.liquidity)));
                    for tick in &state.ticks {
                        body.push(bytes(V3Tick::new(id, tick.tick, tick.liquidity_net, tick.liquidity_gross)));
                    }
                }
            }
        }
        let token = |at: u32| {
            let mut address = [0x77; 20];
            address[16..].copy_from_slice(&at.to_be_bytes());
            bytes(Token::new(TokenId(at), address, "T", 18))
        };
        Self::told((0..TOKENS).map(token).collect(), body, world.pools.len())
    }

    /// A market of these descriptions of tokens, and of pools with what belongs to them.
    pub(crate) fn told(tokens: Vec<Vec<u8>>, pools: Vec<Vec<u8>>, pool_count: usize) -> Result<Self> {
        let mut market = Market::new(Admission::allow_all(), 64);
        let (number, count) = (1_000, |length: usize| u32::try_from(length).expect("few"));
        let begin = SnapshotBegin::new(context(number), ChainId(1), Epoch(1), count(tokens.len()), count(pool_count));
        market.apply(&Message::from(&begin))?;
        for message in tokens.iter().chain(&pools) {
            market.apply(&Message::decode(message)?)?;
        }
        market.apply(&Message::from(&SnapshotEnd::new(count(tokens.len() + pools.len()))))?;
        ensure!(market.replica().is_whole(), "the snapshot is whole");
        let (blocks, begin, end) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { market, number, sequence: 0, blocks, at: 0, begin, end })
    }

    pub(crate) fn load(&mut self, blocks: &[Vec<Update>]) {
        self.load_sent(
            blocks
                .iter()
                .map(|block| {
                    let mut sent = Sent::default();
                    for Update { pool, event } in block {
                        let pool = id(*pool);
                        sent.push(&match *event {
                            Event::Sync { reserves } => bytes(V2Reserves::new(pool, reserves[0], reserves[1])),
                            Event::Swap { sqrt_price_x96, tick, liquidity } => {
                                bytes(V3Swap::new(pool, sqrt_price_x96, tick, liquidity))
                            }
                            Event::Liquidity { lower, upper, delta } => {
                                bytes(V3Liquidity::new(pool, lower, upper, delta))
                            }
                        });
                    }
                    sent
                })
                .collect(),
        );
    }

    pub(crate) fn load_sent(&mut self, blocks: Vec<Sent>) {
        (self.blocks, self.at) = (blocks, 0);
    }

    /// Gives the next block's messages their places in the stream: not measured.
    pub(crate) fn prepare(&mut self) {
        self.number += 1;
        let context = context(self.number);
        let mut stamp = |message: &mut [u8]| {
            self.sequence += 1;
            message[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        };
        self.begin = bytes(Block::new(context, BlockNumber(self.number)));
        stamp(&mut self.begin);
        let Sent { bytes: sent, places } = &mut self.blocks[self.at];
        for place in &*places {
            stamp(&mut sent[place.clone()]);
        }
        self.end = bytes(
            BlockEnd::new(context.block(), u32::try_from(places.len()).expect("few"))
                .stamped(Sequence(0), UnixNanos(0)),
        );
        stamp(&mut self.end);
    }

    /// Applies the block that was prepared.
    pub(crate) fn run(&mut self) -> Result<Times> {
        let Sent { bytes: sent, places } = &self.blocks[self.at];
        let market = &mut self.market;
        let started = Instant::now();
        market.apply(&Message::decode(&self.begin)?)?;
        let begun = Instant::now();
        for places in places.chunks(AHEAD_MAX) {
            // As the node does with what came in one parcel.
            market.look_ahead(places.iter().map(|place| &sent[place.clone()]));
            for place in places {
                market.apply(&Message::decode(&sent[place.clone()])?)?;
            }
        }
        let applied = Instant::now();
        market.apply(&Message::decode(&self.end)?)?;
        let ended = Instant::now();
        self.at = (self.at + 1) % self.blocks.len();
        Ok(Times { updates: places.len(), applied: applied - begun, closed: (begun - started) + (ended - applied) })
    }

    /// Goes on to the end of the last block.
    pub(crate) fn finish(&mut self) -> Result<()> {
        while self.at != 0 {
            self.prepare();
            self.run()?;
        }
        Ok(())
    }

    pub(crate) fn check(&self, world: &World) -> Result<()> {
        for (index, pool) in world.pools.iter().enumerate() {
            ensure!(
                self.market.replica().state(id(index)) == Some(&pool.state()),
                "pool {index} is not as it was told"
            );
            ensure!(self.market.is_admitted(id(index)), "pool {index} is not traded");
        }
        Ok(())
    }
}
