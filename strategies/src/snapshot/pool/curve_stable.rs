//! Curve StableSwap pools.

use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{CurveStableState, PoolInfo, PoolState};
use alphapulse_protocol::values::{
    CurveStableHoldings, CurveStableTerms, MultiTokenDetails, PoolDetails, Rates, TOKENS_MAX, TokenList,
};
use alphapulse_protocol::{AddressBytes, PoolId};

use super::super::document::{Node, Stop};
use super::super::error::Flaw;
use super::{
    CURVE_STABLE_VARIANTS, Context, Described, multi_token, read_amplification, read_flag, read_or, read_per_token,
    read_token, read_tokens, read_valid_until, read_variant,
};

pub(super) fn read(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let kind = PoolKind::CurveStable;
    let tokens = read_tokens(node, context, kind)?;
    let variant = read_variant(node, "variant", &CURVE_STABLE_VARIANTS, None)?;
    let (info, details) = multi_token(kind, address, tokens, variant, context);
    let details = MultiTokenDetails {
        amplification_precision: node.field("a_precision")?.pool_integer("a_precision")?,
        base_pool: read_base(node, context)?,
        underlying: read_underlying(node, context, &tokens)?,
        ..details
    };
    let state = CurveStableState {
        terms: CurveStableTerms {
            is_paused: read_flag(node, "paused")?,
            amplification: read_amplification(node, context)?,
            fee: node.field("fee")?.pool_integer("fee")?,
            admin_fee: read_or(node, "admin_fee", 0)?,
            offpeg_fee_multiplier: read_or(node, "offpeg_fee_multiplier", 0)?,
        },
        rates: Rates { valid_until: read_valid_until(node, context)?, rates: read_per_token(node, "rates", &tokens)? },
        holdings: CurveStableHoldings {
            balances: read_per_token(node, "balances", &tokens)?,
            supply: read_or(node, "supply", 0)?,
            base_virtual_price: read_or(node, "base_virtual_price", 0)?,
            base_cache_updated: read_or(node, "base_cache_updated", 0)?,
        },
    };
    // What a meta pool remembers of its base's price holds for ten minutes.
    if state.holdings.base_virtual_price > 0 && context.timestamp.is_none() {
        return Err(Flaw::NoTime { field: "base_virtual_price" }.into());
    }
    let info = PoolInfo { details: PoolDetails::MultiToken(details), ..info };
    Ok((info, PoolState::CurveStable(Box::new(state))))
}

/// The pool whose share is the last token, which stands before its meta pools; its id here is its place in the file.
fn read_base(node: &Node<'_>, context: Context<'_>) -> Result<Option<PoolId>, Stop> {
    let Some(base) = node.optional("base_pool")? else { return Ok(None) };
    let id = context.before.curve_stable(&base.bytes()?);
    Ok(Some(id.ok_or(Flaw::BasePool)?))
}

/// What `exchange_underlying` takes; the tokens themselves where the field is left out.
fn read_underlying(node: &Node<'_>, context: Context<'_>, tokens: &TokenList) -> Result<TokenList, Stop> {
    let Some(list) = node.optional("underlying")? else { return Ok(*tokens) };
    let underlying = list.items()?.map(|entry| read_token(&entry, context)).collect::<Result<Vec<_>, _>>()?;
    Ok(TokenList::new(&underlying).ok_or_else(|| list.unexpected(&format!("a list of at most {TOKENS_MAX}")))?)
}
