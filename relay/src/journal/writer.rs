//! Writing a journal. After any failure the writer is poisoned: a sync that failed says nothing about what is on disk,
//! and trying again would pretend that it does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use alphapulse_protocol::message::{Message, SegmentBegin, WireMessage};
use alphapulse_protocol::{ChainId, Epoch, frame};

use super::reader::JournalReader;
use super::segment::{self, io_error};
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
    file: File,
    segment_bytes: u64,
    buffer: Vec<u8>,
    is_poisoned: bool,
    synced_at: Instant,
    _lock: File,
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
        if segment::count(dir)? > 0 {
            return Err(JournalError::Exists(dir.to_owned()));
        }
        Self::begin(dir, chain_id, epoch, 0, lock)
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
            Ok(reader) => recover(dir, reader, chain_id)?,
            Err(JournalError::Missing(_)) => {
                remove_stump(dir)?;
                0
            }
            Err(error) => return Err(error),
        };
        Self::begin(dir, chain_id, epoch, index, lock)
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

    fn begin(dir: &Path, chain_id: ChainId, epoch: Epoch, index: u32, lock: File) -> Result<Self, JournalError> {
        let mut writer = Self {
            dir: dir.to_owned(),
            chain_id,
            epoch,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            index,
            file: create_segment(dir, index)?,
            segment_bytes: 0,
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
        if self.segment_bytes + frame_bytes > self.segment_bytes_max {
            self.rotate()?;
        }
        self.put(message);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands everything appended to the system: it survives our death, not the machine's.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        self.poison_on_error("write", written)
    }

    /// Puts everything appended on disk.
    ///
    /// # Errors
    /// As [`Self::append`]. A failed sync is never tried again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        let synced = self.file.sync_data();
        self.poison_on_error("sync", synced)?;
        self.synced_at = Instant::now();
        Ok(())
    }

    /// Where the journal ends.
    pub(crate) fn status(&self) -> JournalStatus {
        JournalStatus {
            segment: self.index,
            segment_bytes: self.segment_bytes,
            synced_ms_ago: millis(self.synced_at.elapsed()),
        }
    }

    /// Whether an earlier failure ended the journal.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    fn put(&mut self, message: &[u8]) {
        let before = self.buffer.len();
        frame::write_bytes(&mut self.buffer, message);
        self.segment_bytes += (self.buffer.len() - before) as u64;
    }

    fn put_begin(&mut self) {
        let begin = SegmentBegin::new(self.chain_id, self.epoch, self.index);
        self.put(Message::from(&begin).as_bytes());
    }

    #[cold]
    fn rotate(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.index += 1;
        let next = create_segment(&self.dir, self.index).inspect_err(|_| self.is_poisoned = true)?;
        (self.file, self.segment_bytes) = (next, 0);
        self.put_begin();
        Ok(())
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
fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(io_error(dir, "sync the folder"))
}

/// Reads the journal to its end, cuts a torn end, and gives the index of the next segment.
fn recover(dir: &Path, mut reader: JournalReader, chain_id: ChainId) -> Result<u32, JournalError> {
    if reader.chain_id() != chain_id {
        return Err(JournalError::WrongChain { dir: dir.to_owned(), expected: chain_id, got: reader.chain_id() });
    }
    while reader.next_bytes()?.is_some() {}
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

/// Removes a first segment that a crash left without one whole record.
fn remove_stump(dir: &Path) -> Result<(), JournalError> {
    let path = segment::path(dir, 0);
    match fs::remove_file(&path) {
        Ok(()) => sync_dir(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(&path, "remove the empty segment")(error)),
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
        writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        writer.append(&Clock::new(UnixNanos(1))).unwrap();
        assert!(matches!(writer.sync(), Err(JournalError::Io { action: "write", .. })));
        writer.file = create_segment(dir.path(), 9).unwrap();
        assert!(matches!(writer.append(&Clock::new(UnixNanos(2))), Err(JournalError::Poisoned(_))));
        assert!(matches!(writer.flush(), Err(JournalError::Poisoned(_))));
        assert!(matches!(writer.sync(), Err(JournalError::Poisoned(_))));
        drop(writer);
        assert_eq!(fs::read(segment::path(dir.path(), 9)).unwrap(), b"", "nothing was written after the failure");
    }
}
