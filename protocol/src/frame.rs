//! Frames: how messages lie in a byte stream or a file. No I/O here: bytes in, messages out.
//!
//! A frame is `length: u32`, `crc32c: u32` of the message, then `length` bytes of message; all little-endian.

use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::message::{Message, WireMessage};

/// Bytes before the message.
pub const FRAME_HEADER_BYTES: usize = 8;

/// Cap on a message, from SBE-style feeds: nothing honest is near it, and a reader never buffers more.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

const MESSAGE_BYTES_MIN: usize = size_of::<MessageHeader>();

/// Appends `message` as a frame to `out`.
pub fn write<T: WireMessage>(out: &mut Vec<u8>, message: &T) {
    write_bytes(out, message.as_bytes());
}

/// Appends a message that is already bytes as a frame to `out`.
///
/// # Panics
/// If the message is longer than [`MESSAGE_BYTES_MAX`], which none of ours is.
pub fn write_bytes(out: &mut Vec<u8>, message: &[u8]) {
    assert!(message.len() <= MESSAGE_BYTES_MAX, "a message above the cap cannot be read back");
    let length = u32::try_from(message.len()).expect("below the cap");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(message).to_le_bytes());
    out.extend_from_slice(message);
}

/// A frame found at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole frame: its message bytes, checksum verified, and how many bytes the frame took.
    Whole {
        /// The message.
        message: &'a [u8],
        /// Bytes of the frame, header included.
        frame_bytes: usize,
    },
    /// More bytes are needed to tell.
    Incomplete {
        /// Least number of bytes that the frame needs in all.
        needed: usize,
    },
}

/// Looks for a frame at the start of `bytes`. Never allocates; length and checksum are checked before a byte is used.
///
/// # Errors
/// [`DecodeError::FrameLength`] or [`DecodeError::Checksum`]: the stream cannot be read on from here.
pub fn split(bytes: &[u8]) -> Result<Split<'_>, DecodeError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(Split::Incomplete { needed: FRAME_HEADER_BYTES });
    };
    let stated_length = u32::from_le_bytes(*length);
    let length = stated_length as usize;
    if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(DecodeError::FrameLength {
            minimum: MESSAGE_BYTES_MIN,
            maximum: MESSAGE_BYTES_MAX,
            got: stated_length,
        });
    }
    let frame_bytes = FRAME_HEADER_BYTES + length;
    let Some((checksum, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(Split::Incomplete { needed: frame_bytes });
    };
    let Some(message) = rest.get(..length) else {
        return Ok(Split::Incomplete { needed: frame_bytes });
    };
    let stated = u32::from_le_bytes(*checksum);
    let computed = crc32c::crc32c(message);
    if stated != computed {
        return Err(DecodeError::Checksum { stated, computed });
    }
    Ok(Split::Whole { message, frame_bytes })
}

/// Collects bytes of a stream and hands out messages. Holds at most one frame more than what was pushed.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    start: usize,
}

impl FrameDecoder {
    /// An empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they came, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held that are not yet part of a message that was handed out.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Next whole message as bytes, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// See [`split`]; after an error the stream is lost and the decoder must be dropped.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        match split(&self.buffer[self.start..])? {
            Split::Incomplete { .. } => Ok(None),
            Split::Whole { frame_bytes, .. } => {
                let message = self.start + FRAME_HEADER_BYTES..self.start + frame_bytes;
                self.start += frame_bytes;
                Ok(Some(&self.buffer[message]))
            }
        }
    }

    /// Next whole message, decoded. A template newer than this build is an error that does not lose the stream:
    /// call again to go on behind it.
    ///
    /// # Errors
    /// See [`split`] and [`Message::decode`].
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, DecodeError> {
        self.next_bytes()?.map(Message::decode).transpose()
    }
}

/// Bytes of the largest frame that may be sent live, a power of two above every market message.
pub const FRAME_BYTES_MAX: usize = 256;

/// One frame by value, for queues: no allocation, no lifetime.
#[derive(Clone, Copy)]
pub struct FrameBuf {
    length: u16,
    bytes: [u8; FRAME_BYTES_MAX],
}

impl FrameBuf {
    /// The frame of `message`, or `None` when it is larger than [`FRAME_BYTES_MAX`] (only journal records are).
    #[must_use]
    pub fn new<T: WireMessage>(message: &T) -> Option<Self> {
        Self::from_message_bytes(message.as_bytes())
    }

    /// The frame of a message that is already bytes, or `None` when it is too large.
    #[must_use]
    pub fn from_message_bytes(message: &[u8]) -> Option<Self> {
        let end = FRAME_HEADER_BYTES + message.len();
        let mut bytes = [0; FRAME_BYTES_MAX];
        bytes.get_mut(FRAME_HEADER_BYTES..end)?.copy_from_slice(message);
        bytes[..4].copy_from_slice(&u32::try_from(message.len()).ok()?.to_le_bytes());
        bytes[4..8].copy_from_slice(&crc32c::crc32c(message).to_le_bytes());
        Some(Self { length: u16::try_from(end).ok()?, bytes })
    }

    /// The frame as it goes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The message inside, without frame header.
    #[must_use]
    pub fn message_bytes(&self) -> &[u8] {
        &self.bytes[FRAME_HEADER_BYTES..usize::from(self.length)]
    }
}

impl core::fmt::Debug for FrameBuf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match Message::decode(self.message_bytes()) {
            Ok(message) => message.fmt(f),
            Err(error) => write!(f, "FrameBuf({error})"),
        }
    }
}
