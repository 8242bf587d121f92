//! Which formula a pool follows, and which contract's rounding of it.

/// Formula of a pool. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum PoolKind {
    /// Constant product: Uniswap V2 and forks.
    UniswapV2 = 1,
    /// Concentrated liquidity: Uniswap V3 and forks.
    UniswapV3 = 2,
    /// Constant product in a Solidly fork (Velodrome, Aerodrome).
    SolidlyVolatile = 3,
    /// `x³y + xy³` in a Solidly fork.
    SolidlyStable = 4,
    /// Concentrated liquidity inside a Uniswap V4 pool manager.
    UniswapV4 = 5,
    /// Curve StableSwap.
    CurveStable = 6,
    /// Curve CryptoSwap, of two or three coins.
    CurveCrypto = 7,
    /// Balancer V2 weighted product.
    BalancerWeighted = 8,
    /// Balancer V2 stable, composable or not.
    BalancerStable = 9,
}

impl PoolKind {
    /// Every kind, by rising code.
    pub const ALL: [Self; 9] = [
        Self::UniswapV2,
        Self::UniswapV3,
        Self::SolidlyVolatile,
        Self::SolidlyStable,
        Self::UniswapV4,
        Self::CurveStable,
        Self::CurveCrypto,
        Self::BalancerWeighted,
        Self::BalancerStable,
    ];

    /// Kind by its wire value.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::UniswapV2),
            2 => Some(Self::UniswapV3),
            3 => Some(Self::SolidlyVolatile),
            4 => Some(Self::SolidlyStable),
            5 => Some(Self::UniswapV4),
            6 => Some(Self::CurveStable),
            7 => Some(Self::CurveCrypto),
            8 => Some(Self::BalancerWeighted),
            9 => Some(Self::BalancerStable),
            _ => None,
        }
    }

    /// Schema version in which the kind came: a peer that speaks an older one cannot hold pools of it.
    #[must_use]
    pub const fn since_version(self) -> u16 {
        match self {
            Self::UniswapV2 | Self::UniswapV3 => 1,
            _ => 3,
        }
    }

    /// Name as in snapshot files and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UniswapV2 => "uniswap_v2",
            Self::UniswapV3 => "uniswap_v3",
            Self::SolidlyVolatile => "solidly_volatile",
            Self::SolidlyStable => "solidly_stable",
            Self::UniswapV4 => "uniswap_v4",
            Self::CurveStable => "curve_stable",
            Self::CurveCrypto => "curve_crypto",
            Self::BalancerWeighted => "balancer_weighted",
            Self::BalancerStable => "balancer_stable",
        }
    }

    /// Numbers of tokens that a pool of the kind can have, the least and the most.
    #[must_use]
    pub const fn token_counts(self) -> (usize, usize) {
        match self {
            Self::CurveStable | Self::BalancerWeighted | Self::BalancerStable => (2, crate::values::TOKENS_MAX),
            Self::CurveCrypto => (2, 3),
            _ => (2, 2),
        }
    }
}

/// Whose arithmetic a pool follows among those of its kind. Values are stable.
///
/// The list is open: a pool of an unknown variant keeps its state, and cannot be quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[non_exhaustive]
pub enum PoolVariant {
    /// Solidly and Velodrome V1: Newton's method as first deployed.
    SolidlyV1 = 1,
    /// Velodrome V2 and Aerodrome: Newton's method that searches for the last unit.
    SolidlyV2 = 2,
    /// StableSwap whose invariant divides by `x · n` coin after coin.
    CurveClassic = 16,
    /// StableSwap's first pools: as `CurveClassic`, with a divisor of `x · n + 1`.
    CurveFirst = 17,
    /// StableSwap of a factory before NG: divides by `x` coin after coin, then once by `n^n`.
    CurveFactory = 18,
    /// StableSwap NG.
    CurveNg = 19,
    /// StableSwap of interest-bearing coins with a fee that rises off the peg (aave, saave).
    CurveOffpeg = 20,
    /// CryptoSwap of two coins before NG.
    CurveTwoCrypto = 32,
    /// CryptoSwap of three coins before NG.
    CurveTriCrypto = 33,
    /// CryptoSwap NG of two coins.
    CurveTwoCryptoNg = 34,
    /// CryptoSwap NG of three coins.
    CurveTriCryptoNg = 35,
    /// Weighted product whose every power goes through logarithm and exponential.
    BalancerLogExp = 48,
    /// Weighted product whose powers of 1, 2 and 4 are products.
    BalancerSpecialCases = 49,
    /// Stable invariant that rounds up or down as it is asked (the first stable and meta-stable pools).
    BalancerInvariantDirected = 64,
    /// Stable invariant that always rounds down (composable pools).
    BalancerInvariantDown = 65,
}

impl PoolVariant {
    /// Variant by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        match value {
            1 => Some(Self::SolidlyV1),
            2 => Some(Self::SolidlyV2),
            16 => Some(Self::CurveClassic),
            17 => Some(Self::CurveFirst),
            18 => Some(Self::CurveFactory),
            19 => Some(Self::CurveNg),
            20 => Some(Self::CurveOffpeg),
            32 => Some(Self::CurveTwoCrypto),
            33 => Some(Self::CurveTriCrypto),
            34 => Some(Self::CurveTwoCryptoNg),
            35 => Some(Self::CurveTriCryptoNg),
            48 => Some(Self::BalancerLogExp),
            49 => Some(Self::BalancerSpecialCases),
            64 => Some(Self::BalancerInvariantDirected),
            65 => Some(Self::BalancerInvariantDown),
            _ => None,
        }
    }
}
