//! StableSwap pools and amounts from the tests of KyberSwap's DEX library, an implementation unrelated to this one.

use alloy::primitives::U256;
use alphapulse_strategies::pool::stable_swap::balance::balance;
use alphapulse_strategies::pool::stable_swap::invariant::invariant;
use alphapulse_strategies::pool::stable_swap::{FEE_ONE, Rules};
use alphapulse_strategies::pool::{QuoteError, Way};
use serde_json::Value;

use crate::data::{Rows, json, text};
use crate::stable_swap_state::{StablePool, numbers};

const PLAIN: &str = "vectors/kyber/liquidity-source__curve__plain__pool_simulator_test.json";
const COMPARED: &str = "vectors/kyber/liquidity-source__curve__plain__pool_simulator_compare_test.json.gz";
const NG: &str = "vectors/kyber/liquidity-source__curve__stable-ng__pool_simulator_test.json";
const BASE: &str = "vectors/kyber/source__curve__base__pool_simulator_test.json";
const COMPOUND: &str = "vectors/kyber/source__curve__compound__pool_simulator_test.json";
const META: &str = "vectors/kyber/source__curve__meta__pool_simulator_test.json";

const NO_NUMBERS: &str = "numbers and pool are Go identifiers";

/// One segment of a file: its pools and its rows, each cell as text.
struct Segment {
    pools: Vec<Value>,
    rows: Vec<Vec<String>>,
}

/// Segments by the test function that they come from.
fn segment(file: &Value, function: &str) -> Segment {
    let name = format!("func {function}(");
    let segments = file.as_array().expect("a list of segments");
    let found = segments.iter().find(|segment| segment["segment"].as_str().is_some_and(|text| text.starts_with(&name)));
    let found = found.unwrap_or_else(|| panic!("{function} is in the file"));
    let pools = found["pools"].as_array().cloned().unwrap_or_default();
    let groups = found["cases"].as_array().into_iter().flatten();
    let rows = groups.flat_map(|group| group["rows"].as_array().into_iter().flatten());
    let cells = |row: &Value| {
        let cells = row.as_array().expect("a row").iter();
        cells.map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect()
    };
    Segment { pools, rows: rows.map(cells).collect() }
}

impl Segment {
    fn pools(&self, rules: Rules) -> Vec<StablePool> {
        self.pools.iter().map(|pool| StablePool::of_kyber(pool, rules)).collect()
    }
}

fn amount(cell: &str) -> U256 {
    cell.parse().unwrap_or_else(|_| panic!("{cell} is a number"))
}

fn index(cell: &str) -> usize {
    cell.parse().unwrap_or_else(|_| panic!("{cell} is an index"))
}

/// Rows of pool, coin in, amount in, coin out, amount out, each from the state of the file.
fn check_outputs(name: &'static str, path: &str, function: &str, rules: Rules, count: usize) {
    let Some(file) = json(path) else { return };
    let segment = segment(&file, function);
    let pools = segment.pools(rules);
    let mut rows = Rows::of(name);
    for row in &segment.rows {
        let pool = &pools[index(&row[0])];
        let way = pool.way(&row[1], &row[3]);
        assert_eq!(pool.view().quote_exact_in(way, amount(&row[2]), pool.at), Ok(amount(&row[4])), "{row:?}");
        let swapped = pool.view().swap_exact_in(way, amount(&row[2]), pool.at);
        assert_eq!(swapped.map(|swapped| swapped.amount_out), Ok(amount(&row[4])), "{row:?}");
        rows.check();
    }
    rows.finish(count);
}

#[test]
pub(crate) fn stable_plain_outputs_equal_kyber_s() {
    check_outputs("kyber plain out", PLAIN, "TestCalcAmountOutPlain", Rules::Classic, 28);
}

#[test]
pub(crate) fn stable_plain_outputs_over_a_range_equal_kyber_s() {
    check_outputs("kyber plain, compared with the chain", COMPARED, "TestCalcAmountOutSnapshot", Rules::Classic, 240);
}

#[test]
pub(crate) fn stable_ng_outputs_equal_kyber_s() {
    check_outputs("kyber stable-ng out", NG, "TestCalcAmountOut", Rules::Ng, 13);
}

/// Kyber holds the formula of the first contracts' `get_dx` against plain pools too.
#[test]
pub(crate) fn stable_plain_inputs_equal_kyber_s() {
    let Some(file) = json(PLAIN) else { return };
    let segment = segment(&file, "TestPoolSimulatorPlain_CalcAmountIn");
    let pools = segment.pools(Rules::Classic);
    let mut rows = Rows::of("kyber plain in");
    for row in &segment.rows {
        let pool = &pools[index(&row[0])];
        let way = pool.way(&row[3], &row[1]);
        let input = pool.view().input_by_first_formula(way, amount(&row[2]), pool.at);
        assert_eq!(input, Ok(amount(&row[4])), "{row:?}");
        let offered = pool.view().quote_exact_out(way, amount(&row[2]), pool.at);
        assert_eq!(offered, Err(QuoteError::ExactOutputNotOffered), "no contract of theirs does");
        rows.check();
    }
    rows.finish(32);
}

#[test]
pub(crate) fn stable_quotes_by_index_equal_kyber_s() {
    for (name, path) in [("kyber plain get_dy", PLAIN), ("kyber base get_dy", BASE)] {
        let Some(file) = json(path) else { return };
        let segment = segment(&file, "TestGetDyVirtualPrice");
        let pool = &segment.pools(Rules::Classic)[0];
        let mut rows = Rows::of(name);
        for row in &segment.rows {
            let coin = |cell: &str| cell.parse().expect("an index");
            let way = Way { token_in: coin(&row[0]), token_out: coin(&row[1]) };
            assert_eq!(pool.view().quote_exact_in(way, amount(&row[2]), pool.at), Ok(amount(&row[3])), "{row:?}");
            rows.check();
        }
        let names = self::segment(&file, "TestCalcAmountOut");
        assert!(names.pools.is_empty(), "the rows have pools now: check them");
        for row in names.rows {
            rows.skip(row.join(" "), NO_NUMBERS);
        }
        rows.finish(8);
    }
}

/// What Kyber must refuse: empty pools, amounts that come to nothing.
#[test]
pub(crate) fn stable_refusals_are_kyber_s() {
    for (name, path, function, rules, count) in [
        ("kyber plain refusals", PLAIN, "TestCalcAmountOutPlainError", Rules::Classic, 7),
        ("kyber stable-ng refusals", NG, "TestCalcAmountOutError", Rules::Ng, 2),
    ] {
        let Some(file) = json(path) else { return };
        let segment = segment(&file, function);
        let pools = segment.pools(rules);
        let mut rows = Rows::of(name);
        for row in &segment.rows {
            let pool = &pools[index(&row[0])];
            let answer = pool.view().swap_exact_in(pool.way(&row[1], &row[3]), amount(&row[2]), pool.at);
            // The contract gives nothing where Kyber refuses to.
            let is_nothing = answer.is_ok_and(|swapped| swapped.amount_out.is_zero());
            assert!(answer.is_err() || is_nothing, "{row:?}: {answer:?}");
            rows.check();
        }
        rows.finish(count);
    }
}

#[test]
pub(crate) fn stable_ng_sequences_equal_kyber_s() {
    let Some(file) = json(NG) else { return };
    let segment = segment(&file, "TestUpdateBalance");
    let mut pools = segment.pools(Rules::Ng);
    let mut rows = Rows::of("kyber stable-ng sequences");
    for row in &segment.rows {
        let pool = &mut pools[index(&row[0])];
        let way = pool.way(&row[1], &row[3]);
        let answer = pool.view().swap_exact_in(way, amount(&row[2]), pool.at);
        if row[4] == "<ErrDDoesNotConverge>" {
            assert_eq!(answer, Err(QuoteError::NotConverged), "{row:?}");
        } else {
            let swapped = answer.unwrap_or_else(|error| panic!("{row:?}: {error}"));
            assert_eq!(swapped.amount_out, amount(&row[4]), "{row:?}");
            pool.apply(&swapped.after);
        }
        rows.check();
    }
    let skipped = self::segment(&file, "TestCalcAmountIn").rows;
    for row in skipped {
        assert!(row[2].starts_with('<') || row[2] == "null", "{row:?} has numbers now: check it");
        rows.skip(row.join(" "), NO_NUMBERS);
    }
    rows.finish(10);
}

/// Kyber reckons the owner's fee from the output, the contracts from what the curve gives: the state in between is by
/// Kyber's rule here, and each output is ours.
#[test]
pub(crate) fn stable_plain_sequences_equal_kyber_s() {
    let Some(file) = json(COMPARED) else { return };
    let segment = segment(&file, "TestUpdateBalanceSnapshot");
    let mut pools = segment.pools(Rules::Classic);
    let mut rows = Rows::of("kyber plain sequences, with Kyber's rule for balances");
    for row in &segment.rows {
        let pool = &mut pools[index(&row[0])];
        let way = pool.way(&row[1], &row[3]);
        let swapped = pool.view().swap_exact_in(way, amount(&row[2]), pool.at);
        let swapped = swapped.unwrap_or_else(|error| panic!("{row:?}: {error}"));
        assert_eq!(swapped.amount_out, amount(&row[4]), "{row:?}");
        let part = |of: u128, fee: u64| of * u128::from(fee) / u128::from(FEE_ONE);
        let out = u128::try_from(swapped.amount_out).expect("a balance");
        let owner_s = part(part(out, pool.fee), pool.admin_fee);
        pool.balances[usize::from(way.token_in)] += row[2].parse::<u128>().expect("a number");
        pool.balances[usize::from(way.token_out)] -= out + owner_s;
        rows.check();
    }
    rows.finish(269);
}

/// The rows are of the coins underneath, which the contract's `get_dx_underlying` scales by precision where a quote of the
/// coins lent scales by rate: the curve is the same.
#[test]
pub(crate) fn stable_lending_inputs_equal_kyber_s() {
    let Some(file) = json(COMPOUND) else { return };
    let segment = segment(&file, "TestCalcAmountIn");
    let mut rows = Rows::of("kyber compound in");
    let state = &segment.pools[0];
    let multipliers: Vec<U256> =
        numbers(&state["staticExtra"]["precisionMultipliers"]).into_iter().map(U256::from).collect();
    let mut pool = StablePool::of_kyber(state, Rules::First);
    let coins = state["staticExtra"]["underlyingTokens"].as_array().expect("a list");
    pool.tokens = coins.iter().map(|coin| coin.as_str().expect("an address").to_owned()).collect();
    let one = U256::from(10_u128.pow(18));
    let lent = pool.balances.iter().zip(&pool.rates).zip(&multipliers);
    let scaled: Vec<U256> = lent
        .map(|((&balance, &rate), &multiplier)| U256::from(balance) * U256::from(rate) * multiplier / one)
        .collect();
    let amplification = pool.amplification.future;
    let d = invariant(Rules::First, &scaled, amplification).expect("balances of a pool");
    for row in &segment.rows {
        let way = pool.way(&row[1], &row[2]);
        let (own, other) = (usize::from(way.token_in), usize::from(way.token_out));
        let one_in_fees = U256::from(FEE_ONE);
        let taken = amount(&row[3]) * one_in_fees / (one_in_fees - U256::from(pool.fee)) * multipliers[other];
        let mut left = scaled.clone();
        left[other] -= taken;
        let needed = balance(Rules::First, &left, own, amplification, d).expect("balances of a pool");
        assert_eq!((needed - scaled[own]) / multipliers[own], amount(&row[4]), "{row:?}");
        rows.check();
    }
    for row in self::segment(&file, "TestCalcAmountOut").rows {
        rows.skip(row.join(" "), NO_NUMBERS);
    }
    rows.finish(4);
}

#[test]
pub(crate) fn stable_meta_rows_have_no_pool() {
    // Escaped quotation marks, which the usual reader does not expect.
    let Some(file) = text(META) else { return };
    let file: Value = serde_json::from_str(&file).expect("data files are JSON");
    let mut rows = Rows::of("kyber meta");
    for function in ["TestCalcAmountOut", "TestCalcAmountOut_Underflow", "TestSwappable", "TestUpdateBalance"] {
        let segment = segment(&file, function);
        assert!(segment.pools.is_empty(), "{function} has pools now: check its rows");
        for row in segment.rows {
            rows.skip(format!("{function} {}", row.join(" ")), "no pool state in the file");
        }
    }
    rows.finish(0);
}

/// Pools of which Kyber only asks that nothing breaks: far out of balance, of up to eight coins.
#[test]
pub(crate) fn stable_degenerate_pools_answer() {
    let Some(file) = json(NG) else { return };
    let mut rows = Rows::of("kyber stable-ng degenerate pools, answers to any way");
    for function in ["TestCalcAmountOutDegeneratePool", "TestCalcAmountOutGetDOverflow", "Test_PanicCase"] {
        for pool in segment(&file, function).pools(Rules::Ng) {
            let coins = u8::try_from(pool.balances.len()).expect("few coins");
            for way in (0..coins * coins).map(|pair| Way { token_in: pair / coins, token_out: pair % coins }) {
                for exponent in [0, 6, 12, 18, 24, 36] {
                    let amount = U256::from(10_u128.pow(exponent));
                    let answer = pool.view().quote_exact_in(way, amount, pool.at);
                    let held = U256::from(pool.balances[usize::from(way.token_out)]);
                    assert!(answer.is_err() || answer.is_ok_and(|out| out < held), "{function} {way:?}");
                    rows.check();
                }
            }
        }
    }
    rows.finish(600);
}
