//! Steps whose numbers all have 128 bits, as in nearly every pool: the same formulas, in registers.
//!
//! Numbers of 256 bits cross function boundaries through memory, written word by word and read in wider pieces, which the
//! processor waits for; that was most of a quote's time. Where anything here does not fit, there is no answer, and the
//! formulas of [`swap_math`](super::super::swap_math) are used.

use super::super::PPM;
use super::super::full_math::{Inverse, div_million, divide_near, mul_wide};

/// A stretch of prices with one liquidity and one fee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: u128,
    /// Not behind `from`.
    pub(super) to: u128,
    pub(super) liquidity: u128,
    /// The liquidity's.
    pub(super) inverse: Inverse,
    pub(super) zero_for_one: bool,
    /// Below a million.
    pub(super) fee_ppm: u32,
}

/// What an exact input does in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is used up at this price, before the end, for this output.
    Inside { sqrt_price: u128, amount_out: u128 },
    /// It is enough to get to the end.
    Reached,
    /// A number does not fit.
    Wide,
}

impl Range {
    /// As [`inner_step`](super::super::swap_math::inner_step), which says why the price alone tells whether the end is
    /// reached.
    #[inline(always)]
    pub(super) fn exact_in(&self, amount: u128) -> Step {
        let Some(spendable) = self.spendable(amount) else { return Step::Wide };
        if self.liquidity == 0 {
            return Step::Reached;
        }
        if self.zero_for_one { self.add_0(spendable) } else { self.add_1(spendable) }
    }

    /// Whether an amount is enough to get to the end, told without a division; `None` when a number does not fit.
    ///
    /// Of token 0, the next price `L p / (L + s p)` is not above the end `t` when `L (p - t)` is at most `s p t`.
    #[inline]
    pub(super) fn is_crossed_by(&self, amount: u128) -> Option<bool> {
        let spendable = self.spendable(amount)?;
        if !self.zero_for_one {
            let (net, is_exact) = token_1(self.liquidity, self.to.checked_sub(self.from)?)?;
            return Some(spendable > net || spendable == net && is_exact);
        }
        let (low, high) = mul_wide(self.liquidity, self.from.checked_sub(self.to)?);
        let needed = [high >> 32, high << 96 | low >> 32, low << 96];
        let (low, high) = mul_wide(self.from, self.to);
        let ((low, carried), (middle, high)) = (mul_wide(low, spendable), mul_wide(high, spendable));
        let (middle, is_carried) = middle.overflowing_add(carried);
        Some([high + u128::from(is_carried), middle, low] >= needed)
    }

    /// An amount without the fee; `None` for one of more than 108 bits: with twenty for the parts it has 128 in all.
    #[inline(always)]
    fn spendable(&self, amount: u128) -> Option<u128> {
        (amount >> 108 == 0).then(|| div_million(amount * u128::from(PPM - self.fee_ppm)))
    }

    /// Token 0 comes in.
    #[inline(always)]
    fn add_0(&self, amount: u128) -> Step {
        let (low, high) = mul_wide(amount, self.from);
        let (low, is_carried) = low.overflowing_add(self.liquidity << 96);
        let high = high.checked_add((self.liquidity >> 32) + u128::from(is_carried));
        let (low_product, high_product) = mul_wide(self.liquidity, self.from);
        let numerator = [low_product << 96, high_product << 96 | low_product >> 32, high_product >> 32];
        let Some((quotient, is_exact)) = high.and_then(|high| divide_near(numerator, [low, high])) else {
            return Step::Wide;
        };
        // Not above the price before, so one more fits where something remains.
        let sqrt_price = quotient + u128::from(!is_exact);
        if sqrt_price <= self.to {
            return Step::Reached;
        }
        self.inside(sqrt_price, token_1(self.liquidity, self.from - sqrt_price))
    }

    /// Token 1 comes in.
    #[inline(always)]
    fn add_1(&self, amount: u128) -> Step {
        let rise = self.inverse.divide([amount << 96, amount >> 32, 0], self.liquidity);
        // A rise of more than 128 bits is beyond any end that has 128.
        let Some(sqrt_price) = rise.and_then(|(rise, _)| self.from.checked_add(rise)) else { return Step::Reached };
        if sqrt_price >= self.to {
            return Step::Reached;
        }
        self.inside(sqrt_price, token_0(self.liquidity, self.from, sqrt_price))
    }

    #[inline]
    const fn inside(&self, sqrt_price: u128, amount_out: Option<(u128, bool)>) -> Step {
        match amount_out {
            Some((amount_out, _)) => Step::Inside { sqrt_price, amount_out },
            None => Step::Wide,
        }
    }

    /// Input, fee included, and output of the whole range, as [`whole_step`](super::super::swap_math::whole_step).
    #[inline]
    pub(super) fn whole(&self) -> Option<(u128, u128)> {
        let (net, output) = if self.zero_for_one {
            (token_0(self.liquidity, self.to, self.from)?, token_1(self.liquidity, self.from.checked_sub(self.to)?)?)
        } else {
            (token_1(self.liquidity, self.to.checked_sub(self.from)?)?, token_0(self.liquidity, self.from, self.to)?)
        };
        let net = net.0.checked_add(u128::from(!net.1))?;
        let fee = net.checked_mul(u128::from(self.fee_ppm))?.div_ceil(u128::from(PPM - self.fee_ppm));
        Some((net.checked_add(fee)?, output.0))
    }
}

/// `liquidity * 2^96 * (upper - lower) / (upper * lower)`, rounded down, and whether nothing was cut off.
#[inline(always)]
fn token_0(liquidity: u128, lower: u128, upper: u128) -> Option<(u128, bool)> {
    let (low, high) = mul_wide(liquidity, upper.checked_sub(lower)?);
    let (low_product, high_product) = mul_wide(upper, lower);
    divide_near([low << 96, high << 96 | low >> 32, high >> 32], [low_product, high_product])
}

/// `liquidity * difference / 2^96`, rounded down, and whether nothing was cut off.
#[inline(always)]
fn token_1(liquidity: u128, difference: u128) -> Option<(u128, bool)> {
    let (low, high) = mul_wide(liquidity, difference);
    (high >> 96 == 0).then_some((high << 32 | low >> 96, low << 32 == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruint::aliases::U256;

    use super::super::super::swap_math::{inner_step, whole_step};
    use super::*;

    fn number(bits: u32) -> impl Strategy<Value = u128> {
        (any::<u128>(), 1..=bits).prop_map(|(value, bits)| value >> (128 - bits))
    }

    /// Any range: of any prices, or of some that are as near each other as ticks.
    fn range() -> impl Strategy<Value = Range> {
        let prices = (number(128), prop_oneof![number(128), number(20)], 0..30_u32, any::<bool>());
        (prices, number(128), 0..PPM).prop_map(|((from, other, nearness, is_near), liquidity, fee_ppm)| {
            let from = from.max(1 << 33);
            let to = if is_near { from.saturating_sub((from >> nearness) / 2 + other % 3) } else { other };
            let (from, to) = if fee_ppm % 2 == 0 { (from, to.max(1)) } else { (to.max(1), from) };
            Range { from, to, liquidity, inverse: Inverse::of(liquidity), zero_for_one: from >= to, fee_ppm }
        })
    }

    fn check(range: Range, amount: u128) -> Step {
        let Range { from, to, liquidity, fee_ppm, .. } = range;
        let step = range.exact_in(amount);
        let expected = inner_step(U256::from(from), U256::from(to), liquidity, U256::from(amount), fee_ppm);
        match (step, expected) {
            (Step::Inside { sqrt_price, amount_out }, Ok(Some(expected))) => {
                let expected = (expected.sqrt_price_next_x96, expected.amount_out);
                assert_eq!((U256::from(sqrt_price), U256::from(amount_out)), expected, "{range:?} {amount}");
            }
            (Step::Reached, Ok(None)) | (Step::Wide, _) => {}
            (step, expected) => panic!("{step:?} against {expected:?}: {range:?} {amount}"),
        }
        if let Some(is_crossed) = range.is_crossed_by(amount).filter(|_| step != Step::Wide) {
            assert_eq!(is_crossed, step == Step::Reached, "{range:?} {amount}");
        }
        step
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn narrow_steps_are_the_wide_ones(range in range(), amount in number(128), change in 0..3_u128) {
            check(range, amount);
            let whole = whole_step(U256::from(range.from), U256::from(range.to), range.liquidity, range.fee_ppm);
            if let Some((gross, output)) = range.whole() {
                let whole = whole.expect("what fits less fits more");
                prop_assert_eq!(U256::from(gross), whole.amount_in + whole.fee_amount);
                prop_assert_eq!(U256::from(output), whole.amount_out);
                // At what the range takes, and a unit beside it.
                let near = gross.saturating_add(change).saturating_sub(1);
                let step = check(range, near);
                prop_assert!(step == Step::Wide || (step == Step::Reached) == (near >= gross));
            }
        }

        #[test]
        fn numbers_of_pools_are_narrow(
            tick in -400_000..400_000_i32, width in 1..10_000_i32, liquidity in 1_u128..1 << 80, part in 1..100_u128,
            fee_ppm in 0..100_000_u32, zero_for_one: bool,
        ) {
            use super::super::super::tick_math::get_sqrt_ratio_at_tick;
            let price = |tick| u128::try_from(get_sqrt_ratio_at_tick(tick).expect("in the domain")).expect("128 bits");
            let (from, to) = if zero_for_one { (price(tick + width), price(tick)) } else { (price(tick), price(tick + width)) };
            let range = Range { from, to, liquidity, inverse: Inverse::of(liquidity), zero_for_one, fee_ppm };
            if let Some((gross, _)) = range.whole().filter(|(gross, _)| gross >> 100 == 0) {
                prop_assert_ne!(check(range, gross / 100 * part), Step::Wide);
            }
        }
    }
}
