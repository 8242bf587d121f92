//! Closed routes through any pools.

use crate::market::{Market, MarketEvent};
use crate::opportunity::OpportunitySink;
use crate::search::CycleSearch;
use crate::strategy::{Strategy, StrategyConfig, StrategyError};

/// Routes of 2 to `hops_max` hops, two pools of one pair among them.
#[derive(Debug)]
pub struct Cyclic {
    search: CycleSearch,
}

impl Cyclic {
    /// A strategy as configured; its opportunities carry `index`.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token, allows no report, or `hops_max` is outside `2..=4`.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self { search: CycleSearch::new(config, index, usize::from(config.hops_max)) })
    }
}

impl Strategy for Cyclic {
    fn name(&self) -> &'static str {
        "cyclic"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        self.search.on_event(market, event, out);
    }

    fn cuts(&self) -> u32 {
        self.search.cuts()
    }
}
