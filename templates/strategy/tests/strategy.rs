//! The strategy keeps the contract of every strategy, and finds what there is in a recorded market.

use std::path::Path;

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::search::enumerate_cycles;
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_strategies::{Admission, Market, Opportunity, OpportunitySink, StrategyConfig, conformance};
use own_strategy::KIND;

fn config(tokens: Vec<[u8; 20]>) -> StrategyConfig {
    StrategyConfig {
        name: "under test".to_owned(),
        kind: KIND,
        tokens,
        hops_max: 2,
        profit_min: U256::from(1),
        per_block_max: 8,
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
