//! One subscriber's bounded queue, between the single writer and whoever reads.
//!
//! What is handed over are the frames of a whole event: few of them in the lane's own cache lines, more of them where all
//! lanes share them, written once, however many read them. A lane that is full takes nothing more; what that means for the
//! reader is the fan-out's to say. What was queued is read before any [`Ending`]; nothing is dropped in between.
//!
//! Beside the stream runs a small ring of side messages, which nothing depends on: when it is full the oldest goes.

mod lines;
mod parcel;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::message::CloseReason;
use bytes::Bytes;
use crossbeam::queue::ArrayQueue;
use crossbeam::sync::Unparker;
use crossbeam::utils::CachePadded;
use rtrb::RingBuffer;
use tokio::sync::Notify;

pub(crate) use self::parcel::Parcel;
pub(crate) use self::reader::LaneReader;
pub(crate) use self::writer::{LaneWatch, LaneWriter};

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
