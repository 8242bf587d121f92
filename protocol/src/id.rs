//! Identifiers. Dense ids are assigned by the relay and mean nothing outside one epoch.

use core::fmt;

/// Declares an identifier over an integer.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identifier! {
    /// EIP-155 chain id.
    ChainId(u64)
}
identifier! {
    /// Dense pool index, `0..pool_count`, described before it is used.
    PoolId(u32)
}
identifier! {
    /// Dense token index, `0..token_count`, described before it is used.
    TokenId(u32)
}
identifier! {
    /// Index of a venue (factory and fee rule) in the operator's configuration and in the executor contract.
    VenueId(u16)
}
identifier! {
    /// Number of an opportunity within one run, from 1.
    OpportunityId(u64)
}

impl PoolId {
    /// Position in a dense table of pools.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl TokenId {
    /// Position in a dense table of tokens.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Contract or account address, 20 bytes as on chain.
pub type AddressBytes = [u8; 20];

/// Block or transaction hash, 32 bytes as on chain.
pub type HashBytes = [u8; 32];

/// A block named so that a reorg cannot be missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BlockRef {
    /// Height.
    pub number: crate::units::BlockNumber,
    /// Hash of the header.
    pub hash: HashBytes,
}
