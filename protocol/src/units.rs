//! Units of the system. Only operators that mean something exist.

use core::fmt;

/// Declares a quantity: a newtype over an integer with checked arithmetic inside its own unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// Sum, or `None` past the width of the unit.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// Difference, or `None` below zero.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Declares an ordinal: a position, which has an order but no sum.
macro_rules! ordinal {
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

quantity! {
    /// Smallest unit of the chain's native coin.
    Wei(u128)
}
quantity! {
    /// Units of EVM gas.
    Gas(u64)
}
quantity! {
    /// Wei per unit of gas.
    FeePerGas(u128)
}
ordinal! {
    /// Nanoseconds since the Unix epoch.
    UnixNanos(u64)
}
ordinal! {
    /// Height of a block.
    BlockNumber(u64)
}
ordinal! {
    /// Position in a relay's stream; rises by one per live message within an epoch.
    Sequence(u64)
}
ordinal! {
    /// Identity of one uninterrupted stream; sequences of different epochs do not compare.
    Epoch(u64)
}
ordinal! {
    /// Swap fee in parts per million of the input (3000 = 0.3 %).
    FeePpm(u32)
}

/// Denominator of [`FeePpm`].
pub const FEE_PPM_ONE: u32 = 1_000_000;

impl Gas {
    /// Cost of this much gas, or `None` past 128 bits.
    #[must_use]
    pub const fn checked_mul(self, price: FeePerGas) -> Option<Wei> {
        match price.0.checked_mul(self.0 as u128) {
            Some(value) => Some(Wei(value)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_times_fee_is_wei_and_overflow_is_none() {
        assert_eq!(Gas(21_000).checked_mul(FeePerGas(7)), Some(Wei(147_000)));
        assert_eq!(Gas(2).checked_mul(FeePerGas(u128::MAX)), None);
    }

    #[test]
    fn subtraction_below_zero_is_none() {
        assert_eq!(Wei(1).checked_sub(Wei(2)), None);
        assert_eq!(Wei(2).checked_sub(Wei(2)), Some(Wei(0)));
    }
}

/// A place in a stream: the last message that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Stream.
    pub epoch: Epoch,
    /// Message.
    pub sequence: Sequence,
}
