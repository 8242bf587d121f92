//! A recorded feed as if it were live: the journal takes the place of the node, and all behind it is the relay as it is.
//!
//! Messages keep their order, content and time; the epochs are the relay's own, and numbers count anew in each. Where the
//! records break off (the relay was stopped, or a crash took the end) the stream goes on with the next snapshot.

use core::str::FromStr;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use alphapulse_protocol::message::{BlockContext, Message};
use alphapulse_protocol::replica::{Change, Replica};
use alphapulse_protocol::{BlockNumber, ChainId, ReplicaError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::error::{JournalError, RelayError};
use crate::follower::ChainEvent;
use crate::journal::JournalReader;
use crate::lane::LaneWatch;
use crate::metrics::Metrics;
use crate::source::{MarketImage, Update};

/// How often it is looked whether subscribers came, or took what they have.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Who was lapped is repaired well within this time of having read what there was.
const REPAIR: Duration = Duration::from_millis(50);

/// How fast a recording is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplaySpeed {
    /// So many times as fast as the blocks' timestamps say; finite and above zero.
    Times(f64),
    /// As fast as the slowest subscriber reads. None is lapped, unless a single block exceeds its lane.
    Max,
}

impl FromStr for ReplaySpeed {
    type Err = RelayError;

    fn from_str(text: &str) -> Result<Self, RelayError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times: &f64| times.is_finite() && *times > 0.0);
        let how = || RelayError::Config(format!("found speed `{text}`, expected a number above zero, or `max`"));
        times.map(Self::Times).ok_or_else(how)
    }
}

/// How a recording is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayOptions {
    /// How fast.
    pub speed: ReplaySpeed,
    /// Subscribers that must be there before the first block is served.
    pub wait_for: usize,
}

/// A recorded feed that was read to its end and found whole.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    chain_id: ChainId,
    reorg_depth_max: usize,
    blocks: u64,
    torn_bytes: u64,
}

impl Recording {
    /// Reads a relay's or a node's journal with every checksum.
    ///
    /// # Errors
    /// As [`JournalReader::open_feed`], with [`JournalError::Damaged`] for damage anywhere; [`JournalError::NoBlock`] when it
    /// holds no whole snapshot.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref().to_owned();
        let mut reader = JournalReader::open_feed(&dir)?;
        let (mut blocks, mut depth_max, mut has_snapshot) = (0, 0, false);
        while let Some(message) = reader.next_bytes()? {
            // What cannot be decoded is met when it is served.
            match Message::decode(message) {
                Ok(Message::SnapshotEnd(_)) => has_snapshot = true,
                Ok(Message::BlockEnd(_)) => blocks += 1,
                Ok(Message::Reorg(reorg)) => depth_max = depth_max.max(reorg.depth.get()),
                _ => {}
            }
        }
        if !has_snapshot {
            return Err(JournalError::NoBlock { dir, reason: "holds no whole snapshot of a market".into() });
        }
        Ok(Self {
            chain_id: reader.chain_id(),
            reorg_depth_max: usize::try_from(depth_max).unwrap_or(usize::MAX),
            blocks,
            torn_bytes: reader.torn_bytes(),
            dir,
        })
    }

    /// Chain that was recorded.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Blocks that were recorded, those that a reorg took back included.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes of an unfinished last record.
    #[must_use]
    pub const fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Folder of the journal.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Most blocks that a reorg took back.
    pub(crate) const fn reorg_depth_max(&self) -> usize {
        self.reorg_depth_max
    }
}

/// What a journal's records say happened to the chain.
#[derive(Debug)]
pub(crate) struct Events {
    reader: JournalReader,
    /// State of the records read; says which of them belong to a stream.
    replica: Replica,
    reorg_depth_max: usize,
    block: Option<(BlockContext, BlockNumber, Vec<Update>)>,
}

impl Events {
    pub(crate) fn open(dir: &Path, reorg_depth_max: usize) -> Result<Self, JournalError> {
        let replica = Replica::new(reorg_depth_max);
        Ok(Self { reader: JournalReader::open_feed(dir)?, replica, reorg_depth_max, block: None })
    }

    /// The next event, `None` at the end. A block that was not recorded to its end is none.
    pub(crate) fn next(&mut self) -> Result<Option<ChainEvent>, JournalError> {
        let Self { reader, replica, reorg_depth_max, block } = self;
        while let Some(bytes) = reader.next_bytes()? {
            let had_state = replica.position().is_some();
            let event = match Message::decode(bytes) {
                Ok(message) => take(&message, replica, block),
                // A record of a version that this build does not know; if it changed the market, the next message tells.
                Err(_) => Ok(None),
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => {
                    *replica = Replica::new(*reorg_depth_max);
                    *block = None;
                    if had_state {
                        tracing::warn!(%error, "the recorded stream breaks off; going on with the next snapshot");
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Takes one message; an error says that it does not continue the stream, or that a relay does not send it.
fn take(
    message: &Message<'_>,
    replica: &mut Replica,
    block: &mut Option<(BlockContext, BlockNumber, Vec<Update>)>,
) -> Result<Option<ChainEvent>, ReplicaError> {
    let change = replica.apply(message)?;
    match message {
        Message::SnapshotBegin(_) => *block = None,
        Message::SnapshotEnd(_) if change == Change::SnapshotReady => {
            return Ok(image(replica).map(|image| ChainEvent::Snapshot(Box::new(image))));
        }
        Message::Block(begin) => *block = Some((begin.context, BlockNumber(begin.head_number.get()), Vec::new())),
        Message::BlockEnd(_) => {
            let whole = block.take();
            return Ok(whole.map(|(context, head_number, updates)| ChainEvent::Block {
                context,
                head_number,
                updates,
                read_at: std::time::Instant::now(),
            }));
        }
        Message::Reorg(reorg) => {
            return Ok(Some(ChainEvent::Reorg { ancestor: reorg.ancestor(), old_head: reorg.old_head() }));
        }
        _ => {}
    }
    let Some((_, _, updates)) = block else { return Ok(None) };
    match message {
        Message::V2Reserves(message) => updates.push(Update::V2Reserves(**message)),
        Message::V3Swap(message) => updates.push(Update::V3Swap(**message)),
        Message::V3Liquidity(message) => updates.push(Update::V3Liquidity(**message)),
        Message::Token(_) | Message::Pool(_) | Message::V3Tick(_) => {
            return Err(ReplicaError::OutOfPlace(message.name()));
        }
        // Kinds that a relay cannot follow yet: their changes must not be lost unseen.
        _ if message.state_of().is_some() => return Err(ReplicaError::OutOfPlace(message.name())),
        _ => {}
    }
    Ok(None)
}

fn image(replica: &Replica) -> Option<MarketImage> {
    let pools = replica.pools().iter().cloned().zip(replica.states().iter().cloned()).collect();
    Some(MarketImage { context: *replica.context()?, tokens: replica.tokens().to_vec(), pools })
}

/// The lanes of all subscribers, for who waits until they have room.
///
/// A lock is enough: it is taken when somebody joins and by the player, which has all the time there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Vec<LaneWatch>>>);

impl Lanes {
    pub(crate) fn watch(&self, lane: LaneWatch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// The lanes that are still read.
    fn read(&self) -> Vec<LaneWatch> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(LaneWatch::is_read);
        lanes.clone()
    }

    /// Whether every lane can take a good deal more.
    fn have_room(&self) -> bool {
        self.read().iter().all(LaneWatch::has_room)
    }
}

/// Gives the events to the relay's writer, each at its time.
pub(crate) struct Player {
    pub(crate) events: Events,
    pub(crate) out: mpsc::Sender<ChainEvent>,
    pub(crate) options: ReplayOptions,
    pub(crate) lanes: Lanes,
    pub(crate) metrics: Arc<Metrics>,
}

/// Nobody listens any more.
struct Unheard;

impl Player {
    /// Plays to the end, or until nobody listens.
    pub(crate) async fn run(self) -> Option<RelayError> {
        let wanted = u64::try_from(self.options.wait_for).unwrap_or(u64::MAX);
        let (metrics, out) = (Arc::clone(&self.metrics), self.out.clone());
        if until(&out, || metrics.subscribers.get() >= wanted).await.is_err() {
            return None;
        }
        self.play().await.err()
    }

    async fn play(mut self) -> Result<(), RelayError> {
        let mut pace = Pace { speed: self.options.speed, start: None };
        // A reorg is heard of with the first block of the new branch.
        let mut held = None;
        // Reading blocks this task for the time that a segment takes, some ten milliseconds, which delays nobody else.
        while let Some(event) = self.events.next().map_err(RelayError::Journal)? {
            self.count(&event);
            if matches!(event, ChainEvent::Reorg { .. }) {
                if let Some(earlier) = held.replace(event)
                    && self.tell(earlier).await.is_err()
                {
                    return Ok(());
                }
                continue;
            }
            let wait = pace.wait(&event, Instant::now());
            if !wait.is_zero() {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.out.closed() => return Ok(()),
                }
            }
            for event in held.take().into_iter().chain([event]) {
                if self.tell(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        if let Some(event) = held {
            let _ = self.tell(event).await;
        }
        // When nobody listens any more there is nothing to wait for either.
        let _ = self.drain().await;
        Ok(())
    }

    /// Counts an event as the follower of a chain would.
    fn count(&self, event: &ChainEvent) {
        let metrics = &self.metrics;
        match event {
            ChainEvent::Snapshot(image) => {
                metrics.resnapshots.add(1);
                metrics.head_number.set(image.context.number.get());
            }
            ChainEvent::Reorg { ancestor, old_head } => {
                metrics.reorgs.add(1);
                metrics.reorg_depth_max_seen.raise_to(old_head.number.0.saturating_sub(ancestor.number.0));
                metrics.head_number.set(ancestor.number.0);
            }
            ChainEvent::Block { context, .. } => {
                metrics.blocks.add(1);
                metrics.head_number.set(context.number.get());
            }
            // A recording has no source to lose.
            ChainEvent::Lost | ChainEvent::Found => {}
        }
    }

    async fn tell(&self, event: ChainEvent) -> Result<(), Unheard> {
        if self.options.speed == ReplaySpeed::Max {
            until(&self.out, || self.lanes.have_room()).await?;
        }
        self.out.send(event).await.map_err(|_| Unheard)
    }

    /// Waits until every subscriber has taken what it was given, and what repaired it then. One that takes nothing is cut off
    /// by its connection.
    async fn drain(&self) -> Result<(), Unheard> {
        for _ in 0..2 {
            // Signs of life go on, so all lanes are rarely empty at once; each has to be once.
            let mut busy = self.lanes.read();
            let all_were_empty = || {
                busy.retain(|lane| lane.is_read() && lane.is_waiting());
                busy.is_empty()
            };
            until(&self.out, all_were_empty).await?;
            sleep(REPAIR).await;
        }
        Ok(())
    }
}

async fn until(out: &mpsc::Sender<ChainEvent>, mut is_so: impl FnMut() -> bool) -> Result<(), Unheard> {
    while !is_so() {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = out.closed() => return Err(Unheard),
        }
    }
    Ok(())
}

/// When each block is due.
struct Pace {
    speed: ReplaySpeed,
    /// Timestamp of the block that all others are timed by, and when it was served.
    start: Option<(u64, Instant)>,
}

impl Pace {
    /// How long an event is still to wait. A snapshot does not: what lies before it is the time in which nothing was
    /// recorded.
    fn wait(&mut self, event: &ChainEvent, now: Instant) -> Duration {
        let (timestamp, is_start) = match event {
            ChainEvent::Snapshot(image) => (image.context.timestamp.get(), true),
            ChainEvent::Block { context, .. } => (context.timestamp.get(), self.start.is_none()),
            ChainEvent::Reorg { .. } | ChainEvent::Lost | ChainEvent::Found => return Duration::ZERO,
        };
        if is_start {
            self.start = Some((timestamp, now));
        }
        let (ReplaySpeed::Times(times), Some((first, since))) = (self.speed, self.start) else { return Duration::ZERO };
        let recorded = Duration::from_secs(timestamp.saturating_sub(first));
        // What is too long for a duration is never served.
        let due = Duration::try_from_secs_f64(recorded.as_secs_f64() / times).unwrap_or(Duration::MAX);
        due.saturating_sub(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_speed_is_a_number_above_zero_or_max() {
        assert_eq!("max".parse::<ReplaySpeed>().unwrap(), ReplaySpeed::Max);
        assert_eq!("2.5".parse::<ReplaySpeed>().unwrap(), ReplaySpeed::Times(2.5));
        for text in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(text.parse::<ReplaySpeed>().is_err(), "{text}");
        }
    }

    fn block(timestamp: u64) -> ChainEvent {
        let zero = BlockContext {
            number: 1.into(),
            hash: [0; 32],
            parent_hash: [0; 32],
            timestamp: timestamp.into(),
            base_fee: 0_u128.into(),
            gas_used: 0.into(),
            gas_limit: 0.into(),
        };
        ChainEvent::Block {
            context: zero,
            head_number: BlockNumber(1),
            updates: Vec::new(),
            read_at: std::time::Instant::now(),
        }
    }

    #[test]
    fn blocks_are_due_by_their_timestamps_and_late_ones_at_once() {
        let mut pace = Pace { speed: ReplaySpeed::Times(4.0), start: None };
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.wait(&block(1_000), start), Duration::ZERO);
        assert_eq!(pace.wait(&block(1_012), start), Duration::from_secs(3));
        assert_eq!(pace.wait(&block(1_012), after(3)), Duration::ZERO);
        assert_eq!(pace.wait(&block(1_024), after(4)), Duration::from_secs(2));
        assert_eq!(pace.wait(&block(900), after(4)), Duration::ZERO, "a block of a branch that is older");
        let mut fastest = Pace { speed: ReplaySpeed::Max, start: pace.start };
        assert_eq!(fastest.wait(&block(9_000), start), Duration::ZERO);
    }
}
