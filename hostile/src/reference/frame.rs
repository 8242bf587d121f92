//! Section 2 of the page: where frames begin and end.

use super::{crc32c, number};

/// Bytes before a message.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Least bytes of a message: its header.
pub const MESSAGE_BYTES_MIN: usize = 24;
/// Most bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First<'a> {
    /// A whole frame.
    Whole {
        /// Its message.
        message: &'a [u8],
        /// What lies behind the frame.
        rest: &'a [u8],
    },
    /// A frame that goes on behind the end.
    CutShort,
    /// No frame.
    Malformed(Malformed),
}

/// The step at which bytes turned out to be no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Step 1: the length is out of range.
    Length,
    /// Step 2: the length is not the message's own.
    BlockLength,
    /// Step 3: the checksum does not fit.
    Checksum,
}

/// Reads the first frame in the order of steps that the page gives.
#[must_use]
pub fn first_frame(bytes: &[u8]) -> First<'_> {
    if bytes.len() < 4 {
        return First::CutShort;
    }
    let length = usize::try_from(number(bytes, 0, 4)).expect("32 bits");
    if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&length) {
        return First::Malformed(Malformed::Length);
    }
    if bytes.len() >= 10 && number(bytes, 8, 2) != length as u128 {
        return First::Malformed(Malformed::BlockLength);
    }
    if bytes.len() < FRAME_HEADER_BYTES + length {
        return First::CutShort;
    }
    let (message, rest) = bytes[FRAME_HEADER_BYTES..].split_at(length);
    if number(bytes, 4, 4) == u128::from(crc32c(message)) {
        First::Whole { message, rest }
    } else {
        First::Malformed(Malformed::Checksum)
    }
}
