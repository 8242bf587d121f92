//! Buy in one pool, sell in another: a strategy to begin with.
//!
//! Latency: grows with the pools that changed, and with those of their pairs.
//! Needs: state of the pools at the end of each block. Risks: those of every trade of two pools; another may be faster.

use std::cmp::Reverse;

use alphapulse_protocol::{AddressBytes, PoolId, TokenId, U256};
use alphapulse_strategies::search::size_route;
use alphapulse_strategies::{
    Market, MarketEvent, Opportunity, OpportunitySink, Strategy, StrategyConfig, StrategyError, StrategyKind,
};

/// The strategy's name in a configuration (`kind = "own_strategy"`), and how it is made.
pub const KIND: StrategyKind =
    StrategyKind::new("own_strategy", |config, index| Ok(Box::new(OwnStrategy::new(config, index)?)))
        .of_two_hops()
        .with_settings(&["pools_max"]);

/// Routes over two pools of one pair.
#[derive(Debug)]
pub struct OwnStrategy {
    /// Position in the node's configuration: marks what is reported.
    index: u16,
    /// Tokens to profit in.
    tokens: Vec<AddressBytes>,
    profit_min: U256,
    per_block_max: usize,
    /// Most pools of a pair that are tried with one that changed (`settings = { pools_max = "8" }`).
    pools_max: usize,
    /// Pools that changed since the last search.
    changed: Vec<PoolId>,
    /// Found in this search, and the pools of what was reported. Kept, so that a search allocates nothing once they have grown.
    found: Vec<Opportunity>,
    used: Vec<PoolId>,
}

impl OwnStrategy {
    /// A strategy as configured.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token or allows no report, or `pools_max` is no number.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self {
            index,
            tokens: config.tokens.clone(),
            profit_min: config.profit_min,
            per_block_max: config.per_block_max,
            pools_max: config.setting("pools_max")?.unwrap_or(usize::MAX),
            changed: Vec::new(),
            found: Vec::new(),
            used: Vec::new(),
        })
    }

    fn note_written(&mut self, market: &Market) {
        for pool in market.written() {
            if !self.changed.contains(pool) {
                self.changed.push(*pool);
            }
        }
    }

    fn note_all(&mut self, market: &Market) {
        let count = u32::try_from(market.replica().pools().len()).unwrap_or(u32::MAX);
        self.changed.clear();
        self.changed.extend((0..count).map(PoolId));
    }

    /// Looks at every pair of pools of which one changed, and reports what earns most first. Two reports share no pool: the
    /// first trade would change what the second one gets.
    fn search(&mut self, market: &Market, out: &mut OpportunitySink) {
        // Inside a block, behind the head or in doubt of the nodes nothing may be traded.
        if !market.replica().is_tradable() {
            return;
        }
        self.found.clear();
        while let Some(pool) = self.changed.pop() {
            self.search_through(market, pool);
        }
        // Profits in different tokens do not compare: the token that is configured first has the pools that two would share.
        let place = |found: &Opportunity| {
            let address = market.replica().tokens().get(found.token.index()).map(|token| token.address);
            self.tokens.iter().position(|token| Some(*token) == address)
        };
        self.found.sort_unstable_by_key(|found| {
            let pools = found.hops().iter().map(|hop| (hop.pool, hop.token_in));
            (place(found), Reverse(found.profit()), pools.min(), found.hops().first().map(|hop| hop.pool))
        });
        self.used.clear();
        for found in &self.found {
            if self.used.len() == 2 * self.per_block_max {
                break;
            }
            if !self.used.iter().any(|pool| found.uses(*pool)) {
                self.used.extend(found.hops().iter().map(|hop| hop.pool));
                out.push(*found);
            }
        }
    }

    fn search_through(&mut self, market: &Market, pool: PoolId) {
        let tokens: &[TokenId] = market.replica().pools().get(pool.index()).map_or(&[], |info| &info.tokens);
        for address in &self.tokens {
            let Some(base) = market.replica().token_by_address(address).filter(|base| tokens.contains(base)) else {
                continue;
            };
            for &other in tokens.iter().filter(|other| **other != base) {
                for way_back in market.graph().edges_between(other, base).iter().take(self.pools_max) {
                    let forth = [(pool, base, other), (way_back.pool, other, base)];
                    let back = [(way_back.pool, base, other), (pool, other, base)];
                    let sized =
                        |route: &[(PoolId, TokenId, TokenId)]| size_route(market, self.index, route, self.profit_min);
                    self.found.extend([sized(&forth), sized(&back)].into_iter().flatten());
                }
            }
        }
    }
}

impl Strategy for OwnStrategy {
    fn name(&self) -> &'static str {
        KIND.name()
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        match event {
            // Not only what messages were about: a fee or a curve may move with time, and a pool stand on another.
            MarketEvent::BlockEnded => {
                self.note_written(market);
                self.search(market, out);
            }
            MarketEvent::PoolStanding(_) if market.replica().is_whole() => self.note_written(market),
            MarketEvent::SnapshotReady => {
                self.note_all(market);
                self.search(market, out);
            }
            // Blocks that replace the abandoned ones follow; what changed since is not told pool by pool.
            MarketEvent::Reorged => self.note_all(market),
            MarketEvent::Reset => self.changed.clear(),
            _ => {}
        }
    }
}
