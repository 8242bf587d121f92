//! One subscriber as the writer sees it.

use std::sync::Arc;

use alphapulse_protocol::message::{CautionCause, CloseReason, GapReason, VERSION_RESUME, VERSION_SELECT};
use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;

use crate::archive::Reading;
use crate::lane::{Ending, LaneWriter};
use crate::metrics::Metrics;
use crate::recovery::Stream;
use crate::roster::{Entry, Place};
use crate::selection::{Passed, Selection};

/// Where a subscriber stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing {
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
pub(crate) struct Subscriber {
    pub(crate) lane: LaneWriter,
    pub(crate) version: u16,
    pub(crate) standing: Standing,
    /// Block below which it cannot go back: that of its last snapshot.
    pub(crate) base: BlockNumber,
    pub(crate) view: usize,
    pub(crate) selection: Selection,
    /// What is read for it from the journal.
    pub(crate) reading: Option<Reading>,
    pub(crate) entry: Arc<Entry>,
}

impl Subscriber {
    pub(crate) fn new(lane: LaneWriter, terms: Terms, view: usize) -> Self {
        let entry = Arc::clone(terms.place.entry());
        entry.version.set(terms.version.into());
        Self {
            lane,
            version: terms.version,
            standing: Standing::Waiting(terms.position),
            base: BlockNumber(0),
            view,
            selection: terms.selection,
            reading: None,
            entry,
        }
    }

    pub(crate) const fn knows_gaps(&self) -> bool {
        self.version >= VERSION_RESUME
    }

    pub(crate) const fn knows_cautions(&self) -> bool {
        self.version >= VERSION_SELECT
    }

    /// Whether it can read pools that need this version. Where it cannot, its reader would meet such pools and find its state void.
    pub(crate) const fn can_read(&self, since_version: u16) -> bool {
        self.version >= since_version
    }

    /// Whether the stream may be given to it: not where it could not be told that the nodes, or one pool, cannot be believed.
    pub(crate) fn may_have(&self, stream: &Stream<'_>) -> bool {
        let is_believed = stream.caution == CautionCause::None && stream.sequencer.replica().quarantined().is_empty();
        self.knows_cautions() || is_believed
    }

    /// Queues frames, all or none.
    pub(crate) fn push<const PARCELS: usize>(&mut self, frames: [&Bytes; PARCELS]) -> bool {
        self.push_up_to(frames, 0)
    }

    /// The same for frames behind which the reader has `told` messages; see [`crate::recovery::Stream::told`].
    pub(crate) fn push_up_to<const PARCELS: usize>(&mut self, frames: [&Bytes; PARCELS], told: u64) -> bool {
        let is_queued = self.lane.push_marked(frames, told);
        if is_queued {
            self.entry.sent_bytes.add(frames.iter().map(|frames| frames.len() as u64).sum());
        }
        is_queued
    }

    /// Queues a side message, if its template was asked for. What has to go for it is counted.
    pub(crate) fn push_side(&self, template: u16, frame: &Bytes, metrics: &Metrics) {
        if self.selection.wants_side(template) {
            let dropped = self.lane.push_side(frame);
            self.entry.side_dropped.add(dropped);
            metrics.side_dropped.add(dropped);
        }
    }

    /// Queues what is left of `messages` of the stream.
    pub(crate) fn push_passed(&mut self, passed: &Passed, messages: u64, told: u64) -> bool {
        let is_queued = self.push_up_to([&passed.frames], told);
        if is_queued {
            self.entry.sent_messages.add(messages - passed.skipped);
            self.entry.skipped_messages.add(passed.skipped);
        }
        is_queued
    }

    /// Nothing more is queued until there is room again and it was told what it misses: all behind `seen`.
    #[cold]
    pub(crate) fn lap(&mut self, seen: Position, metrics: &Metrics) {
        metrics.lapped.add(1);
        self.entry.lapped.add(1);
        // Whoever reads for it from the journal reads for nobody now.
        self.reading = None;
        self.standing = Standing::Behind { seen, reason: GapReason::Lapped };
    }

    /// Ends the stream of one that cannot be told of gaps. Says that it is not kept.
    #[cold]
    pub(crate) fn evict(&self, metrics: &Metrics) -> bool {
        metrics.evicted.add(1);
        self.close(CloseReason::Evicted)
    }

    /// Ends the stream of one that cannot be told that the nodes, or a pool, cannot be believed: it would trade on what it gets.
    #[cold]
    pub(crate) fn dismiss(&self, metrics: &Metrics) -> bool {
        metrics.dismissed.add(1);
        self.close(CloseReason::NotReady)
    }

    /// Ends the stream for this reason, behind all that was queued. Says that the subscriber is not kept.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        self.lane.end(Ending::Closed(reason));
        false
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
    /// Its place among those who are served: what waits to be served has one, so no more can wait than may be served.
    pub(crate) place: Arc<Place>,
}
