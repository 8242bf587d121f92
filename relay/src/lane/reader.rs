//! The reader's end of a lane.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use rtrb::Consumer;

use super::lines::LineReader;
use super::parcel::Head;
use super::{Ending, Parcel, Shared, Wake};

/// The reader's end. Dropping it leaves the lane.
#[derive(Debug)]
pub(crate) struct LaneReader {
    pub(super) lines: LineReader,
    pub(super) beside: Consumer<Bytes>,
    pub(super) taken_bytes: u64,
    pub(super) shared: Arc<Shared>,
}

impl LaneReader {
    /// Next frames; those of the stream first. Never blocks.
    pub(crate) fn pop(&mut self) -> Option<Parcel> {
        let Some(first) = self.lines.try_read() else {
            let frames = self.shared.side.as_ref()?.pop()?;
            self.shared.side_waiting.fetch_sub(frames.len(), Ordering::Relaxed);
            return Some(Parcel::Shared(frames));
        };
        let head = Head::read(first);
        let mark = head.mark;
        let rest =
            || self.lines.try_read().unwrap_or_else(|| unreachable!("a parcel's lines are there with its first"));
        let beside = || self.beside.pop().unwrap_or_else(|_| unreachable!("what goes beside is there before its line"));
        let parcel = head.into_parcel(rest, beside);
        self.taken_bytes += parcel.len() as u64;
        // Both stand alone: a writer that sees them late only waits.
        self.shared.taken.bytes.store(self.taken_bytes, Ordering::Relaxed);
        if mark > 0 {
            self.shared.taken.mark.store(mark, Ordering::Relaxed);
        }
        Some(parcel)
    }

    /// The ending, once everything before it was read.
    pub(crate) fn ended(&self) -> Option<Ending> {
        let ending = self.shared.ending.get()?;
        self.is_empty().then_some(*ending)
    }

    /// Whether there is a reason to look.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_empty() || self.shared.ending.get().is_some()
    }

    fn is_empty(&self) -> bool {
        !self.lines.is_there() && self.shared.side.as_ref().is_none_or(ArrayQueue::is_empty)
    }

    /// Reader of a task lane: waits until there may be a reason to look.
    pub(crate) async fn readable(&mut self) {
        match &self.shared.wake {
            Wake::Task(notify) => notify.notified().await,
            Wake::Thread(_) => unreachable!("a thread's lane is waited for by its thread"),
        }
    }
}

impl Drop for LaneReader {
    fn drop(&mut self) {
        self.shared.is_abandoned.store(true, Ordering::Relaxed);
    }
}
