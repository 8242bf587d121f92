//! The fee at some balances: [`FeeTerms`](super::super::fee::FeeTerms) in few words.

use super::super::CryptoSwapTerms;
use super::ONE;
use super::words::{OneWord, TwoWords, one_word, times_word};
use crate::pool::full_math::division::reciprocal;
use crate::pool::full_math::words::{high_word, low_word};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fee {
    mid: u64,
    out: u64,
    /// `gamma` and one.
    target: u64,
    /// `gamma`, times one.
    gamma: u128,
    count: u64,
    /// How near to the next fee a fee reckoned in short is no longer sure, of 10^18. More than one where no such fee is.
    margin: u64,
}

/// By how many units the measure of balance that is reckoned in short may differ from the contract's.
const SHORT_ERROR: u64 = 32;

impl Fee {
    /// `None` without a gamma, for which the contracts have rules of their own.
    pub(super) fn new(terms: &CryptoSwapTerms, count: usize) -> Option<Self> {
        let gamma = terms.fee_gamma;
        // A unit of the measure is `10^18 / gamma` of the part between the two fees, and a unit besides for its floor.
        let part = (ONE.checked_div(gamma)?).checked_add(1)?.checked_mul(SHORT_ERROR)?;
        Some(Self {
            mid: terms.mid_fee,
            out: terms.out_fee,
            target: gamma.checked_add(ONE)?,
            gamma: u128::from(gamma) * u128::from(ONE),
            count: u64::try_from(count).ok()?,
            margin: part.saturating_mul(terms.out_fee.abs_diff(terms.mid_fee)),
        })
    }

    /// Of 10^10.
    #[inline(always)]
    pub(super) fn at(&self, xp: [u128; 3]) -> Option<u64> {
        let (fee, rest) = self.between(self.balance_in_short(xp)?)?;
        let is_sure = self.margin <= rest && rest < ONE.saturating_sub(self.margin);
        if is_sure { Some(fee) } else { self.exactly_at(xp) }
    }

    #[cold]
    fn exactly_at(&self, xp: [u128; 3]) -> Option<u64> {
        Some(self.between(self.balance(xp)?)?.0)
    }

    /// The fee at a measure of balance, and what its floor left, of 10^18.
    #[inline(always)]
    fn between(&self, balance: u64) -> Option<(u64, u64)> {
        let part = one_word(self.gamma.checked_div(u128::from(self.target.checked_sub(balance)?))?)?;
        let fee = u128::from(self.mid) * u128::from(part) + u128::from(self.out) * u128::from(ONE.checked_sub(part)?);
        let floor = OneWord::new(ONE)?.one_word_of(fee)?;
        Some((floor, low_word(fee).wrapping_sub(floor.wrapping_mul(ONE))))
    }

    /// `N^N` times the product of the coins' shares, of 10^18, each floor the contract's.
    fn balance(&self, [a, b, c]: [u128; 3]) -> Option<u64> {
        let by_sum = TwoWords::new(a + b + c)?;
        if self.count == 2 {
            let part = by_sum.one_word_of(times_word(a, 4 * ONE))?;
            return by_sum.one_word_of(times_word(b, part));
        }
        let part = by_sum.one_word_of(times_word(a, 3 * ONE))?;
        let part = by_sum.one_word_of(times_word(b, part.checked_mul(3)?))?;
        by_sum.one_word_of(times_word(c, part.checked_mul(3)?))
    }

    /// The same from the highest 64 bits of each number, within [`SHORT_ERROR`] of it.
    ///
    /// In units of one in 2^64 a share misses at most two for its own lost bits, two for the sum's, and one for each of two floors; shares
    /// are below one together, so that their product misses no more than some more for its own floors. Times `27 * 10^18 / 2^64`, and with
    /// the six units that the contract's own floors may take, that is below 24.
    #[inline(always)]
    fn balance_in_short(&self, [a, b, c]: [u128; 3]) -> Option<u64> {
        let sum = a + b + c;
        let shift = 64_u32.checked_sub(sum.leading_zeros())?;
        let [a, b, c, sum] = [a, b, c, sum].map(|value| low_word(value >> shift));
        let inverse = reciprocal(sum);
        // `x / sum`, of 2^64: `x * (2^64 + inverse) / 2^64`, which is below one.
        let share = |x: u64| high_word(u128::from(x) * u128::from(inverse)).saturating_add(x);
        let times = |x: u64, y: u64| high_word(u128::from(x) * u128::from(y));
        let product = times(share(a), share(b));
        let balance = if self.count == 2 {
            times(product, 4 * ONE)
        } else {
            times(times(product, share(c)), 9 * ONE).checked_mul(3)?
        };
        // Equal shares are the most that there is.
        Some(balance.min(ONE))
    }
}
