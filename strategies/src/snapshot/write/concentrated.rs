//! Pools of concentrated liquidity.

use alphapulse_protocol::replica::{PoolInfo, TickLiquidity, V3State, V4State};
use alphapulse_protocol::values::PoolDetails;
use serde::Serialize;

use super::super::hex;

#[derive(Serialize)]
pub(super) struct V3 {
    fee_ppm: u32,
    #[serde(flatten)]
    curve: Curve,
}

#[derive(Serialize)]
pub(super) struct V4 {
    hooks: String,
    /// Of the pool's key.
    fee_ppm: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    lp_fee_ppm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_fees_ppm: Option<[u16; 2]>,
    #[serde(flatten)]
    curve: Curve,
}

#[derive(Serialize)]
struct Curve {
    tick_spacing: i32,
    sqrt_price_x96: String,
    tick: i32,
    liquidity: String,
    ticks: Vec<Tick>,
    known_ticks: [i32; 2],
}

#[derive(Serialize)]
struct Tick {
    tick: i32,
    liquidity_net: String,
}

impl V3 {
    pub(super) fn new(info: &PoolInfo, state: &V3State) -> Self {
        Self { fee_ppm: info.fee.0, curve: curve(info, state) }
    }
}

impl V4 {
    pub(super) fn new(info: &PoolInfo, state: &V4State) -> Option<Self> {
        let PoolDetails::V4(details) = &info.details else { return None };
        let (lp_fee_ppm, protocol_fees) = (state.fees.lp_fee_ppm, state.fees.protocol_fee_ppm);
        Some(Self {
            hooks: hex::format(&details.hooks),
            fee_ppm: details.key_fee,
            lp_fee_ppm: (lp_fee_ppm != details.key_fee).then_some(lp_fee_ppm),
            protocol_fees_ppm: (protocol_fees != [0, 0]).then_some(protocol_fees),
            curve: curve(info, &state.curve),
        })
    }
}

fn curve(info: &PoolInfo, state: &V3State) -> Curve {
    Curve {
        tick_spacing: info.tick_spacing,
        sqrt_price_x96: state.sqrt_price_x96.to_string(),
        tick: state.tick,
        liquidity: state.liquidity.to_string(),
        ticks: state.ticks.iter().map(tick).collect(),
        known_ticks: info.known_ticks.into(),
    }
}

fn tick(tick: &TickLiquidity) -> Tick {
    Tick { tick: tick.tick, liquidity_net: tick.liquidity_net.to_string() }
}
