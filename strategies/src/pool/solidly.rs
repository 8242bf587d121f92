//! Solidly pools and their forks (Velodrome, Aerodrome): a constant product, or `x³y + xy³` for tokens of one price.
//!
//! Units: raw token units. Rounding: the fee and the output down. Fees leave the pool, so the reserve that takes the
//! input grows by the input without its fee.
//!
//! The contracts keep reserves of 256 bits and quote from empty ones; here a reserve has 128 bits, and what would
//! not fit, a zero input and an empty pool are refused. The factory's pause switch is not part of the state: a quote
//! from a paused factory's pool is one whose swap reverts.

mod stable;

use ruint::aliases::U256;

use self::stable::{Search, StableCurve};
use super::full_math::mul_div_floor;
use super::{PPM, QuoteError, Swapped, Way};

/// Which curve a pool trades on, and how its contract finds the point on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SolidlyCurve {
    /// `xy`.
    Volatile,
    /// `x³y + xy³` by Newton's method that stops within a unit: Solidly, Velodrome V1.
    StableV1,
    /// `x³y + xy³` by Newton's method that searches for the last unit: Velodrome V2, Aerodrome.
    StableV2,
}

/// Everything of a pool's state that decides an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolidlyView {
    /// Raw units of token 0 and token 1.
    pub reserves: [u128; 2],
    /// `10^decimals` of token 0 and token 1; not zero. A volatile pool does not use them.
    pub scales: [u128; 2],
    /// Fee in parts per million of the input, below 1,000,000. The factory sets it in basis points, by pool or by
    /// curve, and may change it at any time.
    pub fee_ppm: u32,
    /// Curve and contract generation.
    pub curve: SolidlyCurve,
}

/// One swap's side of the pool: reserves as the contract's words, in before out.
struct Sides {
    reserve_in: u128,
    reserve_out: u128,
    /// Index of the token that goes in.
    index_in: usize,
}

impl SolidlyView {
    /// Output for exactly `amount_in`, as the pool's `getAmountOut`; 0 when the input is too small to move a unit.
    ///
    /// Latency: no allocation; a stable pool takes some ten rounds of Newton's method.
    ///
    /// # Errors
    /// [`QuoteError::TokenNotInPool`]; [`QuoteError::InvalidPoolState`] for a fee of one or more, or a scale of zero;
    /// [`QuoteError::InsufficientInputAmount`]; [`QuoteError::InsufficientLiquidity`] for an empty reserve or one so
    /// small that the curve has no slope; [`QuoteError::ReserveOverflow`] for a reserve past 128 bits;
    /// [`QuoteError::AmountOverflow`] where the contract's arithmetic reverts; [`QuoteError::NotConverged`];
    /// [`QuoteError::UnknownVariant`] where the two releases of the second generation answer differently.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
        let sides = self.sides(way)?;
        let net = self.amount_without_fee(amount_in)?;
        self.amount_out(&sides, net)
    }

    /// The swap of what [`Self::quote_exact_in`] answers, and the reserves after it, token 0 first.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`]; [`QuoteError::InsufficientOutputAmount`] for an output of zero;
    /// [`QuoteError::InsufficientLiquidity`] for the whole reserve; [`QuoteError::InvariantViolated`] when the pool's
    /// own check of its curve fails, as it does now and then for the last unit of a [`SolidlyCurve::StableV1`] quote.
    pub fn swap_exact_in(&self, way: Way, amount_in: U256) -> Result<Swapped<[u128; 2]>, QuoteError> {
        let sides = self.sides(way)?;
        let net = self.amount_without_fee(amount_in)?;
        let amount_out = self.amount_out(&sides, net)?;
        if amount_out.is_zero() {
            return Err(QuoteError::InsufficientOutputAmount);
        }
        let given = u128::try_from(amount_out)
            .ok()
            .filter(|&given| given < sides.reserve_out)
            .ok_or(QuoteError::InsufficientLiquidity)?;
        let reserve_in = sides.reserve_in.checked_add(net).ok_or(QuoteError::ReserveOverflow)?;
        let reserve_out = sides.reserve_out.wrapping_sub(given);
        let after = if sides.index_in == 0 { [reserve_in, reserve_out] } else { [reserve_out, reserve_in] };
        if self.invariant(after)? < self.invariant(self.reserves)? {
            return Err(QuoteError::InvariantViolated);
        }
        Ok(Swapped { amount_out, after })
    }

    fn sides(&self, way: Way) -> Result<Sides, QuoteError> {
        let [reserve_0, reserve_1] = self.reserves;
        let sides = match (way.token_in, way.token_out) {
            (0, 1) => Sides { reserve_in: reserve_0, reserve_out: reserve_1, index_in: 0 },
            (1, 0) => Sides { reserve_in: reserve_1, reserve_out: reserve_0, index_in: 1 },
            _ => return Err(QuoteError::TokenNotInPool),
        };
        if self.fee_ppm >= PPM || self.scales.contains(&0) {
            return Err(QuoteError::InvalidPoolState);
        }
        if reserve_0 == 0 || reserve_1 == 0 { Err(QuoteError::InsufficientLiquidity) } else { Ok(sides) }
    }

    /// The contract counts the fee in basis points; a multiple of a hundred parts per million rounds the same way.
    fn amount_without_fee(&self, amount_in: U256) -> Result<u128, QuoteError> {
        if amount_in.is_zero() {
            return Err(QuoteError::InsufficientInputAmount);
        }
        let fee = mul_div_floor(amount_in, U256::from(self.fee_ppm), U256::from(PPM))?;
        u128::try_from(amount_in.wrapping_sub(fee)).map_err(|_| QuoteError::ReserveOverflow)
    }

    fn amount_out(&self, sides: &Sides, net: u128) -> Result<U256, QuoteError> {
        sides.reserve_in.checked_add(net).ok_or(QuoteError::ReserveOverflow)?;
        match self.curve {
            SolidlyCurve::Volatile => {
                // Products of two 128-bit numbers, and a sum that has just been found to fit.
                let numerator = U256::from(net).wrapping_mul(U256::from(sides.reserve_out));
                Ok(numerator.wrapping_div(U256::from(sides.reserve_in).wrapping_add(U256::from(net))))
            }
            SolidlyCurve::StableV1 => self.stable().amount_out(Search::First, self.reserves, sides.index_in, net),
            SolidlyCurve::StableV2 => self.stable().amount_out(Search::Second, self.reserves, sides.index_in, net),
        }
    }

    fn invariant(&self, reserves: [u128; 2]) -> Result<U256, QuoteError> {
        match self.curve {
            SolidlyCurve::Volatile => Ok(U256::from(reserves[0]).wrapping_mul(U256::from(reserves[1]))),
            SolidlyCurve::StableV1 | SolidlyCurve::StableV2 => {
                let stable = self.stable();
                stable.invariant(U256::from(reserves[0]), U256::from(reserves[1]))
            }
        }
    }

    const fn stable(&self) -> StableCurve {
        StableCurve { scales: self.scales }
    }
}
