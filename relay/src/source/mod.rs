//! Where blocks and state come from: the seam, and its adapter for an EVM node.
//!
//! A source only answers questions; what the answers mean for the stream (gaps, reorgs, catching up) is decided in one
//! place, the follower, for every source alike.

mod creation;
mod http;
mod logs;
mod newcomer;
mod node;
pub mod race;
mod ranges;
pub mod read;
pub mod side;

use core::future::Future;

use alloy::consensus::{Header, ReceiptEnvelope};
use alloy::primitives::map::AddressMap;
use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::message::{BlockContext, PoolKind};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo};
use alphapulse_protocol::{BlockRef, PoolId};
use tokio::sync::watch;

use crate::config::PoolSpec;
use crate::error::SourceError;

use self::race::{Safety, SourceWatch};

pub use self::creation::CREATIONS;
pub(crate) use self::creation::Creation;
pub use self::logs::{TOPICS, Update, decode_block};
pub(crate) use self::node::NodeDial;
pub(crate) use self::ranges::BlockRanges;

/// Makes connections to a source.
pub trait Dial: Send + Sync + 'static {
    /// One connection.
    type Source: ChainSource;

    /// Connects, and makes sure that the source is on the chain asked for.
    ///
    /// # Errors
    /// [`SourceError::WrongChain`] is final, others may pass.
    fn dial(&self) -> impl Future<Output = Result<Self::Source, SourceError>> + Send;

    /// Name of the source for logs and errors; holds no secret.
    fn name(&self) -> String;

    /// What is known of the nodes behind this source; `None` where there is nothing to compare.
    fn watch(&self) -> Option<SourceWatch> {
        None
    }

    /// Whether what the source gives may be traded on; `None` where nobody can tell.
    fn safety(&self) -> Option<watch::Receiver<Safety>> {
        self.watch().map(|watch| watch.safety())
    }
}

/// One connection to a chain. Every answer is bounded in time by the source itself. One task hears the heads; requests may be
/// made meanwhile, by several tasks at once.
pub trait ChainSource: Send + Sync + 'static {
    /// Waits for the next announced head. Dropping the future loses no head.
    ///
    /// # Errors
    /// [`SourceError::Disconnected`] when no more will come.
    fn next_head(&self) -> impl Future<Output = Result<BlockContext, SourceError>> + Send;

    /// Announced head that is already there, if any.
    fn try_head(&self) -> Option<BlockContext>;

    /// The source's head now.
    ///
    /// # Errors
    /// When it cannot be had.
    fn head(&self) -> impl Future<Output = Result<BlockContext, SourceError>> + Send;

    /// The block with this hash, or `None` when the source does not have it.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn block_by_hash(&self, hash: B256) -> impl Future<Output = Result<Option<BlockContext>, SourceError>> + Send;

    /// The canonical block at this height, or `None` above the head.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn block_by_number(&self, number: u64) -> impl Future<Output = Result<Option<BlockContext>, SourceError>> + Send;

    /// Logs of one block, named by hash, of these contracts and of the events in [`TOPICS`] and [`CREATIONS`]. More may be
    /// given.
    ///
    /// # Errors
    /// When they cannot be had, also when the block is not known.
    fn logs(
        &self,
        block: BlockRef,
        contracts: &[Address],
    ) -> impl Future<Output = Result<Vec<Log>, SourceError>> + Send;

    /// Tokens, pools and their state after a block, read at its hash.
    ///
    /// # Errors
    /// When it cannot be read, and [`SourceError::Pool`] when a pool is not what the configuration says.
    fn market(&self, at: &BlockContext) -> impl Future<Output = Result<MarketImage, SourceError>> + Send;

    /// What these pools are and hold after a block, read at its hash: one answer for each, in their order. A pool that is not
    /// what it should be is refused and is no error, whatever its contracts do.
    ///
    /// # Errors
    /// When the source cannot be asked, which says nothing of the pools.
    fn pools(
        &self,
        _at: &BlockContext,
        pools: &[PoolSpec],
    ) -> impl Future<Output = Result<Vec<PoolAnswer>, SourceError>> + Send {
        let refused = PoolAnswer::Refused("this source reads no single pools".into());
        let answers = vec![refused; pools.len()];
        async { Ok(answers) }
    }

    /// As [`Self::pools`], for a comparison that nobody waits for: a failure says nothing of the source.
    ///
    /// # Errors
    /// When the source cannot be asked, or does not have the block.
    fn sample(
        &self,
        at: &BlockContext,
        pools: &[PoolSpec],
    ) -> impl Future<Output = Result<Vec<PoolAnswer>, SourceError>> + Send {
        self.pools(at, pools)
    }

    /// Whether the block is on the source's chain, asked for such a comparison.
    ///
    /// # Errors
    /// When the source cannot be asked.
    fn is_canonical(&self, block: &BlockContext) -> impl Future<Output = Result<bool, SourceError>> + Send {
        let (number, hash) = (block.number.get(), block.hash);
        async move { Ok(self.block_by_number(number).await?.is_some_and(|there| there.hash == hash)) }
    }

    /// Logs of the events in [`CREATIONS`] of these factories, from a block's number to another's, both included. They say
    /// where to look, and prove nothing.
    ///
    /// # Errors
    /// When they cannot be had; [`SourceError::Call`] also when the range is larger than the source allows, and
    /// [`SourceError::Timeout`] when it takes too long, which is no sign of a lost connection here.
    fn creations(
        &self,
        _from: u64,
        _to: u64,
        _factories: &[Address],
    ) -> impl Future<Output = Result<Vec<Log>, SourceError>> + Send {
        async { Err(SourceError::Contradiction("this source keeps no logs of earlier blocks".into())) }
    }

    /// What a block's own hash proves of it. `None` when the source does not have the block, or cannot prove anything.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn proof(&self, _block: B256) -> impl Future<Output = Result<Option<BlockProof>, SourceError>> + Send {
        async { Ok(None) }
    }
}

/// A block's header and receipts as a source gives them; nothing is checked yet.
#[derive(Debug, Clone)]
pub struct BlockProof {
    /// Header, of which the block's hash is the hash.
    pub header: Header,
    /// Receipts in the order of the transactions, which the header's receipts root commits to.
    pub receipts: Vec<ReceiptEnvelope>,
}

/// A whole market after one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketImage {
    /// The block.
    pub context: BlockContext,
    /// Tokens by id.
    pub tokens: Vec<TokenInfo>,
    /// Pools by id, with their state.
    pub pools: Vec<(PoolInfo, PoolState)>,
}

/// One pool after one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolImage {
    /// Its tokens, in the contract's order.
    pub tokens: Vec<TokenInfo>,
    /// The pool; a token's id is its place in `tokens`.
    pub info: PoolInfo,
    /// Its state.
    pub state: PoolState,
}

/// What a source says of a pool that it was asked for.
#[derive(Debug, Clone)]
pub enum PoolAnswer {
    /// It is what it should be.
    Read(Box<PoolImage>),
    /// It is not; why, for people.
    Refused(String),
    /// Nothing is known of it: the source was busy, or a contract kept it waiting. Why, for people.
    Unread(String),
}

/// Sources that do not have a pool agree, in whatever words.
impl PartialEq for PoolAnswer {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read(image), Self::Read(other)) => image == other,
            (Self::Refused(_), Self::Refused(_)) | (Self::Unread(_), Self::Unread(_)) => true,
            _ => false,
        }
    }
}

/// Finds a pool of a market by its contract.
#[derive(Debug, Default)]
pub struct PoolTable {
    by_address: AddressMap<(PoolId, PoolKind)>,
}

impl PoolTable {
    /// The pools of `image`, each with its place there as its id.
    #[must_use]
    pub fn new(image: &MarketImage) -> Self {
        let mut table = Self::default();
        for ((info, _), id) in image.pools.iter().zip(0..) {
            table.by_address.insert(Address::from(info.address), (PoolId(id), info.kind));
        }
        table
    }

    /// Adds a pool that was added to the market.
    pub(crate) fn add(&mut self, address: Address, id: PoolId, kind: PoolKind) {
        self.by_address.insert(address, (id, kind));
    }

    /// Takes a pool away that was taken from the market.
    pub(crate) fn remove(&mut self, address: &Address) {
        self.by_address.remove(address);
    }

    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.by_address.contains_key(address)
    }

    fn find(&self, address: &Address) -> Option<(PoolId, PoolKind)> {
        self.by_address.get(address).copied()
    }
}
