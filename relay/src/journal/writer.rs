//! Writing a journal. After any failure the writer is poisoned: a sync that failed says nothing about what is on disk,
//! and trying again would pretend that it does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use alphapulse_protocol::message::{Message, SegmentBegin, WireMessage};
use alphapulse_protocol::{ChainId, Epoch, frame};

use super::checkpoint;
use super::index::{self, SegmentIndex};
use super::reader::JournalReader;
use super::segment::{self, io_error};
use super::sync::Syncer;
use crate::error::JournalError;
use crate::observe::{JournalStatus, millis};

/// Size at which a segment is closed and the next begun: small enough to read whole, large enough that a day has few.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Records are handed to the system at the latest when this many bytes wait.
const BUFFER_BYTES: usize = 256 * 1024;

/// Name of the file whose lock says that a journal has a writer.
const LOCK_NAME: &str = "writer.lock";

/// Appends records. Not `Clone`: a journal has one writer, which a lock on the folder makes sure of.
#[derive(Debug)]
pub struct JournalWriter {
    dir: PathBuf,
    chain_id: ChainId,
    epoch: Epoch,
    segment_bytes_max: u64,
    index: u32,
    /// Shared with the thread that syncs, if there is one.
    file: Arc<File>,
    /// What was appended to the segment.
    segment: SegmentIndex,
    syncer: Syncer,
    buffer: Vec<u8>,
    is_poisoned: bool,
    synced_at: Instant,
    _lock: File,
}

/// A feed at its end, before its next segment is begun. Nobody else writes it meanwhile.
#[derive(Debug)]
pub(super) struct Ended {
    dir: PathBuf,
    chain_id: ChainId,
    index: u32,
    lock: File,
}

impl Ended {
    /// Begins the next segment.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub(super) fn go_on(self, epoch: Epoch, syncer: Syncer) -> Result<JournalWriter, JournalError> {
        JournalWriter::begin(&self.dir, self.chain_id, epoch, (self.index, syncer), self.lock)
    }
}

impl JournalWriter {
    /// Begins a journal in `dir`, which is made when absent and must not hold one.
    ///
    /// # Errors
    /// [`JournalError::Exists`], [`JournalError::Locked`], [`JournalError::Io`].
    pub fn create(dir: impl AsRef<Path>, chain_id: ChainId, epoch: Epoch) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(io_error(dir, "make the folder"))?;
        let lock = lock(dir)?;
        if !segment::range(dir)?.is_empty() {
            return Err(JournalError::Exists(dir.to_owned()));
        }
        Self::begin(dir, chain_id, epoch, (0, Syncer::AtSegments), lock)
    }

    /// Continues the journal in `dir` in a new segment, or begins one. A torn end, as a crash leaves it, is cut off first.
    ///
    /// # Errors
    /// As [`Self::create`]; also [`JournalError::Damaged`] when what is there cannot be trusted, and
    /// [`JournalError::WrongChain`].
    pub fn open_append(dir: impl AsRef<Path>, chain_id: ChainId, epoch: Epoch) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(io_error(dir, "make the folder"))?;
        let lock = lock(dir)?;
        let index = match JournalReader::open(dir) {
            Ok(reader) => recover(dir, reader, chain_id, |_| Ok(()))?,
            Err(JournalError::Missing(_)) => remove_stump(dir)?,
            Err(error) => return Err(error),
        };
        Self::begin(dir, chain_id, epoch, (index, Syncer::AtSegments), lock)
    }

    /// Reads a relay's feed to its end, to be gone on with: it may have lost its oldest segments, and it is never a node's journal. `note`
    /// sees every record that is there.
    ///
    /// # Errors
    /// As [`Self::open_append`]; also [`JournalError::OfNode`].
    pub(super) fn read_feed(dir: &Path, chain_id: ChainId, mut note: impl FnMut(&[u8])) -> Result<Ended, JournalError> {
        let lock = lock(dir)?;
        let refuse_node = |record: &[u8]| {
            note(record);
            if segment::is_node_record(record) { Err(JournalError::OfNode(dir.to_owned())) } else { Ok(()) }
        };
        let index = match JournalReader::open_feed(dir) {
            Ok(reader) => recover(dir, reader, chain_id, refuse_node)?,
            Err(JournalError::Missing(_)) => remove_stump(dir)?,
            Err(error) => return Err(error),
        };
        Ok(Ended { dir: dir.to_owned(), chain_id, index, lock })
    }

    /// The same writer with another segment size.
    #[must_use]
    pub const fn with_segment_bytes_max(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = bytes;
        self
    }

    /// From here on segments begin with another stream identity.
    pub const fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    fn begin(
        dir: &Path,
        chain_id: ChainId,
        epoch: Epoch,
        (index, syncer): (u32, Syncer),
        lock: File,
    ) -> Result<Self, JournalError> {
        // What a crash left of a segment that is begun anew would pass for its own.
        for path in [checkpoint::path(dir, index), checkpoint::unfinished_path(dir, index), index::path(dir, index)] {
            remove_if_there(&path)?;
        }
        let mut writer = Self {
            dir: dir.to_owned(),
            chain_id,
            epoch,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            index,
            file: Arc::new(create_segment(dir, index)?),
            segment: SegmentIndex::new(),
            syncer,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            is_poisoned: false,
            synced_at: Instant::now(),
            _lock: lock,
        };
        writer.put_begin();
        writer.sync()?;
        Ok(writer)
    }

    /// Appends one message. It is with the system after [`Self::flush`] and on disk after [`Self::sync`].
    ///
    /// # Errors
    /// [`JournalError::Io`] once, then [`JournalError::Poisoned`] for ever.
    pub fn append<T: WireMessage>(&mut self, message: &T) -> Result<(), JournalError> {
        self.append_bytes(message.sized().as_bytes())
    }

    /// Appends one message that is already bytes; fields that a newer writer appended stay with it.
    ///
    /// # Errors
    /// As [`Self::append`].
    ///
    /// # Panics
    /// If the bytes are not one message, whole and alone.
    pub fn append_bytes(&mut self, message: &[u8]) -> Result<(), JournalError> {
        self.check_poison()?;
        let frame_bytes = (frame::FRAME_HEADER_BYTES + message.len()) as u64;
        if self.segment.bytes + frame_bytes > self.segment_bytes_max {
            self.rotate()?;
        }
        self.append_here(message)
    }

    /// Appends to the present segment, however long that is.
    pub(super) fn append_here(&mut self, message: &[u8]) -> Result<(), JournalError> {
        self.check_poison()?;
        self.put(message);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands everything appended to the system: it survives our death, not the machine's.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        let written = (&*self.file).write_all(&self.buffer);
        self.buffer.clear();
        self.poison_on_error("write", written)
    }

    /// Puts everything appended on disk.
    ///
    /// # Errors
    /// As [`Self::append`]. A failed sync is never tried again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        let synced = self.syncer.sync(&self.file);
        self.poison_on_error("sync", synced)?;
        self.synced_at = Instant::now();
        Ok(())
    }

    /// Hands an event's records to the system, and to the disk if the policy says so.
    pub(super) fn end_event(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        let synced = self.syncer.after_event(&self.file);
        self.poison_on_error("sync", synced)
    }

    /// Where the journal ends.
    pub(crate) fn status(&self) -> JournalStatus {
        JournalStatus {
            segment: self.index,
            segment_bytes: self.segment.bytes,
            synced_ms_ago: millis(self.synced_at.elapsed()),
        }
    }

    /// Whether an earlier failure ended the journal.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    fn put(&mut self, message: &[u8]) {
        frame::write_bytes(&mut self.buffer, message);
        self.segment.note(message);
    }

    /// First record of the present segment, as a message.
    pub(super) fn begin_record(&self) -> SegmentBegin {
        SegmentBegin::new(self.chain_id, self.epoch, self.index)
    }

    fn put_begin(&mut self) {
        let begin = self.begin_record();
        self.put(Message::from(&begin).as_bytes());
    }

    /// Number of the present segment.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// What is in the present segment, records that were not flushed yet included.
    pub(super) const fn segment(&self) -> &SegmentIndex {
        &self.segment
    }

    /// Whether the present segment has its full size.
    pub(super) const fn is_full(&self) -> bool {
        self.segment.bytes >= self.segment_bytes_max
    }

    /// Closes the segment and begins the next. The disk is waited for in between: a torn end may then only be the last one's.
    #[cold]
    pub(super) fn rotate(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        let stored = self.segment.store(&self.dir, self.index);
        self.keep_poison(stored)?;
        self.index += 1;
        let next = create_segment(&self.dir, self.index);
        let next = self.keep_poison(next)?;
        (self.file, self.segment) = (Arc::new(next), SegmentIndex::new());
        self.put_begin();
        Ok(())
    }

    /// Another file in the place of the present one.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, path: &str) {
        self.file = Arc::new(OpenOptions::new().write(true).open(path).expect("a device of every Linux"));
    }

    /// Ends the journal when something around it failed.
    pub(super) fn keep_poison<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        self.is_poisoned |= result.is_err();
        result
    }

    fn check_poison(&self) -> Result<(), JournalError> {
        if self.is_poisoned { Err(JournalError::Poisoned(self.dir.clone())) } else { Ok(()) }
    }

    fn poison_on_error(&mut self, action: &'static str, result: io::Result<()>) -> Result<(), JournalError> {
        result.map_err(|error| {
            self.is_poisoned = true;
            io_error(&segment::path(&self.dir, self.index), action)(error)
        })
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // Whoever needs to know calls `flush` or `sync`; this is for the ways out on which nobody can.
        if !self.is_poisoned {
            let _ = self.flush();
        }
    }
}

/// Takes the folder's lock, which the system gives back when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(LOCK_NAME);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io_error(&path, "open the lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error(&path, "take the lock")(error)),
    }
}

fn create_segment(dir: &Path, index: u32) -> Result<File, JournalError> {
    let path = segment::path(dir, index);
    let file =
        OpenOptions::new().append(true).create_new(true).open(&path).map_err(io_error(&path, "make the segment"))?;
    sync_dir(dir)?;
    Ok(file)
}

/// A new or removed file is only certain to stay so once its folder is synced.
pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(io_error(dir, "sync the folder"))
}

/// Reads the journal to its end, cuts a torn end, and gives the index of the next segment.
fn recover(
    dir: &Path,
    mut reader: JournalReader,
    chain_id: ChainId,
    mut check: impl FnMut(&[u8]) -> Result<(), JournalError>,
) -> Result<u32, JournalError> {
    if reader.chain_id() != chain_id {
        return Err(JournalError::WrongChain { dir: dir.to_owned(), expected: chain_id, got: reader.chain_id() });
    }
    while let Some(record) = reader.next_bytes()? {
        check(record)?;
    }
    let path = segment::path(dir, reader.index());
    if reader.offset() == 0 {
        fs::remove_file(&path).map_err(io_error(&path, "remove the empty segment"))?;
        sync_dir(dir)?;
        return Ok(reader.index());
    }
    if reader.torn_bytes() > 0 {
        let cut = |file: File| {
            file.set_len(reader.offset() as u64)?;
            file.sync_all()
        };
        OpenOptions::new().write(true).open(&path).and_then(cut).map_err(io_error(&path, "cut the torn end"))?;
    }
    Ok(reader.index() + 1)
}

/// Removes an only segment that a crash left without one whole record, and gives the number of the one to begin.
fn remove_stump(dir: &Path) -> Result<u32, JournalError> {
    let index = segment::range(dir)?.start;
    if remove_if_there(&segment::path(dir, index))? {
        sync_dir(dir)?;
    }
    Ok(index)
}

/// Removes a file; says whether it was there.
pub(super) fn remove_if_there(path: &Path) -> Result<bool, JournalError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(path, "remove it")(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use alphapulse_protocol::UnixNanos;
    use alphapulse_protocol::message::Clock;

    use super::*;

    /// `/dev/full` is a real file that answers every write as a full disk does.
    #[test]
    fn a_full_disk_poisons_the_writer_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = JournalWriter::create(dir.path(), ChainId(1), Epoch(1)).unwrap();
        writer.replace_file("/dev/full");
        writer.append(&Clock::new(UnixNanos(1))).unwrap();
        assert!(matches!(writer.sync(), Err(JournalError::Io { action: "write", .. })));
        writer.file = Arc::new(create_segment(dir.path(), 9).unwrap());
        assert!(matches!(writer.append(&Clock::new(UnixNanos(2))), Err(JournalError::Poisoned(_))));
        assert!(matches!(writer.flush(), Err(JournalError::Poisoned(_))));
        assert!(matches!(writer.sync(), Err(JournalError::Poisoned(_))));
        drop(writer);
        assert_eq!(fs::read(segment::path(dir.path(), 9)).unwrap(), b"", "nothing was written after the failure");
    }
}
