//! The state with which a segment begins, in a file beside it: what makes a segment of use whose beginning is gone.
//!
//! The file holds frames like a segment: a copy of the segment's own first record, which ties it to that segment, and a
//! snapshot.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use alphapulse_protocol::BlockNumber;
use alphapulse_protocol::frame::{self, Split};
use alphapulse_protocol::message::{SnapshotBegin, WireMessage};

use super::index::Landmark;
use super::segment::{self, damaged, io_error};
use crate::error::JournalError;

const EXTENSION: &str = "state";
/// Ending of a checkpoint that is not whole yet.
const EXTENSION_UNFINISHED: &str = "state.tmp";

/// Checkpoint of segment `index`.
pub(super) fn path(dir: &Path, index: u32) -> PathBuf {
    dir.join(format!("{index:08}.{EXTENSION}"))
}

pub(super) fn unfinished_path(dir: &Path, index: u32) -> PathBuf {
    dir.join(format!("{index:08}.{EXTENSION_UNFINISHED}"))
}

/// Writes the checkpoint of segment `index`: whole and on disk under its name, or not at all. `begin` is the segment's first
/// record as a message, `snapshot` the state as frames.
pub(super) fn write(dir: &Path, index: u32, begin: &[u8], snapshot: &[u8]) -> Result<(), JournalError> {
    let (path, unfinished) = (path(dir, index), unfinished_path(dir, index));
    let mut first = Vec::new();
    frame::write_bytes(&mut first, begin);
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&first)?;
        file.write_all(snapshot)?;
        file.sync_all()
    });
    written.map_err(io_error(&unfinished, "write"))?;
    fs::rename(&unfinished, &path).map_err(io_error(&path, "name the checkpoint"))?;
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(io_error(dir, "sync the folder"))
}

/// A checkpoint's bytes and where its snapshot starts in them; `None` when there is none.
///
/// # Errors
/// [`JournalError::Damaged`] when it is not whole or of another segment, [`JournalError::Io`].
pub(super) fn read(dir: &Path, index: u32) -> Result<Option<(Vec<u8>, usize)>, JournalError> {
    let path = path(dir, index);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(&path, "read")(error)),
    };
    let start = check(&path, &bytes)?;
    let segment_path = segment::path(dir, index);
    let mut of_segment = Vec::new();
    let read = File::open(&segment_path).and_then(|file| file.take(start as u64).read_to_end(&mut of_segment));
    read.map_err(io_error(&segment_path, "read"))?;
    if of_segment != bytes[..start] {
        return Err(damaged(&path, 0, "the checkpoint is of another segment"));
    }
    Ok(Some((bytes, start)))
}

/// Block of a checkpoint that can be used.
pub(super) fn block(dir: &Path, index: u32) -> Option<BlockNumber> {
    let (bytes, start) = read(dir, index).ok()??;
    snapshot_block(&bytes[start..])
}

/// Block of a snapshot that is given as frames.
pub(super) fn snapshot_block(frames: &[u8]) -> Option<BlockNumber> {
    let Ok(Split::Whole { message, .. }) = frame::split(frames) else { return None };
    match Landmark::of(message)? {
        Landmark::Snapshot { block, .. } => Some(block),
        _ => None,
    }
}

/// Checks that whole frames are all there is, and a whole snapshot behind the first. Gives the place of the snapshot.
fn check(path: &Path, bytes: &[u8]) -> Result<usize, JournalError> {
    let (mut offset, mut snapshot, mut last_template) = (0, None, 0);
    while offset < bytes.len() {
        let (message, frame_bytes) = match frame::split(&bytes[offset..]) {
            Ok(Split::Whole { message, frame_bytes }) => (message, frame_bytes),
            Ok(Split::Incomplete { .. }) => return Err(damaged(path, offset, "the checkpoint is cut short")),
            Err(error) => return Err(damaged(path, offset, error.to_string())),
        };
        if offset > 0 && snapshot.is_none() {
            snapshot = (segment::template_id(message) == SnapshotBegin::TEMPLATE_ID).then_some(offset);
            if snapshot.is_none() {
                break;
            }
        }
        last_template = segment::template_id(message);
        offset += frame_bytes;
    }
    match snapshot {
        Some(start) if last_template == segment::SNAPSHOT_END => Ok(start),
        _ => Err(damaged(path, offset, "the checkpoint holds no whole snapshot")),
    }
}
