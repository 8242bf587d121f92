//! The balance that goes with the others, as the pools before NG solve it: the loop of
//! [`newton_legacy`](super::super::newton_legacy), start, floors and end.

use super::words::{
    BALANCE_BITS, Invariant, OneWord, Three, TwoWords, balance, minus, one_word, plus, product, times_word,
};
use super::{FRACTION, ONE};

const A_ONE: u64 = 10_000;
/// One part in this is where the loop stops.
const PRECISION: u64 = 100_000_000_000_000;
/// Least step that ends it, whatever the balances.
const LIMIT_MIN: u128 = 100;
/// Rounds after which real pools have long settled.
const ROUNDS_MAX: usize = 32;

/// What stays as it is from round to round, and from quote to quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newton {
    d: u128,
    by_d: TwoWords,
    d_squared: Three,
    /// `D`, and a third of it rounded down, multiplied.
    third_of_square: Three,
    by_gamma: OneWord,
    by_a: Invariant,
    /// `D / gamma`, of 10^18, over `gamma` once more, and what remains, moved up as `gamma` is.
    d_over_gamma: (u64, u64),
    /// `gamma` and one, of 10^18.
    target: u64,
    /// Step that ends the loop where no balance is above `d`.
    limit: u128,
    /// Least and largest balance whose share of `d` a contract accepts.
    accepted: (u128, u128),
    /// Three times each balance of the state, with what it divides by.
    triples: [(u128, Option<TwoWords>); 3],
    /// Of a `K0` of one, and of so many units less: where the loop starts, `K0` is one but for its floors.
    first: [Factors; FIRST],
}

/// Values of `K0` whose factors are kept.
const FIRST: usize = 8;

/// What a round needs of `K0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Factors {
    /// `D * g^2 / (A * gamma^2)`, of 10^18, below 2^184; `g` is `|gamma + 1 - K0|` and a unit.
    mul_1: Three,
    /// `1 + 2 * K0 / g`, of 10^18.
    mul_2: u128,
}

/// What the loop needs of the coins that are given.
struct Given {
    start: u128,
    /// `K0` without the balance sought, times the number of coins.
    k0_part: u64,
    sum: u128,
    /// Steps below this end it.
    limit: u128,
}

impl Newton {
    /// `None` for numbers that are too long; `d` has two words.
    pub(super) fn new(a: u64, gamma: u64, d: u128, xp: [u128; 3]) -> Option<Self> {
        let by_gamma = OneWord::new(gamma)?;
        let d_over_gamma = by_gamma.two_words_of(times_word(d, ONE))?;
        let gamma_wide = u128::from(gamma);
        let [least, largest] = [FRACTION.0, FRACTION.1].map(|share| u128::try_from(share).ok());
        let by_one = OneWord::new(ONE)?;
        // `x * 10^18 / d >= share` where `x >= share * d / 10^18`, rounded up. The largest may be a little less than it could be.
        let below = |share: u128| by_one.two_words_of(product(d, share)?);
        let above = |share: u128| by_one.two_words_of(minus(plus(product(d, share)?, [ONE, 0, 0]), [1, 0, 0])?);
        let mut new = Self {
            d,
            by_d: TwoWords::new(d)?,
            d_squared: product(d, d)?,
            third_of_square: product(d / 3, d)?,
            d_over_gamma: (
                one_word(d_over_gamma / gamma_wide)?,
                by_gamma.moved_up(one_word(d_over_gamma % gamma_wide)?)?,
            ),
            by_gamma,
            by_a: Invariant::new(a)?,
            target: gamma.checked_add(ONE)?,
            limit: (d / u128::from(PRECISION)).max(LIMIT_MIN),
            accepted: (above(least?)?, below(largest?)?),
            triples: xp.map(|x| (3 * x, TwoWords::new(3 * x))),
            first: [Factors::default(); FIRST],
        };
        let mut first = [Factors::default(); FIRST];
        for (factors, k0) in first.iter_mut().zip((0..=ONE).rev()) {
            *factors = new.factors(k0)?;
        }
        new.first = first;
        Some(new)
    }

    /// The other of two coins.
    #[inline(always)]
    pub(super) fn balance_of_two(&self, other: u128) -> Option<u128> {
        let start = balance(TwoWords::new(other << 2)?.two_words_of(self.d_squared)?)?;
        let k0_part = self.by_d.one_word_of(times_word(other, 2 * ONE))?;
        // Twice the bounds of a share: what is above them in one word is no share either.
        if u128::from(k0_part) < 2 * u128::try_from(FRACTION.0).ok()? {
            return None;
        }
        self.solve(&Given { start, k0_part: k0_part.checked_mul(2)?, sum: other, limit: self.limit_for(other) })
    }

    /// Coin `j` of three.
    #[inline(always)]
    pub(super) fn balance_of_three(&self, xp: [u128; 3], j: usize) -> Option<u128> {
        let (a, b) = match j {
            0 => (1, 2),
            1 => (0, 2),
            _ => (0, 1),
        };
        let (large, small) = if xp[a] < xp[b] { (b, a) } else { (a, b) };
        let (by_large, by_small) = (self.by_triple(large, xp[large])?, self.by_triple(small, xp[small])?);
        let (large, small) = (xp[large], xp[small]);
        if !self.is_accepted(large) || !self.is_accepted(small) {
            return None;
        }
        let start = balance(by_small.two_words_of(self.third_of_square)?)?;
        let start = balance(by_large.two_words_of(product(start, self.d)?)?)?;
        let k0_part = self.by_d.one_word_of(times_word(large, 3 * ONE))?;
        let k0_part = self.by_d.one_word_of(times_word(small, k0_part.checked_mul(3)?))?;
        let sum = balance(large + small)?;
        self.solve(&Given { start, k0_part: k0_part.checked_mul(3)?, sum, limit: self.limit_for(large) })
    }

    /// Three times a balance: one of the two that are given is as it was.
    #[inline(always)]
    fn by_triple(&self, coin: usize, x: u128) -> Option<TwoWords> {
        let (kept, by_kept) = self.triples[coin];
        if 3 * x == kept { by_kept } else { TwoWords::new(3 * x) }
    }

    const fn is_accepted(&self, x: u128) -> bool {
        self.accepted.0 <= x && x <= self.accepted.1
    }

    #[inline(always)]
    fn limit_for(&self, largest: u128) -> u128 {
        if largest > self.d { (largest / u128::from(PRECISION)).max(self.limit) } else { self.limit }
    }

    #[inline(never)]
    fn solve(&self, given: &Given) -> Option<u128> {
        let mut y = given.start;
        for _ in 0..ROUNDS_MAX {
            let before = y;
            y = self.step(given, y)?;
            let step = y.abs_diff(before);
            if step < given.limit || (step + 1).checked_mul(u128::from(PRECISION)).is_some_and(|whole| whole <= y) {
                return Some(y).filter(|y| self.is_accepted(*y));
            }
        }
        None
    }

    #[inline(always)]
    fn step(&self, given: &Given, y: u128) -> Option<u128> {
        if y >> BALANCE_BITS != 0 {
            return None;
        }
        let by_y = TwoWords::new(y)?;
        let k0 = self.by_d.normal_word_of(times_word(self.by_d.moved_up(y)?, given.k0_part))?;
        let by_k0 = OneWord::new(k0)?;
        let sum = given.sum + y;
        let Factors { mul_1, mul_2 } =
            match ONE.checked_sub(k0).and_then(|less| self.first.get(usize::try_from(less).ok()?)) {
                Some(factors) => *factors,
                None => self.factors(k0)?,
            };
        let apart = product(sum.abs_diff(self.d), mul_2)?;
        // So that no sum below passes three words: of a `K0` near `gamma` and one `mul_2` is long.
        if apart[2] >> 62 != 0 {
            return None;
        }
        // Without `10^18 * y`, whose part of the slope is known, the quotient is mostly a single word.
        let rest = if sum >= self.d { plus(mul_1, apart) } else { minus(mul_1, apart)? };
        let slope = by_y.two_words_of(rest)?.checked_add(u128::from(ONE))?;
        let [part, above, below] = match one_word(slope) {
            Some(slope) => {
                let by_slope = OneWord::new(slope)?;
                // A slope is one at least, so that one can be moved up as far as it.
                let one = by_slope.moved_up(ONE)?;
                let with_d = plus(times_word(y + self.d, one), by_slope.moved_up_whole(rest)?);
                [
                    by_slope.two_words_of(mul_1)?,
                    by_slope.normal_words_of(with_d)?,
                    by_slope.normal_words_of(times_word(sum, one))?,
                ]
            }
            None => over_longer(slope, [mul_1, plus(times_word(y + self.d, ONE), rest), times_word(sum, ONE)])?,
        };
        // The contract takes `part * 10^18 / K0` and then `part` off: the floor of the difference is the difference.
        if k0 <= ONE {
            let more = match by_k0.moved_up(ONE - k0) {
                Some(up) => by_k0.normal_words_of(times_word(part, up))?,
                None => by_k0.two_words_of(times_word(part, ONE - k0))?,
            };
            above.checked_add(more)?.checked_sub(below)
        } else {
            let less = by_k0.two_words_of(plus(times_word(part, k0 - ONE), [k0 - 1, 0, 0]))?;
            above.checked_sub(below)?.checked_sub(less)
        }
    }

    #[inline(always)]
    fn factors(&self, k0: u64) -> Option<Factors> {
        let distance = self.target.abs_diff(k0).checked_add(1)?;
        let (whole, part) = self.d_over_gamma;
        let factor = u128::from(whole) * u128::from(distance);
        let part = self.by_gamma.normal_word_of(u128::from(part) * u128::from(distance))?;
        let factor = factor.checked_add(u128::from(part))?;
        let product = match distance.checked_mul(A_ONE) {
            Some(distance) => times_word(factor, distance),
            None => times_word(factor.checked_mul(u128::from(A_ONE))?, distance),
        };
        let mul_1 = self.by_a.divide(product)?;
        let mul_2 = u128::from(2 * ONE) * u128::from(k0) / u128::from(distance) + u128::from(ONE);
        (mul_1[2] >> 56 == 0).then_some(Factors { mul_1, mul_2 })
    }
}

/// Three quotients by a slope of two words.
#[inline(never)]
fn over_longer(slope: u128, [a, b, c]: [Three; 3]) -> Option<[u128; 3]> {
    let by_slope = TwoWords::new(slope)?;
    Some([by_slope.two_words_of(a)?, by_slope.two_words_of(b)?, by_slope.two_words_of(c)?])
}
