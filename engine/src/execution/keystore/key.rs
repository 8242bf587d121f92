//! A private key in memory.

use std::fmt;

use alloy::primitives::{Address, hex};
use alloy::signers::local::PrivateKeySigner;
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::secret::Secret;

/// Draws before giving up: one in 2^128 falls outside the curve's order, so a second one means a broken source.
const DRAWS_MAX: usize = 4;

/// A valid secp256k1 private key. Wiped when dropped; `Debug` prints the account only; not `Clone`.
pub struct PrivateKey {
    bytes: Zeroizing<[u8; 32]>,
    address: Address,
}

impl PrivateKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeystoreError::NoRandomness`].
    pub fn generate() -> Result<Self, KeystoreError> {
        for _ in 0..DRAWS_MAX {
            let mut bytes = Zeroizing::new([0; 32]);
            OsRng.try_fill_bytes(&mut *bytes).map_err(|_| KeystoreError::NoRandomness)?;
            if let Ok(key) = Self::from_bytes(bytes) {
                return Ok(key);
            }
        }
        Err(KeystoreError::NoRandomness)
    }

    /// A key from 64 hexadecimal digits, with or without `0x`, spaces around them allowed.
    ///
    /// # Errors
    /// [`KeystoreError::NotAKey`], which repeats none of the text.
    pub fn from_hex(text: &Secret) -> Result<Self, KeystoreError> {
        let text = text.expose().trim_ascii();
        let digits = text.strip_prefix(b"0x").unwrap_or(text);
        let mut bytes = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return Err(KeystoreError::NotAKey);
        }
        hex::decode_to_slice(digits, &mut *bytes).map_err(|_| KeystoreError::NotAKey)?;
        Self::from_bytes(bytes)
    }

    /// A key from its 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`KeystoreError::NotAKey`] for zero and for numbers from the curve's order on.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Result<Self, KeystoreError> {
        let signer = PrivateKeySigner::from_slice(&*bytes).map_err(|_| KeystoreError::NotAKey)?;
        Ok(Self { address: signer.address(), bytes })
    }

    /// Account of the key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(in crate::execution) fn to_signer(&self) -> PrivateKeySigner {
        PrivateKeySigner::from_slice(&*self.bytes).expect("the bytes were checked when this was made")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("address", &self.address).field("bytes", &"[redacted]").finish()
    }
}
