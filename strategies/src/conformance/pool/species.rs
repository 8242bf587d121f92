//! Kinds of pools by their arithmetic, and random ones of each that could exist.

mod concentrated;
mod crypto;
mod pair;
mod several;
mod stable;

use core::fmt;

use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::{MultiTokenDetails, PerToken, PoolDetails};
use alphapulse_protocol::{FeePpm, VenueId};

use super::sample::{SamplePool, numbered};
use crate::conformance::pool_address;
use crate::conformance::random::Random;

/// Unix second at which random pools are asked.
pub(super) const NOW: u64 = 1_700_000_000;

/// One, in 18 decimals.
pub(super) const ONE: u128 = 1_000_000_000_000_000_000;

/// Arithmetic that a pool follows: one for each that the maths tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of contracts; `PoolKind` and `PoolVariant` describe them")]
pub enum Species {
    UniswapV2,
    UniswapV3,
    UniswapV4,
    SolidlyVolatile,
    SolidlyStableV1,
    SolidlyStableV2,
    StableFirst,
    StableThreePool,
    StableClassic,
    StableMeta,
    StableFactory,
    StableNg,
    StableOffpeg,
    TwoCrypto,
    TriCrypto,
    TwoCryptoNg,
    TriCryptoNg,
    WeightedLogExp,
    WeightedSpecialCases,
    BalancerStableDirected,
    BalancerStableDown,
}

impl Species {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::UniswapV2,
        Self::UniswapV3,
        Self::UniswapV4,
        Self::SolidlyVolatile,
        Self::SolidlyStableV1,
        Self::SolidlyStableV2,
        Self::StableFirst,
        Self::StableThreePool,
        Self::StableClassic,
        Self::StableMeta,
        Self::StableFactory,
        Self::StableNg,
        Self::StableOffpeg,
        Self::TwoCrypto,
        Self::TriCrypto,
        Self::TwoCryptoNg,
        Self::TriCryptoNg,
        Self::WeightedLogExp,
        Self::WeightedSpecialCases,
        Self::BalancerStableDirected,
        Self::BalancerStableDown,
    ];

    /// A random pool that could exist: numbers that its factory and its owner would take, balances within a factor of a
    /// thousand of each other where they are of one price.
    #[must_use]
    pub fn draw(self, seed: u64) -> SamplePool {
        let random = &mut Random::new(seed);
        match self {
            Self::UniswapV2 | Self::SolidlyVolatile | Self::SolidlyStableV1 | Self::SolidlyStableV2 => {
                pair::draw(self, random)
            }
            Self::UniswapV3 | Self::UniswapV4 => concentrated::draw(self, random),
            Self::TwoCrypto | Self::TriCrypto | Self::TwoCryptoNg | Self::TriCryptoNg => crypto::draw(self, random),
            Self::WeightedLogExp | Self::WeightedSpecialCases => several::weighted(self, random),
            Self::BalancerStableDirected | Self::BalancerStableDown => several::stable(self, random),
            _ => stable::draw(self, random),
        }
    }

    const fn kind(self) -> PoolKind {
        match self {
            Self::UniswapV2 => PoolKind::UniswapV2,
            Self::UniswapV3 => PoolKind::UniswapV3,
            Self::UniswapV4 => PoolKind::UniswapV4,
            Self::SolidlyVolatile => PoolKind::SolidlyVolatile,
            Self::SolidlyStableV1 | Self::SolidlyStableV2 => PoolKind::SolidlyStable,
            Self::TwoCrypto | Self::TriCrypto | Self::TwoCryptoNg | Self::TriCryptoNg => PoolKind::CurveCrypto,
            Self::WeightedLogExp | Self::WeightedSpecialCases => PoolKind::BalancerWeighted,
            Self::BalancerStableDirected | Self::BalancerStableDown => PoolKind::BalancerStable,
            _ => PoolKind::CurveStable,
        }
    }

    const fn variant(self) -> PoolVariant {
        match self {
            Self::SolidlyStableV1 => PoolVariant::SolidlyV1,
            Self::StableFirst => PoolVariant::CurveFirst,
            Self::StableThreePool | Self::StableClassic | Self::StableMeta => PoolVariant::CurveClassic,
            Self::StableFactory => PoolVariant::CurveFactory,
            Self::StableNg => PoolVariant::CurveNg,
            Self::StableOffpeg => PoolVariant::CurveOffpeg,
            Self::TwoCrypto => PoolVariant::CurveTwoCrypto,
            Self::TriCrypto => PoolVariant::CurveTriCrypto,
            Self::TwoCryptoNg => PoolVariant::CurveTwoCryptoNg,
            Self::TriCryptoNg => PoolVariant::CurveTriCryptoNg,
            Self::WeightedLogExp => PoolVariant::BalancerLogExp,
            Self::WeightedSpecialCases => PoolVariant::BalancerSpecialCases,
            Self::BalancerStableDirected => PoolVariant::BalancerInvariantDirected,
            Self::BalancerStableDown => PoolVariant::BalancerInvariantDown,
            // Not read in kinds without variants.
            _ => PoolVariant::SolidlyV2,
        }
    }

    const fn is_weighted(self) -> bool {
        matches!(self, Self::WeightedLogExp | Self::WeightedSpecialCases)
    }

    /// What amplification is multiplied with.
    const fn precision(self) -> u16 {
        match self {
            Self::StableClassic | Self::StableMeta | Self::StableFactory | Self::StableNg | Self::StableOffpeg => 100,
            Self::BalancerStableDirected | Self::BalancerStableDown => 1_000,
            _ => 1,
        }
    }

    /// A pool of tokens of these decimals.
    fn pool(self, decimals: &[u8], state: PoolState) -> SamplePool {
        SamplePool { info: self.info(decimals), state, base: None, at: NOW }
    }

    fn info(self, decimals: &[u8]) -> PoolInfo {
        let tokens = numbered(0, decimals.len());
        let mut of_all: PerToken<u8> = [0; 8];
        of_all[..decimals.len()].copy_from_slice(decimals);
        let details = MultiTokenDetails {
            variant: self.variant() as u16,
            amplification_precision: self.precision(),
            base_pool: None,
            bpt_index: None,
            decimals: of_all,
            underlying: tokens,
            pool_id: if self.precision() == 1_000 || self.is_weighted() { [7; 32] } else { [0; 32] },
            vault: [0; 20],
        };
        let has_details = !matches!(self, Self::UniswapV2 | Self::UniswapV3 | Self::UniswapV4);
        PoolInfo {
            kind: self.kind(),
            venue: VenueId(0),
            address: pool_address(0),
            tokens,
            fee: FeePpm(0),
            tick_spacing: 0,
            known_ticks: (0, 0),
            details: if has_details { PoolDetails::MultiToken(details) } else { PoolDetails::None },
        }
    }
}

impl fmt::Display for Species {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// Decimals of a token, and an amount of it: 1 to 10^11 whole tokens.
fn coin(random: &mut Random, size: u32) -> (u8, u128) {
    let decimals = random.pick(&[6_u8, 8, 18]);
    let units = random.half_between(1_000, 1_000_000);
    (decimals, units * 10_u128.pow(u32::from(decimals) + size - 3))
}

/// `count` such coins of one size.
fn coins(random: &mut Random, count: usize) -> (Vec<u8>, PerToken<u128>) {
    let size = u32::try_from(random.index(9)).expect("below nine");
    let mut balances = [0; 8];
    let mut decimals = Vec::new();
    for balance in balances.iter_mut().take(count) {
        let (digits, held) = coin(random, size);
        decimals.push(digits);
        *balance = held;
    }
    (decimals, balances)
}

/// Rates of coins of these decimals that stand still at one.
fn plain_rates(decimals: &[u8], digits: u32) -> PerToken<u128> {
    let mut rates = [0; 8];
    for (rate, decimals) in rates.iter_mut().zip(decimals) {
        *rate = 10_u128.pow(digits - u32::from(*decimals));
    }
    rates
}
