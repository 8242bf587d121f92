//! The single writer: one task owns the sequence, the state, the journal and the lanes. Others reach it by channels.

mod truth;

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::{CautionCause, CloseReason};
use alphapulse_protocol::replica::Quarantine;
use alphapulse_protocol::{BlockNumber, Epoch, Position, ReplicaError, Sequence};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::archive::{Archive, Desks};
use crate::caution::Order;
use crate::clock::now;
use crate::config::RelayConfig;
use crate::error::{JournalError, RelayError};
use crate::fanout::Fanout;
use crate::follower::ChainEvent;
use crate::joiner::{Facts, Joining};
use crate::journal::FeedWriter;
use crate::metrics::Metrics;
use crate::observe::Report;
use crate::recent::{Event, Recent};
use crate::recovery::Stream;
use crate::sequencer::Sequencer;
use crate::side::{self, SideSequencer};
use crate::source::MarketImage;
use crate::source::race::{Safety, Standing, UnsafeCause};
use crate::truth::{Findings, Truth};

/// How often it is looked whether those who are behind have room again, while nothing else happens.
const CATCH_UP_EVERY: Duration = Duration::from_millis(5);

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a lane.
    Join(Box<Joining>),
    /// An operator's caution, or that there is none any more.
    Caution(Option<Order>),
    /// Say how the stream stands.
    Report(oneshot::Sender<Report>),
    /// End in order.
    Stop,
}

/// The writer.
#[derive(Debug)]
pub(crate) struct Hub {
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
    /// As [`Stream::told`].
    told: u64,
    /// When the last event of the chain was sequenced.
    head_at: Instant,
    /// Last message that is in the journal.
    recorded: Sequence,
    desks: Desks,
    /// What subscribers were told last, and what it follows from.
    caution: CautionCause,
    order: Option<Order>,
    caution_seen: CautionCause,
    /// Whether the source is out of reach, or the stream not yet where the source is.
    is_lost: bool,
    /// Whether the chain contradicted our state, and no snapshot has come since.
    is_in_doubt: bool,
    side_sequencer: SideSequencer,
    facts: Arc<Facts>,
    /// Compares the state with the chain; `None` where nobody does.
    truth: Option<Truth>,
    /// Whether a pool's standing was told in this epoch.
    has_standings: bool,
}

impl Hub {
    pub(crate) fn new(
        config: &RelayConfig,
        journal: Option<FeedWriter>,
        resync: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            sequencer: Sequencer::new(config.chain_id, config.reorg_depth_max),
            fanout: Fanout::new(Arc::clone(&metrics)),
            journal,
            resync,
            metrics,
            frames: Vec::new(),
            snapshot: None,
            recent: Recent::new(config.recent_bytes),
            published: Position { epoch: Epoch(0), sequence: Sequence(0) },
            told: 0,
            head_at: Instant::now(),
            recorded: Sequence(0),
            desks: Desks::default(),
            caution: CautionCause::None,
            order: None,
            caution_seen: CautionCause::None,
            is_lost: false,
            is_in_doubt: false,
            side_sequencer: SideSequencer::default(),
            facts: Arc::default(),
            truth: None,
            has_standings: false,
        }
    }

    /// Has the state compared with the chain from here on.
    pub(crate) fn compare(&mut self, truth: Option<Truth>) {
        self.truth = truth;
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Bytes of the whole state as it is sent.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        self.sequencer.snapshot().map_or(0, |snapshot| snapshot.len())
    }

    /// Begins with an operator's caution that an earlier process was given: nobody is served before it holds.
    pub(crate) fn begin_under(&mut self, order: Option<Order>) {
        self.on_caution(order);
    }

    /// What doors tell of the stream.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    /// Runs until told to stop, the follower ends, or the journal fails.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<ChainEvent>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut sides: mpsc::Receiver<side::Queued>,
        mut standing: Option<watch::Receiver<Standing>>,
        mut findings: Option<mpsc::Receiver<Findings>>,
        heartbeat: Duration,
    ) -> Result<(), RelayError> {
        if let Some(standing) = &mut standing {
            // What was found before anybody listened counts as well, and what passed before may have left the stream behind.
            self.caution_seen = CautionCause::BelowQuorum;
            self.on_standing(*standing.borrow_and_update());
        }
        let result = self.serve(&mut events, &mut commands, &mut sides, &mut standing, &mut findings, heartbeat).await;
        // Nobody may join any more; who asked already is told like the others.
        commands.close();
        while let Ok(command) = commands.try_recv() {
            if let Command::Join(joining) = command {
                self.fanout.add(joining.lane, joining.terms, None);
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
        sides: &mut mpsc::Receiver<side::Queued>,
        standing: &mut Option<watch::Receiver<Standing>>,
        findings: &mut Option<mpsc::Receiver<Findings>>,
        heartbeat: Duration,
    ) -> Result<(), JournalError> {
        let mut pulse = interval(heartbeat);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        let mut repair = interval(CATCH_UP_EVERY);
        repair.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => {
                        self.note_danger(standing.as_ref());
                        self.on_event(event)?;
                        self.note_arrival(standing.as_ref(), events.is_empty());
                        pulse.reset();
                    }
                    None => return Ok(()),
                },
                command = commands.recv() => match command {
                    Some(Command::Join(joining)) => self.on_join(*joining),
                    Some(Command::Caution(order)) => self.on_caution(order),
                    // Who asked may have left meanwhile.
                    Some(Command::Report(asked)) => drop(asked.send(self.report())),
                    Some(Command::Stop) | None => return Ok(()),
                },
                Some(found) = next_of(findings) => self.on_findings(found)?,
                // Behind the events: what made the nodes believable again is among them.
                is_known = changed(standing), if standing.is_some() => match standing {
                    // What came meanwhile is taken first.
                    Some(standing) if is_known && !events.is_empty() => standing.mark_changed(),
                    Some(standing) if is_known => self.on_standing(*standing.borrow_and_update()),
                    _ => *standing = None,
                },
                Some(message) = sides.recv() => {
                    let (template, frame) = self.side_sequencer.number(message);
                    self.metrics.sides.add(1);
                    self.fanout.publish_side(template, &frame);
                }
                _ = repair.tick(), if self.fanout.is_catching_up() => self.catch_up(),
                _ = pulse.tick() => self.on_pulse(),
            }
        }
    }

    /// Takes one event of the chain: state first, then the lanes, then the journal. It is counted here, where it is served, and
    /// before anybody has it: who knows of a block finds it counted.
    pub(crate) fn on_event(&mut self, event: ChainEvent) -> Result<(), JournalError> {
        self.snapshot = None;
        self.frames.clear();
        match event {
            ChainEvent::Lost => self.on_reach(true),
            ChainEvent::Found => self.on_reach(false),
            ChainEvent::Snapshot(image, quarantined) => self.on_snapshot(&image, quarantined),
            // Until the snapshot that was asked for comes, there is nothing that these could continue.
            _ if !self.sequencer.is_whole() => Ok(()),
            ChainEvent::Standing(verdict) => self.stand(&verdict),
            ChainEvent::Block { context, head_number, news, mut restated, updates, read_at } => {
                let told = self.tell_the_ill(&mut restated, &updates);
                match self.sequencer.block(context, head_number, &news, &restated, &told, &mut self.frames) {
                    Ok(()) => {
                        let sequenced_at = Instant::now();
                        self.facts.raise(news.since_version());
                        self.metrics.stages.logs_to_sequence.record(read_at, sequenced_at);
                        self.metrics.blocks.add(1);
                        self.metrics.head_number.set(context.number.get());
                        self.publish(None, sequenced_at)?;
                        self.sample(&context, head_number, &updates, &restated);
                        Ok(())
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
            ChainEvent::Reorg { ancestor, old_head } => {
                match self.sequencer.reorg(ancestor, old_head, &mut self.frames) {
                    Ok(()) => {
                        self.metrics.reorgs.add(1);
                        self.metrics.reorg_depth_max_seen.raise_to(old_head.number.0.saturating_sub(ancestor.number.0));
                        self.metrics.head_number.set(ancestor.number.0);
                        self.publish(Some(ancestor.number), Instant::now())?;
                        self.recall(ancestor)
                    }
                    Err(error) => self.on_contradiction(&error),
                }
            }
        }
    }

    /// Gives the frames at hand to everyone: to memory, the lanes, and the journal.
    fn publish(&mut self, ancestor: Option<BlockNumber>, sequenced_at: Instant) -> Result<(), JournalError> {
        let event = Event::new(&self.frames, self.published.sequence, ancestor);
        self.recent.push(event.clone());
        self.published = self.sequencer.position();
        self.told += event.messages();
        self.head_at = sequenced_at;
        self.with_stream(|fanout, stream| fanout.publish(&event, stream));
        let mut filled_at = Instant::now();
        self.metrics.stages.fanout.record(sequenced_at, filled_at);
        if self.fanout.is_catching_up() {
            self.catch_up();
            filled_at = Instant::now();
        }
        self.record_frames(filled_at)
    }

    fn catch_up(&mut self) {
        self.with_stream(Fanout::catch_up);
    }

    /// Gives the fan-out what those need who have to catch up. The snapshot is made when the first of them asks.
    fn with_stream(&mut self, serve: impl FnOnce(&mut Fanout, &mut Stream<'_>)) {
        let Self {
            sequencer,
            snapshot,
            recent,
            published,
            told,
            recorded,
            desks,
            fanout,
            caution,
            journal,
            facts,
            has_standings,
            ..
        } = self;
        let has_standings = *has_standings;
        let mut taken = || {
            if snapshot.is_none() {
                *snapshot = sequencer.head().map(|head| head.number).zip(sequencer.snapshot());
            }
            snapshot.clone()
        };
        let (position, told, caution, since_version) = (*published, *told, *caution, facts.since_version());
        let archive = journal.as_ref().map(|journal| Archive { journal, last: *recorded, desks });
        let snapshot = &mut taken;
        let stream =
            &mut Stream { position, told, recent, archive, sequencer, caution, has_standings, since_version, snapshot };
        serve(fanout, stream);
    }

    fn on_snapshot(&mut self, image: &MarketImage, mut quarantined: Vec<Quarantine>) -> Result<(), JournalError> {
        // Read anew, and not yet compared.
        if let Some(truth) = &self.truth {
            quarantined = truth.carried(&image.pools, image.context.block());
        }
        let last = Some(self.published).filter(|published| published.epoch.0 > 0);
        let epoch = self.next_epoch();
        self.recent.clear();
        if let Err(error) = self.sequencer.reset(image, &quarantined, epoch) {
            return self.on_contradiction(&error);
        }
        self.has_standings = false;
        if let Some(truth) = &mut self.truth {
            truth.begin(self.sequencer.replica());
        }
        (self.published, self.recorded) = (self.sequencer.position(), Sequence(0));
        self.told += 1;
        self.head_at = Instant::now();
        self.is_in_doubt = false;
        if last.is_some() {
            self.metrics.resnapshots.add(1);
        }
        self.metrics.head_number.set(image.context.number.get());
        self.facts.begin(epoch, self.sequencer.replica().since_version());
        let snapshot = self.sequencer.snapshot().expect("a snapshot that was just applied is whole");
        self.with_stream(|fanout, stream| fanout.restart(last, stream));
        self.weigh();
        self.journal.as_mut().map_or(Ok(()), |journal| journal.begin_epoch(epoch, &snapshot))
    }

    /// What the node said does not fit our state: one of both is wrong, so a new start is asked for.
    #[cold]
    fn on_contradiction(&mut self, error: &ReplicaError) -> Result<(), JournalError> {
        tracing::error!(%error, "the chain contradicts our state; asking for a fresh snapshot");
        self.metrics.contradictions.add(1);
        // What subscribers hold is right for its block, and nobody knows of which chain that is.
        self.is_in_doubt = true;
        self.weigh();
        self.resync.notify_one();
        Ok(())
    }

    fn record_frames(&mut self, filled_at: Instant) -> Result<(), JournalError> {
        self.metrics.messages.add(self.frames.len() as u64);
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.record(self.frames.iter().map(FrameBuf::message_bytes), || self.sequencer.snapshot())?;
        self.recorded = self.published.sequence;
        self.metrics.stages.journal.record(filled_at, Instant::now());
        Ok(())
    }

    /// How the stream stands between two events, for those who watch.
    fn report(&self) -> Report {
        self.fanout.refresh(self.told);
        Report {
            position: self.published,
            head: self.sequencer.head(),
            head_at: self.head_at,
            caution: self.caution,
            order: self.order.clone(),
            caution_of_nodes: self.caution_of_nodes(),
            journal: self.journal.as_ref().map(FeedWriter::status),
            truth: self.truth_status(),
        }
    }

    fn on_join(&mut self, Joining { lane, terms }: Joining) {
        let is_whole = self.sequencer.is_whole();
        let mut is_served = false;
        self.with_stream(|fanout, stream| is_served = fanout.add(lane, terms, is_whole.then_some(stream)));
        if !is_served {
            return;
        }
        for (template, frame) in self.side_sequencer.standing() {
            self.fanout.publish_side_to_newest(template, frame);
        }
    }

    /// The word of who stands outside: it holds whatever the nodes seem.
    fn on_caution(&mut self, order: Option<Order>) {
        self.order = order;
        self.weigh();
    }

    /// Behind all that was relayed before, so that the state at hand is the source's when it was found again.
    fn on_reach(&mut self, is_lost: bool) -> Result<(), JournalError> {
        self.is_lost = is_lost;
        self.weigh();
        Ok(())
    }

    /// That the nodes agree again is said only when the stream stands on the very block that they agree on: until then the state is
    /// older than their word, or of another branch. Called with nothing queued.
    fn on_standing(&mut self, standing: Standing) {
        let cause = caution_of(standing.safety);
        let is_there = standing.head.is_some() && self.sequencer.head() == standing.head;
        if cause != CautionCause::None || is_there {
            self.caution_seen = cause;
        }
        self.weigh();
    }

    /// That the nodes can be believed no more is said before anything else that they gave.
    fn note_danger(&mut self, standing: Option<&watch::Receiver<Standing>>) {
        let seen = standing.map_or(CautionCause::None, |standing| caution_of(standing.borrow().safety));
        if seen != CautionCause::None && seen != self.caution_seen {
            self.caution_seen = seen;
            self.weigh();
        }
    }

    /// The stream may have come to where the nodes stand.
    fn note_arrival(&mut self, standing: Option<&watch::Receiver<Standing>>, is_last: bool) {
        if self.caution_seen != CautionCause::None
            && is_last
            && let Some(standing) = standing
        {
            let standing = *standing.borrow();
            self.on_standing(standing);
        }
    }

    /// What subscribers must be told whatever an operator says.
    fn caution_of_nodes(&self) -> CautionCause {
        let doubt = if self.is_in_doubt { CautionCause::Divergence } else { CautionCause::None };
        let lost = if self.is_lost { CautionCause::BelowQuorum } else { CautionCause::None };
        let causes = [self.caution_seen, doubt, lost];
        causes.into_iter().find(|cause| *cause != CautionCause::None).unwrap_or(CautionCause::None)
    }

    fn weigh(&mut self) {
        let cause = self.order.as_ref().map_or_else(|| self.caution_of_nodes(), |order| order.cause);
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
        self.fanout.refresh(self.told);
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

/// The next that comes; never, where nothing can.
async fn next_of<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => core::future::pending().await,
    }
}

/// Waits until the nodes' standing changes; `false` when nobody can change it any more.
async fn changed(standing: &mut Option<watch::Receiver<Standing>>) -> bool {
    match standing {
        Some(standing) => standing.changed().await.is_ok(),
        None => core::future::pending().await,
    }
}

const fn caution_of(safety: Safety) -> CautionCause {
    match safety.cause {
        None => CautionCause::None,
        Some(UnsafeCause::BelowQuorum { .. } | UnsafeCause::Unconfirmed) => CautionCause::BelowQuorum,
        Some(UnsafeCause::Refuted) => CautionCause::Divergence,
    }
}
