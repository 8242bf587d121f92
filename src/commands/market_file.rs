//! Loading a snapshot file, with what to do when it does not load.

use std::fs;
use std::path::Path;

use alphapulse_strategies::snapshot::{FORMAT, Snapshot, SnapshotError};
use anyhow::Context as _;

use crate::exit::{Exit, Failure};

/// What to do about a file with nothing in it.
const EMPTY: &str = "the file is empty: write it again";

/// Reads a snapshot; what its reader should know of it is logged as warnings.
pub(crate) fn load(path: &Path) -> Result<Snapshot, Failure> {
    let place = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read snapshot {place}")).map_err(|error| {
        Failure::from(error).next(format!("check the path: --snapshot takes an {FORMAT} file, plain or gzip"))
    })?;
    let snapshot = Snapshot::from_bytes(&bytes).map_err(|error| {
        let next = if bytes.is_empty() { EMPTY.to_owned() } else { next_action(&error, path) };
        let error = anyhow::Error::new(error).context(format!("snapshot {place} cannot be used"));
        Failure::new(Exit::Failure, error).next(next)
    })?;
    for warning in snapshot.warnings() {
        tracing::warn!("snapshot {place}: {warning}");
    }
    Ok(snapshot)
}

fn next_action(error: &SnapshotError, path: &Path) -> String {
    let place = path.display();
    match error {
        SnapshotError::Gzip(_) => format!("fetch or write {place} again (`gzip -t` tells whether a copy is whole)"),
        SnapshotError::Json(_) => format!("check that {place} is whole and is JSON, then correct it at that line"),
        SnapshotError::Format { .. } => format!("write the file as {FORMAT}, or use a build that reads its version"),
        // Without its mark it was written by somebody else.
        SnapshotError::Field { place: field, .. } if field == "format" => format!(
            "if {place} is somebody else's file, `alphapulse snapshot convert` makes one of {FORMAT} of it (`--help` tells of which)"
        ),
        SnapshotError::Field { .. } => format!("correct that field in {place}"),
        _ => format!("check that {place} is an {FORMAT} file"),
    }
}
