//! Markets for search tests, described pool by pool.

use alphapulse_protocol::message::{
    BlockContext, Message, Pool, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Swap, V3Tick, WireMessage,
};
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_protocol::{AddressBytes, ChainId, Epoch, FeePpm, PoolId, TokenId, U256, VenueId};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_tick_at_sqrt_ratio};
use alphapulse_strategies::{Admission, Market};

/// The body of a snapshot under construction: tokens first, then pools.
#[derive(Default)]
pub(crate) struct Sketch {
    token_count: u32,
    pool_count: u32,
    pub(crate) body: Vec<Vec<u8>>,
}

pub(crate) fn token_address(token: u32) -> AddressBytes {
    let mut address = [0x70; 20];
    address[16..].copy_from_slice(&token.to_be_bytes());
    address
}

pub(crate) fn pool_address(pool: u32) -> AddressBytes {
    let mut address = [0x90; 20];
    address[16..].copy_from_slice(&pool.to_be_bytes());
    address
}

pub(crate) fn bytes<T: WireMessage>(message: T) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    Message::from(&message).as_bytes().to_vec()
}

impl Sketch {
    pub(crate) fn with_tokens(count: u32) -> Self {
        let mut sketch = Self { token_count: count, ..Self::default() };
        for token in 0..count {
            sketch.body.push(bytes(Token::new(TokenId(token), token_address(token), "T", 18)));
        }
        sketch
    }

    /// A constant-product pool; `tokens` in either order, `reserves` in that order.
    pub(crate) fn pair(&mut self, tokens: [u32; 2], reserves: [u128; 2], fee_ppm: u32) -> PoolId {
        let id = self.next_pool();
        let tokens = tokens.map(TokenId);
        self.body.push(bytes(Pool::uniswap_v2(id, VenueId(0), pool_address(id.0), tokens, FeePpm(fee_ppm))));
        self.body.push(bytes(V2Reserves::new(id, reserves[0], reserves[1])));
        id
    }

    /// A concentrated pool at a price, with positions `(lower, upper, liquidity)`.
    pub(crate) fn ranged(
        &mut self,
        tokens: [u32; 2],
        sqrt_price_x96: U256,
        fee_ppm: u32,
        tick_spacing: i32,
        positions: &[(i32, i32, u128)],
    ) -> PoolId {
        let id = self.next_pool();
        let tick = get_tick_at_sqrt_ratio(sqrt_price_x96).expect("a price inside the domain");
        let pool = Pool::uniswap_v2(id, VenueId(0), pool_address(id.0), tokens.map(TokenId), FeePpm(fee_ppm));
        self.body.push(bytes(pool.with_ticks(tick_spacing, (MIN_TICK, MAX_TICK))));
        let active = positions.iter().filter(|(lower, upper, _)| (*lower..*upper).contains(&tick));
        let liquidity = active.map(|(_, _, liquidity)| liquidity).sum();
        self.body.push(bytes(V3Swap::new(id, sqrt_price_x96, tick, liquidity)));
        for entry in ticks_of(positions) {
            self.body.push(bytes(V3Tick::new(id, entry.tick, entry.liquidity_net, entry.liquidity_gross)));
        }
        id
    }

    fn next_pool(&mut self) -> PoolId {
        self.pool_count += 1;
        PoolId(self.pool_count - 1)
    }

    /// The whole snapshot as messages.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let begin = SnapshotBegin::new(context(1, [1; 32]), ChainId(1), Epoch(1), self.token_count, self.pool_count);
        let inside = u32::try_from(self.body.len()).expect("a small market");
        let mut messages = vec![bytes(begin)];
        messages.extend(self.body.iter().cloned());
        messages.push(bytes(SnapshotEnd::new(inside)));
        messages
    }

    pub(crate) fn market(&self) -> Market {
        self.market_with(Admission::allow_all())
    }

    pub(crate) fn market_with(&self, admission: Admission) -> Market {
        let mut market = Market::new(admission, 8);
        for message in self.messages() {
            apply(&mut market, &message);
        }
        market
    }
}

pub(crate) fn apply(market: &mut Market, message: &[u8]) -> alphapulse_strategies::MarketEvent {
    let decoded = Message::decode(message).expect("a whole message");
    market.apply(&decoded).expect("a message that continues the state")
}

pub(crate) fn context(number: u64, hash: [u8; 32]) -> BlockContext {
    BlockContext {
        number: number.into(),
        hash,
        parent_hash: [0; 32],
        timestamp: number.into(),
        base_fee: 1.into(),
        gas_used: 0.into(),
        gas_limit: 30_000_000.into(),
    }
}

fn ticks_of(positions: &[(i32, i32, u128)]) -> Vec<TickLiquidity> {
    let mut ticks: std::collections::BTreeMap<i32, (i128, u128)> = std::collections::BTreeMap::new();
    for (lower, upper, liquidity) in positions {
        let signed = i128::try_from(*liquidity).expect("liquidity of a test");
        for (tick, net) in [(lower, signed), (upper, -signed)] {
            let entry = ticks.entry(*tick).or_default();
            entry.0 += net;
            entry.1 += liquidity;
        }
    }
    let entries = ticks.into_iter();
    entries
        .map(|(tick, (liquidity_net, liquidity_gross))| TickLiquidity { tick, liquidity_net, liquidity_gross })
        .collect()
}
