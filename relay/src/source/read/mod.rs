//! Reads pools of every kind, with all of their state, from a node: everything at one block's hash.
//!
//! Contracts are anyone's and may say anything: what does not fit the messages that tell a pool's state refuses that pool, with
//! the contract and the function in the words, and is no fault of the node. A value that no function of a contract tells is
//! left at zero, never guessed.

mod balancer;
mod batch;
mod calls;
mod concentrated;
mod creations;
mod curve;
mod lens;
mod market;
mod multi_token;
mod pair;
mod probe;
mod reader;
mod solidly;
mod target;
mod token;
mod told;
mod url;
mod v4;

pub(super) use self::calls::Calls;
pub(super) use self::market::read_market;
pub use self::reader::{PoolBase, PoolRead, Reader};
pub use self::target::{BadTarget, PoolTarget, V4Key, parse_address};
pub use self::told::Told;
pub use self::url::{BadUrl, NodeUrl};

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::{PoolInfo, PoolState, describe_pool};
use alphapulse_protocol::{PoolId, Sequence, UnixNanos};

use crate::error::SourceError;

/// A pool that is not what it must be.
fn refuse(pool: Address, reason: impl Into<String>) -> SourceError {
    SourceError::Pool { pool, reason: reason.into() }
}

/// A contract's number in the type that messages have for it.
fn fit<T: TryFrom<U256>>(pool: Address, what: &str, value: U256) -> Result<T, SourceError> {
    T::try_from(value).map_err(|_| refuse(pool, format!("its {what} is {value}, more than any message holds")))
}

/// Makes sure that the messages that tell a pool's state can hold it.
fn check(pool: Address, info: &PoolInfo, state: &PoolState) -> Result<(), SourceError> {
    let place = (Sequence(0), UnixNanos(0));
    let is_fit = |message: Message<'_>| Message::decode(message.as_bytes()).map(|_| ());
    describe_pool(PoolId(0), info, state, place, is_fit).map_err(|error| refuse(pool, error.to_string()))
}
