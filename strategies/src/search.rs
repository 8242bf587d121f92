//! Search for profitable closed routes: once over a whole market, or event by event.

use alphapulse_protocol::TokenId;
use ruint::aliases::U256;

use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::strategy::StrategyConfig;

/// The best closed routes from `token` and back, best first. They may share pools: taking one can spoil the next.
///
/// Units: `profit_min` and profits in raw units of `token`, before gas.
#[must_use]
pub fn best_cycles(
    market: &Market,
    token: TokenId,
    hops_max: u8,
    profit_min: U256,
    limit: usize,
) -> Vec<Opportunity> {
    let _ = (market, token, hops_max, profit_min, limit);
    Vec::new()
}

/// Search kept up to date event by event.
#[derive(Debug)]
pub(crate) struct CycleSearch {
    config: StrategyConfig,
    strategy: u16,
    hops_max: usize,
}

impl CycleSearch {
    pub(crate) fn new(config: &StrategyConfig, strategy: u16, hops_max: usize) -> Self {
        Self { config: config.clone(), strategy, hops_max }
    }

    pub(crate) fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        let _ = (market, event, out, &self.config, self.strategy, self.hops_max);
    }
}
