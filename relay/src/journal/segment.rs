//! Names of segments, and how far the bytes of one can be trusted.

use core::ops::Range;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, Split};
use alphapulse_protocol::header::{MessageHeader, SCHEMA_ID};
use alphapulse_protocol::message::{BlockEnd, Gap, Message, SegmentBegin, SnapshotBegin, SnapshotEnd, WireMessage};
use alphapulse_protocol::{ChainId, Epoch, Sequence, UnixNanos};

use crate::error::JournalError;

/// Ending of a segment's file name.
const EXTENSION: &str = "apj";

/// File of segment `index`.
pub(super) fn path(dir: &Path, index: u32) -> PathBuf {
    dir.join(format!("{index:08}.{EXTENSION}"))
}

/// An I/O failure, with its place.
pub(super) fn io_error(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { path, action, source }
}

/// Numbers of the segments in `dir`, which must follow one another without a gap; empty when the folder is empty or absent.
pub(super) fn range(dir: &Path) -> Result<Range<u32>, JournalError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0..0),
        Err(error) => return Err(io_error(dir, "list the folder")(error)),
    };
    let mut indices = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error(dir, "list the folder"))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let index = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u32>().ok());
            indices.push(index.ok_or_else(|| damaged(&path, 0, "the file name is not a segment number"))?);
        }
    }
    indices.sort_unstable();
    let first = indices.first().copied().unwrap_or(0);
    let mut end = first;
    for index in indices {
        if index != end {
            return Err(missing(dir, end));
        }
        end = end.checked_add(1).ok_or_else(|| damaged(&path(dir, index), 0, "no segment can follow it"))?;
    }
    Ok(first..end)
}

/// The same of a journal whose beginning nobody may remove.
pub(super) fn range_from_start(dir: &Path) -> Result<Range<u32>, JournalError> {
    let range = range(dir)?;
    if range.start > 0 { Err(missing(dir, 0)) } else { Ok(range) }
}

fn missing(dir: &Path, index: u32) -> JournalError {
    damaged(&path(dir, index), 0, "the segment is missing, later ones are there")
}

/// Template that a message states; 0, which is none, when it is too short to state one.
pub(super) fn template_id(message: &[u8]) -> u16 {
    const AT: usize = core::mem::offset_of!(MessageHeader, template_id);
    message.get(AT..AT + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// Place in the stream that a message states; 0 when it is too short to state one.
pub(super) fn sequence(message: &[u8]) -> Sequence {
    const AT: usize = core::mem::offset_of!(MessageHeader, sequence);
    Sequence(message.get(AT..AT + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes))
}

/// Time that a message states; 0 when it is too short to state one.
pub(super) fn event_ns(message: &[u8]) -> UnixNanos {
    const AT: usize = core::mem::offset_of!(MessageHeader, event_ns);
    UnixNanos(message.get(AT..AT + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes))
}

/// Whether a message belongs to the market's stream.
pub(super) fn is_market(message: &[u8]) -> bool {
    (16..=47).contains(&template_id(message))
}

/// Template of a snapshot's last message.
pub(super) const SNAPSHOT_END: u16 = SnapshotEnd::TEMPLATE_ID;

/// Whether a message is a snapshot's last.
pub(super) fn is_snapshot_end(message: &[u8]) -> bool {
    template_id(message) == SNAPSHOT_END
}

/// Whether a message is a block's last.
pub(super) fn is_block_end(message: &[u8]) -> bool {
    template_id(message) == BlockEnd::TEMPLATE_ID
}

/// Whether a message tells of a gap, as a node's journal may.
pub(super) fn is_gap(message: &[u8]) -> bool {
    template_id(message) == Gap::TEMPLATE_ID
}

/// Whether a record is a node's own: of its money, its nonces, its decisions. `SegmentBegin` is everyone's.
pub(super) fn is_node_record(message: &[u8]) -> bool {
    (48..=79).contains(&template_id(message)) && template_id(message) != SegmentBegin::TEMPLATE_ID
}

/// Whether a reader can start at the segment as it is, because the first that it holds is a snapshot.
pub(super) fn starts_with_snapshot(path: &Path) -> Result<bool, JournalError> {
    let mut bytes = Vec::new();
    // Both frames together take a third of it.
    let read = fs::File::open(path).and_then(|file| file.take(1024).read_to_end(&mut bytes));
    read.map_err(io_error(path, "read"))?;
    let Ok(Split::Whole { frame_bytes, .. }) = frame::split(&bytes) else { return Ok(false) };
    let second = frame::split(&bytes[frame_bytes..]);
    Ok(matches!(second, Ok(Split::Whole { message, .. }) if template_id(message) == SnapshotBegin::TEMPLATE_ID))
}

/// Damage at a place.
pub(super) fn damaged(segment: &Path, offset: usize, reason: impl Into<String>) -> JournalError {
    JournalError::Damaged { segment: segment.to_owned(), offset: offset as u64, reason: reason.into() }
}

/// What stands at an offset of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole record: the range of its message, and where the next record starts.
    Record { message: Range<usize>, end: usize },
    /// No whole record, and none after it.
    End,
}

/// Looks at `offset`. `is_last` says whether a torn end is allowed.
pub(super) fn next(segment: &Path, bytes: &[u8], offset: usize, is_last: bool) -> Result<Next, JournalError> {
    let rest = &bytes[offset..];
    let reason = match frame::split(rest) {
        Ok(Split::Whole { frame_bytes, .. }) => {
            let end = offset + frame_bytes;
            return Ok(Next::Record { message: offset + FRAME_HEADER_BYTES..end, end });
        }
        Ok(Split::Incomplete { .. }) if rest.is_empty() => return Ok(Next::End),
        Ok(Split::Incomplete { .. }) => "the record is cut short".to_owned(),
        Err(error) => error.to_string(),
    };
    if !is_last {
        return Err(damaged(segment, offset, format!("{reason}, and the segment is not the last one")));
    }
    match find_record(rest) {
        Some(distance) => {
            let later = offset + distance;
            Err(damaged(segment, offset, format!("{reason}, and a whole record follows at byte {later}")))
        }
        None => Ok(Next::End),
    }
}

/// Distance to the first whole record that starts after the first byte. A crash tears only the end, so a whole record
/// behind an unreadable one means that the unreadable one is damage.
fn find_record(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find(|&start| is_record(&bytes[start..]))
}

fn is_record(bytes: &[u8]) -> bool {
    // The schema id is looked at first: it spares a checksum over up to 64 KiB at nearly every offset.
    const SCHEMA_AT: usize = FRAME_HEADER_BYTES + core::mem::offset_of!(MessageHeader, schema_id);
    let has_schema = bytes.get(SCHEMA_AT..SCHEMA_AT + 2).is_some_and(|id| id == SCHEMA_ID.to_le_bytes());
    has_schema && matches!(frame::split(bytes), Ok(Split::Whole { .. }))
}

/// Reads the first record of a segment, which says what it belongs to. `None` when not even that is whole.
pub(super) fn read_begin(
    segment: &Path,
    bytes: &[u8],
    index: u32,
    is_last: bool,
) -> Result<Option<(ChainId, Epoch)>, JournalError> {
    let Next::Record { message, .. } = next(segment, bytes, 0, is_last)? else {
        return if is_last { Ok(None) } else { Err(damaged(segment, 0, "the segment is empty")) };
    };
    let begin = decode_begin(&bytes[message]).map_err(|error| damaged(segment, 0, error.to_string()))?;
    match begin {
        Some(begin) if begin.segment_index.get() == index => {
            Ok(Some((ChainId(begin.chain_id.get()), Epoch(begin.epoch.get()))))
        }
        Some(begin) => Err(damaged(segment, 0, format!("the segment says that it is number {}", begin.segment_index))),
        None => Err(damaged(segment, 0, "the segment does not start with SegmentBegin")),
    }
}

fn decode_begin(message: &[u8]) -> Result<Option<&SegmentBegin>, DecodeError> {
    Ok(match Message::decode(message)? {
        Message::SegmentBegin(begin) => Some(begin),
        _ => None,
    })
}
