//! The built-in strategies pass the suite that every strategy must pass.

use alphapulse_protocol::U256;
use alphapulse_strategies::conformance::{self, Violation};
use alphapulse_strategies::{
    Market, MarketEvent, Opportunity, OpportunitySink, Settings, Strategy, StrategyConfig, StrategyKind, registry,
};

use crate::data;

pub(crate) fn config(kind: StrategyKind, hops_max: u8) -> StrategyConfig {
    StrategyConfig {
        name: "under test".to_owned(),
        kind,
        tokens: vec![conformance::token_address(0), conformance::token_address(3)],
        hops_max,
        profit_min: U256::from(1),
        per_block_max: 16,
        settings: Settings::new(),
    }
}

#[test]
fn built_in_strategies_keep_their_contract() {
    let first = data::seed("conformance", 1);
    let kinds = [
        (StrategyKind::TWO_VENUE, 2),
        (StrategyKind::CYCLIC, 3),
        (StrategyKind::CYCLIC, 4),
        (StrategyKind::SPLIT, 4),
        (StrategyKind::JOINT, 3),
    ];
    for (kind, hops_max) in kinds {
        let mut total = (0, 0, 0);
        for seed in first..first + 12 {
            let build = || registry::build(&config(kind, hops_max), 3).expect("the configuration is valid");
            let account = conformance::check(build, seed, 150).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
            total = (total.0 + account.messages, total.1 + account.opportunities, total.2 + account.gaps);
        }
        data::report(&format!(
            "{kind} to {hops_max} hops: {} messages, {} opportunities, {} gaps",
            total.0, total.1, total.2
        ));
        assert!(total.1 > 100, "{kind} found too little for the check to mean anything");
        assert!(total.2 > 0, "no message was lost");
    }
}

/// A strategy that remembers the last good opportunity and reports it by some rule: never in the contract.
struct Faulty {
    inner: Box<dyn Strategy>,
    fault: Fault,
    held: Option<Opportunity>,
    events: u64,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Reports what was true a while ago.
    Stale,
    /// Reports between blocks.
    Early,
    /// Panics in a reorg.
    Panic,
}

impl Strategy for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        self.events += 1;
        let mut found = OpportunitySink::new(16);
        self.inner.on_event(market, event, &mut found);
        let now = match (self.fault, event) {
            (Fault::Stale, MarketEvent::BlockEnded) => market.replica().is_tradable(),
            (Fault::Early, MarketEvent::BlockBegun) => true,
            (Fault::Panic, MarketEvent::Reorged) => panic!("as asked"),
            _ => false,
        };
        if let Some(held) = self.held.filter(|_| now) {
            out.push(held);
        }
        self.held = found.as_slice().first().copied().or(self.held);
    }
}

#[test]
fn the_suite_catches_a_strategy_that_breaks_its_contract() {
    let verdict = |fault| {
        let build = || -> Box<dyn Strategy> {
            let inner = registry::build(&config(StrategyKind::CYCLIC, 3), 0).expect("the configuration is valid");
            Box::new(Faulty { inner, fault, held: None, events: 0 })
        };
        conformance::check(build, 5, 300)
    };
    assert!(matches!(verdict(Fault::Stale), Err(Violation::NotReproducible { .. } | Violation::NotAdmitted { .. })));
    assert!(matches!(verdict(Fault::Early), Err(Violation::NotTradable { .. })));
    assert!(matches!(verdict(Fault::Panic), Err(Violation::Panicked { .. })));
}
