//! Why a call of the executor failed.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::{Panic, Revert, SolError, SolInterface};

use super::abi::IExecutor;

/// Why a call of the executor reverted, as far as its returned bytes tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorRevert {
    /// A role or address given at construction is zero.
    #[error("an address is zero")]
    ZeroAddress,
    /// This venue is not valid, or there are none or too many.
    #[error("venue {0} is not valid")]
    BadVenue(U256),
    /// The caller is not the owner.
    #[error("caller is not the owner")]
    NotOwner,
    /// The caller is neither the guardian nor the owner.
    #[error("caller is neither the guardian nor the owner")]
    NotGuardian,
    /// Trading is paused.
    #[error("executor is paused")]
    Paused,
    /// It was called while it was trading.
    #[error("executor was re-entered")]
    Reentered,
    /// This block is not in the plan's window.
    #[error("block {0} is outside the plan's window")]
    OutsideBlockWindow(U256),
    /// Input above the largest int256.
    #[error("input is out of range")]
    AmountTooLarge,
    /// So many legs are not supported.
    #[error("{0} legs are not supported")]
    BadLegCount(U256),
    /// This leg does not fit the one before it.
    #[error("leg {0} breaks the route")]
    BrokenRoute(U256),
    /// No venue has this index.
    #[error("venue {0} is unknown")]
    UnknownVenue(U256),
    /// A callback came from this address, which was not expected to call.
    #[error("unexpected callback from {0}")]
    UnexpectedCallback(Address),
    /// A V3 pool ran out of liquidity before it had taken the whole input.
    #[error("pool {pool} took only {consumed} of its input")]
    PartialFill {
        /// The pool.
        pool: Address,
        /// What it took, raw units.
        consumed: U256,
    },
    /// This token refused a transfer.
    #[error("transfer of {0} failed")]
    TransferFailed(Address),
    /// The gain was only this, raw units; 0 also stands for a loss.
    #[error("gain of {0} is below the floor")]
    ProfitBelowFloor(U256),
    /// A pool or token refused, with its own words.
    #[error("a pool or token refused: {0}")]
    Message(String),
    /// Arithmetic or another language-level failure, with Solidity's code.
    #[error("panic 0x{0:02x}")]
    Panic(U256),
    /// No bytes: out of gas, a pool that does not exist, or a token that gives no reason.
    #[error("no reason given: out of gas, or a pool or token that does not exist or does not explain itself")]
    Empty,
    /// Bytes of unknown meaning.
    #[error("unknown reason {0}")]
    Unknown(Bytes),
}

/// Reads the bytes that a reverted call returned. Total: any bytes have an answer.
#[must_use]
pub fn decode_revert(data: &[u8]) -> ExecutorRevert {
    if data.is_empty() {
        return ExecutorRevert::Empty;
    }
    if let Ok(error) = IExecutor::IExecutorErrors::abi_decode_validate(data) {
        return error.into();
    }
    if let Ok(revert) = Revert::abi_decode_validate(data) {
        return ExecutorRevert::Message(revert.reason);
    }
    if let Ok(panic) = Panic::abi_decode_validate(data) {
        return ExecutorRevert::Panic(panic.code);
    }
    ExecutorRevert::Unknown(Bytes::copy_from_slice(data))
}

impl From<IExecutor::IExecutorErrors> for ExecutorRevert {
    fn from(error: IExecutor::IExecutorErrors) -> Self {
        use IExecutor::IExecutorErrors as E;
        match error {
            E::ZeroAddress(_) => Self::ZeroAddress,
            E::BadVenue(e) => Self::BadVenue(e.index),
            E::NotOwner(_) => Self::NotOwner,
            E::NotGuardian(_) => Self::NotGuardian,
            E::ExecutionPaused(_) => Self::Paused,
            E::Reentered(_) => Self::Reentered,
            E::OutsideBlockWindow(e) => Self::OutsideBlockWindow(e.blockNumber),
            E::AmountTooLarge(_) => Self::AmountTooLarge,
            E::BadLegCount(e) => Self::BadLegCount(e.count),
            E::BrokenRoute(e) => Self::BrokenRoute(e.leg),
            E::UnknownVenue(e) => Self::UnknownVenue(e.venue),
            E::UnexpectedCallback(e) => Self::UnexpectedCallback(e.caller),
            E::PartialFill(e) => Self::PartialFill { pool: e.pool, consumed: e.consumed },
            E::TransferFailed(e) => Self::TransferFailed(e.token),
            E::ProfitBelowFloor(e) => Self::ProfitBelowFloor(e.gain),
        }
    }
}
