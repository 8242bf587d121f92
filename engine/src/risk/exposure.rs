//! What is in flight, and what the days have earned or lost.
//!
//! A trade is open from its approval until the chain decides its nonce, and open again when a reorg takes that back.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use alphapulse_protocol::message::{Outcome, OutcomeStatus, PLAN_SWAPS_MAX};
use alphapulse_protocol::{BlockNumber, HashBytes, OpportunityId, U256, UnixNanos, Wei};

use super::Reject;

/// Nanoseconds of a UTC day.
pub const DAY_NS: u64 = 86_400_000_000_000;

/// Days whose result is kept: reorgs reach back minutes, not days.
const DAYS_KEPT: usize = 4;

/// A trade whose outcome is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// Opportunity of this run; `None` for a transaction of an earlier run.
    pub(super) opportunity: Option<OpportunityId>,
    /// Nonce, once signed.
    pub(super) nonce: Option<u64>,
    /// Token paid in.
    pub(super) token: Address,
    /// Raw units of `token` paid in.
    pub(super) notional: U256,
    /// Pools of the trade; unused ones repeat the first, none for a transaction of an earlier run.
    pub(super) pools: Option<[Address; PLAN_SWAPS_MAX]>,
    /// What it costs at worst.
    pub(super) cost_max: Wei,
    /// Whether its submission got no clear answer.
    pub(super) is_unknown: bool,
}

/// What the chain decided for a nonce; kept until final, so that a reorg can take it back.
#[derive(Debug, Clone)]
struct Booking {
    tx_hash: HashBytes,
    block_hash: HashBytes,
    block_number: u64,
    status: u16,
    day: u64,
    pnl: i128,
    open: Option<Open>,
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Change of the result of a day, in wei; negative for a loss, and for a profit that a reorg took back.
    pub pnl: i128,
    /// Set when this outcome stopped all trading.
    pub halted: Option<Reject>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Exposure {
    open: Vec<Open>,
    booked: BTreeMap<u64, Booking>,
    /// Result by UTC day, in wei.
    days: BTreeMap<u64, i128>,
    /// Newest day seen; never falls, so that a clock that goes back does not reopen a day.
    today: u64,
}

impl Exposure {
    pub(super) fn with_capacity(in_flight_max: usize) -> Self {
        Self { open: Vec::with_capacity(in_flight_max), ..Self::default() }
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn unknown_count(&self) -> usize {
        self.open.iter().filter(|open| open.is_unknown).count()
    }

    pub(super) fn has_pool(&self, pool: &Address) -> bool {
        self.open.iter().any(|open| open.pools.is_some_and(|pools| pools.contains(pool)))
    }

    /// Whether an opportunity of this run is open, or decided and not final.
    pub(super) fn has_opportunity(&self, opportunity: OpportunityId) -> bool {
        let is_it = |open: &Open| open.opportunity == Some(opportunity);
        self.open.iter().any(is_it) || self.booked.values().any(|booking| booking.open.as_ref().is_some_and(is_it))
    }

    /// Whether a nonce is open, or decided and not final.
    pub(super) fn has_nonce(&self, nonce: u64) -> bool {
        self.booked.contains_key(&nonce) || self.open.iter().any(|open| open.nonce == Some(nonce))
    }

    /// Raw units of `token` paid into open trades, saturating.
    pub(super) fn notional(&self, token: &Address) -> U256 {
        let of_token = self.open.iter().filter(|open| open.token == *token);
        of_token.fold(U256::ZERO, |sum, open| sum.saturating_add(open.notional))
    }

    /// What everything open costs at worst, or `None` past 128 bits.
    pub(super) fn cost_max(&self) -> Option<Wei> {
        self.open.iter().try_fold(Wei(0), |sum, open| sum.checked_add(open.cost_max))
    }

    /// Result of the day of `now` in wei.
    pub(super) fn day_pnl(&self, now: UnixNanos) -> i128 {
        self.days.get(&self.today.max(now.0 / DAY_NS)).copied().unwrap_or(0)
    }

    pub(super) fn open(&mut self, open: Open) {
        self.open.push(open);
    }

    pub(super) fn set_nonce(&mut self, opportunity: OpportunityId, nonce: u64) {
        if let Some(open) = self.open.iter_mut().find(|open| open.opportunity == Some(opportunity)) {
            open.nonce = Some(nonce);
        }
    }

    /// One more transaction for an open nonce: whichever lands, the dearer is what may be paid.
    pub(super) fn raise_cost(&mut self, nonce: u64, cost_max: Wei) {
        if let Some(open) = self.open.iter_mut().find(|open| open.nonce == Some(nonce)) {
            open.cost_max = open.cost_max.max(cost_max);
        }
    }

    pub(super) fn set_unknown(&mut self, nonce: u64, is_unknown: bool) {
        if let Some(open) = self.open.iter_mut().find(|open| open.nonce == Some(nonce)) {
            open.is_unknown = is_unknown;
        }
    }

    /// Releases a trade that was never signed. One that was signed stays: only the chain decides it.
    pub(super) fn abandon(&mut self, opportunity: OpportunityId) -> bool {
        let position = self.open.iter().position(|open| open.opportunity == Some(opportunity) && open.nonce.is_none());
        position.map(|at| self.open.swap_remove(at)).is_some()
    }

    /// Takes everything booked as final.
    pub(super) fn finalise(&mut self) {
        self.booked.clear();
    }

    /// Books what the chain says, or takes it back. Returns the change of a day's result, or `None` past 128 bits.
    pub(super) fn settle(&mut self, outcome: &Outcome, now: UnixNanos) -> Option<i128> {
        let nonce = outcome.nonce.get();
        match OutcomeStatus::from_wire(outcome.status.get())? {
            OutcomeStatus::Included => self.book(outcome, outcome.gain.get(), now),
            // What took the nonce of a trade gains nothing and its gas is ours, as a revert's is.
            OutcomeStatus::Reverted | OutcomeStatus::Replaced => self.book(outcome, U256::ZERO, now),
            OutcomeStatus::Reorged => self.unbook(nonce),
            OutcomeStatus::Final => {
                self.booked.remove(&nonce);
                Some(0)
            }
            OutcomeStatus::Abandoned => {
                self.abandon(OpportunityId(outcome.opportunity.get()));
                Some(0)
            }
            _ => None,
        }
    }

    fn book(&mut self, outcome: &Outcome, gain: U256, now: UnixNanos) -> Option<i128> {
        let nonce = outcome.nonce.get();
        let is_repeated = self.booked.get(&nonce).is_some_and(|known| {
            (known.tx_hash, known.block_hash, known.status)
                == (outcome.tx_hash, outcome.block_hash, outcome.status.get())
        });
        if is_repeated {
            return Some(0);
        }
        let cost = i128::try_from(outcome.gas_cost()?.0).ok()?;
        let pnl = i128::try_from(gain).ok()?.checked_sub(cost)?;
        // Seen in another block without word of the reorg in between: the earlier sighting is void.
        let taken_back = self.unbook(nonce)?;
        self.today = self.today.max(now.0 / DAY_NS);
        self.add(self.today, pnl)?;
        let booking = Booking {
            tx_hash: outcome.tx_hash,
            block_hash: outcome.block_hash,
            block_number: outcome.block_number.get(),
            status: outcome.status.get(),
            day: self.today,
            pnl,
            open: self.take_open(outcome),
        };
        self.booked.insert(nonce, booking);
        taken_back.checked_add(pnl)
    }

    /// Takes back what blocks above `ancestor` decided: it is open again. `None` past 128 bits.
    pub(super) fn rewind(&mut self, ancestor: BlockNumber) -> Option<()> {
        let is_gone = |(nonce, booking): (&u64, &Booking)| (booking.block_number > ancestor.0).then_some(*nonce);
        let gone: Vec<u64> = self.booked.iter().filter_map(is_gone).collect();
        gone.into_iter().try_for_each(|nonce| self.unbook(nonce).map(drop))
    }

    fn unbook(&mut self, nonce: u64) -> Option<i128> {
        let Some(booking) = self.booked.remove(&nonce) else { return Some(0) };
        self.open.extend(booking.open);
        let pnl = booking.pnl.checked_neg()?;
        self.add(booking.day, pnl)?;
        Some(pnl)
    }

    fn add(&mut self, day: u64, pnl: i128) -> Option<()> {
        let result = self.days.entry(day).or_insert(0);
        *result = result.checked_add(pnl)?;
        while self.days.len() > DAYS_KEPT {
            self.days.pop_first();
        }
        Some(())
    }

    /// By nonce first: a cancellation that took the nonce decides the trade that had it.
    fn take_open(&mut self, outcome: &Outcome) -> Option<Open> {
        let nonce = outcome.nonce.get();
        let opportunity = OpportunityId(outcome.opportunity.get());
        let by_nonce = self.open.iter().position(|open| open.nonce == Some(nonce));
        let position = by_nonce.or_else(|| {
            self.open.iter().position(|open| open.nonce.is_none() && open.opportunity == Some(opportunity))
        })?;
        Some(self.open.swap_remove(position))
    }
}
