//! What a block's hash proves: its header, and by the receipts root its logs. A proof holds whoever gives it.

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::primitives::{Address, B256, Log as EventLog};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;

use super::super::{BlockProof, CREATIONS, TOPICS};
use super::watch::AlarmKind;

/// Logs of a block that the relay reads, in one order and form however a node gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockLogs(Vec<(u64, EventLog)>);

impl BlockLogs {
    /// Reads an answer; an error says why it is none.
    pub(super) fn from_answer(logs: &[Log], block: BlockRef, contracts: &[Address]) -> Result<Self, String> {
        let hash = B256::from(block.hash);
        if let Some(foreign) = logs.iter().find(|log| log.block_hash != Some(hash)) {
            return Err(format!("asked for the logs of block {hash}, got one of {:?}", foreign.block_hash));
        }
        let placed = |log: &Log| Some((log.log_index?, log.inner.clone()));
        let placed: Option<Vec<_>> = logs.iter().filter(|log| is_read(&log.inner, contracts)).map(placed).collect();
        let mut placed = placed.ok_or("a log has no index")?;
        placed.sort_by_key(|(index, _)| *index);
        Ok(Self(placed))
    }

    /// The logs as a node would give them.
    pub(super) fn to_answer(&self, block: BlockRef) -> Vec<Log> {
        let answer = |(index, inner): &(u64, EventLog)| Log {
            inner: inner.clone(),
            block_hash: Some(B256::from(block.hash)),
            block_number: Some(block.number.0),
            log_index: Some(*index),
            ..Log::default()
        };
        self.0.iter().map(answer).collect()
    }

    /// What is wrong with these, measured by the true ones; `None` when nothing is.
    pub(super) fn fault(&self, truth: &Self) -> Option<(AlarmKind, String)> {
        if self == truth {
            return None;
        }
        let invented = self.0.iter().find(|log| !truth.0.contains(log));
        let kept_back = truth.0.iter().find(|log| !self.0.contains(log));
        Some(match (invented, kept_back) {
            (Some((index, log)), _) => {
                (AlarmKind::ForgedLog, format!("log {index} of contract {} is not in the block", log.address))
            }
            (None, Some((index, log))) => {
                (AlarmKind::MissingLog, format!("log {index} of contract {} was kept back", log.address))
            }
            (None, None) => (AlarmKind::ForgedLog, "a log is given twice".to_owned()),
        })
    }
}

fn is_read(log: &EventLog, contracts: &[Address]) -> bool {
    let is_read = |topic: &B256| TOPICS.contains(topic) || CREATIONS.contains(topic);
    contracts.contains(&log.address) && log.topics().first().is_some_and(is_read)
}

/// A block whose header and receipts were held against its hash.
#[derive(Debug)]
pub(super) struct Proven {
    proof: BlockProof,
}

impl Proven {
    /// Checks a proof. `None` when it proves nothing of the block: also on chains that hash headers or receipts in their own
    /// way.
    pub(super) fn check(proof: BlockProof, hash: B256) -> Option<Self> {
        let is_proven = proof.header.hash_slow() == hash && receipts_root(&proof) == proof.header.receipts_root;
        is_proven.then_some(Self { proof })
    }

    pub(super) fn receipts_root(&self) -> B256 {
        self.proof.header.receipts_root
    }

    pub(super) fn logs(&self, contracts: &[Address]) -> BlockLogs {
        let logs = self.proof.receipts.iter().flat_map(|receipt| receipt.logs());
        BlockLogs((0..).zip(logs.cloned()).filter(|(_, log)| is_read(log, contracts)).collect())
    }
}

/// Root of the receipts of a proof, whether or not they are the block's.
pub(super) fn receipts_root(proof: &BlockProof) -> B256 {
    calculate_receipt_root(&proof.receipts)
}

/// What the header says, if it is the header of the block.
pub(super) fn proven_context(proof: &BlockProof, hash: B256) -> Option<BlockContext> {
    let header = &proof.header;
    (header.hash_slow() == hash).then(|| BlockContext {
        number: header.number.into(),
        hash: hash.0,
        parent_hash: header.parent_hash.0,
        timestamp: header.timestamp.into(),
        base_fee: u128::from(header.base_fee_per_gas.unwrap_or_default()).into(),
        gas_used: header.gas_used.into(),
        gas_limit: header.gas_limit.into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::print_stderr,
        reason = "a failed unwrap is a failed test; a skipped one says so"
    )]

    use std::io::Read;
    use std::path::Path;

    use alloy::consensus::Header;
    use alloy::primitives::b256;
    use alloy::rpc::types::TransactionReceipt;
    use flate2::read::GzDecoder;

    use super::*;

    fn read(name: &str) -> Option<serde_json::Value> {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
        let data = std::env::var_os("ALPHAPULSE_DATA").map_or_else(default, Into::into);
        let path = data.join("blocks/replayable").join(name);
        let Ok(file) = std::fs::File::open(&path) else {
            eprintln!("ignored: {} is not there (set ALPHAPULSE_DATA)", path.display());
            return None;
        };
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        Some(serde_json::from_str(&text).unwrap())
    }

    fn recorded(number: u64) -> Option<BlockProof> {
        let block = read(&format!("{number}.block.json.gz"))?;
        let receipts = read(&format!("{number}.receipts.json.gz"))?;
        let header: Header = serde_json::from_value(block["header"].clone()).unwrap();
        let receipts: Vec<TransactionReceipt> = serde_json::from_value(receipts).unwrap();
        let receipts = receipts.into_iter().map(|receipt| receipt.into_primitives_receipt().inner).collect();
        Some(BlockProof { header, receipts })
    }

    /// Blocks of Ethereum before and after the merge, the withdrawals and the blobs; hashes as block explorers show them.
    #[test]
    fn blocks_of_ethereum_prove_their_logs_and_nothing_else() {
        for (number, hash) in [
            (15_050_000, b256!("c43d35f6a64f8a64f046c8deb4069572d622dfe7f028f62301b186f08f0e96f2")),
            (18_884_864, b256!("856a86b8144c68fe2888298ceec7c156a338aac13d92d5e3c2460ca49793ed69")),
            (19_426_587, b256!("f8e2f40d98fe5862bc947c8c83d34799c50fb344d7445d020a8a946d891b62ee")),
        ] {
            let Some(proof) = recorded(number) else { return };
            assert_eq!(proven_context(&proof, hash).unwrap().number.get(), number);
            let contracts: Vec<_> =
                proof.receipts.iter().flat_map(|receipt| receipt.logs()).map(|log| log.address).collect();
            let proven = Proven::check(proof.clone(), hash).unwrap();
            assert!(!proven.logs(&contracts).0.is_empty(), "the block trades");

            let mut short = proof.clone();
            short.receipts.pop();
            let mut old = proof.clone();
            old.header.timestamp -= 1;
            let other = B256::repeat_byte(1);
            assert!(Proven::check(short, hash).is_none());
            assert!(Proven::check(old.clone(), hash).is_none() && proven_context(&old, hash).is_none());
            assert!(Proven::check(proof, other).is_none());
        }
    }
}
