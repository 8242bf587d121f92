//! Runs the built command as a user would.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }
}

impl Ran {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Fails unless the run ended with this code and every piece of text is on stderr.
    #[track_caller]
    pub(crate) fn must_fail(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in said {
            assert!(self.stderr.contains(text), "stderr does not say {text:?}: {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// The command, away from the settings of whoever runs the test.
pub(crate) fn alphapulse() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alphapulse"));
    let is_setting =
        |name: &str| name.starts_with("ALPHAPULSE__") || ["RUST_LOG", "ALPHAPULSE_PROFILE"].contains(&name);
    for (name, _) in std::env::vars_os() {
        if is_setting(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    alphapulse().args(arguments).output().expect("the command starts").into()
}

/// Runs with a file as stdin.
pub(crate) fn run_reading<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, stdin: &Path) -> Ran {
    let stdin = File::open(stdin).expect("the file was just written");
    alphapulse().args(arguments).stdin(stdin).output().expect("the command starts").into()
}

/// A file in a folder of the test.
pub(crate) fn file(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("the folder is ours");
    path
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a place for temporary files")
}
