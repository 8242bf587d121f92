//! Numbers of one to three machine words, and divisors whose reciprocals are kept.
//!
//! What does not fit has no answer: the caller then goes the way of 256 bits.

use ruint::aliases::U256;

use crate::pool::full_math::division::{reciprocal, reciprocal_of_two, three_by_two, two_by_one};
use crate::pool::full_math::words::{high_word, join, low_word, shift_in};

/// A number of three words, from the lowest.
pub(super) type Three = [u64; 3];

/// Bits of the invariant, of balances in its units, and of what is left of them.
pub(super) const BALANCE_BITS: u32 = 96;

/// A balance in the units of the invariant, if it is as short as those of pools are.
#[inline(always)]
pub(super) fn balance(value: u128) -> Option<u128> {
    (value >> BALANCE_BITS == 0).then_some(value)
}

#[inline(always)]
pub(super) fn narrow(value: U256) -> Option<u128> {
    u128::try_from(value).ok().and_then(balance)
}

#[inline(always)]
pub(super) fn one_word(value: u128) -> Option<u64> {
    (value >> 64 == 0).then_some(low_word(value))
}

#[inline(always)]
pub(super) fn times_word(a: u128, b: u64) -> Three {
    let low = u128::from(low_word(a)) * u128::from(b);
    let high = u128::from(high_word(a)) * u128::from(b) + u128::from(high_word(low));
    [low_word(low), low_word(high), high_word(high)]
}

/// `a * b` of numbers of which one has 96 bits at most and the other 93.
#[inline(always)]
pub(super) fn product(a: u128, b: u128) -> Option<Three> {
    let (a_0, a_1, b_1) = (low_word(a), high_word(a), high_word(b));
    if a_1 >> 32 != 0 || b_1 >> 32 != 0 {
        return None;
    }
    let [low, middle, high] = times_word(a, low_word(b));
    let (above, is_over) = (u128::from(a_0) * u128::from(b_1)).overflowing_add(join(high, middle));
    let top = high_word(above).checked_add(a_1 * b_1)?;
    (!is_over).then_some([low, low_word(above), top])
}

#[inline(always)]
pub(super) fn plus(a: Three, b: Three) -> Three {
    let (low, is_carried) = join(a[1], a[0]).overflowing_add(join(b[1], b[0]));
    [low_word(low), high_word(low), a[2].wrapping_add(b[2]).wrapping_add(u64::from(is_carried))]
}

#[inline(always)]
pub(super) fn minus(a: Three, b: Three) -> Option<Three> {
    let (low, is_borrowed) = join(a[1], a[0]).overflowing_sub(join(b[1], b[0]));
    let high = a[2].checked_sub(b[2])?.checked_sub(u64::from(is_borrowed))?;
    Some([low_word(low), high_word(low), high])
}

/// `sum + a * factor`.
#[inline(always)]
fn row(sum: Three, a: Three, factor: u64) -> [u64; 4] {
    let factor = u128::from(factor);
    let low = u128::from(a[0]) * factor + u128::from(sum[0]);
    let middle = u128::from(a[1]) * factor + u128::from(sum[1]) + u128::from(high_word(low));
    let high = u128::from(a[2]) * factor + u128::from(sum[2]) + u128::from(high_word(middle));
    [low_word(low), low_word(middle), low_word(high), high_word(high)]
}

/// A divisor of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OneWord {
    /// Moved up, so that its highest bit is set.
    divisor: u64,
    reciprocal: u64,
    /// The power of two that it was moved up by. To multiply by it takes fewer steps than to shift word by word.
    scale: u64,
}

impl OneWord {
    /// `None` for zero.
    #[inline(always)]
    pub(super) fn new(value: u64) -> Option<Self> {
        if value == 0 {
            return None;
        }
        let shift = value.leading_zeros();
        let divisor = value << shift;
        Some(Self { divisor, reciprocal: reciprocal(divisor), scale: 1 << shift })
    }

    #[inline(always)]
    fn step(&self, rest: u64, next: u64) -> (u64, u64) {
        two_by_one(rest, next, self.divisor, self.reciprocal)
    }

    /// `a`, moved up as the divisor is: for products that are divided by it. `None` where it loses bits.
    #[inline(always)]
    pub(super) fn moved_up(&self, a: u64) -> Option<u64> {
        a.checked_mul(self.scale)
    }

    /// The same of three words.
    #[inline(always)]
    pub(super) fn moved_up_whole(&self, a: Three) -> Option<Three> {
        let [low, middle, high, top] = row([0; 3], a, self.scale);
        (top == 0).then_some([low, middle, high])
    }

    /// Of a number that was moved up. `None` for a longer quotient.
    #[inline(always)]
    pub(super) fn normal_word_of(&self, a: u128) -> Option<u64> {
        (high_word(a) < self.divisor).then(|| self.step(high_word(a), low_word(a)).0)
    }

    /// `None` for a longer quotient.
    #[inline(always)]
    pub(super) fn one_word_of(&self, a: u128) -> Option<u64> {
        let [low, middle, high] = times_word(a, self.scale);
        (high == 0 && middle < self.divisor).then(|| self.step(middle, low).0)
    }

    /// `None` for a longer quotient. Most have one word, which takes half of the time.
    #[inline(always)]
    pub(super) fn two_words_of(&self, a: Three) -> Option<u128> {
        self.normal_words_of(self.moved_up_whole(a)?)
    }

    /// The same of a number that was moved up.
    #[inline(always)]
    pub(super) fn normal_words_of(&self, [low, middle, high]: Three) -> Option<u128> {
        if high >= self.divisor {
            return None;
        }
        if high == 0 && middle < self.divisor {
            return Some(u128::from(self.step(middle, low).0));
        }
        let (q_1, rest) = self.step(high, middle);
        Some(join(q_1, self.step(rest, low).0))
    }
}

/// A divisor of two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TwoWords {
    divisor: u128,
    reciprocal: u64,
    scale: u64,
    /// Of the divisor as it is.
    bits: u32,
}

impl TwoWords {
    /// `None` where the higher word is zero.
    #[inline(always)]
    pub(super) fn new(value: u128) -> Option<Self> {
        if value >> 64 == 0 {
            return None;
        }
        let shift = high_word(value).leading_zeros();
        let divisor = value << shift;
        Some(Self { divisor, reciprocal: reciprocal_of_two(divisor), scale: 1 << shift, bits: 128 - shift })
    }

    #[inline(always)]
    fn step(&self, rest: u128, next: u64) -> (u64, u128) {
        three_by_two(rest, next, self.divisor, self.reciprocal)
    }

    /// `a`, moved up as the divisor is: for products that are divided by it. `None` where it loses bits.
    #[inline(always)]
    pub(super) fn moved_up(&self, a: u128) -> Option<u128> {
        let shift = 128 - self.bits;
        (a.leading_zeros() >= shift).then(|| a << shift)
    }

    /// Of a number that was moved up. `None` for a longer quotient.
    #[inline(always)]
    pub(super) fn normal_word_of(&self, [low, middle, high]: Three) -> Option<u64> {
        (join(high, middle) < self.divisor).then(|| self.step(join(high, middle), low).0)
    }

    /// `None` for a longer quotient.
    #[inline(always)]
    pub(super) fn one_word_of(&self, a: Three) -> Option<u64> {
        let [low, middle, high, top] = row([0; 3], a, self.scale);
        let rest = join(high, middle);
        (top == 0 && rest < self.divisor).then(|| self.step(rest, low).0)
    }

    /// `None` for a longer quotient. Most have one word, which takes half of the time.
    #[inline(always)]
    pub(super) fn two_words_of(&self, [a, b, c]: Three) -> Option<u128> {
        let shift = 128 - self.bits;
        let [low, middle, high, top] =
            [a << shift, shift_in(b, a, shift), shift_in(c, b, shift), shift_in(0, c, shift)];
        if top == 0 && join(high, middle) < self.divisor {
            return Some(u128::from(self.step(join(high, middle), low).0));
        }
        if join(top, high) >= self.divisor {
            return None;
        }
        let (q_1, rest) = self.step(join(top, high), middle);
        Some(join(q_1, self.step(rest, low).0))
    }
}

/// A divisor of one word or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    One(OneWord),
    Two(TwoWords),
}

impl Short {
    /// `None` for zero.
    #[inline(always)]
    pub(super) fn new(value: u128) -> Option<Self> {
        if value >> 64 == 0 {
            OneWord::new(low_word(value)).map(Self::One)
        } else {
            TwoWords::new(value).map(Self::Two)
        }
    }

    /// `None` for a longer quotient.
    #[inline(always)]
    pub(super) fn two_words_of(&self, a: Three) -> Option<u128> {
        match self {
            Self::One(divisor) => divisor.two_words_of(a),
            Self::Two(divisor) => divisor.two_words_of(a),
        }
    }
}

/// A divisor of one word by which longer numbers are divided often: by one multiplication, and exactly.
///
/// The factor is `2^192 / divisor`, rounded up: it has at most a `divisor`-th of a unit too much. What a number below the factor
/// makes of that is below `1 / divisor`, by which no quotient rises to the next. Source: T. Granlund and P. L. Montgomery,
/// "Division by invariant integers using multiplication" (1994), theorem 4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invariant {
    factor: Three,
}

impl Invariant {
    /// `None` below 2.
    pub(super) fn new(divisor: u64) -> Option<Self> {
        if divisor < 2 {
            return None;
        }
        let OneWord { divisor, reciprocal, scale } = OneWord::new(divisor)?;
        let (q_2, rest) = two_by_one(scale, 0, divisor, reciprocal);
        let (q_1, rest) = two_by_one(rest, 0, divisor, reciprocal);
        let (q_0, _) = two_by_one(rest, 0, divisor, reciprocal);
        Some(Self { factor: plus([q_0, q_1, q_2], [1, 0, 0]) })
    }

    /// `None` for a number whose highest word is not below the factor's.
    #[inline(always)]
    pub(super) fn divide(&self, a: Three) -> Option<Three> {
        let [f_0, f_1, f_2] = self.factor;
        if a[2] >= f_2 {
            return None;
        }
        let [_, c_1, c_2, c_3] = row([0; 3], a, f_0);
        let [_, d_1, d_2, d_3] = row([c_1, c_2, c_3], a, f_1);
        let [_, low, middle, high] = row([d_1, d_2, d_3], a, f_2);
        Some([low, middle, high])
    }
}
