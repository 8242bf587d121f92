//! Where in a journal a message or a block lies: a mark about every 64 KiB of records.
//!
//! Marks are taken from the records of their segment alone, so that whoever reads it finds the same ones. Those of a closed
//! segment lie in a file beside it, which is only a hint: without it, or where it disagrees, the segment itself is read.

use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, Split};
use alphapulse_protocol::message::{Block, Message, Reorg, SegmentBegin, SnapshotBegin, WireMessage};
use alphapulse_protocol::{BlockNumber, Epoch, Position, Sequence};

use super::segment::{self, Next, io_error};
use crate::error::JournalError;

/// Bytes of records that a mark stands for, about: reading so much takes well below a millisecond.
const MARK_EVERY: u64 = 64 * 1024;
/// First bytes of an index file.
const MAGIC: &[u8; 8] = b"APINDEX1";
const HEAD_BYTES: usize = 48;
const MARK_BYTES: usize = 32;
const EXTENSION: &str = "idx";

/// Index file of segment `index`.
pub(super) fn path(dir: &Path, index: u32) -> PathBuf {
    dir.join(format!("{index:08}.{EXTENSION}"))
}

/// A record by which a reader finds its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landmark {
    Segment(Epoch),
    Snapshot { at: Position, block: BlockNumber },
    Block { sequence: Sequence, block: BlockNumber },
    Reorg { sequence: Sequence, ancestor: BlockNumber },
}

impl Landmark {
    /// Looks at a message; `None` for the many that are no landmarks.
    pub(super) fn of(message: &[u8]) -> Option<Self> {
        let template_id = segment::template_id(message);
        let is_landmark =
            [SegmentBegin::TEMPLATE_ID, SnapshotBegin::TEMPLATE_ID, Block::TEMPLATE_ID, Reorg::TEMPLATE_ID]
                .contains(&template_id);
        if !is_landmark {
            return None;
        }
        match Message::decode(message).ok()? {
            Message::SegmentBegin(begin) => Some(Self::Segment(Epoch(begin.epoch.get()))),
            Message::SnapshotBegin(begin) => Some(Self::Snapshot {
                at: Position { epoch: Epoch(begin.epoch.get()), sequence: begin.header.sequence() },
                block: begin.context.block().number,
            }),
            Message::Block(block) => {
                Some(Self::Block { sequence: block.header.sequence(), block: block.context.block().number })
            }
            Message::Reorg(reorg) => {
                Some(Self::Reorg { sequence: reorg.header.sequence(), ancestor: reorg.ancestor().number })
            }
            _ => None,
        }
    }
}

/// A record that a reader may begin at: a `Block` or a `SnapshotBegin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where its frame starts in the segment.
    pub(super) offset: u64,
    /// Last live message before it: those after it stand at the mark or behind.
    pub(super) before: Position,
    /// Block that it names.
    pub(super) block: BlockNumber,
}

/// What is known of one segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    /// Bytes of the segment that the marks are of.
    pub(super) bytes: u64,
    pub(super) records: u64,
    /// Lowest and highest block named by a `Block` or a `SnapshotBegin`.
    pub(super) blocks: Option<(BlockNumber, BlockNumber)>,
    pub(super) marks: Vec<Mark>,
    epoch: Epoch,
}

impl SegmentIndex {
    pub(super) const fn new() -> Self {
        Self { bytes: 0, records: 0, blocks: None, marks: Vec::new(), epoch: Epoch(0) }
    }

    /// Notes the segment's next record. Gives the mark that it became, if it did.
    pub(super) fn note(&mut self, message: &[u8]) -> Option<Mark> {
        let offset = self.bytes;
        self.bytes += (FRAME_HEADER_BYTES + message.len()) as u64;
        self.records += 1;
        let (before, block, is_due) = match Landmark::of(message)? {
            Landmark::Segment(epoch) => {
                self.epoch = epoch;
                return None;
            }
            Landmark::Reorg { .. } => return None,
            Landmark::Snapshot { at, block } => {
                self.epoch = at.epoch;
                (at, block, true)
            }
            Landmark::Block { sequence, block } => {
                let sequence = Sequence(sequence.0.saturating_sub(1));
                let is_due = self.marks.last().is_none_or(|last| offset - last.offset >= MARK_EVERY);
                (Position { epoch: self.epoch, sequence }, block, is_due)
            }
        };
        let (low, high) = self.blocks.unwrap_or((block, block));
        self.blocks = Some((low.min(block), high.max(block)));
        let mark = Mark { offset, before, block };
        is_due.then(|| self.marks.push(mark)).map(|()| mark)
    }

    /// The same from the records themselves.
    fn of_bytes(path: &Path, bytes: &[u8], is_last: bool) -> Result<Self, JournalError> {
        let mut index = Self::new();
        let mut offset = 0;
        while let Next::Record { message, end } = segment::next(path, bytes, offset, is_last)? {
            index.note(&bytes[message]);
            offset = end;
        }
        Ok(index)
    }

    /// From the file beside the segment, if that fits it; else from the segment.
    pub(super) fn load(dir: &Path, index: u32, is_last: bool) -> Result<Self, JournalError> {
        let segment_path = segment::path(dir, index);
        let length = fs::metadata(&segment_path).map_err(io_error(&segment_path, "read"))?.len();
        match fs::read(path(dir, index)).ok().and_then(|bytes| Self::decode(&bytes)) {
            Some(hint) if hint.bytes == length => Ok(hint),
            _ => Self::read(dir, index, is_last),
        }
    }

    /// From the segment.
    fn read(dir: &Path, index: u32, is_last: bool) -> Result<Self, JournalError> {
        let path = segment::path(dir, index);
        let bytes = fs::read(&path).map_err(io_error(&path, "read"))?;
        Self::of_bytes(&path, &bytes, is_last)
    }

    /// Writes the file beside the segment. It is not synced: one that a crash tears does not fit its checksum.
    pub(super) fn store(&self, dir: &Path, index: u32) -> Result<(), JournalError> {
        let path = path(dir, index);
        fs::write(&path, self.encode()).map_err(io_error(&path, "write"))
    }

    /// Writes the file where it is missing or does not fit, as after a crash.
    pub(super) fn mend(dir: &Path, index: u32) -> Result<(), JournalError> {
        let is_there = fs::read(path(dir, index)).ok().and_then(|bytes| Self::decode(&bytes));
        let segment_path = segment::path(dir, index);
        let length = fs::metadata(&segment_path).map_err(io_error(&segment_path, "read"))?.len();
        if is_there.is_some_and(|hint| hint.bytes == length) {
            return Ok(());
        }
        Self::read(dir, index, false)?.store(dir, index)
    }

    fn encode(&self) -> Vec<u8> {
        // An empty range says that no block is named.
        let (low, high) = self.blocks.unwrap_or((BlockNumber(1), BlockNumber(0)));
        let head = [self.bytes, self.records, low.0, high.0, self.marks.len() as u64];
        let marks = self.marks.iter().flat_map(|mark| {
            [mark.offset, mark.before.epoch.0, mark.before.sequence.0, mark.block.0].map(u64::to_le_bytes)
        });
        let mut bytes = MAGIC.to_vec();
        head.map(u64::to_le_bytes).into_iter().chain(marks).for_each(|number| bytes.extend_from_slice(&number));
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// `None` for anything but what [`Self::encode`] made.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let numbers = bytes.strip_prefix(MAGIC)?;
        if bytes.len() < HEAD_BYTES || !(bytes.len() - HEAD_BYTES).is_multiple_of(MARK_BYTES) {
            return None;
        }
        let (numbers, _) = numbers.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
        let [bytes, records, low, high, count] = *numbers.first_chunk()?;
        let (marks, _) = numbers[5..].as_chunks::<4>();
        let marks: Vec<Mark> = marks
            .iter()
            .map(|&[offset, epoch, sequence, block]| Mark {
                offset,
                before: Position { epoch: Epoch(epoch), sequence: Sequence(sequence) },
                block: BlockNumber(block),
            })
            .collect();
        let blocks = (low <= high).then_some((BlockNumber(low), BlockNumber(high)));
        let is_right = marks.len() as u64 == count && marks.iter().all(|mark| mark.offset < bytes);
        is_right.then_some(Self { bytes, records, blocks, marks, epoch: Epoch(0) })
    }
}

impl Mark {
    /// Whether the record at the mark is what the mark says.
    fn agrees(&self, bytes: &[u8]) -> bool {
        let start = usize::try_from(self.offset).ok();
        let Some(Ok(Split::Whole { message, .. })) = start.and_then(|start| bytes.get(start..)).map(frame::split)
        else {
            return false;
        };
        match Landmark::of(message) {
            Some(Landmark::Snapshot { at, block }) => (at, block) == (self.before, self.block),
            Some(Landmark::Block { sequence, block }) => {
                sequence.0.checked_sub(1) == Some(self.before.sequence.0) && block == self.block
            }
            _ => false,
        }
    }
}

/// Where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of its segment.
    pub segment: u32,
    /// Byte of the segment at which its frame starts.
    pub offset: u64,
}

/// What is known of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentStat {
    /// Number of the segment.
    pub segment: u32,
    /// Bytes of its whole records.
    pub bytes: u64,
    /// Whole records.
    pub records: u64,
    /// Lowest and highest block that it tells of, if of any.
    pub blocks: Option<(BlockNumber, BlockNumber)>,
    /// Whether a state to start it from lies beside it.
    pub has_checkpoint: bool,
}

/// Finds places in a journal without reading all of it.
#[derive(Debug)]
pub struct JournalIndex {
    dir: PathBuf,
    first: u32,
    segments: Vec<SegmentIndex>,
}

impl JournalIndex {
    /// Takes the marks of every segment, from the files beside them where those fit.
    ///
    /// # Errors
    /// [`JournalError::Missing`], [`JournalError::Damaged`] where a segment without a fitting file is, [`JournalError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref().to_owned();
        let range = segment::range(&dir)?;
        if range.is_empty() {
            return Err(JournalError::Missing(dir));
        }
        let last = range.end - 1;
        let segments: Result<_, _> =
            range.clone().map(|index| SegmentIndex::load(&dir, index, index == last)).collect();
        Ok(Self { segments: segments?, first: range.start, dir })
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = SegmentStat> + '_ {
        self.segments.iter().zip(self.first..).map(|(known, segment)| SegmentStat {
            segment,
            bytes: known.bytes,
            records: known.records,
            blocks: known.blocks,
            has_checkpoint: super::checkpoint::path(&self.dir, segment).exists(),
        })
    }

    /// Place of the first live message behind `seen`; `None` when the journal does not hold it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Io`].
    pub fn behind(&self, seen: Position) -> Result<Option<Place>, JournalError> {
        let reaches = |mark: &Mark| mark.before.epoch == seen.epoch && mark.before.sequence <= seen.sequence;
        let Some(start) = self.last_mark(reaches)? else { return Ok(None) };
        let Some(due) = seen.sequence.0.checked_add(1) else { return Ok(None) };
        let (mut epoch, mut is_in_snapshot) = (seen.epoch, false);
        self.find(start, |message| {
            if let Some(Landmark::Snapshot { at, .. }) = Landmark::of(message) {
                (epoch, is_in_snapshot) = (at.epoch, true);
            }
            let is_live = segment::is_market(message) && !is_in_snapshot;
            is_in_snapshot &= !segment::is_snapshot_end(message);
            is_live && epoch == seen.epoch && segment::sequence(message).0 == due
        })
    }

    /// Place of the last `Block` or `SnapshotBegin` that names block `number`; `None` when there is none.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Io`].
    pub fn block(&self, number: BlockNumber) -> Result<Option<Place>, JournalError> {
        let names = |message: &[u8]| match Landmark::of(message) {
            Some(Landmark::Snapshot { block, .. } | Landmark::Block { block, .. }) => block == number,
            _ => false,
        };
        for (known, segment) in self.segments.iter().zip(self.first..self.end()).rev() {
            if known.blocks.is_none_or(|(low, high)| !(low..=high).contains(&number)) {
                continue;
            }
            let found = last_record(&self.dir, segment, segment + 1 == self.end(), names)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Reads every checkpoint with its checksums; gives their number.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] for the first that is not whole or not of its segment, [`JournalError::Io`].
    pub fn check_checkpoints(&self) -> Result<u32, JournalError> {
        let mut count = 0;
        for segment in self.first..self.end() {
            count += u32::from(super::checkpoint::read(&self.dir, segment)?.is_some());
        }
        Ok(count)
    }

    fn end(&self) -> u32 {
        self.first + u32::try_from(self.segments.len()).expect("segments are numbered with 32 bits")
    }

    /// The last mark that `wanted` takes, held against its segment.
    fn last_mark(&self, wanted: impl Fn(&Mark) -> bool) -> Result<Option<Place>, JournalError> {
        for (known, segment) in self.segments.iter().zip(self.first..self.end()).rev() {
            let Some(mark) = known.marks.iter().rev().find(|mark| wanted(mark)) else { continue };
            let path = segment::path(&self.dir, segment);
            let bytes = fs::read(&path).map_err(io_error(&path, "read"))?;
            if mark.agrees(&bytes) {
                return Ok(Some(Place { segment, offset: mark.offset }));
            }
            let right = SegmentIndex::of_bytes(&path, &bytes, segment + 1 == self.end())?;
            if let Some(mark) = right.marks.iter().rev().find(|mark| wanted(mark)) {
                return Ok(Some(Place { segment, offset: mark.offset }));
            }
        }
        Ok(None)
    }

    fn find(&self, from: Place, mut is_wanted: impl FnMut(&[u8]) -> bool) -> Result<Option<Place>, JournalError> {
        let mut reader = super::JournalReader::open_at(&self.dir, from)?;
        loop {
            let Some(message) = reader.next_bytes()? else { return Ok(None) };
            if is_wanted(message) {
                return Ok(Some(reader.last_place()));
            }
        }
    }
}

/// The last record of a segment that `is_wanted`.
fn last_record(
    dir: &Path,
    segment: u32,
    is_last: bool,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<Option<Place>, JournalError> {
    let path = segment::path(dir, segment);
    let bytes = fs::read(&path).map_err(io_error(&path, "read"))?;
    let (mut offset, mut found) = (0, None);
    while let Next::Record { message, end } = segment::next(&path, &bytes, offset, is_last)? {
        if is_wanted(&bytes[message]) {
            found = Some(Place { segment, offset: offset as u64 });
        }
        offset = end;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn index() -> SegmentIndex {
        let mark = |offset, sequence| Mark {
            offset,
            before: Position { epoch: Epoch(3), sequence: Sequence(sequence) },
            block: BlockNumber(sequence + 100),
        };
        SegmentIndex {
            bytes: 500,
            records: 9,
            blocks: Some((BlockNumber(100), BlockNumber(107))),
            marks: vec![mark(56, 0), mark(400, 7)],
            epoch: Epoch(0),
        }
    }

    #[test]
    fn an_index_file_is_read_back_and_one_that_differs_in_a_bit_or_a_byte_is_not() {
        let bytes = index().encode();
        assert_eq!(SegmentIndex::decode(&bytes), Some(index()));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentIndex::decode(&bytes), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(SegmentIndex::decode(&bytes[..length]), None, "cut at {length}");
        }
    }
}
