//! The risk manager: one owner of all exposure, the only mint of approvals.

use alloy::primitives::Address;
use alphapulse_protocol::message::{Message, Outcome, PLAN_SWAPS_MAX, Submission, Submitted, SubmittedStatus};
use alphapulse_protocol::{BlockNumber, FeePerGas, Gas, OpportunityId, U256, UnixNanos, Wei};

use super::exposure::{Exposure, Open, Settled};
use super::pre_trade::{self, RiskContext};
use super::{Approved, KillSwitch, Limits, Reject};
use crate::trade::Trade;

/// What a simulation that succeeded says of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedGain {
    /// Gas it used.
    pub gas: Gas,
    /// Raw units of the profit token it gained.
    pub gain: U256,
}

/// Judges trades and keeps account of what they may cost and did cost.
#[derive(Debug)]
pub struct RiskManager {
    limits: Limits,
    kill: KillSwitch,
    exposure: Exposure,
    halted: Option<Reject>,
    approved_count: u64,
    restore_clock: UnixNanos,
}

impl RiskManager {
    /// A manager with nothing in flight.
    #[must_use]
    pub fn new(limits: Limits, kill: KillSwitch) -> Self {
        let exposure = Exposure::with_capacity(limits.in_flight_max as usize);
        Self { limits, kill, exposure, halted: None, approved_count: 0, restore_clock: UnixNanos(0) }
    }

    /// Limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// All checks but the simulation, by the gas that the trade itself expects: whether it is worth simulating.
    ///
    /// # Errors
    /// The first [`Reject`] that applies.
    pub fn pre_check(&self, trade: &Trade, context: &RiskContext<'_>) -> Result<(), Reject> {
        self.check(trade, trade.gas, context)
    }

    /// All checks again, on what is known now, and the simulation's. An approval reserves its worst case until
    /// [`on_outcome`](Self::on_outcome) or [`on_abandoned`](Self::on_abandoned).
    ///
    /// # Errors
    /// The trade, and the first [`Reject`] that applies. Nothing is reserved then.
    #[expect(clippy::result_large_err, reason = "a refusal hands the trade back without an allocation")]
    pub fn approve(
        &mut self,
        trade: Trade,
        simulated: Option<SimulatedGain>,
        context: &RiskContext<'_>,
    ) -> Result<Approved<Trade>, (Trade, Reject)> {
        match self.judge(&trade, simulated, context) {
            Ok(open) => {
                self.exposure.open(open);
                self.approved_count += 1;
                Ok(Approved::mint(trade, self.approved_count, context.now))
            }
            Err(reject) => Err((trade, reject)),
        }
    }

    fn judge(
        &self,
        trade: &Trade,
        simulated: Option<SimulatedGain>,
        context: &RiskContext<'_>,
    ) -> Result<Open, Reject> {
        let gas = match simulated {
            Some(simulated) if simulated.gain != trade.profit => return Err(Reject::SimulationMismatch),
            Some(simulated) => simulated.gas,
            None if self.limits.is_simulation_required => return Err(Reject::SimulationUnavailable),
            None => trade.gas,
        };
        self.check(trade, gas, context)?;
        Ok(Open {
            opportunity: Some(trade.opportunity),
            nonce: None,
            token: trade.token_address,
            notional: trade.amount_in,
            pools: Some(pool_addresses(trade, context)?),
            cost_max: trade.cost_max().ok_or(Reject::Overflow)?,
            is_unknown: false,
        })
    }

    fn check(&self, trade: &Trade, gas: Gas, context: &RiskContext<'_>) -> Result<(), Reject> {
        self.check_breakers()?;
        pre_trade::check_market(trade, &self.limits, context)?;
        pre_trade::check_swaps(trade, &self.limits, context.replica)?;
        pre_trade::check_notional(trade, &self.limits, context.replica)?;
        self.check_in_flight(trade, context)?;
        pre_trade::check_fees(trade, &self.limits, gas)?;
        pre_trade::check_profit(trade, &self.limits, gas)?;
        self.check_loss(trade, context.now)
    }

    fn check_breakers(&self) -> Result<(), Reject> {
        if self.kill.is_tripped() {
            return Err(Reject::KillSwitch);
        }
        if self.halted.is_some() { Err(Reject::Halted) } else { Ok(()) }
    }

    fn check_in_flight(&self, trade: &Trade, context: &RiskContext<'_>) -> Result<(), Reject> {
        if self.exposure.unknown_count() >= self.limits.unknown_max as usize {
            return Err(Reject::UnknownOutcomes);
        }
        if self.exposure.open_count() >= self.limits.in_flight_max as usize {
            return Err(Reject::InFlightAtLimit);
        }
        if self.exposure.has_opportunity(trade.opportunity) {
            return Err(Reject::Duplicate);
        }
        let pools = pool_addresses(trade, context)?;
        if pools.iter().any(|pool| self.exposure.has_pool(pool)) { Err(Reject::PoolInFlight) } else { Ok(()) }
    }

    /// The day's loss, were everything in flight and this trade lost too.
    fn check_loss(&self, trade: &Trade, now: UnixNanos) -> Result<(), Reject> {
        let at_risk = self.exposure.cost_max().zip(trade.cost_max());
        let at_risk = at_risk.and_then(|(open, this)| open.checked_add(this)).ok_or(Reject::Overflow)?;
        let at_risk = i128::try_from(at_risk.0).map_err(|_| Reject::Overflow)?;
        let worst = self.exposure.day_pnl(now).checked_sub(at_risk).ok_or(Reject::Overflow)?;
        if worst < 0 && worst.unsigned_abs() > self.limits.loss_day_max.0 {
            return Err(Reject::LossDayAtLimit);
        }
        Ok(())
    }

    /// Profit after the gas that the trade expects, in wei of the native coin; `None` when the profit token has no price
    /// in it, or past 128 bits.
    #[must_use]
    pub fn net_profit(&self, trade: &Trade) -> Option<i128> {
        let has_price = trade.token_address == self.limits.native_token;
        if has_price { pre_trade::net_profit(trade.profit, trade.gas, trade.expected_gas_price) } else { None }
    }

    /// Takes note that an approved trade was signed, or a cancellation of its nonce: from now on only the chain decides it.
    pub fn on_signed(&mut self, signed: &Submission) {
        let nonce = signed.nonce.get();
        self.exposure.set_nonce(OpportunityId(signed.opportunity.get()), nonce);
        self.exposure.raise_cost(nonce, cost_max(signed));
    }

    /// Takes note of an endpoint's answer. A refusal is as unclear as silence: it proves nothing about other nodes.
    pub fn on_submitted(&mut self, message: &Submitted) {
        let is_accepted = SubmittedStatus::from_wire(message.status.get()) == Some(SubmittedStatus::Accepted);
        self.exposure.set_unknown(message.nonce.get(), !is_accepted);
    }

    /// Releases a trade that was approved and will not be signed. Returns whether there was one; a signed one stays.
    pub fn on_abandoned(&mut self, opportunity: OpportunityId) -> bool {
        self.exposure.abandon(opportunity)
    }

    /// Books what the chain says of a transaction, on the UTC day of `now`; a reorg's word is booked back on the day of
    /// the first booking. A word that repeats changes nothing.
    ///
    /// A day's loss at its limit, or figures outside 128 bits, halt all trading.
    pub fn on_outcome(&mut self, outcome: &Outcome, now: UnixNanos) -> Settled {
        let Some(pnl) = self.exposure.settle(outcome, now) else {
            return Settled { pnl: 0, halted: self.halt(Reject::Overflow) };
        };
        let day = self.exposure.day_pnl(now);
        let is_lost = day < 0 && day.unsigned_abs() >= self.limits.loss_day_max.0;
        Settled { pnl, halted: if is_lost { self.halt(Reject::LossDayAtLimit) } else { None } }
    }

    /// The chain went back to `ancestor`: what later blocks decided is open again at once, whatever is said of it later.
    pub fn on_reorg(&mut self, ancestor: BlockNumber) {
        if self.exposure.rewind(ancestor).is_none() {
            self.halt(Reject::Overflow);
        }
    }

    /// Stops all approvals until the node is started anew. Returns the reason when trading was not halted already.
    pub fn halt(&mut self, reason: Reject) -> Option<Reject> {
        if self.halted.is_some() {
            return None;
        }
        self.halted = Some(reason);
        Some(reason)
    }

    /// Why trading is halted, if it is.
    #[must_use]
    pub const fn halted(&self) -> Option<Reject> {
        self.halted
    }

    /// Takes in one record of an earlier run's journal; give all of them, oldest first, before the first trade.
    ///
    /// Rebuilds the result of the day (and halts again when that is at its limit) and what may still be in flight. A
    /// halt on an earlier day does not come back: starting the node again is the operator's word that it was looked at.
    pub fn restore(&mut self, message: &Message<'_>) {
        match message {
            Message::Clock(clock) => self.restore_clock = UnixNanos(clock.now_ns.get()),
            Message::Submission(submission) => self.restore_open(submission),
            Message::Submitted(submitted) => self.on_submitted(submitted),
            Message::Outcome(outcome) => {
                self.on_outcome(outcome, self.restore_clock);
            }
            _ => {}
        }
    }

    /// Ends the restoration at the time of the start. What earlier runs saw decided is taken as final: nobody watches it
    /// for reorgs any more.
    pub fn restored(&mut self, now: UnixNanos) {
        self.exposure.finalise();
        let day = self.exposure.day_pnl(now);
        let is_lost = day < 0 && day.unsigned_abs() >= self.limits.loss_day_max.0;
        let is_loss_halt = self.halted == Some(Reject::LossDayAtLimit);
        if is_loss_halt && !is_lost {
            self.halted = None;
        }
    }

    fn restore_open(&mut self, submission: &Submission) {
        let nonce = submission.nonce.get();
        if self.exposure.has_nonce(nonce) {
            self.exposure.raise_cost(nonce, cost_max(submission));
            return;
        }
        self.exposure.open(Open {
            opportunity: None,
            nonce: Some(nonce),
            token: Address::ZERO,
            notional: U256::ZERO,
            pools: None,
            cost_max: cost_max(submission),
            is_unknown: false,
        });
    }

    /// Trades whose outcome is open.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.exposure.open_count()
    }

    /// Open trades whose submission got no clear answer.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.exposure.unknown_count()
    }

    /// Raw units of `token` paid into open trades.
    #[must_use]
    pub fn notional_in_flight(&self, token: &Address) -> U256 {
        self.exposure.notional(token)
    }

    /// Result of the UTC day of `now` in wei; negative for a loss.
    #[must_use]
    pub fn day_pnl(&self, now: UnixNanos) -> i128 {
        self.exposure.day_pnl(now)
    }

    /// Approvals minted so far: equals the number of the last one.
    #[must_use]
    pub const fn approved_count(&self) -> u64 {
        self.approved_count
    }
}

/// What a signed transaction costs at worst; more than any limit when that has no number.
fn cost_max(signed: &Submission) -> Wei {
    Gas(signed.gas_limit.get()).checked_mul(FeePerGas(signed.fee_max.get())).unwrap_or(Wei(u128::MAX))
}

fn pool_addresses(trade: &Trade, context: &RiskContext<'_>) -> Result<[Address; PLAN_SWAPS_MAX], Reject> {
    let hops = trade.hops.as_slice();
    let first = hops.first().ok_or(Reject::RouteBroken)?;
    let mut pools = [Address::from(pre_trade::pool_info(context.replica, first)?.address); PLAN_SWAPS_MAX];
    for (slot, hop) in pools.iter_mut().zip(hops) {
        *slot = Address::from(pre_trade::pool_info(context.replica, hop)?.address);
    }
    Ok(pools)
}

#[cfg(test)]
mod tests;
