//! A market and strategies on it, told block by block.

use std::time::{Duration, Instant};

use alphapulse_protocol::message::{
    Block, BlockEnd, Message, Pool, SnapshotBegin, SnapshotEnd, Token, V2Reserves, WireMessage,
};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, U256, UnixNanos, VenueId};
use alphapulse_strategies::cyclic::Cyclic;
use alphapulse_strategies::{
    Admission, Market, MarketEvent, OpportunitySink, Settings, Strategy, StrategyConfig, StrategyKind,
};
use anyhow::{Result, ensure};

use crate::messages::{bytes, context};
use crate::world::{DOLLAR, World};

/// Dollars that a route must earn: what its gas costs.
const PROFIT_MIN: f64 = 2.0;
const REPORTS: usize = 4_096;

/// Market and strategy.
pub(crate) struct Ours {
    pub(crate) market: Market,
    number: u64,
    sequence: u64,
}

/// A strategy and what it reported last.
pub(crate) struct Contender {
    pub(crate) strategy: Cyclic,
    pub(crate) found: OpportunitySink,
}

impl Contender {
    /// By the search that stops where prices prove that nothing is left, or by the index of all routes.
    pub(crate) fn new(hops_max: u8, is_indexed: bool) -> Result<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two dollars")]
        let profit_min = U256::from((PROFIT_MIN * DOLLAR) as u128);
        let config = StrategyConfig {
            name: "bench".to_owned(),
            kind: StrategyKind::CYCLIC,
            tokens: vec![token_address(0)],
            hops_max,
            profit_min,
            per_block_max: REPORTS,
            settings: Settings::new(),
        };
        let strategy = if is_indexed { Cyclic::indexed(&config, 0)? } else { Cyclic::new(&config, 0)? };
        Ok(Self { strategy, found: OpportunitySink::new(REPORTS) })
    }

    /// Lets it look, and says how long it took.
    pub(crate) fn look(&mut self, market: &Market, event: &MarketEvent) -> Duration {
        self.found.clear();
        let started = Instant::now();
        self.strategy.on_event(market, event, &mut self.found);
        started.elapsed()
    }
}

fn token_address(token: u32) -> [u8; 20] {
    let mut address = [0x77; 20];
    address[16..].copy_from_slice(&token.to_be_bytes());
    address
}

fn id(index: usize) -> u32 {
    u32::try_from(index).expect("few")
}

impl Ours {
    pub(crate) fn new(world: &World) -> Result<Self> {
        let mut market = Market::new(Admission::allow_all(), 64);
        let number = 1_000;
        let (tokens, pools) = (id(world.token_count), id(world.pairs.len()));
        market.apply(&Message::from(&SnapshotBegin::new(context(number), ChainId(1), Epoch(1), tokens, pools)))?;
        for at in 0..tokens {
            market.apply(&Message::from(&Token::new(TokenId(at), token_address(at), "T", 18)))?;
        }
        for (pair, at) in world.pairs.iter().zip(0..) {
            let mut address = [0x99; 20];
            address[16..].copy_from_slice(&u32::to_be_bytes(at));
            let tokens = pair.tokens.map(|token| TokenId(id(token)));
            let (pool, fee) = (PoolId(at), FeePpm(pair.fee_ppm));
            market.apply(&Message::from(&Pool::uniswap_v2(pool, VenueId(0), address, tokens, fee)))?;
            market.apply(&Message::from(&V2Reserves::new(pool, pair.reserves[0], pair.reserves[1])))?;
        }
        market.apply(&Message::from(&SnapshotEnd::new(tokens + 2 * pools)))?;
        ensure!(market.replica().is_tradable(), "the snapshot is whole");
        Ok(Self { market, number, sequence: 0 })
    }

    /// Begins a block.
    pub(crate) fn begin(&mut self) -> Result<MarketEvent> {
        self.number += 1;
        let block = self.next(Block::new(context(self.number), BlockNumber(self.number)));
        Ok(self.market.apply(&Message::decode(&block)?)?)
    }

    /// Ends the block, in which one pool gets these reserves.
    pub(crate) fn update(&mut self, pool: usize, [reserve_0, reserve_1]: [u128; 2]) -> Result<MarketEvent> {
        let message = self.next(V2Reserves::new(PoolId(id(pool)), reserve_0, reserve_1));
        self.market.apply(&Message::decode(&message)?)?;
        let end = self.next(BlockEnd::new(context(self.number).block(), 1));
        Ok(self.market.apply(&Message::decode(&end)?)?)
    }

    fn next<T: WireMessage>(&mut self, message: T) -> Vec<u8>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        bytes(message.stamped(Sequence(self.sequence), UnixNanos(0)))
    }
}
