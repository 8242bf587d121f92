//! The strategy keeps the contract of every strategy, and finds what there is in a recorded market.

use std::path::Path;

use alphapulse_protocol::message::Message;
use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::conformance::{self, MarketStream};
use alphapulse_strategies::search::enumerate_cycles;
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_strategies::{Admission, Market, MarketEvent, Opportunity, OpportunitySink, Settings, StrategyConfig};
use own_strategy::KIND;

fn config(tokens: Vec<[u8; 20]>) -> StrategyConfig {
    StrategyConfig {
        name: "under test".to_owned(),
        kind: KIND,
        tokens,
        hops_max: 2,
        profit_min: U256::from(1),
        per_block_max: 8,
        settings: Settings::new(),
    }
}

/// Random markets of every kind of pool, with reorgs, losses and pools that are not admitted.
#[test]
fn it_keeps_the_contract() {
    let mut opportunities = 0;
    for seed in 0..16 {
        let build =
            || alphapulse_strategies::build(&config(vec![conformance::token_address(0)]), 0).expect("a strategy");
        let account = conformance::check(build, seed, 150).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        opportunities += account.opportunities;
    }
    assert!(opportunities > 0, "nothing was found, so nothing was checked");
}

/// Block after block, over reorgs and pools that are added, the best of all that trying every route finds is reported.
#[test]
fn it_finds_the_best_trade_of_every_block() -> anyhow::Result<()> {
    let (mut trades, mut reorgs) = (0, 0);
    for seed in 0..24 {
        let mut stream = MarketStream::new(seed);
        let mut market = Market::new(Admission::allow_all(), 64);
        let mut strategy = alphapulse_strategies::build(&config(vec![conformance::token_address(0)]), 0)?;
        let mut messages = stream.snapshot();
        for step in 0..80 {
            for message in &messages {
                let mut out = OpportunitySink::new(64);
                let event = market.apply(&Message::decode(message)?)?;
                strategy.on_event(&market, &event, &mut out);
                reorgs += u32::from(event == MarketEvent::Reorged);
                if !matches!(event, MarketEvent::SnapshotReady | MarketEvent::BlockEnded)
                    || !market.replica().is_tradable()
                {
                    continue;
                }
                // What was profitable before and was not taken need not be reported again.
                let changed = |route: &&Opportunity| market.written().iter().any(|pool| route.uses(*pool));
                let all = enumerate_cycles(&market, TokenId(0), 2, U256::from(1), usize::MAX);
                let Some(best) = all.iter().find(changed) else { continue };
                // It is reported, or one that earns no less and passes one of its pools.
                let stands_for = |found: &&Opportunity| {
                    found.profit() >= best.profit() && best.hops().iter().any(|hop| found.uses(hop.pool))
                };
                let is_there = out.as_slice().iter().any(|found| stands_for(&found));
                assert!(is_there, "seed {seed} step {step}: {best:?} is not among {:?}", out.as_slice());
                trades += 1;
            }
            messages = stream.step();
        }
    }
    assert!(trades > 100 && reorgs > 10, "{trades} blocks with a trade, {reorgs} reorgs");
    Ok(())
}

/// A block of a test chain, recorded by `alphapulse snapshot`.
#[test]
fn it_finds_the_best_trade_of_a_recorded_market() -> anyhow::Result<()> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/market.json");
    let snapshot = Snapshot::from_bytes(&std::fs::read(recorded)?)?;
    let mut market = Market::new(Admission::allow_all(), 0);
    let weth = snapshot.tokens.first().expect("tokens are listed").address;
    let mut strategy = alphapulse_strategies::build(&config(vec![weth]), 0)?;
    let mut out = OpportunitySink::new(8);
    snapshot.describe(|message| {
        let event = market.apply(&message)?;
        strategy.on_event(&market, &event, &mut out);
        anyhow::Ok(())
    })?;
    let base: TokenId = market.replica().token_by_address(&weth).expect("it is listed");
    // Every route of two hops, tried one by one.
    let best: Vec<Opportunity> = enumerate_cycles(&market, base, 2, U256::from(1), 1);
    let found = out.as_slice().first().expect("the pools disagree");
    assert_eq!((found.hops(), found.profit()), (best[0].hops(), best[0].profit()));
    for hop in found.hops() {
        let quoted = market.quote_exact_in(hop.pool, (hop.token_in, hop.token_out), hop.amount_in)?;
        assert_eq!(quoted, hop.amount_out, "to the wei");
    }
    Ok(())
}
