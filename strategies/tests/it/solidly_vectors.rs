//! Solidly pools against amounts of a contract on Base and of KyberSwap's DEX library.

use alloy::primitives::U256;
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::pool::solidly::{SolidlyCurve, SolidlyView};
use serde_json::Value;

use crate::data::{Rows, json, number};
use crate::kyber_vectors::{cases, field};

const UP: Way = Way { token_in: 0, token_out: 1 };
const DOWN: Way = Way { token_in: 1, token_out: 0 };

#[test]
pub(crate) fn solidly_v2_quotes_equal_the_pool_on_base() {
    let state = json("vectors/onchain-goldens/aerodrome_v2_dola_usdbc_stable_block_46875151.json");
    let quotes = json("vectors/onchain-goldens/test_aerodrome_v2_stable_get_amount_out.json");
    let (Some(state), Some(quotes)) = (state, quotes) else { return };
    let scale = |token: &Value| 10_u128.pow(number(&token["decimals"]));
    let pool = SolidlyView {
        reserves: [number(&state["reserves_token0"]), number(&state["reserves_token1"])],
        scales: [scale(&state["token0"]), scale(&state["token1"])],
        // The file counts in basis points.
        fee_ppm: number::<u32>(&state["fee_raw"]) * 100,
        curve: SolidlyCurve::StableV2,
    };
    let mut rows = Rows::of("Base Aerodrome getAmountOut");
    for (key, entry) in quotes["entries"].as_object().expect("a table of calls") {
        let [_, _, pair, amount] = key.split('|').collect::<Vec<_>>()[..] else { panic!("{key} is a call") };
        let way = if pair == "DOLA->USDbC" { UP } else { DOWN };
        let amount = amount.parse().expect("digits");
        assert_eq!(pool.quote_exact_in(way, amount), Ok(number(&entry["value"])), "{key}");
        rows.check();
    }
    rows.finish(26);
}

#[test]
pub(crate) fn solidly_amounts_equal_kyber_s() {
    for (name, path, stable) in [
        (
            "kyber solidly-v2",
            "vectors/kyber/liquidity-source__solidly-v2__pool_simulator_test.json",
            SolidlyCurve::StableV2,
        ),
        (
            "kyber velodrome-v1",
            "vectors/kyber/liquidity-source__velodrome-v1__pool_simulator_test.json",
            SolidlyCurve::StableV1,
        ),
    ] {
        let Some(file) = json(path) else { continue };
        let mut rows = Rows::of(name);
        for segment in file.as_array().expect("a list of segments") {
            let title = segment["segment"].as_str().expect("a name");
            for pool in segment["pools"].as_array().into_iter().flatten() {
                rows.aside(&pool["address"], "a state without a case");
            }
            for row in cases(segment) {
                let case = format!("{title} {}", field(row, "name").expect("a name"));
                match check(row, stable) {
                    Ok(()) => rows.check(),
                    Err(reason) => rows.skip(case, reason),
                }
            }
        }
        rows.finish(if stable == SolidlyCurve::StableV2 { 11 } else { 12 });
    }
}

fn check(row: &Value, stable: SolidlyCurve) -> Result<(), &'static str> {
    let pool = pool(row, stable).ok_or("no state that a case refers to")?;
    let tokens = field(row, "Tokens").ok_or("no tokens")?.as_array().expect("a list");
    let is_first = |side: &Value| {
        let text = |value: &Value| value.as_str().expect("an address").to_lowercase();
        text(field(side, "Token").expect("a token")) == text(&tokens[0])
    };
    let amount = |side: &Value| number::<U256>(field(side, "Amount").expect("an amount"));
    if let Some(expected) = field(row, "expectedReserves") {
        let side = field(row, "TokenAmountIn").expect("an input");
        let fee = amount(field(row, "Fee").expect("a fee"));
        if fee != amount(side) * U256::from(pool.fee_ppm) / U256::from(1_000_000) {
            return Err("its fee is not the pool's on its input");
        }
        let swapped = pool.swap_exact_in(if is_first(side) { UP } else { DOWN }, amount(side)).expect("a swap");
        assert_eq!(swapped.amount_out, amount(field(row, "TokenAmountOut").expect("an output")), "{row}");
        assert_eq!(swapped.after, [number(&expected[0]), number(&expected[1])], "{row}");
        return Ok(());
    }
    if let Some(expected) = field(row, "expectedAmountOut") {
        let side = field(row, "tokenAmountIn").expect("an input");
        let quote = pool.quote_exact_in(if is_first(side) { UP } else { DOWN }, amount(side));
        assert_eq!(quote, Ok(number(expected)), "{row}");
        return Ok(());
    }
    // No contract quotes an exact output. Kyber's own inverse has to give what was asked for, and little more.
    let expected: U256 = number(field(row, "expectedAmountIn").ok_or("no expected amount")?);
    let side = field(row, "tokenAmountOut").expect("an output");
    let quote = |paid: U256| pool.quote_exact_in(if is_first(side) { DOWN } else { UP }, paid).expect("a quote");
    assert!(quote(expected) >= amount(side), "{row}");
    assert!(quote(expected - U256::from(INVERSE_SLACK)) <= amount(side), "{row}");
    Ok(())
}

/// Kyber adds a unit for each division that may have lost one.
const INVERSE_SLACK: u32 = 3;

/// The curve by the row's name: the rows of stable pools that swap carry the other flag beside the right amounts.
fn pool(row: &Value, stable: SolidlyCurve) -> Option<SolidlyView> {
    let reserves = field(row, "Reserves")?;
    let precision: u32 = number(field(row, "feePrecision")?);
    let scales = match field(row, "decimals") {
        Some(both) => [number(&both[0]), number(&both[1])],
        None => [number(field(row, "decimals0")?), number(field(row, "decimals1")?)],
    };
    let is_stable = field(row, "name")?.as_str()?.starts_with("[stable]");
    Some(SolidlyView {
        reserves: [number(&reserves[0]), number(&reserves[1])],
        scales,
        fee_ppm: number::<u32>(field(row, "fee")?) * (1_000_000 / precision),
        curve: if is_stable { stable } else { SolidlyCurve::Volatile },
    })
}
