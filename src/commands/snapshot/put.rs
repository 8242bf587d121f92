//! A snapshot in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::exit::{Exit, Failure};

/// Names tried for the unfinished file: those of runs that were killed stay behind.
const LEFTOVERS_MAX: u32 = 100;

/// Where a snapshot will go: a regular file, behind links if there are any, in a folder that can be written to.
#[derive(Debug)]
pub(super) struct Destination {
    path: PathBuf,
    /// Beside it, until it is whole.
    unfinished: PathBuf,
}

impl Destination {
    /// Looks at the place before anything is read for it: nothing but a regular file is ever replaced.
    pub(super) fn claim(out: &Path) -> Result<Self, Failure> {
        let refuse = |what: &str| {
            let error = anyhow::anyhow!("{} {what}", out.display());
            Failure::new(Exit::Failure, error)
                .next("give --out the name of a file that is new, or of a snapshot to be replaced")
        };
        let path = match fs::symlink_metadata(out) {
            Ok(found) if found.is_symlink() => {
                fs::canonicalize(out).map_err(|error| refuse(&format!("is a link that leads nowhere: {error}")))?
            }
            _ => out.to_owned(),
        };
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(refuse("is a folder")),
            Ok(found) if !found.is_file() => return Err(refuse("is no regular file")),
            _ => {}
        }
        let name = path.file_name().ok_or_else(|| refuse("names no file"))?.to_string_lossy();
        let mut place = Self { path: path.clone(), unfinished: PathBuf::new() };
        // Whether the folder takes a file is found out now, and not when hours were spent on it. What another run left stays.
        for number in 0..LEFTOVERS_MAX {
            place.unfinished = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
            match place.create().and_then(|_| fs::remove_file(&place.unfinished)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(place.failure(error)),
                Ok(()) => return Ok(place),
            }
        }
        Err(refuse(&format!("has too many unfinished files beside it, such as {}", place.unfinished.display())))
    }

    fn create(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(&self.unfinished)
    }

    /// Puts the file in its place whole, compressed when the name ends in `.gz`: whoever reads it sees the old one, or this.
    pub(super) fn put(&self, text: &[u8]) -> Result<(), Failure> {
        let is_packed = self.path.extension().is_some_and(|ending| ending == "gz");
        let write = || -> io::Result<()> {
            let mut file = self.create()?;
            // It may have been put there since.
            match fs::symlink_metadata(&self.path) {
                Ok(before) if before.is_file() => file.set_permissions(before.permissions())?,
                Ok(_) => return Err(io::Error::other("what is there now is no regular file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if is_packed {
                let mut packer = GzEncoder::new(&mut file, Compression::default());
                packer.write_all(text)?;
                packer.finish()?;
            } else {
                file.write_all(text)?;
            }
            file.sync_all()?;
            fs::rename(&self.unfinished, &self.path)
        };
        write().map_err(|error| {
            // What is there of it is not whole.
            drop(fs::remove_file(&self.unfinished));
            self.failure(error)
        })
    }

    fn failure(&self, error: io::Error) -> Failure {
        let error = anyhow::Error::new(error).context(format!("cannot write {}", self.path.display()));
        Failure::from(error).next("check the folder of --out, and that its disk has room")
    }
}

/// Name of the file beside `path`, with `ending` behind.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
