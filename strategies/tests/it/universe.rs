//! Markets of pools of all kinds whose prices nearly agree, told message by message, and swaps in them.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "prices of random markets are drawn in floats"
)]

use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage,
};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V2State, V3State, describe_pool};
use alphapulse_protocol::values::{PoolDetails, TokenList};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, U256, UnixNanos, VenueId};
use alphapulse_strategies::conformance::pool::{SamplePool, Species};
use alphapulse_strategies::conformance::{pool_address, token_address};
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::{Admission, Hop, Market, MarketEvent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Value at which the pools between tokens are made, in raw units of the first token.
const DEPTH: f64 = 1e21;
/// How far a pool between two tokens is off their prices.
const SPREAD: f64 = 0.01;

/// A token: what a raw unit of it is worth, in raw units of the first.
#[derive(Debug, Clone, Copy)]
struct Priced {
    value: f64,
    decimals: u8,
}

/// A random market, and what a relay would say of it.
pub(crate) struct Universe {
    random: StdRng,
    tokens: Vec<Priced>,
    pools: Vec<SamplePool>,
    sequence: u64,
    block: u64,
    /// Trades of the next block.
    taken: Vec<Hop>,
}

impl Universe {
    /// Of `curved` drawn pools of random kinds with tokens of their own, each also a second time, a swap apart, and of `pairs` pools of
    /// two tokens between all of those.
    pub(crate) fn new(seed: u64, curved: usize, pairs: usize) -> Self {
        let base = Priced { value: 1.0, decimals: 18 };
        let random = StdRng::seed_from_u64(seed);
        let mut universe =
            Self { random, tokens: vec![base], pools: Vec::new(), sequence: 0, block: 1, taken: Vec::new() };
        while universe.pools.len() < 2 * curved {
            universe.draw();
        }
        for at in 0..pairs {
            // Every token is in one at least, to the first.
            let a =
                if at + 1 < universe.tokens.len() { 0 } else { universe.random.random_range(0..universe.tokens.len()) };
            let b = if a == 0 && at + 1 < universe.tokens.len() {
                at + 1
            } else {
                universe.random.random_range(0..universe.tokens.len())
            };
            if a != b {
                universe.link([a.min(b), a.max(b)]);
            }
        }
        universe
    }

    /// A pool of a random kind, if it is one that sells every token, with tokens priced by its rates.
    fn draw(&mut self) {
        let species = Species::ALL[self.random.random_range(0..Species::ALL.len())];
        let mut pool = species.draw(self.random.random());
        if pool.base.is_some() {
            return;
        }
        let count = usize::from(pool.token_count());
        let Some(prices) = prices(&pool, count) else { return };
        let first = self.tokens.len() as u32;
        let ids: Vec<_> = (first..).map(TokenId).take(count).collect();
        pool.info.tokens = TokenList::new(&ids).expect("as many as before");
        let mut decimals = [18; 8];
        if let PoolDetails::MultiToken(details) = &mut pool.info.details {
            details.underlying = pool.info.tokens;
            decimals = details.decimals;
        }
        let unit = 10_f64.powi(18 - i32::from(decimals[0]));
        for (price, decimals) in prices.iter().zip(decimals) {
            self.tokens.push(Priced { value: price * unit, decimals });
        }
        let mut twin = pool.clone();
        swap(&mut twin, &mut self.random);
        for mut pool in [pool, twin] {
            pool.info.address = pool_address(self.pools.len() as u32);
            self.pools.push(pool);
        }
    }

    /// A pair or a pool of ranges between two tokens, near their prices.
    fn link(&mut self, [a, b]: [usize; 2]) {
        let id = self.pools.len() as u32;
        let [value_a, value_b] = [a, b].map(|token| self.tokens[token].value);
        let price = value_a / value_b * self.random.random_range(1.0 - SPREAD..1.0 + SPREAD);
        let depth = DEPTH * 10_f64.powf(self.random.random_range(-2.0..2.0));
        let fee = FeePpm([100, 500, 3_000, 10_000][self.random.random_range(0..4)]);
        let tokens = [a, b].map(|token| TokenId(token as u32));
        let info = PoolInfo::uniswap_v2(VenueId(0), pool_address(id), tokens, fee);
        let reserves = [depth / value_a, depth / value_a * price];
        if self.random.random_ratio(1, 2) {
            let [reserve_0, reserve_1] = reserves.map(|reserve| reserve.clamp(1e4, 1e33) as u128);
            let state = PoolState::V2(V2State { reserve_0, reserve_1 });
            self.pools.push(SamplePool { info, state, base: None, at: 0 });
            return;
        }
        let spacing = [1, 10, 60][self.random.random_range(0..3)];
        let tick = (price.ln() / 1.0001_f64.ln()).floor().clamp(-800_000.0, 800_000.0) as i32;
        let liquidity = (reserves[0] * reserves[1]).sqrt().clamp(1e6, 1e33) as i128;
        let mut ticks: Vec<TickLiquidity> = Vec::new();
        let widest = MAX_TICK / spacing * spacing;
        let near = tick.div_euclid(spacing) * spacing;
        let mut ranges = vec![(-widest, widest, liquidity)];
        for _ in 0..self.random.random_range(0..5) {
            let lower = near - spacing * self.random.random_range(-3..12);
            let upper = lower + spacing * self.random.random_range(1..15);
            ranges.push((lower, upper, liquidity * self.random.random_range(1..30)));
        }
        for (lower, upper, liquidity) in ranges {
            for (tick, net) in [(lower, liquidity), (upper, -liquidity)] {
                let at = ticks.binary_search_by_key(&tick, |entry| entry.tick).unwrap_or_else(|at| {
                    ticks.insert(at, TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 0 });
                    at
                });
                ticks[at].liquidity_net += net;
                ticks[at].liquidity_gross += net.unsigned_abs();
            }
        }
        let active: i128 = ticks.iter().filter(|entry| entry.tick <= tick).map(|entry| entry.liquidity_net).sum();
        let state = PoolState::V3(V3State {
            sqrt_price_x96: get_sqrt_ratio_at_tick(tick).expect("inside the domain"),
            tick,
            liquidity: active.unsigned_abs(),
            ticks,
        });
        let info = info.with_ticks(spacing, (MIN_TICK, MAX_TICK));
        self.pools.push(SamplePool { info, state, base: None, at: 0 });
    }

    /// The market as a consumer that joins now is told.
    pub(crate) fn market(&self) -> (Market, Vec<MarketEvent>) {
        let mut market = Market::new(Admission::allow_all(), 8);
        let mut bodies = Vec::new();
        for (token, id) in self.tokens.iter().zip(0..) {
            bodies.push(bytes(Token::new(TokenId(id), token_address(id), "T", token.decimals)));
        }
        for (pool, id) in self.pools.iter().zip((0..).map(PoolId)) {
            bodies.extend(told(id, &pool.info, &pool.state, 0));
        }
        let counts = [self.tokens.len(), self.pools.len(), bodies.len()].map(|count| count as u32);
        let begin = SnapshotBegin::new(self.context(), ChainId(1), Epoch(1), counts[0], counts[1]);
        let begin = begin.stamped(Sequence(self.sequence), UnixNanos(0));
        bodies.insert(0, bytes(begin));
        bodies.push(bytes(SnapshotEnd::new(counts[2]).stamped(Sequence(self.sequence), UnixNanos(0))));
        let events = bodies.iter().map(|message| crate::sketch::apply(&mut market, message)).collect();
        (market, events)
    }

    /// Makes these trades in the next block, before its swaps.
    pub(crate) fn take(&mut self, trades: &[Hop]) {
        self.taken.extend_from_slice(trades);
    }

    /// A block with a swap in each of some random pools.
    pub(crate) fn block(&mut self, swaps: usize) -> Vec<Vec<u8>> {
        self.block += 1;
        let context = self.context();
        let mut messages = vec![self.next(Block::new(context, BlockNumber(self.block)))];
        let taken = core::mem::take(&mut self.taken);
        for turn in 0..taken.len() + swaps {
            let trade = taken.get(turn);
            let at = trade.map_or_else(|| self.random.random_range(0..self.pools.len()), |trade| trade.pool.index());
            let before = self.pools[at].clone();
            self.pools[at].at = context.timestamp.get();
            match trade {
                Some(trade) => make(&mut self.pools[at], trade),
                None => swap(&mut self.pools[at], &mut self.random),
            }
            let id = PoolId(at as u32);
            let was = told(id, &before.info, &before.state, 0);
            let now = told(id, &self.pools[at].info, &self.pools[at].state, 0);
            // A swap changes no count of messages, and most of them not at all.
            assert_eq!(was.len(), now.len(), "the same pool");
            for (place, _) in was.iter().zip(&now).enumerate().filter(|(_, (was, now))| was != now) {
                self.sequence += 1;
                let mut again = told(id, &self.pools[at].info, &self.pools[at].state, self.sequence);
                messages.push(again.swap_remove(place));
            }
        }
        let inside = messages.len() as u32 - 1;
        let end = self.next(BlockEnd::new(context.block(), inside));
        messages.push(end);
        messages
    }

    fn next<T: WireMessage>(&mut self, message: T) -> Vec<u8>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        bytes(message.stamped(Sequence(self.sequence), UnixNanos(0)))
    }

    fn context(&self) -> BlockContext {
        let hash = |number: u64| {
            let mut hash = [0xb1; 32];
            hash[24..].copy_from_slice(&number.to_be_bytes());
            hash
        };
        BlockContext {
            number: self.block.into(),
            hash: hash(self.block),
            parent_hash: hash(self.block - 1),
            timestamp: (1_700_000_000 + 12 * self.block).into(),
            base_fee: 1.into(),
            gas_used: 0.into(),
            gas_limit: 30_000_000.into(),
        }
    }
}

/// What a raw unit of each token of a pool is worth, in raw units of its first; none where it does not sell all of them.
fn prices(pool: &SamplePool, count: usize) -> Option<Vec<f64>> {
    let view = pool.view().ok().filter(|view| view.has_price() && view.check_consistency().is_ok())?;
    let price = |token: u8| {
        let way = Way { token_in: token, token_out: 0 };
        let [there, back] = [way, way.reversed()].map(|way| view.rate(way, pool.at).map(|map| map.g));
        Some((there? / back?).sqrt()).filter(|price| (1e-15..1e15).contains(price))
    };
    (0..count as u8).map(|token| if token == 0 { Some(1.0) } else { price(token) }).collect()
}

/// A trade as it was planned, on the same state.
fn make(pool: &mut SamplePool, trade: &Hop) {
    let place = |token| pool.info.tokens.iter().position(|known| *known == token).expect("a token of the pool") as u8;
    let way = Way { token_in: place(trade.token_in), token_out: place(trade.token_out) };
    let swapped = pool.view().expect("it was quoted").swap_exact_in(way, trade.amount_in, pool.at);
    pool.put(&swapped.expect("it was planned").after);
}

/// A swap of up to a few hundredths of what the pool holds, if it takes one.
fn swap(pool: &mut SamplePool, random: &mut StdRng) {
    let count = pool.token_count();
    let (token_in, token_out) = (random.random_range(0..count), random.random_range(0..count));
    let way = Way { token_in, token_out };
    let Ok(view) = pool.view() else { return };
    let Some(map) = view.rate(way, pool.at).filter(|_| token_in != token_out) else { return };
    // So much that the rate falls by some hundredths, and twice as much of the fee.
    let fall = 10_f64.powf(random.random_range(-5.0..-1.0));
    let amount = (fall / map.h.abs().max(1e-40)).min(1e30);
    let amount = U256::from(amount.max(1.0) as u128);
    if let Ok(swapped) = view.swap_exact_in(way, amount, pool.at) {
        pool.put(&swapped.after);
    }
}

fn told(id: PoolId, info: &PoolInfo, state: &PoolState, sequence: u64) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let put = |message: Message<'_>| {
        messages.push(message.as_bytes().to_vec());
        Ok::<(), core::convert::Infallible>(())
    };
    let done = describe_pool(id, info, state, (Sequence(sequence), UnixNanos(0)), put);
    done.unwrap_or_else(|never| match never {});
    messages
}

fn bytes<T: WireMessage>(message: T) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    Message::from(&message).as_bytes().to_vec()
}
