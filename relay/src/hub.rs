//! The single writer: one task owns the sequence, the state, the journal and the lanes. Others reach it by channels.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf, Split};
use alphapulse_protocol::message::{CloseReason, Welcome};
use alphapulse_protocol::{ChainId, Epoch, ReplicaError, UnixNanos};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::error::{JournalError, RelayError};
use crate::fanout::Fanout;
use crate::follower::ChainEvent;
use crate::journal::JournalWriter;
use crate::lane::{Lane, Wake};
use crate::metrics::Metrics;
use crate::sequencer::Sequencer;
use crate::source::MarketImage;

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a lane.
    Join { lane: Arc<Lane>, is_remote: bool },
    /// End in order.
    Stop,
}

/// Opens lanes. Cloned to every door of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) count: Arc<AtomicUsize>,
    pub(crate) subscribers_max: usize,
    pub(crate) lane_slots: usize,
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
    /// A lane that the writer will fill, its snapshot first.
    pub(crate) fn open_lane(&self, wake: Wake, is_remote: bool) -> Result<(Arc<Lane>, Place), RelayError> {
        let below_max = |count: usize| (count < self.subscribers_max).then_some(count + 1);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_max)
            .map_err(|_| RelayError::Full(self.subscribers_max))?;
        let place = Place(Arc::clone(&self.count));
        let lane = Lane::new(self.lane_slots, wake);
        let command = Command::Join { lane: Arc::clone(&lane), is_remote };
        self.commands.send(command).map_err(|_| RelayError::Stopped)?;
        Ok((lane, place))
    }
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Hub {
    chain_id: ChainId,
    sequencer: Sequencer,
    fanout: Fanout,
    journal: Option<JournalWriter>,
    resync: Arc<Notify>,
    metrics: Arc<Metrics>,
    /// Frames of the event at hand, kept to be filled again.
    frames: Vec<FrameBuf>,
    /// The state as it stands between two events, made when the first joiner asks.
    snapshot: Option<Bytes>,
}

impl Hub {
    pub(crate) fn new(
        chain_id: ChainId,
        reorg_depth_max: usize,
        fanout: Fanout,
        journal: Option<JournalWriter>,
        resync: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let sequencer = Sequencer::new(chain_id, reorg_depth_max);
        Self { chain_id, sequencer, fanout, journal, resync, metrics, frames: Vec::new(), snapshot: None }
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
            if let Command::Join { lane, .. } = command {
                self.fanout.add(lane, None, None);
            }
        }
        self.fanout.close(CloseReason::Shutdown);
        let synced = self.journal.as_mut().map_or(Ok(()), JournalWriter::sync);
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
                    Some(Command::Join { lane, is_remote }) => self.on_join(lane, is_remote),
                    Some(Command::Stop) | None => return Ok(()),
                },
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
                match self.sequencer.block(context, head_number, &updates, &mut self.frames) {
                    Ok(()) => {
                        self.fanout.publish(&self.frames);
                        self.record_frames()
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
            ChainEvent::Reorg { ancestor, old_head } => {
                match self.sequencer.reorg(ancestor, old_head, &mut self.frames) {
                    Ok(()) => {
                        self.fanout.reorg(ancestor.number, &self.frames, || self.sequencer.snapshot());
                        self.record_frames()
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
        }
    }

    fn on_snapshot(&mut self, image: &MarketImage) -> Result<(), JournalError> {
        let epoch = self.next_epoch();
        if let Err(error) = self.sequencer.reset(image, epoch) {
            return self.on_contradiction(&error);
        }
        let snapshot = self.sequencer.snapshot().expect("a snapshot that was just applied is whole");
        if let Some(head) = self.sequencer.head() {
            self.fanout.restart(head.number, &snapshot);
        }
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.set_epoch(epoch);
        let mut rest = &snapshot[..];
        while let Ok(Split::Whole { message, frame_bytes }) = frame::split(rest) {
            journal.append_bytes(message)?;
            rest = &rest[frame_bytes..];
        }
        debug_assert!(rest.is_empty(), "our own snapshot is whole frames");
        journal.flush()
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
        for frame in &self.frames {
            journal.append_bytes(frame.message_bytes())?;
        }
        journal.flush()
    }

    fn on_join(&mut self, lane: Arc<Lane>, is_remote: bool) {
        let greeting = is_remote.then(|| welcome(self.chain_id, self.sequencer.epoch()));
        if self.snapshot.is_none() {
            self.snapshot = self.sequencer.snapshot();
        }
        let base = self.sequencer.head().map(|head| head.number);
        self.fanout.add(lane, greeting, base.zip(self.snapshot.clone()));
        self.fanout.sweep();
    }

    fn on_pulse(&mut self) {
        self.fanout.sweep();
        if let Some(heartbeat) = self.sequencer.heartbeat(UnixNanos(now_ns())) {
            self.metrics.heartbeats.add(1);
            self.fanout.publish(&[heartbeat]);
        }
    }

    /// The clock makes epochs of different runs differ; the comparison those of one run, whatever the clock does.
    fn next_epoch(&self) -> Epoch {
        Epoch(now_ns().max(self.sequencer.epoch().0 + 1))
    }
}

fn welcome(chain_id: ChainId, epoch: Epoch) -> Bytes {
    let mut frames = Vec::with_capacity(FRAME_HEADER_BYTES + size_of::<Welcome>());
    frame::write(&mut frames, &Welcome::new(chain_id, epoch));
    frames.into()
}

/// Wall clock. Only labels come from it (epochs, heartbeats), no decision does.
fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
