//! What a strategy reports: swaps that gain together, with their exact amounts, and the bounded sink they are reported to.

use alphapulse_protocol::message::{self, HopRecord, Message, OPPORTUNITY_HOPS_MAX, PLAN_SWAPS_MAX, WireMessage};
use alphapulse_protocol::{BlockRef, OpportunityId, PoolId, Sequence, TokenId, UnixNanos};
use ruint::aliases::U256;
use thiserror::Error;

use crate::market::Market;

/// Most hops of a route that is looked for.
pub const HOPS_MAX: usize = 6;

/// Most swaps of an opportunity: what a record holds, and an executor makes in one transaction.
pub const SWAPS_MAX: usize = PLAN_SWAPS_MAX;

/// One swap of an opportunity. The amounts are the pool's own quote of each other, exact in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Pool swapped in.
    pub pool: PoolId,
    /// Token paid.
    pub token_in: TokenId,
    /// Token received.
    pub token_out: TokenId,
    /// Raw units paid; of a route, the previous hop's `amount_out`.
    pub amount_in: U256,
    /// Raw units received.
    pub amount_out: U256,
}

impl Hop {
    const UNUSED: Self = Self {
        pool: PoolId(0),
        token_in: TokenId(0),
        token_out: TokenId(0),
        amount_in: U256::ZERO,
        amount_out: U256::ZERO,
    };
}

/// What is wrong with an opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// A pool of the opportunity may not be traded.
    #[error("pool {pool} is not admitted", pool = pool.0)]
    NotAdmitted {
        /// The pool.
        pool: PoolId,
    },
    /// The pool does not give that for that, or not once the swaps before are made: one of their pools stands on this one, or the other way.
    #[error("the amounts are not the quotes of pool {pool}", pool = pool.0)]
    NotReproducible {
        /// The pool.
        pool: PoolId,
    },
}

/// Swaps that give back more than they take, before gas: a closed route, or a plan of swaps that balance together.
///
/// Holds by construction: `2..=SWAPS_MAX` swaps, no pool twice, no swap of a token for itself, in every token but `token` at least as much
/// brought as paid, and in `token` more. That the amounts are the pools' quotes is the maker's part, which [`Opportunity::check`] holds
/// against a market.
#[derive(Debug, Clone, Copy)]
pub struct Opportunity {
    /// Index of the strategy in the node's configuration.
    pub strategy: u16,
    /// Token in which it profits.
    pub token: TokenId,
    hop_count: u8,
    amount_in: U256,
    amount_out: U256,
    hops: [Hop; SWAPS_MAX],
}

impl Opportunity {
    /// The opportunity of a closed route: each hop pays all that the one before received, and the last receives the token that the first
    /// pays. `None` when the hops are not that, or gain nothing.
    #[must_use]
    pub fn new(strategy: u16, hops: &[Hop]) -> Option<Self> {
        let found = Self::plan(strategy, hops.first()?.token_in, hops)?;
        found.is_route().then_some(found)
    }

    /// The opportunity of swaps in an order in which they can be made, some of them perhaps on credit; `None` when they do not balance, or
    /// gain nothing in `token`.
    #[must_use]
    pub fn plan(strategy: u16, token: TokenId, swaps: &[Hop]) -> Option<Self> {
        let hop_count =
            u8::try_from(swaps.len()).ok().filter(|count| (2..=SWAPS_MAX).contains(&usize::from(*count)))?;
        let is_repeated = |(at, swap): (usize, &Hop)| swaps[..at].iter().any(|before| before.pool == swap.pool);
        if swaps.iter().any(|swap| swap.token_in == swap.token_out) || swaps.iter().enumerate().any(is_repeated) {
            return None;
        }
        let balances = |of: &Hop| {
            let [paid, got] = flow(swaps, of.token_in)?;
            Some(of.token_in == token || got >= paid)
        };
        if !swaps.iter().all(|swap| balances(swap) == Some(true)) {
            return None;
        }
        let [amount_in, amount_out] = flow(swaps, token)?;
        let mut all = [Hop::UNUSED; SWAPS_MAX];
        all[..swaps.len()].copy_from_slice(swaps);
        let found = Self { strategy, token, hop_count, amount_in, amount_out, hops: all };
        (amount_out > amount_in).then_some(found)
    }

    /// Whether each swap pays all that the one before received, the first and the last in `token`.
    #[must_use]
    pub fn is_route(&self) -> bool {
        let hops = self.hops();
        let is_chained =
            |pair: &[Hop]| pair[0].token_out == pair[1].token_in && pair[0].amount_out == pair[1].amount_in;
        hops.windows(2).all(is_chained)
            && hops[0].token_in == self.token
            && hops[hops.len() - 1].token_out == self.token
    }

    /// The swaps in order.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops[..usize::from(self.hop_count)]
    }

    /// Raw units of the token that its swaps pay, together.
    #[must_use]
    pub const fn amount_in(&self) -> U256 {
        self.amount_in
    }

    /// Raw units of the token that its swaps bring; above [`Opportunity::amount_in`].
    #[must_use]
    pub const fn amount_out(&self) -> U256 {
        self.amount_out
    }

    /// Raw units gained, before gas; above zero.
    #[must_use]
    pub const fn profit(&self) -> U256 {
        self.amount_out.wrapping_sub(self.amount_in)
    }

    /// Holds it against a market: that every pool is admitted and every amount is the pool's own quote. Shape and profit hold by construction.
    ///
    /// # Errors
    /// The [`Flaw`] of the first swap that has one.
    pub fn check(&self, market: &Market) -> Result<(), Flaw> {
        for (at, hop) in self.hops().iter().enumerate() {
            let pool = hop.pool;
            if !self.hops[..at].iter().all(|before| market.are_apart(before.pool, pool)) {
                return Err(Flaw::NotReproducible { pool });
            }
            if !market.is_admitted(pool) {
                return Err(Flaw::NotAdmitted { pool });
            }
            let way = market.way(pool, hop.token_in, hop.token_out);
            let output = way.and_then(|way| market.pool(pool)?.hop_output(way, hop.amount_in, market.timestamp()));
            if output != Ok(hop.amount_out) {
                return Err(Flaw::NotReproducible { pool });
            }
        }
        Ok(())
    }

    /// Whether one of its swaps is in the pool.
    #[must_use]
    pub fn uses(&self, pool: PoolId) -> bool {
        self.hops().iter().any(|hop| hop.pool == pool)
    }

    /// The same as a journal record, found on the state after `block`.
    #[must_use]
    pub fn to_record(&self, id: OpportunityId, block: BlockRef) -> Option<OpportunityRecord> {
        let record = |hop: &Hop| HopRecord::new(hop.pool, hop.token_in, hop.token_out, hop.amount_in, hop.amount_out);
        let mut records = [record(&self.hops[0]); SWAPS_MAX];
        let used = &mut records[..self.hops().len()];
        for (record_at, hop) in used.iter_mut().zip(self.hops()) {
            *record_at = record(hop);
        }
        // A route that comes through its own token on the way pays more of it than goes into the first hop.
        let is_told_by_ends = self.is_route() && self.amount_in == self.hops[0].amount_in;
        if used.len() <= OPPORTUNITY_HOPS_MAX && is_told_by_ends {
            message::Opportunity::new(id, self.strategy, block, self.token, used).map(OpportunityRecord::Route)
        } else {
            message::SwapPlan::new(id, self.strategy, block, self.token, used).map(OpportunityRecord::Plan)
        }
    }
}

/// Raw units of a token that swaps pay and bring; `None` past 256 bits.
fn flow(swaps: &[Hop], token: TokenId) -> Option<[U256; 2]> {
    let mut paid = swaps.iter().filter(|swap| swap.token_in == token).map(|swap| swap.amount_in);
    let mut got = swaps.iter().filter(|swap| swap.token_out == token).map(|swap| swap.amount_out);
    Some([paid.try_fold(U256::ZERO, U256::checked_add)?, got.try_fold(U256::ZERO, U256::checked_add)?])
}

/// An opportunity as a journal record: short routes have one of their own.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of the decision path")]
pub enum OpportunityRecord {
    /// A route of at most [`OPPORTUNITY_HOPS_MAX`] hops.
    Route(message::Opportunity),
    /// Anything else.
    Plan(message::SwapPlan),
}

impl OpportunityRecord {
    /// The same, to be placed in a stream.
    #[must_use]
    pub fn stamped(self, sequence: Sequence, event_ns: UnixNanos) -> Self {
        match self {
            Self::Route(route) => Self::Route(route.stamped(sequence, event_ns)),
            Self::Plan(plan) => Self::Plan(plan.stamped(sequence, event_ns)),
        }
    }

    /// The record as a message.
    #[must_use]
    pub const fn message(&self) -> Message<'_> {
        match self {
            Self::Route(route) => Message::Opportunity(route),
            Self::Plan(plan) => Message::SwapPlan(plan),
        }
    }

    /// What it says.
    #[must_use]
    pub fn found(&self) -> message::Found<'_> {
        match self {
            Self::Route(route) => route.into(),
            Self::Plan(plan) => plan.into(),
        }
    }
}

impl PartialEq for Opportunity {
    fn eq(&self, other: &Self) -> bool {
        self.strategy == other.strategy && self.token == other.token && self.hops() == other.hops()
    }
}

impl Eq for Opportunity {}

/// Where strategies put what they found: bounded, owned by the caller, used again for every event.
///
/// Full means: the newest is refused, counted, and its strategy told. Strategies report best first, so the least is lost.
#[derive(Debug)]
pub struct OpportunitySink {
    found: Vec<Opportunity>,
    capacity: usize,
    refused: u64,
}

impl OpportunitySink {
    /// A sink for `capacity` opportunities, all memory taken now.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { found: Vec::with_capacity(capacity), capacity, refused: 0 }
    }

    /// Takes an opportunity; `false` when the sink is full.
    pub fn push(&mut self, opportunity: Opportunity) -> bool {
        let is_taken = self.found.len() < self.capacity;
        if is_taken {
            self.found.push(opportunity);
        } else {
            self.refused += 1;
        }
        is_taken
    }

    /// What was reported since the last [`OpportunitySink::clear`], in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Opportunity] {
        &self.found
    }

    /// Makes room for the next event; the count of refusals stays.
    pub fn clear(&mut self) {
        self.found.clear();
    }

    /// Opportunities refused for want of room since the sink was made.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(pool: u32, token_in: u32, token_out: u32, amount_in: u64, amount_out: u64) -> Hop {
        Hop {
            pool: PoolId(pool),
            token_in: TokenId(token_in),
            token_out: TokenId(token_out),
            amount_in: U256::from(amount_in),
            amount_out: U256::from(amount_out),
        }
    }

    #[test]
    fn only_a_profitable_closed_chain_is_an_opportunity() {
        let good = [hop(0, 5, 6, 10, 20), hop(1, 6, 5, 20, 11)];
        let found = Opportunity::new(3, &good).expect("closed, chained, profitable");
        assert_eq!((found.token, found.profit(), found.hops()), (TokenId(5), U256::ONE, &good[..]));

        let bad = [
            vec![hop(0, 5, 6, 10, 20), hop(1, 6, 5, 20, 10)],
            vec![hop(0, 5, 6, 10, 20), hop(1, 6, 5, 19, 11)],
            vec![hop(0, 5, 6, 10, 20), hop(1, 6, 7, 20, 11)],
            vec![hop(0, 5, 6, 10, 20), hop(0, 6, 5, 20, 11)],
            vec![hop(0, 5, 5, 10, 20)],
            vec![],
        ];
        for hops in bad {
            assert!(Opportunity::new(0, &hops).is_none(), "{hops:?}");
        }
    }

    #[test]
    fn swaps_that_balance_are_an_opportunity_in_any_order() {
        let split = [hop(0, 5, 6, 10, 20), hop(1, 5, 6, 7, 15), hop(2, 6, 5, 33, 19)];
        let found = Opportunity::plan(3, TokenId(5), &split).expect("they balance");
        assert_eq!((found.amount_in(), found.amount_out(), found.is_route()), (U256::from(17), U256::from(19), false));
        let [a, b, c] = split;
        let sold_first = Opportunity::plan(3, TokenId(5), &[c, b, a]).expect("they balance");
        assert_eq!((sold_first.profit(), sold_first.is_route()), (U256::from(2), false));

        let bad = [
            vec![a, b, hop(2, 6, 5, 36, 19)],
            vec![a, b, hop(2, 6, 5, 33, 17)],
            vec![a, b, hop(1, 6, 5, 33, 19)],
            vec![a, b, c, hop(3, 7, 7, 1, 1)],
            vec![a, b, c, hop(3, 7, 5, 1, 1)],
            vec![a],
        ];
        for swaps in bad {
            assert!(Opportunity::plan(0, TokenId(5), &swaps).is_none(), "{swaps:?}");
        }
        assert!(Opportunity::plan(0, TokenId(7), &split).is_none(), "a gain in no such token");
        let most =
            [(0, U256::MAX), (1, U256::ONE)].map(|(pool, amount_out)| Hop { amount_out, ..hop(pool, 5, 6, 1, 0) });
        assert!(Opportunity::plan(0, TokenId(6), &most).is_none(), "more than 256 bits hold");
    }

    #[test]
    fn the_record_says_the_same() {
        let chain = |count: u32| -> Vec<Hop> {
            let token = |at: u32| if at == count { 0 } else { at };
            (0..count).map(|at| hop(at, token(at), token(at + 1), 10 + u64::from(at), 11 + u64::from(at))).collect()
        };
        for (count, is_short) in [(2, true), (4, true), (5, false), (12, false)] {
            let found = Opportunity::new(3, &chain(count)).expect("closed, chained, profitable");
            let record = found.to_record(OpportunityId(9), BlockRef::default()).expect("at most twelve hops");
            let said = record.found();
            assert_eq!((said.opportunity, said.strategy, said.token), (OpportunityId(9), 3, TokenId(0)));
            assert_eq!((said.amount_in, said.profit()), (found.amount_in(), found.profit()));
            assert_eq!(said.hops.len(), found.hops().len());
            assert_eq!(said.hops[1].amount_out.get(), found.hops()[1].amount_out);
            assert_eq!(matches!(record, OpportunityRecord::Route(_)), is_short);
            assert_eq!(record.message().found(), Some(said));
        }
        assert_eq!(Opportunity::new(3, &chain(13)), None);
        let through = [hop(0, 0, 1, 10, 5), hop(1, 1, 0, 5, 11), hop(2, 0, 2, 11, 5), hop(3, 2, 0, 5, 13)];
        let found = Opportunity::new(3, &through).expect("closed, chained, profitable");
        let record = found.to_record(OpportunityId(9), BlockRef::default()).expect("four hops");
        assert!(matches!(record, OpportunityRecord::Plan(_)), "it pays 21, and not only what goes into its first hop");
        assert_eq!((record.found().amount_in, record.found().profit()), (U256::from(21), U256::from(3)));
    }

    #[test]
    fn a_full_sink_refuses_the_newest_and_counts_it() {
        let found = Opportunity::new(0, &[hop(0, 5, 6, 10, 20), hop(1, 6, 5, 20, 11)]).expect("profitable");
        let mut sink = OpportunitySink::new(1);
        assert!(sink.push(found));
        assert!(!sink.push(found));
        sink.clear();
        assert!(sink.push(found));
        assert_eq!((sink.as_slice().len(), sink.refused()), (1, 1));
    }
}
