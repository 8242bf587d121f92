//! The search that stops where prices prove that nothing is left, against one that tries every route.

use alphapulse_protocol::message::{Block, BlockEnd, Message, V2Reserves, WireMessage};
use alphapulse_protocol::{BlockNumber, PoolId, Sequence, TokenId, U256, UnixNanos};
use alphapulse_strategies::conformance::{check_certificate, token_address};
use alphapulse_strategies::search::{Certificate, Prices, best_cycles, enumerate_cycles, find_cycles};
use alphapulse_strategies::{
    HOPS_MAX, Market, MarketEvent, Opportunity, OpportunitySink, Settings, StrategyConfig, StrategyKind, registry,
};

use crate::data;
use crate::sketch::{self, Sketch, apply};
use crate::universe::Universe;

/// Room for every report.
const REPORTS: usize = 4_096;

fn config(tokens: &[u32], hops_max: u8, profit_min: U256) -> StrategyConfig {
    StrategyConfig {
        name: "under test".to_owned(),
        kind: StrategyKind::CYCLIC,
        tokens: tokens.iter().copied().map(token_address).collect(),
        hops_max,
        profit_min,
        per_block_max: REPORTS,
        settings: Settings::new(),
    }
}

/// What a strategy has to report: of all routes the best first, by token, none that shares a pool with one before.
fn expected(market: &Market, tokens: &[u32], hops_max: u8, profit_min: U256) -> (Vec<Opportunity>, usize) {
    let mut chosen: Vec<Opportunity> = Vec::new();
    let mut all = 0;
    for token in tokens {
        let found = enumerate_cycles(market, TokenId(*token), hops_max, profit_min, usize::MAX);
        all += found.len();
        for route in found {
            let is_free = |hop: &alphapulse_strategies::Hop| chosen.iter().all(|taken| !taken.uses(hop.pool));
            if route.hops().iter().all(is_free) {
                chosen.push(route);
            }
        }
    }
    (chosen, all)
}

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    updates: u64,
    routes: u64,
    empty: u64,
    curved: u64,
}

impl Tally {
    fn follow(&mut self, seed: u64, hops_max: u8, profit_min: U256, blocks: usize) {
        let tokens = [0, 2];
        let mut universe = Universe::new(seed, 3, 14);
        let (mut market, events) = universe.market();
        let mut strategy = registry::build(&config(&tokens, hops_max, profit_min), 0).expect("a valid configuration");
        let mut sink = OpportunitySink::new(REPORTS);
        for event in &events {
            strategy.on_event(&market, event, &mut sink);
        }
        self.compare(&market, &sink, &tokens, hops_max, profit_min, &format!("seed {seed} at first"));
        for block in 0..blocks {
            sink.clear();
            let swaps = 1 + block % 3;
            for message in universe.block(swaps) {
                let event = apply(&mut market, &message);
                strategy.on_event(&market, &event, &mut sink);
            }
            self.updates += swaps as u64;
            self.compare(&market, &sink, &tokens, hops_max, profit_min, &format!("seed {seed} block {block}"));
        }
        assert_eq!(strategy.cuts(), 0, "seed {seed}");
    }

    #[track_caller]
    fn compare(
        &mut self,
        market: &Market,
        sink: &OpportunitySink,
        tokens: &[u32],
        hops_max: u8,
        profit_min: U256,
        what: &str,
    ) {
        let (expected, all) = expected(market, tokens, hops_max, profit_min);
        assert_eq!(sink.as_slice(), expected, "{what}");
        self.routes += all as u64;
        self.empty += u64::from(expected.is_empty());
        let is_curved = |route: &&Opportunity| {
            route.hops().iter().any(|hop| market.pool(hop.pool).is_ok_and(|view| !view.is_ranged()))
        };
        self.curved += expected.iter().filter(is_curved).count() as u64;
    }
}

/// Markets of all kinds of pools, swap after swap: nothing above the threshold is missed, and nothing else is reported.
#[test]
fn nothing_that_trying_every_route_finds_is_missed() {
    let first = data::seed("bounded search", 300);
    let mut tally = Tally::default();
    let factor = data::cases_factor();
    for seed in (first..).take(6 * factor) {
        for (hops_max, profit_min) in [(4, 0), (4, 17), (3, 18), (2, 15)] {
            tally.follow(seed, hops_max, U256::from(10).pow(U256::from(profit_min)), 30);
        }
    }
    data::report(&format!(
        "{} updates, {} routes, {} through curves reported, {} reports empty",
        tally.updates, tally.routes, tally.curved, tally.empty
    ));
    assert!(tally.routes > 1_000 && tally.curved > 50, "{tally:?}");
    assert!(tally.empty > 10, "a search with nothing to find was not seen: {tally:?}");
}

/// The same over a great many updates of small markets, several to a block; of a part of them
/// the certificate is held against the pools' own quotes, and its bound against the best of all routes. A million updates in a nightly run.
#[test]
fn nothing_is_missed_update_after_update() {
    const UPDATES: u64 = 4_000;
    const BLOCKS: usize = 100;
    const SWAPS: usize = 8;
    let mut tally = Tally::default();
    let (mut certified, mut quotes) = (0, 0);
    let updates_min = UPDATES * data::cases_factor() as u64;
    for seed in data::seed("updates", 5_000).. {
        if tally.updates >= updates_min {
            break;
        }
        let (curved, hops_max) = (1 + usize::from(seed % 3 == 0), if seed % 4 == 0 { 4 } else { 3 });
        let profit_min = U256::from(10).pow(U256::from(17 + seed % 6));
        let mut universe = Universe::new(seed, curved, 8);
        let (mut market, events) = universe.market();
        let mut strategy = registry::build(&config(&[0], hops_max, profit_min), 0).expect("a valid configuration");
        let mut sink = OpportunitySink::new(REPORTS);
        for event in &events {
            strategy.on_event(&market, event, &mut sink);
        }
        for block in 0..BLOCKS {
            sink.clear();
            for message in universe.block(SWAPS) {
                let event = apply(&mut market, &message);
                strategy.on_event(&market, &event, &mut sink);
            }
            tally.updates += SWAPS as u64;
            tally.compare(&market, &sink, &[0], hops_max, profit_min, &format!("seed {seed} block {block}"));
            if block % 20 == 0 {
                let certificate = Certificate::new(&market, Prices::fit(&market, &[TokenId(0)]));
                quotes +=
                    check_certificate(&market, &certificate).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                let bound = certificate.bound(TokenId(0), hops_max.into()).expect("the first token has a price");
                let best = enumerate_cycles(&market, TokenId(0), hops_max, U256::ONE, 1);
                let best = best.first().map_or(0.0, |route| f64::from(route.profit()));
                assert!(best <= bound, "seed {seed} block {block}: {best} above {bound}");
                certified += 1;
            }
        }
        assert_eq!(strategy.cuts(), 0, "seed {seed}");
    }
    data::report(&format!(
        "{} updates, {} routes, {} through curves reported, {} reports empty; {certified} certificates held against {quotes} quotes",
        tally.updates, tally.routes, tally.curved, tally.empty
    ));
    assert!(tally.routes > 1_000 && tally.empty > 10 && certified > 10, "{tally:?}");
}

/// The best few, by a threshold that rises as they are found.
#[test]
fn the_best_few_are_the_best_of_all() {
    for seed in 700..708 {
        let (market, _) = Universe::new(seed, 3, 16).market();
        for limit in [1, 8, 10_000] {
            for (token, hops_max) in [(0, 4), (1, 3)] {
                let all = enumerate_cycles(&market, TokenId(token), hops_max, U256::ZERO, limit);
                assert_eq!(best_cycles(&market, TokenId(token), hops_max, U256::ZERO, limit), all, "seed {seed}");
            }
        }
    }
}

/// Nobody trades routes that long; a scan looks for them.
#[test]
fn routes_of_six_hops_are_those_of_all() {
    let hops_max = u8::try_from(HOPS_MAX).expect("few");
    let mut lengths = [0_usize; HOPS_MAX + 1];
    for seed in 720..728 {
        let (market, _) = Universe::new(seed, 3, 9).market();
        let all = enumerate_cycles(&market, TokenId(0), hops_max, U256::ZERO, 10_000);
        let found = find_cycles(&market, TokenId(0), hops_max, U256::ZERO, 10_000);
        assert_eq!((found.routes, found.is_cut), (all.clone(), false), "seed {seed}");
        for route in all {
            lengths[route.hops().len()] += 1;
        }
    }
    data::report(&format!("routes by hops: {lengths:?}"));
    assert!(lengths[5] > 10 && lengths[6] > 10, "{lengths:?}");
}

/// Pools that are described before they hold anything, in a block of their own: once they do, routes go over them, and no other search suffers.
#[test]
fn a_token_whose_pools_are_funded_later_is_found_when_they_are() {
    let (one, ten) = (10_u128.pow(21), 10_u128.pow(22));
    let mut sketch = Sketch::with_tokens(3);
    sketch.pair([0, 1], [ten, ten], 3_000);
    sketch.pair([0, 2], [0, 0], 3_000);
    sketch.pair([1, 2], [0, 0], 3_000);
    let mut market = sketch.market();
    let config = StrategyConfig { tokens: vec![sketch::token_address(0)], ..config(&[], 4, U256::ONE) };
    let mut strategy = registry::build(&config, 0).expect("a valid configuration");
    let mut sink = OpportunitySink::new(REPORTS);
    strategy.on_event(&market, &MarketEvent::SnapshotReady, &mut sink);
    let mut found = Vec::new();
    for (block, (pool, reserves)) in (2..).zip([(1, [one, one]), (2, [one, 2 * one]), (0, [2 * ten, ten])]) {
        sink.clear();
        let sequence = 3 * (block - 2);
        let mut context = sketch::context(block, [u8::try_from(block).expect("few"); 32]);
        context.parent_hash = market.replica().context().expect("a block").hash;
        let messages = [
            stamped(Block::new(context, BlockNumber(block)), sequence + 1),
            stamped(V2Reserves::new(PoolId(pool), reserves[0], reserves[1]), sequence + 2),
            stamped(BlockEnd::new(context.block(), 1), sequence + 3),
        ];
        for message in messages {
            let event = apply(&mut market, &message);
            strategy.on_event(&market, &event, &mut sink);
        }
        assert_eq!(sink.as_slice(), expected(&market, &[0], 4, U256::ONE).0, "block {block}");
        found.push(sink.as_slice().len());
    }
    assert_eq!(found, [0, 1, 0], "a route as long as the prices disagree");
    assert_eq!(strategy.cuts(), 0);
}

fn stamped<T: WireMessage>(message: T, sequence: u64) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    sketch::bytes(message.stamped(Sequence(sequence), UnixNanos(0)))
}
