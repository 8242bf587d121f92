//! Recorded chain data beside the repository; absent on a plain clone.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// Path of a data file, or `None` (said aloud) when it is not there.
pub(crate) fn path(relative: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("ALPHAPULSE_DATA").map_or_else(default, PathBuf::from).join(relative);
    if path.exists() {
        return Some(path);
    }
    #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
    {
        eprintln!("ignored: {} is not there (set ALPHAPULSE_DATA)", path.display());
    }
    None
}

/// Content of a gzip-compressed text file.
pub(crate) fn read_gz(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}
