//! A node of the fake chain that can be made to lie, to stand still, to refuse and to dawdle.

use std::sync::{Arc, Mutex, MutexGuard};

use alloy::primitives::{Address, B256, Bytes, Log as EventLog, LogData};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::replica::PoolState;
use alphapulse_relay::source::race::AlarmKind;
use alphapulse_relay::source::{BlockProof, CREATIONS, ChainSource, Dial, MarketImage, PoolAnswer, TOPICS};
use alphapulse_relay::{PoolSpec, SourceError};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;

use super::fake_chain::{FakeChain, FakeSource};
use super::fake_market::pool_address;

/// How often a node does what it should not, of 1,000 times.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lies {
    pub(crate) forge_logs: u32,
    pub(crate) drop_logs: u32,
    pub(crate) forge_headers: u32,
    pub(crate) forge_images: u32,
    pub(crate) forge_proofs: u32,
    pub(crate) forge_samples: u32,
    pub(crate) refuse: u32,
    /// Announcements of a block far ahead that nobody has.
    pub(crate) invent_heads: u32,
}

/// Lies that were told, whether or not anyone noticed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) logs: u32,
    pub(crate) headers: u32,
    pub(crate) images: u32,
}

#[derive(Debug)]
struct Character {
    lies: Lies,
    random: SmallRng,
    /// Where its chain stands still.
    frozen: Option<BlockContext>,
    told: Told,
}

impl Character {
    fn rolls(&mut self, per_mille: impl FnOnce(&Lies) -> u32) -> bool {
        self.random.random_range(0..1000) < per_mille(&self.lies)
    }
}

/// One node. Clones share its character.
#[derive(Debug, Clone)]
pub(crate) struct FakeNode {
    name: &'static str,
    chain: FakeChain,
    character: Arc<Mutex<Character>>,
    /// Log requests wait for a permit.
    gate: Arc<Semaphore>,
}

impl FakeNode {
    pub(crate) fn new(name: &'static str, chain: &FakeChain) -> Self {
        let random = SmallRng::seed_from_u64(1);
        let character = Character { lies: Lies::default(), random, frozen: None, told: Told::default() };
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { name, chain: chain.clone(), character: Arc::new(Mutex::new(character)), gate }
    }

    fn character(&self) -> MutexGuard<'_, Character> {
        self.character.lock().expect("no test panics while it holds a character")
    }

    pub(crate) fn seed(&self, seed: u64) {
        self.character().random = SmallRng::seed_from_u64(seed);
    }

    pub(crate) fn tell(&self, lies: Lies) {
        self.character().lies = lies;
    }

    pub(crate) fn told(&self) -> Told {
        self.character().told
    }

    /// Stands still at the chain's head of now.
    pub(crate) fn freeze(&self) {
        self.character().frozen = Some(self.chain.head());
    }

    pub(crate) fn thaw(&self) {
        self.character().frozen = None;
    }

    /// Lets no log request through until [`Self::open`].
    pub(crate) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1_000);
    }
}

impl Dial for FakeNode {
    type Source = LyingSource;

    async fn dial(&self) -> Result<LyingSource, SourceError> {
        Ok(LyingSource { inner: self.chain.dial().await?, node: self.clone() })
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct LyingSource {
    inner: FakeSource,
    node: FakeNode,
}

impl LyingSource {
    fn refuse(&self, method: &'static str) -> Result<(), SourceError> {
        if self.node.character().rolls(|lies| lies.refuse) {
            return Err(SourceError::Call { method, cause: "refused by the test".into() });
        }
        Ok(())
    }

    /// A header as the node tells it.
    fn told(&self, mut block: BlockContext) -> BlockContext {
        let mut character = self.node.character();
        if character.rolls(|lies| lies.forge_headers) {
            block.base_fee = (block.base_fee.get() + 1).into();
            character.told.headers += 1;
        } else if character.rolls(|lies| lies.invent_heads) {
            block.number = (block.number.get() + 1_000).into();
            block.hash = B256::from_slice(&alloy::primitives::keccak256(block.hash)[..]).0;
        }
        block
    }

    /// Whether the node does as if this block were not there yet.
    fn is_hidden(&self, number: u64) -> bool {
        self.node.character().frozen.is_some_and(|frozen| frozen.number.get() < number)
    }

    fn lie_about_logs(&self, logs: &mut Vec<Log>, block: BlockRef) {
        let mut character = self.node.character();
        let is_read =
            |log: &Log| log.topics().first().is_some_and(|topic| TOPICS.contains(topic) || CREATIONS.contains(topic));
        let truth = logs.clone();
        if character.rolls(|lies| lies.forge_logs) {
            match logs.iter_mut().find(|log| is_read(log)) {
                Some(log) => {
                    let mut data = log.data().data.to_vec();
                    let last = data.len() - 1;
                    data[last] ^= 1;
                    log.inner.data = LogData::new_unchecked(log.topics().to_vec(), Bytes::from(data));
                }
                None => logs.push(invented_log(block)),
            }
        }
        if character.rolls(|lies| lies.drop_logs)
            && let Some(at) = logs.iter().position(is_read)
        {
            logs.remove(at);
        }
        character.told.logs += u32::from(*logs != truth);
    }
}

/// A `Sync` of pool 0 that never was.
fn invented_log(block: BlockRef) -> Log {
    let data = LogData::new_unchecked(vec![TOPICS[0]], Bytes::from(vec![0; 64]));
    Log {
        inner: EventLog { address: pool_address(0), data },
        block_hash: Some(B256::from(block.hash)),
        block_number: Some(block.number.0),
        log_index: Some(77),
        ..Log::default()
    }
}

impl ChainSource for LyingSource {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        loop {
            let head = self.inner.next_head().await?;
            if !self.is_hidden(head.number.get()) {
                return Ok(self.told(head));
            }
        }
    }

    fn try_head(&self) -> Option<BlockContext> {
        self.inner.try_head().filter(|head| !self.is_hidden(head.number.get()))
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        self.refuse("eth_getBlockByNumber")?;
        let head = self.inner.head().await?;
        let frozen = self.node.character().frozen;
        Ok(self.told(frozen.unwrap_or(head)))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        self.refuse("eth_getBlockByHash")?;
        let block = self.inner.block_by_hash(hash).await?;
        let block = block.filter(|block| !self.is_hidden(block.number.get()));
        Ok(block.map(|block| BlockContext { hash: block.hash, number: block.number, ..self.told(block) }))
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        self.refuse("eth_getBlockByNumber")?;
        let block = self.inner.block_by_number(number).await?;
        let block = block.filter(|block| !self.is_hidden(block.number.get()));
        Ok(block.map(|block| BlockContext { hash: block.hash, number: block.number, ..self.told(block) }))
    }

    async fn logs(&self, block: BlockRef, contracts: &[Address]) -> Result<Vec<Log>, SourceError> {
        self.node.gate.acquire().await.expect("never closed").forget();
        self.refuse("eth_getLogs")?;
        let mut logs = self.inner.logs(block, contracts).await?;
        self.lie_about_logs(&mut logs, block);
        Ok(logs)
    }

    async fn market(&self, at: &BlockContext) -> Result<MarketImage, SourceError> {
        self.refuse("eth_call")?;
        let mut image = self.inner.market(at).await?;
        let mut character = self.node.character();
        if character.rolls(|lies| lies.forge_images)
            && let Some((_, PoolState::V2(state))) = image.pools.first_mut()
        {
            state.reserve_0 += 1;
            character.told.images += 1;
        }
        Ok(image)
    }

    async fn pools(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        self.refuse("eth_call")?;
        let mut answers = self.inner.pools(at, pools).await?;
        let mut character = self.node.character();
        if character.rolls(|lies| lies.forge_images)
            && let Some(PoolAnswer::Read(image)) = answers.first_mut()
            && let PoolState::V2(state) = &mut image.state
        {
            state.reserve_0 += 1;
            character.told.images += 1;
        }
        Ok(answers)
    }

    async fn sample(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        self.refuse("eth_call")?;
        let mut answers = self.inner.sample(at, pools).await?;
        let mut character = self.node.character();
        if character.rolls(|lies| lies.forge_samples) {
            for answer in &mut answers {
                if let PoolAnswer::Read(image) = answer
                    && let PoolState::V2(state) = &mut image.state
                {
                    state.reserve_0 += 1;
                }
            }
            character.told.images += 1;
        }
        Ok(answers)
    }

    async fn creations(&self, from: u64, to: u64, factories: &[Address]) -> Result<Vec<Log>, SourceError> {
        self.refuse("eth_getLogs")?;
        self.inner.creations(from, to, factories).await
    }

    async fn proof(&self, block: B256) -> Result<Option<BlockProof>, SourceError> {
        self.refuse("eth_getBlockReceipts")?;
        let proof = self.inner.proof(block).await?;
        let is_forged = self.node.character().rolls(|lies| lies.forge_proofs);
        Ok(proof.map(|mut proof| {
            if is_forged {
                proof.receipts.pop();
            }
            proof
        }))
    }
}

/// Whether an alarm of this kind says that its node is not to be believed.
pub(crate) fn is_accusation(kind: AlarmKind) -> bool {
    kind.is_lie() || matches!(kind, AlarmKind::StaleHead | AlarmKind::ForkedHead | AlarmKind::WrongChain)
}
