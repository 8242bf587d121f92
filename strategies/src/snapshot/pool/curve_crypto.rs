//! Curve CryptoSwap pools.

use alphapulse_protocol::AddressBytes;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{CurveCryptoState, PoolInfo, PoolState};
use alphapulse_protocol::values::{CurveCryptoHoldings, CurveCryptoTerms, MultiTokenDetails, PerToken, PoolDetails};

use super::super::document::{Node, Stop};
use super::super::error::Flaw;
use super::{
    CURVE_CRYPTO_VARIANTS, Context, Described, multi_token, read_amplification, read_flag, read_list,
    read_list_or_zero, read_or, read_per_token, read_tokens, read_variant,
};

/// Most decimals of a coin, whose precision is then one.
const DECIMALS: u8 = 18;

pub(super) fn read(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let kind = PoolKind::CurveCrypto;
    let tokens = read_tokens(node, context, kind)?;
    let variant = read_variant(node, "variant", &CURVE_CRYPTO_VARIANTS, None)?;
    let (info, details) = multi_token(kind, address, tokens, variant, context);
    let precisions: PerToken<u64> = read_per_token(node, "precisions", &tokens)?;
    let mut decimals = [0; _];
    for (decimals, precision) in decimals.iter_mut().zip(precisions).take(tokens.len()) {
        let of_precision = (0..=DECIMALS).find(|of| 10_u64.pow(u32::from(DECIMALS - of)) == precision);
        *decimals = of_precision.ok_or(Flaw::OutOfRange { field: "precisions" })?;
    }
    let info = PoolInfo { details: PoolDetails::MultiToken(MultiTokenDetails { decimals, ..details }), ..info };
    let (terms, holdings) = (read_terms(node, context)?, read_holdings(node, tokens.len())?);
    Ok((info, PoolState::CurveCrypto(Box::new(CurveCryptoState { terms, holdings }))))
}

fn read_terms(node: &Node<'_>, context: Context<'_>) -> Result<CurveCryptoTerms, Stop> {
    let gamma: u64 = node.field("gamma")?.pool_integer("gamma")?;
    let (gamma_initial, gamma_future) = match node.optional("gamma_ramp")? {
        None => (gamma, gamma),
        Some(ramp) => (ramp.field("initial")?.pool_integer("initial")?, ramp.field("future")?.pool_integer("future")?),
    };
    Ok(CurveCryptoTerms {
        is_paused: read_flag(node, "paused")?,
        amplification: read_amplification(node, context)?,
        gamma_initial,
        gamma_future,
        mid_fee: node.field("mid_fee")?.pool_integer("mid_fee")?,
        out_fee: node.field("out_fee")?.pool_integer("out_fee")?,
        fee_gamma: node.field("fee_gamma")?.pool_integer("fee_gamma")?,
        allowed_extra_profit: read_or(node, "allowed_extra_profit", 0)?,
        adjustment_step: read_or(node, "adjustment_step", 0)?,
        ma_time: read_or(node, "ma_time", 0)?,
        admin_fee: read_or(node, "admin_fee", 0)?,
    })
}

fn read_holdings(node: &Node<'_>, coins: usize) -> Result<CurveCryptoHoldings, Stop> {
    let prices = coins - 1;
    Ok(CurveCryptoHoldings {
        is_not_adjusted: read_flag(node, "not_adjusted")?,
        balances: read_list(node, "balances", coins)?,
        price_scale: read_list(node, "price_scale", prices)?,
        price_oracle: read_list_or_zero(node, "price_oracle", prices)?,
        last_prices: read_list_or_zero(node, "last_prices", prices)?,
        last_prices_time: read_or(node, "last_prices_time", 0)?,
        d: node.field("d")?.pool_integer("d")?,
        supply: read_or(node, "supply", 0)?,
        virtual_price: read_or(node, "virtual_price", 0)?,
        xcp_profit: read_or(node, "xcp_profit", 0)?,
    })
}
