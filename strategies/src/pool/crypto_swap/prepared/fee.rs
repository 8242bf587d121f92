//! The fee at some balances: [`FeeTerms`](super::super::fee::FeeTerms) in few words.

use super::super::CryptoSwapTerms;
use super::ONE;
use super::words::{OneWord, TwoWords, one_word, times_word};
use crate::pool::full_math::words::{high_word, low_word};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fee {
    mid: u64,
    out: u64,
    /// `gamma` and one.
    target: u64,
    gamma: u64,
    count: u64,
    /// How near to the next fee a fee reckoned in short is no longer sure, of 10^18. More than one where no such fee is.
    margin: u64,
}

/// By how many units the measure of balance that is reckoned in short may differ from the contract's.
pub(super) const SHORT_ERROR: u64 = 32;

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
            gamma,
            count: u64::try_from(count).ok()?,
            margin: part.saturating_mul(terms.out_fee.abs_diff(terms.mid_fee)),
        })
    }

    /// Of 10^10.
    #[inline(always)]
    pub(super) fn at(&self, xp: [u128; 3]) -> Option<u64> {
        let (fee, rest) = self.between(self.part_in_short(xp)?)?;
        let is_sure = self.margin <= rest && rest < ONE.saturating_sub(self.margin);
        if is_sure { Some(fee) } else { self.exactly_at(xp) }
    }

    #[cold]
    fn exactly_at(&self, xp: [u128; 3]) -> Option<u64> {
        Some(self.between(self.part(xp)?)?.0)
    }

    /// `gamma / (gamma + 1 - balance)`, of 10^18, each floor the contract's.
    pub(super) fn part(&self, xp: [u128; 3]) -> Option<u64> {
        let from_target = self.target.checked_sub(self.balance(xp)?)?;
        let part = u128::from(self.gamma) * u128::from(ONE);
        one_word(part.checked_div(u128::from(from_target))?)
    }

    /// The fee at a part of the way from `out` to `mid`, and what its floor left, of 10^18.
    #[inline(always)]
    fn between(&self, part: u64) -> Option<(u64, u64)> {
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

    /// [`Self::part`], as if its measure of balance had come within [`SHORT_ERROR`] of the contract's: from the
    /// highest 64 bits of each number, with one division.
    ///
    /// Numerator and denominator are multiplied by the sum to the power of the number of coins, whose highest word `whole` is at least
    /// 2^61. In units of 10^-18, the measure misses at most two for lost bits of shares, six for the words that are left of products of
    /// three, one for those of `whole`, and five for the contract's own floors; and the division of two words of 64 bits less than two.
    #[inline(always)]
    pub(super) fn part_in_short(&self, [a, b, c]: [u128; 3]) -> Option<u64> {
        let sum = a + b + c;
        let shift = 64_u32.checked_sub(sum.leading_zeros())?;
        let [a, b, c, sum] = [a, b, c, sum].map(|value| low_word(value >> shift));
        let times = |x: u64, y: u64| high_word(u128::from(x) * u128::from(y));
        // Two that are below 2^64 together: four times their product is at most the square of their sum.
        let four_fold = high_word(u128::from(a) * u128::from(b) * 4);
        let square = times(sum, sum);
        let (whole, product) = if self.count == 2 {
            (square, u128::from(ONE) * u128::from(four_fold))
        } else {
            (times(square, sum), (u128::from(ONE) * u128::from(times(four_fold, c)) * 27) >> 2)
        };
        // Equal shares are the most that there is.
        let product = product.min(u128::from(ONE) * u128::from(whole));
        let numerator = u128::from(self.gamma) * u128::from(whole);
        let denominator = u128::from(self.target) * u128::from(whole) - product;
        let shift = denominator.leading_zeros();
        let [numerator, denominator] = [numerator, denominator].map(|value| high_word(value << shift));
        one_word((u128::from(numerator) * u128::from(ONE)).checked_div(u128::from(denominator))?)
    }
}
