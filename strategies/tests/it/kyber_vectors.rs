//! Pool states and amounts from the tests of KyberSwap's DEX library, an implementation unrelated to this one.

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::constant_product::{quote_exact_in, quote_exact_out, settle};
use alphapulse_strategies::pool::{QuoteError, check_consistency, concentrated_liquidity};
use serde_json::Value;

use crate::data::{Rows, json, number};
use crate::v3_chain::V3Chain;
use crate::v3_state::V3State;

#[test]
pub(crate) fn v2_amounts_equal_kyber_s() {
    let Some(file) = json("vectors/kyber/liquidity-source__uniswap__v2__pool_simulator_test.json") else { return };
    let mut rows = Rows::of("kyber uniswap-v2");
    for segment in file.as_array().expect("a list of segments") {
        let name = segment["segment"].as_str().expect("a name");
        for (index, row) in cases(segment).enumerate() {
            let case = format!("{name} row {index}");
            match check_v2(row) {
                Ok(()) => rows.check(),
                Err(reason) => rows.skip(case, reason),
            }
        }
    }
    rows.finish(11);
}

pub(crate) fn cases(segment: &Value) -> impl Iterator<Item = &Value> {
    let groups = segment["cases"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rows"].as_array().into_iter().flatten())
}

/// Finds a named field in a list of one-key objects, to any depth; pools nest them.
pub(crate) fn field<'a>(row: &'a Value, name: &str) -> Option<&'a Value> {
    let entries = row.as_array()?;
    let own = entries.iter().find_map(|entry| entry.get(name));
    own.or_else(|| {
        entries
            .iter()
            .filter_map(Value::as_object)
            .flat_map(|entry| entry.values())
            .find_map(|inner| field(inner, name))
    })
}

fn check_v2(row: &Value) -> Result<(), &'static str> {
    if field(row, "taxHandler").is_some_and(|tax| tax.as_array().is_none_or(|list| !list.is_empty())) {
        return Err("the token taxes transfers, which is no property of the pool");
    }
    let fee: u32 = number(field(row, "fee").ok_or("no fee")?);
    let precision: u32 = number(field(row, "feePrecision").ok_or("no fee precision")?);
    let fee_ppm = fee * (1_000_000 / precision);
    if field(row, "reserveIn").is_some() {
        return check_v2_formula(row, fee_ppm);
    }
    let reserves = field(row, "reserves").ok_or("no reserves")?;
    let (reserve_0, reserve_1) = (number::<u128>(&reserves[0]), number::<u128>(&reserves[1]));
    // Tokens in the pool's order; each row names the one that is fixed, or both.
    let first_token = &field(row, "Tokens").ok_or("no tokens")?[0];
    let orient = |is_first_in: bool| if is_first_in { (reserve_0, reserve_1) } else { (reserve_1, reserve_0) };
    if let Some(expected) = field(row, "expectedReserves") {
        let (paid, taken) = (field(row, "TokenAmountIn"), field(row, "TokenAmountOut"));
        let amount = |side: Option<&Value>| number::<U256>(field(side.expect("a side"), "Amount").expect("an amount"));
        let is_first_in = field(paid.expect("a side"), "Token") == Some(first_token);
        let (reserve_in, reserve_out) = orient(is_first_in);
        let after = settle(reserve_in, reserve_out, fee_ppm, amount(paid), amount(taken)).expect("the pair accepts");
        let after = if is_first_in { after } else { (after.1, after.0) };
        assert_eq!(after, (number(&expected[0]), number(&expected[1])), "{row}");
        return Ok(());
    }
    if let Some(expected) = field(row, "expectedAmountOut") {
        let side = field(row, "tokenAmountIn").expect("an input");
        let (reserve_in, reserve_out) = orient(field(side, "Token") == Some(first_token));
        let amount = number(field(side, "Amount").expect("an amount"));
        assert_eq!(quote_exact_in(reserve_in, reserve_out, fee_ppm, amount), Ok(number(expected)), "{row}");
        return Ok(());
    }
    let expected = field(row, "expectedAmountIn").ok_or("a benchmark without an expected amount")?;
    let side = field(row, "tokenAmountOut").expect("an output");
    let (reserve_out, reserve_in) = orient(field(side, "Token") == Some(first_token));
    let amount = number(field(side, "Amount").expect("an amount"));
    assert_eq!(quote_exact_out(reserve_in, reserve_out, fee_ppm, amount), Ok(number(expected)), "{row}");
    Ok(())
}

fn check_v2_formula(row: &Value, fee_ppm: u32) -> Result<(), &'static str> {
    let reserve = |name: &str| number::<u128>(field(row, name).expect("a reserve"));
    let (reserve_in, reserve_out) = (reserve("reserveIn"), reserve("reserveOut"));
    if let Some(amount) = field(row, "amountIn") {
        let expected = number(field(row, "expectedAmountOut").ok_or("no expected amount")?);
        assert_eq!(quote_exact_in(reserve_in, reserve_out, fee_ppm, number(amount)), Ok(expected), "{row}");
        return Ok(());
    }
    let amount = number(field(row, "amountOut").ok_or("no amount")?);
    let expected = match field(row, "expectedErr").and_then(Value::as_str) {
        Some("<ErrDSMathSubUnderflow>") => Err(QuoteError::InsufficientLiquidity),
        Some(_) => return Err("an error without a counterpart"),
        None => Ok(number(field(row, "expectedAmountIn").ok_or("no expected amount")?)),
    };
    assert_eq!(quote_exact_out(reserve_in, reserve_out, fee_ppm, amount), expected, "{row}");
    Ok(())
}

#[test]
pub(crate) fn v3_amounts_equal_kyber_s() {
    let path = "vectors/kyber/liquidity-source__uniswap__v3__pool_simulator_test.json.gz";
    let bench = "vectors/kyber/liquidity-source__uniswap__v3__bench_test.json";
    let (Some(file), Some(bench)) = (json(path), json(bench)) else { return };
    let mut rows = Rows::of("kyber uniswap-v3");
    let segments = file.as_array().expect("a list of segments");
    let global = pool_state(&segments[0]["pools"][0]).expect("the pool that rows refer to");
    check_consistency(&global.view()).expect("a recorded state");
    for row in segments.iter().flat_map(cases) {
        let (zero_for_one, amount) = (row[0] == "0", number(&row[2]));
        let quote = concentrated_liquidity::quote_exact_in(&global.view(), zero_for_one, amount);
        let quote = quote.unwrap_or_else(|error| panic!("{error}: {row}")).amount_out;
        if quote == number::<U256>(&row[3]) {
            rows.check();
        } else {
            assert_eq!(Some(quote), contract_s_answer(&global, zero_for_one, amount), "{row}");
            rows.skip(row, "the contract's own bytecode contradicts the row, and agrees with the quote");
        }
    }
    for segment in segments.iter().skip(1).chain(bench.as_array().expect("a list of segments")) {
        for pool in segment["pools"].as_array().into_iter().flatten() {
            let reason = match pool_state(pool) {
                Some(state) => {
                    check_consistency(&state.view()).expect("a recorded state");
                    "a consistent state, but no expected amount"
                }
                None => "neither state nor expected amount",
            };
            rows.aside(&pool["address"], reason);
        }
    }
    rows.finish(6);
}

/// What the real pool gives from this state; `None` when its bytecode is absent, and then there is no excuse.
fn contract_s_answer(state: &V3State, zero_for_one: bool, amount: U256) -> Option<U256> {
    let mut chain = V3Chain::deploy()?;
    let pool = chain.create_pool(state.fee_ppm, state.sqrt_price_x96);
    chain.write_state(pool, state, 0);
    let quoted = chain.quote_exact_in(state.fee_ppm, zero_for_one, amount, U256::ZERO);
    Some(quoted.expect("the quoter answers").0)
}

fn pool_state(pool: &Value) -> Option<V3State> {
    let extra = pool["extra"].as_object()?;
    let ticks = extra["ticks"].as_array()?.iter().map(|entry| TickLiquidity {
        tick: number(&entry["index"]),
        liquidity_net: number(&entry["liquidityNet"]),
        liquidity_gross: number(&entry["liquidityGross"]),
    });
    Some(V3State {
        fee_ppm: number(&pool["swapFee"]),
        tick_spacing: number(&extra["tickSpacing"]),
        sqrt_price_x96: number(&extra["sqrtPriceX96"]),
        tick: number(&extra["tick"]),
        liquidity: number(&extra["liquidity"]),
        ticks: ticks.collect(),
    })
}
