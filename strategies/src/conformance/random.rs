//! Numbers for random markets, the same in every build from the same seed.

use ruint::aliases::U256;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to draw cases.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; `bound` is above zero and far below 2^64, so the bias does not matter.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = u64::from(high.abs_diff(low)) + 1;
        let offset = i32::try_from(self.below(width)).expect("widths drawn from fit i32");
        low + offset
    }

    /// A position in a list of `len` items.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below len")
    }

    pub(super) const fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Numbers of any length, and of a form that arithmetic trips over.
impl Random {
    pub(super) fn half(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// A 128-bit number in `low..=high`.
    pub(super) fn half_between(&mut self, low: u128, high: u128) -> u128 {
        let drawn = self.half();
        high.checked_sub(low).and_then(|width| width.checked_add(1)).map_or(drawn, |count| low + drawn % count)
    }

    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// Any 256-bit number: of every length equally likely, a power of two or next to one, or all ones.
    pub(super) fn hostile_word(&mut self) -> U256 {
        let bits = self.index(256);
        match self.below(4) {
            0 => U256::MAX,
            1 => (U256::ONE << bits).wrapping_add(U256::from(self.below(3))).wrapping_sub(U256::ONE),
            _ => U256::from_limbs([self.next(), self.next(), self.next(), self.next()]) >> bits,
        }
    }

    /// As [`Random::hostile_word`], of 128 bits.
    pub(super) fn hostile_half(&mut self) -> u128 {
        let bits = self.below(128);
        match self.below(5) {
            0 => u128::MAX,
            1 => 0,
            2 => (1_u128 << bits).wrapping_add(u128::from(self.below(3))).wrapping_sub(1),
            _ => self.half() >> bits,
        }
    }

    /// As [`Random::hostile_word`], of 64 bits.
    pub(super) fn hostile_quarter(&mut self) -> u64 {
        let bits = self.below(64);
        match self.below(5) {
            0 => u64::MAX,
            1 => 0,
            2 => (1_u64 << bits).wrapping_add(self.below(3)).wrapping_sub(1),
            _ => self.next() >> bits,
        }
    }

    /// As [`Random::hostile_word`], of 32 bits with a sign.
    pub(super) fn hostile_int(&mut self) -> i32 {
        match self.below(4) {
            0 => i32::MAX,
            1 => i32::MIN,
            2 => 0,
            _ => self.between(i32::MIN / 2, i32::MAX / 2) >> self.below(31),
        }
    }
}
