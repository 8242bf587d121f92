//! A connection that reads pools at one block.

use alloy::primitives::{Address, B256, U64};
use alloy::rpc::client::RpcClient;
use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::values::PoolDetails;

use super::calls::Calls;
use super::probe::Family;
use super::target::PoolTarget;
use super::told::Told;
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
    pub base: Option<PoolBase>,
    /// What its contract itself answers.
    pub told: Vec<Told>,
}

/// The pool that a Curve meta pool stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolBase {
    /// Its contract.
    pub pool: Address,
    /// How many shares of it there are, as the share itself tells: not every pool does.
    pub shares: u128,
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
    /// [`SourceError`] when the node cannot be reached, or has no such block; [`SourceError::NotThereYet`] for one above its head.
    pub async fn at_number(url: &NodeUrl, number: Option<u64>) -> Result<Self, SourceError> {
        let client = url.open().await?;
        let Some(number) = number else { return Self::new(client.clone(), head(&client).await?).await };
        let block: Option<Header> = request(&client, "eth_getBlockByNumber", (U64::from(number), false)).await?;
        match block {
            Some(block) => Self::new(client, block.into()).await,
            None => Err(absent(number, head(&client).await?.number.get())),
        }
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
        let (image, base) = self.read_unchecked(target).await?;
        let tokens = image.tokens.get(..image.info.tokens.len()).unwrap_or(&image.tokens);
        if (1..tokens.len()).any(|place| tokens[..place].iter().any(|token| token.address == tokens[place].address)) {
            return Err(refuse(target.address, "it names one token twice"));
        }
        if let Some(named) = target.id.filter(|_| !target.is_managed()) {
            check_id(target.address, named, &image)?;
        }
        check(target.address, &image.info, &image.state)?;
        let told = self.calls.read_told(&image).await?;
        Ok(PoolRead { image, base, told })
    }

    async fn read_unchecked(&self, target: &PoolTarget) -> Result<(PoolImage, Option<PoolBase>), SourceError> {
        let (pool, at, number) = (target.address, self.block.timestamp.get(), self.block.number.get());
        let family = match target.kind {
            Some(kind) => Some(Family::from(kind)),
            None => self.calls.recognise(pool).await?,
        };
        let image = match family {
            Some(Family::Pair) => self.calls.read_pair(pool, target.fee).await?,
            Some(Family::Concentrated) => self.calls.read_v3(pool).await?,
            Some(Family::Solidly) => self.calls.read_solidly(pool).await?,
            Some(Family::V4) => self.read_managed(target).await?,
            Some(Family::CurveStable) => return self.calls.read_curve_stable(pool, at, number).await,
            Some(Family::CurveCrypto) => self.calls.read_curve_crypto(pool).await?,
            Some(Family::Balancer) => self.calls.read_balancer(pool, at).await?,
            None => return Err(self.refuse_unknown(target).await?),
        };
        Ok((image, None))
    }

    /// Why there is no pool at an address that answers like none, and what to do about it.
    async fn refuse_unknown(&self, target: &PoolTarget) -> Result<SourceError, SourceError> {
        let pool = target.address;
        let reason = match (self.calls.has_code(pool).await?, target.id) {
            (false, Some(_)) => "no contract is at the first 20 bytes of this id, as a Balancer pool's would be; \
                                 behind the id of a Uniswap V4 pool write manager=ADDRESS"
                .to_owned(),
            (false, None) => {
                let number = self.block.number.get();
                format!(
                    "no contract is there in block {number}; check the address, or read a later block if it is younger"
                )
            }
            (true, _) if self.calls.is_v4_manager(pool).await? => {
                "it is a pool manager: name its pools by their ids, with manager=ADDRESS behind".to_owned()
            }
            (true, _) if self.calls.is_token(pool).await? => {
                "it answers as a token and does not look like a pool of a kind that is known: name the pool's own address, not that of one \
                 of its tokens; a pool that is its own share token is left out, or gets its kind behind the address"
                    .to_owned()
            }
            (true, _) => "its contract is no pool of a kind that is known; \
                          leave it out, or write its kind behind the address if it is one all the same"
                .to_owned(),
        };
        Ok(refuse(pool, reason))
    }

    async fn read_managed(&self, target: &PoolTarget) -> Result<PoolImage, SourceError> {
        let manager = target.address;
        let id = target.id.ok_or_else(|| refuse(manager, "a pool of a manager is named by its id of 32 bytes"))?;
        let key = match &target.key {
            Some(key) => Some(key.clone()).filter(|key| key.id() == id),
            None => creations::v4_key(&self.client, manager, id, self.block.number.get()).await?,
        };
        let key = key.ok_or_else(|| refuse(manager, format!("no log tells the key of pool {id}")))?;
        self.calls.read_v4(manager, &key).await
    }
}

async fn head(client: &RpcClient) -> Result<BlockContext, SourceError> {
    let block: Option<Header> = request(client, "eth_getBlockByNumber", ("latest", false)).await?;
    Ok(block.ok_or_else(|| SourceError::Contradiction("the node has no head".to_owned()))?.into())
}

/// Why a node does not have the block of this number.
fn absent(number: u64, head: u64) -> SourceError {
    if number > head {
        return SourceError::NotThereYet { number, head };
    }
    SourceError::Contradiction(format!("the node has no block {number}, though its head is block {head}"))
}

/// A vault's ids begin with the pool's address, so whoever names an id may name another pool's.
fn check_id(pool: Address, named: B256, image: &PoolImage) -> Result<(), SourceError> {
    match &image.info.details {
        PoolDetails::MultiToken(details) if details.pool_id == named.0 => Ok(()),
        PoolDetails::MultiToken(details) if details.pool_id != [0; 32] => {
            Err(refuse(pool, format!("its id is {}, not {named}", B256::from(details.pool_id))))
        }
        _ => Err(refuse(pool, format!("it has no id, and was named by {named}: name it by its address"))),
    }
}
