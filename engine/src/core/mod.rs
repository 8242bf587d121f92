//! The decision path: market messages and outcomes in, verdicts and approved trades out.
//!
//! A [`Core`] is a deterministic state machine. It reads no clock, no file and no socket: time comes as a
//! [`Clock`](alphapulse_protocol::message::Clock), the results of simulation and submission as messages, and whatever it
//! decides leaves through [`Effects`]. Whoever feeds it the same messages gets the same decisions, which is what a
//! replay does.

mod awaiting;
mod judge;
mod plan;
mod seat;

use alphapulse_protocol::message::{BlockContext, Message};
use alphapulse_protocol::{OpportunityId, PoolId, ReplicaError, Sequence, UnixNanos};
use alphapulse_strategies::{Flaw, Market, MarketEvent, Opportunity, OpportunityRecord, Strategy};

use serde::Serialize;

pub use self::plan::{GasModel, PlanRules};

use self::awaiting::Awaiting;
use self::seat::Seat;
use crate::risk::{Approved, KillSwitch, Reject, RiskManager};
use crate::trade::Trade;

/// Opportunities that a strategy may report of one event; more are refused and counted.
pub const OPPORTUNITIES_PER_EVENT_MAX: usize = 256;

/// Where decisions go. Calls come in the order of the decisions.
pub trait Effects {
    /// A decision to be kept: an opportunity or a verdict.
    fn record(&mut self, message: Message<'_>);
    /// A trade to be tried against the node; the answer comes back as a `Simulation` message.
    fn simulate(&mut self, trade: &Trade, market: &Market);
    /// A trade to be signed and sent. Only called live.
    fn execute(&mut self, trade: Approved<Trade>, market: &Market);
}

/// How a core decides, fixed for its lifetime.
#[derive(Debug, Clone, Copy)]
pub struct CoreRules {
    /// Whether approved trades are executed, or only recorded.
    pub is_live: bool,
    /// Whether a trade must succeed against the node before it is approved.
    pub is_simulation_required: bool,
    /// Gas, fees and validity of trades.
    pub plan: PlanRules,
}

/// What a core did, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CoreCounters {
    /// Market messages applied.
    pub messages: u64,
    /// Opportunities that another strategy found as well, hop for hop.
    pub duplicates: u64,
    /// Results that fit no trade that waits for one.
    pub orphans: u64,
    /// Opportunities refused because a strategy reported too many.
    pub opportunities_refused: u64,
    /// Opportunities that were not what they said: pools that are not admitted, or amounts that the pools do not give.
    pub opportunities_flawed: u64,
    /// Pools of the lists that are not traded at present: they contradict themselves, are in quarantine, or are known not to hold what they
    /// state.
    pub pools_refused: u64,
    /// Strategies that panicked, and are asked no more.
    pub strategies_out: u64,
    /// Searches that a bound cut short: routes may have been missed.
    pub search_cuts: u64,
}

/// The state machine.
pub struct Core {
    market: Market,
    seats: Vec<Seat>,
    risk: RiskManager,
    halt: KillSwitch,
    rules: CoreRules,
    /// What was reported of the present event.
    found: Vec<Opportunity>,
    awaiting: Awaiting,
    /// Approved on this block, and not sent.
    on_paper: Vec<OpportunityId>,
    now: UnixNanos,
    head_received: UnixNanos,
    halted: Option<u16>,
    last_opportunity: u64,
    counters: CoreCounters,
}

impl Core {
    /// A core without state; it waits for a snapshot. `halt` must be the switch that `risk` reads and must be private to
    /// this core: a `Halt` message alone trips it, so that a replay halts where the run did.
    #[must_use]
    pub fn new(
        market: Market,
        strategies: Vec<Box<dyn Strategy>>,
        risk: RiskManager,
        halt: KillSwitch,
        rules: CoreRules,
    ) -> Self {
        Self {
            market,
            seats: strategies.into_iter().map(|strategy| Seat::new(strategy, OPPORTUNITIES_PER_EVENT_MAX)).collect(),
            risk,
            halt,
            rules,
            found: Vec::new(),
            awaiting: Awaiting::default(),
            on_paper: Vec::new(),
            now: UnixNanos(0),
            head_received: UnixNanos(0),
            halted: None,
            last_opportunity: 0,
            counters: CoreCounters::default(),
        }
    }

    /// The market as the core sees it.
    #[must_use]
    pub const fn market(&self) -> &Market {
        &self.market
    }

    /// Takes a record of an earlier run, oldest first, before the first market message. Each outcome counts as final: one
    /// that was taken back must not be among them. The last record must be the clock: it tells which day's result counts.
    ///
    /// A halt is of this run: it came before its first market message.
    pub fn restore(&mut self, record: &Message<'_>) {
        self.risk.restore(record);
        match record {
            // The last of them is this run's own: a clock that was ahead in an earlier run must not stop ours.
            Message::Clock(clock) => self.now = UnixNanos(clock.now_ns.get()),
            Message::Halt(halt) => self.stop(halt.reject.get()),
            _ => {}
        }
        self.risk.restored(self.now);
    }

    /// Why nothing is approved any more, if so.
    #[must_use]
    pub fn halted(&self) -> Option<Reject> {
        let by_input = self.halted.map(|code| Reject::from_code(code).unwrap_or(Reject::Halted));
        by_input.or(self.risk.halted())
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> CoreCounters {
        let of_seats = |count: fn(&Seat) -> u64| self.seats.iter().map(count).sum();
        CoreCounters {
            opportunities_refused: of_seats(Seat::refused),
            search_cuts: of_seats(Seat::cuts),
            pools_refused: self.market.refused().iter().filter(|(_, reason)| !reason.is_unlisted()).count() as u64,
            strategies_out: of_seats(|seat| u64::from(seat.is_out())),
            ..self.counters
        }
    }

    /// Trades that wait for a simulation.
    #[must_use]
    pub fn simulations_open(&self) -> usize {
        self.awaiting.simulations()
    }

    /// Has the market look at what the next messages will need; see [`Market::look_ahead`]. No decision depends on it.
    pub fn look_ahead<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]>) -> usize {
        self.market.look_ahead(messages)
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`ReplicaError`] when the message does not continue the market's stream: the core has no market any more and
    /// must be given a snapshot.
    pub fn input(&mut self, message: &Message<'_>, effects: &mut impl Effects) -> Result<(), ReplicaError> {
        match message {
            Message::Clock(clock) => self.now = UnixNanos(clock.now_ns.get()).max(self.now),
            Message::Halt(halt) => self.stop(halt.reject.get()),
            Message::Simulation(result) => self.on_simulation(result, effects),
            Message::Submission(signed) => {
                self.risk.on_signed(signed);
            }
            Message::Submitted(answer) => self.risk.on_submitted(answer),
            Message::Outcome(outcome) => self.on_outcome(outcome, effects),
            message if message.is_feed() => self.on_market(message, effects)?,
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, reason: u16) {
        self.halted.get_or_insert(reason);
        self.halt.trip("halted by an input of the decision path");
    }

    fn on_market(&mut self, message: &Message<'_>, effects: &mut impl Effects) -> Result<(), ReplicaError> {
        self.counters.messages += 1;
        let event = self.market.apply(message)?;
        match event {
            MarketEvent::BlockBegun => {
                self.awaiting.forget_deferred();
                self.release_paper();
            }
            MarketEvent::Reset => self.forget_trades(effects),
            MarketEvent::Reorged => self.on_reorg(),
            // Nobody saw the head of a snapshot arrive; risk looks at its own time as well.
            MarketEvent::BlockEnded | MarketEvent::SnapshotReady => self.head_received = self.now,
            _ => {}
        }
        for seat in &mut self.seats {
            seat.tell(&self.market, &event);
            seat.take(&mut self.found);
        }
        if !self.found.is_empty() {
            self.consider_found(effects);
        }
        if event == MarketEvent::BlockEnded {
            // What the block asked for is done, and the next one is not there yet.
            self.market.build_tables();
        }
        Ok(())
    }

    /// Pools may have other ids from here on: what the trades on hold mean is lost.
    #[cold]
    fn forget_trades(&mut self, effects: &mut impl Effects) {
        self.awaiting.forget_deferred();
        self.release_paper();
        for trade in self.awaiting.take_all_simulated() {
            self.refuse(&trade, Reject::MarketNotWhole, effects);
        }
    }

    /// What the blocks that left held is in flight again from this moment, not only once its outcome says so: the next
    /// block must not find its pools free.
    #[cold]
    fn on_reorg(&mut self) {
        self.awaiting.forget_deferred();
        self.release_paper();
        if let Some(context) = self.market.replica().context() {
            self.risk.on_reorg(context.block().number);
        }
    }

    /// On paper a trade holds its pools and its place until its block has a successor, as a live one does at best.
    fn release_paper(&mut self) {
        for opportunity in self.on_paper.drain(..) {
            self.risk.on_abandoned(opportunity);
        }
    }

    /// Judges what the strategies found, best first. Of opportunities that share a pool only the best is pursued: its
    /// trade changes the prices that the others were computed from.
    fn consider_found(&mut self, effects: &mut impl Effects) {
        let mut found = core::mem::take(&mut self.found);
        let Some(context) = self.market.replica().context().copied() else { return };
        found.sort_by(rank);
        let before = found.len();
        found.dedup_by(|later, first| later.hops() == first.hops());
        self.counters.duplicates += (before - found.len()) as u64;
        let mut claimed: Vec<PoolId> = Vec::new();
        for opportunity in &found {
            // None only past 256 bits, which no opportunity is.
            let Some(record) = self.record_opportunity(opportunity, &context, effects) else { continue };
            // A strategy's word is taken for nothing.
            let checked = opportunity.check(&self.market).map_err(|flaw| match flaw {
                Flaw::NotAdmitted { .. } => Reject::PoolNotAdmitted,
                _ => Reject::NotReproducible,
            });
            self.counters.opportunities_flawed += u64::from(checked.is_err());
            match checked.and_then(|()| self.rules.plan.trade(&record.found(), &self.market, &context)) {
                Err(reject) => self.refuse_unplanned(record.found().opportunity, reject, effects),
                Ok(trade) if claimed.iter().any(|pool| opportunity.uses(*pool)) => {
                    self.refuse(&trade, Reject::Outranked, effects);
                    self.awaiting.defer(trade, Reject::Outranked);
                }
                Ok(trade) => {
                    if self.consider(trade, effects) {
                        claimed.extend(opportunity.hops().iter().map(|hop| hop.pool));
                    }
                }
            }
        }
    }

    fn record_opportunity(
        &mut self,
        opportunity: &Opportunity,
        context: &BlockContext,
        effects: &mut impl Effects,
    ) -> Option<OpportunityRecord> {
        let id = OpportunityId(self.last_opportunity + 1);
        let record = opportunity.to_record(id, context.block())?.stamped(Sequence(0), self.now);
        self.last_opportunity = id.0;
        effects.record(record.message());
        Some(record)
    }
}

/// Best profit first; ties by route, so that the order never depends on who found it first.
fn rank(a: &Opportunity, b: &Opportunity) -> core::cmp::Ordering {
    let route = |opportunity: &Opportunity| opportunity.hops().iter().map(|hop| hop.pool).collect::<Vec<_>>();
    b.profit().cmp(&a.profit()).then_with(|| route(a).cmp(&route(b)))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_own;
