//! Stable, meta-stable and composable pools: Curve's StableSwap in Balancer's rounding.

use ruint::aliases::U256;

use super::fixed_point::{add, div_down, div_up, mul, mul_down, quotient_down, quotient_up};
use super::{Balances, TOKENS_MAX, add_fee, places, settle, subtract_fee, swapped};
use crate::pool::{QuoteError, Swapped, Way};

/// What amplification is multiplied with.
const AMPLIFICATION_PRECISION: U256 = U256::from_limbs([1_000, 0, 0, 0]);

/// Rounds after which the contract gives up.
const ROUNDS_MAX: u32 = 255;

/// Places that an `uint256` has for decimals of a token and of its rate.
const SCALE_DECIMALS: u8 = 36;

/// How a pool's contract rounds its invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvariantRounding {
    /// Up at every step, as swaps ask of the first stable and meta-stable pools.
    Directed,
    /// Down at every step: composable pools.
    Down,
}

/// Amplification in time, times 1000: a straight line between two seconds and level outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amplification {
    /// At `initial_time`.
    pub initial: u64,
    /// From `future_time` on.
    pub future: u64,
    /// Unix seconds.
    pub initial_time: u64,
    /// Unix seconds.
    pub future_time: u64,
}

impl Amplification {
    /// One that does not move.
    #[must_use]
    pub const fn constant(value: u64) -> Self {
        Self { initial: value, future: value, initial_time: 0, future_time: 0 }
    }

    /// The value in a block of that time.
    ///
    /// # Errors
    /// [`QuoteError::InvalidPoolState`] for a block before the move was decided, or a value of zero.
    pub fn at(&self, timestamp: u64) -> Result<u64, QuoteError> {
        let value = if timestamp < self.future_time {
            let elapsed = timestamp.checked_sub(self.initial_time).ok_or(QuoteError::InvalidPoolState)?;
            // `elapsed` is below the duration, so what is walked fits what there is to walk.
            let duration = u128::from(self.future_time - self.initial_time);
            let walked = u128::from(self.initial.abs_diff(self.future)) * u128::from(elapsed) / duration;
            let walked = u64::try_from(walked).map_err(|_| QuoteError::InvalidPoolState)?;
            // The distance walked rounds down whichever way it goes.
            if self.future > self.initial { self.initial + walked } else { self.initial - walked }
        } else {
            self.future
        };
        if value == 0 { Err(QuoteError::InvalidPoolState) } else { Ok(value) }
    }
}

/// A stable pool between two swaps.
#[derive(Debug, Clone, Copy)]
pub struct StableView<'a> {
    /// Balances by token in the vault, raw units, the pool's own share included; at most
    /// [`BALANCE_MAX`](super::BALANCE_MAX), 2..=[`TOKENS_MAX`] of them.
    pub balances: &'a [u128],
    /// What a raw amount is multiplied with before it is divided by 10^18, by token, rates included: [`scale`].
    pub scales: &'a [U256],
    /// Amplification, times 1000.
    pub amplification: Amplification,
    /// Fee on the input, 18 decimals.
    pub swap_fee: u64,
    /// How the contract rounds its invariant.
    pub rounding: InvariantRounding,
    /// Place of the pool's own share among its tokens; swaps between the others leave it out.
    pub share: Option<u8>,
    /// Last second in which the contract surely uses these rates; `u64::MAX` when they do not move by themselves.
    pub rates_valid_until: u64,
    /// Whether the pool refuses swaps.
    pub is_paused: bool,
}

/// What a token's raw amounts are multiplied with before they are divided by 10^18: `getScalingFactors`.
///
/// `rate` has 18 decimals and is 10^18 where the token has no rate provider.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a token of more than 18 decimals, which no pool takes.
pub fn scale(decimals: u8, rate: U256) -> Result<U256, QuoteError> {
    if decimals > 18 {
        return Err(QuoteError::InvalidPoolState);
    }
    let plain = U256::from(10_u128.pow(u32::from(SCALE_DECIMALS - decimals)));
    mul_down(plain, rate)
}

/// Upscaled balances of the tokens that a swap reckons with, in their order; at most [`TOKENS_MAX`].
#[derive(Debug, Clone, Copy)]
struct Upscaled {
    values: [U256; TOKENS_MAX],
    count: usize,
}

impl Upscaled {
    fn as_slice(&self) -> &[U256] {
        &self.values[..self.count]
    }
}

/// A way through a pool whose fields fit each other.
struct Checked {
    /// Places among the pool's tokens.
    way: (usize, usize),
    /// Places among the upscaled balances, which lack the pool's share.
    upscaled_way: (usize, usize),
    upscaled: Upscaled,
    amplification: U256,
    invariant: U256,
}

impl StableView<'_> {
    /// Output for `amount_in`, raw units, in a block of time `at`: what `querySwap` answers, which is what a swap gives.
    ///
    /// Rounding: against the trader at every step. The output may be zero, which the contract allows.
    ///
    /// # Errors
    /// [`QuoteError::InsufficientInputAmount`] for a zero input; [`QuoteError::InsufficientLiquidity`] when the pool would
    /// have to give more than it has; [`QuoteError::ReserveOverflow`] when the vault could not store the balance;
    /// [`QuoteError::RatesExpired`] past `rates_valid_until`; [`QuoteError::TokenNotInPool`], for the pool's own share too;
    /// [`QuoteError::Paused`], [`QuoteError::InvalidPoolState`]; [`QuoteError::AmountOverflow`],
    /// [`QuoteError::NotConverged`] where the contract's arithmetic reverts.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        Ok(self.swap_exact_in(way, amount_in, at)?.amount_out)
    }

    /// The swap of `amount_in`, raw units, in a block of time `at`, and the balances behind it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`].
    pub fn swap_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<Swapped<Balances>, QuoteError> {
        if amount_in.is_zero() {
            return Err(QuoteError::InsufficientInputAmount);
        }
        let Checked { way, upscaled_way, upscaled, amplification, invariant } = self.check(way, at)?;
        let amount = mul_down(subtract_fee(amount_in, self.swap_fee)?, self.scales[way.0])?;
        let out = out_given_in(amplification, upscaled, upscaled_way, amount, invariant)?;
        swapped(self.balances, way, amount_in, div_down(out, self.scales[way.1])?)
    }

    /// Input that the contract asks for `amount_out`, raw units, in a block of time `at`.
    ///
    /// Rounding: against the trader at every step, so the input may be more than the least that gives `amount_out`.
    ///
    /// # Errors
    /// [`QuoteError::InsufficientOutputAmount`] for a zero output; else as [`Self::quote_exact_in`].
    pub fn quote_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        Ok(self.priced_exact_out(way, amount_out, at)?.1)
    }

    /// The swap for `amount_out`, raw units, in a block of time `at`: its input, and the balances behind it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_out`].
    pub fn swap_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<(U256, Swapped<Balances>), QuoteError> {
        let (way, amount_in) = self.priced_exact_out(way, amount_out, at)?;
        Ok((amount_in, swapped(self.balances, way, amount_in, amount_out)?))
    }

    fn priced_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<((usize, usize), U256), QuoteError> {
        if amount_out.is_zero() {
            return Err(QuoteError::InsufficientOutputAmount);
        }
        let Checked { way, upscaled_way, upscaled, amplification, invariant } = self.check(way, at)?;
        let amount = mul_down(amount_out, self.scales[way.1])?;
        let amount_in = in_given_out(amplification, upscaled, upscaled_way, amount, invariant)?;
        let amount_in = add_fee(div_up(amount_in, self.scales[way.0])?, self.swap_fee)?;
        settle(self.balances, way, amount_in, amount_out)?;
        Ok((way, amount_in))
    }

    fn check(&self, way: Way, at: u64) -> Result<Checked, QuoteError> {
        let count = self.balances.len();
        if count > TOKENS_MAX || self.scales.len() != count {
            return Err(QuoteError::InvalidPoolState);
        }
        let (token_in, token_out) = places(way, count)?;
        if self.share == Some(way.token_in) || self.share == Some(way.token_out) {
            return Err(QuoteError::TokenNotInPool);
        }
        if self.is_paused {
            return Err(QuoteError::Paused);
        }
        if at > self.rates_valid_until {
            return Err(QuoteError::RatesExpired);
        }
        let share = self.share.map_or(TOKENS_MAX, usize::from);
        let without_share = |place: usize| if place > share { place - 1 } else { place };
        let mut upscaled = Upscaled { values: [U256::ZERO; TOKENS_MAX], count: 0 };
        for place in (0..count).filter(|place| *place != share) {
            upscaled.values[upscaled.count] = mul_down(U256::from(self.balances[place]), self.scales[place])?;
            upscaled.count += 1;
        }
        let amplification = U256::from(self.amplification.at(at)?);
        let invariant = invariant(amplification, upscaled.as_slice(), self.rounding)?;
        let upscaled_way = (without_share(token_in), without_share(token_out));
        Ok(Checked { way: (token_in, token_out), upscaled_way, upscaled, amplification, invariant })
    }
}

/// Invariant of upscaled balances: `StableMath._calculateInvariant`.
///
/// It is not the exact root but where the contract's rounds end, so every round is the contract's.
///
/// # Errors
/// [`QuoteError::AmountOverflow`], [`QuoteError::NotConverged`] where the contract reverts;
/// [`QuoteError::InvalidPoolState`] for no balances at all, an amplification below one, and a zero among the balances.
pub fn invariant(amplification: U256, balances: &[U256], rounding: InvariantRounding) -> Result<U256, QuoteError> {
    let count = u64::try_from(balances.len()).map(U256::from).map_err(|_| QuoteError::InvalidPoolState)?;
    let mut sum = U256::ZERO;
    for balance in balances {
        sum = add(sum, *balance)?;
    }
    if sum.is_zero() {
        return Ok(U256::ZERO);
    }
    let total = mul(amplification, count)?;
    let total_less_one = total.checked_sub(AMPLIFICATION_PRECISION).ok_or(QuoteError::InvalidPoolState)?;
    let mut current = sum;
    for _ in 0..ROUNDS_MAX {
        let next = match rounding {
            InvariantRounding::Down => round_down(total, total_less_one, balances, count, sum, current)?,
            InvariantRounding::Directed => round_up(total, total_less_one, balances, count, sum, current)?,
        };
        if next.abs_diff(current) <= U256::ONE {
            return Ok(next);
        }
        current = next;
    }
    Err(QuoteError::NotConverged)
}

/// `D (Ann S + n P) / ((Ann - 1) D + (n + 1) P)` with `P = D^(n + 1) / (n^n x_0 x_1 ...)`, all rounded down.
fn round_down(
    total: U256,
    total_less_one: U256,
    balances: &[U256],
    count: U256,
    sum: U256,
    current: U256,
) -> Result<U256, QuoteError> {
    let mut product = current;
    for balance in balances {
        product = quotient_down(mul(product, current)?, mul(*balance, count)?)?;
    }
    let weighted_sum = mul(total, sum)?.wrapping_div(AMPLIFICATION_PRECISION);
    let numerator = mul(add(weighted_sum, mul(product, count)?)?, current)?;
    let weighted_current = mul(total_less_one, current)?.wrapping_div(AMPLIFICATION_PRECISION);
    quotient_down(numerator, add(weighted_current, mul(add(count, U256::ONE)?, product)?)?)
}

/// The same with `P = n^n x_0 x_1 ... / D^(n - 1)`, by which both parts are multiplied; what raises the result rounds
/// up, what lowers it down.
fn round_up(
    total: U256,
    total_less_one: U256,
    balances: &[U256],
    count: U256,
    sum: U256,
    current: U256,
) -> Result<U256, QuoteError> {
    let (first, others) = balances.split_first().ok_or(QuoteError::InvalidPoolState)?;
    let mut product = mul(count, *first)?;
    for balance in others {
        product = quotient_up(mul(mul(product, *balance)?, count)?, current)?;
    }
    let weighted_sum = quotient_up(mul(mul(total, sum)?, product)?, AMPLIFICATION_PRECISION)?;
    let numerator = add(mul(mul(count, current)?, current)?, weighted_sum)?;
    let weighted_product = mul(total_less_one, product)?.wrapping_div(AMPLIFICATION_PRECISION);
    quotient_up(numerator, add(mul(add(count, U256::ONE)?, current)?, weighted_product)?)
}

/// Output for an input after fee, upscaled.
fn out_given_in(
    amplification: U256,
    mut upscaled: Upscaled,
    (token_in, token_out): (usize, usize),
    amount_in: U256,
    invariant: U256,
) -> Result<U256, QuoteError> {
    let balance_in = &mut upscaled.values[token_in];
    *balance_in = add(*balance_in, amount_in)?;
    let left = balance(amplification, upscaled.as_slice(), invariant, token_out)?;
    // The root is one too high at most; a unit more is the pool's margin.
    let out = upscaled.values[token_out].checked_sub(left).and_then(|out| out.checked_sub(U256::ONE));
    out.ok_or(QuoteError::InsufficientLiquidity)
}

/// Input before fee for an output, upscaled.
fn in_given_out(
    amplification: U256,
    mut upscaled: Upscaled,
    (token_in, token_out): (usize, usize),
    amount_out: U256,
    invariant: U256,
) -> Result<U256, QuoteError> {
    let balance_out = &mut upscaled.values[token_out];
    *balance_out = balance_out.checked_sub(amount_out).ok_or(QuoteError::InsufficientLiquidity)?;
    let needed = balance(amplification, upscaled.as_slice(), invariant, token_in)?;
    let amount_in = needed.checked_sub(upscaled.values[token_in]).ok_or(QuoteError::InsufficientLiquidity)?;
    add(amount_in, U256::ONE)
}

/// What token `place` must hold beside the other balances for that invariant, all upscaled:
/// `StableMath._getTokenBalanceGivenInvariantAndAllOtherBalances`.
///
/// # Errors
/// [`QuoteError::AmountOverflow`], [`QuoteError::NotConverged`] where the contract reverts;
/// [`QuoteError::InvalidPoolState`] where it would divide by zero; [`QuoteError::TokenNotInPool`] for a place that is none.
pub fn balance(amplification: U256, balances: &[U256], invariant: U256, place: usize) -> Result<U256, QuoteError> {
    let equation = Equation::new(amplification, balances, invariant, place)?;
    match equation.solve()? {
        Some(root) => Ok(root),
        None => equation.iterate(),
    }
}

/// [`balance`] by the contract's rounds alone: the slow form, against which the other is held.
///
/// # Errors
/// As [`balance`].
pub fn balance_by_rounds(
    amplification: U256,
    balances: &[U256],
    invariant: U256,
    place: usize,
) -> Result<U256, QuoteError> {
    Equation::new(amplification, balances, invariant, place)?.iterate()
}

/// The balance `y` that is sought solves `y^2 + (b - D) y = c`.
#[derive(Debug, Clone, Copy)]
struct Equation {
    b: U256,
    c: U256,
    invariant: U256,
    /// The contract's first guess, above the root.
    start: U256,
}

impl Equation {
    fn new(amplification: U256, balances: &[U256], invariant: U256, place: usize) -> Result<Self, QuoteError> {
        let sought = *balances.get(place).ok_or(QuoteError::TokenNotInPool)?;
        let (first, others) = balances.split_first().ok_or(QuoteError::TokenNotInPool)?;
        let count = u64::try_from(balances.len()).map(U256::from).map_err(|_| QuoteError::InvalidPoolState)?;
        let total = mul(amplification, count)?;
        let mut sum = *first;
        let mut product = mul(*first, count)?;
        for balance in others {
            product = quotient_down(mul(mul(product, *balance)?, count)?, invariant)?;
            sum = add(sum, *balance)?;
        }
        let square = mul(invariant, invariant)?;
        // `sought` is part of the product, and taken out again here; so the quotient rounds up early, as in the contract.
        let c = mul(mul(quotient_up(square, mul(total, product)?)?, AMPLIFICATION_PRECISION)?, sought)?;
        let b = add(sum.wrapping_sub(sought), mul(quotient_down(invariant, total)?, AMPLIFICATION_PRECISION)?)?;
        let start = quotient_up(add(square, c)?, add(invariant, b)?)?;
        Ok(Self { b, c, invariant, start })
    }

    /// One round of Newton's method, rounded up.
    fn round(&self, y: U256) -> Result<U256, QuoteError> {
        let slope = add(mul(y, U256::from(2))?, self.b)?.checked_sub(self.invariant);
        quotient_up(add(mul(y, y)?, self.c)?, slope.ok_or(QuoteError::AmountOverflow)?)
    }

    /// The contract's rounds.
    fn iterate(&self) -> Result<U256, QuoteError> {
        let mut current = self.start;
        for _ in 0..ROUNDS_MAX {
            let next = self.round(current)?;
            if next.abs_diff(current) <= U256::ONE {
                return Ok(next);
            }
            current = next;
        }
        Err(QuoteError::NotConverged)
    }

    /// Where the contract's rounds end, from one square root; `None` where only the rounds can tell.
    ///
    /// With `q(y) = y^2 + (b - D) y - c`, a round takes `y` to `m` or below exactly when `(y - m)^2 <= q(m)`. Let `Y` be
    /// the least `y` whose `q` is not negative. No round ends below `Y`, one from `Y` stays, and when `q(Y) >= 4`
    /// a round from above either reaches `Y` or goes down by two or more: so no two neighbours above `Y` end the rounds. From
    /// any start the distance to the root more than halves, so a root of 256 bits takes less than 255 rounds.
    fn solve(&self) -> Result<Option<U256>, QuoteError> {
        // Rounds from the start go down, so the first has the largest numbers: where it fits, all do.
        add(mul(self.start, self.start)?, self.c)?;
        add(mul(self.start, U256::from(2))?, self.b)?;
        // Without a constant part the root is zero and a round may divide by zero.
        if self.c.is_zero() {
            return Ok(None);
        }
        let is_negative = self.b < self.invariant;
        let linear = self.b.abs_diff(self.invariant);
        let discriminant = linear.checked_mul(linear).zip(self.c.checked_mul(U256::from(4)));
        let Some(discriminant) = discriminant.and_then(|(square, rest)| square.checked_add(rest)) else {
            return Ok(None);
        };
        let root = square_root(discriminant);
        // The root is `linear` at least, which therefore does not take it below zero.
        let Some(twice) = (if is_negative { root.checked_add(linear) } else { root.checked_sub(linear) }) else {
            return Ok(None);
        };
        // Between `twice / 2` and less than a half above it lies the exact root: `Y` is the next integer, or the one after.
        let least = twice.div_ceil(U256::from(2));
        for y in [least, least.wrapping_add(U256::ONE)] {
            if let Some(excess) = self.excess(y, linear, is_negative) {
                return Ok((excess >= U256::from(4)).then_some(y));
            }
        }
        Ok(None)
    }

    /// `q(y)`, or `None` when it is negative or not told within 256 bits.
    fn excess(&self, y: U256, linear: U256, is_negative: bool) -> Option<U256> {
        let factor = if is_negative { y.checked_sub(linear)? } else { y.checked_add(linear)? };
        y.checked_mul(factor)?.checked_sub(self.c)
    }
}

/// Largest integer whose square is not above `value`.
///
/// Karatsuba's method: the root of the upper half is that of the machine, and one division brings the lower half of its
/// digits, at most one too high.
fn square_root(value: U256) -> U256 {
    if let Ok(narrow) = u128::try_from(value) {
        return U256::from(narrow.isqrt());
    }
    // Shifted so that one of the two upper bits is set; an even shift halves into one of the root.
    let shift = value.leading_zeros() & !1;
    let [first, second, third, fourth] = *(value << shift).as_limbs();
    let upper = (u128::from(fourth) << 64) | u128::from(third);
    let high = upper.isqrt();
    let rest = U256::from(upper - high * high);
    let (quotient, rest) = ((rest << 64_usize) | U256::from(second)).div_rem(U256::from(high) << 1_usize);
    let root = (U256::from(high) << 64_usize).wrapping_add(quotient);
    let is_too_high = ((rest << 64_usize) | U256::from(first)) < quotient.wrapping_mul(quotient);
    let root = if is_too_high { root.wrapping_sub(U256::ONE) } else { root };
    root >> (shift / 2)
}

#[cfg(test)]
mod tests {
    use super::super::{BALANCE_MAX, fixed_point::ONE};
    use super::*;

    fn number(value: u128) -> U256 {
        U256::from(value)
    }

    const WAY: Way = Way { token_in: 0, token_out: 2 };

    /// A pool of two and its share between them.
    fn pool() -> StableView<'static> {
        const BALANCES: [u128; 3] = [10_u128.pow(24), 1 << 111, 10_u128.pow(24)];
        const SCALES: [U256; 3] = [ONE; 3];
        StableView {
            balances: &BALANCES,
            scales: &SCALES,
            amplification: Amplification::constant(100_000),
            swap_fee: 1_000_000_000_000_000,
            rounding: InvariantRounding::Down,
            share: Some(1),
            rates_valid_until: 1_000,
            is_paused: false,
        }
    }

    #[test]
    fn rates_are_good_to_their_last_second() {
        assert!(pool().quote_exact_in(WAY, ONE, 1_000).is_ok_and(|out| out < ONE && !out.is_zero()));
        assert_eq!(pool().quote_exact_in(WAY, ONE, 1_001), Err(QuoteError::RatesExpired));
        assert_eq!(pool().quote_exact_out(WAY, ONE, 1_001), Err(QuoteError::RatesExpired));
    }

    #[test]
    fn share_is_left_out_and_not_traded() {
        let tokens = [pool().balances[0], pool().balances[2]];
        let without = StableView { balances: &tokens, scales: &[ONE; 2], share: None, ..pool() };
        let quote = without.quote_exact_in(Way { token_in: 0, token_out: 1 }, ONE, 0);
        assert_eq!(pool().quote_exact_in(WAY, ONE, 0), quote);
        for (token_in, token_out) in [(0, 1), (1, 0), (1, 2), (0, 0), (0, 3), (3, 0)] {
            let way = Way { token_in, token_out };
            assert_eq!(pool().quote_exact_in(way, ONE, 0), Err(QuoteError::TokenNotInPool), "{way:?}");
        }
    }

    #[test]
    fn pool_that_cannot_swap_says_why() {
        let paused = StableView { is_paused: true, ..pool() };
        assert_eq!(paused.quote_exact_in(WAY, ONE, 0), Err(QuoteError::Paused));
        assert_eq!(pool().quote_exact_in(WAY, U256::ZERO, 0), Err(QuoteError::InsufficientInputAmount));
        assert_eq!(pool().quote_exact_out(WAY, U256::ZERO, 0), Err(QuoteError::InsufficientOutputAmount));
        let all = U256::from(pool().balances[2]);
        assert_eq!(pool().quote_exact_out(WAY, all + U256::ONE, 0), Err(QuoteError::InsufficientLiquidity));
        let torn = StableView { scales: &[ONE; 2], ..pool() };
        assert_eq!(torn.quote_exact_in(WAY, ONE, 0), Err(QuoteError::InvalidPoolState));
    }

    #[test]
    fn vault_holds_112_bits_and_the_whole_input() {
        let room = U256::from(BALANCE_MAX - pool().balances[0]);
        let swap = pool().swap_exact_in(WAY, room, 0).expect("the vault is filled to the brim");
        assert_eq!(swap.after[0], BALANCE_MAX);
        assert_eq!(U256::from(swap.after[2]) + swap.amount_out, U256::from(pool().balances[2]));
        assert_eq!((swap.after[1], swap.after[3]), (pool().balances[1], 0));
        assert_eq!(pool().quote_exact_in(WAY, room + U256::ONE, 0), Err(QuoteError::ReserveOverflow));
    }

    #[test]
    fn amplification_moves_in_a_line_and_rounds_the_way_walked_down() {
        let rising = Amplification { initial: 1000, future: 2000, initial_time: 100, future_time: 400 };
        let times = [100, 101, 250, 399, 400, u64::MAX];
        assert_eq!(times.map(|time| rising.at(time)), [1000, 1003, 1500, 1996, 2000, 2000].map(Ok));
        let falling = Amplification { initial: 2000, future: 1000, ..rising };
        assert_eq!(times.map(|time| falling.at(time)), [2000, 1997, 1500, 1004, 1000, 1000].map(Ok));
        assert_eq!(rising.at(99), Err(QuoteError::InvalidPoolState));
        assert_eq!(Amplification::constant(0).at(7), Err(QuoteError::InvalidPoolState));
        let widest = Amplification { initial: 0, future: u64::MAX, initial_time: 0, future_time: u64::MAX };
        assert_eq!(widest.at(u64::MAX - 1), Ok(u64::MAX - 1));
    }

    #[test]
    fn scale_is_that_of_the_contract() {
        assert_eq!(scale(18, ONE), Ok(ONE));
        assert_eq!(scale(6, ONE), Ok(number(10_u128.pow(30))));
        assert_eq!(scale(6, number(1_100_000_000_000_000_000)), Ok(number(11 * 10_u128.pow(29))));
        assert_eq!(scale(0, ONE), Ok(number(10_u128.pow(36))));
        assert_eq!(scale(19, ONE), Err(QuoteError::InvalidPoolState));
        assert_eq!(scale(0, U256::MAX), Err(QuoteError::AmountOverflow));
    }

    #[test]
    fn square_root_is_the_floor_at_every_width() {
        for bits in 0..256_usize {
            for value in [U256::ONE << bits, U256::MAX >> bits, (U256::ONE << bits) | U256::from(bits)] {
                check_root(value);
                let root = square_root(value);
                check_root(root.wrapping_mul(root));
                check_root(root.wrapping_mul(root).saturating_sub(U256::ONE));
            }
        }
        assert_eq!(square_root(U256::ZERO), U256::ZERO);
    }

    fn check_root(value: U256) {
        let root = square_root(value);
        assert!(root * root <= value, "{value}");
        let next = root + U256::ONE;
        assert!(next.checked_mul(next).is_none_or(|square| square > value), "{value}");
    }

    /// Where the square root alone would tell less than the rounds do: they may end one above the least root.
    #[test]
    fn rounds_decide_where_the_root_is_nearly_an_integer() {
        // y^2 = c for c a square: q(Y) is zero.
        for root in 2_u64..200 {
            let c = U256::from(root * root);
            for start in root..root + 200 {
                let equation = Equation { b: U256::ZERO, c, invariant: U256::ZERO, start: U256::from(start) };
                assert_eq!(equation.solve(), Ok(None), "{root} from {start}");
            }
        }
    }

    #[test]
    fn one_root_is_where_the_rounds_end_from_any_start() {
        let mut solved = 0;
        for (b, invariant) in [(0_u64, 0_u64), (7, 0), (0, 7), (100, 3), (3, 100), (1000, 1000)] {
            for c in 1_u64..300 {
                for distance in 0_u64..40 {
                    let mut equation = Equation {
                        b: U256::from(b),
                        c: U256::from(c),
                        invariant: U256::from(invariant),
                        start: U256::ZERO,
                    };
                    let Ok(Some(root)) = equation.solve() else { continue };
                    equation.start = root + U256::from(distance * distance);
                    assert_eq!(equation.iterate(), Ok(root), "{b} {invariant} {c} {distance}");
                    solved += 1;
                }
            }
        }
        assert!(solved > 50_000, "{solved}");
    }
}
