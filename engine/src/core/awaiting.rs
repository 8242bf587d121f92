//! Trades between two steps: waiting for a simulation, or for exposure that an outcome may free.

use alphapulse_protocol::OpportunityId;

use crate::risk::Reject;
use crate::trade::Trade;

/// Trades on hold. Both lists are as short as a block's opportunities, so they are searched in order.
#[derive(Debug, Default)]
pub(super) struct Awaiting {
    simulation: Vec<Trade>,
    exposure: Vec<(Trade, Reject)>,
}

impl Awaiting {
    /// Holds a trade until its simulation is answered.
    pub(super) fn hold_for_simulation(&mut self, trade: Trade) {
        self.simulation.push(trade);
    }

    /// The trade whose simulation was answered.
    pub(super) fn take_simulated(&mut self, id: OpportunityId) -> Option<Trade> {
        let position = self.simulation.iter().position(|trade| trade.opportunity == id)?;
        Some(self.simulation.remove(position))
    }

    /// Trades whose simulation is out.
    pub(super) fn simulations(&self) -> usize {
        self.simulation.len()
    }

    /// Holds a trade that was refused only because others are in flight: their outcome in this very block may be on
    /// its way.
    pub(super) fn defer(&mut self, trade: Trade, reject: Reject) {
        self.exposure.push((trade, reject));
    }

    /// All deferred trades, in the order in which they were deferred.
    pub(super) fn take_deferred(&mut self) -> Vec<(Trade, Reject)> {
        std::mem::take(&mut self.exposure)
    }

    /// A new block: what was deferred was priced on an older state.
    pub(super) fn forget_deferred(&mut self) {
        self.exposure.clear();
    }
}
