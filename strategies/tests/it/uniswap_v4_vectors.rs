//! V4 quotes read on mainnet, and tick maps after changes of liquidity.

use std::collections::BTreeSet;

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::check_consistency;
use alphapulse_strategies::pool::tick_bitmap::word_edge;
use alphapulse_strategies::pool::v4::V4View;
use serde_json::Value;

use crate::data::{Rows, json, number};
use crate::uniswap_v4_swaps::{V4State, way};
use crate::v3_state::V3State;

/// The manager packs both directions' fees: the low twelve bits are of swaps that pay token 0.
fn protocol_fees(packed: &Value) -> [u32; 2] {
    let packed: u32 = number(packed);
    [packed & 0xfff, packed >> 12]
}

/// Ticks by number, each `[gross, net, ..]` or an object of the two.
fn ticks(pool: &Value) -> Vec<TickLiquidity> {
    let table = pool["tick_data"].as_object().expect("a table of ticks");
    let mut ticks: Vec<TickLiquidity> = table
        .iter()
        .map(|(tick, data)| {
            let (gross, net) =
                if data.is_array() { (&data[0], &data[1]) } else { (&data["liquidity_gross"], &data["liquidity_net"]) };
            TickLiquidity {
                tick: tick.parse().expect("digits"),
                liquidity_net: number(net),
                liquidity_gross: number(gross),
            }
        })
        .collect();
    ticks.sort_by_key(|entry| entry.tick);
    ticks
}

fn state(pool: &Value, lp_fee_ppm: u32, tick_spacing: i32, ticks: Vec<TickLiquidity>) -> V4State {
    let ranges = V3State {
        fee_ppm: lp_fee_ppm,
        tick_spacing,
        sqrt_price_x96: number(&pool["sqrt_price_x96"]),
        tick: number(&pool["tick"]),
        liquidity: number(&pool["liquidity"]),
        ticks,
    };
    V4State { ranges, protocol_fees_ppm: pool.get("protocol_fee").map_or([0; 2], protocol_fees) }
}

/// The recorded tick map does not sum to the recorded liquidity; the swap crosses none of its ticks.
#[test]
pub(crate) fn v4_quote_equals_the_amount_that_mainnet_paid() {
    let path = "vectors/onchain-goldens/v4_crossing_9a5c1d2f_block25673381.json.gz";
    let Some(file) = json(path) else { return };
    let pool = &file["pools"]["v4"];
    let state = state(pool, number(&pool["fee_currency0"]), number(&pool["tick_spacing"]), ticks(pool));
    let mut rows = Rows::of("mainnet V4 pool 0x9a5c1d2f");
    let hop = &file["v4_hop"];
    let quote = state.view().quote_exact_in(way(false), number(&hop["input"]));
    assert_eq!(quote, Ok(number(&hop["onchain_actual"])));
    assert!(check_consistency(&state.ranges.view()).is_err(), "the map has become whole: check it");
    rows.check();
    rows.finish(1);
}

#[test]
pub(crate) fn v4_quotes_equal_the_recorded_recurrences() {
    let Some(file) = json("vectors/onchain-goldens/v4_overprediction_recurrences.json") else { return };
    let mut rows = Rows::of("mainnet V4 recurrences");
    for entry in file["recurrences"].as_array().expect("a list of pools") {
        let pool = &entry["v4"];
        let id = pool["pool_id"].as_str().expect("an id");
        // The file leaves out the key. Each fee and spacing is the only usual one by which both amounts come out.
        let (lp_fee_ppm, tick_spacing, cases): (_, _, &[(u32, u64)]) = match &id[..10] {
            "0x2a6d5b75" => (3000, 60, &[(184, 628_304_616_211_100), (185, 631_737_964_053_287)]),
            "0x76f75965" => (1, 1, &[(9_643, 9_640), (9_652, 9_649), (3_184, 3_182)]),
            _ => {
                rows.skip(id, "the file has no whole state of this pool; another file has");
                continue;
            }
        };
        let state = state(pool, lp_fee_ppm, tick_spacing, Vec::new());
        for &(input, output) in cases {
            assert_eq!(state.view().quote_exact_in(way(false), U256::from(input)), Ok(U256::from(output)), "{id}");
            rows.check();
        }
    }
    rows.finish(5);
}

/// Recorded states that nothing on the chain answers for: they load, and trade in both directions.
#[test]
pub(crate) fn v4_states_without_an_answer_load() {
    let path = json("vectors/onchain-goldens/path5000_v2v4v3_block25704509.json");
    let corpus = json("vectors/onchain-goldens/v4_eth_usdc_diverge_corpus.json");
    let (Some(path), Some(corpus)) = (path, corpus) else { return };
    let mut rows = Rows::of("mainnet V4 states");
    let pool = &path["pools"]["v4"];
    let first = state(pool, number(&pool["lp_fee"]), number(&pool["tick_spacing"]), ticks(pool));
    let second = state(&corpus, number(&corpus["fee"]), number(&corpus["tick_spacing"]), ticks(&corpus));
    for (name, state) in [("path 5000", first), ("ETH/USDC", second)] {
        let view = V4View { protocol_fees_ppm: [0; 2], ..state.view() };
        let is_sound = check_consistency(&view.concentrated(true).expect("a pool that exists")).is_ok();
        for zero_for_one in [true, false] {
            let quote = state.view().quote_exact_in(way(zero_for_one), U256::from(1_000_000_000_u64));
            assert!(quote.is_ok_and(|out| !out.is_zero()), "{name}: {quote:?}");
        }
        let soundness = if is_sound { "consistent" } else { "its ticks contradict its liquidity" };
        rows.skip(name, &format!("no amount of the chain to compare with; {soundness}"));
    }
    rows.finish(0);
}

/// Which bit of which word the contracts keep a tick in decides where a step ends.
#[test]
pub(crate) fn v4_ticks_lie_in_the_words_of_the_recorded_bitmaps() {
    let Some(file) = json("vectors/onchain-goldens/liquidity_mapping_fixtures.json") else { return };
    let mut rows = Rows::of("V4 tick bitmaps");
    for row in file["flip"].as_array().expect("a list of rows") {
        let mut ticks = BTreeSet::new();
        for tick in row["ticks"].as_array().expect("a list of ticks").iter().map(number::<i32>) {
            // A second flip takes the tick away.
            if !ticks.insert(tick) {
                ticks.remove(&tick);
            }
        }
        check_bitmap(&ticks, number(&row["spacing"]), &row["result"], number);
        rows.check();
    }
    // The file leaves out the spacing, which is the one that makes slots of its ticks.
    for (name, spacing) in [("A", 1), ("B", 60), ("C", 1), ("D", 10), ("E", 10)] {
        let state = &file["apply"][name];
        let table = state["tick_data"].as_object().expect("a table of ticks");
        let ticks = table.keys().map(|tick| tick.parse().expect("digits")).collect();
        check_bitmap(&ticks, spacing, &state["tick_bitmap"], |word| number(&word["bitmap"]));
        rows.check();
    }
    rows.finish(15);
}

fn check_bitmap(ticks: &BTreeSet<i32>, spacing: i32, words: &Value, read: impl Fn(&Value) -> U256) {
    let mut expected = 0;
    for (word, bits) in words.as_object().expect("a table of words") {
        let first = word.parse::<i32>().expect("digits") * 256;
        for bit in (0..256).filter(|&bit| read(bits).bit(bit)) {
            let tick = (first + i32::try_from(bit).expect("in 0..256")) * spacing;
            assert!(ticks.contains(&tick), "{tick} of {words}");
            assert_eq!(word_edge(tick, spacing, true), first * spacing, "down from {tick}");
            assert_eq!(word_edge(tick - 1, spacing, false), (first + 255) * spacing, "up to {tick}");
            expected += 1;
        }
    }
    assert_eq!(ticks.len(), expected, "{words}");
}
