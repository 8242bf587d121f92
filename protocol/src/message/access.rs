//! Since version 3: who a client is, and that it hands in messages instead of taking them.

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::ChainId;

/// Oldest schema version whose client can prove who it is, and may publish.
pub const VERSION_ACCESS: u16 = 3;

/// Longest name of a key.
pub const NAME_BYTES_MAX: usize = 32;

/// What a client may do. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Role {
    /// It may have the stream.
    Subscribe = 1,
    /// It may hand in side messages.
    Publish = 2,
    /// It may change what the relay does while it runs.
    Admin = 3,
}

impl Role {
    /// Role by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Subscribe,
            2 => Self::Publish,
            3 => Self::Admin,
            _ => return None,
        })
    }
}

/// The relay asks for a proof that the client holds a key.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Challenge {
    /// Common header.
    pub header: MessageHeader,
    /// Random bytes of the relay, new for each connection.
    pub nonce: [u8; 32],
}
wire_message!(Challenge = 9, 56, version = 3);

impl Challenge {
    /// Asks with this nonce.
    #[must_use]
    pub fn new(nonce: [u8; 32]) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), nonce }
    }
}

/// The client's answer to [`Challenge`]. What the proof is made of is the relay's and its client's business.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Proof {
    /// Common header.
    pub header: MessageHeader,
    /// A [`Role`]: the one that is asked for.
    pub role: U16,
    /// Bytes of the name.
    pub name_length: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 5],
    /// Name of the key; the rest is zero.
    pub name: [u8; NAME_BYTES_MAX],
    /// Random bytes of the client, new for each connection.
    pub nonce: [u8; 32],
    /// The proof.
    pub mac: [u8; 32],
}
wire_message!(
    Proof = 10,
    128,
    version = 3,
    check = |m| {
        if m.role().is_none() {
            return Err(Self::field_error("role"));
        }
        match m.name.get(..usize::from(m.name_length)) {
            None | Some([]) => Err(Self::field_error("name_length")),
            Some(name) if name.iter().all(|byte| is_name_byte(*byte)) => Ok(()),
            Some(_) => Err(Self::field_error("name")),
        }
    }
);

/// Names go to logs: nothing in them may be mistaken for something else there.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl Proof {
    /// A proof, or `None` when `name` is no name of a key.
    #[must_use]
    pub fn new(role: Role, name: &str, nonce: [u8; 32], mac: [u8; 32]) -> Option<Self> {
        let mut proof = Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            role: U16::new(role as u16),
            name_length: u8::try_from(name.len()).ok()?,
            reserved: [0; 5],
            name: [0; NAME_BYTES_MAX],
            nonce,
            mac,
        };
        proof.name.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        proof.check().is_ok().then_some(proof)
    }

    /// The role that is asked for.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        Role::from_wire(self.role.get())
    }

    /// Name of the key; empty in a message that was not checked and holds none.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.name.get(..usize::from(self.name_length)).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

/// Asks to hand in side messages instead of subscribing.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Publish {
    /// Common header.
    pub header: MessageHeader,
    /// EIP-155 id of the chain that they are about.
    pub chain_id: U64,
}
wire_message!(Publish = 11, 32, version = 3);

impl Publish {
    /// Asks for a relay of this chain.
    #[must_use]
    pub fn new(chain_id: ChainId) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), chain_id: U64::new(chain_id.0) }
    }
}
