//! A StableSwap pool that owns its state, read from the vectors' files.

use alphapulse_strategies::pool::stable_swap::{BasePool, Rules, StableSwapAfter, StableSwapView};
use alphapulse_strategies::pool::{Ramp, Way};
use serde_json::Value;

use crate::data::number;

#[derive(Debug, Clone)]
pub(crate) struct StablePool {
    pub(crate) rules: Rules,
    pub(crate) balances: Vec<u128>,
    pub(crate) rates: Vec<u128>,
    pub(crate) amplification: Ramp,
    pub(crate) fee: u64,
    pub(crate) admin_fee: u64,
    pub(crate) offpeg_fee_multiplier: u128,
    pub(crate) supply: u128,
    /// Lower-case addresses or symbols by coin.
    pub(crate) tokens: Vec<String>,
    /// Timestamp of the block of the state.
    pub(crate) at: u64,
}

impl StablePool {
    pub(crate) fn view(&self) -> StableSwapView<'_> {
        self.view_over(None)
    }

    pub(crate) fn view_over<'a>(&'a self, base: Option<BasePool<'a>>) -> StableSwapView<'a> {
        StableSwapView {
            rules: self.rules,
            balances: &self.balances,
            rates: &self.rates,
            amplification: self.amplification,
            fee: self.fee,
            admin_fee: self.admin_fee,
            offpeg_fee_multiplier: self.offpeg_fee_multiplier,
            supply: self.supply,
            valid_until: u64::MAX,
            is_paused: false,
            base,
            solved: None,
        }
    }

    pub(crate) fn apply(&mut self, after: &StableSwapAfter) {
        let count = self.balances.len();
        self.balances.copy_from_slice(&after.balances[..count]);
    }

    pub(crate) fn way(&self, token_in: &str, token_out: &str) -> Way {
        let index = |token: &str| {
            let token = token.to_lowercase();
            let found = self.tokens.iter().position(|known| *known == token);
            u8::try_from(found.unwrap_or_else(|| panic!("{token} is in the pool"))).expect("few coins")
        };
        Way { token_in: index(token_in), token_out: index(token_out) }
    }

    /// A pool in the state files of the recorded calls.
    pub(crate) fn of_golden(state: &Value, rules: Rules, rates: &[u128]) -> Self {
        Self {
            rules,
            balances: numbers(&state["balances"]),
            rates: rates.to_vec(),
            amplification: Ramp {
                initial: number(&state["initial_a"]),
                future: number(&state["future_a"]),
                initial_time: number(&state["initial_a_time"]),
                future_time: number(&state["future_a_time"]),
            },
            fee: number(&state["fee"]),
            admin_fee: number(&state["admin_fee"]),
            offpeg_fee_multiplier: 0,
            supply: number(&state["lp_token_total_supply"]),
            tokens: texts(&state["tokens"], "symbol"),
            at: number(&state["block_timestamp"]),
        }
    }

    /// A pool in the files of KyberSwap's tests, whose keys begin with either case; the last reserve is the shares.
    pub(crate) fn of_kyber(pool: &Value, rules: Rules) -> Self {
        let reserves: Vec<u128> = numbers(&pool["reserves"]);
        let tokens = texts(&pool["tokens"], "address");
        let (extra, fixed) = (&pool["extra"], &pool["staticExtra"]);
        let rates = [(extra, "rateMultipliers"), (extra, "rates"), (fixed, "rates")];
        let rates = rates.into_iter().find_map(|(fields, key)| either(fields, key)).map_or_else(
            || {
                let tokens = pool["tokens"].as_array().expect("tokens");
                tokens.iter().map(|token| 10_u128.pow(36 - number::<u32>(&token["decimals"]))).collect()
            },
            numbers,
        );
        let constant = either(extra, "a").map(|a| Ramp::constant(number(a)));
        let amplification = constant.unwrap_or_else(|| Ramp {
            initial: number(field(extra, "initialA")),
            future: number(field(extra, "futureA")),
            initial_time: number(field(extra, "initialATime")),
            future_time: number(field(extra, "futureATime")),
        });
        Self {
            rules,
            balances: reserves[..tokens.len()].to_vec(),
            rates,
            amplification,
            fee: number(field(extra, "swapFee")),
            admin_fee: number(field(extra, "adminFee")),
            offpeg_fee_multiplier: either(extra, "offpegFeeMultiplier").map_or(0, number),
            supply: *reserves.last().expect("reserves"),
            tokens,
            at: number(&pool["timestamp"]),
        }
    }
}

fn field<'a>(value: &'a Value, key: &str) -> &'a Value {
    either(value, key).unwrap_or_else(|| panic!("{key} is there"))
}

/// A field by its name in camel case, whatever the case of its first letter.
fn either<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let (first, rest) = key.split_at(1);
    value.get(key).or_else(|| value.get(first.to_uppercase() + rest))
}

pub(crate) fn numbers(values: &Value) -> Vec<u128> {
    values.as_array().expect("a list").iter().map(number).collect()
}

fn texts(values: &Value, key: &str) -> Vec<String> {
    let values = values.as_array().expect("a list").iter();
    values.map(|value| value[key].as_str().expect("a text").to_lowercase()).collect()
}
