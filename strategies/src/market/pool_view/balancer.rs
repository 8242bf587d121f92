//! Balancer's pools: the state as the feed carries it, as the exact maths takes it.

use alphapulse_protocol::message::PoolVariant;
use alphapulse_protocol::replica::{BalancerStableState, BalancerWeightedState, PoolInfo};
use alphapulse_protocol::values::{
    BalancerStableTerms, BalancerWeightedTerms, MultiTokenDetails, PerToken, Rates, TOKENS_MAX,
};
use ruint::aliases::U256;

use super::after::first;
use super::{details, variant};
use crate::pool::balancer::stable::{InvariantRounding, StableView};
use crate::pool::balancer::weighted::{Powers, WeightedView};
use crate::pool::{Inconsistency, QuoteError, Ramp};

/// One, in fees and weights.
const ONE: u64 = 1_000_000_000_000_000_000;

/// Most decimals of a token that a pool takes.
const DECIMALS_MAX: u8 = 18;

/// A weighted pool.
#[derive(Debug, Clone, Copy)]
pub struct WeightedPool<'a> {
    pub(super) balances: &'a [u128],
    terms: &'a BalancerWeightedTerms,
    decimals: &'a PerToken<u8>,
    powers: Powers,
}

impl<'a> WeightedPool<'a> {
    pub(crate) fn new(info: &'a PoolInfo, state: &'a BalancerWeightedState) -> Result<Self, QuoteError> {
        let details = details(info)?;
        let powers = match variant(details)? {
            PoolVariant::BalancerLogExp => Powers::LogExp,
            PoolVariant::BalancerSpecialCases => Powers::SpecialCases,
            _ => return Err(QuoteError::UnknownVariant),
        };
        let balances = first(&state.balances, info.tokens.len());
        Ok(Self { balances, terms: &state.terms, decimals: decimals(details)?, powers })
    }

    /// Asks the exact maths.
    pub fn with_view<T>(&self, ask: impl FnOnce(&WeightedView<'_>) -> T) -> T {
        let count = self.balances.len();
        let scales = self.decimals.map(|decimals| ten_to((2 * DECIMALS_MAX).saturating_sub(decimals)));
        ask(&WeightedView {
            balances: self.balances,
            scales: first(&scales, count),
            weights: first(&self.terms.weights, count),
            swap_fee: self.terms.swap_fee,
            powers: self.powers,
            is_paused: self.terms.is_paused,
        })
    }

    /// Weights are one together, and the fee is less.
    pub(super) fn check_weights(&self) -> Result<(), Inconsistency> {
        let weights = first(&self.terms.weights, self.balances.len());
        let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        if sum == u128::from(ONE) && weights.iter().all(|weight| *weight > 0) {
            Ok(())
        } else {
            Err(Inconsistency::Weights { sum })
        }
    }
}

/// A stable pool.
#[derive(Debug, Clone, Copy)]
pub struct BalancerStablePool<'a> {
    pub(super) balances: &'a [u128],
    terms: &'a BalancerStableTerms,
    rates: &'a Rates,
    decimals: &'a PerToken<u8>,
    rounding: InvariantRounding,
    share: Option<u8>,
}

impl<'a> BalancerStablePool<'a> {
    pub(crate) fn new(info: &'a PoolInfo, state: &'a BalancerStableState) -> Result<Self, QuoteError> {
        let details = details(info)?;
        let rounding = match variant(details)? {
            PoolVariant::BalancerInvariantDirected => InvariantRounding::Directed,
            PoolVariant::BalancerInvariantDown => InvariantRounding::Down,
            _ => return Err(QuoteError::UnknownVariant),
        };
        Ok(Self {
            balances: first(&state.holdings.balances, info.tokens.len()),
            terms: &state.terms,
            rates: &state.rates,
            decimals: decimals(details)?,
            rounding,
            share: details.bpt_index,
        })
    }

    /// Asks the exact maths.
    pub fn with_view<T>(&self, ask: impl FnOnce(&StableView<'_>) -> T) -> T {
        let mut scales = [U256::ZERO; TOKENS_MAX];
        for ((scale, decimals), rate) in scales.iter_mut().zip(self.decimals).zip(self.rates.rates) {
            // At most 10^18 times 2^128: the product of `stable::scale`, of which nothing is cut off.
            *scale = U256::from(rate).wrapping_mul(U256::from(ten_to(DECIMALS_MAX.saturating_sub(*decimals))));
        }
        let alphapulse_protocol::values::Ramp { initial, future, initial_time, future_time } = self.terms.amplification;
        ask(&StableView {
            balances: self.balances,
            scales: first(&scales, self.balances.len()),
            amplification: Ramp { initial, future, initial_time, future_time },
            swap_fee: self.terms.swap_fee,
            rounding: self.rounding,
            share: self.share,
            rates_valid_until: self.rates.valid_until,
            is_paused: self.terms.is_paused,
        })
    }
}

/// Decimals by token, of which a contract takes at most 18.
fn decimals(details: &MultiTokenDetails) -> Result<&PerToken<u8>, QuoteError> {
    let is_taken = details.decimals.iter().all(|decimals| *decimals <= DECIMALS_MAX);
    if is_taken { Ok(&details.decimals) } else { Err(QuoteError::InvalidPoolState) }
}

/// Of an exponent up to 36.
const fn ten_to(exponent: u8) -> u128 {
    10_u128.pow(exponent as u32)
}
