//! One pool of a file.

use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V2State, V3State};
use alphapulse_protocol::{AddressBytes, FeePpm, TokenId, VenueId};

use super::document::{Node, Stop};
use super::error::{Flaw, SnapshotError};
use super::read::TokenIndex;
use super::{PoolForm, SnapshotPool, hex};
use crate::pool::constant_product::RESERVE_MAX;
use crate::pool::{Inconsistency, PPM, V3View, check_consistency};

/// Parts per million in a basis point.
pub(super) const PPM_PER_BPS: u32 = 100;

pub(super) fn read_pool(node: &Node<'_>, tokens: &TokenIndex) -> Result<SnapshotPool, SnapshotError> {
    let kind = node.field("kind")?.text()?;
    let address = node.field("address")?.bytes()?;
    let pool_id = node.optional("pool_id")?.map(|id| id.bytes()).transpose()?;
    let form = match kind {
        "uniswap_v2" => read_v2(node, tokens, address),
        "uniswap_v3" => read_v3(node, tokens, address),
        other => Ok(PoolForm::Unsupported { kind: other.to_owned() }),
    };
    let form = match form {
        Ok(form) => form,
        Err(Stop::Pool(flaw)) => PoolForm::Flawed(flaw),
        Err(Stop::File(error)) => return Err(in_pool(error, &address)),
    };
    Ok(SnapshotPool { address, pool_id, form })
}

/// An index alone does not help in a file of a thousand pools.
fn in_pool(error: SnapshotError, address: &AddressBytes) -> SnapshotError {
    match error {
        SnapshotError::Field { place, problem } => {
            SnapshotError::Field { place: format!("{place} (pool {})", hex::format(address)), problem }
        }
        other => other,
    }
}

fn read_v2(node: &Node<'_>, tokens: &TokenIndex, address: AddressBytes) -> Result<PoolForm, Stop> {
    let tokens = read_pair(node, tokens)?;
    let fee = read_v2_fee(node)?;
    let list = node.field("reserves")?;
    let [first, second] = list.pair()?;
    let state = V2State { reserve_0: read_reserve(&first)?, reserve_1: read_reserve(&second)? };
    let info = PoolInfo::uniswap_v2(VenueId(0), address, tokens, fee);
    Ok(PoolForm::Sound { info, state: PoolState::V2(state) })
}

/// `fee_bps`, or `fee_ppm` for a fork whose fee is no whole basis point.
fn read_v2_fee(node: &Node<'_>) -> Result<FeePpm, Stop> {
    let fee_ppm = match (node.optional("fee_bps")?, node.optional("fee_ppm")?) {
        (Some(_), Some(ppm)) => return Err(ppm.error("stands beside `fee_bps`: give one of them").into()),
        (None, Some(ppm)) => ppm.pool_integer("fee_ppm")?,
        (_, None) => node.field("fee_bps")?.pool_integer::<u32>("fee_bps")?.saturating_mul(PPM_PER_BPS),
    };
    if fee_ppm >= PPM {
        return Err(Flaw::Inconsistent(Inconsistency::Fee { fee_ppm }).into());
    }
    Ok(FeePpm(fee_ppm))
}

fn read_reserve(node: &Node<'_>) -> Result<u128, Stop> {
    let reserve = node.pool_integer("reserves")?;
    if reserve > RESERVE_MAX {
        return Err(Flaw::OutOfRange { field: "reserves" }.into());
    }
    Ok(reserve)
}

fn read_v3(node: &Node<'_>, tokens: &TokenIndex, address: AddressBytes) -> Result<PoolForm, Stop> {
    let tokens = read_pair(node, tokens)?;
    let fee = FeePpm(node.field("fee_ppm")?.pool_integer("fee_ppm")?);
    let tick_spacing = node.field("tick_spacing")?.pool_integer("tick_spacing")?;
    let state = V3State {
        sqrt_price_x96: node.field("sqrt_price_x96")?.pool_integer("sqrt_price_x96")?,
        tick: node.field("tick")?.pool_integer("tick")?,
        liquidity: node.field("liquidity")?.pool_integer("liquidity")?,
        ticks: read_ticks(&node.field("ticks")?)?,
    };
    let known_ticks = read_known_ticks(&node.field("known_ticks")?, tick_spacing)?;
    let info = PoolInfo::uniswap_v2(VenueId(0), address, tokens, fee).with_ticks(tick_spacing, known_ticks);
    if !is_uninitialised(&state) {
        check_consistency(&v3_view(&info, &state)).map_err(Flaw::Inconsistent)?;
    }
    Ok(PoolForm::Sound { info, state: PoolState::V3(state) })
}

/// A pool that was created and never given a price: nothing contradicts anything, and quotes say so.
fn is_uninitialised(state: &V3State) -> bool {
    state.sqrt_price_x96.is_zero() && state.liquidity == 0 && state.ticks.is_empty()
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

fn read_pair(node: &Node<'_>, tokens: &TokenIndex) -> Result<[TokenId; 2], Stop> {
    let list = node.field("tokens")?;
    let [first, second] = list.pair()?;
    let ids = [read_token(&first, tokens)?, read_token(&second, tokens)?];
    if ids[0] == ids[1] {
        return Err(second.error("is the same token as the first").into());
    }
    Ok(ids)
}

fn read_token(node: &Node<'_>, tokens: &TokenIndex) -> Result<TokenId, SnapshotError> {
    let address = node.bytes()?;
    tokens.get(&address).copied().ok_or_else(|| node.error(format!("{} is not in `tokens`", hex::format(&address))))
}

/// The state as the exact maths takes it.
pub(super) fn v3_view<'a>(info: &PoolInfo, state: &'a V3State) -> V3View<'a> {
    V3View {
        fee_ppm: info.fee.0,
        tick_spacing: info.tick_spacing,
        sqrt_price_x96: state.sqrt_price_x96,
        tick: state.tick,
        liquidity: state.liquidity,
        ticks: &state.ticks,
        known_ticks: info.known_ticks,
    }
}
