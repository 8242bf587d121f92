//! What earlier runs left behind: the day's result, and transactions whose fate was open when they ended.
//!
//! Their records are put at the head of the new journal, before its first market message, so that limits survive a restart
//! and a replay of the new run knows what it knew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::{Message, Outcome, OutcomeStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, OpportunityId};
use alphapulse_relay::journal::JournalReader;

use super::NodeError;
use super::control::Desk;
use crate::ledger::{JOURNAL_FOLDER, MANIFEST_FILE, Manifest};

/// Records of earlier runs that risk must know, oldest first.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    records: Vec<Vec<u8>>,
    open: Vec<OpenBefore>,
}

/// A transaction of an earlier run without an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpenBefore {
    opportunity: OpportunityId,
    nonce: u64,
    tx_hash: [u8; 32],
    block_max: BlockNumber,
}

impl Earlier {
    /// Reads every live run of `chain_id` in the folder of `run_dir`, but not `run_dir` itself.
    ///
    /// # Errors
    /// [`NodeError`] when a run cannot be read: what it may have left open cannot be known then.
    pub(super) fn read(run_dir: &Path, chain_id: ChainId) -> Result<Self, NodeError> {
        let mut earlier = Self::default();
        for run in runs_beside(run_dir).map_err(|source| NodeError::Earlier { path: run_dir.to_owned(), source })? {
            let manifest = Manifest::read(&run)?;
            if manifest.is_live && manifest.chain_id == chain_id.0 {
                earlier.read_run(&run)?;
            }
        }
        Ok(earlier)
    }

    fn read_run(&mut self, run: &Path) -> Result<(), NodeError> {
        let mut journal = JournalReader::open(run.join(JOURNAL_FOLDER))?;
        let mut is_head = true;
        while let Some(message) = journal.next_message()? {
            // What a run had of the runs before it stands in their own journals.
            is_head &= !matches!(message, Message::SnapshotBegin(_));
            if !is_head {
                self.take(&message);
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message<'_>) {
        match message {
            Message::Submission(sent) => {
                let opportunity = OpportunityId(sent.opportunity.get());
                let (nonce, block_max) = (sent.nonce.get(), BlockNumber(sent.block_max.get()));
                self.open.push(OpenBefore { opportunity, nonce, tx_hash: sent.tx_hash, block_max });
            }
            Message::Outcome(outcome) => {
                let is_closed = !matches!(
                    OutcomeStatus::from_wire(outcome.status.get()),
                    Some(OutcomeStatus::Reorged | OutcomeStatus::Abandoned)
                );
                if is_closed {
                    self.open.retain(|open| open.nonce != outcome.nonce.get());
                }
            }
            Message::Clock(_) => {
                // Only the time of what follows matters.
                if self.records.last().is_some_and(|last| matches!(Message::decode(last), Ok(Message::Clock(_)))) {
                    self.records.pop();
                }
            }
            Message::Submitted(_) => {}
            _ => return,
        }
        self.records.push(message.as_bytes().to_vec());
    }

    /// Closes what was open by what the chain says now, and gives all records.
    ///
    /// # Errors
    /// [`NodeError::Refused`] while a transaction of an earlier run may still be included; [`NodeError::Chain`].
    pub(super) async fn resolve(mut self, desk: Option<&Desk>) -> Result<Vec<Vec<u8>>, NodeError> {
        let Some(desk) = desk.filter(|_| !self.open.is_empty()) else { return Ok(self.records) };
        let (next_nonce, head) = (desk.chain.nonce(desk.account).await?, desk.chain.head().await?);
        for open in std::mem::take(&mut self.open) {
            let outcome = match desk.chain.receipt(open.tx_hash, desk.executor).await? {
                Some(receipt) => {
                    let status = if receipt.is_success { OutcomeStatus::Included } else { OutcomeStatus::Reverted };
                    Outcome::new(open.opportunity, open.nonce, open.tx_hash, status, receipt.block).with_receipt(
                        receipt.gas_used,
                        receipt.gas_price,
                        receipt.gain,
                    )
                }
                None if open.nonce < next_nonce || open.block_max < head => {
                    let nowhere = BlockRef { number: head, hash: [0; 32] };
                    Outcome::new(open.opportunity, open.nonce, open.tx_hash, OutcomeStatus::Replaced, nowhere)
                }
                None => {
                    return Err(NodeError::Refused(format!(
                        "transaction with nonce {} of an earlier run may be included until block {}; the chain is at {head}",
                        open.nonce, open.block_max
                    )));
                }
            };
            self.records.push(Message::Outcome(&outcome).as_bytes().to_vec());
        }
        Ok(self.records)
    }
}

/// Folders of runs beside `run_dir`, oldest first: their names begin with their time.
fn runs_beside(run_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(parent) = run_dir.parent().filter(|parent| parent.is_dir()) else { return Ok(Vec::new()) };
    let mut runs = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path != run_dir && path.join(MANIFEST_FILE).is_file() {
            runs.push(path);
        }
    }
    runs.sort();
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::message::{BlockContext, Clock, SnapshotBegin, SnapshotEnd, Submission};
    use alphapulse_protocol::{Epoch, FeePerGas, Gas, U256, UnixNanos};
    use alphapulse_relay::journal::JournalWriter;

    fn write_run(run: &Path, is_live: bool, write: impl FnOnce(&mut JournalWriter)) {
        Manifest::new(1, is_live, String::new(), String::new()).create(run).expect("new folder");
        let mut journal = JournalWriter::create(run.join(JOURNAL_FOLDER), ChainId(1), Epoch(1)).expect("new journal");
        write(&mut journal);
        journal.sync().expect("writable");
    }

    fn submission(nonce: u64) -> Submission {
        let fees = (FeePerGas(3), FeePerGas(1));
        Submission::new(OpportunityId(nonce + 1), nonce, [9; 32], fees, Gas(1), BlockNumber(50))
    }

    fn begin() -> SnapshotBegin {
        let context = BlockContext {
            number: 1.into(),
            hash: [1; 32],
            parent_hash: [0; 32],
            timestamp: 1.into(),
            base_fee: 1.into(),
            gas_used: 0.into(),
            gas_limit: 1.into(),
        };
        SnapshotBegin::new(context, ChainId(1), Epoch(1), 0, 0)
    }

    #[test]
    fn an_earlier_live_run_gives_its_submissions_outcomes_and_times_only() {
        let folder = tempfile::tempdir().expect("temporary folder");
        write_run(&folder.path().join("1"), true, |journal| {
            journal.append(&submission(7)).expect("head of the run: of a run before it");
            journal.append(&begin()).expect("writable");
            journal.append(&SnapshotEnd::new(0)).expect("writable");
            journal.append(&Clock::new(UnixNanos(1))).expect("writable");
            journal.append(&Clock::new(UnixNanos(2))).expect("writable");
            journal.append(&submission(8)).expect("writable");
            journal.append(&submission(9)).expect("writable");
            let block = BlockRef { number: BlockNumber(2), hash: [2; 32] };
            let outcome = Outcome::new(OpportunityId(9), 8, [9; 32], OutcomeStatus::Included, block);
            journal.append(&outcome.with_receipt(Gas(1), FeePerGas(1), U256::ONE)).expect("writable");
        });
        write_run(&folder.path().join("2"), false, |journal| {
            journal.append(&begin()).expect("writable");
            journal.append(&submission(30)).expect("a paper run never sends; this one claims to");
        });
        let earlier = Earlier::read(&folder.path().join("3"), ChainId(1)).expect("both runs are whole");
        assert_eq!(earlier.records.len(), 4, "one clock, two submissions, one outcome");
        assert_eq!(earlier.open.iter().map(|open| open.nonce).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn without_earlier_runs_there_is_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let earlier = Earlier::read(&folder.path().join("runs").join("1"), ChainId(1)).expect("nothing to read");
        assert!(earlier.records.is_empty() && earlier.open.is_empty());
    }
}
