//! Newton's method for the invariant and for a balance, as the pools before NG run it.
//!
//! The loops stop at one part in 10^14, so the answer depends on the start and on every step: both are the
//! contract's, and no better guess may take their place.

use ruint::aliases::U256;
use ruint::uint;

use super::geometric::{ROUNDS_MAX, legacy_mean};
use super::words::{A_ONE, Checked, Divisor, E18, of, within};
use crate::pool::QuoteError;

/// Amplification and gamma of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Curvature {
    /// `A * n^n`, of 10^4.
    pub(super) a: U256,
    /// Of 10^18.
    pub(super) gamma: U256,
}

/// What a contract accepts of its curvature.
pub(super) struct CurvatureBounds {
    a: (U256, U256),
    gamma: (U256, U256),
}

impl CurvatureBounds {
    /// Every contract of three coins.
    pub(super) const THREE: Self =
        Self { a: (uint!(2_700_U256), uint!(270_000_000_U256)), gamma: (E10, uint!(50_000_000_000_000_000_U256)) };
    /// Two coins before NG.
    pub(super) const TWO_LEGACY: Self =
        Self { a: (uint!(4_000_U256), uint!(4_000_000_000_U256)), gamma: (E10, uint!(20_000_000_000_000_000_U256)) };
    /// Two coins, NG v2.0.0.
    pub(super) const TWO_NG: Self =
        Self { a: (uint!(4_000_U256), uint!(40_000_000_U256)), gamma: (E10, uint!(2_000_000_000_000_000_U256)) };

    pub(super) fn check(&self, curvature: Curvature) -> Result<(), QuoteError> {
        within(curvature.a, self.a.0, self.a.1)?;
        within(curvature.gamma, self.gamma.0, self.gamma.1)
    }
}

const E10: U256 = super::words::E10;
/// One part in this is where the loops stop.
const PRECISION: U256 = uint!(100_000_000_000_000_U256);
/// Least and largest `x * 10^18 / D` of a pool that is in the domain.
pub(super) const FRACTION: (U256, U256) = (uint!(10_000_000_000_000_000_U256), uint!(100_000_000_000_000_000_000_U256));
/// Least fraction where a contract rounds the other way (`>= 10^16 - 1`).
pub(super) const FRACTION_MIN_NG: U256 = uint!(9_999_999_999_999_999_U256);

/// Refuses an invariant outside `10^17..=10^33`.
pub(super) fn check_d(d: U256) -> Result<(), QuoteError> {
    within(d, uint!(100_000_000_000_000_000_U256), uint!(1_000_000_000_000_000_000_000_000_000_000_000_U256))
}

/// Refuses a balance whose share of `d` is outside `min..=10^20`, of 10^18.
pub(super) fn check_fraction(x: U256, d: U256, min: U256) -> Result<(), QuoteError> {
    // `low <= scaled / d <= high`, without the division.
    let scaled = (of(x) * E18).get()?;
    let is_within = scaled >= (of(min) * d).get()? && scaled < (of(FRACTION.1) * d + d).get()?;
    if is_within { Ok(()) } else { Err(QuoteError::UnsafeValue) }
}

/// The numbers, the largest first.
pub(super) fn sorted<const N: usize>(mut x: [U256; N]) -> [U256; N] {
    x.sort_unstable_by(|a, b| b.cmp(a));
    x
}

/// `|gamma + 1 - K0|` of 10^18, and one unit more so that it divides.
fn distance(gamma: U256, k0: U256) -> Checked {
    let target = of(gamma) + E18;
    match target.get() {
        Ok(target) => of(target.abs_diff(k0)) + U256::ONE,
        Err(_) => target,
    }
}

/// [`Curvature`], as the loops divide by it.
struct CurvatureDivisors {
    a: Divisor,
    gamma: Divisor,
}

impl CurvatureDivisors {
    fn new(Curvature { a, gamma }: Curvature) -> Self {
        Self { a: Divisor::new(a), gamma: Divisor::new(gamma) }
    }

    /// `D / gamma`, of 10^18.
    fn over_gamma(&self, d: U256) -> Checked {
        (of(E18) * d).by(&self.gamma)
    }

    /// `D * g^2 / (A * gamma^2)`, of 10^18; `g` is [`distance`].
    fn first_factor(&self, d_over_gamma: Checked, g: U256) -> Checked {
        ((d_over_gamma * g).by(&self.gamma) * g * A_ONE).by(&self.a)
    }
}

/// Invariant of a pool of two or three coins before NG. `x` in the units of coin 0, of 10^18.
pub(super) fn invariant<const N: usize>(
    curvature: Curvature,
    bounds: &CurvatureBounds,
    x: [U256; N],
) -> Result<U256, QuoteError> {
    bounds.check(curvature)?;
    let x = sorted(x);
    check_spread(x)?;
    let start = (of(legacy_mean(x)?) * U256::from(N)).get()?;
    invariant_from(curvature, x, start, FRACTION.0)
}

/// Refuses numbers too small, too large or too far apart; the largest is first.
pub(super) fn check_spread<const N: usize>(sorted: [U256; N]) -> Result<(), QuoteError> {
    let ratio_min = if N == 2 { PRECISION } else { uint!(100_000_000_000_U256) };
    within(sorted[0], uint!(1_000_000_000_U256), uint!(1_000_000_000_000_000_000_000_000_000_000_000_U256))?;
    sorted.iter().skip(1).try_for_each(|&x| within((of(x) * E18 / sorted[0]).get()?, ratio_min, U256::MAX))
}

/// The loop itself, from a start: checked throughout.
pub(super) fn invariant_from<const N: usize>(
    curvature: Curvature,
    sorted: [U256; N],
    start: U256,
    fraction_min: U256,
) -> Result<U256, QuoteError> {
    let count = U256::from(N);
    let sum = sorted.iter().fold(of(U256::ZERO), |sum, &x| sum + x).get()?;
    let divisors = CurvatureDivisors::new(curvature);
    let mut d = start;
    for _ in 0..ROUNDS_MAX {
        let before = d;
        let by_d = Divisor::new(d);
        let k0 = if N == 2 {
            ((of(E18) * U256::from(4) * sorted[0]).by(&by_d) * sorted[1]).by(&by_d)
        } else {
            sorted.iter().fold(of(E18), |k0, &x| (k0 * x * count).by(&by_d))
        };
        let k0 = k0.get()?;
        let g = distance(curvature.gamma, k0).get()?;
        let mul_1 = divisors.first_factor(divisors.over_gamma(d), g).get()?;
        let mul_2 = (of(E18) * U256::from(2) * count * k0 / g).get()?;
        let by_k0 = Divisor::new(k0);
        let slope = (of(sum) + of(sum) * mul_2 / E18 + (of(mul_1) * count).by(&by_k0) - of(mul_2) * d / E18).get()?;
        let by_slope = Divisor::new(slope);
        let plus = (of(d) * (of(slope) + sum)).by(&by_slope).get()?;
        let minus = (of(d) * d).by(&by_slope);
        let rest = (of(d) * of(mul_1).by(&by_slope) / E18 * E18.abs_diff(k0)).by(&by_k0);
        let minus = if E18 > k0 { minus + rest } else { minus - rest }.get()?;
        d = newton_step(plus, minus);
        if is_settled(d, before)? {
            sorted.iter().try_for_each(|&x| check_fraction(x, d, fraction_min))?;
            return Ok(d);
        }
    }
    Err(QuoteError::NotConverged)
}

/// `plus - minus`; half of the difference where the step would pass zero.
pub(super) fn newton_step(plus: U256, minus: U256) -> U256 {
    if plus > minus { plus.wrapping_sub(minus) } else { minus.wrapping_sub(plus) >> 1_usize }
}

/// Whether the last step was below one part in 10^14, or below a unit of 10^2.
fn is_settled(d: U256, before: U256) -> Result<bool, QuoteError> {
    let step = of(d.abs_diff(before)) * PRECISION;
    Ok(step.get()? < d.max(FRACTION.0))
}

/// Balance of coin `i` that goes with the others and `d`, as the pools before NG solve it; the bounds are checked.
pub(super) fn balance<const N: usize>(
    curvature: Curvature,
    bounds: &CurvatureBounds,
    x: [U256; N],
    d: U256,
    i: usize,
) -> Result<U256, QuoteError> {
    bounds.check(curvature)?;
    check_d(d)?;
    let y = balance_unbounded(curvature, x, d, i)?;
    check_fraction(y, d, FRACTION.0)?;
    Ok(y)
}

/// The loop itself, which NG's cubic falls back on: of the result nothing is checked.
pub(super) fn balance_unbounded<const N: usize>(
    curvature: Curvature,
    x: [U256; N],
    d: U256,
    i: usize,
) -> Result<U256, QuoteError> {
    let Others { start, k0_part, sum, largest } = if N == 2 { other_of_two(x, d, i)? } else { others(x, d, i)? };
    let limit = (largest / PRECISION).max(d / PRECISION).max(U256::from(100));
    let count = U256::from(N);
    let (by_d, divisors) = (Divisor::new(d), CurvatureDivisors::new(curvature));
    let d_over_gamma = divisors.over_gamma(d);
    let mut y = start;
    for _ in 0..ROUNDS_MAX {
        let before = y;
        let k0 = (of(k0_part) * y * count).by(&by_d).get()?;
        let s = (of(sum) + y).get()?;
        let g = distance(curvature.gamma, k0).get()?;
        let mul_1 = divisors.first_factor(d_over_gamma, g).get()?;
        let mul_2 = (of(E18) + of(E18) * U256::from(2) * k0 / g).get()?;
        let rise = (of(E18) * y + of(s) * mul_2 + mul_1).get()?;
        let fall = (of(d) * mul_2).get()?;
        if rise < fall {
            y = before >> 1_usize;
            continue;
        }
        let rise = rise.wrapping_sub(fall);
        let slope = (of(rise) / y).get()?;
        let by_slope = Divisor::new(slope);
        let part = of(mul_1).by(&by_slope);
        let plus = ((of(rise) + of(E18) * d).by(&by_slope) + part * E18 / k0).get()?;
        let minus = (part + (of(E18) * s).by(&by_slope)).get()?;
        y = if plus < minus { before >> 1_usize } else { plus.wrapping_sub(minus) };
        let step = y.abs_diff(before);
        if step < limit || is_one_part_in_precision(step, y) {
            return Ok(y);
        }
    }
    Err(QuoteError::NotConverged)
}

/// `step < y / PRECISION`, without the division.
fn is_one_part_in_precision(step: U256, y: U256) -> bool {
    (of(step) + U256::ONE).get().and_then(|more| (of(more) * PRECISION).get()).is_ok_and(|whole| whole <= y)
}

/// What the loop needs of the coins that are given.
struct Others {
    /// First guess of the balance.
    start: U256,
    /// `K0` without the factor of the balance sought.
    k0_part: U256,
    sum: U256,
    largest: U256,
}

fn other_of_two<const N: usize>(x: [U256; N], d: U256, i: usize) -> Result<Others, QuoteError> {
    let other = x[1 - i];
    let start = (of(d) * d / (of(other) * U256::from(4))).get()?;
    let k0_part = (of(E18) * U256::from(2) * other / d).get()?;
    let two = U256::from(2);
    within(k0_part, FRACTION.0.wrapping_mul(two), FRACTION.1.wrapping_mul(two))?;
    Ok(Others { start, k0_part, sum: other, largest: other })
}

/// Small balances come into the guess first, large ones into `K0`: the floors depend on it.
fn others<const N: usize>(mut x: [U256; N], d: U256, i: usize) -> Result<Others, QuoteError> {
    for (_, &other) in x.iter().enumerate().filter(|&(k, _)| k != i) {
        check_fraction(other, d, FRACTION.0)?;
    }
    x[i] = U256::ZERO;
    let sorted = sorted(x);
    let given = &sorted[..N - 1];
    let count = U256::from(N);
    let start = given.iter().rev().fold(of(d) / count, |start, &x| start * d / (of(x) * count)).get()?;
    let k0_part = given.iter().fold(of(E18), |part, &x| part * x * count / d).get()?;
    let sum = given.iter().fold(of(U256::ZERO), |sum, &x| sum + x).get()?;
    Ok(Others { start, k0_part, sum, largest: sorted[0] })
}
