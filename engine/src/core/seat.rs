//! A strategy and what it may do to the others: nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alphapulse_strategies::{Market, MarketEvent, Opportunity, OpportunitySink, Strategy};

/// A strategy with a place of its own for its reports.
///
/// One that panics is asked no more: what it knows may be half a thought. The same events make it panic in a replay, at the
/// same place.
pub(super) struct Seat {
    strategy: Box<dyn Strategy>,
    found: OpportunitySink,
    is_out: bool,
}

impl Seat {
    /// Takes at most `reports_max` reports of one event; more are refused and counted.
    pub(super) fn new(strategy: Box<dyn Strategy>, reports_max: usize) -> Self {
        Self { strategy, found: OpportunitySink::new(reports_max), is_out: false }
    }

    /// Tells it of an event.
    pub(super) fn tell(&mut self, market: &Market, event: &MarketEvent) {
        if self.is_out {
            return;
        }
        let Self { strategy, found, .. } = self;
        let told = catch_unwind(AssertUnwindSafe(|| strategy.on_event(market, event, found)));
        if told.is_err() {
            // What it reported before it broke off is not believed either.
            found.clear();
            self.is_out = true;
        }
    }

    /// What it reported of the event; the next one is reported of anew.
    pub(super) fn take(&mut self, all: &mut Vec<Opportunity>) {
        all.extend_from_slice(self.found.as_slice());
        self.found.clear();
    }

    pub(super) const fn refused(&self) -> u64 {
        self.found.refused()
    }

    pub(super) const fn is_out(&self) -> bool {
        self.is_out
    }

    pub(super) fn cuts(&self) -> u64 {
        if self.is_out { 0 } else { u64::from(self.strategy.cuts()) }
    }
}
