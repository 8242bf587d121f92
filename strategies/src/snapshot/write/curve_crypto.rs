//! Curve CryptoSwap pools.

use alphapulse_protocol::replica::{CurveCryptoState, PoolInfo};
use alphapulse_protocol::values::MultiTokenDetails;
use serde::Serialize;

use super::super::pool::CURVE_CRYPTO_VARIANTS;
use super::{Line, Scribe, first, line, name_of};
use crate::market::CryptoSwapPool;

#[derive(Serialize)]
pub(super) struct CurveCrypto {
    variant: &'static str,
    balances: Vec<String>,
    amplification: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amplification_ramp: Option<Line>,
    gamma: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gamma_ramp: Option<Gamma>,
    d: String,
    price_scale: Vec<String>,
    precisions: Vec<String>,
    mid_fee: String,
    out_fee: String,
    fee_gamma: String,
    admin_fee: String,
    price_oracle: Vec<String>,
    last_prices: Vec<String>,
    last_prices_time: u64,
    supply: String,
    virtual_price: String,
    xcp_profit: String,
    allowed_extra_profit: String,
    adjustment_step: String,
    ma_time: String,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    not_adjusted: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    paused: bool,
}

/// Gamma at both ends of the ramp, whose times are those of amplification.
#[derive(Serialize)]
struct Gamma {
    initial: String,
    future: String,
}

impl CurveCrypto {
    pub(super) fn new(
        scribe: &Scribe<'_>,
        info: &PoolInfo,
        details: &MultiTokenDetails,
        state: &CurveCryptoState,
    ) -> Option<Self> {
        let (coins, terms, holdings) = (info.tokens.len(), &state.terms, &state.holdings);
        let prices = coins.checked_sub(1)?;
        let view = CryptoSwapPool::new(info, state).ok()?.view();
        let (amplification, gamma) = view.curvature_at(scribe.at).ok()?;
        let is_level = terms.gamma_initial == terms.gamma_future;
        let (initial, future) = (terms.gamma_initial.to_string(), terms.gamma_future.to_string());
        Some(Self {
            variant: name_of(details, &CURVE_CRYPTO_VARIANTS)?,
            balances: first(&holdings.balances, coins),
            amplification: amplification.to_string(),
            amplification_ramp: line(&terms.amplification),
            gamma: gamma.to_string(),
            gamma_ramp: (!is_level).then_some(Gamma { initial, future }),
            d: holdings.d.to_string(),
            price_scale: first(&holdings.price_scale, prices),
            precisions: first(&view.precisions, coins),
            mid_fee: terms.mid_fee.to_string(),
            out_fee: terms.out_fee.to_string(),
            fee_gamma: terms.fee_gamma.to_string(),
            admin_fee: terms.admin_fee.to_string(),
            price_oracle: first(&holdings.price_oracle, prices),
            last_prices: first(&holdings.last_prices, prices),
            last_prices_time: holdings.last_prices_time,
            supply: holdings.supply.to_string(),
            virtual_price: holdings.virtual_price.to_string(),
            xcp_profit: holdings.xcp_profit.to_string(),
            allowed_extra_profit: terms.allowed_extra_profit.to_string(),
            adjustment_step: terms.adjustment_step.to_string(),
            ma_time: terms.ma_time.to_string(),
            not_adjusted: holdings.is_not_adjusted,
            paused: terms.is_paused,
        })
    }
}
