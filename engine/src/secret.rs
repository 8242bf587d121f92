//! Bytes that must not be seen: wiped when dropped, never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

/// Longest secret read. Far above any password; the buffer is taken once, so that no copy is left by growing.
const SECRET_BYTES_MAX: usize = 4096;

/// A password or key. `Debug` prints `[redacted]`; there is no `Display`, no `Clone` and no comparison.
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a secret could not be read. Never holds any of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The descriptor is an output of this process: what could be read there is not what was meant.
    #[error("descriptor {descriptor} is an output; pass the secret on 0 (stdin) or on 3 and above")]
    Output {
        /// Descriptor named.
        descriptor: u32,
    },
    /// The file or descriptor cannot be read.
    #[error("cannot read the secret from {origin}; check that it exists and that this user can read it")]
    Io {
        /// Where from.
        origin: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// More than any secret has.
    #[error("the secret in {origin} is longer than {SECRET_BYTES_MAX} bytes: is this the right file?")]
    TooLong {
        /// Where from.
        origin: String,
    },
    /// Nothing there.
    #[error("{origin} is empty: write the secret into it")]
    Empty {
        /// Where from.
        origin: String,
    },
}

impl Secret {
    /// A secret that is in memory already; the vector is wiped on drop.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// First line of a file, without its line break.
    ///
    /// # Errors
    /// [`SecretError`] when the file cannot be read, is empty or too long.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let origin = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader(file, origin),
            Err(source) => Err(SecretError::Io { origin, source }),
        }
    }

    /// First line of an open file descriptor, such as one that a shell or service manager passed.
    ///
    /// # Errors
    /// As [`Secret::from_file`]; [`SecretError::Output`] for 1 and 2, which are written to.
    pub fn from_fd(descriptor: u32) -> Result<Self, SecretError> {
        match descriptor {
            0 => Self::from_reader(io::stdin().lock(), "stdin"),
            1 | 2 => Err(SecretError::Output { descriptor }),
            // Without `unsafe` a descriptor cannot be taken over; the system's own name for it is opened instead.
            _ => Self::from_file(Path::new(&format!("/dev/fd/{descriptor}"))),
        }
    }

    /// First line of a stream, without its line break. `origin` names the stream in errors.
    ///
    /// # Errors
    /// As [`Secret::from_file`].
    pub fn from_reader(reader: impl Read, origin: impl Into<String>) -> Result<Self, SecretError> {
        let origin = origin.into();
        // One byte more than allowed tells "too long" from "just fits".
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES_MAX + 1]);
        let mut reader = reader.take(SECRET_BYTES_MAX as u64 + 1);
        let mut length = 0;
        loop {
            match reader.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(SecretError::Io { origin, source }),
            }
        }
        if length > SECRET_BYTES_MAX {
            return Err(SecretError::TooLong { origin });
        }
        let line = bytes[..length].iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(length);
        bytes.truncate(line);
        if bytes.is_empty() { Err(SecretError::Empty { origin }) } else { Ok(Self(bytes)) }
    }

    /// The bytes. Do not copy them, log them or put them in an error.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", Some(&secret)), "Some([redacted])");
    }

    #[test]
    fn only_the_first_line_counts() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\nrest"] {
            let secret = Secret::from_reader(text.as_bytes(), "test").expect("readable");
            assert_eq!(secret.expose(), b"hunter2", "{text:?}");
        }
    }

    #[test]
    fn spaces_belong_to_a_password() {
        let secret = Secret::from_reader(" a b \n".as_bytes(), "test").expect("readable");
        assert_eq!(secret.expose(), b" a b ");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        for text in ["", "\n", "\nlater"] {
            assert!(matches!(Secret::from_reader(text.as_bytes(), "test"), Err(SecretError::Empty { .. })));
        }
        let fits = "x".repeat(SECRET_BYTES_MAX);
        assert!(Secret::from_reader(fits.as_bytes(), "test").is_ok());
        let more = "x".repeat(SECRET_BYTES_MAX + 1);
        assert!(matches!(Secret::from_reader(more.as_bytes(), "test"), Err(SecretError::TooLong { .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Secret::from_file(Path::new("/nowhere/password")).expect_err("not there");
        assert!(error.to_string().contains("/nowhere/password"));
    }
}
