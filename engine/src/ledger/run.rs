//! A run's folder: its journal and a manifest that says what wrote it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Folder of the journal inside a run's folder.
pub const JOURNAL_FOLDER: &str = "journal";
/// File of the manifest inside a run's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Format named in every manifest.
const FORMAT: &str = "alphapulse.run/1";
/// What the formats of all versions begin with.
const FORMAT_FAMILY: &str = "alphapulse.run/";

/// What a journal cannot say of itself: who wrote it, with which settings. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Names the format and its version.
    pub format: String,
    /// Version of the program that wrote the run.
    pub version: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Whether approved trades were signed and sent.
    pub is_live: bool,
    /// Effective configuration, TOML.
    pub config: String,
    /// Keccak-256 of the effective configuration.
    pub config_hash: String,
    /// Hash of the chain's first block, when the run was connected for execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis: Option<B256>,
    /// Account that owns the executor and signs, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Address>,
    /// Seed of a scripted run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Why a run's folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// File concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is not ours, or of another version.
    #[error("{}: not a run's manifest: {reason}", path.display())]
    Format {
        /// File concerned.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder already holds a run: two runs in one journal could not be told apart.
    #[error("{}: already holds a run; name a new folder", path.display())]
    Occupied {
        /// Folder concerned.
        path: PathBuf,
    },
}

impl Manifest {
    /// Manifest of this program for a run with these settings.
    #[must_use]
    pub fn new(chain_id: u64, is_live: bool, config: String, config_hash: String) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chain_id,
            is_live,
            config,
            config_hash,
            genesis: None,
            account: None,
            seed: None,
        }
    }

    /// Creates the run's folder and writes the manifest.
    ///
    /// # Errors
    /// [`ManifestError::Occupied`] when the folder holds a run, [`ManifestError::Io`] when it cannot be written.
    pub fn create(&self, run_dir: &Path) -> Result<(), ManifestError> {
        let path = run_dir.join(MANIFEST_FILE);
        let io = |source| ManifestError::Io { path: path.clone(), source };
        let text = serde_json::to_string_pretty(self).map_err(|source| io(source.into()))?;
        fs::create_dir_all(run_dir).map_err(io)?;
        // The name appears with its content or not at all, and of two runs that begin at once in one folder one is told so.
        let draft = run_dir.join(format!("{MANIFEST_FILE}.{}.new", std::process::id()));
        let mut file = fs::File::create(&draft).map_err(io)?;
        let written = file.write_all((text + "\n").as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&draft, &path));
        // What is left of a draft harms nobody.
        let _ = fs::remove_file(&draft);
        match linked {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ManifestError::Occupied { path: run_dir.to_owned() })
            }
            Err(error) => Err(io(error)),
        }
    }

    /// As [`Manifest::read`], but `None` for a file of that name that is not ours and never was.
    ///
    /// # Errors
    /// As [`Manifest::read`] for one that is, or cannot be told from one.
    pub fn read_if_ours(run_dir: &Path) -> Result<Option<Self>, ManifestError> {
        let path = run_dir.join(MANIFEST_FILE);
        let text = fs::read_to_string(&path).map_err(|source| ManifestError::Io { path: path.clone(), source })?;
        let is_foreign = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| {
            let format = value.get("format").and_then(serde_json::Value::as_str);
            !format.is_some_and(|format| format.starts_with(FORMAT_FAMILY))
        });
        if is_foreign {
            tracing::warn!(path = %path.display(), "not a run of ours; passed over");
            return Ok(None);
        }
        Self::read(run_dir).map(Some)
    }

    /// Reads the manifest of a run's folder.
    ///
    /// # Errors
    /// [`ManifestError::Io`] when there is none, [`ManifestError::Format`] when it is not ours.
    pub fn read(run_dir: &Path) -> Result<Self, ManifestError> {
        let path = run_dir.join(MANIFEST_FILE);
        let text = fs::read_to_string(&path).map_err(|source| ManifestError::Io { path: path.clone(), source })?;
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| ManifestError::Format { path: path.clone(), reason: error.to_string() })?;
        if manifest.format != FORMAT {
            let reason = format!("format is `{}`, this program reads `{FORMAT}`", manifest.format);
            return Err(ManifestError::Format { path, reason });
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_a_second_run_in_its_folder_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let manifest = Manifest::new(1, false, "[chain]\nid = 1\n".to_owned(), "0x00".to_owned());
        manifest.create(folder.path()).expect("an empty folder");
        assert_eq!(Manifest::read(folder.path()).expect("just written"), manifest);
        assert!(matches!(manifest.create(folder.path()), Err(ManifestError::Occupied { .. })));
    }

    #[test]
    fn a_manifest_of_another_format_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut manifest = Manifest::new(1, false, String::new(), String::new());
        manifest.format = "alphapulse.run/9".to_owned();
        manifest.create(folder.path()).expect("an empty folder");
        let error = Manifest::read(folder.path()).expect_err("unknown format").to_string();
        assert!(error.contains("alphapulse.run/9"), "{error}");
    }
}
