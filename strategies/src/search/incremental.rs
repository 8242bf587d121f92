//! Search that only looks again where something changed, and reports as if it had looked everywhere.

use alphapulse_protocol::{AddressBytes, PoolId, TokenId};
use ruint::aliases::U256;

use super::{best_first, evaluate};
use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::route::CycleIndex;
use crate::strategy::StrategyConfig;

/// A route known to be profitable.
#[derive(Debug)]
struct Live {
    route: u32,
    opportunity: Opportunity,
}

/// Set of small integers that is emptied in no time: a member carries the current stamp.
#[derive(Debug, Default)]
struct StampSet {
    stamps: Vec<u32>,
    stamp: u32,
}

impl StampSet {
    fn resize(&mut self, len: usize) {
        self.stamps.clear();
        self.stamps.resize(len, 0);
        self.stamp = 0;
    }

    fn clear(&mut self) {
        if self.stamp == u32::MAX {
            self.resize(self.stamps.len());
        }
        self.stamp += 1;
    }

    /// Whether it was not a member before.
    fn insert(&mut self, member: usize) -> bool {
        let is_new = self.stamps[member] != self.stamp;
        self.stamps[member] = self.stamp;
        is_new
    }

    fn contains(&self, member: usize) -> bool {
        self.stamps[member] == self.stamp
    }
}

/// The profitable routes of a market, kept from block to block.
///
/// After every whole block at the head, what is reported depends on the market's state alone, not on how it came
/// about: routes that stayed profitable are reported again, so that one which could not be taken is not forgotten.
/// Best first within a token, tokens as configured; a route that shares a pool with one reported before is left out.
#[derive(Debug)]
pub(crate) struct CycleSearch {
    strategy: u16,
    hops_max: usize,
    profit_min: U256,
    per_block_max: usize,
    token_addresses: Vec<AddressBytes>,
    index: CycleIndex,
    /// [`Market::topology`] that `index` was built from.
    topology: Option<u64>,
    /// Pools changed since the last search, perhaps repeated.
    touched: Vec<PoolId>,
    /// Whether more may have changed than `touched` says.
    is_all_touched: bool,
    live: Vec<Live>,
    /// Positions in `live`, in order of report.
    order: Vec<u32>,
    routes_seen: StampSet,
    pools_used: StampSet,
}

impl CycleSearch {
    pub(crate) fn new(config: &StrategyConfig, strategy: u16, hops_max: usize) -> Self {
        Self {
            strategy,
            hops_max,
            profit_min: config.profit_min,
            per_block_max: config.per_block_max,
            token_addresses: config.tokens.clone(),
            index: CycleIndex::default(),
            topology: None,
            touched: Vec::new(),
            is_all_touched: true,
            live: Vec::new(),
            order: Vec::new(),
            routes_seen: StampSet::default(),
            pools_used: StampSet::default(),
        }
    }

    pub(crate) fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        match event {
            MarketEvent::None | MarketEvent::BlockBegun => {}
            MarketEvent::Reset | MarketEvent::Reorged => self.touch_all(),
            MarketEvent::PoolChanged(pool) | MarketEvent::PoolAdded(pool) | MarketEvent::PoolStanding(pool) => {
                self.touch(market, *pool);
            }
            MarketEvent::SnapshotReady => {
                self.touch_all();
                self.search(market, out);
            }
            MarketEvent::BlockEnded => self.search(market, out),
        }
    }

    /// How many enumerations of routes the index's bound cut short.
    pub(crate) const fn cuts(&self) -> u32 {
        self.index.cuts()
    }

    fn touch_all(&mut self) {
        self.is_all_touched = true;
        self.touched.clear();
    }

    /// Also while the market is not at the head: what changed then has still to be looked at when it is.
    fn touch(&mut self, market: &Market, pool: PoolId) {
        if self.is_all_touched {
            return;
        }
        if self.touched.len() < market.replica().pools().len() {
            self.touched.push(pool);
        } else {
            self.touch_all();
        }
    }

    fn search(&mut self, market: &Market, out: &mut OpportunitySink) {
        if !market.replica().is_tradable() {
            return;
        }
        if self.topology != Some(market.topology()) {
            self.rebuild(market);
        }
        if self.is_all_touched {
            self.look_everywhere(market);
        } else {
            self.look_again(market);
        }
        self.is_all_touched = false;
        self.touched.clear();
        self.report(out);
    }

    #[cold]
    fn rebuild(&mut self, market: &Market) {
        let replica = market.replica();
        let mut tokens: Vec<TokenId> = Vec::new();
        for address in &self.token_addresses {
            // A token without pools is not known to the stream, or not yet.
            tokens.extend(replica.token_by_address(address).filter(|token| !tokens.contains(token)));
        }
        let pool_count = replica.pools().len();
        self.index = CycleIndex::build(market.graph(), &tokens, self.hops_max, pool_count);
        self.topology = Some(market.topology());
        self.routes_seen.resize(self.index.len());
        self.pools_used.resize(pool_count);
        self.touched.reserve(pool_count);
        self.touch_all();
    }

    #[cold]
    fn look_everywhere(&mut self, market: &Market) {
        self.live.clear();
        for route in (0..).take(self.index.len()) {
            self.look_at(market, route);
        }
    }

    fn look_again(&mut self, market: &Market) {
        let known = self.live.len();
        self.routes_seen.clear();
        for at in 0..self.touched.len() {
            let pool = self.touched[at];
            for member in 0..self.index.through(pool).len() {
                let route = self.index.through(pool)[member];
                if self.routes_seen.insert(route as usize) {
                    self.look_at(market, route);
                }
            }
        }
        let mut at = 0;
        self.live.retain(|live| {
            let is_outdated = at < known && self.routes_seen.contains(live.route as usize);
            at += 1;
            !is_outdated
        });
    }

    fn look_at(&mut self, market: &Market, route: u32) {
        let found = evaluate(market, self.index.legs(route), self.profit_min, self.strategy);
        self.live.extend(found.map(|opportunity| Live { route, opportunity }));
    }

    fn report(&mut self, out: &mut OpportunitySink) {
        self.order.clear();
        self.order.extend((0..).take(self.live.len()));
        let (live, index) = (&self.live, &self.index);
        self.order.sort_unstable_by(|a, b| {
            let (a, b) = (&live[*a as usize], &live[*b as usize]);
            let by_token = index.token_rank(a.route).cmp(&index.token_rank(b.route));
            by_token.then_with(|| best_first(&a.opportunity, &b.opportunity))
        });
        self.pools_used.clear();
        let mut left = self.per_block_max;
        for at in &self.order {
            let opportunity = &live[*at as usize].opportunity;
            if left == 0 {
                break;
            }
            if opportunity.hops().iter().any(|hop| self.pools_used.contains(hop.pool.index())) {
                continue;
            }
            for hop in opportunity.hops() {
                self.pools_used.insert(hop.pool.index());
            }
            out.push(*opportunity);
            left -= 1;
        }
    }
}
