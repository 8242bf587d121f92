//! Who may do what at a relay's doors, as the operator says it, and the secrets that prove it.

use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alphapulse_protocol::message::{Proof, Role};
use zeroize::Zeroizing;

use crate::error::SecretError;
use crate::tls::TlsClient;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Longest key file: its digits, a prefix and a line end.
const KEY_FILE_BYTES_MAX: u64 = 128;

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub const ALL: Self = Self(0b1110);

    /// These roles.
    #[must_use]
    pub fn of(roles: &[Role]) -> Self {
        Self(roles.iter().fold(0, |bits, role| bits | bit(*role)))
    }

    /// Whether `role` is among them.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        self.0 & bit(role) != 0
    }
}

const fn bit(role: Role) -> u8 {
    1 << role as u16
}

/// A secret key. Wiped when the last owner drops it; never shown.
#[derive(Clone)]
pub struct Key(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// Reads a key file: 64 hexadecimal digits, as `openssl rand -hex 32` prints them. The file must be its owner's alone.
    ///
    /// # Errors
    /// [`SecretError`]; it tells nothing of what the file holds.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_FILE_BYTES_MAX).unwrap_or(0)));
        let file = open_secret(path)?;
        let fault = |source| SecretError::Io { path: path.to_owned(), source };
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(fault)?;
        Self::from_hex(text.trim()).ok_or_else(|| SecretError::Format { path: path.to_owned(), what: "64 hex digits" })
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(Arc::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// Opens a file that holds a secret. One that others may read is refused: what it holds may be known already.
pub(crate) fn open_secret(path: &Path) -> Result<File, SecretError> {
    let fault = |source: io::Error| SecretError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(fault)?;
    // Of the file that was opened, not of what the name means by now.
    let mode = file.metadata().map_err(fault)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { path: path.to_owned() });
    }
    Ok(file)
}

/// A client's key and the name by which the relay knows it.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// Name of the key.
    pub name: String,
    /// The key.
    pub key: Key,
}

/// A client of the relay that proves a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// Name of the key.
    pub name: String,
    /// File of the key, see [`Key::read`].
    pub file: PathBuf,
    /// What the client may do.
    pub roles: Roles,
}

/// A user of this host who may join by the unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserGrant {
    /// User id.
    pub uid: u32,
    /// What its processes may do.
    pub roles: Roles,
}

/// Files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// Private key of the server's certificate, PEM; its owner's alone.
    pub key: PathBuf,
}

/// Files of a client of a relay on TCP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientFiles {
    /// Name and file of the key to prove.
    pub key: Option<(String, PathBuf)>,
    /// File of the certificates that are trusted, and the relay's name: TLS, where there are.
    pub authority: Option<(PathBuf, String)>,
}

impl ClientFiles {
    /// Reads them: what [`SubscribeOptions`](crate::SubscribeOptions) and [`PublishOptions`](crate::PublishOptions) ask for.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(&self) -> Result<(Option<ClientKey>, Option<TlsClient>), SecretError> {
        let key = self.key.as_ref().map(|(name, file)| Ok(ClientKey { name: name.clone(), key: Key::read(file)? }));
        let tls = self.authority.as_ref().map(|(file, name)| TlsClient::from_ca_file(file, name));
        Ok((key.transpose()?, tls.transpose()?))
    }
}

/// Who may do what. The default is this host: the relay's own user by the unix socket, and anybody, but only to subscribe, by
/// TCP on loopback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Keys of clients. Where there are any, TCP is for those who prove one.
    pub keys: Vec<KeyGrant>,
    /// Users of this host beside the relay's own, who may do everything.
    pub users: Vec<UserGrant>,
    /// TLS on TCP.
    pub tls: Option<TlsFiles>,
}

impl Access {
    /// Whether TCP may leave the host: who comes is known, and nobody listens.
    #[must_use]
    pub const fn is_safe_off_host(&self) -> bool {
        !self.keys.is_empty() && self.tls.is_some()
    }

    /// What is wrong with it, if something is.
    pub(crate) fn fault(&self) -> Option<String> {
        for (at, grant) in self.keys.iter().enumerate() {
            let name = &grant.name;
            if Proof::new(Role::Subscribe, name, [0; 32], [0; 32]).is_none() {
                return Some(format!("key name {name:?} is not 1 to 32 letters, digits, '-', '_' and '.'"));
            }
            if self.keys[..at].iter().any(|other| other.name == *name) {
                return Some(format!("key {name} is configured twice"));
            }
            if grant.roles == Roles::default() {
                return Some(format!("key {name} has no role"));
            }
        }
        let is_twice = |(at, grant): (usize, &UserGrant)| self.users[..at].iter().any(|other| other.uid == grant.uid);
        self.users.iter().enumerate().any(is_twice).then(|| "a user is configured twice".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::fs;

    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trader.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_key_is_read_from_its_owners_file_and_never_shown() {
        let (_folder, path) = file(&format!("{DIGITS}\n"), 0o600);
        let key = Key::read(&path).unwrap();
        assert!(key.bytes().iter().copied().eq(0..32));
        let shown = format!("{:?}", ClientKey { name: "trader".into(), key });
        assert_eq!(shown, "ClientKey { name: \"trader\", key: Key(hidden) }");
    }

    #[test]
    fn a_key_file_that_others_may_read_or_that_holds_no_key_is_refused_without_a_word_of_it() {
        let (_folder, open) = file(DIGITS, 0o640);
        assert!(matches!(Key::read(&open), Err(SecretError::Open { .. })));
        for text in [&DIGITS[1..], &format!("{DIGITS}00"), "", &DIGITS.replace('A', "g"), &DIGITS.replace("00", "é")] {
            let (_folder, path) = file(text, 0o600);
            let error = Key::read(&path).unwrap_err();
            assert!(matches!(error, SecretError::Format { .. }), "{error}");
            let shown = format!("{error} {error:?}");
            assert!(text.is_empty() || !shown.contains(text.trim()), "{shown}");
        }
        assert!(matches!(Key::read(Path::new("/nonexistent")), Err(SecretError::Io { .. })));
    }

    #[test]
    fn a_set_of_roles_has_what_it_was_given() {
        let roles = Roles::of(&[Role::Publish]);
        assert!(roles.has(Role::Publish) && !roles.has(Role::Subscribe) && !roles.has(Role::Admin));
        assert_eq!(Roles::of(&[Role::Admin, Role::Publish, Role::Subscribe]), Roles::ALL);
    }
}
