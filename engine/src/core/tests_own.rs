//! What a strategy of somebody else's may do wrong.

use alphapulse_protocol::U256;
use alphapulse_strategies::{Admission, Hop, OpportunitySink, Strategy};

use super::tests::{Bench, ETHER, POOLS};
use super::*;

/// How it breaks its contract, at the end of each block.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It says that pool 1 gives more than it does.
    Lies,
    /// The same of a pool that is barred, with amounts that are right.
    Bars,
    /// It reports and then panics.
    Panics,
    /// It reports more than it may.
    Floods,
}

struct Faulty(Fault);

impl Faulty {
    fn route(market: &Market, pools: [u32; 2], extra: u64) -> Option<Opportunity> {
        let [weth, dai] = [0, 1].map(alphapulse_protocol::TokenId);
        let [out, back] = pools.map(PoolId);
        let amount_in = U256::from(ETHER);
        let between = market.quote_exact_in(out, (weth, dai), amount_in).ok()?;
        let amount_out = market.quote_exact_in(back, (dai, weth), between).ok()? + U256::from(extra);
        let first = Hop { pool: out, token_in: weth, token_out: dai, amount_in, amount_out: between };
        let last = Hop { pool: back, token_in: dai, token_out: weth, amount_in: between, amount_out };
        Opportunity::new(7, &[first, last])
    }
}

impl Strategy for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        if *event != MarketEvent::BlockEnded {
            return;
        }
        let (pools, extra) = match self.0 {
            Fault::Lies => ([0, 1], 1),
            _ => ([0, 2], 0),
        };
        let found = Self::route(market, pools, extra).expect("pool 0 is dear");
        out.push(found);
        match self.0 {
            Fault::Panics => panic!("on purpose"),
            Fault::Floods => while out.push(found) {},
            Fault::Lies | Fault::Bars => {}
        }
    }
}

/// The verdicts on what it reported, where nobody else reports, and the counters.
fn alone(fault: Fault) -> (Vec<Reject>, CoreCounters) {
    let mut bench = Bench::new(true, false, 4);
    bench.core.market = Market::new(Admission::allow_all().without([POOLS[2]]), 8);
    bench.core.seats = vec![Seat::new(Box::new(Faulty(fault)), OPPORTUNITIES_PER_EVENT_MAX)];
    bench.snapshot();
    bench.block(&[(0, 1_100)]);
    bench.block(&[(0, 1_101)]);
    assert!(bench.given.executed.is_empty());
    let reason = |code: u16| Reject::from_code(code).expect("refused");
    (bench.given.rejects().into_iter().map(reason).collect(), bench.core.counters())
}

#[test]
fn amounts_that_the_pools_do_not_give_are_refused_and_counted() {
    let (verdicts, counters) = alone(Fault::Lies);
    assert_eq!((verdicts, counters.opportunities_flawed), (vec![Reject::NotReproducible; 2], 2));
}

#[test]
fn a_pool_that_is_not_admitted_is_refused_and_counted_whoever_reports_it() {
    let (verdicts, counters) = alone(Fault::Bars);
    assert_eq!((verdicts, counters.opportunities_flawed), (vec![Reject::PoolNotAdmitted; 2], 2));
}

#[test]
fn one_that_panics_is_asked_no_more_and_nothing_of_what_it_said_is_believed() {
    let (verdicts, counters) = alone(Fault::Panics);
    assert_eq!((verdicts, counters.strategies_out), (Vec::new(), 1));
}

#[test]
fn the_others_trade_on_beside_one_that_panics_or_floods() {
    for fault in [Fault::Panics, Fault::Floods] {
        let mut bench = Bench::new(true, false, 4);
        bench.core.seats.insert(0, Seat::new(Box::new(Faulty(fault)), 2));
        bench.block(&[(0, 1_100)]);
        let counters = bench.core.counters();
        assert_eq!(bench.given.executed.len(), 1, "{fault:?}");
        let expected = if matches!(fault, Fault::Panics) { (1, 0) } else { (0, 1) };
        assert_eq!((counters.strategies_out, counters.opportunities_refused), expected, "{fault:?}");
    }
}
