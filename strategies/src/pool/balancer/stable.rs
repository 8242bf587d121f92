//! Stable, meta-stable and composable pools: Curve's StableSwap in Balancer's rounding.

mod balance;

use ruint::aliases::U256;

use super::fixed_point::{add, div_down, div_up, mul, mul_down, over, quotient_down, quotient_up};
use super::{Balances, TOKENS_MAX, add_fee, places, settle, subtract_fee, swapped};
use crate::pool::{QuoteError, Ramp, Swapped, Way};

pub use self::balance::{balance, balance_by_rounds};

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

/// A stable pool between two swaps.
#[derive(Debug, Clone, Copy)]
pub struct StableView<'a> {
    /// Balances by token in the vault, raw units, the pool's own share included; at most
    /// [`BALANCE_MAX`](super::BALANCE_MAX), 2..=[`TOKENS_MAX`] of them.
    pub balances: &'a [u128],
    /// What a raw amount is multiplied with before it is divided by 10^18, by token, rates included: [`scale`].
    pub scales: &'a [U256],
    /// Amplification, times 1000.
    pub amplification: Ramp,
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

/// What a stable pool's estimate starts from: the curve's own numbers.
pub(in crate::pool) struct Solved {
    upscaled: Upscaled,
    pub(in crate::pool) amplification: U256,
    pub(in crate::pool) invariant: U256,
}

impl Solved {
    /// Upscaled balances without the pool's share.
    pub(in crate::pool) fn balances(&self) -> &[U256] {
        self.upscaled.as_slice()
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

    /// The curve at `at`, and the places of a way's tokens on it.
    pub(in crate::pool) fn solve(&self, way: Way, at: u64) -> Result<(Solved, (usize, usize)), QuoteError> {
        let Checked { upscaled_way, upscaled, amplification, invariant, .. } = self.check(way, at)?;
        Ok((Solved { upscaled, amplification, invariant }, upscaled_way))
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
    let weighted_sum = over(mul(total, sum)?, AMPLIFICATION_PRECISION);
    let numerator = mul(add(weighted_sum, mul(product, count)?)?, current)?;
    let weighted_current = over(mul(total_less_one, current)?, AMPLIFICATION_PRECISION);
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
    let weighted_product = over(mul(total_less_one, product)?, AMPLIFICATION_PRECISION);
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
            amplification: Ramp::constant(100_000),
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
    fn scale_is_that_of_the_contract() {
        assert_eq!(scale(18, ONE), Ok(ONE));
        assert_eq!(scale(6, ONE), Ok(number(10_u128.pow(30))));
        assert_eq!(scale(6, number(1_100_000_000_000_000_000)), Ok(number(11 * 10_u128.pow(29))));
        assert_eq!(scale(0, ONE), Ok(number(10_u128.pow(36))));
        assert_eq!(scale(19, ONE), Err(QuoteError::InvalidPoolState));
        assert_eq!(scale(0, U256::MAX), Err(QuoteError::AmountOverflow));
    }
}
