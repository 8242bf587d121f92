//! What can be wrong with a file, with one pool in it, and with a query.

use std::io;

use thiserror::Error;

use super::{FORMAT, UNPACKED_BYTES_MAX};
use crate::pool::Inconsistency;

/// Why bytes are not a snapshot.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file starts as gzip does but cannot be unpacked.
    #[error("the gzip data is damaged or cut short")]
    Gzip(#[source] io::Error),
    /// More bytes than a snapshot may have.
    #[error("more than {UNPACKED_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON.
    #[error("not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A version or format that this build does not read.
    #[error("`format` is {found}, this build reads {FORMAT:?}")]
    Format {
        /// The value found, as JSON.
        found: String,
    },
    /// A field is missing or not what the format says.
    #[error("{place}: {problem}")]
    Field {
        /// JSON path of the field, with the pool's address where it has one.
        place: String,
        /// What was found and what is expected.
        problem: String,
    },
}

/// Why a pool is not quoted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// An integer past the type that the contract keeps it in.
    #[error("`{field}` holds a number that no pool contract can hold")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
    },
    /// Fee, price, liquidity and ticks contradict each other, or weights do.
    #[error("inconsistent: {0}")]
    Inconsistent(Inconsistency),
    /// Something of it changes with time, and the file does not say the block's.
    #[error("`{field}` moves with time: `block.timestamp` is missing")]
    NoTime {
        /// Name of the field.
        field: &'static str,
    },
    /// A hook sets its fee.
    #[error("its fee is dynamic: `lp_fee_ppm`, the fee at present, is missing")]
    DynamicFee,
    /// A field is missing or not what the format says; of pools of Uniswap V2 and V3 that fails the file.
    #[error("{place}: {problem}")]
    Malformed {
        /// JSON path of the field.
        place: String,
        /// What was found and what is expected.
        problem: String,
    },
    /// The pool that it stands on is not a sound StableSwap pool further up in the file.
    #[error("`base_pool` is no sound curve_stable pool that stands before it")]
    BasePool,
}

/// Why a line is not a query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct MalformedQuery {
    /// What is wrong with it, for people.
    pub detail: String,
}
