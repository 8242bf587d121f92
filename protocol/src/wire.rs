//! Wide integers as they lie on the wire.

use ruint::aliases::U256;
use zerocopy::little_endian::U128;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Unsigned 256-bit integer, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct U256Le([u8; 32]);

impl U256Le {
    /// Wire form of `value`.
    #[must_use]
    #[inline]
    pub const fn new(value: U256) -> Self {
        Self(value.to_le_bytes())
    }

    /// Whether the number is below 2^160, as a square root of a price has to be.
    #[must_use]
    #[inline]
    pub(crate) const fn is_below_2_160(self) -> bool {
        let [_, _, third, fourth] = *self.get().as_limbs();
        third >> 32 | fourth == 0
    }

    /// The number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> U256 {
        U256::from_le_bytes(self.0)
    }
}

impl From<U256> for U256Le {
    fn from(value: U256) -> Self {
        Self::new(value)
    }
}

/// Wire form of amounts.
pub(crate) fn u128s<const COUNT: usize>(values: [u128; COUNT]) -> [U128; COUNT] {
    values.map(U128::new)
}

/// The amounts.
pub(crate) fn read_u128s<const COUNT: usize>(values: [U128; COUNT]) -> [u128; COUNT] {
    values.map(U128::get)
}
