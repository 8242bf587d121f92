//! Which pools the market admits, and that it forgets what no longer holds.

use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Pool, PoolStanding, PoolTrust, Reorg, StateParts, Token, V2Reserves, V3Liquidity,
    V3Swap, V3Tick, WireMessage,
};
use alphapulse_protocol::{BlockNumber, FeePpm, PoolId, Sequence, TokenId, U256, UnixNanos, VenueId};
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;
use alphapulse_strategies::search::best_cycles;
use alphapulse_strategies::{Admission, Market, MarketEvent, QuoteError, Refusal};

use crate::sketch::{Sketch, apply, bytes, context, pool_address, token_address};

fn sqrt_price(tick: i32) -> U256 {
    get_sqrt_ratio_at_tick(tick).expect("inside the domain")
}

/// Pairs 0-1 and 1-2, and a concentrated pool 0-1.
fn three_pools() -> Sketch {
    let mut sketch = Sketch::with_tokens(3);
    sketch.pair([0, 1], [1_000_000, 2_000_000], 3_000);
    sketch.pair([1, 2], [1_000_000, 1_000_000], 3_000);
    sketch.ranged([0, 1], sqrt_price(0), 500, 10, &[(-1_000, 1_000, 1_000_000_000)]);
    sketch
}

fn admitted(market: &Market) -> Vec<u32> {
    (0..8).filter(|pool| market.is_admitted(PoolId(*pool))).collect()
}

#[test]
fn only_listed_pools_of_listed_tokens_are_admitted() {
    assert_eq!(admitted(&three_pools().market()), [0, 1, 2]);

    let two_tokens = Admission::only([0, 1].map(token_address), [0, 1].map(pool_address));
    let market = three_pools().market_with(two_tokens);
    assert_eq!(admitted(&market), [0]);
    assert_eq!(
        market.refused(),
        [(PoolId(1), Refusal::TokenNotListed { token: token_address(2) }), (PoolId(2), Refusal::PoolNotListed)]
    );
    assert!(market.graph().edges(TokenId(2)).is_empty(), "no route leads to a token that is not listed");
    assert_eq!(market.rate(PoolId(1), Way::of_pair(true)).g, 0.0);
}

#[test]
fn a_pool_without_price_is_skipped_but_not_refused() {
    let mut sketch = three_pools();
    sketch.pair([0, 2], [0, 0], 3_000);
    let market = sketch.market();
    assert_eq!(admitted(&market), [0, 1, 2]);
    assert!(market.refused().is_empty());
    assert_eq!(
        market.quote_exact_in(PoolId(3), (TokenId(0), TokenId(2)), U256::from(5)),
        Err(QuoteError::InsufficientLiquidity)
    );
}

#[test]
fn a_wrong_question_has_its_own_answer() {
    let market = three_pools().market();
    let quote = |pool, token_in, token_out| {
        market.quote_exact_in(PoolId(pool), (TokenId(token_in), TokenId(token_out)), U256::from(1_000))
    };
    assert_eq!(quote(9, 0, 1), Err(QuoteError::UnknownPool));
    assert_eq!(quote(0, 2, 1), Err(QuoteError::TokenNotInPool));
    assert_eq!(quote(0, 0, 0), Err(QuoteError::TokenNotInPool));
    assert!(quote(0, 0, 1).is_ok());
    let back = market.quote_exact_out(PoolId(0), (TokenId(1), TokenId(0)), U256::from(1_000));
    assert!(back.is_ok_and(|amount_in| amount_in > U256::from(2_000)), "the other direction, fee included");
}

/// Live messages after a sketch's snapshot.
struct Live {
    market: Market,
    head: BlockContext,
    sequence: u64,
}

impl Live {
    fn from(sketch: &Sketch) -> Self {
        Self::with(sketch, Admission::allow_all())
    }

    fn with(sketch: &Sketch, admission: Admission) -> Self {
        Self { market: sketch.market_with(admission), head: context(1, [1; 32]), sequence: 0 }
    }

    fn put<T: WireMessage>(&mut self, message: T) -> MarketEvent
    where
        for<'a> alphapulse_protocol::message::Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        apply(&mut self.market, &bytes(message.stamped(Sequence(self.sequence), UnixNanos(0))))
    }

    fn begin(&mut self) -> MarketEvent {
        let number = self.head.number.get() + 1;
        let hash = [u8::try_from(number).expect("few blocks"); 32];
        self.head = BlockContext { parent_hash: self.head.hash, ..context(number, hash) };
        self.put(Block::new(self.head, BlockNumber(number)))
    }

    fn end(&mut self, updates: u32) -> MarketEvent {
        self.put(BlockEnd::new(self.head.block(), updates))
    }
}

#[test]
fn a_tick_map_that_contradicts_itself_is_refused_until_it_fits_again() {
    let mut live = Live::from(&three_pools());
    let before = live.market.rate(PoolId(2), Way::of_pair(true));
    live.begin();
    // Liquidity that no position gave.
    live.put(V3Swap::new(PoolId(2), sqrt_price(0), 0, 7));
    live.end(1);
    assert_eq!(admitted(&live.market), [0, 1]);
    assert!(matches!(live.market.refused(), [(PoolId(2), Refusal::Inconsistent(_))]));
    assert_eq!(live.market.rate(PoolId(2), Way::of_pair(true)).g, 0.0);
    let routes = best_cycles(&live.market, TokenId(0), 4, U256::ZERO, 10);
    assert!(routes.iter().all(|route| !route.uses(PoolId(2))));

    live.begin();
    live.put(V3Swap::new(PoolId(2), sqrt_price(0), 0, 1_000_000_000));
    live.end(1);
    assert_eq!(admitted(&live.market), [0, 1, 2]);
    assert!(live.market.refused().is_empty());
    assert_eq!(live.market.rate(PoolId(2), Way::of_pair(true)), before);
}

/// A pair and a concentrated pool are made in a block: of a token that is new with it, and a price far from the others'.
fn discover(live: &mut Live) {
    let pool = |id: u32, tokens: [u32; 2]| {
        Pool::uniswap_v2(PoolId(id), VenueId(0), pool_address(id), tokens.map(TokenId), FeePpm(500))
    };
    live.begin();
    live.put(Token::new(TokenId(3), token_address(3), "NEW", 18));
    assert_eq!(live.put(pool(3, [0, 3])), MarketEvent::PoolAdded(PoolId(3)));
    assert_eq!(live.put(V2Reserves::new(PoolId(3), 1_000_000, 1_000_000)), MarketEvent::PoolChanged(PoolId(3)));
    live.put(pool(4, [0, 3]).with_ticks(10, (-887_272, 887_272)));
    live.put(V3Swap::new(PoolId(4), sqrt_price(5_000), 5_000, 1_000_000_000));
    live.put(V3Tick::new(PoolId(4), -10_000, 1_000_000_000, 1_000_000_000));
    live.put(V3Tick::new(PoolId(4), 10_000, -1_000_000_000, 1_000_000_000));
    assert!(!live.market.is_admitted(PoolId(3)), "it is traded from the end of the block");
    assert_eq!(live.end(7), MarketEvent::BlockEnded);
}

#[test]
fn pools_that_are_made_while_the_stream_runs_are_traded_until_their_block_is_taken_back() {
    let mut live = Live::from(&three_pools());
    let (before, topology) = (live.head, live.market.topology());
    let count = |market: &Market| best_cycles(market, TokenId(0), 2, U256::ZERO, 10).len();
    let routes_before = count(&live.market);
    discover(&mut live);
    assert_eq!(admitted(&live.market), [0, 1, 2, 3, 4]);
    assert_ne!(live.market.topology(), topology);
    let routes = best_cycles(&live.market, TokenId(0), 2, U256::ZERO, 10);
    assert!(routes.iter().any(|route| route.uses(PoolId(3)) && route.uses(PoolId(4))), "{routes:?}");

    // The pools are gone; their ids are given to others, and the token keeps its own.
    let old = live.head;
    let reorg = Reorg::new(before.block(), old.block()).expect("goes back");
    assert_eq!(live.put(reorg), MarketEvent::Reorged);
    live.head = before;
    assert_eq!(admitted(&live.market), [0, 1, 2]);
    assert_eq!(count(&live.market), routes_before);
    let context = BlockContext { parent_hash: before.hash, ..context(2, [9; 32]) };
    live.head = context;
    live.put(Block::new(context, BlockNumber(2)));
    let pool = Pool::uniswap_v2(PoolId(3), VenueId(0), pool_address(7), [2, 3].map(TokenId), FeePpm(500));
    assert_eq!(live.put(pool), MarketEvent::PoolAdded(PoolId(3)));
    live.put(V2Reserves::new(PoolId(3), 5, 5));
    live.end(2);
    assert_eq!(admitted(&live.market), [0, 1, 2, 3]);
    assert_eq!(count(&live.market), routes_before);
}

#[test]
fn a_node_does_not_trade_a_pool_because_a_factory_made_it() {
    let listed = Admission::only([0, 1, 2, 3].map(token_address), [0, 1, 2].map(pool_address));
    let mut live = Live::with(&three_pools(), listed);
    let topology = live.market.topology();
    discover(&mut live);
    assert_eq!(admitted(&live.market), [0, 1, 2]);
    let refused = [3, 4].map(|pool| (PoolId(pool), Refusal::PoolNotListed));
    assert_eq!(live.market.refused(), refused);
    assert_eq!(live.market.topology(), topology, "no route is sought anew for it");
}

#[test]
fn rates_follow_at_the_end_of_a_block_and_quotes_at_once() {
    let mut live = Live::from(&three_pools());
    let quote = |live: &Live| live.market.quote_exact_in(PoolId(0), (TokenId(0), TokenId(1)), U256::from(1_000));
    let (rate, quoted) = (live.market.rate(PoolId(0), Way::of_pair(true)), quote(&live));
    assert_eq!(live.begin(), MarketEvent::BlockBegun);
    assert_eq!(live.put(V2Reserves::new(PoolId(0), 2_000_000, 1_000_000)), MarketEvent::PoolChanged(PoolId(0)));
    assert_ne!(quote(&live), quoted);
    assert_eq!(live.market.rate(PoolId(0), Way::of_pair(true)), rate);
    assert_eq!(live.put(V3Liquidity::new(PoolId(2), -10, 10, 5)), MarketEvent::PoolChanged(PoolId(2)));
    assert_eq!(live.end(2), MarketEvent::BlockEnded);
    assert!(live.market.rate(PoolId(0), Way::of_pair(true)).g < rate.g);
}

#[test]
fn a_market_that_lost_the_thread_is_empty() {
    let mut live = Live::from(&three_pools());
    live.sequence += 1;
    let lost = Block::new(context(2, [2; 32]), BlockNumber(2)).stamped(Sequence(live.sequence + 1), UnixNanos(0));
    let lost = bytes(lost);
    let message = alphapulse_protocol::message::Message::decode(&lost).expect("a whole message");
    assert!(live.market.apply(&message).is_err());
    assert!(!live.market.replica().is_tradable());
    assert!(admitted(&live.market).is_empty());
    assert!(best_cycles(&live.market, TokenId(0), 4, U256::ZERO, 10).is_empty());

    for message in three_pools().messages() {
        apply(&mut live.market, &message);
    }
    assert_eq!(admitted(&live.market), [0, 1, 2]);
}

fn stand(live: &Live, pool: u32, trust: PoolTrust) -> PoolStanding {
    PoolStanding::new(PoolId(pool), trust, StateParts::STATE, live.head.block())
}

fn quotes(market: &Market) -> [Result<(), QuoteError>; 3] {
    [(0, [0, 1]), (1, [1, 2]), (2, [0, 1])].map(|(pool, [token_in, token_out])| {
        let tokens = (TokenId(token_in), TokenId(token_out));
        market.quote_exact_in(PoolId(pool), tokens, U256::from(1_000)).map(|_| ())
    })
}

#[test]
fn a_pool_in_quarantine_is_refused_at_once_and_alone_until_it_is_trusted() {
    let mut live = Live::from(&three_pools());
    let quarantined = stand(&live, 0, PoolTrust::Quarantined);
    assert_eq!(live.put(quarantined), MarketEvent::PoolStanding(PoolId(0)));
    let is_shut = |live: &Live| {
        assert_eq!(admitted(&live.market), [1, 2]);
        assert_eq!(live.market.refused(), [(PoolId(0), Refusal::Quarantined)]);
        assert_eq!(quotes(&live.market), [Err(QuoteError::Quarantined), Ok(()), Ok(())]);
        assert!(live.market.lines(PoolId(0)).iter().all(|line| !line.is_admitted() && line.g == 0.0));
        assert!(live.market.lines(PoolId(2)).iter().all(|line| line.is_admitted()));
        assert!(!live.market.is_stale(PoolId(2)));
        assert!(live.market.replica().is_tradable());
    };
    is_shut(&live);
    // Neither its own messages nor the end of a block let it back.
    live.begin();
    let restated = stand(&live, 0, PoolTrust::Restated);
    assert_eq!(live.put(restated), MarketEvent::PoolStanding(PoolId(0)));
    live.put(V2Reserves::new(PoolId(0), 3_000_000, 1_000_000));
    live.end(2);
    is_shut(&live);
    let trusted = stand(&live, 0, PoolTrust::Trusted);
    assert_eq!(live.put(trusted), MarketEvent::PoolStanding(PoolId(0)));
    assert_eq!((admitted(&live.market), live.market.refused()), (vec![0, 1, 2], &[][..]));
    assert_eq!(quotes(&live.market), [Ok(()); 3]);
    // As it was told anew.
    let out = live.market.quote_exact_in(PoolId(0), (TokenId(0), TokenId(1)), U256::from(3_000));
    assert!(out.is_ok_and(|out| out < U256::from(1_000)), "{out:?}");
}

#[test]
fn no_cycle_goes_through_a_pool_in_quarantine() {
    let mut sketch = Sketch::with_tokens(2);
    sketch.pair([0, 1], [1_000_000, 2_000_000], 3_000);
    sketch.pair([0, 1], [2_000_000, 1_000_000], 3_000);
    let mut live = Live::from(&sketch);
    assert!(!best_cycles(&live.market, TokenId(0), 4, U256::ZERO, 10).is_empty());
    let quarantined = stand(&live, 1, PoolTrust::Quarantined);
    live.put(quarantined);
    assert!(best_cycles(&live.market, TokenId(0), 4, U256::ZERO, 10).is_empty());
    let trusted = stand(&live, 1, PoolTrust::Trusted);
    live.put(trusted);
    assert!(!best_cycles(&live.market, TokenId(0), 4, U256::ZERO, 10).is_empty());
}
