//! The single writer: one task owns the sequence, the state, the journal and the lanes. Others reach it by channels.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf};
use alphapulse_protocol::message::{CloseReason, Welcome};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, Position, ReplicaError, Sequence, UnixNanos};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::RelayConfig;
use crate::error::{JournalError, RelayError};
use crate::fanout::{Fanout, Stream, Terms};
use crate::follower::ChainEvent;
use crate::journal::FeedWriter;
use crate::lane::{Ending, Lane, Wake};
use crate::metrics::Metrics;
use crate::recent::Recent;
use crate::replay::Lanes;
use crate::sequencer::Sequencer;
use crate::source::MarketImage;

/// How often it is looked whether those who are behind have room again, while nothing else happens.
const CATCH_UP_EVERY: Duration = Duration::from_millis(5);

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a lane.
    Join { lane: Joining, terms: Terms, is_greeted: bool },
    /// End in order.
    Stop,
}

/// A lane on its way to the writer. One that does not arrive, because the writer is gone, ends: its reader must not wait
/// for ever.
#[derive(Debug)]
pub(crate) struct Joining(Option<Arc<Lane>>);

impl Joining {
    /// Arrived: from here on the fan-out ends it.
    fn take(mut self) -> Arc<Lane> {
        self.0.take().expect("taken once, for it takes the whole")
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.end(Ending::Disconnected);
        }
    }
}

/// Opens lanes. Cloned to every door of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) count: Arc<AtomicUsize>,
    pub(crate) subscribers_max: usize,
    pub(crate) lane_slots: usize,
    pub(crate) chain_id: ChainId,
    pub(crate) epoch: Arc<AtomicU64>,
    /// Told of every lane, where somebody waits for slow readers.
    pub(crate) lanes: Option<Lanes>,
}

/// A reader's place among the subscribers, free again when the reader drops it.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Joiner {
    /// A place among the subscribers.
    pub(crate) fn reserve(&self) -> Result<Place, RelayError> {
        let below_max = |count: usize| (count < self.subscribers_max).then_some(count + 1);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_max)
            .map_err(|_| RelayError::Full(self.subscribers_max))?;
        Ok(Place(Arc::clone(&self.count)))
    }

    /// A lane that the writer will fill, for who has a place. One that is not greeted yet gets the relay's answer first.
    pub(crate) fn open_lane(
        &self,
        _place: &Place,
        wake: Wake,
        terms: Terms,
        is_greeted: bool,
    ) -> Result<Arc<Lane>, RelayError> {
        let lane = Lane::new(self.lane_slots, wake);
        if let Some(lanes) = &self.lanes {
            lanes.watch(&lane);
        }
        let command = Command::Join { lane: Joining(Some(Arc::clone(&lane))), terms, is_greeted };
        self.commands.send(command).map_err(|_| RelayError::Stopped)?;
        Ok(lane)
    }

    /// The relay's answer to a greeting, as of now.
    pub(crate) fn welcome(&self, version: u16) -> Bytes {
        // Stands alone: the epoch that counts is that of the snapshot or the position that follows.
        welcome(self.chain_id, Epoch(self.epoch.load(Ordering::Relaxed)), version)
    }
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Hub {
    chain_id: ChainId,
    sequencer: Sequencer,
    fanout: Fanout,
    journal: Option<FeedWriter>,
    resync: Arc<Notify>,
    metrics: Arc<Metrics>,
    /// Frames of the event at hand, kept to be filled again.
    frames: Vec<FrameBuf>,
    /// The state as it stands between two events, made when the first who needs it asks.
    snapshot: Option<(BlockNumber, Bytes)>,
    recent: Recent,
    /// Last message that subscribers were given. The sequencer may be ahead of it by a block that did not fit.
    published: Position,
    epoch: Arc<AtomicU64>,
}

impl Hub {
    pub(crate) fn new(
        config: &RelayConfig,
        journal: Option<FeedWriter>,
        resync: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            chain_id: config.chain_id,
            sequencer: Sequencer::new(config.chain_id, config.reorg_depth_max),
            fanout: Fanout::new(Arc::clone(&metrics)),
            journal,
            resync,
            metrics,
            frames: Vec::new(),
            snapshot: None,
            recent: Recent::new(config.recent_slots),
            published: Position { epoch: Epoch(0), sequence: Sequence(0) },
            epoch: Arc::default(),
        }
    }

    /// The epoch of the stream, to be read by others.
    pub(crate) fn epoch(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.epoch)
    }

    /// Runs until told to stop, the follower ends, or the journal fails.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<ChainEvent>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        heartbeat: Duration,
    ) -> Result<(), RelayError> {
        let result = self.serve(&mut events, &mut commands, heartbeat).await;
        // Nobody may join any more; who asked already is told like the others.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Join { lane, terms, .. } = command {
                self.fanout.add(lane.take(), None, terms, None);
            }
        }
        self.fanout.close(CloseReason::Shutdown);
        let synced = self.journal.as_mut().map_or(Ok(()), FeedWriter::sync);
        result.and(synced).map_err(RelayError::Journal)
    }

    async fn serve(
        &mut self,
        events: &mut mpsc::Receiver<ChainEvent>,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        heartbeat: Duration,
    ) -> Result<(), JournalError> {
        let mut pulse = interval(heartbeat);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => {
                        self.on_event(event)?;
                        pulse.reset();
                    }
                    None => return Ok(()),
                },
                command = commands.recv() => match command {
                    Some(Command::Join { lane, terms, is_greeted }) => self.on_join(lane.take(), terms, is_greeted),
                    Some(Command::Stop) | None => return Ok(()),
                },
                () = sleep(CATCH_UP_EVERY), if self.fanout.is_catching_up() => self.catch_up(),
                _ = pulse.tick() => self.on_pulse(),
            }
        }
    }

    /// Takes one event of the chain: state first, then the lanes, then the journal.
    pub(crate) fn on_event(&mut self, event: ChainEvent) -> Result<(), JournalError> {
        self.snapshot = None;
        self.frames.clear();
        match event {
            ChainEvent::Snapshot(image) => self.on_snapshot(&image),
            // Until the snapshot that was asked for comes, there is nothing that these could continue.
            _ if !self.sequencer.is_whole() => Ok(()),
            ChainEvent::Block { context, head_number, updates } => {
                let before = self.published;
                match self.sequencer.block(context, head_number, &updates, &mut self.frames) {
                    Ok(()) => {
                        self.recent.extend(&self.frames);
                        self.published = self.sequencer.position();
                        self.fanout.publish(before, &self.frames);
                        self.after_event()
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
            ChainEvent::Reorg { ancestor, old_head } => {
                let before = self.published;
                match self.sequencer.reorg(ancestor, old_head, &mut self.frames) {
                    Ok(()) => {
                        self.recent.extend(&self.frames);
                        self.published = self.sequencer.position();
                        let frames = std::mem::take(&mut self.frames);
                        self.with_stream(|fanout, stream| fanout.reorg(before, ancestor.number, &frames, stream));
                        self.frames = frames;
                        self.after_event()
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
        }
    }

    fn after_event(&mut self) -> Result<(), JournalError> {
        if self.fanout.is_catching_up() {
            self.catch_up();
        }
        self.record_frames()
    }

    fn catch_up(&mut self) {
        self.with_stream(Fanout::catch_up);
    }

    /// Gives the fan-out what those need who have to catch up. The snapshot is made when the first of them asks.
    fn with_stream(&mut self, serve: impl FnOnce(&mut Fanout, &mut Stream<'_>)) {
        let Self { sequencer, snapshot, recent, published, fanout, .. } = self;
        let mut taken = || {
            if snapshot.is_none() {
                *snapshot = sequencer.head().map(|head| head.number).zip(sequencer.snapshot());
            }
            snapshot.clone()
        };
        let sign = sequencer.heartbeat(UnixNanos(now_ns()));
        serve(fanout, &mut Stream { position: *published, recent, sign, snapshot: &mut taken });
    }

    fn on_snapshot(&mut self, image: &MarketImage) -> Result<(), JournalError> {
        let last = Some(self.published).filter(|published| published.epoch.0 > 0);
        let epoch = self.next_epoch();
        self.recent.clear();
        if let Err(error) = self.sequencer.reset(image, epoch) {
            return self.on_contradiction(&error);
        }
        self.published = self.sequencer.position();
        // Stands alone: it is only shown.
        self.epoch.store(epoch.0, Ordering::Relaxed);
        let snapshot = self.sequencer.snapshot().expect("a snapshot that was just applied is whole");
        self.with_stream(|fanout, stream| fanout.restart(last, stream));
        self.journal.as_mut().map_or(Ok(()), |journal| journal.begin_epoch(epoch, &snapshot))
    }

    /// What the node said does not fit our state: one of both is wrong, so a new start is asked for.
    #[cold]
    fn on_contradiction(&mut self, error: &ReplicaError) -> Result<(), JournalError> {
        tracing::error!(%error, "the chain contradicts our state; asking for a fresh snapshot");
        self.metrics.contradictions.add(1);
        self.resync.notify_one();
        Ok(())
    }

    fn record_frames(&mut self) -> Result<(), JournalError> {
        self.metrics.messages.add(self.frames.len() as u64);
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.record(self.frames.iter().map(FrameBuf::message_bytes), || self.sequencer.snapshot())
    }

    fn on_join(&mut self, lane: Arc<Lane>, terms: Terms, is_greeted: bool) {
        let greeting = (!is_greeted).then(|| welcome(self.chain_id, self.sequencer.epoch(), terms.version));
        let is_whole = self.sequencer.is_whole();
        self.with_stream(|fanout, stream| {
            let stream = is_whole.then_some(stream);
            fanout.add(lane, greeting, terms, stream);
        });
    }

    fn on_pulse(&mut self) {
        self.catch_up();
        if let Some(heartbeat) = self.sequencer.heartbeat(UnixNanos(now_ns())) {
            self.metrics.heartbeats.add(1);
            self.fanout.pulse(&heartbeat);
        }
    }

    /// The clock makes epochs of different runs differ; the comparison those of one run, whatever the clock does.
    fn next_epoch(&self) -> Epoch {
        Epoch(now_ns().max(self.sequencer.epoch().0 + 1))
    }
}

fn welcome(chain_id: ChainId, epoch: Epoch, version: u16) -> Bytes {
    let mut frames = Vec::with_capacity(FRAME_HEADER_BYTES + size_of::<Welcome>());
    frame::write(&mut frames, &Welcome::new(chain_id, epoch, version));
    frames.into()
}

/// Wall clock. Only labels come from it (epochs, heartbeats), no decision does.
fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
