//! Pools of concentrated liquidity.

use alphapulse_protocol::message::{FEE_DYNAMIC, PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V3State, V4State};
use alphapulse_protocol::values::{PoolDetails, V4Details, V4Fees};
use alphapulse_protocol::{AddressBytes, FeePpm, VenueId};

use super::super::document::{Node, Stop};
use super::super::error::Flaw;
use super::{Context, Described, read_list_or_zero, read_pair};
use crate::pool::PPM;

pub(super) fn read_v3(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let fee = FeePpm(node.field("fee_ppm")?.pool_integer("fee_ppm")?);
    let (info, state) = read_curve(node, context, address, fee)?;
    Ok((info, PoolState::V3(state)))
}

pub(super) fn read_v4(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let key_fee: u32 = node.field("fee_ppm")?.pool_integer("fee_ppm")?;
    let details = V4Details { pool_id: node.field("pool_id")?.bytes()?, hooks: node.field("hooks")?.bytes()?, key_fee };
    let lp_fee_ppm = match node.optional("lp_fee_ppm")? {
        Some(fee) => fee.pool_integer("lp_fee_ppm")?,
        None if key_fee == FEE_DYNAMIC => return Err(Flaw::DynamicFee.into()),
        None => key_fee,
    };
    if lp_fee_ppm > PPM {
        return Err(Flaw::OutOfRange { field: "fee_ppm" }.into());
    }
    let fees = V4Fees { lp_fee_ppm, protocol_fee_ppm: read_list_or_zero(node, "protocol_fees_ppm", 2)? };
    let fee = FeePpm(if key_fee == FEE_DYNAMIC { 0 } else { key_fee });
    let (info, curve) = read_curve(node, context, address, fee)?;
    let info = PoolInfo { kind: PoolKind::UniswapV4, details: PoolDetails::V4(details), ..info };
    Ok((info, PoolState::V4(V4State { curve, fees })))
}

fn read_curve(
    node: &Node<'_>,
    context: Context<'_>,
    address: AddressBytes,
    fee: FeePpm,
) -> Result<(PoolInfo, V3State), Stop> {
    let tokens = read_pair(node, context)?;
    let tick_spacing = node.field("tick_spacing")?.pool_integer("tick_spacing")?;
    let state = V3State {
        sqrt_price_x96: node.field("sqrt_price_x96")?.pool_integer("sqrt_price_x96")?,
        tick: node.field("tick")?.pool_integer("tick")?,
        liquidity: node.field("liquidity")?.pool_integer("liquidity")?,
        ticks: read_ticks(&node.field("ticks")?)?,
    };
    let known_ticks = read_known_ticks(&node.field("known_ticks")?, tick_spacing)?;
    let info = PoolInfo::uniswap_v2(VenueId(0), address, tokens, fee).with_ticks(tick_spacing, known_ticks);
    Ok((info, state))
}

fn read_ticks(node: &Node<'_>) -> Result<Vec<TickLiquidity>, Stop> {
    node.items()?.map(|entry| read_tick(&entry)).collect()
}

fn read_tick(node: &Node<'_>) -> Result<TickLiquidity, Stop> {
    let tick = node.field("tick")?.pool_integer("ticks")?;
    let liquidity_net: i128 = node.field("liquidity_net")?.pool_integer("ticks")?;
    // The format has no gross liquidity. A listed tick is initialised, so at least one unit refers to it.
    let liquidity_gross = liquidity_net.unsigned_abs().max(1);
    Ok(TickLiquidity { tick, liquidity_net, liquidity_gross })
}

/// The range in which the tick list is complete, widened to the end of the domain where no tick can lie between: a
/// range that ends on the last tick of the spacing leaves nothing unknown.
fn read_known_ticks(node: &Node<'_>, tick_spacing: i32) -> Result<(i32, i32), Stop> {
    let [low, high] = node.pair()?;
    let (low, high): (i32, i32) = (low.pool_integer("known_ticks")?, high.pool_integer("known_ticks")?);
    if low > high || low > TICK_MAX || high < TICK_MIN {
        return Err(Flaw::OutOfRange { field: "known_ticks" }.into());
    }
    let usable_max = TICK_MAX - TICK_MAX.checked_rem(tick_spacing).unwrap_or(0);
    let low = if low <= -usable_max { TICK_MIN } else { low };
    let high = if high >= usable_max { TICK_MAX } else { high };
    Ok((low, high))
}
