//! From a trade to a verdict.

use alphapulse_protocol::message::{self, Message, OutcomeStatus, SimulationStatus, Verdict, WireMessage};
use alphapulse_protocol::{Gas, OpportunityId, PoolId, Sequence, UnixNanos};
use alphapulse_strategies::Market;

use super::{Core, Effects, plan};
use crate::risk::{Reject, RiskContext, SimulatedGain, net_profit};
use crate::trade::Trade;

impl Core {
    /// Judges a trade as far as can be without a simulation. Says whether it claims its pools: it does while it is pursued,
    /// and also while only what is in flight stands in its way. The outcomes of the newest block, which are read after its
    /// state, mostly clear that; a lesser trade let in meanwhile would cost the better one.
    pub(super) fn consider(&mut self, trade: Trade, effects: &mut impl Effects) -> bool {
        match self.admit(&trade) {
            Ok(()) => self.pursue(trade, effects),
            Err(reject) => {
                self.refuse(&trade, reject, effects);
                self.defer(trade, reject);
                reject.is_exposure()
            }
        }
    }

    /// Keeps a trade that only others stand in the way of.
    fn defer(&mut self, trade: Trade, reject: Reject) {
        if reject.is_exposure() || reject == Reject::Outranked {
            self.awaiting.defer(trade, reject);
        }
    }

    fn admit(&self, trade: &Trade) -> Result<(), Reject> {
        if let Some(code) = self.halted {
            return Err(Reject::from_code(code).unwrap_or(Reject::Halted));
        }
        if self.awaiting.is_outranked(trade) {
            return Err(Reject::Outranked);
        }
        self.risk.pre_check(trade, &context(&self.market, self.now, self.head_received))
    }

    fn pursue(&mut self, trade: Trade, effects: &mut impl Effects) -> bool {
        if self.rules.is_simulation_required {
            effects.simulate(&trade, &self.market);
            self.awaiting.hold_for_simulation(trade);
            true
        } else {
            self.approve(trade, None, effects)
        }
    }

    /// A simulation was answered: the last word is risk's, on the market as it is now.
    pub(super) fn on_simulation(&mut self, result: &message::Simulation, effects: &mut impl Effects) {
        let id = OpportunityId(result.opportunity.get());
        let Some(trade) = self.awaiting.take_simulated(id) else {
            self.counters.orphans += 1;
            return;
        };
        if !self.on_simulated(trade, result, effects) {
            self.retry_deferred(effects);
        }
    }

    fn on_simulated(&mut self, mut trade: Trade, result: &message::Simulation, effects: &mut impl Effects) -> bool {
        let reject = match SimulationStatus::from_wire(result.status.get()) {
            Some(SimulationStatus::Succeeded) => {
                let simulated = SimulatedGain { gas: Gas(result.gas_used.get()), gain: result.gain.get() };
                if let Some(limit) = plan::gas_limit(simulated.gas) {
                    (trade.gas, trade.gas_limit) = (simulated.gas, limit);
                    return self.approve(trade, Some(simulated), effects);
                }
                Reject::Overflow
            }
            Some(SimulationStatus::Reverted) => Reject::SimulationReverted,
            _ => Reject::SimulationUnavailable,
        };
        self.refuse(&trade, reject, effects);
        false
    }

    fn approve(&mut self, trade: Trade, simulated: Option<SimulatedGain>, effects: &mut impl Effects) -> bool {
        if let Some(code) = self.halted {
            self.refuse(&trade, Reject::from_code(code).unwrap_or(Reject::Halted), effects);
            return false;
        }
        let context = context(&self.market, self.now, self.head_received);
        match self.risk.approve(trade, simulated, &context) {
            Err((trade, reject)) => {
                self.refuse(&trade, reject, effects);
                self.defer(trade, reject);
                false
            }
            Ok(approved) => {
                let verdict = self.verdict(&approved, 0);
                effects.record(Message::Verdict(&verdict));
                if self.rules.is_live {
                    effects.execute(approved, &self.market);
                } else {
                    self.on_paper.push(approved.opportunity);
                }
                true
            }
        }
    }

    /// Records why a trade is not taken.
    pub(super) fn refuse(&self, trade: &Trade, reject: Reject, effects: &mut impl Effects) {
        let verdict = self.verdict(trade, reject.code());
        effects.record(Message::Verdict(&verdict));
    }

    /// Records why an opportunity could not even be made a trade.
    pub(super) fn refuse_unplanned(&self, id: OpportunityId, reject: Reject, effects: &mut impl Effects) {
        let verdict = Verdict::new(id, reject.code(), self.rules.is_live).stamped(Sequence(0), self.now);
        effects.record(Message::Verdict(&verdict));
    }

    fn verdict(&self, trade: &Trade, code: u16) -> Verdict {
        let net = net_profit(trade.profit, trade.gas, trade.expected_gas_price).unwrap_or(i128::MIN);
        Verdict::new(trade.opportunity, code, self.rules.is_live)
            .with_figures(trade.gas, trade.fees.max, trade.fees.priority, net)
            .stamped(Sequence(0), self.now)
    }

    /// Something became of a transaction: books it, and looks again at what was refused for want of room.
    pub(super) fn on_outcome(&mut self, outcome: &message::Outcome, effects: &mut impl Effects) {
        if OutcomeStatus::from_wire(outcome.status.get()) == Some(OutcomeStatus::Abandoned) {
            self.risk.on_abandoned(OpportunityId(outcome.opportunity.get()));
        } else {
            self.risk.on_outcome(outcome, self.now);
        }
        self.retry_deferred(effects);
    }

    /// Judges again what others stood in the way of, best first. Claims hold as in [`Core::consider`].
    fn retry_deferred(&mut self, effects: &mut impl Effects) {
        let mut claimed: Vec<PoolId> = Vec::new();
        for (trade, before) in self.awaiting.take_deferred() {
            let is_claimed = trade.hops.pools().any(|pool| claimed.contains(&pool));
            match if is_claimed { Err(Reject::Outranked) } else { self.admit(&trade) } {
                Ok(()) => {
                    self.pursue(trade, effects);
                }
                Err(reject) => {
                    if reject != before {
                        self.refuse(&trade, reject, effects);
                    }
                    if reject.is_exposure() {
                        claimed.extend(trade.hops.pools());
                    }
                    self.defer(trade, reject);
                }
            }
        }
    }
}

/// What risk judges by; borrows only the market, so that risk itself can change.
fn context(market: &Market, now: UnixNanos, head_received: UnixNanos) -> RiskContext<'_> {
    RiskContext { now, head_received, replica: market.replica() }
}
