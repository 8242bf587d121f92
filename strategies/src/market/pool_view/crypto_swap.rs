//! Curve CryptoSwap: the state as the feed carries it, as the exact maths takes it.

use alphapulse_protocol::message::PoolVariant;
use alphapulse_protocol::replica::{CurveCryptoState, PoolInfo};
use alphapulse_protocol::values::{CurveCryptoHoldings, CurveCryptoTerms};
use ruint::aliases::U256;

use super::after::{After, first};
use super::{details, variant};
use crate::pool::crypto_swap::{CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView, Prepared};
use crate::pool::{QuoteError, Swapped, Way};

/// Decimals that the contracts reckon with, and the most that a coin has.
const DECIMALS: u8 = 18;

/// A CryptoSwap pool.
#[derive(Debug, Clone, Copy)]
pub struct CryptoSwapPool<'a> {
    generation: CryptoSwapGeneration,
    precisions: [u64; 3],
    terms: &'a CurveCryptoTerms,
    holdings: &'a CurveCryptoHoldings,
    /// As [`CryptoSwapState::future_time`].
    ramp_end: u64,
    /// Of this state or of another one, which does not matter.
    pub(super) prepared: Option<&'a Prepared>,
}

impl<'a> CryptoSwapPool<'a> {
    pub(crate) fn new(info: &PoolInfo, state: &'a CurveCryptoState) -> Result<Self, QuoteError> {
        let details = details(info)?;
        let generation = match variant(details)? {
            PoolVariant::CurveTwoCrypto => CryptoSwapGeneration::TwoCrypto,
            PoolVariant::CurveTriCrypto => CryptoSwapGeneration::TriCrypto,
            PoolVariant::CurveTwoCryptoNg => CryptoSwapGeneration::TwoCryptoNg,
            PoolVariant::CurveTriCryptoNg => CryptoSwapGeneration::TriCryptoNg,
            _ => return Err(QuoteError::UnknownVariant),
        };
        if generation.coin_count() != info.tokens.len() {
            return Err(QuoteError::UnknownVariant);
        }
        let mut precisions = [1; 3];
        for (precision, decimals) in precisions.iter_mut().zip(first(&details.decimals, info.tokens.len())) {
            let missing = DECIMALS.checked_sub(*decimals).ok_or(QuoteError::InvalidPoolState)?;
            *precision = 10_u64.pow(u32::from(missing));
        }
        let (terms, holdings) = (&state.terms, &state.holdings);
        Ok(Self { generation, precisions, terms, holdings, ramp_end: terms.amplification.future_time, prepared: None })
    }

    /// The pool as the exact maths takes it.
    #[must_use]
    pub const fn view(&self) -> CryptoSwapView {
        CryptoSwapView {
            generation: self.generation,
            precisions: self.precisions,
            terms: terms(self.terms),
            state: state(self.holdings, self.ramp_end),
        }
    }

    pub(super) fn balances(&self) -> &'a [u128] {
        first(&self.holdings.balances, self.generation.coin_count())
    }

    pub(super) fn quote_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        let view = self.view();
        match self.prepared {
            Some(prepared) => prepared.quote_exact_in(&view, way, amount_in, at),
            None => view.quote_exact_in(way, amount_in, at),
        }
    }

    pub(super) fn swap_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<Swapped<After>, QuoteError> {
        // A file of what quotes need holds neither shares nor their value, without which no price scale moves.
        if self.holdings.supply == 0 || self.holdings.virtual_price == 0 {
            return Err(QuoteError::StateUnknown);
        }
        Ok(self.view().swap_exact_in(way, amount_in, at)?.map(after))
    }

    pub(super) const fn put(&mut self, holdings: &'a CurveCryptoHoldings, ramp_end: u64) {
        (self.holdings, self.ramp_end, self.prepared) = (holdings, ramp_end, None);
    }
}

const fn terms(terms: &CurveCryptoTerms) -> CryptoSwapTerms {
    CryptoSwapTerms {
        is_paused: terms.is_paused,
        initial_a: terms.amplification.initial,
        future_a: terms.amplification.future,
        initial_gamma: terms.gamma_initial,
        future_gamma: terms.gamma_future,
        initial_time: terms.amplification.initial_time,
        mid_fee: terms.mid_fee,
        out_fee: terms.out_fee,
        fee_gamma: terms.fee_gamma,
        allowed_extra_profit: terms.allowed_extra_profit,
        adjustment_step: terms.adjustment_step,
        ma_time: terms.ma_time,
    }
}

const fn state(holdings: &CurveCryptoHoldings, future_time: u64) -> CryptoSwapState {
    CryptoSwapState {
        future_time,
        is_not_adjusted: holdings.is_not_adjusted,
        balances: holdings.balances,
        price_scale: holdings.price_scale,
        price_oracle: holdings.price_oracle,
        last_prices: holdings.last_prices,
        last_prices_time: holdings.last_prices_time,
        d: holdings.d,
        supply: holdings.supply,
        virtual_price: holdings.virtual_price,
        xcp_profit: holdings.xcp_profit,
    }
}

const fn after(state: CryptoSwapState) -> After {
    let holdings = CurveCryptoHoldings {
        is_not_adjusted: state.is_not_adjusted,
        balances: state.balances,
        price_scale: state.price_scale,
        price_oracle: state.price_oracle,
        last_prices: state.last_prices,
        last_prices_time: state.last_prices_time,
        d: state.d,
        supply: state.supply,
        virtual_price: state.virtual_price,
        xcp_profit: state.xcp_profit,
    };
    After::CryptoSwap { holdings, ramp_end: state.future_time }
}
