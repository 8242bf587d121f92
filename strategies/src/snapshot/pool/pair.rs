//! Pools of two reserves.

use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolInfo, PoolState, SolidlyState, V2State};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{AddressBytes, FeePpm, VenueId};

use super::super::document::{Node, Stop};
use super::super::error::Flaw;
use super::{Context, Described, PPM_PER_BPS, SOLIDLY_VARIANTS, multi_token, read_list, read_pair, read_variant};
use crate::pool::constant_product::RESERVE_MAX;
use crate::pool::{Inconsistency, PPM};

pub(super) fn read_v2(node: &Node<'_>, context: Context<'_>, address: AddressBytes) -> Result<Described, Stop> {
    let tokens = read_pair(node, context)?;
    let fee = read_v2_fee(node)?;
    let [reserve_0, reserve_1] = read_list(node, "reserves", 2)?;
    if reserve_0 > RESERVE_MAX || reserve_1 > RESERVE_MAX {
        return Err(Flaw::OutOfRange { field: "reserves" }.into());
    }
    let info = PoolInfo::uniswap_v2(VenueId(0), address, tokens, fee);
    Ok((info, PoolState::V2(V2State { reserve_0, reserve_1 })))
}

/// `fee_bps`, or `fee_ppm` for a fork whose fee is no whole basis point.
fn read_v2_fee(node: &Node<'_>) -> Result<FeePpm, Stop> {
    let fee_ppm = match (node.optional("fee_bps")?, node.optional("fee_ppm")?) {
        (Some(_), Some(ppm)) => return Err(ppm.error("stands beside `fee_bps`: give one of them").into()),
        (None, Some(ppm)) => ppm.pool_integer("fee_ppm")?,
        (_, None) => node.field("fee_bps")?.pool_integer::<u32>("fee_bps")?.saturating_mul(PPM_PER_BPS),
    };
    check_fee(fee_ppm)
}

fn check_fee(fee_ppm: u32) -> Result<FeePpm, Stop> {
    if fee_ppm >= PPM {
        return Err(Flaw::Inconsistent(Inconsistency::Fee { fee_ppm }).into());
    }
    Ok(FeePpm(fee_ppm))
}

pub(super) fn read_solidly(
    node: &Node<'_>,
    context: Context<'_>,
    kind: PoolKind,
    address: AddressBytes,
) -> Result<Described, Stop> {
    let tokens = read_pair(node, context)?.into();
    let [(_, latest), _] = SOLIDLY_VARIANTS;
    let variant = read_variant(node, "variant", &SOLIDLY_VARIANTS, Some(latest))?;
    let fee = check_fee(node.field("fee_ppm")?.pool_integer("fee_ppm")?)?;
    let [reserve_0, reserve_1] = read_list(node, "reserves", 2)?;
    let (info, details) = multi_token(kind, address, tokens, variant, context);
    let info = PoolInfo { details: PoolDetails::MultiToken(details), ..info };
    Ok((info, PoolState::Solidly(SolidlyState { fee, reserve_0, reserve_1 })))
}
