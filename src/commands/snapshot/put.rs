//! A snapshot in its place.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::exit::Failure;

/// Puts the file in its place whole, compressed when the name ends in `.gz`: whoever reads it sees the old one, or this.
pub(super) fn put(out: &Path, text: &[u8]) -> Result<(), Failure> {
    let unfinished = beside(out, ".tmp");
    let is_packed = out.extension().is_some_and(|ending| ending == "gz");
    let write = || -> io::Result<()> {
        let mut file = File::create(&unfinished)?;
        if is_packed {
            let mut packer = GzEncoder::new(&mut file, Compression::default());
            packer.write_all(text)?;
            packer.finish()?;
        } else {
            file.write_all(text)?;
        }
        file.sync_all()?;
        fs::rename(&unfinished, out)
    };
    write().with_context(|| format!("cannot write {}", out.display())).map_err(|error| {
        // What is there of it is not whole.
        drop(fs::remove_file(&unfinished));
        Failure::from(error).next("check the folder of --out, and that its disk has room")
    })
}

/// Name of the file beside `path`, with `ending` behind.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
