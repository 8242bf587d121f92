//! The right to write a file, which one run has at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::{Exit, Failure};

/// A file that no other run writes; the system gives it back when the process ends, however it ends.
pub(in crate::commands::snapshot::take) struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Takes the file, which is made where it is not there.
    pub(super) fn take(path: PathBuf) -> Result<Self, Failure> {
        let place = path.display();
        let taken = open_locked(&path)
            .with_context(|| format!("cannot write {place}"))
            .map_err(|error| Failure::from(error).next("check the folder of --out: what is read is kept beside it"))?;
        let Some(file) = taken else {
            let error = anyhow::anyhow!("another run is writing {place}");
            return Err(Failure::new(Exit::Failure, error).next("wait until it has ended, or give --out another name"));
        };
        Ok(Self { path, file })
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A run that read nothing leaves nothing.
        if self.file.metadata().is_ok_and(|file| file.len() == 0) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The file, locked; `None` where another run has it.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed it between our opening and our locking: then this file has no name any more.
        let ours = file.metadata()?;
        if fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
            return Ok(Some(file));
        }
    }
}
