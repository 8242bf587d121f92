//! Balancer's amounts as contracts on mainnet answered them, and as other implementations do.

use std::collections::HashMap;

use alloy::primitives::U256;
use alphapulse_strategies::pool::balancer::stable::{
    InvariantRounding, StableView, balance, balance_by_rounds, invariant, scale,
};
use alphapulse_strategies::pool::balancer::weighted::{Powers, WeightedView, in_given_out, out_given_in};
use alphapulse_strategies::pool::{QuoteError, Ramp, Way};
use serde_json::Value;

use crate::data::{Rows, json, json_lines, number};

const GOLDENS: &str = "vectors/onchain-goldens";

const WEIGHTED_POOLS: [&str; 8] = [
    "aura_kaiaura_50_50",
    "dai_weth_40_60",
    "gel_dexg_60_40",
    "par_mimo_75_25",
    "sdvecrv_crv_90_10",
    "usdc_weth",
    "usdc_weth_50_50",
    "weth_bal",
];
const STABLE_POOLS: [&str; 4] = ["bb_s_usd", "cbeth_wsteth", "tusd_bsp", "wsteth_weth"];

/// States by address; `None`, with a loud line, when one is absent.
fn states(kind: &str, names: &[&str]) -> Option<HashMap<String, Value>> {
    let file = |name: &&str| json(&format!("{GOLDENS}/balancer_{kind}_{name}.json"));
    let states: Option<Vec<Value>> = names.iter().map(file).collect();
    let address = |state: &Value| state["address"].as_str().expect("an address").to_owned();
    Some(states?.into_iter().map(|state| (address(&state), state)).collect())
}

fn list<T: std::str::FromStr>(value: &Value) -> Vec<T> {
    value.as_array().expect("a list").iter().map(number).collect()
}

/// A fraction such as `9/10000` with 18 decimals.
fn fraction(value: &Value) -> u64 {
    let (numerator, denominator) = value.as_str().and_then(|text| text.split_once('/')).expect("a fraction");
    let part = |text: &str| text.parse::<u128>().expect("digits");
    u64::try_from(part(numerator) * 10_u128.pow(18) / part(denominator)).expect("a fee is below one")
}

struct WeightedState {
    balances: Vec<u128>,
    scales: Vec<u128>,
    weights: Vec<u64>,
    swap_fee: u64,
    powers: Powers,
    symbols: Vec<String>,
}

impl WeightedState {
    fn of(state: &Value) -> Self {
        let tokens = state["tokens"].as_array().expect("tokens");
        Self {
            balances: list(&state["balances"]),
            scales: tokens.iter().map(|token| 10_u128.pow(36 - number::<u32>(&token["decimals"]))).collect(),
            weights: list(&state["weights"]),
            swap_fee: fraction(&state["fee"]),
            powers: match state["pow_version"].as_str() {
                Some("v1") => Powers::LogExp,
                Some("v2") => Powers::SpecialCases,
                other => panic!("{other:?} is no version"),
            },
            symbols: tokens.iter().map(|token| token["symbol"].as_str().expect("a symbol").to_owned()).collect(),
        }
    }

    fn view(&self) -> WeightedView<'_> {
        WeightedView {
            balances: &self.balances,
            scales: &self.scales,
            weights: &self.weights,
            swap_fee: self.swap_fee,
            powers: self.powers,
            is_paused: false,
        }
    }

    /// Two forms of key: `…|i=0|j=1|amount` and `…|USDT->WETH|amount`.
    fn way(&self, places: &[&str]) -> Way {
        let place = |symbol: &str| self.symbols.iter().position(|known| known == symbol).expect("a token of the pool");
        match places {
            [token_in, token_out] => way_of(token_in, token_out),
            [pair] => {
                let (token_in, token_out) = pair.split_once("->").expect("a pair");
                let index = |symbol| u8::try_from(place(symbol)).expect("few tokens");
                Way { token_in: index(token_in), token_out: index(token_out) }
            }
            _ => panic!("{places:?} is a way"),
        }
    }
}

/// `i=0` and `j=1`.
fn way_of(token_in: &str, token_out: &str) -> Way {
    let place = |text: &str| text[2..].parse().expect("a digit");
    Way { token_in: place(token_in), token_out: place(token_out) }
}

#[test]
pub(crate) fn weighted_quotes_equal_those_of_pools_on_mainnet() {
    let Some(states) = states("weighted", &WEIGHTED_POOLS) else { return };
    let mut total = 0;
    for (name, file, count) in [
        ("mainnet weighted pools, exact in", "expanded_two_token_given_in", 108),
        ("mainnet weighted pools, exact out", "expanded_two_token_given_out", 108),
        ("mainnet weighted WETH/USDT", "usdc_weth_query_swap", 18),
        ("mainnet weighted WETH/BAL", "weth_bal_query_swap", 18),
    ] {
        let Some(quotes) = json(&format!("{GOLDENS}/test_balancer_v2_{file}.json")) else { return };
        let mut rows = Rows::of(name);
        for (key, entry) in quotes["entries"].as_object().expect("a table of calls") {
            let [address, "querySwap", direction, places @ .., amount] = &key.split('|').collect::<Vec<_>>()[..] else {
                panic!("{key} is a call")
            };
            let state = WeightedState::of(&states[*address]);
            let (way, amount) = (state.way(places), amount.parse().expect("digits"));
            let quote = match *direction {
                "GIVEN_IN" => state.view().quote_exact_in(way, amount),
                "GIVEN_OUT" => state.view().quote_exact_out(way, amount),
                _ => panic!("{key} has a direction"),
            };
            assert_eq!(quote, Ok(number(&entry["value"])), "{key}");
            rows.check();
            total += 1;
        }
        rows.finish(count);
    }
    assert_eq!(total, 252);
}

struct StableState {
    balances: Vec<u128>,
    scales: Vec<U256>,
    view: StableView<'static>,
}

impl StableState {
    fn of(state: &Value) -> Self {
        let view = StableView {
            balances: &[],
            scales: &[],
            amplification: Ramp::constant(number(&state["amp"])),
            swap_fee: fraction(&state["fee"]),
            rounding: match number(&state["invariant_version"]) {
                1_u8 => InvariantRounding::Down,
                2 => InvariantRounding::Directed,
                other => panic!("{other} is no version"),
            },
            share: (!state["bpt_idx"].is_null()).then(|| number(&state["bpt_idx"])),
            rates_valid_until: u64::MAX,
            is_paused: false,
        };
        Self { balances: list(&state["balances"]), scales: list(&state["resolved_scaling_factors"]), view }
    }

    fn view(&self) -> StableView<'_> {
        StableView { balances: &self.balances, scales: &self.scales, ..self.view }
    }
}

#[test]
pub(crate) fn stable_quotes_equal_those_of_pools_on_mainnet() {
    let Some(states) = states("stable", &STABLE_POOLS) else { return };
    let Some(quotes) = json(&format!("{GOLDENS}/test_balancer_v2_stable_query_swap_given_in.json")) else { return };
    let mut rows = Rows::of("mainnet stable pools, exact in");
    for (key, entry) in quotes["entries"].as_object().expect("a table of calls") {
        let [address, "querySwap", "GIVEN_IN", token_in, token_out, amount] = key.split('|').collect::<Vec<_>>()[..]
        else {
            panic!("{key} is a call")
        };
        let state = StableState::of(&states[address]);
        let (way, amount) = (way_of(token_in, token_out), amount.parse().expect("digits"));
        assert_eq!(state.view().quote_exact_in(way, amount, 0), Ok(number(&entry["value"])), "{key}");
        rows.check();
    }
    rows.finish(108);
}

/// The files name both what the token's decimals and what its rate make of its scaling factor.
#[test]
pub(crate) fn scales_of_pools_on_mainnet_are_those_of_decimals_and_rate() {
    let Some(states) = states("stable", &STABLE_POOLS) else { return };
    let mut rows = Rows::of("scaling factors of mainnet stable pools");
    for state in states.values() {
        let scales: Vec<U256> = list(&state["resolved_scaling_factors"]);
        let rates: Vec<U256> = list(&state["resolved_rates"]);
        let tokens = state["tokens"].as_array().expect("tokens");
        for ((token, rate), expected) in tokens.iter().zip(rates).zip(scales) {
            assert_eq!(scale(number(&token["decimals"]), rate), Ok(expected));
            rows.check();
        }
    }
    rows.finish(11);
}

#[test]
pub(crate) fn quotes_of_a_real_auction_s_balancer_pools_are_exact() {
    let Some(lines) = json_lines("snapshots/cow-auction/balancer-math.ndjson.gz") else { return };
    let (mut weighted, mut stable) = (Rows::of("cow-auction weighted, 4 columns each"), Rows::of("cow-auction stable"));
    for row in &lines {
        match row["kind"].as_str() {
            Some("weighted") => {
                check_auction_weighted(row);
                weighted.check();
            }
            Some("stable") => {
                check_auction_stable(row);
                stable.check();
            }
            other => panic!("{other:?} is a kind"),
        }
    }
    weighted.finish(1845);
    stable.finish(144);
}

/// Expectations are of two programs: the auction's own router, which has the first contracts' powers, and Balancer's
/// later maths package.
fn check_auction_weighted(row: &Value) {
    let value = |name: &str| number::<U256>(&row[name]);
    let (balance_in, weight_in) = (value("balanceIn"), value("weightIn"));
    let (balance_out, weight_out) = (value("balanceOut"), value("weightOut"));
    for (powers, out, input) in [(Powers::LogExp, "outSor", "inSor"), (Powers::SpecialCases, "outMathsV3", "inMathsV3")]
    {
        let amount = value("amountInAfterFee");
        let quote = out_given_in(balance_in, weight_in, balance_out, weight_out, amount, powers);
        assert_eq!(quote, Ok(value(out)), "{row}");
        let amount = value("amountOut");
        let quote = in_given_out(balance_in, weight_in, balance_out, weight_out, amount, powers);
        assert_eq!(quote, Ok(value(input)), "{row}");
    }
}

fn check_auction_stable(row: &Value) {
    let value = |name: &str| number::<U256>(&row[name]);
    let mut balances: Vec<U256> = list(&row["balancesScaled18"]);
    let (amplification, amount) = (value("ampTimes1000"), value("amountInAfterFee"));
    let (token_in, token_out): (usize, usize) = (number(&row["i"]), number(&row["j"]));
    let held = balances[token_out];
    let invariant = invariant(amplification, &balances, InvariantRounding::Down).expect("a sound pool");
    balances[token_in] += amount;
    let left = balance(amplification, &balances, invariant, token_out);
    assert_eq!(left, balance_by_rounds(amplification, &balances, invariant, token_out), "{row}");
    assert_eq!(held - left.expect("a sound pool") - U256::ONE, value("outSor"), "{row}");
}

/// A file of one line whose strings hold JSON, quotation marks and all; numbers outside them are small.
fn nested_json(path: &str) -> Option<Value> {
    json_lines(path).map(|mut lines| lines.swap_remove(0))
}

fn kyber_rows(file: &Value, segment: &str) -> Vec<Value> {
    let segments = file.as_array().expect("a list of segments");
    let named = |found: &&Value| found["segment"].as_str().is_some_and(|text| text.contains(segment));
    let cases = segments.iter().filter(named).flat_map(|found| found["cases"].as_array().into_iter().flatten());
    cases.flat_map(|group| group["rows"].as_array().into_iter().flatten().cloned()).collect()
}

/// Finds a named field in a list of one-key objects, to any depth.
fn field<'a>(row: &'a Value, name: &str) -> Option<&'a Value> {
    let entries = row.as_array()?;
    let own = entries.iter().find_map(|entry| entry.get(name));
    let inner = || entries.iter().filter_map(Value::as_object).flat_map(|entry| entry.values());
    own.or_else(|| inner().find_map(|value| field(value, name)))
}

#[test]
pub(crate) fn weighted_inputs_equal_kyber_s() {
    let Some(file) = json("vectors/kyber/liquidity-source__balancer__v2__math__weighted_math_test.json") else {
        return;
    };
    let mut rows = Rows::of("kyber weighted maths");
    for row in kyber_rows(&file, "CalcInGivenOut") {
        let value = |name: &str| number::<U256>(field(&row, name).expect("an argument"));
        let (balance_in, weight_in) = (value("balanceIn"), value("weightIn"));
        let (balance_out, weight_out, amount) = (value("balanceOut"), value("weightOut"), value("amountOut"));
        let quote = |powers| in_given_out(balance_in, weight_in, balance_out, weight_out, amount, powers);
        let wanted = field(&row, "want").expect("an expectation");
        if wanted.is_null() {
            assert_eq!(field(&row, "wantErr").and_then(Value::as_str), Some("<ErrMaxOutRatio>"));
            assert_eq!(quote(Powers::SpecialCases), Err(QuoteError::OutputRatioExceeded), "{row}");
        } else {
            assert_eq!(quote(Powers::SpecialCases), Ok(number(wanted)), "{row}");
        }
        rows.check();
    }
    rows.finish(4);
}

#[test]
pub(crate) fn kyber_s_weighted_pools_give_refusals_only() {
    let Some(file) = nested_json("vectors/kyber/liquidity-source__balancer__v2__weighted__pool_simulator_test.json")
    else {
        return;
    };
    let mut rows = Rows::of("kyber weighted pools");
    for row in kyber_rows(&file, "CalcAmountIn") {
        let name = field(&row, "name").and_then(Value::as_str).expect("a name").to_owned();
        let is_paused = match field(&row, "wantErr").and_then(Value::as_str) {
            None => {
                rows.skip(name, "amounts are names of constants that the file does not hold");
                continue;
            }
            Some("<ErrPoolPaused>") => true,
            Some("<ErrTokenNotRegistered>") => false,
            Some(other) => panic!("{other} is a refusal"),
        };
        // The amount is a name here too, and does not matter; the token that comes out is none of the pool's eight.
        let view = WeightedView {
            balances: &[10_u128.pow(18); 8],
            scales: &[10_u128.pow(18); 8],
            weights: &[125_000_000_000_000_000; 8],
            swap_fee: 10_000_000_000_000_000,
            powers: Powers::LogExp,
            is_paused,
        };
        let way = Way { token_in: 1, token_out: if is_paused { 3 } else { 8 } };
        let refusal = if is_paused { QuoteError::Paused } else { QuoteError::TokenNotInPool };
        assert_eq!(view.quote_exact_out(way, U256::ONE), Err(refusal), "{name}");
        rows.check();
    }
    rows.finish(2);
}

#[test]
pub(crate) fn stable_inputs_equal_kyber_s_before_the_fee() {
    let Some(file) = nested_json("vectors/kyber/liquidity-source__balancer__v2__stable__pool_simulator_test.json")
    else {
        return;
    };
    let mut rows = Rows::of("kyber stable pools");
    for row in kyber_rows(&file, "CalcAmountIn") {
        let text = field(&row, "poolStr").and_then(Value::as_str).expect("a pool");
        let pool: Value = serde_json::from_str(text).expect("a pool is JSON");
        let inner = |name: &str| serde_json::from_str::<Value>(pool[name].as_str().expect("text")).expect("JSON");
        let extra = inner("extra");
        assert!(inner("staticExtra")["poolTypeVersion"] == 1, "first contracts: the invariant is directed");
        let balances: Vec<u128> = list(&pool["reserves"]);
        let scales: Vec<U256> = list(&extra["scalingFactors"]);
        let tokens = pool["tokens"].as_array().expect("tokens");
        let place = |token: &Value| {
            let place = tokens.iter().position(|known| known["address"] == *token).expect("a token of the pool");
            u8::try_from(place).expect("few tokens")
        };
        let bought = field(&row, "TokenAmountOut").expect("an output");
        let token_in = field(field(&row, "params").expect("parameters"), "TokenIn").expect("a token");
        let way = Way { token_in: place(token_in), token_out: place(field(bought, "Token").expect("a token")) };
        let amount = number(field(bought, "Amount").expect("an amount"));
        let view = StableView {
            balances: &balances,
            scales: &scales,
            amplification: Ramp::constant(number::<U256>(&extra["amp"]).to()),
            swap_fee: number::<U256>(&extra["swapFeePercentage"]).to(),
            rounding: InvariantRounding::Directed,
            share: None,
            rates_valid_until: u64::MAX,
            is_paused: false,
        };
        let wanted = field(&row, "want").expect("an expectation");
        if wanted.is_null() {
            view.quote_exact_out(way, amount, 0).expect_err("the contract's arithmetic reverts");
        } else {
            let expected = field(field(wanted, "TokenAmountIn").expect("an input"), "Amount").expect("an amount");
            let without_fee = StableView { swap_fee: 0, ..view };
            assert_eq!(without_fee.quote_exact_out(way, amount, 0), Ok(number(expected)), "{row}");
            let down = StableView { rounding: InvariantRounding::Down, ..without_fee };
            assert_ne!(down.quote_exact_out(way, amount, 0), Ok(number(expected)), "the row tells the roundings apart");
            assert_eq!(view.quote_exact_out(way, amount, 0), Ok(U256::from(73_183_418_984_294_466_u64)));
        }
        rows.check();
    }
    for row in kyber_rows(&file, "TestCanSwapTo") {
        rows.skip(row, "it says which tokens a pool swaps, and no amount");
    }
    rows.finish(2);
}

/// Balancer V3 rounds the equation of a balance otherwise; its invariant is that of composable pools.
#[test]
pub(crate) fn invariants_equal_those_of_balancer_v3() {
    let Some(file) = json("vectors/kyber/liquidity-source__balancer__v3__math__stable_math_test.json") else { return };
    let mut rows = Rows::of("kyber V3 stable maths");
    for row in kyber_rows(&file, "ComputeInvariant") {
        let balances: Vec<U256> = list(field(&row, "balances").expect("balances"));
        let amplification = number(field(&row, "amp").expect("an amplification"));
        let expected = number(field(&row, "expectedInvariant").expect("an expectation"));
        assert_eq!(invariant(amplification, &balances, InvariantRounding::Down), Ok(expected), "{row}");
        rows.check();
    }
    for segment in ["ComputeBalance", "ComputeOutGivenExactIn", "ComputeInGivenExactOut"] {
        for row in kyber_rows(&file, segment) {
            let name = field(&row, "name").and_then(Value::as_str).expect("a name");
            rows.skip(format!("{segment} {name}"), "another contract's rounding of the balance");
        }
    }
    for path in ["balancer-v3-maths/11155111-7439300-Stable-stataUSDC-stataUSDT.json"] {
        if let Some(pool) = json(&format!("vectors/{path}")) {
            let swaps = pool["swaps"].as_array().expect("a list of swaps").len();
            rows.aside(format!("{path}, {swaps} swaps"), "another contract's rounding of the balance");
        }
    }
    rows.finish(4);
}
