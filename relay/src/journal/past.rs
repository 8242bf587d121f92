//! What a reader missed, read back from the journal while the relay goes on writing it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, MESSAGE_BYTES_MAX, Split};
use alphapulse_protocol::{BlockNumber, Epoch, Position, Sequence};
use bytes::Bytes;

use super::index::{Landmark, Mark, Place, SegmentIndex};
use super::segment::{self, damaged, io_error};
use crate::error::JournalError;

/// Bytes read at a time: the largest frame fits, and so does what a subscriber's connection takes in a few writes.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;
const _: () = assert!(CHUNK_BYTES > FRAME_HEADER_BYTES + MESSAGE_BYTES_MAX);

/// Why the journal cannot give what a reader missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// The reader's place is in another epoch.
    Epoch,
    /// Nobody was given these messages yet.
    Unwritten,
    /// The segments that held them were removed.
    Removed,
    /// They go back below the reader's first block.
    Reorg,
}

/// Where the messages of the present epoch lie. In memory: the writer itself made them.
#[derive(Debug)]
pub(super) struct Past {
    epoch: Epoch,
    marks: Vec<(u32, Mark)>,
    /// Reorgs of the epoch, with the block that each goes back to.
    reorgs: Vec<(Sequence, BlockNumber)>,
    /// Last live message appended, and the last that is with the system.
    appended: Sequence,
    flushed: Sequence,
    /// The present segment, to take its marks as every reader would.
    segment: (u32, SegmentIndex),
    is_in_snapshot: bool,
}

impl Past {
    pub(super) const fn new() -> Self {
        Self {
            epoch: Epoch(0),
            marks: Vec::new(),
            reorgs: Vec::new(),
            appended: Sequence(0),
            flushed: Sequence(0),
            segment: (0, SegmentIndex::new()),
            is_in_snapshot: false,
        }
    }

    /// Notes a message that is appended to `segment` at `offset`.
    pub(super) fn note(&mut self, segment: u32, offset: u64, message: &[u8]) {
        if self.segment.0 != segment || self.segment.1.bytes == 0 {
            self.segment = (segment, SegmentIndex::new());
        }
        match Landmark::of(message) {
            Some(Landmark::Snapshot { at, .. }) => {
                (self.marks, self.reorgs) = (Vec::new(), Vec::new());
                (self.epoch, self.appended, self.flushed) = (at.epoch, at.sequence, at.sequence);
                self.is_in_snapshot = true;
            }
            Some(Landmark::Reorg { sequence, ancestor }) => self.reorgs.push((sequence, ancestor)),
            _ => {}
        }
        if !self.is_in_snapshot {
            self.appended = segment::sequence(message);
        }
        self.is_in_snapshot &= !segment::is_snapshot_end(message);
        // The segment began before the first note of it.
        self.segment.1.bytes = offset;
        if let Some(mark) = self.segment.1.note(message) {
            let before = Position { epoch: self.epoch, sequence: mark.before.sequence };
            self.marks.push((segment, Mark { before, ..mark }));
        }
    }

    /// Everything noted is with the system.
    pub(super) const fn flushed(&mut self) {
        self.flushed = self.appended;
    }

    /// Segment `index` and all before it are gone.
    pub(super) fn forget(&mut self, index: u32) {
        self.marks.retain(|(segment, _)| *segment > index);
    }

    pub(super) fn behind(
        &self,
        dir: &Path,
        seen: Position,
        last: Sequence,
        base: BlockNumber,
    ) -> Result<Missed, NotKept> {
        if seen.epoch != self.epoch {
            return Err(NotKept::Epoch);
        }
        // The number comes from the reader, who may say what he likes.
        if last > self.flushed || seen.sequence > last {
            return Err(NotKept::Unwritten);
        }
        let is_missed = |sequence: Sequence| seen.sequence < sequence && sequence <= last;
        if self.reorgs.iter().any(|(sequence, ancestor)| is_missed(*sequence) && *ancestor < base) {
            return Err(NotKept::Reorg);
        }
        let reaches = |(_, mark): &&(u32, Mark)| mark.before.sequence <= seen.sequence;
        let (segment, mark) = self.marks.iter().rev().find(reaches).ok_or(NotKept::Removed)?;
        let place = Place { segment: *segment, offset: mark.offset };
        Ok(Missed {
            dir: dir.to_owned(),
            epoch: seen.epoch,
            due: Sequence(seen.sequence.0 + 1),
            last,
            place,
            file: None,
            buffer: Vec::new(),
            is_in_snapshot: false,
        })
    }
}

/// Some of the messages that a reader missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Frames back to back, as they lie on the wire.
    pub frames: Bytes,
    /// Number of the last of them.
    pub last: Sequence,
}

/// The messages that a reader missed. Holds no lock: it reads only what was with the system when it was made, which the
/// writer does not touch again. A segment that is removed meanwhile makes it fail; then a snapshot helps.
#[derive(Debug)]
pub struct Missed {
    dir: PathBuf,
    epoch: Epoch,
    due: Sequence,
    last: Sequence,
    /// Where the next frame to look at starts.
    place: Place,
    file: Option<File>,
    buffer: Vec<u8>,
    is_in_snapshot: bool,
}

impl Missed {
    /// Number of the next message.
    #[must_use]
    pub const fn first(&self) -> Sequence {
        self.due
    }

    /// Number of the last message.
    #[must_use]
    pub const fn last(&self) -> Sequence {
        self.last
    }

    /// Next messages, at most about 128 KiB of them; `None` once all were given. Reads files, so it may block.
    ///
    /// # Errors
    /// [`JournalError::Io`], also when the segment was removed meanwhile, and [`JournalError::Damaged`]. What was given
    /// before is right all the same.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, JournalError> {
        while self.due <= self.last {
            let read = self.fill()?;
            let mut frames = Vec::with_capacity(read);
            let taken = self.take(&mut frames)?;
            if taken == 0 {
                self.enter_next_segment()?;
            }
            // Between two chunks nothing is held but the place.
            self.buffer = Vec::new();
            self.place.offset += taken as u64;
            if !frames.is_empty() {
                frames.shrink_to_fit();
                return Ok(Some(Chunk { frames: frames.into(), last: Sequence(self.due.0 - 1) }));
            }
        }
        Ok(None)
    }

    /// Reads what lies at the present place; gives the number of bytes.
    fn fill(&mut self) -> Result<usize, JournalError> {
        let path = segment::path(&self.dir, self.place.segment);
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&path).map_err(io_error(&path, "read"))?,
        };
        self.buffer.resize(CHUNK_BYTES, 0);
        let mut length = 0;
        while length < CHUNK_BYTES {
            match file.read_at(&mut self.buffer[length..], self.place.offset + length as u64) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(&path, "read")(error)),
            }
        }
        self.buffer.truncate(length);
        self.file = Some(file);
        Ok(length)
    }

    /// Puts the due messages of the buffer into `frames`; gives the bytes of the frames that were looked at.
    fn take(&mut self, frames: &mut Vec<u8>) -> Result<usize, JournalError> {
        let buffer = core::mem::take(&mut self.buffer);
        let mut taken = 0;
        while self.due <= self.last {
            match frame::split(&buffer[taken..]) {
                Ok(Split::Whole { message, frame_bytes }) => {
                    if self.is_due(message, taken)? {
                        frames.extend_from_slice(&buffer[taken..taken + frame_bytes]);
                        self.due = Sequence(self.due.0 + 1);
                    }
                    taken += frame_bytes;
                }
                Ok(Split::Incomplete { .. }) => break,
                Err(error) => return Err(self.damaged(taken, error.to_string())),
            }
        }
        self.buffer = buffer;
        Ok(taken)
    }

    fn is_due(&mut self, message: &[u8], at: usize) -> Result<bool, JournalError> {
        if let Some(Landmark::Snapshot { at: start, .. }) = Landmark::of(message) {
            if start.epoch != self.epoch {
                return Err(self.damaged(at, "another epoch begins before the message that is due"));
            }
            self.is_in_snapshot = true;
        }
        let is_live = segment::is_market(message) && !self.is_in_snapshot;
        self.is_in_snapshot &= !segment::is_snapshot_end(message);
        let sequence = segment::sequence(message);
        if is_live && sequence > self.due {
            return Err(self.damaged(at, format!("message {} is due, {} stands there", self.due.0, sequence.0)));
        }
        Ok(is_live && sequence == self.due)
    }

    fn enter_next_segment(&mut self) -> Result<(), JournalError> {
        if !self.buffer.is_empty() {
            return Err(self.damaged(0, "the record is cut short"));
        }
        let segment = self.place.segment.checked_add(1).ok_or_else(|| self.damaged(0, "no segment can follow"))?;
        (self.place, self.file) = (Place { segment, offset: 0 }, None);
        Ok(())
    }

    fn damaged(&self, at: usize, reason: impl Into<String>) -> JournalError {
        let offset = usize::try_from(self.place.offset).unwrap_or(usize::MAX).saturating_add(at);
        damaged(&segment::path(&self.dir, self.place.segment), offset, reason)
    }
}
