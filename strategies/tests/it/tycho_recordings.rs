//! Two recordings of the whole market: quotes of every V3 pool, sound tick maps, and a price for every tick in them.

use std::collections::HashMap;

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::check_consistency;
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;
use serde_json::Value;

use crate::data::{Rows, json, json_lines, number, report};
use crate::v3_quote_rows;
use crate::v3_state::V3State;

#[test]
pub(crate) fn quotes_of_a_recorded_market_are_exact_at_block_24721174() {
    check_recording("24721174-24721181", "tycho V3 quotes at 24721174", 2414);
}

#[test]
pub(crate) fn quotes_of_a_recorded_market_are_exact_at_block_24721394() {
    check_recording("24721394-24721407", "tycho V3 quotes at 24721394", 2406);
}

fn check_recording(blocks: &str, name: &'static str, rows_min: usize) {
    let recording = json(&format!("snapshots/tycho-recordings/{blocks}.market_recording.json.zst"));
    let quotes = json_lines(&format!("snapshots/tycho-recordings/{blocks}.v3-quotes.ndjson.gz"));
    let (Some(recording), Some(quotes)) = (recording, quotes) else { return };
    let update = &recording["updates"][0];
    let states = update["states"].as_object().expect("a table of states");
    let pools: HashMap<&str, V3State> = states
        .iter()
        .filter(|(_, state)| state["protocol"] == "UniswapV3State")
        .map(|(id, state)| (id.as_str(), pool_state(&state["state"], &update["new_pairs"][id])))
        .collect();
    let mut ticks = 0;
    for (id, pool) in &pools {
        check_consistency(&pool.view()).unwrap_or_else(|error| panic!("{id}: {error}"));
        ticks += check_tick_prices(&states[*id]["state"]);
    }
    let mut rows = Rows::of(name);
    for row in &quotes {
        v3_quote_rows::check(&pools[row["address"].as_str().expect("an address")], row);
        rows.check();
    }
    report(&format!("{blocks}: {} sound pools, {ticks} tick prices", pools.len()));
    rows.finish(rows_min);
    assert!(ticks >= 10_000);
}

fn check_tick_prices(state: &Value) -> usize {
    let ticks = state["ticks"]["ticks"].as_array().expect("a list of ticks");
    for entry in ticks {
        let price: U256 = number(&entry["sqrt_price"]);
        assert_eq!(get_sqrt_ratio_at_tick(number(&entry["index"])), Ok(price), "{entry}");
    }
    ticks.len()
}

fn pool_state(state: &Value, pair: &Value) -> V3State {
    let ticks = state["ticks"]["ticks"].as_array().expect("a list of ticks");
    let ticks = ticks.iter().map(|entry| {
        let liquidity_net: i128 = number(&entry["net_liquidity"]);
        // The recording has no gross liquidity; a tick in it is initialised, so at least one unit refers to it.
        let liquidity_gross = liquidity_net.unsigned_abs().max(1);
        TickLiquidity { tick: number(&entry["index"]), liquidity_net, liquidity_gross }
    });
    V3State {
        fee_ppm: number::<U256>(&pair["static_attributes"]["fee"]).to(),
        tick_spacing: number(&state["ticks"]["tick_spacing"]),
        sqrt_price_x96: number(&state["sqrt_price"]),
        tick: number(&state["tick"]),
        liquidity: number(&state["liquidity"]),
        ticks: ticks.collect(),
    }
}
