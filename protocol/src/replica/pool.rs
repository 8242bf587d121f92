//! State of one pool and how each message changes it.

mod concentrated;
mod multi_token;

pub use self::concentrated::{TickLiquidity, V3State, V4State};
pub use self::multi_token::{
    BalancerStableState, BalancerWeightedState, CurveCryptoState, CurveStableState, SolidlyState,
};
use self::multi_token::{cut, rates};
use crate::message::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
    CurveCryptoBalances, CurveCryptoParameters, CurveStableBalances, CurveStableParameters, PoolKind, PoolRates,
    RatesUse, SolidlyReserves, V2Reserves, V3Swap, V4Swap,
};
use crate::units::FeePpm;

/// State of a constant-product pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V2State {
    /// Raw token-0 units, below 2^112.
    pub reserve_0: u128,
    /// Raw token-1 units, below 2^112.
    pub reserve_1: u128,
}

/// State of a pool of any kind. The large ones are boxed, so that the table of all pools stays dense. Each begins with a cache line: that of a pair is within one,
/// and what a swap changes of a pool with ticks within two that lie side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(align(64))]
#[non_exhaustive]
pub enum PoolState {
    /// Nothing is known of it but its kind: its reader did not ask for it, or it has not come yet.
    Unknown(PoolKind),
    /// Constant product.
    V2(V2State),
    /// Concentrated liquidity.
    V3(V3State),
    /// Solidly, volatile or stable.
    Solidly(SolidlyState),
    /// Uniswap V4.
    V4(V4State),
    /// Curve StableSwap.
    CurveStable(Box<CurveStableState>),
    /// Curve CryptoSwap.
    CurveCrypto(Box<CurveCryptoState>),
    /// Balancer weighted product.
    BalancerWeighted(Box<BalancerWeightedState>),
    /// Balancer stable.
    BalancerStable(Box<BalancerStableState>),
}

/// Why a message does not fit: static, so that it costs nothing to carry.
pub(super) type Mismatch = &'static str;

impl PoolState {
    /// State of a pool of this kind that holds nothing.
    #[must_use]
    pub fn empty(kind: PoolKind) -> Self {
        match kind {
            PoolKind::UniswapV2 => Self::V2(V2State::default()),
            PoolKind::UniswapV3 => Self::V3(V3State::default()),
            PoolKind::SolidlyVolatile | PoolKind::SolidlyStable => Self::Solidly(SolidlyState::default()),
            PoolKind::UniswapV4 => Self::V4(V4State::default()),
            PoolKind::CurveStable => Self::CurveStable(Box::default()),
            PoolKind::CurveCrypto => Self::CurveCrypto(Box::default()),
            PoolKind::BalancerWeighted => Self::BalancerWeighted(Box::default()),
            PoolKind::BalancerStable => Self::BalancerStable(Box::default()),
        }
    }

    #[inline]
    pub(super) fn set_reserves(&mut self, message: &V2Reserves) -> Result<(), Mismatch> {
        let Self::V2(state) = self else { return Err("reserves for a pool that is not constant-product") };
        *state = V2State { reserve_0: message.reserve_0.get(), reserve_1: message.reserve_1.get() };
        Ok(())
    }

    #[inline]
    pub(super) fn set_slot(&mut self, message: &V3Swap) -> Result<(), Mismatch> {
        let Self::V3(state) = self else { return Err("a V3 slot for a pool of another kind") };
        state.set_slot(message.sqrt_price_x96.get(), message.tick.get(), message.liquidity.get());
        Ok(())
    }

    pub(super) fn set_v4_slot(&mut self, message: &V4Swap) -> Result<(), Mismatch> {
        let Self::V4(state) = self else { return Err("a V4 slot for a pool of another kind") };
        state.set_slot(message);
        Ok(())
    }

    pub(super) fn set_solidly(&mut self, message: &SolidlyReserves) -> Result<(), Mismatch> {
        let Self::Solidly(state) = self else { return Err("Solidly reserves for a pool of another kind") };
        let (reserve_0, reserve_1) = (message.reserve_0.get(), message.reserve_1.get());
        *state = SolidlyState { fee: FeePpm(message.fee_ppm.get()), reserve_0, reserve_1 };
        Ok(())
    }

    pub(super) fn set_rates(&mut self, message: &PoolRates, token_count: usize) -> Result<(), Mismatch> {
        let rates_use = RatesUse::from_wire(message.rates_use).ok_or("rates of no known use")?;
        match (self, rates_use) {
            (Self::CurveStable(state), RatesUse::Swap) => state.rates = rates(message, token_count),
            (Self::BalancerStable(state), _) => state.set_rates(rates_use, rates(message, token_count)),
            _ => return Err("rates for a pool that has none of this use"),
        }
        Ok(())
    }

    pub(super) fn set_curve_stable_terms(&mut self, message: &CurveStableParameters) -> Result<(), Mismatch> {
        self.curve_stable()?.terms = message.terms();
        Ok(())
    }

    pub(super) fn set_curve_stable(
        &mut self,
        message: &CurveStableBalances,
        token_count: usize,
    ) -> Result<(), Mismatch> {
        let state = self.curve_stable()?;
        state.holdings = message.holdings();
        state.holdings.balances = cut(state.holdings.balances, token_count);
        Ok(())
    }

    pub(super) fn set_curve_crypto_terms(&mut self, message: &CurveCryptoParameters) -> Result<(), Mismatch> {
        self.curve_crypto()?.terms = message.terms();
        Ok(())
    }

    pub(super) fn set_curve_crypto(
        &mut self,
        message: &CurveCryptoBalances,
        token_count: usize,
    ) -> Result<(), Mismatch> {
        let state = self.curve_crypto()?;
        let (mut holdings, price_count) = (message.holdings(), token_count.saturating_sub(1));
        holdings.balances = cut(holdings.balances, token_count);
        for prices in [&mut holdings.price_scale, &mut holdings.price_oracle, &mut holdings.last_prices] {
            *prices = cut(*prices, price_count);
        }
        state.holdings = holdings;
        Ok(())
    }

    pub(super) fn set_weighted_terms(
        &mut self,
        message: &BalancerWeightedParameters,
        token_count: usize,
    ) -> Result<(), Mismatch> {
        let state = self.weighted()?;
        state.terms = message.terms();
        state.terms.weights = cut(state.terms.weights, token_count);
        Ok(())
    }

    pub(super) fn set_weighted(
        &mut self,
        message: &BalancerWeightedBalances,
        token_count: usize,
    ) -> Result<(), Mismatch> {
        self.weighted()?.balances = cut(message.values(), token_count);
        Ok(())
    }

    pub(super) fn set_balancer_stable_terms(&mut self, message: &BalancerStableParameters) -> Result<(), Mismatch> {
        self.balancer_stable()?.terms = message.terms();
        Ok(())
    }

    pub(super) fn set_balancer_stable(
        &mut self,
        message: &BalancerStableBalances,
        token_count: usize,
    ) -> Result<(), Mismatch> {
        let state = self.balancer_stable()?;
        state.holdings = message.holdings();
        state.holdings.balances = cut(state.holdings.balances, token_count);
        Ok(())
    }

    /// Initialised ticks, ascending; none of a pool of a kind without them.
    #[inline]
    pub(super) fn ticks(&self) -> &[TickLiquidity] {
        self.concentrated().map_or(&[], |curve| &curve.ticks)
    }

    /// The curve of a pool that has ticks.
    #[inline]
    pub(super) const fn concentrated(&self) -> Option<&V3State> {
        match self {
            Self::V3(state) => Some(state),
            Self::V4(state) => Some(&state.curve),
            _ => None,
        }
    }

    /// The curve of a pool that has ticks, to be changed.
    #[inline]
    pub(super) const fn concentrated_mut(&mut self) -> Result<&mut V3State, Mismatch> {
        match self {
            Self::V3(state) => Ok(state),
            Self::V4(state) => Ok(&mut state.curve),
            _ => Err("ticks for a pool that has none"),
        }
    }

    fn curve_stable(&mut self) -> Result<&mut CurveStableState, Mismatch> {
        let Self::CurveStable(state) = self else { return Err("StableSwap values for a pool of another kind") };
        Ok(state)
    }

    fn curve_crypto(&mut self) -> Result<&mut CurveCryptoState, Mismatch> {
        let Self::CurveCrypto(state) = self else { return Err("CryptoSwap values for a pool of another kind") };
        Ok(state)
    }

    fn weighted(&mut self) -> Result<&mut BalancerWeightedState, Mismatch> {
        let Self::BalancerWeighted(state) = self else { return Err("weighted values for a pool of another kind") };
        Ok(state)
    }

    fn balancer_stable(&mut self) -> Result<&mut BalancerStableState, Mismatch> {
        let Self::BalancerStable(state) = self else { return Err("stable values for a pool of another kind") };
        Ok(state)
    }
}
