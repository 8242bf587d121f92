//! The port to an EVM node, as far as execution needs one. Every call has a deadline.

use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::{RpcError, TransportErrorKind};
use alphapulse_protocol::message::{SimulationStatus, SubmittedStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, FeePerGas, Gas, HashBytes, U256};
use thiserror::Error;

use super::calldata::{self, abi::IExecutor::executeCall};
use super::track::Receipt;

/// Error code of a call that reverted, in geth and those that follow it.
const EXECUTION_REVERTED: i64 = 3;

/// Longest that one request may take before its answer counts as none.
const DEADLINE: Duration = Duration::from_secs(2);

/// Why the node gave no usable answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The node refused, or the connection failed.
    #[error("the node did not answer `{call}`")]
    Rpc {
        /// What was asked.
        call: &'static str,
        /// What came back.
        #[source]
        source: Box<RpcError<TransportErrorKind>>,
    },
    /// No answer within the deadline.
    #[error("the node did not answer `{0}` in time")]
    Timeout(&'static str),
    /// The node answered that it has not got what every node has.
    #[error("the node does not know {0}; connect to one that has the whole chain of headers")]
    Missing(&'static str),
}

/// Outcome of trying a trade against the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Whether it would succeed.
    pub status: SimulationStatus,
    /// Gas it would use.
    pub gas: Gas,
    /// Gain it would make, raw units of the profit token.
    pub gain: U256,
}

impl Tried {
    const fn failed(status: SimulationStatus) -> Self {
        Self { status, gas: Gas(0), gain: U256::ZERO }
    }
}

/// A connection to a node.
#[derive(Debug, Clone)]
pub struct ChainPort {
    provider: DynProvider,
}

impl ChainPort {
    /// A port over an open connection.
    #[must_use]
    pub const fn new(provider: DynProvider) -> Self {
        Self { provider }
    }

    /// EIP-155 id that the node states.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn chain_id(&self) -> Result<ChainId, ChainError> {
        ask("eth_chainId", self.provider.get_chain_id()).await.map(ChainId)
    }

    /// Next nonce of `account` by the newest block.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn nonce(&self, account: Address) -> Result<u64, ChainError> {
        ask("eth_getTransactionCount", self.provider.get_transaction_count(account).latest()).await
    }

    /// Next nonce of `account` counting what waits in the node's pool.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, ChainError> {
        ask("eth_getTransactionCount", self.provider.get_transaction_count(account).pending()).await
    }

    /// Height of the newest block.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn head(&self) -> Result<BlockNumber, ChainError> {
        ask("eth_blockNumber", self.provider.get_block_number()).await.map(BlockNumber)
    }

    /// Hash of the chain's first block: with the chain id it names one chain, also among dev chains.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer, or does not know its first block.
    pub async fn genesis_hash(&self) -> Result<HashBytes, ChainError> {
        let call = "eth_getBlockByNumber";
        let block = ask(call, self.provider.get_block_by_number(BlockNumberOrTag::Number(0))).await?;
        block.map(|block| block.header.hash.0).ok_or(ChainError::Missing("the chain's first block"))
    }

    /// Runtime code at `account`.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn code(&self, account: Address) -> Result<Bytes, ChainError> {
        ask("eth_getCode", self.provider.get_code_at(account)).await
    }

    /// One read-only call, decoded.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer; `None` when the contract's answer is not of the call's form.
    pub async fn view<C: SolCall>(&self, contract: Address, call: &C) -> Result<Option<C::Return>, ChainError> {
        let request = TransactionRequest::default().with_to(contract).with_input(call.abi_encode());
        let answer = ask("eth_call", self.provider.call(request)).await?;
        Ok(C::abi_decode_returns(&answer).ok())
    }

    /// Tries a trade on the state of `block`: what it would gain, and the gas it would take.
    pub async fn try_trade(&self, from: Address, executor: Address, calldata: Bytes, block: HashBytes) -> Tried {
        let request = TransactionRequest::default().with_from(from).with_to(executor).with_input(calldata);
        let at = BlockId::hash(B256::from(block));
        let (gain, gas) = tokio::join!(
            ask("eth_call", self.provider.call(request.clone()).block(at)),
            ask("eth_estimateGas", self.provider.estimate_gas(request).block(at)),
        );
        match (gain, gas) {
            (Ok(answer), Ok(gas)) => match executeCall::abi_decode_returns(&answer).ok() {
                Some(gain) => Tried { status: SimulationStatus::Succeeded, gas: Gas(gas), gain },
                None => Tried::failed(SimulationStatus::Reverted),
            },
            (Err(error), _) | (_, Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "simulation failed");
                Tried::failed(if error.is_revert() {
                    SimulationStatus::Reverted
                } else {
                    SimulationStatus::Unavailable
                })
            }
        }
    }

    /// Hands signed bytes to the node. What it says is no proof of anything but acceptance.
    pub async fn send(&self, raw: &[u8]) -> SubmittedStatus {
        match ask("eth_sendRawTransaction", self.provider.send_raw_transaction(raw)).await {
            Ok(_) => SubmittedStatus::Accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "submission not accepted");
                if error.is_answer() { SubmittedStatus::Refused } else { SubmittedStatus::Unknown }
            }
        }
    }

    /// Receipt of a transaction, if the node has one.
    ///
    /// # Errors
    /// [`ChainError`] when the node gives no answer.
    pub async fn receipt(&self, tx_hash: HashBytes, executor: Address) -> Result<Option<Receipt>, ChainError> {
        let receipt =
            ask("eth_getTransactionReceipt", self.provider.get_transaction_receipt(B256::from(tx_hash))).await?;
        Ok(receipt.and_then(|receipt| read_receipt(&receipt, executor)))
    }
}

impl ChainError {
    /// Whether the node answered, with a refusal; `false` means that nothing is known of the request's fate.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Rpc { source, .. } => source.is_error_resp(),
            Self::Timeout(_) => false,
            Self::Missing(_) => true,
        }
    }

    /// Whether the call itself failed in the EVM. A node that is busy, behind or limits its callers answers with an error
    /// as well, and that says nothing of the trade.
    #[must_use]
    pub fn is_revert(&self) -> bool {
        let Self::Rpc { source, .. } = self else { return false };
        source.as_error_resp().is_some_and(|answer| {
            answer.code == EXECUTION_REVERTED || answer.as_revert_data().is_some() || answer.message.contains("revert")
        })
    }
}

/// Awaits an answer, but not for long.
async fn ask<T, F>(call: &'static str, request: F) -> Result<T, ChainError>
where
    F: IntoFuture<Output = Result<T, RpcError<TransportErrorKind>>>,
{
    match tokio::time::timeout(DEADLINE, request.into_future()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(ChainError::Rpc { call, source: Box::new(source) }),
        Err(_) => Err(ChainError::Timeout(call)),
    }
}

/// What tracking needs of a receipt; `None` for one that is not in a block.
fn read_receipt(receipt: &TransactionReceipt, executor: Address) -> Option<Receipt> {
    let executed = receipt.logs().iter().find_map(|log| calldata::decode_executed(executor, &log.inner));
    Some(Receipt {
        tx_hash: receipt.transaction_hash.0,
        block: BlockRef { number: BlockNumber(receipt.block_number?), hash: receipt.block_hash?.0 },
        is_success: receipt.status(),
        gas_used: Gas(receipt.gas_used),
        gas_price: FeePerGas(receipt.effective_gas_price),
        gain: executed.map_or(U256::ZERO, |executed| executed.gain),
    })
}
