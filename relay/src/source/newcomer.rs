//! Reads single pools at a block's hash. Their contracts may be anyone's, and do anything: what they do is never the node's
//! fault, and never ours.

use core::error::Error;
use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes};
use alloy::rpc::client::RpcClient;
use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::BlockContext;
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::node::REQUEST_TIMEOUT;
use super::read::Calls;
use super::{PoolAnswer, PoolImage};
use crate::config::{PoolSpec, VenueSpec};
use crate::error::SourceError;

/// Pools read at once: enough to hide a network's round trip. Their calls have a bound of their own.
const POOLS_IN_FLIGHT: usize = 16;
/// Times that a pool is read where the node does not say what it is: it may have been busy.
const TRIES: u32 = 2;

/// One answer for each pool, in their order.
pub(super) async fn read_pools(
    client: &RpcClient,
    venues: &[VenueSpec],
    pools: &[PoolSpec],
    at: &BlockContext,
) -> Result<Vec<PoolAnswer>, SourceError> {
    // The stream waits for these calls, so none may take long.
    read_with(&Calls::new(client, at, REQUEST_TIMEOUT), venues, pools).await
}

/// The same for who is in no hurry: in few requests, where the node makes calls together, and of a block on its chain only.
pub(super) async fn sample_pools(
    client: &RpcClient,
    venues: &[VenueSpec],
    pools: &[PoolSpec],
    at: &BlockContext,
) -> Result<Vec<PoolAnswer>, SourceError> {
    read_with(&Calls::batched(client, at), venues, pools).await
}

async fn read_with(calls: &Calls, venues: &[VenueSpec], pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
    let read: Vec<_> = pools.iter().map(|spec| read_pool(calls, venues, spec)).collect();
    stream::iter(read).buffered(POOLS_IN_FLIGHT).try_collect().await
}

/// Reads a pool. Where the node refuses or does not answer a call, it is asked for what no contract has a part in: if it
/// answers that, it is there, and the pool is one that could not be read.
async fn read_pool(calls: &Calls, venues: &[VenueSpec], spec: &PoolSpec) -> Result<PoolAnswer, SourceError> {
    let mut tries = 1;
    loop {
        let error = match try_read_pool(calls, venues, spec).await {
            Ok(image) => return Ok(PoolAnswer::Read(Box::new(image))),
            Err(SourceError::Pool { reason, .. }) => return Ok(PoolAnswer::Refused(reason)),
            Err(error @ SourceError::Disconnected) => return Err(error),
            Err(error) => error,
        };
        calls.call_raw(Address::ZERO, Bytes::new()).await?;
        // A contract that takes its time once would take it again.
        if tries == TRIES || matches!(error, SourceError::Timeout { .. }) {
            return Ok(PoolAnswer::Unread(with_causes(&error)));
        }
        tries += 1;
    }
}

async fn try_read_pool(calls: &Calls, venues: &[VenueSpec], spec: &PoolSpec) -> Result<PoolImage, SourceError> {
    let identity = calls.read_identity(venues, spec).await?;
    let [token_0, token_1] = identity.tokens;
    let pool = spec.address;
    let (token_0, token_1) = try_join(calls.read_token(token_0, pool), calls.read_token(token_1, pool)).await?;
    let ids: BTreeMap<_, _> = identity.tokens.into_iter().zip([TokenId(0), TokenId(1)]).collect();
    let state = calls.read_state(&identity).await?;
    Ok(PoolImage { tokens: vec![token_0, token_1], info: identity.info(&ids), state })
}

fn with_causes(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
