//! Side messages: what subscribers may want to know beside the market's state, and nothing of the state depends on.
//!
//! They are numbered apart from the stream, each template for itself, so that a reader sees how many it missed. Where there
//! is no room the oldest goes, and is counted.

use core::mem::offset_of;
use std::collections::BTreeMap;
use std::sync::Arc;

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, MESSAGE_BYTES_MAX};
use alphapulse_protocol::header::MessageHeader;
use alphapulse_protocol::message::{Finality, Message, WireMessage};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::metrics::Metrics;

/// Side messages that may wait for the writer.
pub(crate) const QUEUED: usize = 1024;
/// Bytes of them.
pub(crate) const QUEUED_BYTES: usize = 1024 * 1024;
/// Side messages that may wait for a subscriber.
pub(crate) const SLOTS: usize = 256;
/// Bytes of them: as many of a node's reports, or a few of the longest transactions.
pub(crate) const SLOTS_BYTES: usize = 512 * 1024;
/// Longest side message that is taken of a peer: above all that this build writes, with room for later versions.
pub(crate) const REPORT_BYTES_MAX: usize = 2048;

// The longest message finds room in both.
const _: () = assert!(MESSAGE_BYTES_MAX + FRAME_HEADER_BYTES <= SLOTS_BYTES && SLOTS_BYTES <= QUEUED_BYTES);

/// A message on its way to the writer, and the room that it takes until then.
#[derive(Debug)]
pub(crate) struct Queued {
    message: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Where sources hand in side messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SidePublisher {
    queue: mpsc::Sender<Queued>,
    /// A permit is a byte that may be queued.
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl SidePublisher {
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, out) = mpsc::channel(QUEUED);
        (Self { queue, room: Arc::new(Semaphore::new(QUEUED_BYTES)), metrics }, out)
    }

    /// Hands in one message, whole. Never waits: says whether there was room, and counts where there was not.
    ///
    /// # Panics
    /// If the bytes are not one message that may stand beside the stream.
    pub fn publish(&self, message: Vec<u8>) -> bool {
        let decoded = Message::decode(&message);
        assert!(decoded.is_ok_and(|message| message.is_side()), "not a side message: {decoded:?}");
        let is_queued = self.queue(message);
        if !is_queued {
            self.metrics.side_dropped.add(1);
        }
        is_queued
    }

    fn queue(&self, message: Vec<u8>) -> bool {
        let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else { return false };
        self.queue.try_send(Queued { message, _room: room }).is_ok()
    }
}

/// Numbers side messages, and keeps what who joins later is told.
#[derive(Debug, Default)]
pub(crate) struct SideSequencer {
    last: BTreeMap<u16, u64>,
    finality: Option<Bytes>,
}

impl SideSequencer {
    /// The message's template, and its frame with its number.
    pub(crate) fn number(&mut self, Queued { mut message, .. }: Queued) -> (u16, Bytes) {
        const TEMPLATE: usize = offset_of!(MessageHeader, template_id);
        const SEQUENCE: usize = offset_of!(MessageHeader, sequence);
        let template = u16::from_le_bytes([message[TEMPLATE], message[TEMPLATE + 1]]);
        let sequence = self.last.entry(template).or_default();
        *sequence += 1;
        message[SEQUENCE..SEQUENCE + 8].copy_from_slice(&sequence.to_le_bytes());
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + message.len());
        frame::write_bytes(&mut frame, &message);
        let frame = Bytes::from(frame);
        if template == Finality::TEMPLATE_ID {
            self.finality = Some(frame.clone());
        }
        (template, frame)
    }

    /// What is told of the present, and not only of what is new: to who joins and asks for it.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (u16, &Bytes)> {
        self.finality.iter().map(|frame| (Finality::TEMPLATE_ID, frame))
    }
}
