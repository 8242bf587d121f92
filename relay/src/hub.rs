//! The single writer: one task owns the sequence, the state, the journal and the lanes. Others reach it by channels.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf, Split};
use alphapulse_protocol::message::{CautionCause, CloseReason, Welcome};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, Position, ReplicaError, Sequence};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::now;
use crate::config::RelayConfig;
use crate::error::{JournalError, RelayError};
use crate::fanout::{Fanout, Stream, Terms};
use crate::follower::ChainEvent;
use crate::journal::JournalWriter;
use crate::lane::{self, LaneReader, LaneWriter, Wake};
use crate::metrics::Metrics;
use crate::recent::{Event, Recent};
use crate::roster::Roster;
use crate::sequencer::Sequencer;
use crate::side::SideSequencer;
use crate::source::MarketImage;

/// Side messages that may wait for a subscriber.
pub(crate) const SIDE_SLOTS: usize = 256;

/// How often it is looked whether those who are behind have room again, while nothing else happens.
const CATCH_UP_EVERY: Duration = Duration::from_millis(5);

/// A lane on its way to the writer.
#[derive(Debug)]
pub(crate) struct Joining {
    lane: LaneWriter,
    terms: Terms,
    is_greeted: bool,
}

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a lane.
    Join(Box<Joining>),
    /// Tell everyone whether the nodes can be believed.
    Caution(CautionCause),
    /// End in order.
    Stop,
}

/// Opens lanes. Cloned to every door of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) lane_bytes: usize,
    pub(crate) chain_id: ChainId,
    pub(crate) epoch: Arc<AtomicU64>,
}

impl Joiner {
    /// A lane that the writer will fill, for who has a place. One that is not greeted yet gets the relay's answer first.
    pub(crate) fn open_lane(&self, wake: Wake, terms: Terms, is_greeted: bool) -> Result<LaneReader, RelayError> {
        let (lane, reader) = lane::lane(self.lane_bytes, SIDE_SLOTS, wake);
        let joining = Box::new(Joining { lane, terms, is_greeted });
        self.commands.send(Command::Join(joining)).map_err(|_| RelayError::Stopped)?;
        Ok(reader)
    }

    /// The stream's epoch as of now, for the answer to a greeting.
    pub(crate) fn epoch(&self) -> Epoch {
        // Stands alone: the epoch that counts is that of the snapshot or the position that follows.
        Epoch(self.epoch.load(Ordering::Relaxed))
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
    /// The state as it stands between two events, made when the first who needs it asks.
    snapshot: Option<(BlockNumber, Bytes)>,
    recent: Recent,
    /// Last message that subscribers were given. The sequencer may be ahead of it by a block that did not fit.
    published: Position,
    caution: CautionCause,
    side_sequencer: SideSequencer,
    epoch: Arc<AtomicU64>,
}

impl Hub {
    pub(crate) fn new(
        config: &RelayConfig,
        journal: Option<JournalWriter>,
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
            recent: Recent::new(config.recent_bytes),
            published: Position { epoch: Epoch(0), sequence: Sequence(0) },
            caution: CautionCause::None,
            side_sequencer: SideSequencer::default(),
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
        mut sides: mpsc::Receiver<Vec<u8>>,
        heartbeat: Duration,
    ) -> Result<(), RelayError> {
        let result = self.serve(&mut events, &mut commands, &mut sides, heartbeat).await;
        // Nobody may join any more; who asked already is told like the others.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Join(joining) = command {
                self.fanout.add(joining.lane, None, joining.terms, None);
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
        sides: &mut mpsc::Receiver<Vec<u8>>,
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
                    Some(Command::Join(joining)) => self.on_join(*joining),
                    Some(Command::Caution(cause)) => self.on_caution(cause),
                    Some(Command::Stop) | None => return Ok(()),
                },
                Some(message) = sides.recv() => {
                    let (template, frame) = self.side_sequencer.number(message);
                    self.metrics.sides.add(1);
                    self.fanout.publish_side(template, &frame);
                }
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
                match self.sequencer.block(context, head_number, &updates, &mut self.frames) {
                    Ok(()) => self.publish(None),
                    Err(error) => self.on_contradiction(&error),
                }
            }
            ChainEvent::Reorg { ancestor, old_head } => {
                match self.sequencer.reorg(ancestor, old_head, &mut self.frames) {
                    Ok(()) => self.publish(Some(ancestor.number)),
                    Err(error) => self.on_contradiction(&error),
                }
            }
        }
    }

    /// Gives the frames at hand to everyone: to memory, the lanes, and the journal.
    fn publish(&mut self, ancestor: Option<BlockNumber>) -> Result<(), JournalError> {
        let event = Event::new(&self.frames, self.published.sequence, ancestor);
        self.recent.push(event.clone());
        self.published = self.sequencer.position();
        self.with_stream(|fanout, stream| fanout.publish(&event, stream));
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
        let Self { sequencer, snapshot, recent, published, fanout, caution, .. } = self;
        let mut taken = || {
            if snapshot.is_none() {
                *snapshot = sequencer.head().map(|head| head.number).zip(sequencer.snapshot());
            }
            snapshot.clone()
        };
        let (position, caution) = (*published, *caution);
        serve(fanout, &mut Stream { position, recent, sequencer, caution, snapshot: &mut taken });
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

    fn on_join(&mut self, Joining { lane, terms, is_greeted }: Joining) {
        let greeting = (!is_greeted).then(|| welcome(self.chain_id, self.sequencer.epoch(), terms.version));
        let is_whole = self.sequencer.is_whole();
        self.with_stream(|fanout, stream| {
            let stream = is_whole.then_some(stream);
            fanout.add(lane, greeting, terms, stream);
        });
    }

    fn on_caution(&mut self, cause: CautionCause) {
        if self.caution == cause {
            return;
        }
        if self.caution == CautionCause::None {
            self.metrics.cautions.add(1);
        }
        self.caution = cause;
        self.with_stream(|fanout, stream| fanout.caution(stream));
    }

    fn on_pulse(&mut self) {
        self.catch_up();
        if let Some(heartbeat) = self.sequencer.heartbeat(now()) {
            self.metrics.heartbeats.add(1);
            self.fanout.pulse(&heartbeat);
        }
    }

    /// The clock makes epochs of different runs differ; the comparison those of one run, whatever the clock does.
    fn next_epoch(&self) -> Epoch {
        Epoch(now().0.max(self.sequencer.epoch().0 + 1))
    }
}

fn welcome(chain_id: ChainId, epoch: Epoch, version: u16) -> Bytes {
    let mut frames = Vec::with_capacity(FRAME_HEADER_BYTES + size_of::<Welcome>());
    frame::write(&mut frames, &Welcome::new(chain_id, epoch, version));
    frames.into()
}
