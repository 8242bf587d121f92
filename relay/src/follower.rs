//! Follows the chain by ancestry: from announcements, which may be missing, repeated, late or out of order, to an exact
//! account of every block and reorg.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Instant;

use alloy::primitives::B256;
use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::replica::Quarantine;
use alphapulse_protocol::{BlockNumber, BlockRef};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;

use crate::config::RelayConfig;
use crate::discovery::{Anchors, Findings, Known, News, Reach, read_arrivals, read_image};
use crate::error::{RelayError, SourceError};
use crate::history::History;
use crate::metrics::Metrics;
use crate::reconnect::pause_before_reconnect;
use crate::source::{ChainSource, Dial, MarketImage, Update, decode_block};
use crate::truth::{Restated, Verdict};

/// Times that one step is tried on a connection before another connection is made.
const TRIES: u32 = 3;
/// Pause before a step is tried again: nodes announce a head before every part of them knows it.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Announced heads remembered, so that blocks that came in a burst need not be fetched.
const ANNOUNCED_MAX: usize = 256;

/// What happened to the chain, in the order in which a subscriber must hear it.
#[derive(Debug)]
pub(crate) enum ChainEvent {
    /// Everything before is void; a new stream begins here, with these pools in quarantine and those that were there before.
    Snapshot(Box<MarketImage>, Vec<Quarantine>),
    /// Our head is no longer part of the chain.
    Reorg { ancestor: BlockRef, old_head: BlockRef },
    /// Where the chain is cannot be told any more: what was relayed may be old.
    Lost,
    /// The stream is where the source is, again.
    Found,
    /// The next block. News hold the state after it, so no update is of a pool that it adds.
    Block {
        context: BlockContext,
        head_number: BlockNumber,
        news: News,
        /// Pools that are told anew in it; only a recording holds some.
        restated: Vec<Restated>,
        updates: Vec<Update>,
        read_at: Instant,
    },
    /// What is thought of a pool between two blocks; only in a recording.
    Standing(Verdict),
}

/// Why following stopped.
enum Halt {
    Source(SourceError),
    /// Nobody listens any more.
    Unheard,
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// The task that owns the connection to the node.
pub(crate) struct Follower<D: Dial> {
    dial: D,
    silence: Duration,
    backfill_blocks_max: u64,
    history: History,
    known: Known,
    anchors: Anchors,
    /// With the moments at which they were heard of.
    announced: VecDeque<(BlockContext, Instant)>,
    /// Newest announcement that was seen in passing and is still to be dealt with.
    unattended: Option<BlockContext>,
    /// Whether our state is void and only a snapshot helps.
    is_lost: bool,
    /// Whether it was told that the source is lost.
    is_lost_told: bool,
    failures: u32,
    events: mpsc::Sender<ChainEvent>,
    resync: Arc<Notify>,
    metrics: Arc<Metrics>,
    /// Lends the connection to who compares.
    line: watch::Sender<Weak<D::Source>>,
}

impl<D: Dial> Follower<D> {
    /// Connects for the first time and reads the market. Does not try twice: a start that fails should say so.
    pub(crate) async fn begin(
        dial: D,
        config: &RelayConfig,
        events: mpsc::Sender<ChainEvent>,
        resync: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, D::Source, MarketImage), RelayError> {
        let failed = |source| RelayError::Node { endpoint: dial.name(), source };
        let source = dial.dial().await.map_err(failed)?;
        let mut known = Known::new(&config.venues, &config.factories, Arc::clone(&metrics));
        let image = first_image(&source, &mut known).await.map_err(failed)?;
        metrics.connected.set(1);
        let follower = Self {
            silence: config.silence,
            backfill_blocks_max: config.backfill_blocks_max,
            history: History::new(image.context, config.reorg_depth_max),
            known,
            anchors: Anchors::new(image.context.block()),
            announced: VecDeque::new(),
            unattended: None,
            is_lost: false,
            is_lost_told: false,
            failures: 0,
            dial,
            events,
            resync,
            metrics,
            line: watch::Sender::new(Weak::new()),
        };
        Ok((follower, source, image))
    }

    /// The connection, while there is one.
    pub(crate) fn lines(&self) -> watch::Receiver<Weak<D::Source>> {
        self.line.subscribe()
    }

    /// Follows until nobody listens (`None`) or the node can never be used again.
    pub(crate) async fn run(mut self, source: D::Source) -> Option<RelayError> {
        let mut source = Arc::new(source);
        loop {
            self.line.send_replace(Arc::downgrade(&source));
            let Err(halt) = self.follow(&source).await;
            let Halt::Source(error) = halt else { return None };
            self.metrics.connected.set(0);
            self.metrics.connection_losses.add(1);
            tracing::warn!(
                node = self.dial.name(),
                error = &error as &dyn std::error::Error,
                "connection given up; dialling again, and subscribers hear that nothing is to be traded on until then"
            );
            drop(source);
            if self.tell_lost().await.is_err() {
                return None;
            }
            source = match self.redial().await {
                Ok(source) => Arc::new(source),
                Err(Halt::Unheard) => return None,
                Err(Halt::Source(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the node can not be used");
                    return Some(RelayError::Node { endpoint: self.dial.name(), source: error });
                }
            };
            self.metrics.reconnects.add(1);
            tracing::info!(node = self.dial.name(), "connected again");
        }
    }

    async fn redial(&mut self) -> Result<D::Source, Halt> {
        self.announced.clear();
        self.unattended = None;
        loop {
            tokio::select! {
                () = sleep(pause_before_reconnect(self.failures)) => {}
                () = self.events.closed() => return Err(Halt::Unheard),
            }
            self.failures = self.failures.saturating_add(1);
            match self.dial.dial().await {
                Ok(source) => return Ok(source),
                Err(error) if error.is_fatal() => return Err(error.into()),
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "still not connected"),
            }
        }
    }

    /// Follows one connection until it fails.
    async fn follow(&mut self, source: &D::Source) -> Result<core::convert::Infallible, Halt> {
        // Whatever was missed while there was no connection is found from the head.
        self.catch_up(source, None).await?;
        self.failures = 0;
        self.metrics.connected.set(1);
        loop {
            tokio::select! {
                head = source.next_head() => {
                    let head = head?;
                    self.metrics.heads.add(1);
                    self.remember(head);
                    self.catch_up(source, Some(head)).await?;
                }
                () = sleep(self.silence) => {
                    self.metrics.silences.add(1);
                    self.catch_up(source, None).await?;
                }
                () = self.resync.notified() => {
                    self.is_lost = true;
                    self.tell_lost().await?;
                    // A source whose word cannot be would be asked for a whole market without a pause.
                    sleep(RETRY_PAUSE).await;
                    self.catch_up(source, None).await?;
                }
                () = self.events.closed() => return Err(Halt::Unheard),
            }
        }
    }

    /// Brings the stream to `target`, or to the node's head; tries again where that can help.
    async fn catch_up(&mut self, source: &D::Source, mut target: Option<BlockContext>) -> Result<(), Halt> {
        let mut tries = 1;
        loop {
            match self.advance(source, target).await {
                Ok(()) => match self.unattended.take() {
                    Some(next) => target = Some(next),
                    None => return self.tell_found(source).await,
                },
                Err(Halt::Source(error)) if tries < TRIES && !error.is_connection_lost() => {
                    tracing::debug!(error = &error as &dyn std::error::Error, tries, "trying again");
                    self.metrics.retries.add(1);
                    // Once is the usual haste of a node that announces a block before it has it.
                    if tries > 1 {
                        self.tell_lost().await?;
                    }
                    sleep(RETRY_PAUSE * tries).await;
                    (tries, target) = (tries + 1, None);
                }
                Err(halt) => return Err(halt),
            }
        }
    }

    async fn advance(&mut self, source: &D::Source, target: Option<BlockContext>) -> Result<(), Halt> {
        if self.is_lost {
            return self.take_snapshot(source).await;
        }
        self.attend(source);
        let target = self.unattended.take().or(target);
        if let Some(head) = target {
            if head.hash == self.history.head().hash {
                return Ok(());
            }
            if self.history.is_next(&head) {
                return self.relay(source, vec![head]).await;
            }
        }
        // Anything but the next block may be late, or of a branch that was left since: the node's word now decides.
        let head = source.head().await?;
        self.move_to(source, head).await
    }

    /// Moves from our head to `head`, which the node says is the chain's.
    async fn move_to(&mut self, source: &D::Source, head: BlockContext) -> Result<(), Halt> {
        let ours = *self.history.head();
        if head.hash == ours.hash {
            return Ok(());
        }
        if self.history.find(&head.hash).is_some() {
            return self.move_down(source, &head).await;
        }
        if head.number.get() > ours.number.get().saturating_add(self.backfill_blocks_max) {
            tracing::warn!(
                ours = ours.number.get(),
                head = head.number.get(),
                "too far behind to catch up block by block"
            );
            return self.take_snapshot(source).await;
        }
        let Some((ancestor, path)) = self.find_path(source, head).await? else {
            tracing::warn!(head = head.number.get(), "no block in common within the blocks kept");
            return self.take_snapshot(source).await;
        };
        if ancestor.hash != ours.hash {
            self.go_back(ancestor).await?;
        }
        self.relay(source, path).await
    }

    /// The node's head is a block below ours. Believed only when the node no longer has ours at its height: an old answer
    /// looks the same.
    async fn move_down(&mut self, source: &D::Source, head: &BlockContext) -> Result<(), Halt> {
        let ours = *self.history.head();
        let there = source.block_by_number(ours.number.get()).await?;
        if there.is_some_and(|block| block.hash == ours.hash) {
            return Ok(());
        }
        self.go_back(head.block()).await
    }

    /// Blocks from `head` down to the first whose parent is ours, and that parent. `None` when there is none.
    async fn find_path(
        &self,
        source: &D::Source,
        head: BlockContext,
    ) -> Result<Option<(BlockRef, Vec<BlockContext>)>, SourceError> {
        let oldest = self.history.oldest().number.get();
        let mut path = vec![head];
        let mut block = head;
        loop {
            if let Some(ancestor) = self.history.find(&block.parent_hash) {
                return Ok(Some((ancestor.block(), path)));
            }
            if block.number.get() <= oldest {
                return Ok(None);
            }
            let parent = match self.announced.iter().find(|(known, _)| known.hash == block.parent_hash) {
                Some((known, _)) => *known,
                None => {
                    let hash = B256::from(block.parent_hash);
                    source.block_by_hash(hash).await?.ok_or(SourceError::UnknownBlock(hash))?
                }
            };
            if parent.number.get().checked_add(1) != Some(block.number.get()) {
                let (child, number) = (block.number, parent.number);
                return Err(SourceError::Contradiction(format!("the parent of block {child} is numbered {number}")));
            }
            path.push(parent);
            block = parent;
        }
    }

    async fn go_back(&mut self, ancestor: BlockRef) -> Result<(), Halt> {
        let old_head = self.history.head().block();
        let depth = old_head.number.0.saturating_sub(ancestor.number.0);
        self.history.rewind_to(&ancestor.hash);
        self.known.forget_above(ancestor.number.0);
        self.anchors.go_back(ancestor.number.0);
        tracing::info!(depth, ancestor = ancestor.number.0, "reorg");
        self.tell(ChainEvent::Reorg { ancestor, old_head }).await
    }

    /// Relays a path of blocks, newest first in the list.
    async fn relay(&mut self, source: &D::Source, mut path: Vec<BlockContext>) -> Result<(), Halt> {
        let tip = path.first().map_or(0, |block| block.number.get());
        while let Some(context) = path.pop() {
            let (findings, updates) = self.read_block(source, &context).await?;
            let read_at = Instant::now();
            self.attend(source);
            let newer = self.unattended.map_or(0, |head| head.number.get());
            match self.announced.iter().rev().find(|(known, _)| known.hash == context.hash) {
                Some((_, heard_at)) if *heard_at <= read_at => {
                    self.metrics.stages.head_to_logs.record(*heard_at, read_at);
                }
                // It was read before it was announced.
                Some(_) => {}
                None => self.metrics.backfilled_blocks.add(1),
            }
            self.history.push(context);
            self.anchors.pass(context.block());
            let news = self.known.adopt(findings, context.number.get());
            let head_number = BlockNumber(tip.max(newer));
            self.tell(ChainEvent::Block { context, head_number, news, restated: Vec::new(), updates, read_at }).await?;
        }
        Ok(())
    }

    /// New pools of a block, and what it changed of the others.
    async fn read_block(
        &self,
        source: &D::Source,
        context: &BlockContext,
    ) -> Result<(Findings, Vec<Update>), SourceError> {
        if self.known.watched().is_empty() {
            return Ok((Findings::default(), Vec::new()));
        }
        let logs = source.logs(context.block(), self.known.watched()).await?;
        let sifted = self.known.sift(&logs);
        let updates = decode_block(logs, context.block(), self.known.pools()).inspect_err(|error| {
            if matches!(error, SourceError::Contradiction(_)) {
                self.metrics.log_mismatches.add(1);
            }
        })?;
        Ok((read_arrivals(source, &self.known, context, sifted).await?, updates))
    }

    /// Begins a new stream from the node's head.
    async fn take_snapshot(&mut self, source: &D::Source) -> Result<(), Halt> {
        self.is_lost = true;
        self.tell_lost().await?;
        let head = source.head().await?;
        let from = match self.known.has_factories() {
            true => self.anchors.first_unheard(source, &head).await?,
            false => head.number.get(),
        };
        let image = read_image(source, &mut self.known, &head, Reach::From(from)).await?;
        self.is_lost = false;
        self.history.reset(head);
        self.anchors.restart(from, head.block());
        self.tell(ChainEvent::Snapshot(Box::new(image), Vec::new())).await
    }

    /// Looks at announcements that came meanwhile, without waiting.
    fn attend(&mut self, source: &D::Source) {
        while let Some(head) = source.try_head() {
            self.metrics.heads.add(1);
            self.remember(head);
            self.unattended = Some(head);
        }
    }

    fn remember(&mut self, head: BlockContext) {
        if self.announced.len() == ANNOUNCED_MAX {
            self.announced.pop_front();
        }
        self.announced.push_back((head, Instant::now()));
    }

    /// Says that nobody may trade on what was relayed. At once: a connection that is gone tells nothing of what it missed.
    async fn tell_lost(&mut self) -> Result<(), Halt> {
        if !core::mem::replace(&mut self.is_lost_told, true) {
            self.metrics.source_losses.add(1);
            self.tell(ChainEvent::Lost).await?;
        }
        Ok(())
    }

    /// Says that the source is found again, once it is asked for its head and that is where the stream stands. Where it is not, the
    /// next head is waited for.
    async fn tell_found(&mut self, source: &D::Source) -> Result<(), Halt> {
        if !self.is_lost_told {
            return Ok(());
        }
        match source.head().await {
            Ok(head) if head.hash == self.history.head().hash => {
                self.is_lost_told = false;
                self.tell(ChainEvent::Found).await
            }
            Err(error) if error.is_connection_lost() => Err(error.into()),
            // The next head, or silence, asks again.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn tell(&self, event: ChainEvent) -> Result<(), Halt> {
        self.events.send(event).await.map_err(|_| Halt::Unheard)
    }
}

/// The first market. A head that is replaced while it is read is no reason to refuse the start.
async fn first_image<S: ChainSource>(source: &S, known: &mut Known) -> Result<MarketImage, SourceError> {
    let mut tries = 1;
    loop {
        let head = source.head().await?;
        match read_image(source, known, &head, Reach::Configured).await {
            Err(error) if tries < TRIES && matches!(error, SourceError::Call { .. }) => {
                tries += 1;
                sleep(RETRY_PAUSE).await;
            }
            result => return result,
        }
    }
}
