//! The wire read a second time: slow, plain, from the page alone, and without a line of the product.

mod crc;
mod frame;
mod journal;
mod message;

pub use self::crc::crc32c;
pub use self::frame::{FRAME_HEADER_BYTES, First, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, Malformed, first_frame};
pub use self::journal::{Journal, JournalEnd, read_journal};
pub use self::message::{Judgement, TEMPLATES, bears_on_state, judge};

/// Little-endian unsigned number of up to 16 bytes at `at`.
///
/// # Panics
/// If the bytes are not there.
#[must_use]
pub fn number(bytes: &[u8], at: usize, width: usize) -> u128 {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}
