//! The estimate by which search ranks hops: a pool's output as a Möbius function of its input.
//!
//! Floats for ranking and sizing only. What decides a trade is the integer quote of the same pool.

use super::PPM;

/// `output(x) = g x / (1 + h x)`, fee included: exact (up to rounding) for a constant-product pair and for one
/// liquidity range of a concentrated pool.
///
/// Units: `x` and the output in raw units of their tokens, so `g` is out per in and `h` is one per in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mobius {
    /// Marginal rate at zero input, fee deducted.
    pub g: f64,
    /// Half the relative fall of the marginal rate per unit of input at zero input.
    pub h: f64,
}

impl Mobius {
    /// A constant-product pair. Reserves in raw units; an empty input reserve gives infinities.
    #[inline]
    #[must_use]
    pub fn constant_product(reserve_in: u128, reserve_out: u128, fee_ppm: u32) -> Self {
        Self::from_reserves(reserve_in as f64, reserve_out as f64, kept_share(fee_ppm))
    }

    /// One liquidity range at a price `sqrt_price = sqrt(token1 / token0)`, by its virtual reserves.
    #[inline]
    #[must_use]
    pub fn liquidity_range(liquidity: f64, sqrt_price: f64, fee_ppm: u32, zero_for_one: bool) -> Self {
        let (reserve_0, reserve_1) = (liquidity / sqrt_price, liquidity * sqrt_price);
        let kept = kept_share(fee_ppm);
        if zero_for_one {
            Self::from_reserves(reserve_0, reserve_1, kept)
        } else {
            Self::from_reserves(reserve_1, reserve_0, kept)
        }
    }

    fn from_reserves(reserve_in: f64, reserve_out: f64, kept: f64) -> Self {
        let h = kept / reserve_in;
        Self { g: h * reserve_out, h }
    }

    /// Output for an input `x`.
    #[inline]
    #[must_use]
    pub fn output(self, x: f64) -> f64 {
        self.g * x / (1.0 + self.h * x)
    }

    /// Marginal rate after an input `x`.
    #[inline]
    #[must_use]
    pub fn rate(self, x: f64) -> f64 {
        let scale = 1.0 + self.h * x;
        self.g / (scale * scale)
    }
}

/// Share of the input that is left after the fee.
pub(crate) fn kept_share(fee_ppm: u32) -> f64 {
    f64::from(PPM.saturating_sub(fee_ppm)) / f64::from(PPM)
}

#[cfg(test)]
mod tests {
    use ruint::aliases::U256;

    use super::*;
    use crate::pool::constant_product;

    #[test]
    fn estimate_of_a_pair_stays_within_a_unit_of_its_quote() {
        let (reserve_in, reserve_out) = (5_000_000_000_000_u128, 7_000_000_000_u128);
        let estimate = Mobius::constant_product(reserve_in, reserve_out, 2500);
        for amount in [1_u64, 1_000, 1_000_000_000, 5_000_000_000_000] {
            let quote = constant_product::quote_exact_in(reserve_in, reserve_out, 2500, U256::from(amount));
            let exact = f64::from(quote.expect("in the pair's domain"));
            assert!((estimate.output(amount as f64) - exact).abs() <= 1.0);
        }
    }

    #[test]
    fn rate_is_the_slope_of_the_output() {
        let map = Mobius { g: 1.5, h: 1e-6 };
        let (x, step) = (1_000_000.0, 1.0);
        let slope = (map.output(x + step) - map.output(x - step)) / (2.0 * step);
        assert!((map.rate(x) / slope - 1.0).abs() < 1e-9);
    }
}
