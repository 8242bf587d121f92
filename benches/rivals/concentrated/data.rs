//! What the tests' chain asks of its surroundings.

use std::path::{Path, PathBuf};

/// Folder of the outside data: `ALPHAPULSE_DATA`, or `../shared/data` beside the workspace.
pub(crate) fn data_root() -> PathBuf {
    std::env::var_os("ALPHAPULSE_DATA").map_or_else(|| workspace().join("../shared/data"), PathBuf::from)
}

/// The repository's root.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Says that something did not run, and why.
pub(crate) fn ignored(reason: &str) {
    eprintln!("ignored: {reason}");
}
