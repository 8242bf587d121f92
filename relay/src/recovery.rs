//! How a subscriber is brought to the stream's place.
//!
//! It is told of the gap first. What it missed follows from memory, as its lane takes it; when that does not reach back far
//! enough, from the journal; and when there is none, or it does not hold it, a snapshot does.

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{Caution, CautionCause, CloseReason, Gap, GapReason, GapRecovery, WireMessage};
use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;

use crate::archive::{Archive, Read, Reading};
use crate::clock::now;
use crate::metrics::Metrics;
use crate::recent::{Event, Recent};
use crate::selection::View;
use crate::sequencer::Sequencer;
use crate::subscriber::{Standing, Subscriber};

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
    /// Whether a pool's standing was told in this epoch, which old clients cannot read: they are given no replay of it.
    pub(crate) has_standings: bool,
    /// Oldest version whose clients can read the epoch's pools.
    pub(crate) since_version: u16,
    /// Block and frames of the whole state; `None` while it is void. Made at most once.
    pub(crate) snapshot: &'a mut dyn FnMut() -> Option<(BlockNumber, Bytes)>,
}

impl Stream<'_> {
    /// What is said of the nodes, to a reader whose last message is `last`.
    pub(crate) fn caution_behind(&self, last: Sequence) -> Bytes {
        frame_of(&Caution::new(last, self.caution))
    }
}

/// Brings a subscriber towards the stream's place, as far as its lane has room: the gap first, then what was missed or a
/// snapshot. Says whether the subscriber is kept.
pub(crate) fn start(subscriber: &mut Subscriber, view: &mut View, stream: &mut Stream<'_>, metrics: &Metrics) -> bool {
    if !subscriber.may_have(stream) {
        return subscriber.dismiss(metrics);
    }
    if !subscriber.can_read(stream.since_version) {
        return subscriber.close(CloseReason::Version);
    }
    let (seen, reason) = match subscriber.standing {
        Standing::Live => return true,
        Standing::Replaying { next, until } => return replay(subscriber, view, (next, until), stream, metrics),
        Standing::Fetching { .. } => return fetch(subscriber, view, stream, metrics),
        Standing::Waiting(place) => (place.map(|place| view.place_in(stream.position.epoch, place)), GapReason::Away),
        Standing::Behind { seen, reason } => (Some(seen), reason),
    };
    let here = stream.position;
    let is_replayable = subscriber.knows_cautions() || !stream.has_standings;
    let replayable = seen.filter(|seen| seen.epoch == here.epoch && is_replayable);
    let reached = replayable.filter(|seen| stream.recent.reaches(seen.sequence, subscriber.base));
    let Some(missed_from) = reached else {
        return match replayable.and_then(|seen| stream.archive?.read_behind(seen, subscriber.base)) {
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
    view: &mut View,
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
fn fetch(subscriber: &mut Subscriber, view: &mut View, stream: &mut Stream<'_>, metrics: &Metrics) -> bool {
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
    view: &mut View,
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
    view: &mut View,
    seen: Option<Position>,
    reason: GapReason,
    stream: &mut Stream<'_>,
    metrics: &Metrics,
) -> bool {
    let here = stream.position;
    let Some((base, snapshot)) = (stream.snapshot)() else { return true };
    let passed = view.snapshot(here, &snapshot);
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
        return subscriber.knows_gaps() || subscriber.evict(metrics);
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
