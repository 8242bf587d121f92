//! Append-only record of messages in the wire format: what is on the wire is what is in the journal.
//!
//! A journal is a folder of segments `00000000.apj`, `00000001.apj`, ...; a segment is frames back to back, the first one a
//! `SegmentBegin`. A crash may tear the end of the last segment: readers stop there. Anything unreadable before the end is
//! damage, and the journal is refused rather than cut.

mod reader;
mod segment;
mod writer;

pub use crate::error::JournalError;

pub use self::reader::JournalReader;
pub use self::writer::{JournalWriter, SEGMENT_BYTES_MAX};
