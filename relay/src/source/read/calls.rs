//! Calls of contracts at one block.

use core::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::RpcError;
use alloy::rpc::types::{BlockId, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::TransportErrorKind;
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::replica::TickLiquidity;
use tokio::sync::Semaphore;

use super::batch::{self, Batcher};
use super::lens::{self, Answered};
use super::refuse;
use crate::error::SourceError;
use crate::source::node::{CALL_TIMEOUT, call, request_within};

/// Calls under way at once: enough to hide a network's round trip, few enough for a provider's rate limit.
const CALLS_IN_FLIGHT: usize = 64;
/// Gas of each call. Without it a node takes its own cap, and a contract that burns all it gets, or looks at what it gets, would
/// be one thing at one node and another at the next. Below every cap in use: nodes' 50 million, blocks' 30 million and the 2^24 of
/// one transaction; what is read here takes less than a hundredth of it.
const CALL_GAS: u64 = 10_000_000;

/// Calls at one block. The permits bound what is under way, however much is asked for at once.
pub(in crate::source) struct Calls {
    client: RpcClient,
    block: BlockId,
    permits: Semaphore,
    /// Longest wait for one of them.
    timeout: Duration,
    /// Makes many calls one request; without it each is its own.
    batcher: Option<Batcher>,
}

impl Calls {
    /// Each call is a request of its own.
    pub(in crate::source) fn new(client: &RpcClient, at: &BlockContext, timeout: Duration) -> Self {
        let block = BlockId::hash(B256::from(at.hash));
        Self { client: client.clone(), block, permits: Semaphore::new(CALLS_IN_FLIGHT), timeout, batcher: None }
    }

    /// Calls are gathered where the node makes them together. The block must be on its chain.
    pub(in crate::source) fn batched(client: &RpcClient, at: &BlockContext) -> Self {
        let block = BlockId::hash_canonical(B256::from(at.hash));
        let batcher = Some(Batcher::start(client.clone(), block));
        Self { block, batcher, ..Self::new(client, at, CALL_TIMEOUT) }
    }

    pub(in crate::source) async fn call_raw(&self, to: Address, data: Bytes) -> Result<Bytes, SourceError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let transaction = TransactionRequest::default().to(to).input(data.into()).gas_limit(CALL_GAS);
        call(&self.client, transaction, self.block, self.timeout).await
    }

    /// What the contract answers; `None` when it refuses.
    pub(super) async fn ask(&self, to: Address, data: Bytes) -> Result<Option<Bytes>, SourceError> {
        if let Some(batcher) = &self.batcher {
            match batcher.ask(to, data.clone()).await {
                Answered::Data(answer) => return Ok(Some(answer)),
                Answered::Failed => return Ok(None),
                Answered::Alone => {}
            }
        }
        self.ask_alone(to, data).await
    }

    /// As [`Self::ask`], by a request of its own: a batch makes no calls that change something.
    pub(super) async fn ask_alone(&self, to: Address, data: Bytes) -> Result<Option<Bytes>, SourceError> {
        match self.call_raw(to, data).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_revert(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls a contract for `pool`; an answer that does not fit the function is the pool's fault, not the node's.
    pub(super) async fn call<C: SolCall>(&self, pool: Address, to: Address, call: C) -> Result<C::Return, SourceError> {
        let wrong = |reason: &str| refuse(pool, format!("contract {to} has no usable {}: {reason}", C::SIGNATURE));
        let answer = self.ask(to, call.abi_encode().into()).await?.ok_or_else(|| wrong("the call reverts"))?;
        if answer.is_empty() {
            return Err(wrong("no code at this address, or no such function"));
        }
        C::abi_decode_returns_validate(&answer).map_err(|error| wrong(&error.to_string()))
    }

    /// Calls a function that the contract may lack; `None` when it does, or answers something else.
    pub(super) async fn try_call<C: SolCall>(&self, to: Address, call: C) -> Result<Option<C::Return>, SourceError> {
        let answer = self.ask(to, call.abi_encode().into()).await?;
        Ok(answer.and_then(|answer| C::abi_decode_returns_validate(&answer).ok()))
    }

    /// A word of a contract's storage.
    pub(super) async fn storage(&self, of: Address, slot: U256) -> Result<U256, SourceError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        request_within(&self.client, "eth_getStorageAt", (of, slot, self.block), self.timeout).await
    }

    /// Whether there is a contract.
    pub(super) async fn has_code(&self, at: Address) -> Result<bool, SourceError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let code: Bytes = request_within(&self.client, "eth_getCode", (at, self.block), self.timeout).await?;
        Ok(!code.is_empty())
    }

    /// Initialised ticks in these words of a bitmap by few requests; `None` where the node or the pool does not answer so.
    pub(super) async fn scan_ticks(
        &self,
        pool: Address,
        id: B256,
        spacing: i32,
        (mut low, high): (i32, i32),
    ) -> Option<Vec<TickLiquidity>> {
        self.batcher.as_ref()?;
        let mut ticks = Vec::new();
        while low <= high {
            let code = lens::tick_scan(pool, id, spacing, low, high);
            let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
            let returned = batch::create(&self.client, self.block, code).await.ok()?;
            let (next, more) = lens::scanned(&returned)?;
            ticks.extend(more);
            low = (next > low).then_some(next)?;
        }
        Some(ticks)
    }
}

/// Words of nodes for a call that they ran and that the contract did not end well. With the same gas for all, they all say so.
const FAILED_RUNS: [&str; 3] = ["revert", "out of gas", "invalid opcode"];

/// Whether the node ran the call and the contract refused it.
fn is_revert(error: &SourceError) -> bool {
    let SourceError::Call { cause, .. } = error else { return false };
    let Some(RpcError::ErrorResp(answer)) = cause.downcast_ref::<RpcError<TransportErrorKind>>() else { return false };
    // Code 3 is the de-facto code for reverts (geth); others only say so in words.
    let message = answer.message.to_lowercase();
    answer.code == 3 || FAILED_RUNS.iter().any(|words| message.contains(words))
}
