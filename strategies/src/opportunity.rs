//! What a strategy reports: a closed route with its exact amounts, and the bounded sink it is reported to.

use alphapulse_protocol::message::{self, HopRecord, OPPORTUNITY_HOPS_MAX};
use alphapulse_protocol::{BlockRef, OpportunityId, PoolId, TokenId};
use ruint::aliases::U256;
use thiserror::Error;

use crate::market::Market;

/// Most hops of a route that is looked for.
pub const HOPS_MAX: usize = 6;

/// Most hops of a route that can be traded: what a record holds, and an executor swaps.
pub const TRADED_HOPS_MAX: usize = OPPORTUNITY_HOPS_MAX;

/// One swap of a route. The amounts are the pool's own quote of each other, exact in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Pool swapped in.
    pub pool: PoolId,
    /// Token paid.
    pub token_in: TokenId,
    /// Token received.
    pub token_out: TokenId,
    /// Raw units paid; the previous hop's `amount_out`.
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
    /// A pool of the route may not be traded.
    #[error("pool {pool} is not admitted", pool = pool.0)]
    NotAdmitted {
        /// The pool.
        pool: PoolId,
    },
    /// The pool does not give that for that.
    #[error("the amounts are not the quotes of pool {pool}", pool = pool.0)]
    NotReproducible {
        /// The pool.
        pool: PoolId,
    },
}

/// A closed route that gives back more than it takes, before gas.
///
/// Holds by construction: `2..=HOPS_MAX` hops, each paying what the one before received, the first paying and the last
/// receiving the same token, no pool twice, profit above zero. That the amounts are the pools' quotes is the maker's
/// part, which [`Opportunity::check`] holds against a market.
#[derive(Debug, Clone, Copy)]
pub struct Opportunity {
    /// Index of the strategy in the node's configuration.
    pub strategy: u16,
    /// Token in which the route starts, ends and profits.
    pub token: TokenId,
    hop_count: u8,
    hops: [Hop; HOPS_MAX],
}

impl Opportunity {
    /// An opportunity over `hops`, or `None` when they are not a profitable closed route.
    #[must_use]
    pub fn new(strategy: u16, hops: &[Hop]) -> Option<Self> {
        let hop_count = u8::try_from(hops.len()).ok().filter(|count| (2..=HOPS_MAX).contains(&usize::from(*count)))?;
        let (first, last) = (hops.first()?, hops.last()?);
        let is_chained = hops
            .windows(2)
            .all(|pair| pair[0].token_out == pair[1].token_in && pair[0].amount_out == pair[1].amount_in);
        let is_repeated = |(at, hop): (usize, &Hop)| hops[..at].iter().any(|before| before.pool == hop.pool);
        let is_closed = last.token_out == first.token_in && last.amount_out > first.amount_in;
        if !is_chained || !is_closed || hops.iter().enumerate().any(is_repeated) {
            return None;
        }
        let mut all = [Hop::UNUSED; HOPS_MAX];
        all[..hops.len()].copy_from_slice(hops);
        Some(Self { strategy, token: first.token_in, hop_count, hops: all })
    }

    /// The swaps in order.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops[..usize::from(self.hop_count)]
    }

    /// Raw units paid into the first hop.
    #[must_use]
    pub const fn amount_in(&self) -> U256 {
        self.hops[0].amount_in
    }

    /// Raw units received from the last hop; above [`Opportunity::amount_in`].
    #[must_use]
    pub const fn amount_out(&self) -> U256 {
        self.hops[self.hop_count as usize - 1].amount_out
    }

    /// Raw units gained, before gas; above zero.
    #[must_use]
    pub const fn profit(&self) -> U256 {
        self.amount_out().wrapping_sub(self.amount_in())
    }

    /// Holds it against a market: that every pool is admitted and every amount is the pool's own quote. Shape and profit hold by construction.
    ///
    /// # Errors
    /// The [`Flaw`] of the first hop that has one.
    pub fn check(&self, market: &Market) -> Result<(), Flaw> {
        for hop in self.hops() {
            let pool = hop.pool;
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

    /// Whether the route uses the pool.
    #[must_use]
    pub fn uses(&self, pool: PoolId) -> bool {
        self.hops().iter().any(|hop| hop.pool == pool)
    }

    /// Whether it is short enough to be traded.
    #[must_use]
    pub const fn is_tradable(&self) -> bool {
        self.hop_count as usize <= TRADED_HOPS_MAX
    }

    /// The same as a journal record, found on the state after `block`; `None` for one of more than [`TRADED_HOPS_MAX`] hops.
    #[must_use]
    pub fn to_message(&self, id: OpportunityId, block: BlockRef) -> Option<message::Opportunity> {
        let record = |hop: &Hop| HopRecord::new(hop.pool, hop.token_in, hop.token_out, hop.amount_in, hop.amount_out);
        let mut records = [record(&self.hops[0]); TRADED_HOPS_MAX];
        let used = records.get_mut(..self.hops().len())?;
        for (record_at, hop) in used.iter_mut().zip(self.hops()) {
            *record_at = record(hop);
        }
        message::Opportunity::new(id, self.strategy, block, self.token, used)
    }
}

impl PartialEq for Opportunity {
    fn eq(&self, other: &Self) -> bool {
        self.strategy == other.strategy && self.hops() == other.hops()
    }
}

impl Eq for Opportunity {}

/// Where strategies put what they found: bounded, owned by the caller, used again for every event.
///
/// Full means: the newest is refused, counted, and its strategy told. Strategies report best first, so the least is lost. A route
/// of more than [`TRADED_HOPS_MAX`] hops is refused and counted likewise: nobody could trade it.
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

    /// Takes an opportunity; `false` when the sink is full, or the route too long.
    pub fn push(&mut self, opportunity: Opportunity) -> bool {
        let is_taken = self.found.len() < self.capacity && opportunity.is_tradable();
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

    /// Opportunities refused, for want of room or for their length, since the sink was made.
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
    fn the_record_says_the_same() {
        let hops = [hop(0, 5, 6, 10, 20), hop(1, 6, 7, 20, 30), hop(2, 7, 5, 30, 11)];
        let found = Opportunity::new(3, &hops).expect("closed, chained, profitable");
        let record = found.to_message(OpportunityId(9), BlockRef::default()).expect("three hops");
        assert_eq!(record.profit(), found.profit());
        assert_eq!(record.hops().len(), 3);
        assert_eq!(record.hops()[2].amount_out.get(), U256::from(11));
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

    #[test]
    fn a_route_that_no_record_holds_is_found_and_not_traded() {
        let chain = |count: u32| -> Vec<Hop> {
            let token = |at: u32| if at == count { 0 } else { at };
            (0..count).map(|at| hop(at, token(at), token(at + 1), 10 + u64::from(at), 11 + u64::from(at))).collect()
        };
        let found = |count: u32| Opportunity::new(0, &chain(count));
        let mut sink = OpportunitySink::new(9);
        let longest = found(4).expect("a closed route");
        assert!(sink.push(longest) && longest.to_message(OpportunityId(1), BlockRef::default()).is_some());
        for count in 5..=6 {
            let long = found(count).expect("a closed route");
            assert!(!sink.push(long) && long.to_message(OpportunityId(1), BlockRef::default()).is_none());
        }
        assert_eq!((found(7), sink.refused()), (None, 2));
    }
}
