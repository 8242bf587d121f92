//! Curve StableSwap pools.

use alphapulse_protocol::replica::{CurveStableState, PoolInfo};
use alphapulse_protocol::values::MultiTokenDetails;
use serde::Serialize;

use super::super::hex;
use super::super::pool::CURVE_STABLE_VARIANTS;
use super::{Line, Scribe, amplification, first, line, name_of, unless_zero};

#[derive(Serialize)]
pub(super) struct CurveStable {
    variant: &'static str,
    balances: Vec<String>,
    amplification: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amplification_ramp: Option<Line>,
    a_precision: String,
    fee: String,
    admin_fee: String,
    rates: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates_valid_until: Option<u64>,
    offpeg_fee_multiplier: String,
    supply: String,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_virtual_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_cache_updated: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    underlying: Vec<String>,
}

impl CurveStable {
    pub(super) fn new(
        scribe: &Scribe<'_>,
        info: &PoolInfo,
        details: &MultiTokenDetails,
        state: &CurveStableState,
    ) -> Option<Self> {
        let (count, terms, holdings) = (info.tokens.len(), &state.terms, &state.holdings);
        let base_pool = match details.base_pool {
            Some(base) => Some(hex::format(&scribe.replica.pools().get(base.index())?.address)),
            None => None,
        };
        Some(Self {
            variant: name_of(details, &CURVE_STABLE_VARIANTS)?,
            balances: first(&holdings.balances, count),
            amplification: amplification(&terms.amplification, scribe.at),
            amplification_ramp: line(&terms.amplification),
            a_precision: details.amplification_precision.to_string(),
            fee: terms.fee.to_string(),
            admin_fee: terms.admin_fee.to_string(),
            rates: first(&state.rates.rates, count),
            rates_valid_until: Some(state.rates.valid_until).filter(|until| *until != u64::MAX),
            offpeg_fee_multiplier: terms.offpeg_fee_multiplier.to_string(),
            supply: holdings.supply.to_string(),
            paused: terms.is_paused,
            base_pool,
            base_virtual_price: unless_zero(holdings.base_virtual_price),
            base_cache_updated: unless_zero(holdings.base_cache_updated),
            underlying: if *details.underlying == *info.tokens {
                Vec::new()
            } else {
                scribe.tokens(&details.underlying)
            },
        })
    }
}
