//! The writer's end of all lanes.
//!
//! A lane that is full laps its subscriber: nothing more is queued, and once there is room it is told of the gap before
//! anything else. What it missed follows from memory; when that does not reach back far enough, a snapshot does. A
//! subscriber whose version knows no gaps is evicted instead.

use std::sync::Arc;

use alphapulse_protocol::frame::{self, FrameBuf};
use alphapulse_protocol::message::{CloseReason, Gap, GapReason, GapRecovery, VERSION_RESUME};
use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;

use crate::lane::{Ending, Lane, Parcel};
use crate::metrics::Metrics;
use crate::recent::Recent;

/// Where a subscriber stands.
#[derive(Debug, Clone, Copy)]
enum Standing {
    /// It waits for the first snapshot that there is; with the place of what it already had.
    Waiting(Option<Position>),
    /// It has everything that was sent.
    Live,
    /// It missed what came behind this place.
    Behind { seen: Position, reason: GapReason },
}

/// One subscriber as the writer sees it.
#[derive(Debug)]
struct Subscriber {
    lane: Arc<Lane>,
    version: u16,
    standing: Standing,
    /// Block below which it cannot go back: that of its last snapshot.
    base: BlockNumber,
}

impl Subscriber {
    const fn knows_gaps(&self) -> bool {
        self.version >= VERSION_RESUME
    }
}

/// How a lane is to be served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Schema version that both sides speak.
    pub(crate) version: u16,
    /// Where the reader's own state stands, if it has one.
    pub(crate) position: Option<Position>,
}

/// The stream as it stands between two events, for those who have to catch up with it.
pub(crate) struct Stream<'a> {
    pub(crate) position: Position,
    pub(crate) recent: &'a Recent,
    /// Tells who missed nothing that this is so.
    pub(crate) sign: Option<FrameBuf>,
    /// Block and frames of the whole state; `None` while it is void. Made at most once.
    pub(crate) snapshot: &'a mut dyn FnMut() -> Option<(BlockNumber, Bytes)>,
}

/// All subscribers.
#[derive(Debug)]
pub(crate) struct Fanout {
    subscribers: Vec<Subscriber>,
    metrics: Arc<Metrics>,
}

impl Fanout {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { subscribers: Vec::new(), metrics }
    }

    /// Adds a lane. `greeting` goes first; then what its reader missed, or a snapshot, at once or when there is one.
    pub(crate) fn add(
        &mut self,
        lane: Arc<Lane>,
        greeting: Option<Bytes>,
        terms: Terms,
        stream: Option<&mut Stream<'_>>,
    ) {
        self.metrics.joins.add(1);
        if let Some(greeting) = greeting {
            // A lane has room for at least one parcel.
            let _ = lane.push(Parcel::Frames(greeting));
        }
        let standing = Standing::Waiting(terms.position);
        self.subscribers.push(Subscriber { lane, version: terms.version, standing, base: BlockNumber(0) });
        if let Some(stream) = stream {
            let joined = self.subscribers.last_mut().expect("just added");
            if !start(joined, stream, &self.metrics) {
                self.subscribers.pop();
            }
        }
        self.count_subscribers();
    }

    /// Sends live frames, the first of which follows `before`, to everyone who has what comes before them.
    pub(crate) fn publish(&mut self, before: Position, frames: &[FrameBuf]) {
        self.retain(|subscriber, metrics| publish_to(subscriber, before, frames, metrics));
    }

    /// Sends a sign of life to those who have everything. One that finds no room is not missed.
    pub(crate) fn pulse(&mut self, frame: &FrameBuf) {
        self.retain(|subscriber, _| {
            if matches!(subscriber.standing, Standing::Live) {
                let _ = subscriber.lane.push(Parcel::Frame(*frame));
            }
            true
        });
    }

    /// Gives everyone a new start: `last` is the end of the epoch that is over.
    pub(crate) fn restart(&mut self, last: Option<Position>, stream: &mut Stream<'_>) {
        self.retain(|subscriber, metrics| {
            match (subscriber.standing, last) {
                (Standing::Live, Some(last)) if subscriber.knows_gaps() => {
                    subscriber.standing = Standing::Behind { seen: last, reason: GapReason::Epoch };
                }
                (Standing::Live, _) => subscriber.standing = Standing::Waiting(None),
                (Standing::Waiting(_) | Standing::Behind { .. }, _) => {}
            }
            start(subscriber, stream, metrics)
        });
    }

    /// Sends a reorg to those who can go back that far. A mirror that began above the ancestor has nothing below to go
    /// back to and gets a snapshot in the reorg's place.
    pub(crate) fn reorg(
        &mut self,
        before: Position,
        ancestor: BlockNumber,
        frames: &[FrameBuf],
        stream: &mut Stream<'_>,
    ) {
        self.retain(|subscriber, metrics| {
            if matches!(subscriber.standing, Standing::Live) && subscriber.base > ancestor {
                subscriber.standing = if subscriber.knows_gaps() {
                    Standing::Behind { seen: before, reason: GapReason::Reorg }
                } else {
                    Standing::Waiting(None)
                };
                return start(subscriber, stream, metrics);
            }
            publish_to(subscriber, before, frames, metrics)
        });
    }

    /// Lets everyone catch up for whom there is room now, and drops those who left.
    pub(crate) fn catch_up(&mut self, stream: &mut Stream<'_>) {
        self.retain(|subscriber, metrics| match subscriber.standing {
            Standing::Behind { .. } if subscriber.lane.has_room() => start(subscriber, stream, metrics),
            _ => true,
        });
    }

    /// Whether somebody is behind.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.subscribers.iter().any(|subscriber| matches!(subscriber.standing, Standing::Behind { .. }))
    }

    /// Tells everyone that the relay ends.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.lane.end(Ending::Closed(reason));
        }
        self.count_subscribers();
    }

    /// Keeps those for whom `serve` says so, and who have not left.
    fn retain(&mut self, mut serve: impl FnMut(&mut Subscriber, &Metrics) -> bool) {
        let before = self.subscribers.len();
        let metrics = &self.metrics;
        self.subscribers.retain_mut(|subscriber| !subscriber.lane.is_abandoned() && serve(subscriber, metrics));
        if self.subscribers.len() < before {
            self.count_subscribers();
        }
    }

    fn count_subscribers(&self) {
        self.metrics.subscribers.set(self.subscribers.len() as u64);
    }
}

/// Queues frames; a lane that is full laps its reader, or ends. Says whether the subscriber is kept.
fn publish_to(subscriber: &mut Subscriber, before: Position, frames: &[FrameBuf], metrics: &Metrics) -> bool {
    if !matches!(subscriber.standing, Standing::Live) {
        return true;
    }
    for (frame, sent) in frames.iter().zip(0..) {
        if subscriber.lane.push(Parcel::Frame(*frame)).is_ok() {
            continue;
        }
        if !subscriber.knows_gaps() {
            return evict(subscriber, metrics);
        }
        metrics.lapped.add(1);
        let seen = Position { epoch: before.epoch, sequence: Sequence(before.sequence.0 + sent) };
        subscriber.standing = Standing::Behind { seen, reason: GapReason::Lapped };
        return true;
    }
    true
}

#[cold]
fn evict(subscriber: &Subscriber, metrics: &Metrics) -> bool {
    metrics.evicted.add(1);
    subscriber.lane.end(Ending::Closed(CloseReason::Evicted));
    false
}

/// Brings a subscriber to the stream's place, if its lane has room: the gap first, then what was missed or a snapshot.
/// Says whether the subscriber is kept.
fn start(subscriber: &mut Subscriber, stream: &mut Stream<'_>, metrics: &Metrics) -> bool {
    let (seen, reason) = match subscriber.standing {
        Standing::Live => return true,
        Standing::Waiting(position) => (position, GapReason::Away),
        Standing::Behind { seen, reason } => (Some(seen), reason),
    };
    let here = stream.position;
    let of_epoch = seen.filter(|seen| seen.epoch == here.epoch);
    let missed = of_epoch.and_then(|seen| stream.recent.behind(seen.sequence, subscriber.base));
    let (parcels, counter) = match (seen, missed) {
        (Some(_), Some(missed)) if missed.is_empty() => {
            (stream.sign.iter().map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect(), None)
        }
        (Some(seen), Some(missed)) => {
            let gap = Gap::new(seen.sequence, Some(here.sequence), GapRecovery::Replay, reason);
            (vec![Bytes::from([gap_frame(&gap), missed].concat())], Some(&metrics.gaps_replayed))
        }
        (seen, None) => {
            let Some((base, snapshot)) = (stream.snapshot)() else { return true };
            subscriber.base = base;
            let gap = seen.map(|seen| {
                let reason = if seen.epoch == here.epoch { reason } else { GapReason::Epoch };
                let last = of_epoch.map(|_| here.sequence);
                Bytes::from(gap_frame(&Gap::new(seen.sequence, last, GapRecovery::Snapshot, reason)))
            });
            let counter = gap.is_some().then_some(&metrics.gaps_snapshot);
            (gap.into_iter().chain([snapshot]).collect(), counter)
        }
        (None, Some(_)) => unreachable!("nothing is missed by who has nothing"),
    };
    if subscriber.lane.free_slots() < parcels.len() {
        // Nothing was told yet; it is when there is room.
        return subscriber.knows_gaps() || evict(subscriber, metrics);
    }
    for parcel in parcels {
        let _ = subscriber.lane.push(Parcel::Frames(parcel));
    }
    if let Some(counter) = counter {
        counter.add(1);
    }
    subscriber.standing = Standing::Live;
    true
}

fn gap_frame(gap: &Gap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frame::FRAME_HEADER_BYTES + size_of::<Gap>());
    frame::write(&mut bytes, gap);
    bytes
}

impl Drop for Fanout {
    fn drop(&mut self) {
        for subscriber in &self.subscribers {
            subscriber.lane.end(Ending::Disconnected);
        }
    }
}
