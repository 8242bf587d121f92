//! The writer's end of all lanes.
//!
//! A lane that is full laps its subscriber: nothing more is queued, and once there is room it is told of the gap before
//! anything else. What it missed follows from memory, as its lane takes it; when that does not reach back far enough, from the
//! journal; and when there is none, or it does not hold it, a snapshot does. A subscriber whose version knows no gaps is evicted instead.

use std::sync::Arc;

use alphapulse_protocol::frame::{self, FrameBuf};
use alphapulse_protocol::message::{
    Caution, CautionCause, CloseReason, Gap, GapReason, GapRecovery, VERSION_RESUME, VERSION_SELECT, WireMessage,
};
use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;

use crate::archive::{Archive, Read, Reading};
use crate::clock::now;
use crate::lane::{Ending, LaneWriter};
use crate::metrics::Metrics;
use crate::recent::{Event, Recent};
use crate::roster::Entry;
use crate::selection::{Passed, Selection, View};
use crate::sequencer::Sequencer;

/// Where a subscriber stands.
#[derive(Debug, Clone, Copy)]
enum Standing {
    /// It waits for the first snapshot that there is; with the place of what it already had.
    Waiting(Option<Position>),
    /// It has everything that was sent.
    Live,
    /// It missed what came behind this place, and has not been told yet.
    Behind { seen: Position, reason: GapReason },
    /// It was told, up to message `until`, and is given what it missed: this message is next.
    Replaying { next: Sequence, until: Sequence },
    /// The same, from the journal.
    Fetching { first: Sequence, next: Sequence, until: Sequence },
}

/// One subscriber as the writer sees it.
#[derive(Debug)]
struct Subscriber {
    lane: LaneWriter,
    version: u16,
    standing: Standing,
    /// Block below which it cannot go back: that of its last snapshot.
    base: BlockNumber,
    view: usize,
    selection: Selection,
    /// What is read for it from the journal.
    reading: Option<Reading>,
    entry: Arc<Entry>,
}

impl Subscriber {
    const fn knows_gaps(&self) -> bool {
        self.version >= VERSION_RESUME
    }

    const fn knows_cautions(&self) -> bool {
        self.version >= VERSION_SELECT
    }

    /// Queues frames, all or none.
    fn push<const PARCELS: usize>(&mut self, frames: [&Bytes; PARCELS]) -> bool {
        self.push_up_to(frames, 0)
    }

    /// The same for frames behind which the reader has `told` messages; see [`Stream::told`].
    fn push_up_to<const PARCELS: usize>(&mut self, frames: [&Bytes; PARCELS], told: u64) -> bool {
        let is_queued = self.lane.push_marked(frames, told);
        if is_queued {
            self.entry.sent_bytes.add(frames.iter().map(|frames| frames.len() as u64).sum());
        }
        self.entry.waiting_bytes.set(self.lane.waiting_bytes() as u64);
        is_queued
    }

    /// Queues a side message, if its template was asked for. What has to go for it is counted.
    fn push_side(&self, template: u16, frame: &Bytes, metrics: &Metrics) {
        if self.selection.wants_side(template) {
            let dropped = self.lane.push_side(frame);
            self.entry.side_dropped.add(dropped);
            metrics.side_dropped.add(dropped);
        }
    }

    /// Queues what is left of `messages` of the stream.
    fn push_passed(&mut self, passed: &Passed, messages: u64, told: u64) -> bool {
        let is_queued = self.push_up_to([&passed.frames], told);
        if is_queued {
            self.entry.sent_messages.add(messages - passed.skipped);
            self.entry.skipped_messages.add(passed.skipped);
        }
        is_queued
    }
}

/// How a lane is to be served.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Schema version that both sides speak.
    pub(crate) version: u16,
    /// Where the reader's own state stands, if it has one.
    pub(crate) position: Option<Position>,
    /// What the reader asks for.
    pub(crate) selection: Selection,
    pub(crate) entry: Arc<Entry>,
}

/// The stream as it stands between two events.
pub(crate) struct Stream<'a> {
    /// Last message.
    pub(crate) position: Position,
    /// Messages up to here over all epochs, each new start counted as one: by it a reader's lag is measured.
    pub(crate) told: u64,
    pub(crate) recent: &'a Recent,
    pub(crate) archive: Option<Archive<'a>>,
    pub(crate) sequencer: &'a Sequencer,
    /// Whether the nodes are trusted.
    pub(crate) caution: CautionCause,
    /// Block and frames of the whole state; `None` while it is void. Made at most once.
    pub(crate) snapshot: &'a mut dyn FnMut() -> Option<(BlockNumber, Bytes)>,
}

impl Stream<'_> {
    /// What is said of the nodes, to a reader whose last message is `last`.
    fn caution_behind(&self, last: Sequence) -> Bytes {
        frame_of(&Caution::new(last, self.caution))
    }
}

/// All subscribers.
#[derive(Debug)]
pub(crate) struct Fanout {
    subscribers: Vec<Subscriber>,
    /// What is asked for, once for all who ask for the same. Those nobody uses any more are taken for new ones.
    views: Vec<View>,
    metrics: Arc<Metrics>,
}

impl Fanout {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { subscribers: Vec::new(), views: Vec::new(), metrics }
    }

    /// Adds a lane. `greeting` goes first; then what its reader missed, or a snapshot, at once or when there is one. Says whether
    /// the lane is served from now on.
    pub(crate) fn add(
        &mut self,
        lane: LaneWriter,
        greeting: Option<Bytes>,
        terms: Terms,
        stream: Option<&mut Stream<'_>>,
    ) -> bool {
        self.metrics.joins.add(1);
        // Whoever joins and leaves in a loop finds a free place each time: the lanes left behind must not pile up.
        self.retain(|_, _, _| true);
        terms.entry.version.set(terms.version.into());
        let standing = Standing::Waiting(terms.position);
        let view = self.view_of(terms.selection.of_states());
        let mut joined = Subscriber {
            lane,
            version: terms.version,
            standing,
            base: BlockNumber(0),
            view,
            selection: terms.selection,
            reading: None,
            entry: terms.entry,
        };
        if let Some(greeting) = &greeting {
            // A new lane has room.
            joined.push([greeting]);
        }
        if let Some(stream) = stream {
            let view = &mut self.views[view];
            view.sync(stream.sequencer.replica(), false);
            if !start(&mut joined, view, stream, &self.metrics) {
                self.count_subscribers();
                return false;
            }
        }
        self.subscribers.push(joined);
        self.count_subscribers();
        true
    }

    fn view_of(&mut self, selection: Selection) -> usize {
        if let Some(index) = self.views.iter().position(|view| *view.selection() == selection) {
            return index;
        }
        let is_used = |index: &usize| self.subscribers.iter().any(|subscriber| subscriber.view == *index);
        match (0..self.views.len()).find(|index| !is_used(index)) {
            Some(free) => {
                self.views[free] = View::new(selection);
                free
            }
            None => {
                self.views.push(View::new(selection));
                self.views.len() - 1
            }
        }
    }

    /// Sends the stream's newest event to everyone who has what comes before it. A reader that began above a reorg's
    /// ancestor has nothing to go back to and gets a snapshot in the reorg's place.
    pub(crate) fn publish(&mut self, event: &Event, stream: &mut Stream<'_>) {
        let before = Position { epoch: stream.position.epoch, sequence: Sequence(event.first.0 - 1) };
        self.sync_views(stream, event.ancestor.is_some());
        self.retain(|subscriber, view, metrics| {
            if !matches!(subscriber.standing, Standing::Live) {
                return true;
            }
            if event.ancestor.is_none_or(|ancestor| subscriber.base <= ancestor) {
                return publish_to(subscriber, view, before, event, stream.told, metrics);
            }
            subscriber.standing = if subscriber.knows_gaps() {
                Standing::Behind { seen: before, reason: GapReason::Reorg }
            } else {
                Standing::Waiting(None)
            };
            start(subscriber, view, stream, metrics)
        });
    }

    fn sync_views(&mut self, stream: &Stream<'_>, is_anew: bool) {
        self.views.iter_mut().for_each(|view| view.sync(stream.sequencer.replica(), is_anew));
    }

    /// Sends a sign of life to those who have everything. One that finds no room is not missed.
    pub(crate) fn pulse(&mut self, frame: &FrameBuf) {
        let frame = Bytes::copy_from_slice(frame.as_bytes());
        self.retain(|subscriber, _, _| {
            if matches!(subscriber.standing, Standing::Live) {
                subscriber.push([&frame]);
            }
            true
        });
    }

    /// Gives a side message to everyone who asked for its template, whether they have the rest or not.
    pub(crate) fn publish_side(&mut self, template: u16, frame: &Bytes) {
        self.retain(|subscriber, _, metrics| {
            subscriber.push_side(template, frame, metrics);
            true
        });
    }

    /// The same for who joined last, and was not there when it was new.
    pub(crate) fn publish_side_to_newest(&mut self, template: u16, frame: &Bytes) {
        if let Some(subscriber) = self.subscribers.last() {
            subscriber.push_side(template, frame, &self.metrics);
        }
    }

    /// Tells everyone who can be told whether the nodes are trusted. One whose lane is full is lapped: it is told before it
    /// has caught up, and until then may not trade either.
    pub(crate) fn caution(&mut self, stream: &Stream<'_>) {
        self.retain(|subscriber, _, metrics| {
            let last = match subscriber.standing {
                Standing::Live => stream.position.sequence,
                Standing::Replaying { next, .. } | Standing::Fetching { next, .. } => Sequence(next.0 - 1),
                Standing::Waiting(_) | Standing::Behind { .. } => return true,
            };
            if subscriber.knows_cautions() && !subscriber.push([&stream.caution_behind(last)]) {
                lap(subscriber, Position { epoch: stream.position.epoch, sequence: last }, metrics);
            }
            true
        });
    }

    /// Gives everyone a new start: `last` is the end of the epoch that is over.
    pub(crate) fn restart(&mut self, last: Option<Position>, stream: &mut Stream<'_>) {
        self.sync_views(stream, true);
        self.retain(|subscriber, view, metrics| {
            let seen = match (subscriber.standing, last) {
                (Standing::Live, last) => last,
                (Standing::Replaying { next, .. } | Standing::Fetching { next, .. }, Some(last)) => {
                    Some(Position { epoch: last.epoch, sequence: Sequence(next.0 - 1) })
                }
                _ => None,
            };
            subscriber.reading = None;
            match seen {
                Some(seen) if subscriber.knows_gaps() => {
                    subscriber.standing = Standing::Behind { seen, reason: GapReason::Epoch };
                }
                _ if matches!(subscriber.standing, Standing::Live) => subscriber.standing = Standing::Waiting(None),
                _ => {}
            }
            start(subscriber, view, stream, metrics)
        });
    }

    /// Lets everyone catch up for whom there is room now, and drops those who left.
    pub(crate) fn catch_up(&mut self, stream: &mut Stream<'_>) {
        self.retain(|subscriber, view, metrics| match subscriber.standing {
            Standing::Behind { .. } | Standing::Replaying { .. } | Standing::Fetching { .. }
                if subscriber.lane.is_half_empty() =>
            {
                start(subscriber, view, stream, metrics)
            }
            _ => true,
        });
    }

    /// Whether somebody is behind.
    pub(crate) fn is_catching_up(&self) -> bool {
        let is_behind = |subscriber: &Subscriber| !matches!(subscriber.standing, Standing::Live | Standing::Waiting(_));
        self.subscribers.iter().any(is_behind)
    }

    /// Brings what is shown of the subscribers up to now; `told` as in [`Stream::told`].
    pub(crate) fn refresh(&self, told: u64) {
        for subscriber in &self.subscribers {
            subscriber.entry.waiting_bytes.set(subscriber.lane.waiting_bytes() as u64);
            subscriber.entry.set_lag(subscriber.lane.taken().map(|taken| told.saturating_sub(taken)));
        }
    }

    /// Tells everyone that the relay ends.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.lane.end(Ending::Closed(reason));
        }
        self.count_subscribers();
    }

    /// Keeps those for whom `serve` says so, and who have not left.
    fn retain(&mut self, mut serve: impl FnMut(&mut Subscriber, &mut View, &Metrics) -> bool) {
        let before = self.subscribers.len();
        let (metrics, views) = (&self.metrics, &mut self.views);
        self.subscribers.retain_mut(|subscriber| {
            !subscriber.lane.is_abandoned() && serve(subscriber, &mut views[subscriber.view], metrics)
        });
        if self.subscribers.len() < before {
            self.count_subscribers();
        }
    }

    fn count_subscribers(&self) {
        self.metrics.subscribers.set(self.subscribers.len() as u64);
    }
}

/// Queues an event; a lane that is full laps its reader, or ends. Says whether the subscriber is kept.
fn publish_to(
    subscriber: &mut Subscriber,
    view: &mut View,
    before: Position,
    event: &Event,
    told: u64,
    metrics: &Metrics,
) -> bool {
    if subscriber.push_passed(&view.event(event), event.messages(), told) {
        return true;
    }
    if !subscriber.knows_gaps() {
        return evict(subscriber, metrics);
    }
    lap(subscriber, before, metrics);
    true
}

#[cold]
fn lap(subscriber: &mut Subscriber, seen: Position, metrics: &Metrics) {
    metrics.lapped.add(1);
    subscriber.entry.lapped.add(1);
    // Whoever reads for it from the journal reads for nobody now.
    subscriber.reading = None;
    subscriber.standing = Standing::Behind { seen, reason: GapReason::Lapped };
}

#[cold]
fn evict(subscriber: &Subscriber, metrics: &Metrics) -> bool {
    metrics.evicted.add(1);
    subscriber.lane.end(Ending::Closed(CloseReason::Evicted));
    false
}

/// Brings a subscriber towards the stream's place, as far as its lane has room: the gap first, then what was missed or a
/// snapshot. Says whether the subscriber is kept.
fn start(subscriber: &mut Subscriber, view: &View, stream: &mut Stream<'_>, metrics: &Metrics) -> bool {
    let (seen, reason) = match subscriber.standing {
        Standing::Live => return true,
        Standing::Replaying { next, until } => return replay(subscriber, view, (next, until), stream, metrics),
        Standing::Fetching { .. } => return fetch(subscriber, view, stream, metrics),
        Standing::Waiting(position) => (position, GapReason::Away),
        Standing::Behind { seen, reason } => (Some(seen), reason),
    };
    let here = stream.position;
    let of_epoch = seen.filter(|seen| seen.epoch == here.epoch);
    let Some(missed_from) = of_epoch.filter(|seen| stream.recent.reaches(seen.sequence, subscriber.base)) else {
        return match of_epoch.and_then(|seen| stream.archive?.read_behind(seen, subscriber.base)) {
            Some(reading) => begin_reading(subscriber, view, (seen, reason), reading, stream, metrics),
            None => begin_anew(subscriber, view, seen, reason, stream, metrics),
        };
    };
    if missed_from.sequence == here.sequence {
        return greet_back(subscriber, stream);
    }
    let gap = Gap::new(missed_from.sequence, Some(here.sequence), GapRecovery::Replay, reason);
    if !tell_gap(subscriber, &gap, stream) {
        // Nothing was told yet; it is when there is room.
        return true;
    }
    metrics.gaps_replayed.add(1);
    subscriber.entry.gaps.add(1);
    let next = Sequence(missed_from.sequence.0 + 1);
    let until = here.sequence;
    subscriber.standing = Standing::Replaying { next, until };
    replay(subscriber, view, (next, until), stream, metrics)
}

/// A gap that is met with a replay, and what to think of the nodes, if there is room.
fn tell_gap(subscriber: &mut Subscriber, gap: &Gap, stream: &Stream<'_>) -> bool {
    let told = frame_of(gap);
    if subscriber.knows_cautions() {
        subscriber.push([&told, &stream.caution_behind(gap.header.sequence())])
    } else {
        subscriber.push([&told])
    }
}

/// The gap, and then what it missed from the journal.
fn begin_reading(
    subscriber: &mut Subscriber,
    view: &View,
    (seen, reason): (Option<Position>, GapReason),
    reading: Reading,
    stream: &mut Stream<'_>,
    metrics: &Metrics,
) -> bool {
    let Some(seen) = seen else { return true };
    let gap = Gap::new(seen.sequence, Some(stream.position.sequence), GapRecovery::Replay, reason);
    if !tell_gap(subscriber, &gap, stream) {
        // Nothing was told yet; it is when there is room.
        return true;
    }
    metrics.gaps_archived.add(1);
    subscriber.entry.gaps.add(1);
    let (next, until) = (Sequence(seen.sequence.0 + 1), stream.position.sequence);
    (subscriber.standing, subscriber.reading) = (Standing::Fetching { first: next, next, until }, Some(reading));
    fetch(subscriber, view, stream, metrics)
}

/// The stream goes on while a gap is repaired. Before its reader is given the last message that it was told of, and would
/// take its state for the newest, it is told how far the gap reaches by now. Says whether there was room.
fn tell_longer(
    subscriber: &mut Subscriber,
    next: Sequence,
    last: Sequence,
    until: &mut Sequence,
    here: Sequence,
) -> bool {
    if last < *until || here <= *until {
        return true;
    }
    let seen = Sequence(next.0 - 1);
    let gap = Gap::new(seen, Some(here), GapRecovery::Replay, GapReason::Lapped);
    let is_told = subscriber.push([&frame_of(&gap)]);
    if is_told {
        *until = here;
        subscriber.entry.gaps.add(1);
    }
    is_told
}

/// Gives what was read from the journal; once all was, memory goes on.
fn fetch(subscriber: &mut Subscriber, view: &View, stream: &mut Stream<'_>, metrics: &Metrics) -> bool {
    let Standing::Fetching { first, mut next, mut until } = subscriber.standing else { return true };
    let here = stream.position.sequence;
    while let Some(reading) = &mut subscriber.reading {
        let (frames, last) = match reading.peek() {
            Read::Frames(frames, last) => (frames, last),
            Read::Pending => break,
            Read::Over => {
                subscriber.reading = None;
                if next == first {
                    // The journal failed, and would again.
                    let seen = Position { epoch: stream.position.epoch, sequence: Sequence(next.0 - 1) };
                    subscriber.standing = Standing::Behind { seen, reason: GapReason::Lapped };
                    return begin_anew(subscriber, view, Some(seen), GapReason::Lapped, stream, metrics);
                }
                return replay(subscriber, view, (next, until), stream, metrics);
            }
        };
        if !tell_longer(subscriber, next, last, &mut until, here) {
            break;
        }
        let told = stream.told - (stream.position.sequence.0 - last.0);
        if !subscriber.push_passed(&view.pass(&frames), last.0 + 1 - next.0, told) {
            break;
        }
        next = Sequence(last.0 + 1);
        if let Some(reading) = &mut subscriber.reading {
            reading.advance();
        }
    }
    subscriber.standing = Standing::Fetching { first, next, until };
    true
}

/// Tells who missed nothing that this is so.
fn greet_back(subscriber: &mut Subscriber, stream: &Stream<'_>) -> bool {
    let Some(sign) = stream.sequencer.heartbeat(now()) else { return true };
    let sign = Bytes::copy_from_slice(sign.as_bytes());
    let is_told = if subscriber.knows_cautions() {
        // The caution first: behind the sign the reader may trade.
        subscriber.push_up_to([&stream.caution_behind(stream.position.sequence), &sign], stream.told)
    } else {
        subscriber.push_up_to([&sign], stream.told)
    };
    if is_told {
        subscriber.standing = Standing::Live;
    }
    true
}

/// Gives what was missed from memory, event by event. What leaves memory before it was given is another gap.
fn replay(
    subscriber: &mut Subscriber,
    view: &View,
    (mut next, mut until): (Sequence, Sequence),
    stream: &mut Stream<'_>,
    metrics: &Metrics,
) -> bool {
    let here = stream.position;
    while next.0 <= here.sequence.0 {
        let base = subscriber.base;
        let below_base = |event: &Event| event.ancestor.is_some_and(|ancestor| ancestor < base);
        let Some((frames, event)) = stream.recent.at(next).filter(|(_, event)| !below_base(event)) else {
            // It was given what there was, and the stream went on faster: another gap, met like the first.
            let seen = Position { epoch: here.epoch, sequence: Sequence(next.0 - 1) };
            subscriber.standing = Standing::Behind { seen, reason: GapReason::Lapped };
            return !subscriber.lane.is_half_empty() || start(subscriber, view, stream, metrics);
        };
        let told = stream.told - (here.sequence.0 - event.last.0);
        let is_given = tell_longer(subscriber, next, event.last, &mut until, here.sequence)
            && subscriber.push_passed(&view.pass(&frames), event.last.0 + 1 - next.0, told);
        if !is_given {
            subscriber.standing = Standing::Replaying { next, until };
            return true;
        }
        next = Sequence(event.last.0 + 1);
    }
    subscriber.standing = Standing::Live;
    true
}

/// The gap, to who had something, and a snapshot; when both find room and there is one.
fn begin_anew(
    subscriber: &mut Subscriber,
    view: &View,
    seen: Option<Position>,
    reason: GapReason,
    stream: &mut Stream<'_>,
    metrics: &Metrics,
) -> bool {
    let here = stream.position;
    let Some((base, snapshot)) = (stream.snapshot)() else { return true };
    if stream.sequencer.replica().since_version() > subscriber.version {
        // Its reader would meet pools that it cannot read, and find its state void.
        subscriber.lane.end(Ending::Closed(CloseReason::Version));
        return false;
    }
    let passed = view.pass(&snapshot);
    let gap = seen.map(|seen| {
        let is_of_epoch = seen.epoch == here.epoch;
        let reason = if is_of_epoch { reason } else { GapReason::Epoch };
        frame_of(&Gap::new(seen.sequence, is_of_epoch.then_some(here.sequence), GapRecovery::Snapshot, reason))
    });
    // Before the snapshot: behind it the reader may trade.
    let caution = subscriber.knows_cautions().then(|| stream.caution_behind(here.sequence));
    let is_told = match (&gap, &caution) {
        (Some(gap), Some(caution)) => subscriber.push_up_to([gap, caution, &passed.frames], stream.told),
        (Some(gap), None) => subscriber.push_up_to([gap, &passed.frames], stream.told),
        (None, Some(caution)) => subscriber.push_up_to([caution, &passed.frames], stream.told),
        (None, None) => subscriber.push_up_to([&passed.frames], stream.told),
    };
    if !is_told {
        // Nothing was told yet; it is when there is room.
        return subscriber.knows_gaps() || evict(subscriber, metrics);
    }
    subscriber.entry.skipped_messages.add(passed.skipped);
    if gap.is_some() {
        metrics.gaps_snapshot.add(1);
        subscriber.entry.gaps.add(1);
    }
    (subscriber.base, subscriber.standing) = (base, Standing::Live);
    true
}

fn frame_of<T: WireMessage>(message: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(frame::FRAME_HEADER_BYTES + size_of::<T>());
    frame::write(&mut bytes, message);
    bytes.into()
}
