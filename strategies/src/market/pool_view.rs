//! One pool with its state: exact quotes, and the price ranges that sizing walks.

use alphapulse_protocol::replica::{PoolInfo, PoolState};
use ruint::aliases::U256;

use crate::pool::concentrated_liquidity::{self, V3View};
use crate::pool::constant_product::{self, RESERVE_MAX};
use crate::pool::ladder::Ranges;
use crate::pool::{Inconsistency, Mobius, PPM, PriceRange, QuoteError, check_consistency};

/// A pool's description and state, borrowed. Copying it copies no ticks.
#[derive(Debug, Clone, Copy)]
pub enum PoolView<'a> {
    /// Constant product.
    V2 {
        /// Raw token-0 and token-1 units.
        reserves: [u128; 2],
        /// Parts per million of the input.
        fee_ppm: u32,
    },
    /// Concentrated liquidity.
    V3(V3View<'a>),
}

impl<'a> PoolView<'a> {
    /// A pool with its state; `None` for a kind that nothing here prices.
    #[must_use]
    pub fn new(info: &PoolInfo, state: &'a PoolState) -> Option<Self> {
        match state {
            PoolState::V2(v2) => Some(Self::V2 { reserves: [v2.reserve_0, v2.reserve_1], fee_ppm: info.fee.0 }),
            PoolState::V3(v3) => Some(Self::V3(V3View {
                fee_ppm: info.fee.0,
                tick_spacing: info.tick_spacing,
                sqrt_price_x96: v3.sqrt_price_x96,
                tick: v3.tick,
                liquidity: v3.liquidity,
                ticks: &v3.ticks,
                known_ticks: info.known_ticks,
            })),
            _ => None,
        }
    }

    /// Whether the pool has been given reserves or a price.
    #[must_use]
    pub fn has_price(&self) -> bool {
        match self {
            Self::V2 { reserves, .. } => reserves.iter().all(|reserve| *reserve > 0),
            Self::V3(view) => !view.sqrt_price_x96.is_zero(),
        }
    }

    /// Whether the parts of the state fit each other.
    ///
    /// # Errors
    /// The first [`Inconsistency`].
    pub fn check_consistency(&self) -> Result<(), Inconsistency> {
        match self {
            Self::V2 { fee_ppm, .. } if *fee_ppm >= PPM => Err(Inconsistency::Fee { fee_ppm: *fee_ppm }),
            Self::V2 { .. } => Ok(()),
            Self::V3(view) => check_consistency(view),
        }
    }

    /// Output for exactly `amount_in`, as the pool's own quoter answers. Raw units.
    ///
    /// # Errors
    /// Any [`QuoteError`] of the pool's kind.
    pub fn quote_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<U256, QuoteError> {
        match self {
            Self::V2 { reserves, fee_ppm } => {
                let [reserve_in, reserve_out] = oriented(*reserves, zero_for_one);
                constant_product::quote_exact_in(reserve_in, reserve_out, *fee_ppm, amount_in)
            }
            Self::V3(view) => {
                concentrated_liquidity::quote_exact_in(view, zero_for_one, amount_in).map(|swap| swap.amount_out)
            }
        }
    }

    /// Input for exactly `amount_out`, as the pool's own quoter answers. Raw units.
    ///
    /// # Errors
    /// Any [`QuoteError`] of the pool's kind.
    pub fn quote_exact_out(&self, zero_for_one: bool, amount_out: U256) -> Result<U256, QuoteError> {
        match self {
            Self::V2 { reserves, fee_ppm } => {
                let [reserve_in, reserve_out] = oriented(*reserves, zero_for_one);
                constant_product::quote_exact_out(reserve_in, reserve_out, *fee_ppm, amount_out)
            }
            Self::V3(view) => {
                concentrated_liquidity::quote_exact_out(view, zero_for_one, amount_out).map(|swap| swap.amount_in)
            }
        }
    }

    /// Output of a swap that takes the whole of `amount_in` and gives something: what a hop of a route must do.
    ///
    /// # Errors
    /// As [`PoolView::quote_exact_in`]; [`QuoteError::InsufficientLiquidity`] when a part of the input would be left
    /// or nothing would come out.
    #[inline]
    pub fn swap_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<U256, QuoteError> {
        let amount_out = match self {
            Self::V2 { .. } => self.quote_exact_in(zero_for_one, amount_in)?,
            Self::V3(view) => {
                let swap = concentrated_liquidity::quote_exact_in(view, zero_for_one, amount_in)?;
                if swap.is_partial { U256::ZERO } else { swap.amount_out }
            }
        };
        if amount_out.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(amount_out) }
    }

    /// Output as a function of input up to the first price boundary. `g` is 0 when nothing can be sold to the pool.
    #[must_use]
    pub fn rate(&self, zero_for_one: bool) -> Mobius {
        self.ranges(zero_for_one).next().map_or(Mobius { g: 0.0, h: 0.0 }, |range| range.mobius)
    }

    /// Price ranges from the current price on, in the order in which a swap uses them up.
    #[must_use]
    pub fn ranges(&self, zero_for_one: bool) -> PoolRanges<'a> {
        match self {
            Self::V2 { reserves, fee_ppm } => {
                let [reserve_in, reserve_out] = oriented(*reserves, zero_for_one);
                PoolRanges::V2(whole_curve(reserve_in, reserve_out, *fee_ppm))
            }
            Self::V3(view) => PoolRanges::V3(view.ranges(zero_for_one)),
        }
    }
}

/// Iterator of [`PoolView::ranges`]. Does not allocate.
#[derive(Debug, Clone)]
pub enum PoolRanges<'a> {
    /// The one range of a constant-product pool, until taken.
    V2(Option<PriceRange>),
    /// The ranges of a concentrated pool.
    V3(Ranges<'a>),
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

/// A constant-product pair is one range; it ends where the pair could not store the reserve.
fn whole_curve(reserve_in: u128, reserve_out: u128, fee_ppm: u32) -> Option<PriceRange> {
    if reserve_in == 0 || reserve_out == 0 || fee_ppm >= PPM {
        return None;
    }
    let mobius = Mobius::constant_product(reserve_in, reserve_out, fee_ppm);
    let input_end = RESERVE_MAX.checked_sub(reserve_in)? as f64;
    Some(PriceRange { input_start: 0.0, output_start: 0.0, input_end, output_end: mobius.output(input_end), mobius })
}

/// The pair of values with the input token's first.
const fn oriented(values: [u128; 2], zero_for_one: bool) -> [u128; 2] {
    if zero_for_one { values } else { [values[1], values[0]] }
}
