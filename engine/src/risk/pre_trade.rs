//! Checks of one trade by itself: against the limits, the market and the clock, not against what else is in flight.

use core::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::message::HopRecord;
use alphapulse_protocol::replica::{PoolInfo, Replica};
use alphapulse_protocol::{FeePerGas, Gas, PoolId, TokenId, U256, UnixNanos};

use super::{Limits, Reject};
use crate::trade::Trade;

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
        let [paid, got] = trade.hops.flow(TokenId(hop.token_in.get())).ok_or(Reject::RouteBroken)?;
        if got < paid {
            return Err(Reject::RouteBroken);
        }
        check_hop(hop, limits, replica)?;
    }
    let token = token_address(replica, trade.token)?;
    if token == trade.token_address { Ok(()) } else { Err(Reject::RouteBroken) }
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

/// That what is paid of the token that the trade profits in is within that token's notional limit; where nothing is paid of it, that what is
/// paid of the first swap's token is within that one's.
pub(super) fn check_notional(trade: &Trade, limits: &Limits, replica: &Replica) -> Result<(), Reject> {
    let limit = |token: &Address| limits.notional_max.get(token).copied().ok_or(Reject::NoLimitConfigured);
    if trade.amount_in > limit(&trade.token_address)? {
        return Err(Reject::NotionalAboveLimit);
    }
    if trade.amount_in.is_zero() {
        let first = trade.hops.as_slice().first().ok_or(Reject::RouteBroken)?;
        let token = TokenId(first.token_in.get());
        let [paid, _] = trade.hops.flow(token).ok_or(Reject::RouteBroken)?;
        if paid > limit(&token_address(replica, token)?)? {
            return Err(Reject::NotionalAboveLimit);
        }
    }
    Ok(())
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
