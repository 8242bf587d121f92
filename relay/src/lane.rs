//! One subscriber's bounded queue, between the single writer and whoever reads.
//!
//! What lies in a slot are the frames of a whole event, shared by all lanes: a message is written once, however many read
//! it. A lane that is full takes nothing more; what that means for the reader is the fan-out's to say. What was queued is
//! read before any [`Ending`]; nothing is dropped in between.
//!
//! Beside the stream runs a small ring of side messages, which nothing depends on: when it is full the oldest goes.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::message::CloseReason;
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

use crate::side::SLOTS_BYTES;

/// Bytes of a small event, by which the slots of a lane follow from its bytes.
const EVENT_BYTES: usize = 256;
/// Fewest and most slots: a greeting, a gap and a snapshot must fit, and empty slots cost memory too.
const SLOTS: (usize, usize) = (16, 8192);

/// What lies in a slot: whole frames, and their mark.
type Parcel = (Bytes, u64);
/// What a side message takes in its ring beside its bytes: the handle and the ring's own number of the turn.
pub(crate) const SIDE_SLOT_BYTES: usize = size_of::<Bytes>() + size_of::<usize>();

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
    Task(Arc<Notify>),
}

/// What both ends see.
#[derive(Debug)]
struct Shared {
    /// Bytes queued and not yet taken.
    waiting: AtomicUsize,
    /// Mark of the last frames taken; 0 before any with a mark.
    taken: AtomicU64,
    side: Option<ArrayQueue<Bytes>>,
    /// Bytes in `side`, or more by those that are being put in or taken out.
    side_waiting: AtomicUsize,
    ending: OnceLock<Ending>,
    is_abandoned: AtomicBool,
    wake: Wake,
}

/// A new lane in which at most about `bytes_max` bytes wait, or one event, however large; and `side_slots` side messages.
pub(crate) fn lane(bytes_max: usize, side_slots: usize, wake: Wake) -> (LaneWriter, LaneReader) {
    let (producer, consumer) = RingBuffer::<Parcel>::new(slots(bytes_max));
    let shared = Arc::new(Shared {
        waiting: AtomicUsize::new(0),
        taken: AtomicU64::new(0),
        side: (side_slots > 0).then(|| ArrayQueue::new(side_slots)),
        side_waiting: AtomicUsize::new(0),
        ending: OnceLock::new(),
        is_abandoned: AtomicBool::new(false),
        wake,
    });
    let writer = LaneWriter { queue: producer, bytes_max, shared: Arc::clone(&shared) };
    (writer, LaneReader { queue: consumer, shared })
}

/// Most memory of a lane in which at most `bytes_max` bytes wait.
pub(crate) const fn memory_max(bytes_max: usize) -> usize {
    bytes_max.saturating_add(slots(bytes_max) * size_of::<Parcel>())
}

const fn slots(bytes_max: usize) -> usize {
    match bytes_max / EVENT_BYTES {
        few if few < SLOTS.0 => SLOTS.0,
        many if many > SLOTS.1 => SLOTS.1,
        slots => slots,
    }
}

/// The writer's end. Dropped without an ending, it leaves one: its reader must not wait for ever.
#[derive(Debug)]
pub(crate) struct LaneWriter {
    queue: Producer<Parcel>,
    bytes_max: usize,
    shared: Arc<Shared>,
}

impl LaneWriter {
    #[cfg(test)]
    fn push<'b, I: IntoIterator<Item = &'b Bytes> + Clone>(&mut self, parcels: I) -> bool {
        self.push_marked(parcels, 0)
    }

    /// Queues whole frames, all or none, and wakes the reader; or says that there is no room. Never blocks, never allocates.
    /// By the mark [`Self::taken`] tells how far the reader is; 0 marks nothing.
    pub(crate) fn push_marked<'b, I>(&mut self, parcels: I, mark: u64) -> bool
    where
        I: IntoIterator<Item = &'b Bytes> + Clone,
    {
        let sizes = parcels.clone().into_iter().fold((0, 0), |(count, bytes), next| (count + 1, bytes + next.len()));
        if !self.has_room_for(sizes) {
            return false;
        }
        self.shared.waiting.fetch_add(sizes.1, Ordering::Relaxed);
        for frames in parcels {
            if self.queue.push((frames.clone(), mark)).is_err() {
                unreachable!("only this end fills slots, and enough were free");
            }
        }
        self.shared.wake_reader();
        true
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

    /// Whether so many parcels and bytes find room now. An empty lane takes any size: a snapshot is not bounded by it.
    fn has_room_for(&self, (parcels, bytes): (usize, usize)) -> bool {
        let waiting = self.waiting_bytes();
        self.queue.slots() >= parcels && (waiting == 0 || waiting.saturating_add(bytes) <= self.bytes_max)
    }

    /// Whether a reader that was lapped has caught up far enough to be worth serving again.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.waiting_bytes() * 2 <= self.bytes_max && self.queue.slots() * 2 >= self.queue.buffer().capacity()
    }

    /// For who waits until there is room, and writes by way of somebody else.
    pub(crate) fn watch(&self) -> LaneWatch {
        LaneWatch { bytes_max: self.bytes_max, shared: Arc::downgrade(&self.shared) }
    }

    /// Bytes queued and not yet taken.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Mark of the last frames that the reader took; `None` before any with a mark.
    pub(crate) fn taken(&self) -> Option<u64> {
        Some(self.shared.taken.load(Ordering::Relaxed)).filter(|mark| *mark > 0)
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
    bytes_max: usize,
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

    fn waiting_bytes(&self) -> usize {
        self.shared.upgrade().map_or(0, |shared| shared.waiting.load(Ordering::Relaxed))
    }
}

/// The reader's end. Dropping it leaves the lane.
#[derive(Debug)]
pub(crate) struct LaneReader {
    queue: Consumer<Parcel>,
    shared: Arc<Shared>,
}

impl LaneReader {
    /// Next frames; those of the stream first. Never blocks.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        match self.queue.pop() {
            Ok((frames, mark)) => {
                self.shared.waiting.fetch_sub(frames.len(), Ordering::Relaxed);
                if mark > 0 {
                    // Stands alone: it is only shown.
                    self.shared.taken.store(mark, Ordering::Relaxed);
                }
                Some(frames)
            }
            Err(_) => {
                let frames = self.shared.side.as_ref()?.pop()?;
                self.shared.side_waiting.fetch_sub(frames.len(), Ordering::Relaxed);
                Some(frames)
            }
        }
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
        self.queue.is_empty() && self.shared.side.as_ref().is_none_or(ArrayQueue::is_empty)
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

impl Shared {
    fn end(&self, ending: Ending) {
        // `OnceLock` publishes with Release: a reader that sees the ending also sees every parcel pushed before it.
        if self.ending.set(ending).is_ok() {
            self.wake_reader();
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

    fn task_lane(bytes_max: usize) -> (LaneWriter, LaneReader) {
        lane(bytes_max, 2, Wake::Task(Arc::default()))
    }

    #[test]
    fn of_side_messages_the_oldest_goes_and_the_stream_goes_first() {
        let (mut writer, mut reader) = task_lane(100);
        let dropped = [&b"1"[..], b"2", b"3"].map(|message| writer.push_side(&Bytes::from_static(message)));
        assert_eq!(dropped, [0, 0, 1]);
        assert!(writer.push([&Bytes::from_static(b"stream")]));
        let read: Vec<Bytes> = core::iter::from_fn(|| reader.pop()).collect();
        assert_eq!(read, [&b"stream"[..], b"2", b"3"]);
    }

    #[test]
    fn side_messages_are_bounded_by_their_bytes_too() {
        let (writer, mut reader) = lane(100, 64, Wake::Task(Arc::default()));
        let third = Bytes::from(vec![7; SLOTS_BYTES / 3]);
        let dropped: Vec<_> = (0..4).map(|_| writer.push_side(&third)).collect();
        assert_eq!(dropped, [0, 0, 0, 1]);
        // One that is read makes room for one.
        assert!(reader.pop().is_some());
        assert_eq!([writer.push_side(&third), writer.push_side(&third)], [0, 1]);
        // A longer one takes the place of several.
        assert_eq!(writer.push_side(&Bytes::from(vec![8; SLOTS_BYTES / 2])), 2);
        let read: Vec<_> = core::iter::from_fn(|| reader.pop()).map(|frames| frames[0]).collect();
        assert_eq!(read, [7, 8]);
    }

    #[test]
    fn what_was_queued_is_read_before_the_ending() {
        let (mut writer, mut reader) = task_lane(2);
        assert!(writer.push([&Bytes::from_static(b"a")]));
        writer.end(Ending::Closed(CloseReason::Evicted));
        drop(writer);
        assert_eq!(reader.ended(), None);
        assert!(reader.pop().is_some());
        assert_eq!(reader.ended(), Some(Ending::Closed(CloseReason::Evicted)));
    }

    #[test]
    fn a_full_lane_takes_nothing_and_an_empty_one_takes_one_parcel_of_any_size() {
        let (mut writer, mut reader) = task_lane(4);
        assert!(writer.push([&Bytes::from_static(b"longer than four bytes")]));
        assert!(!writer.push([&Bytes::from_static(b"a")]));
        assert_eq!(reader.pop().as_deref(), Some(&b"longer than four bytes"[..]));
        assert!(writer.push([&Bytes::from_static(b"abcd")]));
        assert!(!writer.push([&Bytes::from_static(b"e")]));
        assert_eq!(writer.waiting_bytes(), 4);
    }

    #[test]
    fn slots_are_bounded_too() {
        let (mut writer, mut reader) = task_lane(1);
        for _ in 0..SLOTS.0 {
            assert!(writer.push([&Bytes::new()]));
        }
        assert!(!writer.push([&Bytes::new()]));
        assert!(!writer.is_half_empty());
        (0..SLOTS.0 / 2).for_each(|_| drop(reader.pop()));
        assert!(writer.is_half_empty());
    }

    #[test]
    fn slots_take_as_much_as_the_operating_notes_say() {
        let notes = include_str!("../../docs/OPERATING.md");
        let kib = (memory_max(1 << 30) - (1 << 30)) / 1024;
        assert!(notes.contains(&format!("up to {kib} KiB of its slots")), "{kib} KiB");
    }

    #[test]
    fn a_mark_counts_once_its_frames_are_taken() {
        let (mut writer, mut reader) = task_lane(100);
        assert!(writer.push_marked([&Bytes::from_static(b"a")], 7));
        assert!(writer.push([&Bytes::from_static(b"unmarked")]));
        assert_eq!(writer.taken(), None);
        assert!(reader.pop().is_some());
        assert_eq!(writer.taken(), Some(7));
        assert!(reader.pop().is_some());
        assert_eq!(writer.taken(), Some(7));
    }

    #[test]
    fn each_end_notices_that_the_other_is_gone() {
        let (writer, reader) = task_lane(1);
        drop(reader);
        assert!(writer.is_abandoned());
        let (writer, reader) = task_lane(1);
        drop(writer);
        assert_eq!(reader.ended(), Some(Ending::Disconnected));
    }
}
