//! Reading a journal back: the longest valid prefix, or a refusal. Never a false record.

use core::ops::Range;
use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::Message;
use alphapulse_protocol::{ChainId, Epoch};

use super::segment::{self, Next, io_error};
use crate::error::JournalError;

/// Reads records in order. Holds one segment in memory.
#[derive(Debug)]
pub struct JournalReader {
    dir: PathBuf,
    segments: u32,
    index: u32,
    path: PathBuf,
    bytes: Vec<u8>,
    offset: usize,
    chain_id: ChainId,
    epoch: Epoch,
    torn_bytes: u64,
}

impl JournalReader {
    /// Opens the journal in `dir` at its first record.
    ///
    /// # Errors
    /// [`JournalError::Missing`] when there is none or not even its first record is whole, [`JournalError::Damaged`] when
    /// a segment is missing or does not start as it must, [`JournalError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref().to_owned();
        let segments = segment::count(&dir)?;
        if segments == 0 {
            return Err(JournalError::Missing(dir));
        }
        let mut reader = Self {
            path: segment::path(&dir, 0),
            dir,
            segments,
            index: 0,
            bytes: Vec::new(),
            offset: 0,
            chain_id: ChainId(0),
            epoch: Epoch(0),
            torn_bytes: 0,
        };
        match reader.load(0)? {
            Some((chain_id, epoch)) => {
                (reader.chain_id, reader.epoch) = (chain_id, epoch);
                Ok(reader)
            }
            None => Err(JournalError::Missing(reader.dir)),
        }
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
        let start = self.offset;
        let Some(message) = self.next_range()? else { return Ok(None) };
        let result = Message::decode(&self.bytes[message]);
        result.map(Some).map_err(|source| JournalError::Unreadable {
            segment: self.path.clone(),
            offset: start as u64,
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

    fn next_range(&mut self) -> Result<Option<Range<usize>>, JournalError> {
        loop {
            match segment::next(&self.path, &self.bytes, self.offset, self.is_last())? {
                Next::Record { message, end } => {
                    self.offset = end;
                    return Ok(Some(message));
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
        self.index + 1 == self.segments
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
