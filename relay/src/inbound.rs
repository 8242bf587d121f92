//! Bytes of a stream on their way to the consumer: read where they are decoded, in one buffer that never grows.

use std::io;

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{FRAME_HEADER_BYTES, Frame, MESSAGE_BYTES_MAX};

/// Bytes held: the longest frame, and room to read in large pieces beside the start of one.
const HELD_BYTES: usize = 2 * (FRAME_HEADER_BYTES + MESSAGE_BYTES_MAX);

/// A buffer between a socket and its reader.
#[derive(Debug)]
pub(crate) struct Inbound {
    bytes: Box<[u8]>,
    /// First byte that was not taken.
    start: usize,
    /// End of what was read, `start..=HELD_BYTES`.
    end: usize,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// All that was there.
    Drained,
    /// As much as fits; there may be more.
    Full,
    /// The stream is over.
    End,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HELD_BYTES].into(), start: 0, end: 0 }
    }

    /// Reads once. Only after [`Inbound::peek`] found nothing whole: then there is room.
    ///
    /// # Errors
    /// Those of the socket, [`io::ErrorKind::WouldBlock`] among them.
    pub(crate) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Filled> {
        // Mostly nothing is left, or part of one frame.
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.bytes[self.end..];
        let room_bytes = room.len();
        debug_assert!(room_bytes > 0, "a whole frame is there, and was not taken");
        let count = read(room)?;
        self.end += count;
        Ok(match count {
            0 => Filled::End,
            // A stream socket gives less than it is asked for only when it has no more.
            _ if count < room_bytes => Filled::Drained,
            _ => Filled::Full,
        })
    }

    /// What was read and not taken; the last frame of it may not be whole.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The next frame, if it is whole.
    ///
    /// # Errors
    /// What is wrong with the bytes: the stream cannot be read on.
    pub(crate) fn peek(&self) -> Result<Option<Frame<'_>>, DecodeError> {
        Frame::first(self.rest())
    }

    /// The next frame, of `frame_bytes` bytes, that was peeked at before; goes on behind it.
    pub(crate) fn take(&mut self, frame_bytes: usize) -> Frame<'_> {
        let start = self.start;
        self.skip(frame_bytes);
        Frame::found_before(&self.bytes[start..self.end], frame_bytes)
    }

    /// Goes on behind the frame that was peeked at.
    pub(crate) fn skip(&mut self, frame_bytes: usize) {
        self.start += frame_bytes;
        debug_assert!(self.start <= self.end, "more was taken than was read");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use alphapulse_protocol::frame::{self, FrameBuf};
    use alphapulse_protocol::message::{V2Reserves, WireMessage};
    use alphapulse_protocol::{PoolId, Sequence, UnixNanos};

    fn reserves(sequence: u64) -> FrameBuf {
        let message = V2Reserves::new(PoolId(7), 1, sequence.into()).stamped(Sequence(sequence), UnixNanos(0));
        FrameBuf::new(&message).unwrap()
    }

    /// Takes every whole frame.
    fn drain(inbound: &mut Inbound, taken: &mut Vec<u8>) {
        while let Some(frame) = inbound.peek().unwrap() {
            let frame = frame.as_bytes().to_vec();
            inbound.skip(frame.len());
            taken.extend(frame);
        }
    }

    #[test]
    fn frames_come_out_whole_and_in_order_however_the_stream_is_cut() {
        let mut longest = vec![0xab; MESSAGE_BYTES_MAX];
        longest[..2].copy_from_slice(&u16::MAX.to_le_bytes());
        let mut stream: Vec<u8> = (0..3_000).flat_map(|sequence| reserves(sequence).as_bytes().to_vec()).collect();
        frame::write_bytes(&mut stream, &longest);
        stream.extend_from_slice(reserves(3_000).as_bytes());
        for piece in [1, 71, 72, 73, 1_000, usize::MAX] {
            let (mut inbound, mut taken, mut rest) = (Inbound::new(), Vec::new(), &stream[..]);
            while !rest.is_empty() {
                let filled = inbound.fill(|room| io::Read::read(&mut &rest[..rest.len().min(piece)], room)).unwrap();
                assert_ne!(filled, Filled::End);
                rest = &rest[(inbound.end - inbound.start + taken.len()) - (stream.len() - rest.len())..];
                drain(&mut inbound, &mut taken);
            }
            assert!(taken == stream, "pieces of {piece} bytes");
        }
    }

    #[test]
    fn a_read_tells_whether_there_may_be_more() {
        let mut inbound = Inbound::new();
        assert_eq!(inbound.fill(|_| Ok(0)).unwrap(), Filled::End);
        assert_eq!(inbound.fill(|room| Ok(room.len() - 1)).unwrap(), Filled::Drained);
        assert_eq!(inbound.fill(|room| Ok(room.len())).unwrap(), Filled::Full);
    }
}
