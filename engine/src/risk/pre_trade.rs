//! Checks of one trade by itself: against the limits, the market and the clock, not against what else is in flight.

use core::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::message::{HopRecord, PLAN_SWAPS_MAX};
use alphapulse_protocol::replica::{PoolInfo, Replica};
use alphapulse_protocol::{FeePerGas, Gas, PoolId, TokenId, U256, UnixNanos};

use super::{Limits, Reject};
use crate::trade::Trade;

/// Part of what is paid of a token that may be left of it, as a power of a half: a millionth.
const LEFT_PART_BITS: usize = 20;
/// Raw units that may be left in any case.
const LEFT_UNITS: U256 = U256::from_limbs([1_000, 0, 0, 0]);

/// What risk looks at besides the trade. It resolves ids and judges the market by the state itself, not by hearsay.
#[derive(Debug, Clone, Copy)]
pub struct RiskContext<'a> {
    /// Time of the decision.
    pub now: UnixNanos,
    /// When the head arrived here. The market is as old as that, or as the head's own timestamp says, whichever is more.
    pub head_received: UnixNanos,
    /// The market state that the trade was sized on.
    pub replica: &'a Replica,
}

impl RiskContext<'_> {
    /// The head's own timestamp; the beginning of time without a head.
    fn block_time(&self) -> UnixNanos {
        let seconds = self.replica.context().map_or(0, |head| head.timestamp.get());
        UnixNanos(seconds.saturating_mul(1_000_000_000))
    }
}

/// Gain less the cost of `gas` at `price`, in wei of the native coin, or `None` outside 128 bits. `gain` is in wei.
#[must_use]
pub fn net_profit(gain: U256, gas: Gas, price: FeePerGas) -> Option<i128> {
    let gain = i128::try_from(gain).ok()?;
    let cost = i128::try_from(gas.checked_mul(price)?.0).ok()?;
    gain.checked_sub(cost)
}

/// Everything that can be said of the market: whole, newest, fresh, and the one that the trade was sized on.
pub(super) fn check_market(trade: &Trade, limits: &Limits, context: &RiskContext<'_>) -> Result<(), Reject> {
    let replica = context.replica;
    let head = replica.context().filter(|_| replica.is_whole()).ok_or(Reject::MarketNotWhole)?.block();
    if !replica.is_tradable() {
        return Err(Reject::NotAtHead);
    }
    let since_arrival = context.now.0.checked_sub(context.head_received.0).ok_or(Reject::ClockWentBack)?;
    // A block may arrive long after it was made: from a node that catches up, or behind a stall of ours.
    let since_made = context.now.0.saturating_sub(context.block_time().0);
    let age_ns = since_arrival.max(since_made);
    if Duration::from_nanos(age_ns) > limits.market_age_max {
        return Err(Reject::MarketStale);
    }
    if trade.block != head {
        return Err(Reject::WrongBlock);
    }
    if trade.block_max <= head.number {
        return Err(Reject::Expired);
    }
    Ok(())
}

/// That the swaps balance, through allowed pools, and that the trade's own figures are those of the swaps.
pub(super) fn check_swaps(trade: &Trade, limits: &Limits, replica: &Replica) -> Result<(), Reject> {
    let hops = trade.hops.as_slice();
    let [paid, got] = trade.hops.flow(trade.token).ok_or(Reject::RouteBroken)?;
    if paid != trade.amount_in || got.checked_sub(paid) != Some(trade.profit) {
        return Err(Reject::RouteBroken);
    }
    for (index, hop) in hops.iter().enumerate() {
        if hops.iter().take(index).any(|earlier| earlier.pool == hop.pool) {
            return Err(Reject::RouteBroken);
        }
        // Nothing may be owed at the end, in any token.
        let token_in = TokenId(hop.token_in.get());
        let [paid, got] = trade.hops.flow(token_in).ok_or(Reject::RouteBroken)?;
        if got < paid || token_in != trade.token && got - paid > left_max(paid) {
            return Err(Reject::RouteBroken);
        }
        // What is bought and not paid on is left whole.
        let token_out = TokenId(hop.token_out.get());
        if token_out != trade.token && !hops.iter().any(|other| other.token_in == hop.token_out) {
            return Err(Reject::RouteBroken);
        }
        check_hop(hop, limits, replica)?;
    }
    let token = token_address(replica, trade.token)?;
    if token == trade.token_address { Ok(()) } else { Err(Reject::RouteBroken) }
}

/// Most raw units of a token, other than the one profited in, that may be left when so many were paid: what whole units that do not come out
/// even leave, and not a part of the profit, which the books would not see.
fn left_max(paid: U256) -> U256 {
    (paid >> LEFT_PART_BITS).max(LEFT_UNITS)
}

fn check_hop(hop: &HopRecord, limits: &Limits, replica: &Replica) -> Result<(), Reject> {
    let pool = pool_info(replica, hop)?;
    if !limits.pools.contains(&Address::from(pool.address)) {
        return Err(Reject::PoolNotAllowed);
    }
    // Found perhaps since the trade was sized.
    if replica.is_quarantined(PoolId(hop.pool.get())) {
        return Err(Reject::PoolQuarantined);
    }
    let tokens = [TokenId(hop.token_in.get()), TokenId(hop.token_out.get())];
    if pool.tokens != tokens && pool.tokens != [tokens[1], tokens[0]] {
        return Err(Reject::RouteBroken);
    }
    for token in tokens {
        if !limits.tokens.contains(&token_address(replica, token)?) {
            return Err(Reject::TokenNotAllowed);
        }
    }
    Ok(())
}

pub(super) fn pool_info<'a>(replica: &'a Replica, hop: &HopRecord) -> Result<&'a PoolInfo, Reject> {
    replica.pools().get(hop.pool.get() as usize).ok_or(Reject::PoolNotAllowed)
}

fn token_address(replica: &Replica, token: TokenId) -> Result<Address, Reject> {
    replica.tokens().get(token.index()).map(|info| Address::from(info.address)).ok_or(Reject::TokenNotAllowed)
}

/// That what is paid of the token that the trade profits in is within that token's notional limit, and so is what is paid of every other token
/// that goes round without it: whatever else is paid was bought with the profit's token, and is limited by what of that is paid.
pub(super) fn check_notional(trade: &Trade, limits: &Limits, replica: &Replica) -> Result<(), Reject> {
    let within = |token: Address, paid: U256| {
        let limit = limits.notional_max.get(&token).ok_or(Reject::NoLimitConfigured)?;
        if paid > *limit { Err(Reject::NotionalAboveLimit) } else { Ok(()) }
    };
    within(trade.token_address, trade.amount_in)?;
    for token in going_round(trade) {
        let [paid, _] = trade.hops.flow(token).ok_or(Reject::RouteBroken)?;
        within(token_address(replica, token)?, paid)?;
    }
    Ok(())
}

/// Tokens, other than the one profited in, of circles of swaps that do not pass that one, and of swaps between such circles.
fn going_round(trade: &Trade) -> impl Iterator<Item = TokenId> {
    let hops = trade.hops.as_slice();
    let is_apart = |hop: &HopRecord| ![hop.token_in.get(), hop.token_out.get()].contains(&trade.token.0);
    let mut in_circle = [false; PLAN_SWAPS_MAX];
    for (is_in, hop) in in_circle.iter_mut().zip(hops) {
        *is_in = is_apart(hop);
    }
    // A swap that none of the rest leads to, or that leads to none, is in no circle.
    for _ in 0..hops.len() {
        let before = in_circle;
        let of_rest =
            |is_it: &dyn Fn(&HopRecord) -> bool| hops.iter().zip(before).any(|(hop, is_in)| is_in && is_it(hop));
        for (is_in, hop) in in_circle.iter_mut().zip(hops) {
            *is_in &=
                of_rest(&|other| other.token_out == hop.token_in) && of_rest(&|other| other.token_in == hop.token_out);
        }
    }
    hops.iter().zip(in_circle).filter(|(_, is_in)| *is_in).map(|(hop, _)| TokenId(hop.token_in.get()))
}

/// That fees and gas are within their caps and consistent. `gas` is the best knowledge of what will be used.
pub(super) fn check_fees(trade: &Trade, limits: &Limits, gas: Gas) -> Result<(), Reject> {
    let fees = trade.fees;
    if fees.max > limits.fee_max {
        return Err(Reject::FeeAboveCap);
    }
    if fees.priority > fees.max || trade.expected_gas_price > fees.max {
        return Err(Reject::FeesInconsistent);
    }
    if trade.gas_limit > limits.gas_max {
        return Err(Reject::GasAboveCap);
    }
    if gas > trade.gas_limit {
        return Err(Reject::GasLimitTooLow);
    }
    Ok(())
}

/// That what is left after `gas` is worth it. Returns the profit in wei.
pub(super) fn check_profit(trade: &Trade, limits: &Limits, gas: Gas) -> Result<i128, Reject> {
    if trade.token_address != limits.native_token {
        return Err(Reject::PriceUnknown);
    }
    let profit = net_profit(trade.profit, gas, trade.expected_gas_price).ok_or(Reject::Overflow)?;
    let minimum = i128::try_from(limits.profit_min.0).map_err(|_| Reject::Overflow)?;
    if profit < minimum { Err(Reject::UnprofitableAfterGas) } else { Ok(profit) }
}
