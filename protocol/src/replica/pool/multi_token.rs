//! State of pools of Solidly, Curve and Balancer.

use crate::message::{PoolRates, RatesUse};
use crate::units::FeePpm;
use crate::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, CurveCryptoHoldings, CurveCryptoTerms,
    CurveStableHoldings, CurveStableTerms, PerToken, Rates,
};

/// State of a Solidly pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SolidlyState {
    /// Fee on the input.
    pub fee: FeePpm,
    /// Raw token-0 units.
    pub reserve_0: u128,
    /// Raw token-1 units.
    pub reserve_1: u128,
}

/// State of a StableSwap pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveStableState {
    /// What an owner sets.
    pub terms: CurveStableTerms,
    /// What balances are multiplied with. That of a meta pool's last token is its base pool's virtual price.
    pub rates: Rates,
    /// What swaps change.
    pub holdings: CurveStableHoldings,
}

/// State of a CryptoSwap pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveCryptoState {
    /// What an owner sets.
    pub terms: CurveCryptoTerms,
    /// What swaps change.
    pub holdings: CurveCryptoHoldings,
}

/// State of a weighted pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancerWeightedState {
    /// What an owner sets.
    pub terms: BalancerWeightedTerms,
    /// Balances by token in the vault.
    pub balances: PerToken<u128>,
}

/// State of a Balancer stable pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancerStableState {
    /// What an owner sets.
    pub terms: BalancerStableTerms,
    /// Rates that swaps reckon with.
    pub rates: Rates,
    /// Rates at the last join or exit.
    pub last_join_exit_rates: Rates,
    /// What swaps change.
    pub holdings: BalancerStableHoldings,
}

impl BalancerStableState {
    pub(super) const fn set_rates(&mut self, rates_use: RatesUse, rates: Rates) {
        match rates_use {
            RatesUse::Swap => self.rates = rates,
            RatesUse::LastJoinExit => self.last_join_exit_rates = rates,
        }
    }
}

/// Rates of the pool's tokens; what a writer put behind them is not kept.
pub(super) fn rates(message: &PoolRates, token_count: usize) -> Rates {
    let Rates { valid_until, rates } = message.values();
    Rates { valid_until, rates: cut(rates, token_count) }
}

/// The values with those past the pool's tokens set to zero.
pub(super) fn cut<T: Default + Copy, const COUNT: usize>(mut values: [T; COUNT], token_count: usize) -> [T; COUNT] {
    values.iter_mut().skip(token_count).for_each(|unused| *unused = T::default());
    values
}
