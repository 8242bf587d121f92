//! What differs between the generations of the contract, and between two coins and three.

use ruint::aliases::U256;

use super::cubic::{self, Solved, ThreeCoins, TwoCoins};
use super::exponential::{exponential, half_power};
use super::fee::FeeTerms;
use super::geometric::{legacy_mean, mean_of_three};
use super::newton_legacy::{Curvature, CurvatureBounds, balance, invariant, sorted};
use super::newton_ng;
use super::words::{E18, Int, of, over};
use crate::pool::QuoteError;
use crate::pool::square_root::square_root;

/// Which contract a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CryptoSwapGeneration {
    /// Two coins before NG (`CurveCryptoSwap2ETH`).
    TwoCrypto,
    /// Three coins before NG (`CurveCryptoSwap` with `CurveCryptoMath3`).
    TriCrypto,
    /// Twocrypto-NG whose maths contract says `v2.0.0`.
    TwoCryptoNg,
    /// Tricrypto-NG.
    TriCryptoNg,
}

impl CryptoSwapGeneration {
    /// Coins of a pool.
    #[must_use]
    pub const fn coin_count(self) -> usize {
        match self {
            Self::TwoCrypto | Self::TwoCryptoNg => 2,
            Self::TriCrypto | Self::TriCryptoNg => 3,
        }
    }

    pub(super) const fn is_ng(self) -> bool {
        matches!(self, Self::TwoCryptoNg | Self::TriCryptoNg)
    }

    /// The invariant of these balances; `k0` starts NG's loops, zero where nothing is known.
    pub(super) fn invariant(self, curvature: Curvature, xp: [U256; 3], k0: U256) -> Result<U256, QuoteError> {
        match self {
            Self::TwoCrypto => invariant(curvature, &CurvatureBounds::TWO_LEGACY, pair(xp)),
            Self::TriCrypto => invariant(curvature, &CurvatureBounds::THREE, xp),
            Self::TwoCryptoNg => newton_ng::invariant_of_two(curvature, pair(xp), k0),
            Self::TriCryptoNg => newton_ng::invariant_of_three(curvature, xp, k0),
        }
    }

    /// The balance of coin `i` that goes with the others and `d`.
    pub(super) fn balance(self, curvature: Curvature, xp: [U256; 3], d: U256, i: usize) -> Result<Solved, QuoteError> {
        let newton = |y: U256| Solved { y, k0: U256::ZERO };
        match self {
            Self::TwoCrypto => balance(curvature, &CurvatureBounds::TWO_LEGACY, pair(xp), d, i).map(newton),
            Self::TriCrypto => balance(curvature, &CurvatureBounds::THREE, xp, d, i).map(newton),
            Self::TwoCryptoNg => TwoCoins::new(curvature, d)?.balance(pair(xp), i),
            Self::TriCryptoNg => ThreeCoins::new(curvature, d)?.balance(xp, i),
        }
    }

    /// Geometric mean, as the contract rounds it.
    pub(super) fn mean(self, x: [U256; 3]) -> Result<U256, QuoteError> {
        match self {
            Self::TwoCrypto => legacy_mean(sorted(pair(x))),
            Self::TriCrypto => legacy_mean(sorted(x)),
            Self::TwoCryptoNg => Ok(square_root((of(x[0]) * x[1]).get()?)),
            Self::TriCryptoNg => mean_of_three(x),
        }
    }

    /// Fee at these balances, of 10^10.
    pub(super) fn fee(self, terms: FeeTerms, xp: [U256; 3]) -> Result<U256, QuoteError> {
        if self.coin_count() == 2 { terms.of_two(pair(xp)) } else { terms.of_three(xp) }
    }

    /// Weight that the old average keeps after `elapsed` seconds, of 10^18.
    pub(super) fn kept(self, elapsed: u64, ma_time: u64) -> Result<U256, QuoteError> {
        let elapsed = U256::from(elapsed).wrapping_mul(E18);
        if !self.is_ng() {
            return half_power((of(elapsed) / U256::from(ma_time)).get()?);
        }
        // Without a time the division gives zero and the average does not move.
        exponential(Int::positive(over(elapsed, U256::from(ma_time))).negated())
    }

    /// Prices that an NG pool notes after a swap, over the price scale, of 10^18.
    pub(super) fn marginal_prices(self, curvature: Curvature, xp: [U256; 3], d: U256) -> Result<[U256; 2], QuoteError> {
        if self.coin_count() == 2 {
            Ok([cubic::price_of_two(curvature, pair(xp), d)?, U256::ZERO])
        } else {
            cubic::prices_of_three(curvature, xp, d)
        }
    }
}

fn pair([a, b, _]: [U256; 3]) -> [U256; 2] {
    [a, b]
}
