//! Market snapshots as files (`alphapulse.snapshot/1`), and exact quotes from them.
//!
//! A file is JSON, plain or gzip-compressed; integers are decimal text of any size. Reading is strict: a field that is
//! missing or not what the format says fails the file, with its place in the error; of a pool of Uniswap V4, Solidly, Curve
//! or Balancer it fails that pool alone, as do numbers that are well formed but cannot belong together (ticks that do not
//! sum to the liquidity, a reserve no contract could hold): the file loads, [`Snapshot::warnings`] names the pool, and
//! quotes from it are refused. Pools of a kind this build cannot price are kept by name for the same reason. Unknown fields
//! are ignored, so that a file may say more.
//!
//! ```
//! use alphapulse_strategies::snapshot::{Query, Snapshot};
//!
//! let file = r#"{"format":"alphapulse.snapshot/1","chain_id":1,"block":{"number":1},
//!   "tokens":[{"address":"0x0000000000000000000000000000000000000001","symbol":"A","decimals":18},
//!             {"address":"0x0000000000000000000000000000000000000002","symbol":"B","decimals":18}],
//!   "pools":[{"kind":"uniswap_v2","address":"0x00000000000000000000000000000000000000aa","fee_bps":30,
//!             "tokens":["0x0000000000000000000000000000000000000001","0x0000000000000000000000000000000000000002"],
//!             "reserves":["1000000","2000000"]}]}"#;
//! let snapshot = Snapshot::from_bytes(file.as_bytes())?;
//! let query = Query::from_line(
//!     br#"{"pool":"0x00000000000000000000000000000000000000aa","amount_in":"1000",
//!          "token_in":"0x0000000000000000000000000000000000000001",
//!          "token_out":"0x0000000000000000000000000000000000000002"}"#,
//! )?;
//! assert_eq!(snapshot.quote(&query).to_string(), r#"{"amount_out":"1992"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
mod error;
mod hex;
mod left_out;
mod pool;
mod query;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;

use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo};
use alphapulse_protocol::{AddressBytes, BlockNumber, ChainId, FeePerGas, HashBytes};

pub use self::error::{Flaw, MalformedQuery, SnapshotError};
pub use self::left_out::LeftOut;
pub use self::query::{Amount, Answer, NoAnswer, PoolName, Query};
pub use self::write::{to_json, to_json_without};

/// Value of the `format` field that this build reads and writes.
pub const FORMAT: &str = "alphapulse.snapshot/1";

/// Bytes that a file may have once unpacked: a guard against a compressed file made to exhaust memory. A pool with a
/// thousand ticks takes about 60 kB, so this is some 15,000 of the largest pools.
pub const UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// A market at one block.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Chain that the market is on.
    pub chain_id: ChainId,
    /// Block whose state this is.
    pub block: SnapshotBlock,
    /// Tokens in the order of the file; a `TokenId` is an index into it.
    pub tokens: Vec<TokenInfo>,
    /// Pools in the order of the file.
    pub pools: Vec<SnapshotPool>,
    /// Pools that the file says it does not hold, in its order; none where it does not say.
    pub left_out: Vec<LeftOut>,
    names: HashMap<PoolName, Named>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// The pool at this place.
    One(usize),
    /// Pools of one vault or pool manager, which only their ids tell apart.
    Several,
}

/// The block of a snapshot. A file may leave out all but the number; what it leaves out is zero here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotBlock {
    /// Height.
    pub number: BlockNumber,
    /// Hash of the header.
    pub hash: HashBytes,
    /// Unix seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: FeePerGas,
}

/// A pool of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPool {
    /// Contract (of a pool in a shared vault: the vault or the pool, as the file says).
    pub address: AddressBytes,
    /// Id inside a shared vault, where the kind has one.
    pub pool_id: Option<HashBytes>,
    /// What is known of it.
    pub form: PoolForm,
}

/// What a snapshot knows of a pool.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every pool of a file is sound, so boxing that variant saves nothing"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolForm {
    /// A pool that quotes come from.
    Sound {
        /// Tokens, fee and ticks of the contract. The id of a base pool is its place in [`Snapshot::pools`].
        info: PoolInfo,
        /// Its state.
        state: PoolState,
    },
    /// A pool whose numbers cannot be those of a contract.
    Flawed(Flaw),
    /// A pool of a kind that this build cannot price.
    Unsupported {
        /// The kind as the file names it.
        kind: String,
    },
}

impl SnapshotPool {
    /// Description and state, if they are those of a contract.
    #[must_use]
    pub const fn sound(&self) -> Option<(&PoolInfo, &PoolState)> {
        match &self.form {
            PoolForm::Sound { info, state } => Some((info, state)),
            PoolForm::Flawed(_) | PoolForm::Unsupported { .. } => None,
        }
    }
}

impl Snapshot {
    /// Pool by its contract or its id; `None` also for an address that several pools share.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&SnapshotPool> {
        match *self.names.get(name)? {
            Named::One(index) => self.pools.get(index),
            Named::Several => None,
        }
    }

    /// What a reader of the file should know before trusting answers: one line per flawed pool, then one that counts
    /// the pools of each unsupported kind.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut unsupported: Vec<(&str, usize)> = Vec::new();
        for (index, pool) in self.pools.iter().enumerate() {
            match &pool.form {
                PoolForm::Sound { .. } => {}
                PoolForm::Flawed(flaw) => {
                    lines.push(format!(
                        "pools[{index}] ({}): {flaw}; it will not be quoted",
                        hex::format(&pool.address)
                    ));
                }
                PoolForm::Unsupported { kind } => match unsupported.iter_mut().find(|(known, _)| known == kind) {
                    Some((_, count)) => *count += 1,
                    None => unsupported.push((kind, 1)),
                },
            }
        }
        lines.extend(unsupported.iter().map(|(kind, count)| format!("{count} pools of unsupported kind {kind:?}")));
        lines
    }
}
