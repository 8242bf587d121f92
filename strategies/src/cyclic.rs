//! Closed routes through any pools.

use crate::market::{Market, MarketEvent};
use crate::opportunity::OpportunitySink;
use crate::search::{BoundedSearch, IndexedSearch};
use crate::strategy::{Strategy, StrategyConfig, StrategyError};

/// Routes of 2 to `hops_max` hops, two pools of one pair among them.
#[derive(Debug)]
pub struct Cyclic {
    search: Search,
}

#[derive(Debug)]
enum Search {
    Bounded(Box<BoundedSearch>),
    Indexed(Box<IndexedSearch>),
}

impl Cyclic {
    /// A strategy as configured; its opportunities carry `index`. Its search stops where prices prove that nothing is left to earn.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token, allows no report, or `hops_max` is outside `2..=6`.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self { search: Search::Bounded(Box::new(BoundedSearch::new(config, index, config.hops_max))) })
    }

    /// The same over a list of every route, up to a bound that [`Strategy::cuts`] tells of: it reports the same, and knows nothing of
    /// prices. For few pools, and as a check.
    ///
    /// # Errors
    /// As [`Cyclic::new`].
    pub fn indexed(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self { search: Search::Indexed(Box::new(IndexedSearch::new(config, index, config.hops_max))) })
    }
}

impl Strategy for Cyclic {
    fn name(&self) -> &'static str {
        "cyclic"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        match &mut self.search {
            Search::Bounded(search) => search.on_event(market, event, out),
            Search::Indexed(search) => search.on_event(market, event, out),
        }
    }

    fn cuts(&self) -> u32 {
        match &self.search {
            Search::Bounded(search) => search.cuts(),
            Search::Indexed(search) => search.cuts(),
        }
    }
}
