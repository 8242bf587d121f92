//! One subscriber's bounded queue, between the single writer and whoever reads.
//!
//! A full lane takes nothing more; what that means for the reader is the fan-out's to say. What was queued is read before
//! any [`Ending`]; nothing is dropped in between.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::CloseReason;
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use tokio::sync::Notify;

/// What lies in a slot.
#[expect(
    clippy::large_enum_variant,
    reason = "frames are the rule and live by value; a box would allocate per message"
)]
#[derive(Debug)]
pub(crate) enum Parcel {
    /// One live frame.
    Frame(FrameBuf),
    /// Many frames in a row that take one slot: a snapshot is not bounded by the lane.
    Frames(Bytes),
}

/// Why nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The producer said why.
    Closed(CloseReason),
    /// The producer vanished.
    Disconnected,
    /// The producer met bytes that are not a frame.
    Malformed(DecodeError),
}

/// How the reader is woken.
#[derive(Debug)]
pub(crate) enum Wake {
    /// A thread that may be parked.
    Thread(Unparker),
    /// A task that may be waiting.
    Task(Notify),
}

/// The queue both sides share.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: ArrayQueue<Parcel>,
    ending: OnceLock<Ending>,
    is_abandoned: AtomicBool,
    wake: Wake,
}

impl Lane {
    pub(crate) fn new(slots: usize, wake: Wake) -> Arc<Self> {
        Arc::new(Self {
            queue: ArrayQueue::new(slots),
            ending: OnceLock::new(),
            is_abandoned: AtomicBool::new(false),
            wake,
        })
    }

    /// Producer: queues a parcel and wakes the reader. Gives the parcel back when the lane is full. Never blocks.
    #[expect(
        clippy::result_large_err,
        reason = "the parcel goes back by value; boxing it would allocate on the hot path"
    )]
    pub(crate) fn push(&self, parcel: Parcel) -> Result<(), Parcel> {
        self.queue.push(parcel)?;
        self.wake_reader();
        Ok(())
    }

    /// Producer: parcels that can be queued now. Only the reader changes that, and only upwards.
    pub(crate) fn free_slots(&self) -> usize {
        self.queue.capacity() - self.queue.len()
    }

    /// Producer: whether a reader that was lapped has caught up far enough to be worth serving again.
    pub(crate) fn has_room(&self) -> bool {
        self.free_slots() * 2 >= self.queue.capacity()
    }

    /// Producer: nothing more will come. The first ending stands.
    pub(crate) fn end(&self, ending: Ending) {
        // `OnceLock` publishes with Release: a reader that sees the ending also sees every parcel pushed before it.
        let _ = self.ending.set(ending);
        self.wake_reader();
    }

    /// Producer: whether the reader left.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Reader: next parcel. Never blocks.
    pub(crate) fn pop(&self) -> Option<Parcel> {
        self.queue.pop()
    }

    /// Reader: the ending, once everything before it was read.
    pub(crate) fn ended(&self) -> Option<Ending> {
        let ending = self.ending.get()?;
        self.queue.is_empty().then_some(*ending)
    }

    /// Reader: whether there is a reason to look.
    pub(crate) fn is_ready(&self) -> bool {
        !self.queue.is_empty() || self.ending.get().is_some()
    }

    /// Reader: leaves; the producer drops the lane when it next uses it.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    /// Reader of a task lane: waits until there may be a reason to look.
    pub(crate) async fn readable(&self) {
        match &self.wake {
            Wake::Task(notify) => notify.notified().await,
            Wake::Thread(_) => unreachable!("a thread's lane is waited for by its thread"),
        }
    }

    fn wake_reader(&self) {
        match &self.wake {
            Wake::Thread(unparker) => unparker.unpark(),
            Wake::Task(notify) => notify.notify_one(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_queued_is_read_before_the_ending() {
        let lane = Lane::new(2, Wake::Task(Notify::new()));
        lane.push(Parcel::Frames(Bytes::from_static(b"a"))).expect("the lane is empty");
        lane.end(Ending::Closed(CloseReason::Evicted));
        assert_eq!(lane.ended(), None);
        assert!(lane.pop().is_some());
        assert_eq!(lane.ended(), Some(Ending::Closed(CloseReason::Evicted)));
    }

    #[test]
    fn a_full_lane_gives_the_parcel_back() {
        let lane = Lane::new(1, Wake::Task(Notify::new()));
        lane.push(Parcel::Frames(Bytes::new())).expect("the lane is empty");
        assert!(lane.push(Parcel::Frames(Bytes::new())).is_err());
    }
}
