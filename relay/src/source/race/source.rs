//! The race as one source: what the follower sees.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;

use super::super::{ChainSource, Dial, MarketImage, PoolAnswer};
use super::Race;
use super::watch::lock;
use crate::config::PoolSpec;
use crate::error::SourceError;

/// What the nodes agree on. Its heads never end: nodes that are lost come back by themselves.
pub struct RaceSource<D: Dial> {
    race: Arc<Race<D>>,
}

impl<D: Dial> RaceSource<D> {
    pub(super) const fn new(race: Arc<Race<D>>) -> Self {
        Self { race }
    }

    /// A question that follows an image shows that the image was relayed: only then is a refuted state known to be replaced.
    fn note_progress(&self) {
        if self.race.is_mended.swap(false, Ordering::Relaxed) {
            self.race.update(|tally| (tally.is_refuted, tally.is_undecided) = (false, false));
        }
    }

    fn note_answer<T>(&self, answer: &Result<T, SourceError>) {
        let is_unanswered = answer.is_err();
        if lock(&self.race.tally).is_unanswered != is_unanswered {
            self.race.update(|tally| tally.is_unanswered = is_unanswered);
        }
    }
}

impl<D: Dial> ChainSource for RaceSource<D> {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        self.note_progress();
        loop {
            if let Some(head) = self.try_head() {
                return Ok(head);
            }
            self.race.changed.notified().await;
        }
    }

    fn try_head(&self) -> Option<BlockContext> {
        lock(&self.race.tally).take_agreed()
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        self.note_progress();
        self.race.agree_on_head().await
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        self.race.agree_on_block(false, |line| async move { line.source.block_by_hash(hash).await }).await
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        self.race.agree_on_block(false, |line| async move { line.source.block_by_number(number).await }).await
    }

    async fn logs(&self, block: BlockRef, contracts: &[Address]) -> Result<Vec<Log>, SourceError> {
        let logs = self.race.agree_on_logs(block, contracts.into()).await;
        self.note_answer(&logs);
        logs
    }

    async fn market(&self, at: &BlockContext) -> Result<MarketImage, SourceError> {
        let image = self.race.agree_on_market(*at).await;
        self.note_answer(&image);
        if image.is_ok() {
            self.race.is_mended.store(true, Ordering::Relaxed);
        }
        image
    }

    async fn pools(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        let answers = self.race.agree_on_pools(*at, pools.into(), false).await;
        self.note_answer(&answers);
        answers
    }

    /// Nobody waits for it, so what comes of it does not make the nodes less believable.
    async fn sample(&self, at: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
        self.race.agree_on_pools(*at, pools.into(), true).await
    }

    /// As with [`Self::sample`], a node that is slow to answer loses nothing by it.
    async fn is_canonical(&self, block: &BlockContext) -> Result<bool, SourceError> {
        let number = block.number.get();
        let there =
            self.race.agree_on_block(true, move |line| async move { line.source.block_by_number(number).await });
        Ok(there.await?.is_some_and(|there| there.hash == block.hash))
    }

    async fn creations(&self, from: u64, to: u64, factories: &[Address]) -> Result<Vec<Log>, SourceError> {
        let logs = self.race.agree_on_creations(from, to, factories.into()).await;
        self.note_answer(&logs);
        logs
    }
}
