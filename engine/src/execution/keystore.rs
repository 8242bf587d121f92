//! Encrypted keys on disk: Web3 secret storage, version 3, as Foundry and geth write and read it.
//!
//! Guarantees: keys are made from the operating system's randomness only; key material is wiped when dropped and never
//! printed; files are 0600 in a folder 0700, never overwritten, and whole or absent after a crash; a hostile file costs
//! bounded memory and time and gives an error, not a panic.

mod envelope;
mod key;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use thiserror::Error;

pub use self::envelope::Cost;
use self::envelope::Envelope;
pub use self::key::PrivateKey;
use crate::secret::Secret;

/// Longest keystore file read; those of Foundry and geth have about 500 bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a keystore cannot be used. Never holds key material or a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// There is no such file.
    #[error(
        "there is no keystore at {}; check the path, or make one with `alphapulse wallet new`",
        path.display()
    )]
    Missing {
        /// File concerned.
        path: PathBuf,
    },
    /// The file or folder cannot be read or written.
    #[error("cannot use keystore {}", path.display())]
    Io {
        /// File concerned.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is a keystore of that name already, and keys are never overwritten.
    #[error("{} is there already; choose another name", path.display())]
    Exists {
        /// File concerned.
        path: PathBuf,
    },
    /// The name is not that of a file in the folder.
    #[error("`{name}` is not a name for a keystore: use letters, digits, `-`, `_` and `.`, not `.` first")]
    Name {
        /// Name given.
        name: String,
    },
    /// The file is not a keystore that we read.
    #[error("{} is not a usable version 3 keystore: {reason}", path.display())]
    Malformed {
        /// File concerned.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The password does not open it (or the file was altered: the two cannot be told apart).
    #[error("wrong password for keystore {}; check the password file", path.display())]
    WrongPassword {
        /// File concerned.
        path: PathBuf,
    },
    /// The text is not a private key.
    #[error("not a private key: expected 64 hexadecimal digits that name a number in 1..n of secp256k1")]
    NotAKey,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; no key was made")]
    NoRandomness,
}

/// A keystore found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// File.
    pub path: PathBuf,
    /// Account, where the file states it (Foundry's do not). Not proven until opened.
    pub address: Option<Address>,
}

/// Encrypts `key` under `password` into a new file of `folder`, which is made when absent. `name` is the file's name;
/// `None` names it after the account.
///
/// # Errors
/// [`KeystoreError`] when the name is unusable or taken, or the file cannot be written. No file is left then.
pub fn create(
    folder: &Path,
    name: Option<&str>,
    key: &PrivateKey,
    password: &Secret,
    cost: Cost,
) -> Result<PathBuf, KeystoreError> {
    let default_name = format!("{:#x}", key.address());
    let name = name.unwrap_or(&default_name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(KeystoreError::Name { name: name.to_owned() });
    }
    let path = folder.join(name);
    if path.exists() {
        return Err(KeystoreError::Exists { path });
    }
    let envelope = Envelope::seal(key, password, cost)?;
    let text = envelope.to_json();
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeystoreError::Exists { path: path.clone() },
        _ => KeystoreError::Io { path: path.clone(), source },
    };
    let unmade = |source| KeystoreError::Io { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unmade)?;
    write_new(folder, &path, text.as_bytes()).map_err(io)?;
    Ok(path)
}

/// Writes beside, syncs, then links into place: the link fails when the name was taken meanwhile.
fn write_new(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!(".new-{}", std::process::id()));
    let result = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::hard_link(&beside, path)
    });
    let _ = fs::remove_file(&beside);
    result?;
    File::open(folder)?.sync_all()
}

/// Opens a keystore.
///
/// # Errors
/// [`KeystoreError::Missing`], [`KeystoreError::WrongPassword`], or what is wrong with the file.
pub fn open(path: &Path, password: &Secret) -> Result<PrivateKey, KeystoreError> {
    read(path)?.open(path, password)
}

/// Keystores of a folder by file name. What is not a keystore is passed over.
///
/// # Errors
/// [`KeystoreError::Io`] when the folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Entry>, KeystoreError> {
    let io = |source| KeystoreError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    let entry = |path: PathBuf| Some(Entry { address: read(&path).ok()?.address(), path });
    Ok(paths.into_iter().filter_map(entry).collect())
}

fn read(path: &Path) -> Result<Envelope, KeystoreError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeystoreError::Missing { path: path.to_owned() },
        _ => KeystoreError::Io { path: path.to_owned(), source },
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        let reason = format!("not a file of at most {FILE_BYTES_MAX} bytes");
        return Err(KeystoreError::Malformed { path: path.to_owned(), reason });
    }
    let bytes = fs::read(path).map_err(io)?;
    Envelope::parse(&bytes).map_err(|reason| KeystoreError::Malformed { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests;
