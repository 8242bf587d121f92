//! The families of contracts, and what sets them apart.

/// Family of StableSwap contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rules {
    /// The lending pools of 2020: compound, usdt, y, busd, susd.
    First,
    /// The three-coin pool and its contemporaries (ren, sbtc, hbtc): amplification without further digits.
    ThreePool,
    /// The templates after it, base and meta: amplification times 100.
    Classic,
    /// Plain pools of the factory before NG.
    Factory,
    /// The NG factory.
    Ng,
    /// Lending pools whose fee grows off the peg: aave, saave.
    Offpeg,
}

/// How the product of an invariant's iteration is divided, coin by coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Divisor {
    /// By `x n`.
    Scaled,
    /// By `x n + 1`, which keeps an empty coin from a division by zero.
    ScaledPlusOne,
    /// By `x`, and in the end by `n^n` at once.
    Plain,
}

impl Rules {
    /// What amplification is multiplied with in the contract's storage.
    #[must_use]
    pub const fn amplification_precision(self) -> u64 {
        match self {
            Self::First | Self::ThreePool => 1,
            Self::Classic | Self::Factory | Self::Ng | Self::Offpeg => 100,
        }
    }

    pub(super) const fn divisor(self) -> Divisor {
        match self {
            Self::ThreePool | Self::Classic => Divisor::Scaled,
            Self::First | Self::Offpeg => Divisor::ScaledPlusOne,
            Self::Factory | Self::Ng => Divisor::Plain,
        }
    }

    /// Whether an iteration that does not settle ends the call; the oldest contracts go on with its last number.
    pub(super) const fn refuses_unsettled(self) -> bool {
        !matches!(self, Self::First | Self::ThreePool)
    }

    /// What a swap leaves in the pool against rounding, in the common unit.
    pub(super) const fn is_one_kept(self) -> bool {
        !matches!(self, Self::First | Self::Offpeg)
    }

    /// Whether the contract's view takes the fee from raw units, where its swap takes it from the common unit.
    pub(super) const fn quotes_fee_of_raw(self) -> bool {
        matches!(self, Self::First | Self::ThreePool | Self::Offpeg)
    }

    /// Whether the fee grows as the pool leaves its peg.
    pub(in crate::pool) const fn is_fee_dynamic(self) -> bool {
        matches!(self, Self::Ng | Self::Offpeg)
    }
}
