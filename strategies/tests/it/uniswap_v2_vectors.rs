//! The prices that Uniswap's own tests expect of the V2 pair.

use alloy::primitives::U256;
use alphapulse_strategies::pool::QuoteError;
use alphapulse_strategies::pool::constant_product::{quote_exact_in, settle};

use crate::data::{Rows, json, number};

const FEE_PPM: u32 = 3000;

#[test]
pub(crate) fn v2_quotes_equal_the_pair_s_own_test_cases() {
    let Some(file) = json("vectors/uniswap-v2-core/pair-cases.json") else { return };
    let mut rows = Rows::of("uniswap-v2-core pair cases");
    for case in file["getInputPrice"].as_array().expect("a list of cases") {
        let expected = number(&case["expectedOut"]);
        check(number(&case["reserve0"]), number(&case["reserve1"]), number(&case["swapAmount"]), expected);
        rows.check();
    }
    let fee_to = &file["feeToOn"];
    let reserve = |index: usize| number(&fee_to["reserves"][index]);
    check(reserve(1), reserve(0), number(&fee_to["swapIn1"]), number(&fee_to["swapOut0"]));
    rows.check();
    rows.skip("feeToOn.feeLiquidity", "liquidity minted to the protocol is no part of a quote");
    for (index, _) in file["optimistic"].as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
        rows.skip(format_args!("optimistic[{index}]"), "a loan repaid in its own token is no swap between two");
    }
    rows.finish(8);
}

/// The quote is the expected output, the pair takes it, and would not give a unit more.
fn check(reserve_in: u128, reserve_out: u128, amount_in: U256, expected: U256) {
    assert_eq!(quote_exact_in(reserve_in, reserve_out, FEE_PPM, amount_in), Ok(expected));
    settle(reserve_in, reserve_out, FEE_PPM, amount_in, expected).expect("the pair accepts its own price");
    let more = settle(reserve_in, reserve_out, FEE_PPM, amount_in, expected + U256::ONE);
    assert_eq!(more, Err(QuoteError::InvariantViolated));
}
