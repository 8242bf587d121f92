//! What earlier runs left behind: the result of the last days, and transactions whose fate was open when they ended.
//!
//! It is put at the head of the new journal, before its first market message, so that limits survive a restart and a
//! replay of the new run knows what it knew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use alphapulse_protocol::message::{Clock, Message, NonceLease, Outcome, OutcomeStatus, Submission};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, FeePerGas, Gas, HashBytes, OpportunityId, U256, UnixNanos};
use alphapulse_relay::journal::{JournalError, JournalReader};

use super::NodeError;
use super::control::Desk;
use crate::execution::track::Receipt;
use crate::ledger::{JOURNAL_FOLDER, MANIFEST_FILE, Manifest};
use crate::risk::DAY_NS;

/// Age beyond which what was decided is left out: it counts against no limit of today.
const KEPT_NS: u64 = 2 * DAY_NS;

/// Whose runs count: those of one account on one chain. Dev chains share their id, so the first block tells them apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// EIP-155 id.
    pub(super) chain_id: ChainId,
    /// Hash of the chain's first block.
    pub(super) genesis: HashBytes,
    /// Account that signs.
    pub(super) account: Address,
}

impl Identity {
    /// Whether a live run was this account's on this chain. A manifest that does not say so counts as ours: doubt must
    /// not lower what is held against a limit.
    fn has_made(&self, manifest: &Manifest) -> bool {
        manifest.is_live
            && manifest.chain_id == self.chain_id.0
            && manifest.genesis.is_none_or(|genesis| genesis == self.genesis)
            && manifest.account.is_none_or(|account| account == self.account)
    }
}

/// Nonces that earlier runs leased and signed.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    signed: Vec<Signed>,
    leases: Vec<NonceLease>,
    /// Whether a crash cut a journal short: something may have been signed that no record tells of.
    is_torn: bool,
}

/// A nonce that a run signed: the trade, and what was signed to take its place.
#[derive(Debug, Clone)]
struct Signed {
    trade: Submission,
    /// The trade's hash, then those of its cancellations.
    tx_hashes: Vec<HashBytes>,
    /// When it was signed, and then when it was decided.
    at: UnixNanos,
    /// What the chain said last, unless a reorg took that back.
    outcome: Option<Outcome>,
}

impl Earlier {
    /// Reads every live run of `identity` in `journal_dir` and in the folder of `run_dir`, but not `run_dir` itself.
    ///
    /// # Errors
    /// [`NodeError`] when a run cannot be read: what it may have left open cannot be known then.
    pub(super) fn read(run_dir: &Path, journal_dir: Option<&Path>, identity: &Identity) -> Result<Self, NodeError> {
        let mut earlier = Self::default();
        let runs = runs_of(run_dir, journal_dir);
        for run in runs.map_err(|source| NodeError::Earlier { path: run_dir.to_owned(), source })? {
            let Some(manifest) = Manifest::read_if_ours(&run)? else { continue };
            if identity.has_made(&manifest) {
                earlier.read_run(&run).map_err(|source| NodeError::EarlierRun { run: run.clone(), source })?;
            }
        }
        Ok(earlier)
    }

    /// Closes what was open by what the chain says now, and gives the records that tell risk, oldest first.
    ///
    /// # Errors
    /// [`NodeError::Refused`] while a transaction of an earlier run may still be included; [`NodeError::Chain`].
    pub(super) async fn resolve(mut self, desk: &Desk, now: UnixNanos) -> Result<Vec<Vec<u8>>, NodeError> {
        if self.signed.iter().any(|signed| signed.outcome.is_none()) {
            let (next_nonce, head) = (desk.chain.nonce(desk.account).await?, desk.chain.head().await?);
            for signed in self.signed.iter_mut().filter(|signed| signed.outcome.is_none()) {
                let mut receipt = None;
                for tx_hash in &signed.tx_hashes {
                    receipt = receipt.or(desk.chain.receipt(*tx_hash, desk.executor).await?);
                }
                signed.outcome = Some(signed.decide(receipt.as_ref(), next_nonce, head)?);
            }
        }
        Ok(self.records(now))
    }

    /// First nonce that none of these runs has signed; `None` when that is not certain.
    pub(super) fn signed_end(&self) -> Option<u64> {
        let last = self.signed.iter().map(|signed| signed.trade.nonce.get()).max();
        (!self.is_torn).then(|| last.map_or(0, |last| last.saturating_add(1)))
    }

    /// What was leased, run by run.
    pub(super) fn leases(&self) -> &[NonceLease] {
        &self.leases
    }

    fn records(mut self, now: UnixNanos) -> Vec<Vec<u8>> {
        self.signed.retain(|signed| signed.at.0.saturating_add(KEPT_NS) >= now.0);
        self.signed.sort_by_key(|signed| (signed.at, signed.trade.nonce.get()));
        let records = self.signed.iter().flat_map(|signed| {
            let clock = Clock::new(signed.at);
            let outcome = signed.outcome.as_ref().map(Message::Outcome);
            let messages = [Some(Message::Clock(&clock)), Some(Message::Submission(&signed.trade)), outcome];
            messages.map(|message| message.map(|message| message.as_bytes().to_vec()))
        });
        records.flatten().collect()
    }
}

impl Signed {
    fn of(trade: &Submission, at: UnixNanos) -> Self {
        Self { trade: *trade, tx_hashes: Vec::new(), at, outcome: None }
    }

    fn take(&mut self, outcome: &Outcome, at: UnixNanos) {
        match OutcomeStatus::from_wire(outcome.status.get()) {
            Some(OutcomeStatus::Included | OutcomeStatus::Reverted | OutcomeStatus::Replaced) => {
                (self.outcome, self.at) = (Some(*outcome), at);
            }
            Some(OutcomeStatus::Reorged) => self.outcome = None,
            _ => {}
        }
    }

    /// The chain's word on a nonce that its run left open.
    fn decide(&self, receipt: Option<&Receipt>, next_nonce: u64, head: BlockNumber) -> Result<Outcome, NodeError> {
        let (nonce, block_max) = (self.trade.nonce.get(), BlockNumber(self.trade.block_max.get()));
        let outcome = |tx_hash, status, block| {
            Outcome::new(OpportunityId(self.trade.opportunity.get()), nonce, tx_hash, status, block)
        };
        match receipt {
            Some(receipt) => {
                let status = match (receipt.tx_hash == self.trade.tx_hash, receipt.is_success) {
                    (true, true) => OutcomeStatus::Included,
                    (true, false) => OutcomeStatus::Reverted,
                    (false, _) => OutcomeStatus::Replaced,
                };
                let found = outcome(receipt.tx_hash, status, receipt.block);
                Ok(found.with_receipt(receipt.gas_used, receipt.gas_price, receipt.gain))
            }
            None if nonce < next_nonce => {
                // Something of this account's was paid for. Without a receipt the dearest that it can have been is booked.
                let (gas, fee) = (Gas(self.trade.gas_limit.get()), FeePerGas(self.trade.fee_max.get()));
                tracing::warn!(
                    nonce,
                    "no receipt is known for a used nonce of an earlier run: its highest cost is booked"
                );
                let found = outcome(self.trade.tx_hash, OutcomeStatus::Replaced, nowhere(head));
                Ok(found.with_receipt(gas, fee, U256::ZERO))
            }
            None if block_max < head => Ok(outcome(self.trade.tx_hash, OutcomeStatus::Replaced, nowhere(head))),
            None => Err(NodeError::NotYet(format!(
                "the trade with nonce {nonce} of an earlier run may be included until block {block_max}, and the chain is \
                 at {head}; start again after that block"
            ))),
        }
    }
}

impl Earlier {
    /// Adds what a run leased and signed.
    fn read_run(&mut self, run: &Path) -> Result<(), JournalError> {
        match JournalReader::open(run.join(JOURNAL_FOLDER)) {
            // The first record is on disk before anything is signed: this run ended before it began.
            Err(JournalError::Missing(_)) => {}
            journal => {
                let mut journal = journal?;
                self.signed.extend(read_signed(&mut journal, &mut self.leases)?.into_values());
                self.is_torn |= journal.torn_bytes() > 0;
            }
        }
        Ok(())
    }
}

/// What a run signed, by nonce; its leases are added to `leases`.
fn read_signed(
    journal: &mut JournalReader,
    leases: &mut Vec<NonceLease>,
) -> Result<BTreeMap<u64, Signed>, JournalError> {
    let mut signed = BTreeMap::new();
    let mut is_head = true;
    let mut now = UnixNanos(0);
    while let Some(message) = journal.next_message()? {
        // What a run had of the runs before it stands in their own journals.
        is_head &= !matches!(message, Message::SnapshotBegin(_));
        match message {
            Message::Clock(clock) => now = UnixNanos(clock.now_ns.get()),
            Message::NonceLease(lease) => leases.push(*lease),
            _ if is_head => {}
            Message::Submission(sent) => {
                let of_nonce = signed.entry(sent.nonce.get()).or_insert_with(|| Signed::of(sent, now));
                of_nonce.tx_hashes.push(sent.tx_hash);
            }
            Message::Outcome(outcome) => {
                if let Some(of_nonce) = signed.get_mut(&outcome.nonce.get()) {
                    of_nonce.take(outcome, now);
                }
            }
            _ => {}
        }
    }
    Ok(signed)
}

/// A block that stands for none.
const fn nowhere(head: BlockNumber) -> BlockRef {
    BlockRef { number: head, hash: [0; 32] }
}

/// Folders of runs in `journal_dir` and beside `run_dir`, each once, however its path is written.
fn runs_of(run_dir: &Path, journal_dir: Option<&Path>) -> io::Result<BTreeSet<PathBuf>> {
    // `Path::parent` of a bare name is the empty path, which no system call takes for the present folder.
    let beside = run_dir.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let itself = fs::canonicalize(run_dir).ok();
    let mut runs = BTreeSet::new();
    for folder in beside.into_iter().chain(journal_dir).filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join(MANIFEST_FILE).is_file() {
                runs.insert(fs::canonicalize(path)?);
            }
        }
    }
    runs.retain(|run| Some(run) != itself.as_ref());
    Ok(runs)
}

#[cfg(test)]
mod tests;
