//! Append-only record of messages in the wire format: what is on the wire is what is in the journal.
//!
//! A journal is a folder of segments `00000000.apj`, `00000001.apj`, ...; a segment is frames back to back, the first one a
//! `SegmentBegin`. A crash may tear the end of the last segment: readers stop there. Anything unreadable before the end is
//! damage, and the journal is refused rather than cut.
//!
//! Beside a segment may lie its index (`.idx`), which is only a hint, and the state that it begins with (`.state`), with which
//! a relay's feed can do without the segments before it.

mod ages;
mod checkpoint;
mod cut;
mod feed;
mod index;
mod newest;
mod past;
mod reader;
mod segment;
mod spans;
mod starts;
mod sync;
mod writer;

pub use crate::error::JournalError;

pub use self::cut::{CutReport, cut};
pub use self::feed::{FeedOptions, FeedWriter, PausedFeed};
pub use self::index::{JournalIndex, Place, SegmentStat};
pub(crate) use self::past::CHUNK_BYTES;
pub use self::past::{Chunk, Missed, NotKept};
pub use self::reader::JournalReader;
pub use self::spans::BlockSpans;
pub use self::sync::SyncPolicy;
pub use self::writer::{JournalWriter, SEGMENT_BYTES_MAX};
