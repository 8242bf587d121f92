//! From a trade to a call of the executor.

use alloy::primitives::{Address, Bytes};
use alphapulse_protocol::message::{HopRecord, PoolKind};
use alphapulse_protocol::{U256, Wei};
use alphapulse_strategies::Market;
use thiserror::Error;

use super::calldata::{self, Leg, Plan, PlanReject, SWAPS_MAX, Swap, SwapPlan};
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
    ///
    /// A route that the executor takes as one is called as one, which costs less gas; anything else is a plan of swaps, in which each pool
    /// whose input is not there yet lends its output.
    pub fn calldata(&self, trade: &Trade, market: &Market) -> Result<Bytes, CallError> {
        let hops = trade.hops.as_slice();
        let cost = trade.gas.checked_mul(trade.expected_gas_price).ok_or(CallError::Overflow)?;
        let floor = U256::from(cost.checked_add(self.profit_min).ok_or(CallError::Overflow)?.0).min(trade.profit);
        let blocks = (trade.block.number.0, trade.block_max.0);
        match hops {
            [first, ..] if hops.len() <= calldata::LEGS_MAX && trade.hops.is_route() => {
                let mut legs = [Leg::default(); calldata::LEGS_MAX];
                for (leg, hop) in legs.iter_mut().zip(hops) {
                    *leg = leg_of(hop, market).ok_or(CallError::Unknown)?;
                }
                let plan = Plan::new(blocks.0, blocks.1, first.amount_in.get(), floor, &legs[..hops.len()])?;
                Ok(calldata::encode_execute(&plan))
            }
            _ => {
                let mut swaps = [Swap::default(); SWAPS_MAX];
                let used = swaps.get_mut(..hops.len()).ok_or(PlanReject::SwapCount)?;
                for ((swap, hop), is_on_credit) in used.iter_mut().zip(hops).zip(on_credit(hops)) {
                    let leg = leg_of(hop, market).ok_or(CallError::Unknown)?;
                    *swap = Swap { leg, amount_in: hop.amount_in.get(), is_on_credit };
                }
                let plan = SwapPlan::new(blocks, trade.token_address, floor, used)?;
                Ok(calldata::encode_execute_swaps(&plan))
            }
        }
    }
}

/// Of each swap, whether what the swaps before brought does not pay for it.
fn on_credit(hops: &[HopRecord]) -> impl Iterator<Item = bool> + '_ {
    let mut left: [U256; SWAPS_MAX] = [U256::ZERO; SWAPS_MAX];
    hops.iter().take(SWAPS_MAX).enumerate().map(move |(at, hop)| {
        left[at] = hop.amount_out.get();
        let mut lack = hop.amount_in.get();
        let of_token = |(before, _): &(&HopRecord, &mut U256)| before.token_out == hop.token_in;
        let held = hops[..at].iter().zip(&left).filter(|(before, _)| before.token_out == hop.token_in);
        let is_enough = held.map(|(_, left)| *left).fold(U256::ZERO, U256::saturating_add) >= lack;
        if is_enough {
            for (_, there) in hops[..at].iter().zip(&mut left[..at]).filter(of_token) {
                let taken = lack.min(*there);
                (*there, lack) = (*there - taken, lack - taken);
            }
        }
        !is_enough
    })
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
