//! Curve StableSwap: the state as the feed carries it, as the exact maths takes it.

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::PoolVariant;
use alphapulse_protocol::replica::{CurveStableState, PoolInfo, PoolState};
use ruint::aliases::U256;

use super::after::first;
use super::{Described, details, variant};
use crate::pool::stable_swap::{BasePool, PriceCache, Rules, Solved, StableSwapAfter, StableSwapView};
use crate::pool::{QuoteError, Ramp, Way};

/// A StableSwap pool, over a base pool or not.
#[derive(Debug, Clone, Copy)]
pub struct StableSwapPool<'a> {
    pub(super) balances: &'a [u128],
    pub(super) solved: Option<&'a Solved>,
    rules: Rules,
    rates: &'a [u128],
    state: &'a CurveStableState,
    price_cache: Option<PriceCache>,
    base: Option<Base<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Base<'a> {
    rules: Rules,
    count: usize,
    state: &'a CurveStableState,
}

impl<'a> StableSwapPool<'a> {
    pub(crate) fn new(
        info: &'a PoolInfo,
        state: &'a CurveStableState,
        find: impl FnOnce(PoolId) -> Option<Described<'a>>,
    ) -> Result<Self, QuoteError> {
        let (rules, count) = (rules(info)?, info.tokens.len());
        let base = details(info)?.base_pool.map(|id| find(id).ok_or(QuoteError::UnknownVariant).and_then(base));
        let holdings = &state.holdings;
        // Pools of a factory ask for the price anew in each swap, and remember none.
        let is_remembered = base.is_some() && holdings.base_virtual_price > 0;
        let price_cache = is_remembered
            .then_some(PriceCache { price: holdings.base_virtual_price, updated: holdings.base_cache_updated });
        Ok(Self {
            balances: first(&holdings.balances, count),
            solved: None,
            rules,
            rates: first(&state.rates.rates, count),
            state,
            price_cache,
            base: base.transpose()?,
        })
    }

    /// Asks the exact maths.
    pub fn with_view<T>(&self, ask: impl FnOnce(&StableSwapView<'_>) -> T) -> T {
        let view = view(self.rules, self.balances, self.rates, self.state, self.solved);
        let Some(base) = self.base else { return ask(&view) };
        let (balances, rates) = (&base.state.holdings.balances, &base.state.rates.rates);
        let under = self::view(base.rules, first(balances, base.count), first(rates, base.count), base.state, None);
        ask(&StableSwapView { base: Some(BasePool { pool: &under, price_cache: self.price_cache }), ..view })
    }

    /// Output between the coins of the pool and those of its base, by the view `get_dy_underlying`; `way` counts the pool's
    /// own coins without the last, then the base's.
    ///
    /// # Errors
    /// As [`StableSwapView::quote_underlying`].
    pub fn quote_underlying(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        self.with_view(|view| view.quote_underlying(way, amount_in, at))
    }

    pub(super) fn put(&mut self, now: &'a StableSwapAfter) {
        self.balances = first(&now.balances, self.balances.len());
        self.price_cache = now.price_cache;
    }
}

fn base<'a>((info, state): Described<'a>) -> Result<Base<'a>, QuoteError> {
    let PoolState::CurveStable(state) = state else { return Err(QuoteError::UnknownState) };
    // No contract stacks three pools.
    if details(info)?.base_pool.is_some() {
        return Err(QuoteError::UnknownVariant);
    }
    Ok(Base { rules: rules(info)?, count: info.tokens.len(), state })
}

fn view<'v>(
    rules: Rules,
    balances: &'v [u128],
    rates: &'v [u128],
    state: &'v CurveStableState,
    solved: Option<&'v Solved>,
) -> StableSwapView<'v> {
    let terms = &state.terms;
    let alphapulse_protocol::values::Ramp { initial, future, initial_time, future_time } = terms.amplification;
    StableSwapView {
        rules,
        balances,
        rates,
        amplification: Ramp { initial, future, initial_time, future_time },
        fee: terms.fee,
        admin_fee: terms.admin_fee,
        offpeg_fee_multiplier: terms.offpeg_fee_multiplier,
        supply: state.holdings.supply,
        valid_until: state.rates.valid_until,
        is_paused: terms.is_paused,
        base: None,
        solved,
    }
}

/// The family of contracts: the variant, and for classic pools how amplification is stored.
fn rules(info: &PoolInfo) -> Result<Rules, QuoteError> {
    let details = details(info)?;
    let rules = match (variant(details)?, details.amplification_precision) {
        (PoolVariant::CurveFirst, _) => Rules::First,
        (PoolVariant::CurveClassic, 1) => Rules::ThreePool,
        (PoolVariant::CurveClassic, _) => Rules::Classic,
        (PoolVariant::CurveFactory, _) => Rules::Factory,
        (PoolVariant::CurveNg, _) => Rules::Ng,
        (PoolVariant::CurveOffpeg, _) => Rules::Offpeg,
        _ => return Err(QuoteError::UnknownVariant),
    };
    let is_as_stored = rules.amplification_precision() == u64::from(details.amplification_precision);
    if is_as_stored { Ok(rules) } else { Err(QuoteError::UnknownVariant) }
}
