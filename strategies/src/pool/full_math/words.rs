//! Words of longer numbers.

/// The higher word of `high` and `low` moved up by less than a word.
#[inline(always)]
pub(crate) const fn shift_in(high: u64, low: u64, shift: u32) -> u64 {
    // In two steps: a shift by a whole word is none.
    (high << shift) | ((low >> 1) >> (63 - shift))
}

#[inline(always)]
pub(crate) const fn join(high: u64, low: u64) -> u128 {
    (high as u128) << 64 | low as u128
}

#[inline]
pub(crate) const fn high_word(value: u128) -> u64 {
    low_word(value >> 64)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
pub(crate) const fn low_word(value: u128) -> u64 {
    value as u64
}
