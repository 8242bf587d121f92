//! The writer's end of all lanes.

use std::sync::Arc;

use alphapulse_protocol::BlockNumber;
use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::CloseReason;
use bytes::Bytes;

use crate::lane::{Ending, Lane, Parcel};
use crate::metrics::Metrics;

/// One subscriber as the writer sees it.
#[derive(Debug)]
struct Subscriber {
    lane: Arc<Lane>,
    /// Block of its snapshot, below which it cannot go back; `None` while it waits for one.
    base: Option<BlockNumber>,
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

    /// Adds a lane with what it starts from; without a snapshot it waits for one. `greeting` goes first in any case.
    pub(crate) fn add(&mut self, lane: Arc<Lane>, greeting: Option<Bytes>, snapshot: Option<(BlockNumber, Bytes)>) {
        self.metrics.joins.add(1);
        let base = snapshot.as_ref().map(|(base, _)| *base);
        let frames = match (greeting, snapshot) {
            (Some(greeting), Some((_, snapshot))) => Some([greeting, snapshot].concat().into()),
            (greeting, snapshot) => greeting.or(snapshot.map(|(_, frames)| frames)),
        };
        self.subscribers.push(Subscriber { lane, base });
        if let Some(frames) = frames {
            let last = self.subscribers.len() - 1;
            self.deliver(|index, _| if index == last { Some(Parcel::Frames(frames.clone())) } else { None });
        }
        self.count_subscribers();
    }

    /// Sends live frames to everyone who has a snapshot.
    pub(crate) fn publish(&mut self, frames: &[FrameBuf]) {
        for frame in frames {
            self.deliver(|_, subscriber| subscriber.base.map(|_| Parcel::Frame(*frame)));
        }
    }

    /// Gives everyone a new start.
    pub(crate) fn restart(&mut self, base: BlockNumber, snapshot: &Bytes) {
        self.subscribers.iter_mut().for_each(|subscriber| subscriber.base = Some(base));
        self.deliver(|_, _| Some(Parcel::Frames(snapshot.clone())));
    }

    /// Sends a reorg to those who can go back that far, and a snapshot of the ancestor in its place to those who joined
    /// above it: a mirror that began with a snapshot has nothing below to go back to.
    pub(crate) fn reorg(
        &mut self,
        ancestor: BlockNumber,
        frames: &[FrameBuf],
        snapshot: impl FnOnce() -> Option<Bytes>,
    ) {
        let is_above = |base: Option<BlockNumber>| base.is_some_and(|base| base > ancestor);
        let snapshot =
            if self.subscribers.iter().any(|subscriber| is_above(subscriber.base)) { snapshot() } else { None };
        for frame in frames {
            self.deliver(|_, subscriber| match subscriber.base {
                Some(base) if base <= ancestor => Some(Parcel::Frame(*frame)),
                _ => None,
            });
        }
        self.deliver(|_, subscriber| is_above(subscriber.base).then(|| snapshot.clone().map(Parcel::Frames)).flatten());
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| is_above(subscriber.base)) {
            subscriber.base = snapshot.as_ref().map(|_| ancestor);
        }
    }

    /// Tells everyone that the relay ends.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.lane.end(Ending::Closed(reason));
        }
        self.count_subscribers();
    }

    /// Delivers one parcel per subscriber; drops those who left, and evicts those whose lane is full.
    fn deliver(&mut self, parcel: impl Fn(usize, &Subscriber) -> Option<Parcel>) {
        let before = self.subscribers.len();
        let mut index = 0;
        self.subscribers.retain(|subscriber| {
            let parcel = parcel(index, subscriber);
            index += 1;
            if subscriber.lane.is_abandoned() {
                return false;
            }
            let is_taken = parcel.is_none_or(|parcel| subscriber.lane.push(parcel).is_ok());
            if !is_taken {
                self.metrics.evicted.add(1);
                subscriber.lane.end(Ending::Closed(CloseReason::Evicted));
            }
            is_taken
        });
        if self.subscribers.len() < before {
            self.count_subscribers();
        }
    }

    /// Drops those who left.
    pub(crate) fn sweep(&mut self) {
        self.deliver(|_, _| None);
    }

    fn count_subscribers(&self) {
        self.metrics.subscribers.set(self.subscribers.len() as u64);
    }
}

impl Drop for Fanout {
    fn drop(&mut self) {
        for subscriber in &self.subscribers {
            subscriber.lane.end(Ending::Disconnected);
        }
    }
}
