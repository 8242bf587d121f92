//! A chain in memory with everything that real ones do to their followers: forks, rollbacks, restarts, lost and repeated
//! announcements, refused requests, dropped connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::consensus::{Header, Receipt, ReceiptEnvelope};
use alloy::primitives::{Address, B256, Bloom, Log as EventLog, LogData};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::replica::PoolState;
use alphapulse_relay::source::{BlockProof, ChainSource, Dial, MarketImage, PoolAnswer};
use alphapulse_relay::{PoolSpec, SourceError};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::fake_market::{Change, Created, FakeMarket, impossible_burn, pool_address};

/// Blocks whose creations may be asked for at once, as providers bound it.
const CREATION_BLOCKS_MAX: u64 = 10;

/// A block and the market after it.
#[derive(Debug, Clone)]
struct FakeBlock {
    context: BlockContext,
    logs: Vec<Log>,
    market: FakeMarket,
    proof: BlockProof,
}

/// Receipts of a block: a transaction without logs, and then two logs each.
fn receipts(logs: &[EventLog]) -> Vec<ReceiptEnvelope> {
    let receipt = |logs: &[EventLog]| Receipt { status: true.into(), cumulative_gas_used: 1, logs: logs.to_vec() };
    let others = logs.chunks(2).map(|logs| ReceiptEnvelope::Eip1559(receipt(logs).with_bloom()));
    core::iter::once(ReceiptEnvelope::Legacy(receipt(&[]).with_bloom())).chain(others).collect()
}

/// A block that is what its hash says; the salt makes it unlike any other.
fn prove(logs: &[EventLog], number: u64, parent_hash: [u8; 32], salt: u64) -> BlockProof {
    let receipts = receipts(logs);
    let header = Header {
        parent_hash: parent_hash.into(),
        receipts_root: calculate_receipt_root(&receipts),
        logs_bloom: logs.iter().collect::<Bloom>(),
        number,
        gas_limit: 2,
        gas_used: 1,
        timestamp: 1_700_000_000 + number * 12,
        extra_data: salt.to_le_bytes().into(),
        base_fee_per_gas: Some(7),
        ..Header::default()
    };
    BlockProof { header, receipts }
}

/// What the next requests meet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Log requests that are refused.
    pub(crate) refuse_logs: u32,
    /// Log requests that are answered with logs of another block.
    pub(crate) foreign_logs: u32,
    /// Log requests that are answered with one more log, of liquidity burnt that nobody had.
    pub(crate) impossible_logs: u32,
    /// Connection attempts that fail.
    pub(crate) refuse_connections: u32,
    /// Requests for a whole market that fail.
    pub(crate) refuse_markets: u32,
    /// Requests for single pools that fail.
    pub(crate) refuse_pools: u32,
    /// Requests for single pools that are never answered.
    pub(crate) mute_pools: u32,
    /// Requests for single pools that find all of them unreadable.
    pub(crate) unread_pools: u32,
    /// Requests for a sample that fail.
    pub(crate) refuse_samples: u32,
    /// Requests for a sample that are not answered in time.
    pub(crate) mute_samples: u32,
    /// Requests for a sample that are answered with reserves of pool 0 that no pair can hold.
    pub(crate) absurd_samples: u32,
    /// Requests for a sample during which the block leaves the chain; what is answered is of another block.
    pub(crate) reorg_samples: u32,
    /// Requests for a sample that are answered before all others are kept waiting; `None` answers all.
    pub(crate) samples_left: Option<u32>,
    /// Log requests that are answered without the logs of pool 0.
    pub(crate) drop_logs: u32,
    /// Requests for the creations of earlier blocks that are not answered in time.
    pub(crate) mute_creations: u32,
    /// Requests for the creations of earlier blocks that fail.
    pub(crate) refuse_creations: u32,
    /// Requests for a block by its number that fail.
    pub(crate) refuse_numbers: u32,
    /// Requests for a block by its number that find none.
    pub(crate) unserved_numbers: u32,
    /// Head requests that are answered with a block of this many blocks ago.
    pub(crate) stale_heads: (u32, usize),
    /// Head requests that are not answered in time.
    pub(crate) mute_heads: u32,
    /// Whether new connections find another chain.
    pub(crate) is_wrong_chain: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Every block that ever was, for the oracle.
    all: HashMap<B256, FakeBlock>,
    /// The chain, from its first block.
    canonical: Vec<B256>,
    listeners: Vec<mpsc::UnboundedSender<BlockContext>>,
    salt: u64,
    faults: Faults,
}

/// The chain. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeChain(Arc<Mutex<State>>);

impl FakeChain {
    /// A chain of one block, with some liquidity.
    pub(crate) fn new() -> Self {
        let chain = Self::default();
        chain.restart();
        chain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the chain")
    }

    /// Begins anew with other blocks, as a dev node that lost its state does. Connections end.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.canonical.clear();
        state.listeners.clear();
        drop(state);
        let start = [
            Change::Sync { pool: 0, reserves: (1_000, 2_000) },
            Change::Mint { lower: -10, width: 20, amount: 500 },
            Change::Swap { tick: 7 },
        ];
        self.mine(&start);
    }

    /// Adds a block without telling anyone.
    pub(crate) fn mine(&self, changes: &[Change]) -> BlockContext {
        let mut state = self.state();
        let parent = state.canonical.last().map(|hash| state.all[hash].clone());
        let mut market = parent.as_ref().map_or_else(FakeMarket::default, |parent| parent.market.clone());
        let made: Vec<(Address, LogData)> = changes.iter().flat_map(|change| market.make(*change)).collect();
        let made: Vec<EventLog> = made.into_iter().map(|(address, data)| EventLog { address, data }).collect();
        state.salt += 1;
        let number = parent.as_ref().map_or(100, |parent| parent.context.number.get() + 1);
        let parent_hash = parent.map_or([0; 32], |parent| parent.context.hash);
        let proof = prove(&made, number, parent_hash, state.salt);
        let hash = proof.header.hash_slow();
        let context = BlockContext {
            number: number.into(),
            hash: hash.0,
            parent_hash,
            timestamp: proof.header.timestamp.into(),
            base_fee: 7_u128.into(),
            gas_used: 1.into(),
            gas_limit: 2.into(),
        };
        let mut logs: Vec<Log> = made
            .into_iter()
            .zip(0..)
            .map(|(inner, index)| Log {
                inner,
                block_hash: Some(hash),
                block_number: Some(number),
                log_index: Some(index),
                ..Log::default()
            })
            .collect();
        // Nothing says that a node answers in log order.
        logs.reverse();
        state.all.insert(hash, FakeBlock { context, logs, market, proof });
        state.canonical.push(hash);
        context
    }

    /// Announces a block to everyone connected.
    pub(crate) fn announce(&self, context: BlockContext) {
        self.state().listeners.retain(|listener| listener.send(context).is_ok());
    }

    /// Takes blocks off the chain, at most all but the first. Nobody is told.
    pub(crate) fn rollback(&self, depth: usize) {
        let mut state = self.state();
        let keep = state.canonical.len().saturating_sub(depth).max(1);
        state.canonical.truncate(keep);
    }

    /// Takes over another chain's blocks, as a node does that comes to the same branch. Nobody is told.
    pub(crate) fn converge_to(&self, other: &Self) {
        let (theirs, canonical, salt) = {
            let other = other.state();
            (other.all.clone(), other.canonical.clone(), other.salt)
        };
        let mut state = self.state();
        state.all.extend(theirs);
        state.canonical = canonical;
        state.salt = state.salt.max(salt);
    }

    /// Ends every connection.
    pub(crate) fn disconnect(&self) {
        self.state().listeners.clear();
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(crate) fn head(&self) -> BlockContext {
        let state = self.state();
        state.all[state.canonical.last().expect("a chain is never empty")].context
    }

    /// Block on the chain `back` blocks below the head.
    pub(crate) fn below(&self, back: usize) -> BlockContext {
        let state = self.state();
        let at = state.canonical.len() - 1 - back.min(state.canonical.len() - 1);
        state.all[&state.canonical[at]].context
    }

    /// The market after any block that ever was.
    pub(crate) fn truth(&self, hash: &[u8; 32]) -> MarketImage {
        let block = self.state().all[&B256::from(*hash)].clone();
        MarketImage { context: block.context, tokens: FakeMarket::tokens(), pools: block.market.pools() }
    }

    /// The pairs of the factory after any block that ever was.
    pub(crate) fn created(&self, hash: &[u8; 32]) -> Vec<Created> {
        self.state().all[&B256::from(*hash)].market.created.clone()
    }

    /// Takes one of a fault's remaining times.
    fn hits(&self, times: impl FnOnce(&mut Faults) -> &mut u32) -> bool {
        let mut state = self.state();
        let left = times(&mut state.faults);
        let is_hit = *left > 0;
        *left = left.saturating_sub(1);
        is_hit
    }

    /// Whether a request for a sample is answered now.
    fn lets_sample(&self) -> bool {
        match &mut self.state().faults.samples_left {
            Some(left) => left.checked_sub(1).map(|less| *left = less).is_some(),
            None => true,
        }
    }

    /// A block that is on the chain now. Nodes forget the others.
    fn known(&self, hash: B256) -> Option<FakeBlock> {
        let state = self.state();
        state.canonical.contains(&hash).then(|| state.all[&hash].clone())
    }
}

fn refused(method: &'static str) -> SourceError {
    SourceError::Call { method, cause: "refused by the test".into() }
}

impl Dial for FakeChain {
    type Source = FakeSource;

    async fn dial(&self) -> Result<FakeSource, SourceError> {
        if self.hits(|faults| &mut faults.refuse_connections) {
            return Err(SourceError::Connect("refused by the test".into()));
        }
        let mut state = self.state();
        if state.faults.is_wrong_chain {
            use alphapulse_protocol::ChainId;
            return Err(SourceError::WrongChain { expected: ChainId(31337), got: ChainId(1) });
        }
        let (sender, heads) = mpsc::unbounded_channel();
        state.listeners.push(sender);
        Ok(FakeSource { chain: self.clone(), heads: AsyncMutex::new(heads) })
    }

    fn name(&self) -> String {
        "fake".into()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct FakeSource {
    chain: FakeChain,
    heads: AsyncMutex<mpsc::UnboundedReceiver<BlockContext>>,
}

impl FakeSource {
    fn check_connection(&self) -> Result<(), SourceError> {
        if self.heads.try_lock().is_ok_and(|heads| heads.is_closed()) { Err(SourceError::Disconnected) } else { Ok(()) }
    }
}

/// What pool 0 says when it holds more than fits its storage.
fn make_absurd(answer: &mut PoolAnswer) {
    if let PoolAnswer::Read(image) = answer
        && pool_address(0) == image.info.address
        && let PoolState::V2(pair) = &mut image.state
    {
        pair.reserve_0 = 1 << 112;
    }
}

impl ChainSource for FakeSource {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        self.heads.lock().await.recv().await.ok_or(SourceError::Disconnected)
    }

    fn try_head(&self) -> Option<BlockContext> {
        self.heads.try_lock().ok()?.try_recv().ok()
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.mute_heads) {
            return Err(SourceError::Timeout { method: "eth_getBlockByNumber", after: Duration::ZERO });
        }
        let back = self.chain.state().faults.stale_heads.1;
        if self.chain.hits(|faults| &mut faults.stale_heads.0) {
            return Ok(self.chain.below(back));
        }
        Ok(self.chain.head())
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        self.check_connection()?;
        Ok(self.chain.known(hash).map(|block| block.context))
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.refuse_numbers) {
            return Err(refused("eth_getBlockByNumber"));
        }
        if self.chain.hits(|faults| &mut faults.unserved_numbers) {
            return Ok(None);
        }
        let state = self.chain.state();
        let contexts = state.canonical.iter().map(|hash| state.all[hash].context);
        Ok(contexts.into_iter().find(|context| context.number.get() == number))
    }

    async fn logs(&self, block: BlockRef, contracts: &[Address]) -> Result<Vec<Log>, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.refuse_logs) {
            return Err(refused("eth_getLogs"));
        }
        let found = self.chain.known(B256::from(block.hash)).ok_or_else(|| refused("eth_getLogs"))?;
        let mut logs = found.logs;
        logs.retain(|log| contracts.contains(&log.address()));
        if self.chain.hits(|faults| &mut faults.drop_logs) {
            logs.retain(|log| log.address() != pool_address(0));
        }
        if self.chain.hits(|faults| &mut faults.impossible_logs) {
            let (address, data) = impossible_burn();
            let inner = alloy::primitives::Log { address, data };
            let block_hash = Some(B256::from(block.hash));
            logs.push(Log { inner, block_hash, log_index: Some(1_000), ..Log::default() });
        }
        if self.chain.hits(|faults| &mut faults.foreign_logs) {
            logs.iter_mut().for_each(|log| log.block_hash = Some(B256::repeat_byte(9)));
        }
        Ok(logs)
    }

    async fn market(&self, at: &BlockContext) -> Result<MarketImage, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.refuse_markets) {
            return Err(refused("eth_call"));
        }
        let block = self.chain.known(B256::from(at.hash)).ok_or_else(|| refused("eth_call"))?;
        Ok(self.chain.truth(&block.context.hash))
    }

    async fn pools(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.refuse_pools) {
            return Err(refused("eth_call"));
        }
        if self.chain.hits(|faults| &mut faults.mute_pools) {
            return core::future::pending().await;
        }
        if self.chain.hits(|faults| &mut faults.unread_pools) {
            return Ok(vec![PoolAnswer::Unread("the node was busy".into()); pools.len()]);
        }
        let block = self.chain.known(B256::from(at.hash)).ok_or_else(|| refused("eth_call"))?;
        let find = |spec: &PoolSpec| block.market.created.iter().find(|created| created.address == spec.address);
        let absent = || PoolAnswer::Refused("no code at this address".into());
        Ok(pools.iter().map(|spec| find(spec).map_or_else(absent, Created::answer)).collect())
    }

    async fn sample(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        self.check_connection()?;
        while !self.chain.lets_sample() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.chain.hits(|faults| &mut faults.refuse_samples) {
            return Err(refused("eth_call"));
        }
        if self.chain.hits(|faults| &mut faults.mute_samples) {
            return Err(SourceError::Timeout { method: "eth_call", after: Duration::ZERO });
        }
        let mut hash = B256::from(at.hash);
        if self.chain.hits(|faults| &mut faults.reorg_samples) {
            while self.chain.known(hash).is_some() {
                self.chain.rollback(1);
            }
            hash = self.chain.mine(&[Change::Sync { pool: 0, reserves: (77, 78) }]).hash.into();
        }
        let block = self.chain.known(hash).ok_or_else(|| refused("eth_call"))?;
        let absent = || PoolAnswer::Refused("no code at this address".into());
        let mut answers: Vec<_> = pools.iter().map(|spec| block.market.answer(spec).unwrap_or_else(absent)).collect();
        if self.chain.hits(|faults| &mut faults.absurd_samples) {
            answers.iter_mut().for_each(make_absurd);
        }
        Ok(answers)
    }

    async fn creations(&self, from: u64, to: u64, factories: &[Address]) -> Result<Vec<Log>, SourceError> {
        self.check_connection()?;
        if self.chain.hits(|faults| &mut faults.mute_creations) {
            return Err(SourceError::Timeout { method: "eth_getLogs", after: Duration::ZERO });
        }
        if self.chain.hits(|faults| &mut faults.refuse_creations) || to - from >= CREATION_BLOCKS_MAX {
            return Err(refused("eth_getLogs"));
        }
        let state = self.chain.state();
        let blocks = state.canonical.iter().map(|hash| &state.all[hash]);
        let blocks = blocks.filter(|block| (from..=to).contains(&block.context.number.get()));
        let logs = blocks.flat_map(|block| block.logs.clone());
        Ok(logs.filter(|log| factories.contains(&log.address())).collect())
    }

    async fn proof(&self, block: B256) -> Result<Option<BlockProof>, SourceError> {
        self.check_connection()?;
        Ok(self.chain.known(block).map(|block| block.proof))
    }
}
