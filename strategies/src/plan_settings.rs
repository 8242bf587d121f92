//! Settings of the strategies that make plans: what a swap costs, so whether one more is worth it, and how much they may look for.

use alphapulse_protocol::Gas;
use ruint::aliases::U256;

use crate::market::Market;
use crate::opportunity::Opportunity;
use crate::strategy::{StrategyConfig, StrategyError};

/// Gas of a swap where none is configured: between what pools of constant product and of ranges take in a plan (docs/decisions/0011).
const SWAP_GAS: u64 = 90_000;

/// Looks at pools that one plan may take where no number is configured: some ten milliseconds.
const LOOKS_MAX: u64 = 65_536;

/// The names of the settings: gas of a swap, paid at the price of the next block; or its cost in raw units of the token, whatever gas costs;
/// and the looks at pools that one plan may take.
pub(crate) const SETTINGS: &[&str] = &["swap_gas", "swap_cost", "looks_max"];

/// How plans are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanSettings {
    cost: SwapCost,
    /// Looks at pools that one plan may take.
    pub(crate) looks_max: u64,
}

/// The cost of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SwapCost {
    /// Paid at the base fee of the next block. In wei: of tokens other than the chain's own it says nothing.
    Gas(Gas),
    /// Raw units of the token.
    Fixed(U256),
}

impl PlanSettings {
    /// As configured.
    pub(crate) fn of(config: &StrategyConfig) -> Result<Self, StrategyError> {
        let gas = Gas(config.setting("swap_gas")?.unwrap_or(SWAP_GAS));
        let cost = config.setting("swap_cost")?.map_or(SwapCost::Gas(gas), SwapCost::Fixed);
        Ok(Self { cost, looks_max: config.setting("looks_max")?.unwrap_or(LOOKS_MAX) })
    }

    /// What a swap costs, in raw units of the token that is profited in.
    pub(crate) fn swap_cost(&self, market: &Market) -> U256 {
        match self.cost {
            SwapCost::Fixed(fixed) => fixed,
            SwapCost::Gas(gas) => {
                let price = market.replica().context().map_or(0, |head| head.next_base_fee().0);
                U256::from(gas.0).saturating_mul(U256::from(price))
            }
        }
    }

    /// What is left of a profit, zero for nothing.
    pub(crate) fn net(&self, market: &Market, found: &Opportunity) -> U256 {
        let cost = self.swap_cost(market).saturating_mul(U256::from(found.hops().len()));
        found.profit().saturating_sub(cost)
    }
}
