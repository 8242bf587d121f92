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

#[cfg(test)]
mod tests {
    use alphapulse_protocol::{PoolId, TokenId};

    use super::*;

    /// Numbers that look random, the same each time.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    /// Some closed routes over few tokens, their swaps in any order.
    fn balanced(draw: &mut Draw) -> Vec<HopRecord> {
        let mut swaps: Vec<HopRecord> = Vec::new();
        for _ in 0..=draw.below(3) {
            let count = 2 + draw.below(3);
            let mut tokens: Vec<u64> = (0..count).map(|_| draw.below(4)).collect();
            tokens.push(tokens[0]);
            let mut amount = 10 + draw.below(90);
            for pair in tokens.windows(2).filter(|pair| pair[0] != pair[1]) {
                let [paid, got] = [pair[0], pair[1]].map(|token| TokenId(u32::try_from(token).expect("one of four")));
                let pool = PoolId(u32::try_from(swaps.len()).expect("a few"));
                let next = amount + draw.below(2);
                swaps.push(HopRecord::new(pool, paid, got, U256::from(amount), U256::from(next)));
                amount = next;
            }
        }
        for at in (1..swaps.len()).rev() {
            swaps.swap(at, usize::try_from(draw.below(at as u64 + 1)).expect("a place"));
        }
        swaps
    }

    /// What the contract does: pays from what is held, or takes on credit and pays after all that follows, the last lender first.
    #[test]
    fn what_is_not_on_credit_is_held_and_credit_is_paid_at_the_end() {
        let mut draw = Draw(7);
        let (mut plans, mut lent, mut paid_at_once) = (0, 0, 0);
        while plans < 20_000 {
            let swaps = balanced(&mut draw);
            if !(2..=SWAPS_MAX).contains(&swaps.len()) {
                continue;
            }
            plans += 1;
            let mut held = [U256::ZERO; 4];
            let mut debts = Vec::new();
            for (swap, is_on_credit) in swaps.iter().zip(on_credit(&swaps)) {
                let [paid, got] = [swap.token_in.get(), swap.token_out.get()].map(|token| token as usize);
                let amount_in = swap.amount_in.get();
                assert_eq!(is_on_credit, held[paid] < amount_in, "{swaps:?}");
                if is_on_credit {
                    debts.push((paid, amount_in));
                    lent += 1;
                } else {
                    held[paid] -= amount_in;
                    paid_at_once += 1;
                }
                held[got] += swap.amount_out.get();
            }
            for (token, amount) in debts.into_iter().rev() {
                held[token] = held[token].checked_sub(amount).expect("a lender is paid");
            }
        }
        assert!(lent > 10_000 && paid_at_once > 10_000, "{lent} on credit, {paid_at_once} not");
    }
}
