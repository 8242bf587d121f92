//! All concentrated pools of a real production auction: quotes computed by Uniswap's SDK and checked on the bytecode.

use std::collections::HashMap;

use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::{Inconsistency, check_consistency};
use serde_json::Value;

use crate::data::{Rows, json, json_lines, number};
use crate::v3_quote_rows;
use crate::v3_state::V3State;

const AUCTION: &str = "snapshots/cow-auction/7400681_prod_mainnet.json.gz";

/// Pools whose ticks were read at another block than their liquidity, by the data's own description.
const INCONSISTENT: [&str; 6] = ["0x4e68ccd3", "0x5777d92f", "0x88e6a0c2", "0x8ad599c3", "0x99ac8ca7", "0xcbcdf962"];

#[test]
pub(crate) fn quotes_of_a_real_auction_s_pools_are_exact() {
    let (Some(auction), Some(quotes)) = (json(AUCTION), json_lines("snapshots/cow-auction/v3-quotes.ndjson.gz")) else {
        return;
    };
    let pools = concentrated_pools(&auction);
    let mut rows = Rows::of("cow-auction V3 quotes");
    for row in &quotes {
        let address = row["address"].as_str().expect("an address");
        v3_quote_rows::check(&pools[address], row);
        rows.check();
    }
    rows.finish(3516);
}

#[test]
fn pools_read_at_two_blocks_are_told_from_sound_ones() {
    let Some(auction) = json(AUCTION) else { return };
    let pools = concentrated_pools(&auction);
    assert!(pools.len() >= 299);
    for (address, state) in &pools {
        let is_listed = INCONSISTENT.iter().any(|prefix| address.starts_with(prefix));
        match check_consistency(&state.view()) {
            Ok(()) => assert!(!is_listed, "{address} is inconsistent"),
            Err(Inconsistency::ActiveLiquidity { .. } | Inconsistency::LiquidityOverflow { .. }) => {
                assert!(is_listed, "{address} is sound");
            }
            Err(other) => panic!("{address}: {other}"),
        }
    }
}

fn concentrated_pools(auction: &Value) -> HashMap<String, V3State> {
    let pools = auction["amms"].as_object().expect("a table of pools");
    pools
        .iter()
        .filter(|(_, pool)| pool["kind"] == "Concentrated")
        .map(|(address, pool)| (address.clone(), pool_state(pool)))
        .collect()
}

fn pool_state(pool: &Value) -> V3State {
    let state = &pool["pool"]["state"];
    let (fee_ppm, tick_spacing) = match pool["fee"].as_str() {
        Some("0.0001") => (100, 1),
        Some("0.0005") => (500, 10),
        Some("0.003") => (3000, 60),
        Some("0.01") => (10_000, 200),
        other => panic!("{other:?} is no fee tier"),
    };
    let mut ticks: Vec<TickLiquidity> = state["liquidity_net"]
        .as_object()
        .expect("a table of ticks")
        .iter()
        .map(|(tick, net)| {
            let liquidity_net: i128 = number(net);
            // The file has no gross liquidity; a tick in it is initialised, so at least one unit refers to it.
            let liquidity_gross = liquidity_net.unsigned_abs().max(1);
            TickLiquidity { tick: tick.parse().expect("digits"), liquidity_net, liquidity_gross }
        })
        .collect();
    ticks.sort_by_key(|entry| entry.tick);
    V3State {
        fee_ppm,
        tick_spacing,
        sqrt_price_x96: number(&state["sqrt_price"]),
        tick: number(&state["tick"]),
        liquidity: number(&state["liquidity"]),
        ticks,
    }
}
