//! Side messages: what subscribers may want to know beside the market's state, and nothing of the state depends on.
//!
//! They are numbered apart from the stream, each template for itself, so that a reader sees how many it missed. Where there
//! is no room the oldest goes, and is counted.

use core::mem::offset_of;
use std::collections::BTreeMap;
use std::sync::Arc;

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES};
use alphapulse_protocol::header::MessageHeader;
use alphapulse_protocol::message::Message;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Side messages that may wait for the writer.
pub(crate) const QUEUED: usize = 1024;
/// Longest side message that is taken of a peer: above all that this build writes, with room for later versions.
pub(crate) const SIDE_BYTES_MAX: usize = 1024;

/// Where sources hand in side messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SidePublisher {
    queue: mpsc::Sender<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl SidePublisher {
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (queue, out) = mpsc::channel(QUEUED);
        (Self { queue, metrics }, out)
    }

    /// Hands in one message, whole. Never waits: says whether there was room, and counts where there was not.
    ///
    /// # Panics
    /// If the bytes are not one message that may stand beside the stream.
    pub fn publish(&self, message: Vec<u8>) -> bool {
        let decoded = Message::decode(&message);
        assert!(decoded.is_ok_and(|message| message.is_side()), "not a side message: {decoded:?}");
        let is_queued = self.queue.try_send(message).is_ok();
        if !is_queued {
            self.metrics.side_dropped.add(1);
        }
        is_queued
    }
}

/// Numbers side messages.
#[derive(Debug, Default)]
pub(crate) struct SideSequencer {
    last: BTreeMap<u16, u64>,
}

impl SideSequencer {
    /// The message's template, and its frame with its number.
    pub(crate) fn number(&mut self, mut message: Vec<u8>) -> (u16, Bytes) {
        const TEMPLATE: usize = offset_of!(MessageHeader, template_id);
        const SEQUENCE: usize = offset_of!(MessageHeader, sequence);
        let template = u16::from_le_bytes([message[TEMPLATE], message[TEMPLATE + 1]]);
        let sequence = self.last.entry(template).or_default();
        *sequence += 1;
        message[SEQUENCE..SEQUENCE + 8].copy_from_slice(&sequence.to_le_bytes());
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + message.len());
        frame::write_bytes(&mut frame, &message);
        (template, frame.into())
    }
}
