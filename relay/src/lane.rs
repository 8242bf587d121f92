//! One subscriber's bounded queue, between the single writer and whoever reads.
//!
//! What is handed over are the frames of a whole event: few of them in the lane's own cache lines, more of them where all
//! lanes share them, written once, however many read them. A lane that is full takes nothing more; what that means for the
//! reader is the fan-out's to say. What was queued is read before any [`Ending`]; nothing is dropped in between.
//!
//! Beside the stream runs a small ring of side messages, which nothing depends on: when it is full the oldest goes.

mod lines;
mod parcel;

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::message::CloseReason;
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use crossbeam::utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

use self::lines::{LineReader, LineWriter};
use self::parcel::Head;
pub(crate) use self::parcel::Parcel;
use crate::side::SLOTS_BYTES;

/// Bytes of an event that is shared, by which the slots of a lane follow from its bytes.
const EVENT_BYTES: usize = 256;
/// Fewest and most slots: a greeting, a gap and a snapshot must fit, and empty slots cost memory too.
const SLOTS: (usize, usize) = (16, 8192);
/// Lines to a slot: an event in lines takes from two to six, one beside them a single one.
const SLOT_LINES: usize = 2;

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

/// What the reader says of what it took. It alone writes here, and the writer looks only where it must.
#[derive(Debug, Default)]
struct Taken {
    bytes: AtomicU64,
    /// Of the last frames taken; 0 before any with one.
    mark: AtomicU64,
}

/// What both ends see.
#[derive(Debug)]
struct Shared {
    taken: CachePadded<Taken>,
    /// Bytes ever queued. The writer alone writes here.
    queued_bytes: CachePadded<AtomicU64>,
    side: Option<ArrayQueue<Bytes>>,
    /// Bytes in `side`, or more by those that are being put in or taken out.
    side_waiting: AtomicUsize,
    ending: OnceLock<Ending>,
    is_abandoned: AtomicBool,
    wake: Wake,
}

/// A new lane in which at most about `bytes_max` bytes wait, or one event, however large; and `side_slots` side messages.
pub(crate) fn lane(bytes_max: usize, side_slots: usize, wake: Wake) -> (LaneWriter, LaneReader) {
    let (lines_in, lines_out) = lines::lines(slots(bytes_max) * SLOT_LINES);
    let (beside_in, beside_out) = RingBuffer::new(slots(bytes_max));
    let shared = Arc::new(Shared {
        taken: CachePadded::default(),
        queued_bytes: CachePadded::default(),
        side: (side_slots > 0).then(|| ArrayQueue::new(side_slots)),
        side_waiting: AtomicUsize::new(0),
        ending: OnceLock::new(),
        is_abandoned: AtomicBool::new(false),
        wake,
    });
    let writer = LaneWriter {
        lines: lines_in,
        beside: beside_in,
        bytes_max: bytes_max as u64,
        queued_bytes: 0,
        taken_bytes: 0,
        shared: Arc::clone(&shared),
    };
    (writer, LaneReader { lines: lines_out, beside: beside_out, taken_bytes: 0, shared })
}

/// Most memory of a lane in which at most `bytes_max` bytes wait.
pub(crate) const fn memory_max(bytes_max: usize) -> usize {
    bytes_max.saturating_add(slots(bytes_max) * size_of::<Bytes>() + lines::memory(slots(bytes_max) * SLOT_LINES))
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
    lines: LineWriter,
    /// Frames that are too many for lines.
    beside: Producer<Bytes>,
    bytes_max: u64,
    queued_bytes: u64,
    /// What the reader had taken when it was last looked at.
    taken_bytes: u64,
    shared: Arc<Shared>,
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
    fn push<'b, I: IntoIterator<Item = &'b Bytes> + Clone>(&mut self, parcels: I) -> bool {
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

/// The reader's end. Dropping it leaves the lane.
#[derive(Debug)]
pub(crate) struct LaneReader {
    lines: LineReader,
    beside: Consumer<Bytes>,
    taken_bytes: u64,
    shared: Arc<Shared>,
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

impl Shared {
    /// Bytes queued and not yet taken, as far as both sides have said.
    fn waiting_bytes(&self) -> u64 {
        // Both stand alone: who is about to write holds it against the lines and slots as well; others only look.
        let taken = self.taken.bytes.load(Ordering::Relaxed);
        self.queued_bytes.load(Ordering::Relaxed).saturating_sub(taken)
    }

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
        let read: Vec<_> = core::iter::from_fn(|| reader.pop()).map(|frames| frames.to_vec()).collect();
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
    fn lines_are_bounded_too() {
        let places = SLOTS.0 * SLOT_LINES;
        let (mut writer, mut reader) = task_lane(1);
        (0..places).for_each(|at| assert!(writer.push([&Bytes::new()]), "{at} of {places}"));
        assert!(!writer.push([&Bytes::new()]));
        assert!(!writer.is_half_empty());
        (0..places / 2).for_each(|_| assert!(reader.pop().is_some()));
        assert!(writer.is_half_empty());
    }

    #[test]
    fn slots_of_a_wide_lane_are_bounded_too() {
        let frames = Bytes::from(vec![7; parcel::SMALL_BYTES_MAX + 1]);
        let (mut writer, mut reader) = task_lane(1 << 30);
        (0..SLOTS.1).for_each(|at| assert!(writer.push([&frames]), "{at} of {}", SLOTS.1));
        assert!(!writer.push([&frames]));
        (0..SLOTS.1 / 2).for_each(|_| assert!(reader.pop().is_some()));
        assert!(writer.is_half_empty() && writer.push([&frames]));
    }

    #[test]
    fn few_frames_and_many_come_in_their_order() {
        let (mut writer, mut reader) = task_lane(1 << 16);
        let lengths = [0, 1, 40, 41, 96, 97, parcel::SMALL_BYTES_MAX, parcel::SMALL_BYTES_MAX + 1, 5_000, 3];
        let frames = lengths.map(|length| Bytes::from(vec![u8::try_from(length % 251).unwrap_or_default(); length]));
        for round in 0..100 {
            assert!(writer.push(&frames));
            assert_eq!(writer.waiting_bytes(), lengths.iter().sum::<usize>() as u64, "round {round}");
            frames.iter().for_each(|frames| assert_eq!(reader.pop().as_deref(), Some(&**frames)));
            assert!(!reader.is_ready());
        }
    }

    /// Parcels of all sizes, marked, from thread to thread through lanes of several capacities, and an ending behind them.
    #[test]
    fn what_goes_in_comes_out_between_threads() {
        const PARCELS: usize = 50_000;
        let frames = |at: usize| Bytes::from(vec![u8::try_from(at % 251).unwrap_or_default(); at * 37 % 500]);
        for bytes_max in [1, 5_000, 1 << 20] {
            let (mut writer, mut reader) = lane(bytes_max, 0, Wake::Task(Arc::default()));
            let producer = std::thread::spawn(move || {
                for at in 0..PARCELS {
                    while !writer.push_marked([&frames(at), &frames(at + 1)], at as u64 + 1) {
                        std::thread::yield_now();
                    }
                }
                writer.end(Ending::Closed(CloseReason::Evicted));
                writer.taken()
            });
            for at in 0..PARCELS {
                for expected in [frames(at), frames(at + 1)] {
                    let parcel = loop {
                        match reader.pop() {
                            Some(parcel) => break parcel,
                            None => std::thread::yield_now(),
                        }
                    };
                    assert_eq!(*parcel, expected, "parcel {at} of a lane of {bytes_max} bytes");
                }
            }
            assert!(producer.join().is_ok_and(|taken| taken.is_some_and(|mark| mark <= PARCELS as u64)));
            assert!(reader.pop().is_none());
            assert_eq!(reader.ended(), Some(Ending::Closed(CloseReason::Evicted)));
        }
    }

    #[test]
    fn memory_is_what_the_ring_takes() {
        for bytes_max in [1, 300_000, 1 << 20, (1 << 20) + 256, 1_100_000, 1 << 30] {
            let (_, reader) = task_lane(bytes_max);
            let beside = reader.beside.buffer().capacity() * size_of::<Bytes>();
            assert_eq!(memory_max(bytes_max), bytes_max + beside + reader.lines.memory(), "{bytes_max} bytes");
        }
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
