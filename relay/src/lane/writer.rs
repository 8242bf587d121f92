//! The writer's end of a lane, and a look at it from the side.

use core::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rtrb::Producer;

use super::lines::LineWriter;
use super::{Ending, Shared, parcel};
use crate::side::SLOTS_BYTES;

/// The writer's end. Dropped without an ending, it leaves one: its reader must not wait for ever.
#[derive(Debug)]
pub(crate) struct LaneWriter {
    pub(super) lines: LineWriter,
    /// Frames that are too many for lines.
    pub(super) beside: Producer<Bytes>,
    pub(super) bytes_max: u64,
    pub(super) queued_bytes: u64,
    /// What the reader had taken when it was last looked at.
    pub(super) taken_bytes: u64,
    pub(super) shared: Arc<Shared>,
}

/// What frames take of a lane.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    bytes: u64,
    lines: usize,
    beside: usize,
}

impl Size {
    fn of<'b>(parcels: impl Iterator<Item = &'b Bytes>) -> Self {
        parcels.fold(Self::default(), |size, frames| {
            let (lines, is_beside) = parcel::shape(frames.len());
            Self {
                bytes: size.bytes + frames.len() as u64,
                lines: size.lines + lines,
                beside: size.beside + usize::from(is_beside),
            }
        })
    }
}

impl LaneWriter {
    #[cfg(test)]
    pub(super) fn push<'b, I: IntoIterator<Item = &'b Bytes> + Clone>(&mut self, parcels: I) -> bool {
        self.push_marked(parcels, 0)
    }

    /// Queues whole frames, all or none, and wakes the reader; or says that there is no room. Never blocks, never allocates.
    /// By the mark [`Self::taken`] tells how far the reader is; 0 marks nothing.
    pub(crate) fn push_marked<'b, I>(&mut self, parcels: I, mark: u64) -> bool
    where
        I: IntoIterator<Item = &'b Bytes> + Clone,
    {
        let size = Size::of(parcels.clone().into_iter());
        if !self.has_room_for(size) {
            return false;
        }
        self.queued_bytes += size.bytes;
        // Stands alone: it is shown.
        self.shared.queued_bytes.store(self.queued_bytes, Ordering::Relaxed);
        for frames in parcels {
            self.hand_over(frames, mark);
        }
        self.shared.wake_reader();
        true
    }

    fn hand_over(&mut self, frames: &Bytes, mark: u64) {
        let (lines, count) = parcel::to_lines(frames, mark);
        let (_, is_beside) = parcel::shape(frames.len());
        // Before its line: who sees the line finds the frames.
        if is_beside && self.beside.push(frames.clone()).is_err() {
            unreachable!("only this end fills slots, and enough were free");
        }
        if !self.lines.try_write(&lines[..count]) {
            unreachable!("only this end fills lines, and enough were free");
        }
    }

    /// Queues a side message, in the place of the oldest where there is no room. Says how many had to go.
    pub(crate) fn push_side(&self, frames: &Bytes) -> u64 {
        let Some(side) = &self.shared.side else { return 0 };
        let mut dropped = 0;
        // The sum stands alone. It is never below what lies in the ring, so the bound holds; at worst one message more goes.
        let mut waiting = self.shared.side_waiting.fetch_add(frames.len(), Ordering::Relaxed) + frames.len();
        while waiting > SLOTS_BYTES
            && let Some(oldest) = side.pop()
        {
            waiting = self.shared.side_waiting.fetch_sub(oldest.len(), Ordering::Relaxed) - oldest.len();
            dropped += 1;
        }
        if let Some(oldest) = side.force_push(frames.clone()) {
            self.shared.side_waiting.fetch_sub(oldest.len(), Ordering::Relaxed);
            dropped += 1;
        }
        self.shared.wake_reader();
        dropped
    }

    /// Whether so much finds room now. An empty lane takes any size: a snapshot is not bounded by it.
    fn has_room_for(&mut self, size: Size) -> bool {
        if self.queued_bytes - self.taken_bytes + size.bytes > self.bytes_max {
            self.taken_bytes = self.shared.taken.bytes.load(Ordering::Relaxed);
        }
        let waiting = self.queued_bytes - self.taken_bytes;
        (waiting == 0 || waiting + size.bytes <= self.bytes_max)
            && self.lines.has_room_for(size.lines)
            && (size.beside == 0 || self.beside.slots() >= size.beside)
    }

    /// Whether a reader that was lapped has caught up far enough to be worth serving again.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.shared.waiting_bytes() * 2 <= self.bytes_max
            && self.lines.is_half_empty()
            && self.beside.slots() * 2 >= self.beside.buffer().capacity()
    }

    /// For who waits until there is room, and writes by way of somebody else.
    pub(crate) fn watch(&self) -> LaneWatch {
        LaneWatch { bytes_max: self.bytes_max, shared: Arc::downgrade(&self.shared) }
    }

    /// Bytes queued and not yet taken.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.shared.waiting_bytes()
    }

    /// Mark of the last frames that the reader took; `None` before any with a mark.
    pub(crate) fn taken(&self) -> Option<u64> {
        Some(self.shared.taken.mark.load(Ordering::Relaxed)).filter(|mark| *mark > 0)
    }

    /// Nothing more will come. The first ending stands.
    pub(crate) fn end(&self, ending: Ending) {
        self.shared.end(ending);
    }

    /// Whether the reader left.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned.load(Ordering::Relaxed)
    }
}

impl Drop for LaneWriter {
    fn drop(&mut self) {
        self.shared.end(Ending::Disconnected);
    }
}

/// A look at a lane from the side.
#[derive(Debug, Clone)]
pub(crate) struct LaneWatch {
    bytes_max: u64,
    shared: Weak<Shared>,
}

impl LaneWatch {
    /// Whether somebody reads.
    pub(crate) fn is_read(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| !shared.is_abandoned.load(Ordering::Relaxed))
    }

    /// Whether something waits for the reader.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_bytes() > 0
    }

    /// Whether the lane can take a good deal more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting_bytes() * 2 <= self.bytes_max
    }

    fn waiting_bytes(&self) -> u64 {
        self.shared.upgrade().map_or(0, |shared| shared.waiting_bytes())
    }
}
