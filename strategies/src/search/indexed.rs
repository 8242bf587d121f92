//! Search over a list of every route: what is profitable is kept from block to block, and looked at again where a pool changed.

use alphapulse_protocol::{AddressBytes, TokenId};
use ruint::aliases::U256;

use super::stamps::StampSet;
use super::touched::{Due, Touched, known_tokens};
use super::{best_first, evaluate};
use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::route::CycleIndex;
use crate::strategy::StrategyConfig;

/// The profitable routes of a market; reports as [`BoundedSearch`](super::BoundedSearch) does.
#[derive(Debug)]
pub(crate) struct IndexedSearch {
    strategy: u16,
    hops_max: usize,
    profit_min: U256,
    per_block_max: usize,
    token_addresses: Vec<AddressBytes>,
    tokens: Vec<TokenId>,
    index: CycleIndex,
    /// [`Market::topology`] that `index` was built from.
    topology: Option<u64>,
    touched: Touched,
    live: Vec<Opportunity>,
    /// Positions in `live`, in order of report.
    order: Vec<u32>,
    routes_seen: StampSet,
    pools_used: StampSet,
}

impl IndexedSearch {
    pub(crate) fn new(config: &StrategyConfig, strategy: u16, hops_max: u8) -> Self {
        Self {
            strategy,
            hops_max: usize::from(hops_max),
            profit_min: config.profit_min,
            per_block_max: config.per_block_max,
            token_addresses: config.tokens.clone(),
            tokens: Vec::new(),
            index: CycleIndex::default(),
            topology: None,
            touched: Touched::default(),
            live: Vec::new(),
            order: Vec::new(),
            routes_seen: StampSet::default(),
            pools_used: StampSet::default(),
        }
    }

    pub(crate) fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        let due = self.touched.note(market, event);
        if due == Due::Nothing {
            return;
        }
        if due == Due::Everything || self.topology != Some(market.topology()) {
            self.rebuild(market);
            self.look_everywhere(market);
        } else {
            self.look_again(market);
        }
        self.touched.clear(market);
        self.report(out);
    }

    /// How many enumerations of routes the index's bound cut short.
    pub(crate) const fn cuts(&self) -> u32 {
        self.index.cuts()
    }

    #[cold]
    fn rebuild(&mut self, market: &Market) {
        known_tokens(market, &self.token_addresses, &mut self.tokens);
        let pool_count = market.replica().pools().len();
        self.index = CycleIndex::build(market.graph(), &self.tokens, self.hops_max, pool_count);
        self.topology = Some(market.topology());
        self.routes_seen.resize(self.index.len());
        self.pools_used.resize(pool_count);
    }

    #[cold]
    fn look_everywhere(&mut self, market: &Market) {
        self.live.clear();
        for route in (0..).take(self.index.len()) {
            self.look_at(market, route);
        }
    }

    fn look_again(&mut self, market: &Market) {
        let touched = &self.touched;
        self.live.retain(|live| live.hops().iter().all(|hop| !touched.contains(hop.pool)));
        self.routes_seen.clear();
        for at in 0..self.touched.pools().len() {
            let pool = self.touched.pools()[at];
            for member in 0..self.index.through(pool).len() {
                let route = self.index.through(pool)[member];
                if self.routes_seen.insert(route as usize) {
                    self.look_at(market, route);
                }
            }
        }
    }

    fn look_at(&mut self, market: &Market, route: u32) {
        self.live.extend(evaluate(market, self.index.legs(route), self.profit_min, self.strategy));
    }

    fn report(&mut self, out: &mut OpportunitySink) {
        self.order.clear();
        self.order.extend((0..).take(self.live.len()));
        let (live, tokens) = (&self.live, &self.tokens);
        let rank = |found: &Opportunity| tokens.iter().position(|token| *token == found.token);
        self.order.sort_unstable_by(|a, b| {
            let (a, b) = (&live[*a as usize], &live[*b as usize]);
            rank(a).cmp(&rank(b)).then_with(|| best_first(a, b))
        });
        self.pools_used.clear();
        let mut left = self.per_block_max;
        for at in &self.order {
            let opportunity = &live[*at as usize];
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
