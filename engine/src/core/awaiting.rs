//! Trades between two steps: waiting for a simulation, or for a place that another trade holds.

use alphapulse_protocol::OpportunityId;

use crate::risk::Reject;
use crate::trade::Trade;

/// Trades on hold. Both lists are as short as a block's opportunities, so they are searched in order.
#[derive(Debug, Default)]
pub(super) struct Awaiting {
    simulation: Vec<Trade>,
    place: Vec<(Trade, Reject)>,
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

    /// All trades whose simulation was not answered, in the order in which they were asked for.
    pub(super) fn take_all_simulated(&mut self) -> Vec<Trade> {
        std::mem::take(&mut self.simulation)
    }

    /// Whether a trade that waits for its simulation uses a pool of this one: that one is better, or came first.
    pub(super) fn is_outranked(&self, trade: &Trade) -> bool {
        let mut pools = trade.hops.pools();
        pools.any(|pool| self.simulation.iter().any(|held| held.hops.pools().any(|used| used == pool)))
    }

    /// Trades whose simulation is out.
    pub(super) fn simulations(&self) -> usize {
        self.simulation.len()
    }

    /// Holds a trade that was refused only because of others: what comes of them may make room on this very block.
    pub(super) fn defer(&mut self, trade: Trade, reject: Reject) {
        self.place.push((trade, reject));
    }

    /// All deferred trades, best first: within a block opportunities are numbered so.
    pub(super) fn take_deferred(&mut self) -> Vec<(Trade, Reject)> {
        let mut deferred = std::mem::take(&mut self.place);
        deferred.sort_by_key(|(trade, _)| trade.opportunity);
        deferred
    }

    /// A new block: what was deferred was priced on an older state.
    pub(super) fn forget_deferred(&mut self) {
        self.place.clear();
    }
}
