//! From a trade to a call of the executor.

use alloy::primitives::{Address, Bytes};
use alphapulse_protocol::message::{HopRecord, PoolKind};
use alphapulse_protocol::{U256, Wei};
use alphapulse_strategies::Market;
use thiserror::Error;

use super::calldata::{self, Leg, Plan, PlanReject};
use crate::trade::Trade;

/// Why a trade is not one that the executor can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// It names a pool or token that the market does not know.
    #[error("the trade's pools are not in the market")]
    Unknown,
    /// The executor would refuse the plan.
    #[error("the executor cannot run this plan")]
    Plan(#[from] PlanReject),
    /// The floor exceeds 128 bits.
    #[error("the profit floor exceeds its width")]
    Overflow,
}

/// Calls of one executor.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Contract that trades.
    pub executor: Address,
    /// Least profit after gas that a trade must leave, which the contract enforces together with the gas.
    pub profit_min: Wei,
}

impl Caller {
    /// Call that takes a trade. It reverts when less is left than the gas expected and the least profit: a trade that
    /// has become worse but still pays is better than none, one that has become a loss is not.
    pub fn calldata(&self, trade: &Trade, market: &Market) -> Result<Bytes, CallError> {
        let hops = trade.hops.as_slice();
        let mut legs = [Leg::default(); calldata::LEGS_MAX];
        for (leg, hop) in legs.iter_mut().zip(hops) {
            *leg = leg_of(hop, market).ok_or(CallError::Unknown)?;
        }
        let cost = trade.gas.checked_mul(trade.expected_gas_price).ok_or(CallError::Overflow)?;
        let floor = U256::from(cost.checked_add(self.profit_min).ok_or(CallError::Overflow)?.0).min(trade.profit);
        let block = trade.block.number.0;
        let plan =
            Plan::new(block, trade.block_max.0, trade.amount_in, floor, &legs[..hops.len().min(calldata::LEGS_MAX)])?;
        Ok(calldata::encode_execute(&plan))
    }
}

fn leg_of(hop: &HopRecord, market: &Market) -> Option<Leg> {
    let replica = market.replica();
    let pool = replica.pools().get(hop.pool.get() as usize)?;
    let token = |id: u32| replica.tokens().get(id as usize).map(|token| Address::from(token.address));
    let fee = match pool.kind {
        PoolKind::UniswapV2 => 0,
        PoolKind::UniswapV3 => pool.fee.0,
        // The executor contract swaps in no other.
        _ => return None,
    };
    Some(Leg { venue: pool.venue.0, token_in: token(hop.token_in.get())?, token_out: token(hop.token_out.get())?, fee })
}
