//! Price ranges of a pool, one after the other.

use crate::pool::constant_product::RESERVE_MAX;
use crate::pool::ladder::Ranges;
use crate::pool::{Mobius, PPM, PriceRange};

/// Iterator of [`PoolView::ranges`](super::PoolView::ranges). Does not allocate.
#[derive(Debug, Clone)]
pub enum PoolRanges<'a> {
    /// The one range of a constant-product pool, until taken.
    V2(Option<PriceRange>),
    /// The ranges of a concentrated pool.
    V3(Ranges<'a>),
}

impl PoolRanges<'_> {
    /// A constant-product pair is one range; it ends where the pair could not store the reserve.
    pub(super) fn of_pair([reserve_in, reserve_out]: [u128; 2], fee_ppm: u32) -> Self {
        let Some(room) = RESERVE_MAX.checked_sub(reserve_in) else { return Self::V2(None) };
        if reserve_in == 0 || reserve_out == 0 || fee_ppm >= PPM {
            return Self::V2(None);
        }
        let mobius = Mobius::constant_product(reserve_in, reserve_out, fee_ppm);
        let input_end = room as f64;
        let output_end = mobius.output(input_end);
        Self::V2(Some(PriceRange { input_start: 0.0, output_start: 0.0, input_end, output_end, mobius }))
    }
}

impl Iterator for PoolRanges<'_> {
    type Item = PriceRange;

    fn next(&mut self) -> Option<PriceRange> {
        match self {
            Self::V2(range) => range.take(),
            Self::V3(ranges) => ranges.next(),
        }
    }
}
