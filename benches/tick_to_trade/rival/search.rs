//! The rival's search: every known route through a touched pool, the promising ones sized on exact quotes.

use alloy::primitives::map::AddressMap;
use alloy::primitives::{Address, I256, U256};
use alphapulse_engine::execution::calldata::{LEGS_MAX, Leg, Plan};

use super::block_max;
use super::book::Book;
use crate::feed::{self, LogBlock};
use crate::market::{NATIVE, World};
use crate::ours::{GAS, HOPS_MAX, NET_MIN, PRIORITY_FEE};

/// Part of the first pool's reserve with which sizing begins, as a power of two: a gap of a few basis points.
const START_BITS: usize = 12;
/// Part of the bracket at which sizing ends, as a power of two. Profit is flat at the top: an input that is off by a
/// thousandth costs a millionth of it.
const PRECISION_BITS: usize = 10;

type Step = (Address, bool);

/// A route and what it earns.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) steps: Vec<Step>,
    pub(crate) amount_in: U256,
    pub(crate) profit: U256,
    /// Routes that were sized to find it.
    pub(crate) sized: u64,
}

/// State, routes, and the search over both.
#[derive(Debug)]
pub(super) struct Searcher {
    book: Book,
    routes: Vec<Vec<Step>>,
    /// Positions in `routes` by pool.
    by_pool: AddressMap<Vec<usize>>,
    touched: Vec<usize>,
}

impl Searcher {
    pub(super) fn new(world: &World) -> Self {
        let routes = Routes::of(world);
        let mut by_pool: AddressMap<Vec<usize>> = AddressMap::default();
        for (at, route) in routes.iter().enumerate() {
            for (pool, _) in route {
                by_pool.entry(*pool).or_default().push(at);
            }
        }
        Self { book: Book::new(world), routes, by_pool, touched: Vec::new() }
    }

    /// Takes the logs of a block; the best trade that they open, if any pays for its gas, with its gas limit.
    pub(super) fn on_block(&mut self, block: &LogBlock) -> Option<(Found, Plan, u64)> {
        self.touched.clear();
        for log in &block.logs {
            if self.book.apply(log) {
                self.touched.extend(self.by_pool.get(&log.address()).into_iter().flatten());
            }
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        let (mut best, mut sized): (Option<Found>, u64) = (None, 0);
        for at in &self.touched {
            let route = &self.routes[*at];
            if !self.is_promising(route) {
                continue;
            }
            sized += 1;
            let (amount_in, net) = self.size(route);
            let profit = U256::try_from(net).unwrap_or_default();
            if profit > best.as_ref().map_or(U256::ZERO, |best| best.profit) {
                best = Some(Found { steps: route.clone(), amount_in, profit, sized });
            }
        }
        let found = Found { sized, ..best? };
        let gas = self.gas(&found.steps);
        let price = block.context.next_base_fee().0 + PRIORITY_FEE.0;
        let least = U256::from(u128::from(gas) * price + NET_MIN.0);
        if found.profit < least {
            return None;
        }
        let plan = self.plan(&found, least, block.context.number.get());
        Some((found, plan, gas + gas * 3 / 8))
    }

    fn is_promising(&self, route: &[Step]) -> bool {
        route.iter().map(|(pool, zero_for_one)| self.book.get(pool).rate(*zero_for_one)).product::<f64>() > 1.0
    }

    /// The input with the highest profit, and that profit, which is concave in the input: doubles the input while that
    /// pays, then narrows the bracket by golden sections. Starting small spares the V3 pools the crossing of many ticks.
    fn size(&self, route: &[Step]) -> (U256, I256) {
        let (first, zero_for_one) = &route[0];
        let mut middle = (self.book.get(first).reserve_in(*zero_for_one) >> START_BITS).max(U256::ONE);
        let (mut low, mut high) = (U256::ZERO, middle << 1);
        let (mut net_middle, mut net_high) = (self.net(route, middle), self.net(route, high));
        while net_high > net_middle {
            (low, middle, net_middle) = (middle, high, net_high);
            high <<= 1;
            net_high = self.net(route, high);
        }
        let precision = high >> PRECISION_BITS;
        let (mut left, mut right) = (high - golden(high - low), low + golden(high - low));
        let (mut net_left, mut net_right) = (self.net(route, left), self.net(route, right));
        while high - low > precision && left < right {
            if net_left < net_right {
                (low, left, net_left) = (left, right, net_right);
                right = low + golden(high - low);
                net_right = self.net(route, right);
            } else {
                (high, right, net_right) = (right, left, net_left);
                left = high - golden(high - low);
                net_left = self.net(route, left);
            }
        }
        if net_left < net_right { (right, net_right) } else { (left, net_left) }
    }

    fn net(&self, route: &[Step], amount_in: U256) -> I256 {
        let output = route.iter().fold(amount_in, |amount, (pool, dir)| self.book.get(pool).quote(*dir, amount));
        // No pool holds 2^255 of anything.
        I256::from_raw(output) - I256::from_raw(amount_in)
    }

    fn gas(&self, route: &[Step]) -> u64 {
        let leg = |(pool, _): &Step| if self.book.get(pool).is_v3() { GAS.v3_leg.0 } else { GAS.v2_leg.0 };
        GAS.base.0 + route.iter().map(leg).sum::<u64>()
    }

    fn plan(&self, found: &Found, profit_min: U256, number: u64) -> Plan {
        let mut legs = [Leg::default(); LEGS_MAX];
        for (leg, (pool, zero_for_one)) in legs.iter_mut().zip(&found.steps) {
            let pool = self.book.get(pool);
            let (token_in, token_out) = pool.direction(*zero_for_one);
            *leg = Leg { venue: pool.venue, token_in, token_out, fee: if pool.is_v3() { pool.fee_ppm } else { 0 } };
        }
        let legs = &legs[..found.steps.len()];
        Plan::new(number, block_max(number), found.amount_in, profit_min, legs).expect("routes are closed")
    }
}

/// Enumerates the closed routes of a market from its native token.
struct Routes<'a> {
    world: &'a World,
    /// Pools by token, with the other token.
    neighbours: Vec<Vec<(usize, usize)>>,
    routes: Vec<Vec<Step>>,
}

impl Routes<'_> {
    fn of(world: &World) -> Vec<Vec<Step>> {
        let mut neighbours = vec![Vec::new(); world.token_count()];
        for (pool, described) in world.pools.iter().enumerate() {
            let [a, b] = described.tokens;
            neighbours[a].push((pool, b));
            neighbours[b].push((pool, a));
        }
        let mut routes = Routes { world, neighbours, routes: Vec::new() };
        routes.extend(NATIVE, &mut Vec::new());
        routes.routes
    }

    fn extend(&mut self, token: usize, pools: &mut Vec<(usize, bool)>) {
        for at in 0..self.neighbours[token].len() {
            let (pool, other) = self.neighbours[token][at];
            if pools.iter().any(|(known, _)| *known == pool) {
                continue;
            }
            pools.push((pool, self.world.pools[pool].tokens[0] == token));
            if other == NATIVE && pools.len() > 1 {
                self.routes.push(pools.iter().map(|(pool, dir)| (feed::pool_address(*pool), *dir)).collect());
            } else if other != NATIVE && pools.len() < usize::from(HOPS_MAX) {
                self.extend(other, pools);
            }
            pools.pop();
        }
    }
}

/// The golden section of a length, 0.618 of it.
fn golden(length: U256) -> U256 {
    (length * U256::from(633)) >> 10
}
