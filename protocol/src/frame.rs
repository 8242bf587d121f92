//! Frames: how messages lie in a byte stream or a file. No I/O here: bytes in, messages out.
//!
//! A frame is `length: u32`, `crc32c: u32` of the message, then `length` bytes of message; all little-endian. The length
//! must equal the `block_length` that the message starts with: the checksum does not cover the frame header, so this is
//! what keeps a damaged length from swallowing the frames behind it, or from passing for a torn tail.

use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::message::{Message, WireMessage};

/// Bytes before the message.
pub const FRAME_HEADER_BYTES: usize = 8;

/// Cap on a message, what `block_length` can state: nothing honest is near it, and a reader never buffers more.
pub const MESSAGE_BYTES_MAX: usize = u16::MAX as usize;

const MESSAGE_BYTES_MIN: usize = size_of::<MessageHeader>();

/// Appends `message` as a frame to `out`. Fields that a newer writer appended to it are not part of `T` and are left behind.
pub fn write<T: WireMessage>(out: &mut Vec<u8>, message: &T) {
    debug_assert_eq!(message.check(), Ok(()), "a message that its own reader refuses");
    write_bytes(out, message.sized().as_bytes());
}

/// Appends a message that is already bytes as a frame to `out`; appended fields stay with it.
///
/// # Panics
/// If the bytes are not one message, whole and alone: such a frame could not be read back.
pub fn write_bytes(out: &mut Vec<u8>, message: &[u8]) {
    let header = frame_header(message).expect("a frame holds exactly the bytes that its message states");
    out.extend_from_slice(&header);
    out.extend_from_slice(message);
}

/// The eight bytes before `message`, or `None` when it has not the length that it states.
fn frame_header(message: &[u8]) -> Option<[u8; FRAME_HEADER_BYTES]> {
    let stated = u16::from_le_bytes(*message.first_chunk()?);
    if message.len() < MESSAGE_BYTES_MIN || usize::from(stated) != message.len() {
        return None;
    }
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(&u32::from(stated).to_le_bytes());
    header[4..].copy_from_slice(&crc32c::crc32c(message).to_le_bytes());
    Some(header)
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

/// Looks for a frame at the start of `bytes`. Never allocates; lengths and checksum are checked before a byte is used.
///
/// # Errors
/// [`DecodeError::FrameLength`], [`DecodeError::LengthMismatch`] or [`DecodeError::Checksum`]: the stream cannot be read
/// on from here.
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
    if let Some(block_length) = rest.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
        && usize::from(block_length) != length
    {
        return Err(DecodeError::LengthMismatch { frame: stated_length, block: block_length });
    }
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

/// The messages of frames, one behind the other, as the lengths say and as far as they are whole. Nothing is checked: for a look at what is about to come, never
/// for reading it.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a>(&'a [u8]);

impl<'a> Ahead<'a> {
    /// Those of the frames that `bytes` starts with.
    #[must_use]
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Ahead<'a> {
    type Item = &'a [u8];

    /// Never inlined: thirty-two of it in a row, each bounded by the one before, take the optimiser hours.
    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (header, rest) = self.0.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let length = u32::from_le_bytes(*header.first_chunk()?);
        let (message, behind) = rest.split_at_checked(length as usize)?;
        self.0 = behind;
        Some(message)
    }
}

/// A whole frame at the start of some bytes, its length and checksum found right.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// From the frame's first byte on, with what lies behind it: a copy of fixed size costs less than one of the frame's.
    bytes: &'a [u8],
    /// At most `bytes.len()`.
    frame_bytes: usize,
}

impl<'a> Frame<'a> {
    /// The frame that `bytes` starts with, or `None` until more of it is there. Never allocates.
    ///
    /// # Errors
    /// See [`split`].
    pub fn first(bytes: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        Ok(match split(bytes)? {
            Split::Whole { frame_bytes, .. } => Some(Self { bytes, frame_bytes }),
            Split::Incomplete { .. } => None,
        })
    }

    /// The frame that [`Frame::first`] found at the start of these bytes before: nothing is checked again.
    ///
    /// # Panics
    /// If there are fewer bytes than the frame had.
    #[must_use]
    pub fn found_before(bytes: &'a [u8], frame_bytes: usize) -> Self {
        assert!(
            (FRAME_HEADER_BYTES..=bytes.len()).contains(&frame_bytes),
            "no frame of {frame_bytes} bytes was found here"
        );
        Self { bytes, frame_bytes }
    }

    /// The frame as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        &self.bytes[..self.frame_bytes]
    }

    /// The message inside, without frame header.
    #[must_use]
    pub fn message_bytes(&self) -> &'a [u8] {
        &self.bytes[FRAME_HEADER_BYTES..self.frame_bytes]
    }

    /// The frame by value, or `None` when it is larger than [`FRAME_BYTES_MAX`]. The checksum is not computed again.
    #[must_use]
    pub fn to_buf(&self) -> Option<FrameBuf> {
        if self.frame_bytes > FRAME_BYTES_MAX {
            return None;
        }
        let bytes = match self.bytes.first_chunk() {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; FRAME_BYTES_MAX];
                bytes[..self.frame_bytes].copy_from_slice(self.as_bytes());
                bytes
            }
        };
        Some(FrameBuf { length: u16::try_from(self.frame_bytes).ok()?, bytes })
    }
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

    /// Whether a whole message is held.
    ///
    /// # Errors
    /// See [`split`]; after an error the stream is lost and the decoder must be dropped.
    pub fn has_whole(&self) -> Result<bool, DecodeError> {
        Ok(matches!(split(&self.buffer[self.start..])?, Split::Whole { .. }))
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

    /// Next whole message, decoded. An error of the message ([`DecodeError::is_stream_lost`] tells), such as a template
    /// newer than this build, does not lose the stream: call again to go on behind it.
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
    /// What lies behind `length` bytes means nothing.
    bytes: [u8; FRAME_BYTES_MAX],
}

impl FrameBuf {
    /// The frame of `message`, or `None` when it is larger than [`FRAME_BYTES_MAX`] (only journal records are).
    /// Fields that a newer writer appended to it are not part of `T` and are left behind.
    #[must_use]
    pub fn new<T: WireMessage>(message: &T) -> Option<Self> {
        debug_assert_eq!(message.check(), Ok(()), "a message that its own reader refuses");
        Self::from_message_bytes(message.sized().as_bytes())
    }

    /// The frame of a message that is already bytes, or `None` when it is too large, or not one message, whole and alone.
    #[must_use]
    pub fn from_message_bytes(message: &[u8]) -> Option<Self> {
        let end = FRAME_HEADER_BYTES + message.len();
        let mut bytes = [0; FRAME_BYTES_MAX];
        bytes.get_mut(FRAME_HEADER_BYTES..end)?.copy_from_slice(message);
        bytes[..FRAME_HEADER_BYTES].copy_from_slice(&frame_header(message)?);
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
