//! The writer's end of all lanes.
//!
//! A lane that is full laps its subscriber: nothing more is queued, and once there is room it is told of the gap before
//! anything else and then brought to the stream's place. A subscriber whose version knows no gaps is evicted instead.

use std::sync::Arc;

use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::{CloseReason, GapReason};
use alphapulse_protocol::{Position, Sequence};
use bytes::Bytes;

use crate::lane::LaneWriter;
use crate::metrics::Metrics;
use crate::recent::Event;
use crate::recovery::{Stream, start};
use crate::selection::{Selection, View};
use crate::subscriber::{Standing, Subscriber, Terms};

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

    /// Adds a lane: its reader gets what it missed, or a snapshot, at once or when there is one. Says whether the lane is served
    /// from now on.
    pub(crate) fn add(&mut self, lane: LaneWriter, terms: Terms, stream: Option<&mut Stream<'_>>) -> bool {
        self.metrics.joins.add(1);
        // Whoever joins and leaves in a loop finds a free place each time: the lanes left behind must not pile up.
        self.retain(|_, _, _| true);
        let view = self.view_of(terms.selection.of_states());
        let mut joined = Subscriber::new(lane, terms, view);
        let is_kept = stream.is_none_or(|stream| {
            let view = &mut self.views[view];
            view.sync(stream.sequencer.replica(), false);
            start(&mut joined, view, stream, &self.metrics)
        });
        if is_kept {
            self.subscribers.push(joined);
        }
        self.count_subscribers();
        is_kept
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
            if !subscriber.may_have(stream) {
                return subscriber.dismiss(metrics);
            }
            // The event may hold the first pool of a kind that it cannot read.
            if !subscriber.can_read(stream.since_version) {
                return subscriber.close(CloseReason::Version);
            }
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
        self.views.iter_mut().for_each(|view| {
            view.forget_snapshot();
            view.sync(stream.sequencer.replica(), is_anew);
        });
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
    /// has caught up, and until then may not trade either. One that cannot be told is closed.
    pub(crate) fn caution(&mut self, stream: &Stream<'_>) {
        self.retain(|subscriber, _, metrics| {
            if !subscriber.may_have(stream) {
                return subscriber.dismiss(metrics);
            }
            let last = match subscriber.standing {
                Standing::Live => stream.position.sequence,
                Standing::Replaying { next, .. } | Standing::Fetching { next, .. } => Sequence(next.0 - 1),
                Standing::Waiting(_) | Standing::Behind { .. } => return true,
            };
            if subscriber.knows_cautions() && !subscriber.push([&stream.caution_behind(last)]) {
                subscriber.lap(Position { epoch: stream.position.epoch, sequence: last }, metrics);
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
            subscriber.entry.waiting_bytes.set(subscriber.lane.waiting_bytes());
            subscriber.entry.set_lag(subscriber.lane.taken().map(|taken| told.saturating_sub(taken)));
        }
    }

    /// Tells everyone that the relay ends.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.close(reason);
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
        return subscriber.evict(metrics);
    }
    subscriber.lap(before, metrics);
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use alphapulse_protocol::message::{BlockContext, CautionCause, PoolKind};
    use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo};
    use alphapulse_protocol::values::PoolDetails;
    use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, TokenId, VenueId};

    use super::*;
    use crate::access::Roles;
    use crate::discovery::News;
    use crate::joiner::Facts;
    use crate::lane::{self, Ending, LaneReader, Wake};
    use crate::recent::Recent;
    use crate::roster::Roster;
    use crate::sequencer::Sequencer;
    use crate::source::MarketImage;

    fn context(number: u8) -> BlockContext {
        let (hash, parent_hash, base_fee) = ([number; 32], [number - 1; 32], 7.into());
        let number = u64::from(number).into();
        BlockContext { number, hash, parent_hash, timestamp: number, base_fee, gas_used: number, gas_limit: number }
    }

    fn pool(kind: PoolKind) -> PoolInfo {
        PoolInfo {
            kind,
            venue: VenueId(0),
            address: [9; 20],
            tokens: [TokenId(0), TokenId(1)].into(),
            fee: FeePpm(3_000),
            tick_spacing: 0,
            known_ticks: (0, 0),
            details: PoolDetails::None,
        }
    }

    /// A stream and those who read it, in one hand.
    struct Desk {
        sequencer: Sequencer,
        recent: Recent,
        facts: Facts,
        fanout: Fanout,
        roster: Arc<Roster>,
    }

    impl Desk {
        /// At block 1 of a market of two tokens and no pool.
        fn new() -> Self {
            let token = |byte| TokenInfo { address: [byte; 20], symbol: "T".into(), decimals: 18 };
            let image = MarketImage { context: context(1), tokens: vec![token(1), token(2)], pools: Vec::new() };
            let mut sequencer = Sequencer::new(ChainId(1), 8);
            sequencer.reset(&image, &[], Epoch(1)).unwrap();
            let facts = Facts::default();
            facts.begin(Epoch(1), sequencer.replica().since_version());
            let (recent, fanout) = (Recent::new(1 << 20), Fanout::new(Arc::default()));
            Self { sequencer, recent, facts, fanout, roster: Roster::new(9) }
        }

        fn with_stream<T>(&mut self, serve: impl FnOnce(&mut Fanout, &mut Stream<'_>) -> T) -> T {
            let Self { sequencer, recent, facts, fanout, .. } = self;
            let mut taken = || sequencer.head().map(|head| head.number).zip(sequencer.snapshot());
            let stream = &mut Stream {
                position: sequencer.position(),
                told: 1 + sequencer.position().sequence.0,
                recent,
                archive: None,
                sequencer,
                caution: CautionCause::None,
                has_standings: false,
                since_version: facts.since_version(),
                snapshot: &mut taken,
            };
            serve(fanout, stream)
        }

        fn join(&mut self, version: u16, position: Option<Position>) -> LaneReader {
            let place = Arc::new(self.roster.reserve("peer", Roles::ALL).unwrap());
            let terms = Terms { version, position, selection: Selection::everything(), place };
            let (writer, reader) = lane::lane(1 << 16, 0, Wake::Task(Arc::default()));
            self.with_stream(|fanout, stream| fanout.add(writer, terms, Some(stream)));
            reader
        }

        /// The next block, which adds a pool of this kind. No source reads pools of later kinds as yet, and so the block itself is
        /// without it.
        fn add(&mut self, number: u8, kind: PoolKind) {
            let news = News { pools: vec![(PoolId(0), pool(kind), PoolState::Unknown(kind))], ..News::default() };
            let (before, mut frames) = (self.sequencer.position().sequence, Vec::new());
            let head = BlockNumber(number.into());
            self.sequencer.block(context(number), head, &News::default(), &[], &[], &mut frames).unwrap();
            self.facts.raise(news.since_version());
            let event = Event::new(&frames, before, None);
            self.recent.push(event.clone());
            self.with_stream(|fanout, stream| fanout.publish(&event, stream));
        }
    }

    /// Parcels that wait, and how the lane ends behind them.
    fn read(lane: &mut LaneReader) -> (usize, Option<CloseReason>) {
        let count = core::iter::from_fn(|| lane.pop()).count();
        let reason = lane.ended().map(|ending| match ending {
            Ending::Closed(reason) => reason,
            other => panic!("{other:?}"),
        });
        (count, reason)
    }

    #[test]
    fn who_cannot_read_a_new_kind_of_pool_is_closed_and_so_is_who_would_resume_before_it() {
        let mut desk = Desk::new();
        let mut readers = [1, 2, 3].map(|version| desk.join(version, None));
        let start = desk.sequencer.position();
        assert!(readers.iter_mut().all(|reader| read(reader).0 > 0), "each has its snapshot");
        desk.add(2, PoolKind::UniswapV2);
        for reader in &mut readers {
            assert_eq!(read(reader), (1, None), "a block that all can read");
        }
        let middle = desk.sequencer.position();
        desk.add(3, PoolKind::SolidlyStable);
        let after = readers.map(|mut reader| read(&mut reader));
        let closed = (0, Some(CloseReason::Version));
        assert_eq!(after, [closed, closed, (1, None)]);
        // Whom the door let in a moment before.
        for place in [Some(start), Some(middle), Some(desk.sequencer.position()), None] {
            assert_eq!(read(&mut desk.join(2, place)), closed, "{place:?}");
            assert_eq!(read(&mut desk.join(3, place)).1, None, "{place:?}");
        }
        assert_eq!(desk.facts.since_version(), 3);
        desk.add(4, PoolKind::UniswapV2);
        assert_eq!(desk.facts.since_version(), 3, "it falls with the epoch only");
    }
}
