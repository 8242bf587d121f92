//! What a strategy reports depends on the market alone: not on the way there, not on blocks since taken back.

use std::collections::HashMap;

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::conformance::MarketStream;
use alphapulse_strategies::cyclic::Cyclic;
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::search::enumerate_cycles;
use alphapulse_strategies::{
    Admission, Market, MarketEvent, Opportunity, OpportunitySink, Strategy, StrategyConfig, StrategyKind, registry,
};

use crate::conformance::config;
use crate::data;
use crate::sketch::apply;

/// A market and a strategy on it, fed together.
struct Follower {
    market: Market,
    strategy: Box<dyn Strategy>,
    sink: OpportunitySink,
}

impl Follower {
    fn new(config: &StrategyConfig) -> Self {
        Self::of(registry::build(config, 0).expect("the configuration is valid"))
    }

    fn of(strategy: Box<dyn Strategy>) -> Self {
        Self { market: Market::new(Admission::allow_all(), 64), strategy, sink: OpportunitySink::new(64) }
    }

    fn follow(&mut self, message: &[u8]) -> MarketEvent {
        let event = apply(&mut self.market, message);
        self.sink.clear();
        self.strategy.on_event(&self.market, &event, &mut self.sink);
        event
    }
}

/// What one that joins now would see and report.
fn newcomer(stream: &MarketStream, config: &StrategyConfig) -> Follower {
    joined(stream, Follower::new(config))
}

/// One that tries every route, which is another search.
fn by_index(stream: &MarketStream, config: &StrategyConfig) -> Follower {
    // Two hops at most are what the strategy of two venues looks for.
    let config = StrategyConfig { kind: StrategyKind::CYCLIC, ..config.clone() };
    joined(stream, Follower::of(Box::new(Cyclic::indexed(&config, 0).expect("the configuration is valid"))))
}

fn joined(stream: &MarketStream, mut follower: Follower) -> Follower {
    for message in stream.snapshot() {
        follower.follow(&message);
    }
    follower
}

fn rates(market: &Market) -> Vec<[(u64, u64); 2]> {
    let pools = (0..).take(market.replica().pools().len()).map(PoolId);
    let bits = |pool, dir| {
        let map = market.rate(pool, Way::of_pair(dir));
        (map.g.to_bits(), map.h.to_bits())
    };
    pools.map(|pool| [bits(pool, true), bits(pool, false)]).collect()
}

/// Reports compared, and how many of them were empty.
#[derive(Default)]
struct Compared {
    reports: u64,
    empty: u64,
}

fn compare(config: &StrategyConfig, seed: u64, compared: &mut Compared) {
    let mut stream = MarketStream::new(seed);
    let mut follower = newcomer(&stream, config);
    for step in 0..120 {
        let mut last_event = MarketEvent::None;
        for message in stream.step() {
            last_event = follower.follow(&message);
        }
        let fresh = newcomer(&stream, config);
        assert_eq!(rates(&follower.market), rates(&fresh.market), "seed {seed} step {step}");
        assert_eq!(follower.market.refused(), fresh.market.refused(), "seed {seed} step {step}");
        // A newcomer always stands at the head; between blocks nobody reports.
        let is_report_due = matches!(last_event, MarketEvent::BlockEnded | MarketEvent::SnapshotReady);
        if is_report_due && follower.market.replica().is_tradable() {
            assert_eq!(follower.sink.as_slice(), fresh.sink.as_slice(), "seed {seed} step {step}");
            let indexed = by_index(&stream, config);
            assert_eq!(follower.sink.as_slice(), indexed.sink.as_slice(), "seed {seed} step {step}");
            assert_eq!((follower.strategy.cuts(), indexed.strategy.cuts()), (0, 0), "seed {seed} step {step}");
            compared.reports += 1;
            compared.empty += u64::from(fresh.sink.as_slice().is_empty());
        }
    }
}

#[test]
fn reports_from_updates_equal_those_of_a_newcomer() {
    let first = data::seed("incremental search", 100);
    let mut compared = Compared::default();
    // Reserves are around 10^21: some markets have nothing that earns a thousandth of that, then something again.
    for profit_min in [U256::from(1), U256::from(10).pow(U256::from(18))] {
        for (kind, hops_max) in [(StrategyKind::TWO_VENUE, 2), (StrategyKind::CYCLIC, 3), (StrategyKind::CYCLIC, 4)] {
            for seed in first..first + 4 {
                let config = StrategyConfig { profit_min, ..config(kind, hops_max) };
                compare(&config, seed, &mut compared);
            }
        }
    }
    data::report(&format!("{} reports compared, {} of them empty", compared.reports, compared.empty));
    assert!(compared.reports > 1_000 && compared.empty > 20, "too few reports, or always or never empty");
    assert!(compared.empty < compared.reports / 2, "too few reports with anything in them");
}

/// Every route from two tokens, best first.
fn everything(market: &Market) -> Vec<Opportunity> {
    [0, 3].into_iter().flat_map(|token| enumerate_cycles(market, TokenId(token), 3, U256::ZERO, usize::MAX)).collect()
}

#[test]
fn a_reorg_brings_back_what_was_there_before() {
    let first = data::seed("reorg", 200);
    let mut reorgs = 0;
    for seed in first..first + 8 {
        let mut stream = MarketStream::new(seed);
        let mut follower = newcomer(&stream, &config(StrategyKind::CYCLIC, 3));
        let mut seen: HashMap<[u8; 32], (Vec<Opportunity>, u64)> = HashMap::new();
        for _ in 0..40 {
            let messages = if seen.len() % 5 == 4 { stream.reorg_step() } else { stream.block_step() };
            for message in &messages {
                let event = follower.follow(message);
                let hash = follower.market.replica().context().map_or([0; 32], |context| context.hash);
                match event {
                    MarketEvent::BlockEnded => {
                        let graph = follower.market.graph().edges(TokenId(0)).len() as u64;
                        seen.insert(hash, (everything(&follower.market), graph));
                    }
                    MarketEvent::Reorged => {
                        let Some((before, edges)) = seen.get(&hash) else { continue };
                        assert_eq!(&everything(&follower.market), before, "seed {seed}");
                        assert_eq!(follower.market.graph().edges(TokenId(0)).len() as u64, *edges);
                        assert!(
                            follower.sink.as_slice().is_empty(),
                            "nothing is reported before the new branch stands"
                        );
                        reorgs += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    data::report(&format!("{reorgs} reorgs"));
    assert!(reorgs > 20, "too few reorgs: {reorgs}");
}
