//! A recorded block as it lies on disk: state before, transactions, receipts, state after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::types::TransactionReceipt;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::MainnetBlockError;

/// Overrides where recorded data is looked for.
const DATA_VARIABLE: &str = "ALPHAPULSE_DATA";
const FOLDER: &str = "blocks/replayable";

/// Storage of one account, by slot.
pub type Storage = BTreeMap<U256, U256>;

/// The part of a header that a block is made again with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedHeader {
    /// Height.
    pub number: U64,
    /// Seconds.
    pub timestamp: U64,
    /// Wei per gas.
    pub base_fee_per_gas: U64,
    /// Gas that the block may use.
    pub gas_limit: U64,
    /// Gas that it used.
    pub gas_used: U64,
    /// Receiver of priority fees.
    pub miner: Address,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockFile {
    header: RecordedHeader,
    parent_header: RecordedHeader,
    raw_transactions: Vec<Bytes>,
    transactions: Vec<RecordedTransaction>,
}

#[derive(Deserialize)]
struct RecordedTransaction {
    hash: B256,
}

#[derive(Deserialize)]
struct GenesisFile {
    alloc: BTreeMap<Address, AccountFile>,
}

#[derive(Deserialize)]
struct AccountFile {
    #[serde(default)]
    storage: Storage,
}

/// A block with all that it takes to execute it again, and all that came of it.
#[derive(Debug, Clone)]
pub struct RecordedBlock {
    /// Its header.
    pub header: RecordedHeader,
    /// Its parent's.
    pub parent: RecordedHeader,
    /// Signed transactions in order, each with its hash.
    pub transactions: Vec<(B256, Bytes)>,
    /// Their receipts.
    pub receipts: Vec<TransactionReceipt>,
    /// Storage before the block, without slots that hold zero.
    pub before: BTreeMap<Address, Storage>,
    /// Every slot that the block touched, with its value after it.
    pub after: BTreeMap<Address, Storage>,
    folder: PathBuf,
}

/// Where recorded data is: `$ALPHAPULSE_DATA`, or `shared/data` beside the repository.
#[must_use]
pub fn data_folder() -> PathBuf {
    std::env::var_os(DATA_VARIABLE)
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")), PathBuf::from)
}

impl RecordedBlock {
    /// Reads block `number` from [`data_folder`].
    ///
    /// # Errors
    /// [`MainnetBlockError::DataAbsent`] when the block is not there, [`MainnetBlockError::Data`] when a file of it is
    /// unreadable or the files do not fit each other.
    pub fn load(number: u64) -> Result<Self, MainnetBlockError> {
        let folder = data_folder().join(FOLDER);
        if !file_of(&folder, number, "block").is_file() {
            return Err(MainnetBlockError::DataAbsent { number, folder });
        }
        let block: BlockFile = read(&file_of(&folder, number, "block"))?;
        let receipts: Vec<TransactionReceipt> = read(&file_of(&folder, number, "receipts"))?;
        let genesis: GenesisFile = read(&file_of(&folder, number, "anvil-genesis"))?;
        let after: BTreeMap<Address, AccountFile> = read(&file_of(&folder, number, "poststate"))?;
        let storage = |accounts: BTreeMap<Address, AccountFile>| {
            accounts.into_iter().map(|(a, file)| (a, file.storage)).collect()
        };
        let hashes = block.transactions.iter().map(|transaction| transaction.hash);
        let recorded = Self {
            transactions: hashes.zip(block.raw_transactions.iter().cloned()).collect(),
            header: block.header,
            parent: block.parent_header,
            receipts,
            before: storage(genesis.alloc),
            after: storage(after),
            folder,
        };
        recorded.check(block.raw_transactions.len())
    }

    fn check(self, raw_count: usize) -> Result<Self, MainnetBlockError> {
        let fits = self.transactions.len() == raw_count
            && self.receipts.len() == raw_count
            && self.transactions.iter().zip(&self.receipts).all(|((hash, raw), receipt)| {
                receipt.transaction_hash == *hash && alloy::primitives::keccak256(raw) == *hash
            });
        if fits {
            return Ok(self);
        }
        let source =
            io::Error::new(io::ErrorKind::InvalidData, "transactions, hashes and receipts do not fit each other");
        Err(MainnetBlockError::Data { path: file_of(&self.folder, self.number(), "block"), source })
    }

    /// Height.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.header.number.to()
    }

    /// Writes the genesis file that a dev node starts from.
    ///
    /// # Errors
    /// [`MainnetBlockError::Data`] when it cannot be read or written.
    pub fn write_genesis(&self, to: &Path) -> Result<(), MainnetBlockError> {
        let from = file_of(&self.folder, self.number(), "anvil-genesis");
        let failed = |source| MainnetBlockError::Data { path: to.to_owned(), source };
        let mut packed = GzDecoder::new(File::open(&from).map_err(failed)?);
        io::copy(&mut packed, &mut File::create(to).map_err(failed)?).map(drop).map_err(failed)
    }

    /// Slots of `account` whose value before the block is known, and that value; zeros included.
    #[must_use]
    pub fn known_before(&self, account: Address) -> Storage {
        let touched = self.after.get(&account).into_iter().flat_map(Storage::keys);
        let mut known: Storage = touched.map(|slot| (*slot, U256::ZERO)).collect();
        known.extend(self.before.get(&account).into_iter().flatten());
        known
    }

    /// Slots of `account` after the block: those that the block touched over those known before it.
    #[must_use]
    pub fn known_after(&self, account: Address) -> Storage {
        let mut known = self.known_before(account);
        known.extend(self.after.get(&account).into_iter().flatten());
        known
    }

    /// Accounts that logged an event with one of these signatures.
    #[must_use]
    pub fn accounts_that_logged(&self, signatures: &[B256]) -> BTreeSet<Address> {
        let logs = self.receipts.iter().flat_map(|receipt| receipt.logs());
        logs.filter(|log| log.topic0().is_some_and(|topic| signatures.contains(topic)))
            .map(alloy::rpc::types::Log::address)
            .collect()
    }
}

fn file_of(folder: &Path, number: u64, part: &str) -> PathBuf {
    folder.join(format!("{number}.{part}.json.gz"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, MainnetBlockError> {
    let failed = |source| MainnetBlockError::Data { path: path.to_owned(), source };
    let mut text = String::new();
    GzDecoder::new(File::open(path).map_err(failed)?).read_to_string(&mut text).map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| failed(error.into()))
}
