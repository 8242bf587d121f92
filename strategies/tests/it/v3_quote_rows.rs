//! Rows of the `v3-quotes` oracle files: what a pool of a snapshot answers, computed by Uniswap's SDK.

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::{
    quote_exact_in, quote_exact_out, sqrt_price_limit_default, swap,
};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, SwapResult};
use serde_json::Value;

use crate::data::number;
use crate::v3_state::V3State;

/// Checks one row against the pool that it names.
pub(crate) fn check(state: &V3State, row: &Value) {
    let view = state.view();
    let zero_for_one = row["zeroForOne"].as_bool().expect("a flag");
    let (specified, quote) = match (row.get("exactIn"), row.get("exactOut")) {
        (Some(amount), None) => {
            let amount = number(amount);
            (AmountSpecified::ExactIn(amount), quote_exact_in(&view, zero_for_one, amount))
        }
        (None, Some(amount)) => {
            let amount = number(amount);
            (AmountSpecified::ExactOut(amount), quote_exact_out(&view, zero_for_one, amount))
        }
        _ => panic!("{row} is neither exact in nor exact out"),
    };
    if let Some(error) = row.get("error") {
        assert_eq!(error, "Invariant failed: RATIO_CURRENT", "the files hold no other error");
        assert_eq!(quote, Err(QuoteError::InsufficientLiquidity), "{row}");
        return;
    }
    let swap = swap(&view, zero_for_one, specified, sqrt_price_limit_default(zero_for_one))
        .unwrap_or_else(|error| panic!("{error}: {row}"));
    check_swap(&swap, row);
    // The library answers zero where there is nothing to trade with; the quoter reverts.
    let expected = if swap.amount_in.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(swap) };
    assert_eq!(quote, expected, "{row}");
}

fn check_swap(swap: &SwapResult, row: &Value) {
    assert_eq!(swap.sqrt_price_x96, number::<U256>(&row["sqrtPriceAfter"]), "{row}");
    assert_eq!(swap.tick, number::<i32>(&row["tickAfter"]), "{row}");
    assert_eq!(swap.is_partial, row.get("partialFill").is_some(), "{row}");
    if row.get("exactIn").is_some() {
        assert_eq!(swap.amount_out, number::<U256>(&row["amountOut"]), "{row}");
        assert_eq!(swap.liquidity, number::<u128>(&row["liquidityAfter"]), "{row}");
    } else {
        assert_eq!(swap.amount_in, number::<U256>(&row["amountIn"]), "{row}");
    }
}
