//! The run's own books, read back from its journal, against the chain and against what was attainable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use alloy::primitives::{B256, U256};
use alphapulse_engine::ledger::{JOURNAL_FOLDER, Ledger, Trade, TradeState};
use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::Message;
use alphapulse_relay::journal::{JournalError, JournalReader};

use super::attainable::Attainable;
use super::report::Miss;
use crate::session::Accounts;

/// Misses that a report lists.
const MISSES_MAX: usize = 10;

/// A run's journal, folded.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    /// Nonces of every transaction that was signed, cancellations included.
    nonces: BTreeSet<u64>,
}

impl Books {
    /// Reads the journal of a finished run.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read to its end.
    pub(super) fn read(run_dir: &Path) -> Result<Self, JournalError> {
        let mut journal = JournalReader::open(run_dir.join(JOURNAL_FOLDER))?;
        let mut books = Self { ledger: Ledger::new(), nonces: BTreeSet::new() };
        while let Some(message) = journal.next_message()? {
            books.ledger.record(&message);
            if let Message::Submission(submission) = message {
                books.nonces.insert(submission.nonce.get());
            }
        }
        Ok(books)
    }

    /// Where the books differ from the chain; empty when nowhere.
    pub(super) fn discrepancies(&self, before: Accounts, after: Accounts) -> Vec<String> {
        let totals = self.ledger.totals();
        let mut found = Vec::new();
        if before.profit.checked_add(totals.realised_profit) != Some(after.profit) {
            let (realised, from, to) = (totals.realised_profit, before.profit, after.profit);
            found.push(format!("the ledger realised {realised} wei, the profit address went from {from} to {to}"));
        }
        if after.ether.checked_add(U256::from(totals.gas_spent)) != Some(before.ether) {
            let (spent, from, to) = (totals.gas_spent, before.ether, after.ether);
            found.push(format!("the ledger spent {spent} wei on gas, the account went from {from} to {to}"));
        }
        let signed = self.nonces.len() as u64;
        if before.nonce + signed != after.nonce {
            let (from, to) = (before.nonce, after.nonce);
            found.push(format!("{signed} nonces were signed, the account's went from {from} to {to}"));
        }
        found
    }

    /// Included trades that realised something else than they predicted.
    pub(super) fn mispredictions(&self) -> Vec<String> {
        let is_wrong = |trade: &&Trade| trade.state == TradeState::Included && trade.realised != Some(trade.predicted);
        let describe = |trade: &Trade| {
            let (predicted, realised) = (trade.predicted, trade.realised.unwrap_or_default());
            format!("{}: predicted {predicted} wei, realised {realised}", transaction(trade))
        };
        self.ledger.trades().values().filter(is_wrong).map(describe).collect()
    }

    /// Trades that reverted on the chain.
    pub(super) fn reverted(&self) -> Vec<String> {
        let reverted = self.ledger.trades().values().filter(|trade| trade.state == TradeState::Reverted);
        let describe = |trade: &Trade| {
            let mined = trade.mined_in.map_or(0, |block| block.0);
            format!("{}: found on block {}, reverted in block {mined}", transaction(trade), trade.found_on)
        };
        reverted.map(describe).collect()
    }

    /// Gross profit realised, by the block that the trades were found on.
    fn captured(&self) -> BTreeMap<HashBytes, U256> {
        let mut captured: BTreeMap<HashBytes, U256> = BTreeMap::new();
        for trade in self.ledger.trades().values() {
            if let (TradeState::Included, Some(realised)) = (trade.state, trade.realised) {
                *captured.entry(trade.found_on_hash).or_default() += realised;
            }
        }
        captured
    }
}

fn transaction(trade: &Trade) -> String {
    trade.tx_hash.map_or_else(|| "a trade never sent".to_owned(), |hash| format!("transaction {}", B256::from(hash)))
}

/// What was captured of what was attainable.
pub(super) struct Measure {
    /// Wei, over all blocks.
    pub(super) attainable: U256,
    /// Wei, no block counted above what was attainable on it.
    captured: U256,
    /// Blocks on which something was worth its gas.
    pub(super) blocks: u64,
    /// The worst misses, worst first.
    pub(super) misses: Vec<Miss>,
}

impl Measure {
    pub(super) fn new(books: &Books, attainable: BTreeMap<HashBytes, Attainable>) -> Self {
        let captured = books.captured();
        let mut measure =
            Self { attainable: U256::ZERO, captured: U256::ZERO, blocks: attainable.len() as u64, misses: Vec::new() };
        for (hash, best) in attainable {
            let taken = captured.get(&hash).copied().unwrap_or_default();
            measure.attainable += best.gross;
            measure.captured += taken.min(best.gross);
            if taken < best.gross {
                measure.misses.push(miss(&best, taken));
            }
        }
        measure.misses.sort_by_key(|miss| std::cmp::Reverse(miss.attainable_wei - miss.captured_wei));
        measure.misses.truncate(MISSES_MAX);
        measure
    }

    /// Part of the attainable that was captured; 0 when nothing was attainable, since that proves nothing.
    pub(super) fn captured_share(&self) -> f64 {
        if self.attainable.is_zero() { 0.0 } else { f64::from(self.captured) / f64::from(self.attainable) }
    }
}

/// A block on which more was to be had.
fn miss(best: &Attainable, captured_wei: U256) -> Miss {
    let route = best.cycle.hops.iter().map(|hop| hop.pool.to_string()).collect();
    Miss { block: best.block.number.0, attainable_wei: best.gross, captured_wei, route }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::message::{HopRecord, Opportunity, Outcome, OutcomeStatus, Submission, Verdict};
    use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, OpportunityId, PoolId, TokenId};

    use super::*;
    use crate::exhaustive::BestCycle;

    const BLOCK: BlockRef = BlockRef { number: BlockNumber(7), hash: [7; 32] };
    const GAS_COST: u64 = 300;
    const BEFORE: Accounts = Accounts { profit: U256::ZERO, ether: U256::from_limbs([1_000, 0, 0, 0]), nonce: 4 };

    /// Books of one included trade that predicted and realised so much.
    fn books(predicted: u64, realised: u64) -> Books {
        let amount = |value: u64| U256::from(value);
        let hops = [
            HopRecord::new(PoolId(0), TokenId(0), TokenId(1), amount(100), amount(50)),
            HopRecord::new(PoolId(1), TokenId(1), TokenId(0), amount(50), amount(100 + predicted)),
        ];
        let id = OpportunityId(1);
        let found = Opportunity::new(id, 0, BLOCK, TokenId(0), &hops).expect("two hops");
        let sent = Submission::new(id, 4, [9; 32], (FeePerGas(10), FeePerGas(1)), Gas(1), BlockNumber(9));
        let outcome = Outcome::new(id, 4, [9; 32], OutcomeStatus::Included, BLOCK);
        let outcome = outcome.with_receipt(Gas(GAS_COST), FeePerGas(1), amount(realised));
        let mut ledger = Ledger::new();
        ledger.record(&Message::Opportunity(&found));
        ledger.record(&Message::Verdict(&Verdict::new(id, 0, true)));
        ledger.record(&Message::Submission(&sent));
        ledger.record(&Message::Outcome(&outcome));
        Books { ledger, nonces: BTreeSet::from([4]) }
    }

    fn after(profit: u64, ether: u64, nonce: u64) -> Accounts {
        Accounts { profit: U256::from(profit), ether: U256::from(ether), nonce }
    }

    #[test]
    fn books_match_a_chain_that_moved_as_they_say_and_no_other() {
        let books = books(5, 5);
        assert_eq!(books.discrepancies(BEFORE, after(5, 1_000 - GAS_COST, 5)), Vec::<String>::new());
        for wrong in [after(4, 700, 5), after(6, 700, 5), after(5, 699, 5), after(5, 701, 5), after(5, 700, 6)] {
            assert_eq!(books.discrepancies(BEFORE, wrong).len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn one_wei_beside_the_prediction_is_named() {
        assert!(books(5, 5).mispredictions().is_empty());
        assert_eq!(books(5, 4).mispredictions().len(), 1);
        assert_eq!(books(5, 6).mispredictions().len(), 1);
    }

    #[test]
    fn a_block_counts_no_more_than_its_best_cycle_and_a_missed_one_counts_against() {
        let best = |hash: u8, gross: u64| {
            let block = BlockRef { number: BlockNumber(hash.into()), hash: [hash; 32] };
            let cycle = BestCycle { hops: Vec::new(), amount_in: U256::ZERO, amount_out: U256::from(gross) };
            (block.hash, Attainable { block, gross: U256::from(gross), cycle })
        };
        let measure = Measure::new(&books(60, 60), BTreeMap::from([best(7, 40), best(8, 10)]));
        assert_eq!(measure.attainable, U256::from(50));
        assert!((measure.captured_share() - 0.8).abs() < 1e-12);
        assert_eq!(measure.misses.iter().map(|miss| miss.block).collect::<Vec<_>>(), [8]);
        assert!(Measure::new(&books(1, 1), BTreeMap::new()).captured_share() < 1e-12, "nothing proves nothing");
    }
}
