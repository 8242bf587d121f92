//! Buy in one pool, sell in another of the same pair.

use crate::market::{Market, MarketEvent};
use crate::opportunity::OpportunitySink;
use crate::search::BoundedSearch;
use crate::strategy::{Strategy, StrategyConfig, StrategyError};

/// Routes over exactly two pools of the same pair.
#[derive(Debug)]
pub struct TwoVenue {
    search: BoundedSearch,
}

impl TwoVenue {
    /// A strategy as configured; its opportunities carry `index`.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token or allows no report.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self { search: BoundedSearch::new(config, index, 2) })
    }
}

impl Strategy for TwoVenue {
    fn name(&self) -> &'static str {
        "two_venue"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        self.search.on_event(market, event, out);
    }

    fn cuts(&self) -> u32 {
        self.search.cuts()
    }
}
