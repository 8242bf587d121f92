//! One book per run: every trade's way from opportunity to outcome.

use std::collections::BTreeMap;

use alphapulse_protocol::message::{self, Message, OutcomeStatus};
use alphapulse_protocol::{BlockNumber, HashBytes, U256, Wei};

use super::Totals;
use crate::risk::Reject;

/// Where a trade stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradeState {
    /// Found, not judged yet.
    Found,
    /// Refused.
    Rejected(u16),
    /// Approved on paper, or approved and not yet signed.
    Approved,
    /// Signed and handed over; its fate is open.
    Submitted,
    /// In the chain, succeeded.
    Included,
    /// In the chain, reverted.
    Reverted,
    /// Its nonce went to another transaction of ours, or it was never sent.
    Cancelled,
}

/// A trade as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// Height of the state it was found on.
    pub found_on: BlockNumber,
    /// Hash of that block.
    pub found_on_hash: HashBytes,
    /// Index of the strategy.
    pub strategy: u16,
    /// Predicted profit before gas, raw units of the profit token.
    pub predicted: U256,
    /// Profit after gas that its last verdict expected, wei.
    pub expected_net: i128,
    /// Where it stands.
    pub state: TradeState,
    /// Whether it was judged on paper, where an approval is the end.
    pub is_paper: bool,
    /// Transaction, once submitted.
    pub tx_hash: Option<HashBytes>,
    /// Block that holds it, once included or reverted.
    pub mined_in: Option<BlockNumber>,
    /// Profit before gas that the executor stated.
    pub realised: Option<U256>,
    /// Wei paid for gas, by the trade or by what replaced it.
    pub gas_cost: Wei,
}

/// Fold of a run's records.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    trades: BTreeMap<u64, Trade>,
    cancellation_cost: BTreeMap<u64, Wei>,
    blocks: u64,
    reorgs: u64,
    rejected_before: BTreeMap<&'static str, u64>,
    opportunities: u64,
    is_compact: bool,
    /// Sums over trades that a compact book has let go of.
    closed: Totals,
}

impl Ledger {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty book that lets go of a trade once nothing can change it any more and keeps its sums: for a node, which
    /// runs for ever.
    #[must_use]
    pub fn compact() -> Self {
        Self { is_compact: true, ..Self::default() }
    }

    /// Trades that are not refused, and refused ones of the newest block, by opportunity id. A compact book has only those
    /// that may still change.
    #[must_use]
    pub const fn trades(&self) -> &BTreeMap<u64, Trade> {
        &self.trades
    }

    /// Opportunities booked so far.
    #[must_use]
    pub const fn opportunity_count(&self) -> u64 {
        self.opportunities
    }

    /// Books one record. Records that say nothing about trades are passed over.
    pub fn record(&mut self, message: &Message<'_>) {
        match message {
            Message::Block(_) => self.close_refused(),
            Message::BlockEnd(_) => self.blocks += 1,
            Message::Reorg(_) => self.reorgs += 1,
            Message::Opportunity(route) => self.find(&(*route).into()),
            Message::SwapPlan(plan) => self.find(&(*plan).into()),
            Message::Verdict(verdict) => self.judge(verdict),
            Message::Submission(sent) => self.submit(sent),
            Message::Outcome(outcome) => self.settle(outcome),
            _ => {}
        }
    }

    /// A refusal is final once its block is history: only its count is kept, so that the book stays small.
    fn close_refused(&mut self) {
        let rejected = &mut self.rejected_before;
        self.trades.retain(|_, trade| {
            let TradeState::Rejected(code) = trade.state else { return true };
            *rejected.entry(reason_name(code)).or_default() += 1;
            false
        });
        if self.is_compact {
            let closed = &mut self.closed;
            self.trades.retain(|_, trade| {
                let is_done = trade.is_paper && trade.state == TradeState::Approved;
                if is_done {
                    add(closed, trade);
                }
                !is_done
            });
        }
    }

    /// Nothing can change this trade and the cost of its nonce any more.
    fn close(&mut self, opportunity: u64, nonce: u64) {
        if !self.is_compact {
            return;
        }
        if let Some(trade) = self.trades.remove(&opportunity) {
            add(&mut self.closed, &trade);
        }
        if let Some(cost) = self.cancellation_cost.remove(&nonce) {
            self.closed.gas_spent = self.closed.gas_spent.saturating_add(cost.0);
        }
    }

    fn find(&mut self, found: &message::Found<'_>) {
        self.opportunities += 1;
        let trade = Trade {
            found_on: found.block.number,
            found_on_hash: found.block.hash,
            strategy: found.strategy,
            predicted: found.profit(),
            expected_net: 0,
            state: TradeState::Found,
            is_paper: false,
            tx_hash: None,
            mined_in: None,
            realised: None,
            gas_cost: Wei(0),
        };
        self.trades.insert(found.opportunity.0, trade);
    }

    fn judge(&mut self, verdict: &message::Verdict) {
        if let Some(trade) = self.trades.get_mut(&verdict.opportunity.get()) {
            trade.is_paper = verdict.is_live == 0;
            trade.expected_net = verdict.net_profit.get();
            trade.state = match verdict.reject.get() {
                0 => TradeState::Approved,
                code => TradeState::Rejected(code),
            };
        }
    }

    fn submit(&mut self, sent: &message::Submission) {
        if let Some(trade) = self.trades.get_mut(&sent.opportunity.get()) {
            trade.state = TradeState::Submitted;
            trade.tx_hash = Some(sent.tx_hash);
        }
    }

    fn settle(&mut self, outcome: &message::Outcome) {
        let Some(status) = OutcomeStatus::from_wire(outcome.status.get()) else { return };
        let nonce = outcome.nonce.get();
        let cost = outcome.gas_cost().unwrap_or(Wei(u128::MAX));
        let trade = self.trades.get_mut(&outcome.opportunity.get());
        match (status, trade) {
            (OutcomeStatus::Included, Some(trade)) => {
                trade.state = TradeState::Included;
                trade.realised = Some(outcome.gain.get());
                trade.gas_cost = cost;
                trade.mined_in = Some(BlockNumber(outcome.block_number.get()));
            }
            (OutcomeStatus::Reverted, Some(trade)) => {
                trade.state = TradeState::Reverted;
                trade.gas_cost = cost;
                trade.mined_in = Some(BlockNumber(outcome.block_number.get()));
            }
            (OutcomeStatus::Replaced | OutcomeStatus::Abandoned, trade) => {
                if let Some(trade) = trade {
                    trade.state = TradeState::Cancelled;
                }
                self.cancellation_cost.insert(nonce, cost);
                if status == OutcomeStatus::Abandoned {
                    self.close(outcome.opportunity.get(), nonce);
                }
            }
            (OutcomeStatus::Final, _) => self.close(outcome.opportunity.get(), nonce),
            (OutcomeStatus::Reorged, trade) => {
                self.cancellation_cost.remove(&nonce);
                if let Some(trade) = trade {
                    (trade.state, trade.realised, trade.mined_in) = (TradeState::Submitted, None, None);
                    trade.gas_cost = Wei(0);
                }
            }
            _ => {}
        }
    }

    /// Sums over all records so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = self.closed.clone();
        (totals.blocks, totals.reorgs, totals.opportunities) = (self.blocks, self.reorgs, self.opportunities);
        totals.rejected += self.rejected_before.values().sum::<u64>();
        totals.rejected_by_reason.clone_from(&self.rejected_before);
        let cancellations = self.cancellation_cost.values();
        totals.gas_spent = cancellations.fold(totals.gas_spent, |sum, cost| sum.saturating_add(cost.0));
        for trade in self.trades.values() {
            add(&mut totals, trade);
        }
        totals
    }
}

fn add(totals: &mut Totals, trade: &Trade) {
    totals.gas_spent = totals.gas_spent.saturating_add(trade.gas_cost.0);
    totals.submitted += u64::from(trade.tx_hash.is_some());
    match trade.state {
        TradeState::Found => {}
        TradeState::Rejected(code) => {
            totals.rejected += 1;
            *totals.rejected_by_reason.entry(reason_name(code)).or_default() += 1;
            return;
        }
        TradeState::Approved => {}
        TradeState::Submitted => totals.unknown += 1,
        TradeState::Reverted => totals.reverted += 1,
        TradeState::Cancelled => totals.cancelled += 1,
        TradeState::Included => {
            let realised = trade.realised.unwrap_or(U256::ZERO);
            totals.included += 1;
            totals.mispredicted += u64::from(realised != trade.predicted);
            totals.predicted_profit = totals.predicted_profit.saturating_add(trade.predicted);
            totals.realised_profit = totals.realised_profit.saturating_add(realised);
        }
    }
    if trade.state != TradeState::Found {
        totals.approved += 1;
        totals.approved_net_profit = totals.approved_net_profit.saturating_add(trade.expected_net);
    }
}

/// Name of a refusal, also one of a newer version.
fn reason_name(code: u16) -> &'static str {
    Reject::from_code(code).map_or("unknown_reason", Reject::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::message::{HopRecord, Outcome, Submission, Verdict};
    use alphapulse_protocol::{BlockRef, FeePerGas, Gas, OpportunityId, PoolId, TokenId};

    const BLOCK: BlockRef = BlockRef { number: BlockNumber(7), hash: [7; 32] };

    fn opportunity(id: u64, profit: u64) -> message::Opportunity {
        let amount = |value: u64| U256::from(value);
        let hops = [
            HopRecord::new(PoolId(0), TokenId(0), TokenId(1), amount(100), amount(50)),
            HopRecord::new(PoolId(1), TokenId(1), TokenId(0), amount(50), amount(100 + profit)),
        ];
        message::Opportunity::new(OpportunityId(id), 0, BLOCK, TokenId(0), &hops).expect("two hops")
    }

    fn submission(id: u64, nonce: u64) -> Submission {
        let fees = (FeePerGas(10), FeePerGas(1));
        Submission::new(OpportunityId(id), nonce, [9; 32], fees, Gas(1), BlockNumber(9))
    }

    fn outcome(id: u64, nonce: u64, status: OutcomeStatus, gain: u64) -> Outcome {
        Outcome::new(OpportunityId(id), nonce, [9; 32], status, BLOCK).with_receipt(
            Gas(100),
            FeePerGas(3),
            U256::from(gain),
        )
    }

    fn submitted_trade() -> Ledger {
        let mut ledger = Ledger::new();
        ledger.record(&Message::Opportunity(&opportunity(1, 5)));
        ledger.record(&Message::Verdict(&Verdict::new(OpportunityId(1), 0, true)));
        ledger.record(&Message::Submission(&submission(1, 0)));
        ledger
    }

    #[test]
    fn an_included_trade_books_profit_and_gas() {
        let mut ledger = submitted_trade();
        assert_eq!(ledger.totals().unknown, 1);
        ledger.record(&Message::Outcome(&outcome(1, 0, OutcomeStatus::Included, 5)));
        let totals = ledger.totals();
        assert_eq!((totals.included, totals.unknown, totals.mispredicted), (1, 0, 0));
        assert_eq!((totals.realised_profit, totals.gas_spent), (U256::from(5), 300));
    }

    #[test]
    fn a_gain_other_than_predicted_is_counted() {
        let mut ledger = submitted_trade();
        ledger.record(&Message::Outcome(&outcome(1, 0, OutcomeStatus::Included, 4)));
        assert_eq!(ledger.totals().mispredicted, 1);
    }

    #[test]
    fn a_reorg_takes_profit_and_gas_back_and_the_fate_is_open_again() {
        let mut ledger = submitted_trade();
        ledger.record(&Message::Outcome(&outcome(1, 0, OutcomeStatus::Included, 5)));
        ledger.record(&Message::Outcome(&outcome(1, 0, OutcomeStatus::Reorged, 0)));
        let totals = ledger.totals();
        assert_eq!((totals.included, totals.unknown), (0, 1));
        assert_eq!((totals.realised_profit, totals.gas_spent), (U256::ZERO, 0));
    }

    #[test]
    fn a_replaced_trade_costs_the_gas_of_what_replaced_it() {
        let mut ledger = submitted_trade();
        ledger.record(&Message::Outcome(&outcome(1, 0, OutcomeStatus::Replaced, 0)));
        let totals = ledger.totals();
        assert_eq!((totals.cancelled, totals.unknown, totals.gas_spent), (1, 0, 300));
    }

    #[test]
    fn the_last_verdict_counts() {
        let mut ledger = Ledger::new();
        ledger.record(&Message::Opportunity(&opportunity(1, 5)));
        ledger.record(&Message::Verdict(&Verdict::new(OpportunityId(1), Reject::PoolInFlight as u16, true)));
        assert_eq!((ledger.totals().approved, ledger.totals().rejected), (0, 1));
        ledger.record(&Message::Verdict(&Verdict::new(OpportunityId(1), 0, true)));
        assert_eq!((ledger.totals().approved, ledger.totals().rejected), (1, 0));
    }

    /// Five trades: one included, one reverted, one cancelled, one abandoned, one open; and one on paper.
    fn busy(mut ledger: Ledger) -> Ledger {
        use OutcomeStatus::{Abandoned, Final, Included, Reorged, Replaced, Reverted};
        for id in 1..=6 {
            ledger.record(&Message::Opportunity(&opportunity(id, id)));
            ledger.record(&Message::Verdict(&Verdict::new(OpportunityId(id), 0, id != 6)));
        }
        for id in [1, 2, 3, 5] {
            ledger.record(&Message::Submission(&submission(id, id)));
        }
        ledger.record(&Message::Outcome(&outcome(4, u64::MAX, Abandoned, 0)));
        let told = [(1, Included), (1, Reorged), (1, Included), (1, Final), (2, Reverted), (2, Final), (3, Replaced)];
        for (id, status) in told.into_iter().chain([(3, Final)]) {
            ledger.record(&Message::Outcome(&outcome(id, id, status, id)));
        }
        ledger.close_refused();
        ledger
    }

    #[test]
    fn a_compact_book_keeps_the_sums_and_only_the_trades_that_may_change() {
        let (whole, compact) = (busy(Ledger::new()), busy(Ledger::compact()));
        assert_eq!(whole.totals(), compact.totals());
        assert_eq!((whole.totals().included, whole.totals().approved), (1, 6));
        assert_eq!(whole.trades().len(), 6);
        assert_eq!(compact.trades().keys().copied().collect::<Vec<_>>(), [5]);
        assert!(compact.cancellation_cost.is_empty());
    }
}
