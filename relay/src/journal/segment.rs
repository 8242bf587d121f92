//! Names of segments, and how far the bytes of one can be trusted.

use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, Split};
use alphapulse_protocol::header::{MessageHeader, SCHEMA_ID};
use alphapulse_protocol::message::{Message, SegmentBegin};
use alphapulse_protocol::{ChainId, Epoch};

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

/// Number of segments in `dir`, which must be numbered from 0 without a gap; 0 when the folder is empty or absent.
pub(super) fn count(dir: &Path) -> Result<u32, JournalError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
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
    for (index, expected) in indices.iter().zip(0..) {
        if *index != expected {
            return Err(damaged(&path(dir, expected), 0, "the segment is missing, later ones are there"));
        }
    }
    Ok(u32::try_from(indices.len()).expect("indices are distinct and 32 bits wide"))
}

/// Damage at a place.
pub(super) fn damaged(segment: &Path, offset: usize, reason: impl Into<String>) -> JournalError {
    JournalError::Damaged { segment: segment.to_owned(), offset: offset as u64, reason: reason.into() }
}

/// What stands at an offset of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole record: the range of its message, and where the next record starts.
    Record { message: core::ops::Range<usize>, end: usize },
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
