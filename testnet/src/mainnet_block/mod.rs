//! A block of Ethereum, executed again transaction by transaction under the engine's eyes.
//!
//! The dev node starts from the recorded state before the block. Then, for each transaction in order, the block is made anew
//! with all transactions up to that one, at its true height, time and base fee: contracts see what they saw. For the engine
//! each is a reorg of one block, and after it the market stands between two transactions of the real block.
//!
//! The recorded data is not part of the repository; see [`data_folder`].

mod config;
mod pools;
mod record;
mod replay;

use std::io;
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use alphapulse_engine::config::ConfigError;
use alphapulse_engine::node::NodeError;

use crate::dev_node::DevNodeError;

pub use self::pools::{Immutables, MainnetVenue, TouchedPool, VENUES, differences};
pub use self::record::{RecordedBlock, RecordedHeader, Storage, data_folder};
pub use self::replay::{BlockReport, BlockStep, KNOWN_ARBITRAGE, KnownArbitrage, compare, replay};

/// Why a recorded block was not replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MainnetBlockError {
    /// There is no such recording.
    #[error("no recording of block {number} in {}: set ALPHAPULSE_DATA to the data folder", folder.display())]
    DataAbsent {
        /// Height asked for.
        number: u64,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file of the recording cannot be used.
    #[error("recorded data: cannot use {}", path.display())]
    Data {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A pool that is not of a known factory.
    #[error("pool {pool} of the block is of no known factory")]
    UnknownFactory {
        /// The pool.
        pool: Address,
    },
    /// The dev node executed a transaction otherwise than Ethereum did.
    #[error("transaction {hash} does not execute as recorded: {what} differs")]
    Diverged {
        /// Which transaction.
        hash: B256,
        /// What differs.
        what: &'static str,
    },
    /// The engine took too long over a step.
    #[error("the engine did not finish the block after transaction {index}")]
    NotSettled {
        /// Position of the transaction.
        index: usize,
    },
    /// The dev node failed.
    #[error(transparent)]
    DevNode(#[from] DevNodeError),
    /// A contract gave an unreadable answer.
    #[error("pool {pool} gave an unreadable answer to {call}")]
    Answer {
        /// The pool.
        pool: Address,
        /// The call.
        call: &'static str,
    },
    /// The configuration made for the replay was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The engine failed.
    #[error(transparent)]
    Node(#[from] NodeError),
}
