//! Pools of two coins against their published sources: amount, refusal to know, and state after the swap.

use std::str::FromStr;

use alloy::primitives::U256;
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use alphapulse_strategies::pool::{QuoteError, Swapped, Way};

use crate::data::Rows;

const ROWS: &str = include_str!("crypto_two_coins.txt");
/// Columns up to the amount that comes out.
const COLUMNS_BEFORE: usize = 23;

fn parse<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is of its column's kind"))
}

#[test]
fn swaps_of_two_coins_equal_the_published_sources() {
    let mut rows = Rows::of("two coins by their sources");
    for row in ROWS.lines().filter(|line| !line.starts_with('#')) {
        check(row);
        rows.check();
    }
    rows.finish(19);
}

fn check(row: &str) {
    let columns: Vec<&str> = row.split_whitespace().collect();
    let (before, after) = columns.split_at(COLUMNS_BEFORE);
    let generation =
        if before[0] == "ng" { CryptoSwapGeneration::TwoCryptoNg } else { CryptoSwapGeneration::TwoCrypto };
    let terms = CryptoSwapTerms {
        future_a: parse(before[1]),
        future_gamma: parse(before[2]),
        mid_fee: 26_000_000,
        out_fee: 45_000_000,
        fee_gamma: parse(before[5]),
        allowed_extra_profit: parse(before[6]),
        adjustment_step: 146_000_000_000_000,
        ma_time: parse(before[7]),
        ..CryptoSwapTerms::default()
    };
    let state = CryptoSwapState {
        balances: [parse(before[8]), parse(before[9]), 0],
        price_scale: [parse(before[10]), 0],
        price_oracle: [parse(before[11]), 0],
        last_prices: [parse(before[12]), 0],
        last_prices_time: parse(before[13]),
        d: parse(before[14]),
        supply: parse(before[15]),
        virtual_price: parse(before[16]),
        xcp_profit: parse(before[17]),
        is_not_adjusted: parse(before[18]),
        ..CryptoSwapState::default()
    };
    let view = CryptoSwapView { generation, precisions: [parse(before[3]), parse(before[4]), 0], terms, state };
    let token_in: u8 = parse(before[19]);
    let way = Way { token_in, token_out: 1 - token_in };
    let (paid, at, taken) = (parse::<u128>(before[20]), parse(before[21]), parse::<u128>(before[22]));
    let (amount_in, amount_out) = (U256::from(paid), U256::from(taken));
    assert_eq!(view.quote_exact_in(way, amount_in, at), Ok(amount_out), "{row}");
    let swapped = view.swap_exact_in(way, amount_in, at);
    let [price_scale, price_oracle, last_price, d, virtual_price, xcp_profit, is_not_adjusted] = after else {
        assert_eq!(after, ["claims"]);
        assert_eq!(swapped, Err(QuoteError::StateUnknown), "{row}");
        return;
    };
    let mut balances = state.balances;
    balances[usize::from(way.token_in)] += paid;
    balances[usize::from(way.token_out)] -= taken;
    let after = CryptoSwapState {
        balances,
        price_scale: [parse(price_scale), 0],
        price_oracle: [parse(price_oracle), 0],
        last_prices: [parse(last_price), 0],
        last_prices_time: at,
        d: parse(d),
        virtual_price: parse(virtual_price),
        xcp_profit: parse(xcp_profit),
        is_not_adjusted: parse(is_not_adjusted),
        ..state
    };
    assert_eq!(swapped, Ok(Swapped { amount_out, after }), "{row}");
}
