//! Quotes read from archive nodes, with the state of their block.

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::concentrated_liquidity::{
    quote_exact_in, quote_exact_out, sqrt_price_limit_default, swap,
};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, check_consistency, constant_product};
use serde_json::Value;

use crate::data::{Rows, json, number};
use crate::v3_state::V3State;

#[test]
pub(crate) fn wbtc_weth_quotes_equal_the_quoter_on_mainnet() {
    let state = json("vectors/onchain-goldens/uniswap_v3_wbtc_weth_block_24407242.json");
    let quotes = json("vectors/onchain-goldens/test_cached_calculations_v3_wbtc_weth.json");
    let (Some(file), Some(quotes)) = (state, quotes) else { return };
    let state = pool_state(&file);
    check_consistency(&state.view()).expect("state of one block");
    let mut rows = Rows::of("mainnet WBTC/WETH quoter");
    for (key, entry) in quotes["entries"].as_object().expect("a table of calls") {
        let [_, call, pair, amount] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key} is a call") };
        let zero_for_one = pair == "WBTC->WETH";
        let amount: U256 = amount.parse().expect("digits");
        let expected: U256 = number(&entry["value"]);
        match call {
            "quoteExactInputSingle" => {
                let quote = quote_exact_in(&state.view(), zero_for_one, amount);
                assert_eq!(quote.map(|swap| swap.amount_out), Ok(expected), "{key}");
            }
            "quoteExactOutputSingle" => check_exact_out(&state, zero_for_one, amount, expected),
            _ => panic!("{key} is an unknown call"),
        }
        rows.check();
    }
    rows.finish(80);
}

/// The recorder passed the default price limit itself. Then the quoter answers an output that it cannot deliver
/// with the input that drains the pool, where without a limit it refuses.
fn check_exact_out(state: &V3State, zero_for_one: bool, amount: U256, expected: U256) {
    let limit = sqrt_price_limit_default(zero_for_one);
    let limited = swap(&state.view(), zero_for_one, AmountSpecified::ExactOut(amount), limit).expect("a sound pool");
    assert_eq!(limited.amount_in, expected, "{amount} out");
    let quote = quote_exact_out(&state.view(), zero_for_one, amount);
    let unlimited = if limited.is_partial { Err(QuoteError::InsufficientLiquidity) } else { Ok(limited) };
    assert_eq!(quote, unlimited, "{amount} out");
}

fn pool_state(file: &Value) -> V3State {
    let scalars = &file["scalars"];
    let mut ticks: Vec<TickLiquidity> = file["tick_data"]
        .as_object()
        .expect("a table of ticks")
        .iter()
        .map(|(tick, data)| TickLiquidity {
            tick: tick.parse().expect("digits"),
            liquidity_net: number(&data[1]),
            liquidity_gross: number(&data[0]),
        })
        .collect();
    ticks.sort_by_key(|entry| entry.tick);
    V3State {
        fee_ppm: number(&scalars["fee"]),
        tick_spacing: number(&scalars["tick_spacing"]),
        sqrt_price_x96: number(&scalars["sqrt_price_x96"]),
        tick: number(&scalars["tick"]),
        liquidity: number(&scalars["liquidity"]),
        ticks,
    }
}

#[test]
pub(crate) fn pancake_v2_quotes_equal_the_router_on_base() {
    let state = json("vectors/onchain-goldens/pancakeswap_v2_weth_usdbc_block_46875151.json");
    let quotes = json("vectors/onchain-goldens/test_pancakeswap_v2_router_get_amounts_out.json");
    let (Some(state), Some(quotes)) = (state, quotes) else { return };
    let (reserve_0, reserve_1) = (number(&state["reserves_token0"]), number(&state["reserves_token1"]));
    let fee_ppm = number::<u32>(&state["fee_numer"]) * 1_000_000 / number::<u32>(&state["fee_denom"]);
    let mut rows = Rows::of("Base Pancake V2 router");
    for (key, entry) in quotes["entries"].as_object().expect("a table of calls") {
        let [_, _, pair, amount] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key} is a call") };
        let (reserve_in, reserve_out) =
            if pair == "WETH->USDbC" { (reserve_0, reserve_1) } else { (reserve_1, reserve_0) };
        let amount = amount.parse().expect("digits");
        let quote = constant_product::quote_exact_in(reserve_in, reserve_out, fee_ppm, amount);
        assert_eq!(quote, Ok(number(&entry["value"])), "{key}");
        rows.check();
    }
    rows.finish(24);
}
