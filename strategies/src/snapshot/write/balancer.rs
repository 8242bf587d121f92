//! Balancer's pools.

use alphapulse_protocol::replica::{BalancerStableState, BalancerWeightedState, PoolInfo};
use alphapulse_protocol::values::MultiTokenDetails;
use ruint::aliases::U256;
use serde::Serialize;

use super::super::hex;
use super::super::pool::{INVARIANT_VARIANTS, POWER_VARIANTS};
use super::{Line, Scribe, amplification, first, line, name_of, texts, unless_zero};
use crate::pool::balancer::stable::scale;

/// A rate of one.
const ONE: u128 = 1_000_000_000_000_000_000;

#[derive(Serialize)]
pub(super) struct Weighted {
    pow_variant: &'static str,
    balances: Vec<String>,
    weights: Vec<String>,
    swap_fee: String,
    scaling_factors: Vec<String>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Stable {
    invariant: &'static str,
    balances: Vec<String>,
    amplification: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amplification_ramp: Option<Line>,
    swap_fee: String,
    scaling_factors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates_valid_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bpt_index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    yield_fee_exempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_swap_fee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_yield_fee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_join_exit_amplification: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_join_exit_invariant: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    last_join_exit_rates: Vec<String>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
}

impl Weighted {
    pub(super) fn new(info: &PoolInfo, details: &MultiTokenDetails, state: &BalancerWeightedState) -> Option<Self> {
        let count = info.tokens.len();
        Some(Self {
            pow_variant: name_of(details, &POWER_VARIANTS)?,
            balances: first(&state.balances, count),
            weights: first(&state.terms.weights, count),
            swap_fee: state.terms.swap_fee.to_string(),
            scaling_factors: texts(&factors(details, &[ONE; 8], count)?),
            paused: state.terms.is_paused,
            vault: vault(details),
        })
    }
}

impl Stable {
    pub(super) fn new(
        scribe: &Scribe<'_>,
        info: &PoolInfo,
        details: &MultiTokenDetails,
        state: &BalancerStableState,
    ) -> Option<Self> {
        let (count, terms, holdings) = (info.tokens.len(), &state.terms, &state.holdings);
        let last_rates = &state.last_join_exit_rates.rates;
        Some(Self {
            invariant: name_of(details, &INVARIANT_VARIANTS)?,
            balances: first(&holdings.balances, count),
            amplification: amplification(&terms.amplification, scribe.at),
            amplification_ramp: line(&terms.amplification),
            swap_fee: terms.swap_fee.to_string(),
            scaling_factors: texts(&factors(details, &state.rates.rates, count)?),
            rates_valid_until: Some(state.rates.valid_until).filter(|until| *until != u64::MAX),
            bpt_index: details.bpt_index,
            supply: unless_zero(holdings.supply),
            yield_fee_exempt: unless_zero(terms.yield_fee_exempt),
            protocol_swap_fee: unless_zero(terms.protocol_swap_fee),
            protocol_yield_fee: unless_zero(terms.protocol_yield_fee),
            last_join_exit_amplification: unless_zero(holdings.last_join_exit_amplification),
            last_join_exit_invariant: unless_zero(holdings.last_join_exit_invariant),
            last_join_exit_rates: if last_rates.iter().all(|rate| *rate == 0) {
                Vec::new()
            } else {
                first(last_rates, count)
            },
            paused: terms.is_paused,
            vault: vault(details),
        })
    }
}

/// What the contracts answer to `getScalingFactors`.
fn factors(details: &MultiTokenDetails, rates: &[u128], count: usize) -> Option<Vec<U256>> {
    let pairs = details.decimals.iter().zip(rates).take(count);
    pairs.map(|(decimals, rate)| scale(*decimals, U256::from(*rate)).ok()).collect()
}

fn vault(details: &MultiTokenDetails) -> Option<String> {
    (details.vault != [0; 20]).then(|| hex::format(&details.vault))
}
