//! Reading a journal back: the longest valid prefix, or a refusal. Never a false record.

use core::ops::Range;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::Message;
use alphapulse_protocol::{ChainId, Epoch};

use super::checkpoint;
use super::index::Place;
use super::segment::{self, Next, damaged, io_error};
use crate::error::JournalError;

const NODE_WITHOUT_START: &str = "a node's record in a journal whose first segment is missing";

/// Reads records in order. Holds one segment in memory.
#[derive(Debug)]
pub struct JournalReader {
    dir: PathBuf,
    segments: Range<u32>,
    index: u32,
    path: PathBuf,
    bytes: Vec<u8>,
    offset: usize,
    /// Where the last record handed out starts.
    last_offset: usize,
    /// Whether the bytes are those of the checkpoint that comes before the segment.
    is_in_checkpoint: bool,
    chain_id: ChainId,
    epoch: Epoch,
    torn_bytes: u64,
}

impl JournalReader {
    /// Opens the journal in `dir` at its first record. It must begin with segment 0: that of a node, which holds its money's
    /// history, has no other beginning.
    ///
    /// # Errors
    /// [`JournalError::Missing`] when there is none or not even its first record is whole, [`JournalError::Damaged`] when
    /// a segment is missing or does not start as it must, [`JournalError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        Self::begin(dir, segment::range_from_start(dir)?, 0)
    }

    /// The same for a relay's feed, whose oldest segments may have been removed. What is left begins with the checkpoint of
    /// its first segment: those records are handed out first, though they lie in a file of their own.
    ///
    /// # Errors
    /// As [`Self::open`]; also [`JournalError::Damaged`] for a damaged checkpoint, and for the record of a node in a journal
    /// that does not begin with segment 0.
    pub fn open_feed(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let range = segment::range(dir)?;
        let first = range.start;
        let mut reader = Self::begin(dir, range, first)?;
        if first > 0 {
            reader.enter_checkpoint()?;
        }
        Ok(reader)
    }

    /// Opens a feed at the last segment that begins with a state and is not behind `segment`: from there a mirror can be
    /// built.
    ///
    /// # Errors
    /// As [`Self::open_feed`].
    pub fn open_feed_before(dir: impl AsRef<Path>, segment: u32) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let range = segment::range(dir)?;
        for index in (range.start + 1..range.end.min(segment.saturating_add(1))).rev() {
            let is_start =
                checkpoint::path(dir, index).exists() || segment::starts_with_snapshot(&segment::path(dir, index))?;
            let reader = is_start.then(|| {
                let mut reader = Self::begin(dir, range.clone(), index)?;
                reader.enter_checkpoint()?;
                Ok(reader)
            });
            match reader {
                // The records before it do as well as a checkpoint that cannot be used.
                None | Some(Err(JournalError::Damaged { .. } | JournalError::Missing(_))) => {}
                Some(reader) => return reader,
            }
        }
        Self::open_feed(dir)
    }

    /// Opens a journal at a record that [`JournalIndex`](super::JournalIndex) found.
    ///
    /// # Errors
    /// As [`Self::open_feed`]; [`JournalError::Damaged`] also for a place that the segment does not reach.
    pub fn open_at(dir: impl AsRef<Path>, place: Place) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let range = segment::range(dir)?;
        if !range.contains(&place.segment) {
            return Err(JournalError::Missing(segment::path(dir, place.segment)));
        }
        let mut reader = Self::begin(dir, range, place.segment)?;
        reader.offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
        if reader.offset > reader.bytes.len() {
            return Err(damaged(
                &reader.path,
                reader.bytes.len(),
                "the segment ends before the place that is asked for",
            ));
        }
        Ok(reader)
    }

    /// Opens a journal so that `records` records are still to come, or all of them where it holds less. Reads only the
    /// segments that hold them.
    ///
    /// # Errors
    /// As [`Self::open_feed`].
    pub fn open_tail(dir: impl AsRef<Path>, records: usize) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let range = segment::range(dir)?;
        let mut wanted = records;
        for index in range.clone().rev() {
            let reader = match Self::begin(dir, range.clone(), index) {
                // A last segment of which a crash left nothing whole.
                Err(JournalError::Missing(_)) if index > range.start => continue,
                reader => reader?,
            };
            let offsets = reader.last_offsets(wanted)?;
            let offset = offsets.front().copied().unwrap_or(reader.bytes.len()) as u64;
            if offsets.len() == wanted {
                return Self::open_at(dir, Place { segment: index, offset });
            }
            wanted -= offsets.len();
        }
        Self::open_feed(dir)
    }

    fn begin(dir: &Path, segments: Range<u32>, index: u32) -> Result<Self, JournalError> {
        let dir = dir.to_owned();
        if segments.is_empty() {
            return Err(JournalError::Missing(dir));
        }
        let mut reader = Self {
            path: segment::path(&dir, index),
            dir,
            segments,
            index,
            bytes: Vec::new(),
            offset: 0,
            last_offset: 0,
            is_in_checkpoint: false,
            chain_id: ChainId(0),
            epoch: Epoch(0),
            torn_bytes: 0,
        };
        match reader.load(index)? {
            Some((chain_id, epoch)) => {
                (reader.chain_id, reader.epoch) = (chain_id, epoch);
                Ok(reader)
            }
            None => Err(JournalError::Missing(reader.dir)),
        }
    }

    /// Puts the checkpoint of the segment at hand, if it has one, before it.
    fn enter_checkpoint(&mut self) -> Result<(), JournalError> {
        if let Some((bytes, snapshot)) = checkpoint::read(&self.dir, self.index)? {
            self.path = checkpoint::path(&self.dir, self.index);
            (self.bytes, self.offset, self.is_in_checkpoint) = (bytes, snapshot, true);
        }
        Ok(())
    }

    /// Where the last records of the segment start, at most `count` of them.
    fn last_offsets(&self, count: usize) -> Result<VecDeque<usize>, JournalError> {
        let (mut offset, mut offsets) = (self.offset, VecDeque::new());
        while let Next::Record { end, .. } = segment::next(&self.path, &self.bytes, offset, self.is_last())? {
            offsets.push_back(offset);
            if offsets.len() > count {
                offsets.pop_front();
            }
            offset = end;
        }
        Ok(offsets)
    }

    /// Chain the journal is of.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Stream identity of the writer of the segment last read from.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Bytes at the very end that a crash left without a whole record; known once [`Self::next_message`] gave `None`.
    #[must_use]
    pub const fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Next record, or `None` at the end. `SegmentBegin` records are handed out like any other.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] ends the reading. After [`JournalError::Unreadable`] the next call goes on behind it.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, JournalError> {
        let Some(message) = self.next_range()? else { return Ok(None) };
        let result = Message::decode(&self.bytes[message]);
        result.map(Some).map_err(|source| JournalError::Unreadable {
            segment: self.path.clone(),
            offset: self.last_offset as u64,
            source,
        })
    }

    /// Bytes of the next record, or `None` at the end; for readers that check or copy without decoding.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Io`].
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>, JournalError> {
        Ok(self.next_range()?.map(|message| &self.bytes[message]))
    }

    /// The same with the place of the record.
    pub(crate) fn next_placed(&mut self) -> Result<Option<(Place, &[u8])>, JournalError> {
        let Some(message) = self.next_range()? else { return Ok(None) };
        Ok(Some((self.last_place(), &self.bytes[message])))
    }

    /// Bytes of the next record, which stays the next one; `None` at the end.
    pub(super) fn peek_bytes(&mut self) -> Result<Option<&[u8]>, JournalError> {
        let Some(message) = self.next_range()? else { return Ok(None) };
        self.offset = self.last_offset;
        Ok(Some(&self.bytes[message]))
    }

    fn next_range(&mut self) -> Result<Option<Range<usize>>, JournalError> {
        loop {
            match segment::next(&self.path, &self.bytes, self.offset, self.is_last())? {
                Next::Record { message, end } => {
                    (self.last_offset, self.offset) = (self.offset, end);
                    if self.segments.start > 0 && segment::is_node_record(&self.bytes[message.clone()]) {
                        return Err(damaged(&self.path, self.last_offset, NODE_WITHOUT_START));
                    }
                    return Ok(Some(message));
                }
                Next::End if self.is_in_checkpoint => {
                    self.is_in_checkpoint = false;
                    self.load(self.index)?;
                }
                Next::End if self.is_last() => {
                    self.torn_bytes = (self.bytes.len() - self.offset) as u64;
                    return Ok(None);
                }
                Next::End => {
                    if let Some((chain_id, epoch)) = self.load(self.index + 1)? {
                        if chain_id != self.chain_id {
                            return Err(segment::damaged(&self.path, 0, format!("the segment is of chain {chain_id}")));
                        }
                        self.epoch = epoch;
                    }
                }
            }
        }
    }

    fn load(&mut self, index: u32) -> Result<Option<(ChainId, Epoch)>, JournalError> {
        self.path = segment::path(&self.dir, index);
        self.bytes = fs::read(&self.path).map_err(io_error(&self.path, "read"))?;
        (self.index, self.offset) = (index, 0);
        segment::read_begin(&self.path, &self.bytes, index, self.is_last())
    }

    const fn is_last(&self) -> bool {
        !self.is_in_checkpoint && self.index + 1 == self.segments.end
    }

    /// Where the last record handed out starts; a checkpoint counts as the start of its segment.
    #[must_use]
    pub const fn last_place(&self) -> Place {
        let offset = if self.is_in_checkpoint { 0 } else { self.last_offset as u64 };
        Place { segment: self.index, offset }
    }

    /// Offset in the current segment behind the last record read.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// Index of the current segment.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }
}
