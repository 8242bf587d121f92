//! The snapshots of Uniswap's own V3 tests: swaps in nine pools, and prices of ticks.

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::{sqrt_price_limit_default, swap};
use alphapulse_strategies::pool::tick_math::{get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError};
use serde_json::Value;

use crate::data::{Rows, json, number};
use crate::v3_state::V3State;

#[test]
pub(crate) fn tick_prices_equal_the_contract_s_snapshot() {
    let Some(file) = json("vectors/uniswap-v3-core/tick-to-sqrt.json") else { return };
    let mut rows = Rows::of("uniswap-v3-core tick-to-sqrt");
    for row in file["getSqrtRatioAtTick"].as_array().expect("a list of rows") {
        let (tick, price) = (number(&row[0]), number::<U256>(&row[1]));
        assert_eq!(get_sqrt_ratio_at_tick(tick), Ok(price));
        assert_eq!(get_tick_at_sqrt_ratio(price), Ok(tick));
        rows.check();
    }
    rows.finish(14);
}

#[test]
pub(crate) fn v3_swaps_equal_the_contract_s_snapshots() {
    let Some(file) = json("vectors/uniswap-v3-core/swap-cases.json.gz") else { return };
    let mut rows = Rows::of("uniswap-v3-core swap cases");
    for case in file["cases"].as_array().expect("a list of cases") {
        let pool = case["pool"].as_str().expect("a pool's name");
        let words = case["swap"].as_str().expect("a swap in words");
        check(&pool_state(&file["pools"][pool]), words, &case["expected"], pool);
        rows.check();
    }
    rows.finish(144);
}

fn pool_state(pool: &Value) -> V3State {
    let sqrt_price: U256 = number(&pool["startingSqrtPriceX96"]);
    let tick = get_tick_at_sqrt_ratio(sqrt_price).expect("in the domain");
    let mut state = V3State::initialised(number(&pool["fee"]), number(&pool["tickSpacing"]), tick, sqrt_price);
    for position in pool["positions"].as_array().expect("a list of positions") {
        let liquidity = number(&position["liquidity"]);
        state.modify(number(&position["tickLower"]), number(&position["tickUpper"]), liquidity);
    }
    state
}

fn check(state: &V3State, words: &str, expected: &Value, pool: &str) {
    assert_eq!(state.tick, number::<i32>(&expected["tickBefore"]));
    let request = Request::parse(words);
    let result = swap(&state.view(), request.zero_for_one, request.specified, request.limit);
    if let Some(error) = expected.get("swapError") {
        assert!(error.as_str().is_some_and(|text| text.ends_with("SPL")), "the file holds no other error");
        assert_eq!(result, Err(QuoteError::InvalidPriceLimit), "{words} in {pool}");
        return;
    }
    let result = result.unwrap_or_else(|error| panic!("{error}: {words} in {pool}"));
    let (paid, received) =
        if request.zero_for_one { ("amount0Delta", "amount1Delta") } else { ("amount1Delta", "amount0Delta") };
    let magnitude = |field: &str| expected[field].as_str().expect("digits").trim_start_matches('-').parse::<U256>();
    assert_eq!(Ok(result.amount_in), magnitude(paid), "{words} in {pool}");
    assert_eq!(Ok(result.amount_out), magnitude(received), "{words} in {pool}");
    assert_eq!(result.tick, number::<i32>(&expected["tickAfter"]), "{words} in {pool}");
}

/// A swap as the snapshot's name describes it.
struct Request {
    zero_for_one: bool,
    specified: AmountSpecified,
    limit: U256,
}

impl Request {
    /// `swap exactly A tokenX for tokenY [to price P]`, `swap tokenX for exactly A tokenY [to price P]` or
    /// `swap tokenX for tokenY to price P`.
    fn parse(words: &str) -> Self {
        let words: Vec<&str> = words.split(' ').collect();
        let (zero_for_one, specified) = match *words.as_slice() {
            ["swap", "exactly", amount, token, "for", ..] => {
                (token == "token0", AmountSpecified::ExactIn(scaled(amount)))
            }
            ["swap", token, "for", "exactly", amount, ..] => {
                (token == "token0", AmountSpecified::ExactOut(scaled(amount)))
            }
            ["swap", token, "for", _, "to", ..] => (token == "token0", AmountSpecified::ExactIn(U256::MAX >> 1_usize)),
            _ => panic!("an unknown kind of swap: {words:?}"),
        };
        let limit = match *words.as_slice() {
            [.., "to", "price", price] => sqrt_price(price),
            _ => sqrt_price_limit_default(zero_for_one),
        };
        Self { zero_for_one, specified, limit }
    }
}

/// A decimal with 18 places or fewer that count, as an integer of 10^-18.
fn scaled(decimal: &str) -> U256 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = format!("{whole}{fraction:0<18}");
    let (digits, cut) = digits.split_at(whole.len() + 18);
    assert!(cut.chars().all(|digit| digit == '0'), "nothing below one wei");
    digits.parse().expect("digits")
}

/// `sqrt(price) * 2^96`, rounded down.
fn sqrt_price(decimal: &str) -> U256 {
    let numerator = scaled(decimal);
    let denominator = U256::from(10).pow(U256::from(18));
    ((numerator << 192_usize) / denominator).root(2)
}
