//! Search that proves most blocks to hold nothing new, and looks for the best routes where it cannot.

use alphapulse_protocol::{AddressBytes, TokenId};
use ruint::aliases::U256;

use super::Best;
use super::bounded::BoundedRoutes;
use super::touched::{Due, Touched, known_tokens};
use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::strategy::StrategyConfig;

/// The best routes of a market that share no pool.
///
/// After every whole block at the head, what is reported depends on the market's state alone, not on how it came
/// about: routes that stayed profitable are reported again, so that one which could not be taken is not forgotten.
/// Best first within a token, tokens as configured; a route that shares a pool with one reported before is left out.
#[derive(Debug)]
pub(crate) struct BoundedSearch {
    profit_min: U256,
    per_block_max: usize,
    token_addresses: Vec<AddressBytes>,
    tokens: Vec<TokenId>,
    routes: BoundedRoutes,
    /// [`Market::topology`] that `routes` knows.
    topology: Option<u64>,
    touched: Touched,
    /// As reported last, in order.
    selected: Vec<Opportunity>,
    best: Best,
    cuts: u32,
}

impl BoundedSearch {
    pub(crate) fn new(config: &StrategyConfig, strategy: u16, hops_max: u8) -> Self {
        Self {
            profit_min: config.profit_min,
            per_block_max: config.per_block_max,
            token_addresses: config.tokens.clone(),
            tokens: Vec::new(),
            routes: BoundedRoutes::new(usize::from(hops_max)),
            topology: None,
            touched: Touched::default(),
            selected: Vec::with_capacity(config.per_block_max),
            best: Best::new(strategy),
            cuts: 0,
        }
    }

    pub(crate) fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        match self.touched.note(market, event) {
            Due::Nothing => {
                // Between a block that was looked at and the next one there is time.
                if matches!(event, MarketEvent::BlockBegun) {
                    self.routes.write(market);
                }
                return;
            }
            Due::Everything => {
                known_tokens(market, &self.token_addresses, &mut self.tokens);
                self.routes.rebuild(market, &self.tokens);
                self.select(market);
            }
            Due::Touched => self.follow(market),
        }
        self.topology = Some(market.topology());
        self.touched.clear(market);
        for selected in &self.selected {
            out.push(*selected);
        }
    }

    /// 1 if the last search gave up before its end, so that routes may be missing.
    pub(crate) const fn cuts(&self) -> u32 {
        self.cuts
    }

    fn follow(&mut self, market: &Market) {
        // What was proven of the last report holds while the search knows what it knew then.
        let mut is_other = self.cuts > 0;
        if self.topology != Some(market.topology()) {
            known_tokens(market, &self.token_addresses, &mut self.tokens);
            is_other |= self.routes.extend(market, &self.tokens);
        }
        let Self { routes, touched, tokens, selected, profit_min, .. } = self;
        is_other |= routes.refit_if_due(market, tokens);
        is_other |= routes.refresh(market, touched.pools(), tokens);
        let is_selected = |pool| selected.iter().any(|route| route.uses(pool));
        // A route that was not selected is not missed, and none that earns enough goes through such a pool now.
        let mut is_of_no_account =
            |pool| !is_selected(pool) && routes.is_ruled_out(market, pool, tokens, f64::from(*profit_min));
        let pools = touched.pools();
        if is_other || !pools.iter().all(|pool| is_of_no_account(*pool)) {
            self.select(market);
        }
    }

    /// Takes the best route that shares no pool with one taken before, again and again.
    fn select(&mut self, market: &Market) {
        self.selected.clear();
        self.cuts = 0;
        for at in 0..self.tokens.len() {
            while self.selected.len() < self.per_block_max && self.take_best(market, self.tokens[at]) {}
        }
        self.routes.release(market);
    }

    /// Takes the best route from a token, if there is one. Routes through a pool that changed share it, so that one at a time is enough,
    /// and the search for it the shortest.
    fn take_best(&mut self, market: &Market, token: TokenId) -> bool {
        self.best.begin(1, self.profit_min);
        let is_cut = self.routes.best(market, token, &mut self.best);
        self.cuts = self.cuts.max(u32::from(is_cut));
        let Some(found) = self.best.sorted().first() else { return false };
        for hop in found.hops() {
            self.routes.bar(market, hop.pool);
        }
        self.selected.push(*found);
        true
    }
}
