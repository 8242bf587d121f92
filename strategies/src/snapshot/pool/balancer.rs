//! Balancer's pools.

use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{BalancerStableState, BalancerWeightedState, PoolInfo, PoolState};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, MultiTokenDetails, PerToken, PoolDetails,
    Rates, TOKENS_MAX,
};
use alphapulse_protocol::{AddressBytes, U256};

use super::super::document::{Node, Stop};
use super::super::error::Flaw;
use super::{
    Context, Described, INVARIANT_VARIANTS, POWER_VARIANTS, multi_token, read_amplification, read_flag, read_or,
    read_per_token, read_tokens, read_valid_until, read_variant,
};

/// Decimals that a pool reckons with, and the most that a token has.
const DECIMALS: u8 = 18;
/// What amplification is multiplied with when stored.
const AMPLIFICATION_PRECISION: u16 = 1_000;
/// A rate of one.
const ONE: u128 = 1_000_000_000_000_000_000;

pub(super) fn read_weighted(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let kind = PoolKind::BalancerWeighted;
    let tokens = read_tokens(node, context, kind)?;
    let variant = read_variant(node, "pow_variant", &POWER_VARIANTS, None)?;
    let (info, details) = multi_token(kind, address, tokens, variant, context);
    let factors: PerToken<U256> = read_per_token(node, "scaling_factors", &tokens)?;
    let mut decimals = details.decimals;
    for (decimals, factor) in decimals.iter_mut().zip(factors).take(tokens.len()) {
        *decimals = decimals_of(factor, *decimals).ok_or(Flaw::OutOfRange { field: "scaling_factors" })?;
    }
    let state = BalancerWeightedState {
        terms: BalancerWeightedTerms {
            is_paused: read_flag(node, "paused")?,
            swap_fee: node.field("swap_fee")?.pool_integer("swap_fee")?,
            weights: read_per_token(node, "weights", &tokens)?,
        },
        balances: read_per_token(node, "balances", &tokens)?,
    };
    let info = in_vault(node, info, MultiTokenDetails { decimals, ..details })?;
    Ok((info, PoolState::BalancerWeighted(Box::new(state))))
}

pub(super) fn read_stable(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let kind = PoolKind::BalancerStable;
    let tokens = read_tokens(node, context, kind)?;
    let bpt_index: Option<u8> = node.optional("bpt_index")?.map(|index| index.pool_integer("bpt_index")).transpose()?;
    if bpt_index.is_some_and(|index| usize::from(index) >= tokens.len()) {
        return Err(Flaw::OutOfRange { field: "bpt_index" }.into());
    }
    // The pools that hold their own share are those whose invariant always rounds down.
    let usual = bpt_index.map_or(PoolVariant::BalancerInvariantDirected, |_| PoolVariant::BalancerInvariantDown);
    let variant = read_variant(node, "invariant", &INVARIANT_VARIANTS, Some(usual))?;
    let (info, details) = multi_token(kind, address, tokens, variant, context);
    let mut decimals = details.decimals;
    if let Some(share) = bpt_index {
        decimals[usize::from(share)] = DECIMALS;
    }
    let factors: PerToken<U256> = read_per_token(node, "scaling_factors", &tokens)?;
    let mut rates = [0; TOKENS_MAX];
    for ((rate, factor), decimals) in rates.iter_mut().zip(factors).zip(decimals).take(tokens.len()) {
        *rate = rate_of(factor, decimals).ok_or(Flaw::OutOfRange { field: "scaling_factors" })?;
    }
    let state = BalancerStableState {
        terms: BalancerStableTerms {
            is_paused: read_flag(node, "paused")?,
            yield_fee_exempt: read_or(node, "yield_fee_exempt", 0)?,
            amplification: read_amplification(node, context)?,
            swap_fee: node.field("swap_fee")?.pool_integer("swap_fee")?,
            protocol_swap_fee: read_or(node, "protocol_swap_fee", 0)?,
            protocol_yield_fee: read_or(node, "protocol_yield_fee", 0)?,
        },
        rates: Rates { valid_until: read_valid_until(node, context)?, rates },
        last_join_exit_rates: read_last_rates(node, tokens.len())?,
        holdings: BalancerStableHoldings {
            balances: read_per_token(node, "balances", &tokens)?,
            supply: read_or(node, "supply", 0)?,
            last_join_exit_amplification: read_or(node, "last_join_exit_amplification", 0)?,
            last_join_exit_invariant: read_or(node, "last_join_exit_invariant", 0)?,
        },
    };
    let info = in_vault(
        node,
        info,
        MultiTokenDetails { amplification_precision: AMPLIFICATION_PRECISION, bpt_index, decimals, ..details },
    )?;
    Ok((info, PoolState::BalancerStable(Box::new(state))))
}

fn read_last_rates(node: &Node<'_>, tokens: usize) -> Result<Rates, Stop> {
    let rates = super::read_list_or_zero(node, "last_join_exit_rates", tokens)?;
    Ok(Rates { valid_until: u64::MAX, rates })
}

fn in_vault(node: &Node<'_>, info: PoolInfo, details: MultiTokenDetails) -> Result<PoolInfo, Stop> {
    let pool_id = node.field("pool_id")?.bytes()?;
    let vault = node.optional("vault")?.map_or(Ok([0; 20]), |vault| vault.bytes())?;
    Ok(PoolInfo { details: PoolDetails::MultiToken(MultiTokenDetails { pool_id, vault, ..details }), ..info })
}

/// Decimals that a scaling factor stands for: `10^(36 - decimals)`, as the contract answers, or `10^(18 - decimals)`, as
/// others write it. Where both would do, those of the token are meant.
fn decimals_of(factor: U256, of_token: u8) -> Option<u8> {
    let is_it = |decimals: u8| {
        let missing = DECIMALS.checked_sub(decimals).map(power_of_ten);
        missing.is_some_and(|missing| factor == missing || factor == missing.wrapping_mul(U256::from(ONE)))
    };
    if is_it(of_token) { Some(of_token) } else { (0..=DECIMALS).find(|decimals| is_it(*decimals)) }
}

/// The rate in a scaling factor: `10^(18 - decimals)` times the rate, as the contract answers; a factor without rate may
/// also be written as `10^(18 - decimals)`.
fn rate_of(factor: U256, decimals: u8) -> Option<u128> {
    let missing = power_of_ten(DECIMALS.checked_sub(decimals)?);
    if factor == missing {
        return Some(ONE);
    }
    let (rate, rest) = factor.div_rem(missing);
    if rest.is_zero() { u128::try_from(rate).ok() } else { None }
}

/// Of an exponent up to 18.
fn power_of_ten(exponent: u8) -> U256 {
    U256::from(10_u64.pow(u32::from(exponent)))
}
