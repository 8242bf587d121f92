//! An EVM node over WebSocket or IPC.

mod request;

use core::future::Future;
use core::time::Duration;
use std::sync::Arc;

use alloy::consensus::Header as ConsensusHeader;
use alloy::primitives::{Address, B256, U64, U128};
use alloy::pubsub::{ConnectionHandle, PubSubConnect, RawSubscription};
use alloy::rpc::client::{ClientBuilder, RpcClient};
use alloy::rpc::types::{Filter, Log, TransactionReceipt};
use alloy::transports::ipc::IpcConnect;
use alloy::transports::ws::WsConnect;
use alloy::transports::{TransportErrorKind, TransportResult};
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::{BlockRef, ChainId};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;

pub(super) use self::request::{call, request, request_within, subscribe};
use super::creation::CREATIONS;
use super::http::{HttpConnect, HttpUrl};
use super::logs::TOPICS;
use super::{BlockProof, ChainSource, Dial, MarketImage, PoolAnswer, newcomer, read};
use crate::config::{Endpoint, PoolSpec, VenueSpec};
use crate::error::SourceError;
use crate::metrics::Metrics;

/// Longest wait for a head, a block or its logs: a connection that is slower is dead, or of no use for trading.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one of the many calls of a whole market's reading, which a provider may throttle.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Announcements buffered between the connection and us. The library's default of 16 is overrun by a node that syncs.
const NOTICES_BUFFERED: usize = 1024;
/// With more pools than this, logs are asked for by event alone: providers bound the number of addresses.
const ADDRESSES_MAX: usize = 500;

/// How to reach the node, and what to read from it.
#[derive(Debug, Clone)]
pub(crate) struct NodeDial {
    pub(crate) endpoint: Endpoint,
    pub(crate) chain_id: ChainId,
    pub(crate) venues: Arc<[VenueSpec]>,
    pub(crate) pools: Arc<[PoolSpec]>,
    pub(crate) metrics: Arc<Metrics>,
}

impl NodeDial {
    /// The same, at another node.
    pub(crate) fn to(&self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self.clone() }
    }
}

impl Dial for NodeDial {
    type Source = NodeSource;

    async fn dial(&self) -> Result<NodeSource, SourceError> {
        let client = connect(&self.endpoint, self.chain_id).await?;
        let heads = Mutex::new(subscribe(&client, ("newHeads",)).await?);
        let (venues, pools) = (Arc::clone(&self.venues), Arc::clone(&self.pools));
        Ok(NodeSource { client, heads, venues, pools, metrics: Arc::clone(&self.metrics) })
    }

    fn name(&self) -> String {
        self.endpoint.to_string()
    }
}

/// Connects to a node, and makes sure that it is on the chain asked for.
pub(super) async fn connect(endpoint: &Endpoint, expected: ChainId) -> Result<RpcClient, SourceError> {
    let client = open(endpoint).await?;
    let got: U64 = request(&client, "eth_chainId", ()).await?;
    let got = ChainId(got.to());
    if got != expected {
        return Err(SourceError::WrongChain { expected, got });
    }
    Ok(client)
}

/// Connects to a node of whatever chain.
pub(super) async fn open(endpoint: &Endpoint) -> Result<RpcClient, SourceError> {
    let connect = async {
        match endpoint {
            Endpoint::Ws(url) => ClientBuilder::default().pubsub(Once(WsConnect::new(url.clone()))).await,
            Endpoint::Ipc(path) => ClientBuilder::default().pubsub(Once(IpcConnect::new(path.clone()))).await,
        }
    };
    timeout(REQUEST_TIMEOUT, connect)
        .await
        .map_err(|_| SourceError::Timeout { method: "connect", after: REQUEST_TIMEOUT })?
        .map_err(|error| SourceError::Connect(error.into()))
}

/// Sends requests to a node's HTTP port, which tells of nothing by itself.
pub(super) async fn open_http(url: &HttpUrl) -> Result<RpcClient, SourceError> {
    let connect = HttpConnect::new(url.clone()).map_err(|reason| SourceError::Connect(reason.into()))?;
    ClientBuilder::default().pubsub(connect).await.map_err(|error| SourceError::Connect(error.into()))
}

/// A transport that connects once. The library would reconnect behind our back and hide that blocks were missed.
#[derive(Debug, Clone)]
struct Once<C>(C);

impl<C: PubSubConnect> PubSubConnect for Once<C> {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    fn connect(&self) -> impl Future<Output = TransportResult<ConnectionHandle>> + Send {
        self.0.connect()
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection ended"))
    }
}

/// One connection to a node.
#[derive(Debug)]
pub(crate) struct NodeSource {
    client: RpcClient,
    /// Heard by one task; the lock is never waited for.
    heads: Mutex<RawSubscription>,
    venues: Arc<[VenueSpec]>,
    pools: Arc<[PoolSpec]>,
    metrics: Arc<Metrics>,
}

impl ChainSource for NodeSource {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        match self.heads.lock().await.recv().await {
            Ok(notice) => read_head(notice.get()),
            Err(RecvError::Lagged(skipped)) => {
                self.metrics.heads_lagged.add(skipped);
                self.head().await
            }
            Err(RecvError::Closed) => Err(SourceError::Disconnected),
        }
    }

    fn try_head(&self) -> Option<BlockContext> {
        let mut heads = self.heads.try_lock().ok()?;
        loop {
            match heads.try_recv() {
                // One that cannot be read is skipped here: ancestry finds its block.
                Ok(notice) => match read_head(notice.get()) {
                    Ok(head) => return Some(head),
                    Err(_) => self.metrics.heads_lagged.add(1),
                },
                Err(TryRecvError::Lagged(skipped)) => self.metrics.heads_lagged.add(skipped),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        let head: Option<Header> = request(&self.client, "eth_getBlockByNumber", ("latest", false)).await?;
        head.map(BlockContext::from).ok_or_else(|| SourceError::Contradiction("the node has no head".into()))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        let block: Option<Header> = request(&self.client, "eth_getBlockByHash", (hash, false)).await?;
        match block {
            Some(block) if block.hash != hash => {
                Err(SourceError::Contradiction(format!("asked for block {hash}, got {}", block.hash)))
            }
            block => Ok(block.map(BlockContext::from)),
        }
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        let block: Option<Header> = request(&self.client, "eth_getBlockByNumber", (U64::from(number), false)).await?;
        Ok(block.map(BlockContext::from))
    }

    async fn logs(&self, block: BlockRef, contracts: &[Address]) -> Result<Vec<Log>, SourceError> {
        let events = [&TOPICS[..], &CREATIONS[..]].concat();
        let mut filter = Filter::new().at_block_hash(B256::from(block.hash)).event_signature(events);
        if contracts.len() <= ADDRESSES_MAX {
            filter = filter.address(contracts.to_vec());
        }
        request(&self.client, "eth_getLogs", (filter,)).await
    }

    async fn market(&self, at: &BlockContext) -> Result<MarketImage, SourceError> {
        read::read_market(&self.client, &self.venues, &self.pools, at).await
    }

    async fn pools(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        newcomer::read_pools(&self.client, &self.venues, pools, at).await
    }

    async fn sample(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        newcomer::sample_pools(&self.client, &self.venues, pools, at).await
    }

    async fn creations(&self, from: u64, to: u64, factories: &[Address]) -> Result<Vec<Log>, SourceError> {
        let filter = Filter::new().address(factories.to_vec()).event_signature(CREATIONS.to_vec());
        let filter = filter.from_block(from).to_block(to);
        // Who asks may keep a stream waiting, and asks for less where this is too much.
        request(&self.client, "eth_getLogs", (filter,)).await
    }

    async fn proof(&self, block: B256) -> Result<Option<BlockProof>, SourceError> {
        let header: Option<ConsensusHeader> = request(&self.client, "eth_getBlockByHash", (block, false)).await?;
        let receipts: Option<Vec<TransactionReceipt>> = request(&self.client, "eth_getBlockReceipts", (block,)).await?;
        Ok(header.zip(receipts).map(|(header, receipts)| {
            let receipts = receipts.into_iter().map(|receipt| receipt.into_primitives_receipt().inner).collect();
            BlockProof { header, receipts }
        }))
    }
}

/// What we read of a block header. The rest differs between chains and is ignored.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
    /// Absent on chains without EIP-1559: then a transaction pays no base fee.
    #[serde(default)]
    base_fee_per_gas: Option<U128>,
    gas_used: U64,
    gas_limit: U64,
}

impl From<Header> for BlockContext {
    fn from(header: Header) -> Self {
        Self {
            number: header.number.to::<u64>().into(),
            hash: header.hash.0,
            parent_hash: header.parent_hash.0,
            timestamp: header.timestamp.to::<u64>().into(),
            base_fee: header.base_fee_per_gas.unwrap_or_default().to::<u128>().into(),
            gas_used: header.gas_used.to::<u64>().into(),
            gas_limit: header.gas_limit.to::<u64>().into(),
        }
    }
}

fn read_head(json: &str) -> Result<BlockContext, SourceError> {
    let header: Header = serde_json::from_str(json)
        .map_err(|error| SourceError::Call { method: "eth_subscription", cause: error.into() })?;
    Ok(header.into())
}
