//! CryptoSwap amounts from the tests of KyberSwap's DEX library, and from a mainnet pool's own code.

use alloy::primitives::U256;
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use alphapulse_strategies::pool::{QuoteError, Way};
use serde_json::Value;

use crate::data::{Rows, json, number};

const KYBER: &str = "vectors/kyber/liquidity-source__curve__tricrypto-ng__pool_simulator_test.json";

/// A pool of the file, the addresses of its coins, and the time at which its rows quote.
struct KyberPool {
    view: CryptoSwapView,
    coins: Vec<String>,
    at: u64,
}

impl KyberPool {
    fn read(pool: &Value) -> Self {
        let extra = &pool["extra"];
        let list = |name: &str| [0, 1].map(|k| number(&extra[name][k]));
        let tokens = pool["tokens"].as_array().expect("a list of tokens");
        let terms = CryptoSwapTerms {
            is_paused: false,
            initial_a: number(&extra["InitialA"]),
            future_a: number(&extra["FutureA"]),
            initial_gamma: number(&extra["InitialGamma"]),
            future_gamma: number(&extra["FutureGamma"]),
            initial_time: number(&extra["InitialAGammaTime"]),
            mid_fee: number(&extra["MidFee"]),
            out_fee: number(&extra["OutFee"]),
            fee_gamma: number(&extra["FeeGamma"]),
            allowed_extra_profit: number(&extra["AllowedExtraProfit"]),
            adjustment_step: number(&extra["AdjustmentStep"]),
            // A recording without it quotes as if the average did not move.
            ma_time: extra.get("MaTime").map_or(0, number),
        };
        let state = CryptoSwapState {
            future_time: number(&extra["FutureAGammaTime"]),
            is_not_adjusted: false,
            balances: [0, 1, 2].map(|coin| number(&pool["reserves"][coin])),
            price_scale: list("PriceScale"),
            price_oracle: list("PriceOracle"),
            last_prices: list("LastPrices"),
            last_prices_time: number(&extra["LastPricesTimestamp"]),
            d: number(&extra["D"]),
            supply: number(&extra["LpSupply"]),
            virtual_price: number(&extra["VirtualPrice"]),
            xcp_profit: number(&extra["XcpProfit"]),
        };
        let precisions = [0, 1, 2].map(|coin| precision(number(&tokens[coin]["decimals"])));
        let coins = tokens.iter().map(|token| token["address"].as_str().expect("an address").to_owned());
        Self {
            view: CryptoSwapView { generation: CryptoSwapGeneration::TriCryptoNg, precisions, terms, state },
            coins: coins.collect(),
            at: number(&pool["timestamp"]),
        }
    }

    fn way(&self, token_in: &Value, token_out: &Value) -> Way {
        let coin = |token: &Value| {
            let index = self.coins.iter().position(|coin| *token == coin.as_str()).expect("a coin of the pool");
            u8::try_from(index).expect("three coins")
        };
        Way { token_in: coin(token_in), token_out: coin(token_out) }
    }
}

fn precision(decimals: u32) -> u64 {
    10_u64.pow(18 - decimals)
}

#[test]
pub(crate) fn tricrypto_ng_amounts_equal_kyber_s() {
    let Some(file) = json(KYBER) else { return };
    let mut rows = Rows::of("kyber tricrypto-ng");
    for segment in file.as_array().expect("a list of segments") {
        let name = segment["segment"].as_str().expect("a name");
        let mut pools: Vec<KyberPool> =
            segment["pools"].as_array().expect("a list of pools").iter().map(KyberPool::read).collect();
        let cases: Vec<&Value> = segment["cases"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|case| case["rows"].as_array().into_iter().flatten())
            .collect();
        if cases.is_empty() {
            rows.aside(name, "no rows");
        }
        for row in cases {
            let pool = &mut pools[number::<usize>(&row[0])];
            let at = pool.at;
            if name.contains("TestCalcAmountIn") {
                let way = pool.way(&row[1], &row[2]);
                assert_eq!(pool.view.quote_exact_out(way, number(&row[3]), at), Ok(number(&row[4])), "{row}");
            } else {
                let way = pool.way(&row[1], &row[3]);
                let quote = pool.view.quote_exact_in(way, number(&row[2]), at);
                check(row, quote);
                if name.contains("TestUpdateBalance") {
                    let swapped = pool.view.swap_exact_in(way, number(&row[2]), at);
                    assert_eq!(swapped.map(|swapped| swapped.amount_out), quote, "{row}");
                    pool.view.state = swapped.map_or(pool.view.state, |swapped| swapped.after);
                }
            }
            rows.check();
        }
    }
    rows.finish(49);
}

/// Kyber's errors go by names of its own.
fn check(row: &Value, quote: Result<U256, QuoteError>) {
    match row[4].as_str().filter(|text| text.starts_with('<')) {
        Some("<ErrExchange0Coins>") => assert_eq!(quote, Err(QuoteError::InsufficientLiquidity), "{row}"),
        Some("<ErrUnsafeY>") => assert_eq!(quote, Err(QuoteError::UnsafeValue), "{row}"),
        Some(error) => panic!("{error} has no counterpart"),
        None => assert_eq!(quote, Ok(number(&row[4])), "{row}"),
    }
}

/// Rows of `exchange`, run alone on the state of mainnet after block 18,884,863.
#[test]
pub(crate) fn tricrypto_ng_amounts_equal_the_pool_s_own_code() {
    let path = "vectors/curve-crypto-bytecode/0x7f86bf177dd4f3494b841a37e810a34dd56c829b.json";
    let Some(file) = json(path) else { return };
    let state = &file["state"];
    let view = CryptoSwapView {
        generation: CryptoSwapGeneration::TriCryptoNg,
        precisions: [0, 1, 2].map(|coin| precision(number(&state["decimals"][coin]))),
        terms: CryptoSwapTerms {
            future_a: number(&state["A"]),
            future_gamma: number(&state["gamma"]),
            mid_fee: number(&state["mid_fee"]),
            out_fee: number(&state["out_fee"]),
            fee_gamma: number(&state["fee_gamma"]),
            ..CryptoSwapTerms::default()
        },
        state: CryptoSwapState {
            balances: [0, 1, 2].map(|coin| number(&state["balances"][coin])),
            price_scale: [0, 1].map(|k| number(&state["price_scale"][k])),
            d: number(&state["D"]),
            ..CryptoSwapState::default()
        },
    };
    let mut rows = Rows::of("tricryptoUSDC by eth_simulateV1");
    for row in file["rows"].as_array().expect("a list of rows") {
        if !row["err"].is_null() {
            rows.skip(row, "the recorder's own error");
            continue;
        }
        let way = Way { token_in: number(&row["i"]), token_out: number(&row["j"]) };
        assert_eq!(view.quote_exact_in(way, number(&row["dx"]), 0), Ok(number(&row["dy"])), "{row}");
        rows.check();
    }
    rows.finish(48);
}
