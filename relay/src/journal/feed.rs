//! A relay's journal: its stream, event by event, with the state beside each segment that makes the older ones dispensable.
//!
//! Only this writer can remove segments, and it refuses a folder that holds a record of a node: a node's journal is the
//! history of its money and is written with [`JournalWriter`], which removes nothing.

use core::time::Duration;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::frame::{self, Split};
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::REORG_DEPTH_MAX;
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch, Position, Sequence};
use bytes::Bytes;

use super::ages::Ages;
use super::index::SegmentIndex;
use super::newest::Newest;
use super::past::{Missed, NotKept, Past};
use super::segment::{self, io_error};
use super::starts::Starts;
use super::sync::{SyncPolicy, Syncer};
use super::writer::{Ended, JournalWriter, SEGMENT_BYTES_MAX, remove_if_there, sync_dir};
use super::{checkpoint, index};
use crate::clock::now;
use crate::error::JournalError;
use crate::observe::JournalStatus;

/// Free space below which a feed is not begun: the segment that is written and the one after it.
const RESERVE_BYTES: u64 = 2 * SEGMENT_BYTES_MAX;

/// How a feed is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedOptions {
    /// When records are put on disk.
    pub sync: SyncPolicy,
    /// The oldest segments are removed while all files together take more; `None` keeps all.
    pub bytes_max: Option<u64>,
    /// Segments are removed when their last event lies longer before the newest one; `None` keeps all.
    pub age_max: Option<Duration>,
    /// Size at which a segment is closed, after the event that reaches it.
    pub segment_bytes_max: u64,
    /// Blocks that can be taken back: what is left begins with a state below them.
    pub reorg_depth_max: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            sync: SyncPolicy::Segment,
            bytes_max: None,
            age_max: None,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            reorg_depth_max: REORG_DEPTH_MAX,
        }
    }
}

/// A segment that is not written any more.
#[derive(Debug)]
struct Closed {
    /// All of its files.
    bytes: u64,
}

/// Writes a feed. Not `Clone`: a journal has one writer.
#[derive(Debug)]
pub struct FeedWriter {
    dir: PathBuf,
    writer: JournalWriter,
    options: FeedOptions,
    past: Past,
    /// Segments before the one that is written, oldest first.
    closed: VecDeque<Closed>,
    starts: Starts,
    ages: Ages,
}

/// A feed that was read to its end and is not continued yet: its folder is as it was found, but for a torn end, which is cut off. Nobody else
/// writes it meanwhile.
#[derive(Debug)]
pub struct PausedFeed {
    dir: PathBuf,
    ended: Ended,
    options: FeedOptions,
    /// First segment that is there.
    first: u32,
    starts: Starts,
    ages: Ages,
    newest: Vec<BlockRef>,
}

impl PausedFeed {
    /// Reads the feed in `dir`, which is made when absent.
    ///
    /// # Errors
    /// As [`FeedWriter::open`].
    pub fn open(dir: impl AsRef<Path>, chain_id: ChainId, options: FeedOptions) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(io_error(dir, "make the folder"))?;
        check_space(dir)?;
        let first = segment::range(dir)?.start;
        let mut starts = Starts::new(options.reorg_depth_max);
        let (mut ages, mut newest) = (Ages::default(), Newest::new(options.reorg_depth_max));
        let ended = JournalWriter::read_feed(dir, chain_id, |record| {
            starts.note_read(dir, first, record);
            ages.note_read(record);
            newest.note_read(record);
        })?;
        Ok(Self { dir: dir.to_owned(), ended, options, first, starts, ages, newest: newest.into_blocks() })
    }

    /// Folder of the feed.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The blocks that it ends with, newest first: as many below the last as can be taken back, and one that cannot. Empty when it holds none.
    #[must_use]
    pub fn newest(&self) -> &[BlockRef] {
        &self.newest
    }

    /// Continues it in a new segment.
    ///
    /// # Errors
    /// [`JournalError::Io`], and [`JournalError::Damaged`] for a segment whose index was lost and that cannot be read.
    pub fn go_on(self, epoch: Epoch) -> Result<FeedWriter, JournalError> {
        let Self { dir, ended, options, first, mut starts, mut ages, .. } = self;
        let syncer = Syncer::new(options.sync).map_err(io_error(&dir, "start the thread that syncs"))?;
        let writer = ended.go_on(epoch, syncer)?.with_segment_bytes_max(options.segment_bytes_max);
        starts.begin_segment(None);
        ages.end_read();
        remove_orphans(&dir, first)?;
        let closed = (first..writer.index()).map(|index| {
            SegmentIndex::mend(&dir, index)?;
            Closed::find(&dir, index)
        });
        let closed = closed.collect::<Result<_, _>>()?;
        Ok(FeedWriter { dir, writer, options, past: Past::new(), closed, starts, ages })
    }
}

impl FeedWriter {
    /// Continues the feed in `dir` in a new segment, or begins one. A torn end, as a crash leaves it, is cut off first.
    ///
    /// # Errors
    /// As [`JournalWriter::open_append`]; also [`JournalError::NoSpace`], and [`JournalError::OfNode`] for the journal of a
    /// node.
    pub fn open(
        dir: impl AsRef<Path>,
        chain_id: ChainId,
        epoch: Epoch,
        options: FeedOptions,
    ) -> Result<Self, JournalError> {
        PausedFeed::open(dir, chain_id, options)?.go_on(epoch)
    }

    /// A new epoch begins with this snapshot, as frames.
    ///
    /// # Errors
    /// As [`JournalWriter::append`], for whatever is done with a file. After any error nothing more is written.
    ///
    /// # Panics
    /// If `snapshot` is not whole frames.
    pub fn begin_epoch(&mut self, epoch: Epoch, snapshot: &Bytes) -> Result<(), JournalError> {
        self.writer.set_epoch(epoch);
        let mut rest = &snapshot[..];
        while let Ok(Split::Whole { message, frame_bytes }) = frame::split(rest) {
            self.append(message)?;
            rest = &rest[frame_bytes..];
        }
        assert!(rest.is_empty(), "our own snapshot is whole frames");
        self.end_event(|| Some(snapshot.clone()))
    }

    /// Records the live messages of one event. `state` gives the state after it as frames, should a segment begin there.
    ///
    /// # Errors
    /// As [`Self::begin_epoch`].
    pub fn record<'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a [u8]>,
        state: impl FnOnce() -> Option<Bytes>,
    ) -> Result<(), JournalError> {
        for message in messages {
            self.append(message)?;
        }
        self.end_event(state)
    }

    /// Puts everything on disk, unless the policy leaves that to the system.
    ///
    /// # Errors
    /// As [`JournalWriter::sync`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.writer.sync()
    }

    /// What a reader who has `seen` still misses up to message `last`, to be read from the journal on any thread. `base` is
    /// the block below which the reader cannot go back.
    ///
    /// # Errors
    /// Why only a snapshot helps; nothing is read to tell.
    pub fn behind(&self, seen: Position, last: Sequence, base: BlockNumber) -> Result<Missed, NotKept> {
        self.past.behind(&self.dir, seen, last, base)
    }

    /// Where the journal ends.
    pub(crate) fn status(&self) -> JournalStatus {
        self.writer.status()
    }

    fn append(&mut self, message: &[u8]) -> Result<(), JournalError> {
        self.past.note(self.writer.index(), self.writer.segment().bytes, message);
        self.starts.note(message);
        self.ages.note(message);
        self.writer.append_here(message)
    }

    fn end_event(&mut self, state: impl FnOnce() -> Option<Bytes>) -> Result<(), JournalError> {
        self.writer.end_event()?;
        self.past.flushed();
        if self.writer.is_full() {
            self.rotate(state())?;
        }
        if self.options.age_max.is_some() || self.options.bytes_max.is_some() { self.retain() } else { Ok(()) }
    }

    /// Begins the next segment, between two events: its checkpoint is the state as it stands.
    #[cold]
    fn rotate(&mut self, state: Option<Bytes>) -> Result<(), JournalError> {
        self.writer.rotate()?;
        let closed = Closed::find(&self.dir, self.writer.index() - 1);
        self.closed.push_back(self.writer.keep_poison(closed)?);
        self.ages.close();
        // The checkpoint may outlive a crash; then the segment that it is of must as well.
        self.writer.sync()?;
        if let Some(state) = &state {
            let begin = self.writer.begin_record();
            let written = checkpoint::write(&self.dir, self.writer.index(), Message::from(&begin).as_bytes(), state);
            self.writer.keep_poison(written)?;
        }
        self.starts.begin_segment(state.as_deref().and_then(checkpoint::snapshot_block));
        self.retain()
    }

    /// Removes the oldest segments as the options say: whole ones, never the one that is written, and only as far as what
    /// is left begins with a state.
    fn retain(&mut self) -> Result<(), JournalError> {
        let count = self.removable();
        if count == 0 {
            return Ok(());
        }
        let first = self.writer.index() - u32::try_from(self.closed.len()).expect("segments have 32-bit numbers");
        for index in (first..).take(count) {
            let removed = remove_segment(&self.dir, index);
            self.writer.keep_poison(removed)?;
            self.closed.pop_front();
            self.starts.remove_first();
            self.ages.remove_first();
            self.past.forget(index);
        }
        let synced = sync_dir(&self.dir);
        self.writer.keep_poison(synced)
    }

    /// How many of the oldest segments are to be removed.
    fn removable(&self) -> usize {
        let clock = now();
        let mut bytes = self.closed.iter().map(|closed| closed.bytes).sum::<u64>() + self.writer.segment().bytes;
        let mut unwanted = 0;
        for (at, closed) in self.closed.iter().enumerate() {
            let is_old = self.options.age_max.is_some_and(|age_max| self.ages.age(at, clock) > age_max);
            if !is_old && self.options.bytes_max.is_none_or(|bytes_max| bytes <= bytes_max) {
                break;
            }
            bytes -= closed.bytes;
            unwanted += 1;
        }
        (1..=unwanted).rev().find(|at| self.starts.is_start(*at)).unwrap_or(0)
    }
}

impl Closed {
    fn find(dir: &Path, index: u32) -> Result<Self, JournalError> {
        let path = segment::path(dir, index);
        let metadata = fs::metadata(&path).map_err(io_error(&path, "read"))?;
        let beside = [checkpoint::path(dir, index), index::path(dir, index)];
        let beside: u64 = beside.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum();
        Ok(Self { bytes: metadata.len() + beside })
    }
}

/// The segment first: what lies beside it means nothing without it.
fn remove_segment(dir: &Path, index: u32) -> Result<(), JournalError> {
    remove_if_there(&segment::path(dir, index))?;
    remove_if_there(&checkpoint::path(dir, index))?;
    remove_if_there(&index::path(dir, index)).map(|_| ())
}

/// Removes what lay beside segments that are gone, where a crash came in between.
fn remove_orphans(dir: &Path, first: u32) -> Result<(), JournalError> {
    for entry in fs::read_dir(dir).map_err(io_error(dir, "list the folder"))? {
        let path = entry.map_err(io_error(dir, "list the folder"))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (stem, extension) = name.split_once('.').unwrap_or_default();
        let is_ours = stem.len() == 8 && ["idx", "state", "state.tmp"].contains(&extension);
        if is_ours && stem.parse::<u32>().is_ok_and(|index| index < first || extension == "state.tmp") {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// A disk that is nearly full is said so at the start, and not by a feed that stops in the middle.
fn check_space(dir: &Path) -> Result<(), JournalError> {
    let disk = rustix::fs::statvfs(dir).map_err(|error| io_error(dir, "ask for the free space of")(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < RESERVE_BYTES {
        return Err(JournalError::NoSpace { dir: dir.to_owned(), free, needed: RESERVE_BYTES });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
