//! The JSON of a version 3 keystore, and its cryptography: a key derived from the password by scrypt or PBKDF2 encrypts
//! with AES-128-CTR; Keccak-256 over half of the derived key and the ciphertext tells a wrong password.
//!
//! Source: the Web3 Secret Storage Definition; checked against its published vectors and against eth-keystore.

use std::path::Path;

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use alloy::primitives::{Address, hex, keccak256};
use ctr::Ctr128BE;
use hmac::Hmac;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KeystoreError, PrivateKey};
use crate::secret::Secret;

const VERSION: u8 = 3;
const CIPHER: &str = "aes-128-ctr";
const DERIVED_BYTES: usize = 32;
const SALT_BYTES: usize = 32;
const IV_BYTES: usize = 16;

/// Most memory that opening a file may take: scrypt uses `128 * n * r` bytes. geth's standard cost takes 256 MiB.
const SCRYPT_BYTES_MAX: u64 = 1 << 30;
/// Most work that opening a file may take, as `n * r * p`: eight times geth's standard cost.
const SCRYPT_WORK_MAX: u64 = 1 << 24;
/// Most PBKDF2 rounds; the definition's example has 262144.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// What a guess at the password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// scrypt with n = 2^17, r = 8, p = 1: 128 MiB and about half a second, the cost that ethers uses.
    Standard,
    /// scrypt with n = 2^12, r = 8, p = 6, as `geth --lightkdf`: for test networks, whose keys guard nothing.
    Light,
}

impl Cost {
    const fn params(self) -> (u32, u32, u32) {
        match self {
            Self::Standard => (1 << 17, 8, 1),
            Self::Light => (1 << 12, 8, 6),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// ethers.js writes it with a capital.
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    id: Option<String>,
    version: u8,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    #[serde(flatten)]
    kdf: Kdf,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kdf", content = "kdfparams", rename_all = "lowercase")]
enum Kdf {
    Scrypt { dklen: usize, n: u32, p: u32, r: u32, salt: String },
    Pbkdf2 { c: u32, dklen: usize, prf: String, salt: String },
}

impl Envelope {
    pub(super) fn seal(key: &PrivateKey, password: &Secret, cost: Cost) -> Result<Self, KeystoreError> {
        let (salt, iv, id) = (random::<SALT_BYTES>()?, random::<IV_BYTES>()?, random::<16>()?);
        let (n, r, p) = cost.params();
        let kdf = Kdf::Scrypt { dklen: DERIVED_BYTES, n, p, r, salt: hex::encode(salt) };
        let derived = kdf.derive(password).expect("our own parameters are within bounds");
        let mut text = Zeroizing::new(*key.expose());
        cipher(&derived, &iv, &mut *text);
        let mac = hex::encode(mac(&derived, &*text));
        let cipherparams = CipherParams { iv: hex::encode(iv) };
        let crypto = Crypto { cipher: CIPHER.to_owned(), cipherparams, ciphertext: hex::encode(*text), kdf, mac };
        let address = Some(hex::encode(key.address()));
        Ok(Self { address, crypto, id: Some(uuid_text(id)), version: VERSION })
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialise")
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if envelope.version != VERSION {
            return Err(format!("version is {}, only {VERSION} is read", envelope.version));
        }
        if envelope.crypto.cipher != CIPHER {
            return Err(format!("cipher is not {CIPHER}"));
        }
        Ok(envelope)
    }

    /// Account as the file states it.
    pub(super) fn address(&self) -> Option<Address> {
        let bytes = fixed::<20>(self.address.as_deref()?, "address").ok()?;
        Some(Address::from(bytes))
    }

    pub(super) fn open(&self, path: &Path, password: &Secret) -> Result<PrivateKey, KeystoreError> {
        let malformed = |reason: String| KeystoreError::Malformed { path: path.to_owned(), reason };
        let iv = fixed::<IV_BYTES>(&self.crypto.cipherparams.iv, "iv").map_err(malformed)?;
        let stated_mac = fixed::<32>(&self.crypto.mac, "mac").map_err(malformed)?;
        let mut text = Zeroizing::new(fixed::<32>(&self.crypto.ciphertext, "ciphertext").map_err(malformed)?);
        let derived = self.crypto.kdf.derive(password).map_err(malformed)?;
        if mac(&derived, &*text) != stated_mac {
            return Err(KeystoreError::WrongPassword { path: path.to_owned() });
        }
        cipher(&derived, &iv, &mut *text);
        let key = PrivateKey::from_bytes(text).map_err(|_| malformed("it holds no valid private key".to_owned()))?;
        if self.address.is_some() && self.address() != Some(key.address()) {
            return Err(malformed("its address is not that of its key".to_owned()));
        }
        Ok(key)
    }
}

impl Kdf {
    /// Bounds first: a file must not be able to take the machine's memory.
    fn derive(&self, password: &Secret) -> Result<Zeroizing<[u8; DERIVED_BYTES]>, String> {
        let mut derived = Zeroizing::new([0; DERIVED_BYTES]);
        match self {
            Self::Scrypt { dklen, n, p, r, salt } => {
                check_length(*dklen)?;
                let params = scrypt_params(*n, *r, *p)?;
                scrypt::scrypt(password.expose(), &bytes(salt, "salt")?, &params, &mut *derived)
                    .map_err(|_| "scrypt refused its parameters".to_owned())?;
            }
            Self::Pbkdf2 { c, dklen, prf, salt } => {
                check_length(*dklen)?;
                if prf != "hmac-sha256" {
                    return Err("prf is not hmac-sha256".to_owned());
                }
                if !(1..=PBKDF2_ROUNDS_MAX).contains(c) {
                    return Err(format!("c is {c}, outside 1..={PBKDF2_ROUNDS_MAX}"));
                }
                pbkdf2::pbkdf2::<Hmac<Sha256>>(password.expose(), &bytes(salt, "salt")?, *c, &mut *derived);
            }
        }
        Ok(derived)
    }
}

fn check_length(dklen: usize) -> Result<(), String> {
    if dklen == DERIVED_BYTES { Ok(()) } else { Err(format!("dklen is {dklen}, only {DERIVED_BYTES} is read")) }
}

fn scrypt_params(n: u32, r: u32, p: u32) -> Result<scrypt::Params, String> {
    let memory = u64::from(n).saturating_mul(u64::from(r)).saturating_mul(128);
    let work = u64::from(n).saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if !n.is_power_of_two() || n < 2 || memory > SCRYPT_BYTES_MAX || work > SCRYPT_WORK_MAX {
        return Err(format!("scrypt cost n = {n}, r = {r}, p = {p} is not one that is accepted"));
    }
    let log_n = u8::try_from(n.ilog2()).expect("below 32");
    scrypt::Params::new(log_n, r, p).map_err(|_| format!("scrypt cost n = {n}, r = {r}, p = {p} is not valid"))
}

/// Encrypts or decrypts in place with the first half of the derived key.
fn cipher(derived: &[u8; DERIVED_BYTES], iv: &[u8; IV_BYTES], text: &mut [u8]) {
    let (key, _) = derived.split_at(IV_BYTES);
    let mut stream = Ctr128BE::<Aes128>::new_from_slices(key, iv).expect("16 bytes each");
    stream.apply_keystream(text);
}

/// Over the second half of the derived key and the ciphertext.
fn mac(derived: &[u8; DERIVED_BYTES], ciphertext: &[u8]) -> [u8; 32] {
    let (_, key) = derived.split_at(IV_BYTES);
    let input = Zeroizing::new([key, ciphertext].concat());
    keccak256(&*input).0
}

fn bytes(text: &str, field: &str) -> Result<Vec<u8>, String> {
    hex::decode(text).map_err(|_| format!("{field} is not hexadecimal"))
}

fn fixed<const N: usize>(text: &str, field: &str) -> Result<[u8; N], String> {
    bytes(text, field)?.try_into().map_err(|_| format!("{field} has not {N} bytes"))
}

fn random<const N: usize>() -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| KeystoreError::NoRandomness)?;
    Ok(bytes)
}

/// RFC 4122, version 4.
fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex::encode(bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
