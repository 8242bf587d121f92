//! Requests to a node, each with an end.

use core::time::Duration;

use alloy::primitives::{B256, Bytes};
use alloy::pubsub::RawSubscription;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcError, RpcRecv, RpcSend};
use alloy::rpc::types::{BlockId, TransactionRequest};
use alloy::transports::{TransportError, TransportResult};
use tokio::time::timeout;

use super::{NOTICES_BUFFERED, REQUEST_TIMEOUT};
use crate::error::SourceError;
use crate::source::http;

/// Subscribes to what `what` names.
pub(in crate::source) async fn subscribe(
    client: &RpcClient,
    what: impl RpcSend,
) -> Result<RawSubscription, SourceError> {
    let frontend = client.pubsub_frontend().ok_or(SourceError::Disconnected)?;
    frontend.set_channel_size(NOTICES_BUFFERED);
    let mut call = client.request::<_, B256>("eth_subscribe", what);
    call.set_is_subscription();
    let id = within(REQUEST_TIMEOUT, "eth_subscribe", call).await?;
    within(REQUEST_TIMEOUT, "eth_subscribe", frontend.get_subscription(id)).await
}

/// Asks the node for something small, within [`REQUEST_TIMEOUT`].
pub(in crate::source) async fn request<P: RpcSend, R: RpcRecv>(
    client: &RpcClient,
    method: &'static str,
    params: P,
) -> Result<R, SourceError> {
    request_within(client, method, params, REQUEST_TIMEOUT).await
}

/// As [`request`], for what may take longer.
pub(in crate::source) async fn request_within<P: RpcSend, R: RpcRecv>(
    client: &RpcClient,
    method: &'static str,
    params: P,
    after: Duration,
) -> Result<R, SourceError> {
    within(after, method, client.request(method, params)).await
}

/// Runs a call in the node's state, within `after`.
pub(in crate::source) async fn call(
    client: &RpcClient,
    transaction: TransactionRequest,
    block: BlockId,
    after: Duration,
) -> Result<Bytes, SourceError> {
    within(after, "eth_call", client.request("eth_call", (transaction, block))).await
}

async fn within<T>(
    after: Duration,
    method: &'static str,
    call: impl IntoFuture<Output = TransportResult<T>>,
) -> Result<T, SourceError> {
    match timeout(after, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if is_connection_lost(&error) => Err(SourceError::Disconnected),
        Ok(Err(error)) => {
            Err(http::fault(method, &error).unwrap_or_else(|| SourceError::Call { method, cause: error.into() }))
        }
        Err(_) => Err(SourceError::Timeout { method, after }),
    }
}

fn is_connection_lost(error: &TransportError) -> bool {
    matches!(error, RpcError::Transport(_))
}
