//! Folders that a feed is not recorded into: a run's, and those in which other things lie.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use alphapulse_engine::ledger::{JOURNAL_FOLDER, MANIFEST_FILE, Manifest};

use crate::exit::{Exit, Failure};

/// Makes sure that a feed may be recorded into `dir`: it is absent, or empty, or a feed is in it already. Its records decide the rest.
///
/// # Errors
/// [`Failure`] naming what lies there.
pub(super) fn check(dir: &Path) -> Result<(), Failure> {
    // Whatever cannot be looked at now is refused with its reason when it is written to.
    let Ok(whole) = fs::canonicalize(dir) else { return Ok(()) };
    let run = match whole.parent() {
        _ if is_run(&whole) => Some(whole.as_path()),
        Some(parent) if whole.file_name() == Some(OsStr::new(JOURNAL_FOLDER)) && is_run(parent) => Some(parent),
        _ => None,
    };
    if let Some(run) = run {
        let error =
            anyhow::anyhow!("{} belongs to the run in {}: no feed is recorded into it", dir.display(), run.display());
        return Err(elsewhere(error));
    }
    let Ok(entries) = fs::read_dir(&whole) else { return Ok(()) };
    let names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    if names.iter().any(|name| name.ends_with(".apj")) {
        return Ok(());
    }
    match names.iter().find(|name| !is_of_feed(name)) {
        None => Ok(()),
        Some(name) => {
            let error = anyhow::anyhow!("{} holds no feed, but other things, such as {name}", dir.display());
            Err(elsewhere(error))
        }
    }
}

fn elsewhere(error: anyhow::Error) -> Failure {
    let next = "choose a folder that is new or empty, or one that a feed was recorded into; inside this one a new folder will do as well";
    Failure::new(Exit::Failure, error).next(next)
}

/// Whether a node's run is in the folder. A manifest that cannot be read counts: it may be one.
fn is_run(dir: &Path) -> bool {
    match fs::metadata(dir.join(MANIFEST_FILE)) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => false,
        _ => !matches!(Manifest::read_if_ours(dir), Ok(None)),
    }
}

/// Whether a file may be left of a feed that has no segment yet, or is nobody's: the lock, an operator's caution, what the system hides or keeps.
fn is_of_feed(name: &str) -> bool {
    let ours = ["writer.lock", "caution", "caution.tmp", "lost+found"];
    let beside = [".idx", ".state", ".state.tmp"];
    ours.contains(&name) || name.starts_with('.') || beside.iter().any(|end| name.ends_with(end))
}
