//! One pool with its state: exact quotes, swaps with what they leave behind, and the price ranges that sizing walks.

mod after;
mod balancer;
mod crypto_swap;
mod estimates;
mod ranges;
mod soundness;
mod stable_swap;
mod stepped;

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails};
use ruint::aliases::U256;

pub use self::after::After;
pub use self::balancer::{BalancerStablePool, WeightedPool};
pub use self::crypto_swap::CryptoSwapPool;
pub(crate) use self::estimates::CURVE_ROUNDING;
pub use self::ranges::PoolRanges;
pub use self::stable_swap::StableSwapPool;
pub use self::stepped::Stepped;
use super::tables::StepTables;
use crate::pool::concentrated_liquidity::V3View;
use crate::pool::crypto_swap::Prepared;
use crate::pool::solidly::{SolidlyCurve, SolidlyView};
use crate::pool::stable_swap::Solved;
use crate::pool::v4::V4View;
use crate::pool::{QuoteError, Swapped, Way, constant_product};

/// Most decimals of a Solidly token whose unit 128 bits hold.
const DECIMALS_MAX: u8 = 38;

/// A pool's description and state, borrowed. Copying it copies no ticks and no balances of large pools.
///
/// One enum for all kinds, so that a quote is a jump and not a call through a table: see
/// `docs/decisions/0007-one-view-of-every-pool.md`.
///
/// `at` of its functions is the Unix second of the block in which the swap would run; pools that do not change with time
/// ignore it.
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
    V3(Stepped<'a, V3View<'a>>),
    /// Uniswap V4.
    V4(Stepped<'a, V4View<'a>>),
    /// Solidly and its forks.
    Solidly(SolidlyView),
    /// Curve StableSwap.
    StableSwap(StableSwapPool<'a>),
    /// Curve CryptoSwap.
    CryptoSwap(CryptoSwapPool<'a>),
    /// Balancer weighted.
    Weighted(WeightedPool<'a>),
    /// Balancer stable.
    BalancerStable(BalancerStablePool<'a>),
}

/// What is done once for all quotes from a state.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    /// The invariant of a StableSwap pool, which spares its quotes their iteration.
    Solved(Box<Solved>),
    /// Reciprocals and balances of a CryptoSwap pool.
    Prepared(Box<Prepared>),
}

/// They take the room of what was kept before, so that the end of a block allocates nothing.
impl Kept {
    pub(super) fn put_solved(room: &mut Option<Self>, solved: Option<Solved>) {
        match (room, solved) {
            (Some(Self::Solved(room)), Some(solved)) => **room = solved,
            (room, solved) => *room = solved.map(|solved| Self::Solved(Box::new(solved))),
        }
    }

    pub(super) fn put_prepared(room: &mut Option<Self>, prepared: Option<Prepared>) {
        match (room, prepared) {
            (Some(Self::Prepared(room)), Some(prepared)) => **room = prepared,
            (room, prepared) => *room = prepared.map(|prepared| Self::Prepared(Box::new(prepared))),
        }
    }
}

/// A pool that another stands on: description and state.
pub(crate) type Described<'a> = (&'a PoolInfo, &'a PoolState);

impl<'a> PoolView<'a> {
    /// A pool with its state. `find` gives the pool that a meta pool stands on.
    ///
    /// # Errors
    /// [`QuoteError::UnknownState`] for a state that the feed leaves out, [`QuoteError::UnknownVariant`] for arithmetic
    /// that nothing here knows or an unknown base pool, [`QuoteError::InvalidPoolState`] for decimals that no contract
    /// takes, [`QuoteError::UnsupportedPoolKind`] for a kind added later.
    pub fn new(
        (info, state): (&'a PoolInfo, &'a PoolState),
        find: impl FnOnce(PoolId) -> Option<(&'a PoolInfo, &'a PoolState)>,
    ) -> Result<Self, QuoteError> {
        match state {
            PoolState::V2(v2) => Ok(Self::V2 { reserves: [v2.reserve_0, v2.reserve_1], fee_ppm: info.fee.0 }),
            PoolState::V3(v3) => Ok(Self::V3(Stepped::from(V3View {
                fee_ppm: info.fee.0,
                tick_spacing: info.tick_spacing,
                sqrt_price_x96: v3.sqrt_price_x96,
                tick: v3.tick,
                liquidity: v3.liquidity,
                ticks: &v3.ticks,
                known_ticks: info.known_ticks,
            }))),
            PoolState::V4(v4) => {
                let PoolDetails::V4(details) = &info.details else { return Err(QuoteError::InvalidPoolState) };
                Ok(Self::V4(Stepped::from(V4View {
                    hooks: details.hooks,
                    lp_fee_ppm: v4.fees.lp_fee_ppm,
                    protocol_fees_ppm: v4.fees.protocol_fee_ppm.map(u32::from),
                    tick_spacing: info.tick_spacing,
                    sqrt_price_x96: v4.curve.sqrt_price_x96,
                    tick: v4.curve.tick,
                    liquidity: v4.curve.liquidity,
                    ticks: &v4.curve.ticks,
                    known_ticks: info.known_ticks,
                })))
            }
            PoolState::Solidly(state) => Ok(Self::Solidly(SolidlyView {
                reserves: [state.reserve_0, state.reserve_1],
                scales: solidly_scales(details(info)?)?,
                fee_ppm: state.fee.0,
                curve: solidly_curve(info)?,
            })),
            PoolState::CurveStable(state) => StableSwapPool::new(info, state, find).map(Self::StableSwap),
            PoolState::CurveCrypto(state) => CryptoSwapPool::new(info, state).map(Self::CryptoSwap),
            PoolState::BalancerWeighted(state) => WeightedPool::new(info, state).map(Self::Weighted),
            PoolState::BalancerStable(state) => BalancerStablePool::new(info, state).map(Self::BalancerStable),
            PoolState::Unknown(_) => Err(QuoteError::UnknownState),
            _ => Err(QuoteError::UnsupportedPoolKind),
        }
    }

    /// The same pool with what was kept of its state. What is of another state costs time and no answer.
    #[must_use]
    pub(super) const fn with_kept(mut self, kept: Option<&'a Kept>) -> Self {
        match (&mut self, kept) {
            (Self::StableSwap(pool), Some(Kept::Solved(solved))) => pool.solved = Some(solved),
            (Self::CryptoSwap(pool), Some(Kept::Prepared(prepared))) => pool.prepared = Some(prepared),
            _ => {}
        }
        self
    }

    /// The same pool with the market's tables of steps, of which its quotes take its own.
    #[must_use]
    pub(super) fn with_steps(mut self, tables: &'a StepTables, pool: PoolId) -> Self {
        match &mut self {
            Self::V3(view) => view.set_steps(tables.of_pool(pool)),
            Self::V4(view) => view.set_steps(tables.of_pool(pool)),
            _ => {}
        }
        self
    }

    /// Output for exactly `amount_in`, as the pool's own view or quoter answers. Raw units.
    ///
    /// # Errors
    /// Any [`QuoteError`] of the pool's kind.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        match self {
            Self::V2 { reserves, fee_ppm } => {
                let [reserve_in, reserve_out] = oriented(*reserves, way.zero_for_one()?);
                constant_product::quote_exact_in(reserve_in, reserve_out, *fee_ppm, amount_in)
            }
            Self::V3(view) => view.quote_exact_in(way.zero_for_one()?, amount_in).map(|quote| quote.amount_out),
            Self::V4(view) => view.quote_exact_in(way, amount_in),
            Self::Solidly(view) => view.quote_exact_in(way, amount_in),
            Self::StableSwap(pool) => pool.with_view(|view| view.quote_exact_in(way, amount_in, at)),
            Self::CryptoSwap(pool) => pool.quote_exact_in(way, amount_in, at),
            Self::Weighted(pool) => pool.with_view(|view| view.quote_exact_in(way, amount_in)),
            Self::BalancerStable(pool) => pool.with_view(|view| view.quote_exact_in(way, amount_in, at)),
        }
    }

    /// Input for exactly `amount_out`, as the pool's own view or quoter answers. Raw units.
    ///
    /// # Errors
    /// Any [`QuoteError`] of the pool's kind; [`QuoteError::ExactOutputNotOffered`] where the contract has no such view.
    pub fn quote_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        match self {
            Self::V2 { reserves, fee_ppm } => {
                let [reserve_in, reserve_out] = oriented(*reserves, way.zero_for_one()?);
                constant_product::quote_exact_out(reserve_in, reserve_out, *fee_ppm, amount_out)
            }
            Self::V3(view) => view.quote_exact_out(way.zero_for_one()?, amount_out).map(|quote| quote.amount_in),
            Self::V4(view) => view.quote_exact_out(way, amount_out),
            Self::Solidly(_) => way.zero_for_one().and(Err(QuoteError::ExactOutputNotOffered)),
            Self::StableSwap(pool) => pool.with_view(|view| view.quote_exact_out(way, amount_out, at)),
            Self::CryptoSwap(pool) => pool.view().quote_exact_out(way, amount_out, at),
            Self::Weighted(pool) => pool.with_view(|view| view.quote_exact_out(way, amount_out)),
            Self::BalancerStable(pool) => pool.with_view(|view| view.quote_exact_out(way, amount_out, at)),
        }
    }

    /// A swap that takes the whole of `amount_in` and gives something, as the contract executes it, which may differ by a
    /// unit from what its view answers; with what it changes. Raw units.
    ///
    /// # Errors
    /// As [`PoolView::quote_exact_in`]; [`QuoteError::InsufficientLiquidity`] when a part of the input would be left or
    /// nothing would come out; [`QuoteError::StateUnknown`] where the state after it cannot be told from this one.
    pub fn swap_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<Swapped<After>, QuoteError> {
        let swapped = match self {
            Self::V2 { reserves, fee_ppm } => after::constant_product(*reserves, *fee_ppm, way, amount_in)?,
            Self::V3(view) => after::concentrated(view, way, amount_in)?,
            Self::V4(view) => view.swap_exact_in(way, amount_in)?,
            Self::Solidly(view) => view.swap_exact_in(way, amount_in)?.map(After::Reserves),
            Self::StableSwap(pool) => {
                pool.with_view(|view| view.swap_exact_in(way, amount_in, at))?.map(After::StableSwap)
            }
            Self::CryptoSwap(pool) => pool.swap_exact_in(way, amount_in, at)?,
            Self::Weighted(pool) => pool.with_view(|view| view.swap_exact_in(way, amount_in))?.map(After::Balances),
            Self::BalancerStable(pool) => {
                pool.with_view(|view| view.swap_exact_in(way, amount_in, at))?.map(After::Balances)
            }
        };
        if swapped.amount_out.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(swapped) }
    }

    /// Output of [`PoolView::swap_exact_in`] without what it changes: what a hop of a route gives.
    ///
    /// # Errors
    /// As [`PoolView::swap_exact_in`].
    #[inline]
    pub fn hop_output(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        let amount_out = match self {
            // Their views answer what their swaps give.
            Self::V2 { .. } | Self::V4(_) => self.quote_exact_in(way, amount_in, at)?,
            Self::V3(view) => {
                let quote = view.quote_exact_in(way.zero_for_one()?, amount_in)?;
                if quote.is_partial { U256::ZERO } else { quote.amount_out }
            }
            _ => self.swap_exact_in(way, amount_in, at)?.amount_out,
        };
        if amount_out.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(amount_out) }
    }

    /// The pool as a swap leaves it. An account of another kind's swap changes nothing.
    #[must_use]
    pub fn after<'b>(&self, after: &'b After) -> PoolView<'b>
    where
        'a: 'b,
    {
        let mut view = *self;
        after.put_into(&mut view);
        view
    }
}

/// The pair of values with the input token's first.
const fn oriented(values: [u128; 2], zero_for_one: bool) -> [u128; 2] {
    if zero_for_one { values } else { [values[1], values[0]] }
}

/// What only pools described by `MultiTokenPool` have.
const fn details(info: &PoolInfo) -> Result<&MultiTokenDetails, QuoteError> {
    match &info.details {
        PoolDetails::MultiToken(details) => Ok(details),
        PoolDetails::None | PoolDetails::V4(_) => Err(QuoteError::InvalidPoolState),
    }
}

fn variant(details: &MultiTokenDetails) -> Result<PoolVariant, QuoteError> {
    PoolVariant::from_wire(details.variant).ok_or(QuoteError::UnknownVariant)
}

fn solidly_curve(info: &PoolInfo) -> Result<SolidlyCurve, QuoteError> {
    match (info.kind, variant(details(info)?)?) {
        (PoolKind::SolidlyVolatile, _) => Ok(SolidlyCurve::Volatile),
        (_, PoolVariant::SolidlyV1) => Ok(SolidlyCurve::StableV1),
        (_, PoolVariant::SolidlyV2) => Ok(SolidlyCurve::StableV2),
        _ => Err(QuoteError::UnknownVariant),
    }
}

fn solidly_scales(details: &MultiTokenDetails) -> Result<[u128; 2], QuoteError> {
    let [decimals_0, decimals_1, ..] = details.decimals;
    if decimals_0.max(decimals_1) > DECIMALS_MAX {
        return Err(QuoteError::InvalidPoolState);
    }
    Ok([decimals_0, decimals_1].map(|decimals| 10_u128.pow(u32::from(decimals))))
}
