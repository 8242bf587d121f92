//! Pools of two reserves.

use alphapulse_protocol::replica::{PoolInfo, SolidlyState, V2State};
use alphapulse_protocol::values::MultiTokenDetails;
use serde::Serialize;

use super::super::pool::{PPM_PER_BPS, SOLIDLY_VARIANTS};
use super::name_of;

#[derive(Serialize)]
pub(super) struct V2 {
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_bps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_ppm: Option<u32>,
    reserves: [String; 2],
}

impl V2 {
    pub(super) fn new(info: &PoolInfo, state: &V2State) -> Self {
        let is_whole = info.fee.0.is_multiple_of(PPM_PER_BPS);
        Self {
            fee_bps: is_whole.then_some(info.fee.0 / PPM_PER_BPS),
            fee_ppm: (!is_whole).then_some(info.fee.0),
            reserves: [state.reserve_0.to_string(), state.reserve_1.to_string()],
        }
    }
}

#[derive(Serialize)]
pub(super) struct Solidly {
    variant: &'static str,
    fee_ppm: u32,
    reserves: [String; 2],
}

impl Solidly {
    pub(super) fn new(details: &MultiTokenDetails, state: &SolidlyState) -> Option<Self> {
        let reserves = [state.reserve_0.to_string(), state.reserve_1.to_string()];
        Some(Self { variant: name_of(details, &SOLIDLY_VARIANTS)?, fee_ppm: state.fee.0, reserves })
    }
}
