//! From an opportunity to a trade: gas, fees and the time it may take.

use alphapulse_protocol::message::{BlockContext, Found, HopRecord, PoolKind};
use alphapulse_protocol::{FeePerGas, Gas};
use alphapulse_strategies::Market;

use crate::execution::fees;
use crate::risk::Reject;
use crate::trade::Trade;

/// Gas that a trade is expected to take, before it is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasModel {
    /// Transaction, executor and profit transfer.
    pub base: Gas,
    /// Each swap in a constant-product pool.
    pub v2_leg: Gas,
    /// Each swap in a concentrated-liquidity pool.
    pub v3_leg: Gas,
}

impl GasModel {
    /// Gas of so many swaps, or `None` past 64 bits.
    fn of_swaps(&self, market: &Market, hops: &[HopRecord]) -> Option<Gas> {
        hops.iter().try_fold(self.base, |sum, hop| {
            let leg = match market.replica().pools().get(hop.pool.get() as usize)?.kind {
                PoolKind::UniswapV2 => self.v2_leg,
                PoolKind::UniswapV3 => self.v3_leg,
                _ => return None,
            };
            sum.checked_add(leg)
        })
    }
}

/// How trades are paid for and how long they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRules {
    /// Expected gas.
    pub gas: GasModel,
    /// Priority fee offered.
    pub priority_fee: FeePerGas,
    /// Blocks after the state's in which the trade may be included, at least 1.
    pub blocks_valid: u64,
}

/// Room above the expected gas in a transaction's limit, in eighths: unused gas costs nothing, a shortage the trade.
const GAS_LIMIT_MARGIN_EIGHTHS: u64 = 3;

/// Gas limit for a trade that is expected to take `gas`.
pub(super) fn gas_limit(gas: Gas) -> Option<Gas> {
    gas.checked_add(Gas(gas.0.checked_mul(GAS_LIMIT_MARGIN_EIGHTHS)? / 8))
}

impl PlanRules {
    /// The trade that takes a recorded opportunity on the state after `context`'s block.
    ///
    /// # Errors
    /// [`Reject::PoolNotAllowed`] or [`Reject::TokenNotAllowed`] when the record names what the market does not know,
    /// [`Reject::Overflow`] when gas or fees leave their width.
    pub(super) fn trade(&self, found: &Found<'_>, market: &Market, context: &BlockContext) -> Result<Trade, Reject> {
        let gas = self.gas.of_swaps(market, found.hops).ok_or(Reject::PoolNotAllowed)?;
        let token = market.replica().tokens().get(found.token.index()).ok_or(Reject::TokenNotAllowed)?;
        let mut trade = Trade::from_found(found, token.address.into()).ok_or(Reject::RouteBroken)?;
        let quote = fees::quote(context, self.priority_fee, self.blocks_valid).ok_or(Reject::Overflow)?;
        trade.gas = gas;
        trade.gas_limit = gas_limit(gas).ok_or(Reject::Overflow)?;
        trade.fees = quote.fees;
        trade.expected_gas_price = quote.expected_gas_price;
        trade.block_max = quote.block_max;
        Ok(trade)
    }
}
