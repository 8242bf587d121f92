//! Where outside data is, and how its absence is told.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Folder of the outside data: `ALPHAPULSE_DATA`, or `../shared/data` beside the workspace.
pub(crate) fn data_root() -> PathBuf {
    std::env::var_os("ALPHAPULSE_DATA").map_or_else(|| workspace().join("../shared/data"), PathBuf::from)
}

/// Says that a test did not run, and why.
pub(crate) fn ignored(reason: &str) {
    report(&format!("ignored: {reason}"));
}

/// A line that is seen even when the test passes.
pub(crate) fn report(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A gzip-compressed JSON file; `None` and a loud line when it is absent.
pub(crate) fn json(path: &str) -> Option<Value> {
    let full = data_root().join(path);
    let Ok(bytes) = fs::read(&full) else {
        ignored(&format!("{} is absent (set ALPHAPULSE_DATA to the data folder)", full.display()));
        return None;
    };
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("data files are whole");
    Some(serde_json::from_str(&text).expect("data files are JSON"))
}
