//! A connection that reads pools at one block.

use alloy::primitives::{Address, B256, U64};
use alloy::rpc::client::RpcClient;
use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::BlockContext;

use super::calls::Calls;
use super::probe::Family;
use super::target::PoolTarget;
use super::url::NodeUrl;
use super::{check, creations, refuse};
use crate::error::SourceError;
use crate::source::PoolImage;
use crate::source::node::{Header, request};

/// A pool that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRead {
    /// What it is and holds. Behind the pool's own tokens there may be those that its coins wrap.
    pub image: PoolImage,
    /// Pool whose share is the last token of this Curve meta pool.
    pub base: Option<Address>,
}

/// Reads pools of every kind at one block's hash, from any node that answers JSON-RPC.
pub struct Reader {
    client: RpcClient,
    calls: Calls,
    chain_id: ChainId,
    block: BlockContext,
}

impl Reader {
    /// Connects, and takes the block of this number, or the head.
    ///
    /// # Errors
    /// [`SourceError`] when the node cannot be reached, or has no such block.
    pub async fn at_number(url: &NodeUrl, number: Option<u64>) -> Result<Self, SourceError> {
        let client = url.open().await?;
        let block: Option<Header> = match number {
            Some(number) => request(&client, "eth_getBlockByNumber", (U64::from(number), false)).await?,
            None => request(&client, "eth_getBlockByNumber", ("latest", false)).await?,
        };
        let none = || {
            SourceError::Contradiction(
                number.map_or("the node has no head".into(), |number| format!("the node has no block {number}")),
            )
        };
        Self::new(client, block.ok_or_else(none)?.into()).await
    }

    /// Connects, and takes the block of this hash.
    ///
    /// # Errors
    /// As [`Self::at_number`]; [`SourceError::UnknownBlock`] when the node does not have it.
    pub async fn at_hash(url: &NodeUrl, hash: B256) -> Result<Self, SourceError> {
        let client = url.open().await?;
        let block: Option<Header> = request(&client, "eth_getBlockByHash", (hash, false)).await?;
        Self::new(client, block.ok_or(SourceError::UnknownBlock(hash))?.into()).await
    }

    async fn new(client: RpcClient, block: BlockContext) -> Result<Self, SourceError> {
        let chain_id: U64 = request(&client, "eth_chainId", ()).await?;
        let calls = Calls::batched(&client, &block);
        Ok(Self { client, calls, chain_id: ChainId(chain_id.to()), block })
    }

    /// The block.
    #[must_use]
    pub const fn block(&self) -> &BlockContext {
        &self.block
    }

    /// The node's chain.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Makes sure that the node still has the block on its chain.
    ///
    /// # Errors
    /// [`SourceError::UnknownBlock`] when it does not.
    pub async fn check_block(&self) -> Result<(), SourceError> {
        let hash = B256::from(self.block.hash);
        let number = U64::from(self.block.number.get());
        let block: Option<Header> = request(&self.client, "eth_getBlockByNumber", (number, false)).await?;
        let is_there = block.is_some_and(|block| BlockContext::from(block).hash == hash.0);
        if is_there { Ok(()) } else { Err(SourceError::UnknownBlock(hash)) }
    }

    /// Pools that a factory, a Balancer vault or a Uniswap V4 pool manager made from this block's number on.
    ///
    /// # Errors
    /// [`SourceError`] when its logs cannot be had or read.
    pub async fn pools_of(&self, factory: Address, from: u64) -> Result<Vec<PoolTarget>, SourceError> {
        creations::pools_of(&self.client, &self.calls, factory, (from, self.block.number.get())).await
    }

    /// Reads a pool.
    ///
    /// # Errors
    /// [`SourceError::Pool`] when it is none that can be described; others when the node could not be asked.
    pub async fn read(&self, target: &PoolTarget) -> Result<PoolRead, SourceError> {
        let read = self.read_unchecked(target).await?;
        let tokens = read.image.tokens.get(..read.image.info.tokens.len()).unwrap_or(&read.image.tokens);
        if (1..tokens.len()).any(|place| tokens[..place].iter().any(|token| token.address == tokens[place].address)) {
            return Err(refuse(target.address, "it names one token twice"));
        }
        check(target.address, &read.image.info, &read.image.state)?;
        Ok(read)
    }

    async fn read_unchecked(&self, target: &PoolTarget) -> Result<PoolRead, SourceError> {
        let (pool, at, number) = (target.address, self.block.timestamp.get(), self.block.number.get());
        let family = match target.kind {
            Some(kind) => Some(Family::from(kind)),
            None => self.calls.recognise(pool).await?,
        };
        let image = match family {
            Some(Family::Pair) => {
                let fee = target.fee.ok_or_else(|| refuse(pool, "a pair does not tell its fee, and none was given"))?;
                self.calls.read_pair(pool, fee).await?
            }
            Some(Family::Concentrated) => self.calls.read_v3(pool).await?,
            Some(Family::Solidly) => self.calls.read_solidly(pool).await?,
            Some(Family::V4) => self.read_managed(target).await?,
            Some(Family::CurveStable) => {
                let (image, base) = self.calls.read_curve_stable(pool, at, number).await?;
                return Ok(PoolRead { image, base });
            }
            Some(Family::CurveCrypto) => self.calls.read_curve_crypto(pool).await?,
            Some(Family::Balancer) => self.calls.read_balancer(pool, at).await?,
            None if self.calls.is_v4_manager(pool).await? => {
                return Err(refuse(pool, "a pool manager: its pools are named by their ids, with `manager=` behind"));
            }
            None => return Err(refuse(pool, "no pool of a kind that is known")),
        };
        Ok(PoolRead { image, base: None })
    }

    async fn read_managed(&self, target: &PoolTarget) -> Result<PoolImage, SourceError> {
        let manager = target.address;
        let id = target.id.ok_or_else(|| refuse(manager, "a pool of a manager is named by its id"))?;
        let key = match &target.key {
            Some(key) => Some(key.clone()).filter(|key| key.id() == id),
            None => creations::v4_key(&self.client, manager, id, self.block.number.get()).await?,
        };
        let key = key.ok_or_else(|| refuse(manager, format!("no log tells the key of pool {id}")))?;
        self.calls.read_v4(manager, &key).await
    }
}
