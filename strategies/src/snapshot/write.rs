//! From a market mirror to a snapshot file.

use alphapulse_protocol::PoolId;
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica, TickLiquidity, TokenInfo};
use serde::Serialize;

use super::pool::PPM_PER_BPS;
use super::{FORMAT, hex};

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    chain_id: u64,
    block: Block,
    tokens: Vec<Token<'a>>,
    pools: Vec<Pool>,
}

#[derive(Serialize)]
struct Block {
    number: u64,
    hash: String,
    timestamp: u64,
    base_fee_wei: String,
}

#[derive(Serialize)]
struct Token<'a> {
    address: String,
    symbol: &'a str,
    decimals: u8,
}

#[derive(Serialize)]
struct Pool {
    kind: &'static str,
    address: String,
    tokens: [String; 2],
    #[serde(flatten)]
    form: Form,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Form {
    V2 {
        #[serde(skip_serializing_if = "Option::is_none")]
        fee_bps: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fee_ppm: Option<u32>,
        reserves: [String; 2],
    },
    V3 {
        fee_ppm: u32,
        tick_spacing: i32,
        sqrt_price_x96: String,
        tick: i32,
        liquidity: String,
        ticks: Vec<Tick>,
        known_ticks: [i32; 2],
    },
}

#[derive(Serialize)]
struct Tick {
    tick: i32,
    liquidity_net: String,
}

/// The market as the text of a snapshot file, or `None` while it is not that of a whole block.
/// The same mirror gives the same text. Gross liquidity of ticks is not part of the format, and pools of kinds that nothing
/// here prices are left out, as are those whose state is not known.
#[must_use]
pub fn to_json(replica: &Replica) -> Option<String> {
    let context = replica.context().filter(|_| replica.is_whole())?;
    let tokens = replica.tokens();
    let document = Document {
        format: FORMAT,
        chain_id: replica.chain_id().0,
        block: Block {
            number: context.number.get(),
            hash: hex::format(&context.hash),
            timestamp: context.timestamp.get(),
            base_fee_wei: context.base_fee.get().to_string(),
        },
        tokens: tokens.iter().map(token).collect(),
        pools: replica
            .pools()
            .iter()
            .zip(0..)
            .filter_map(|(info, id)| pool(info, replica.state(PoolId(id))?, tokens))
            .collect(),
    };
    Some(serde_json::to_string(&document).expect("text and integers serialise"))
}

fn token(token: &TokenInfo) -> Token<'_> {
    Token { address: hex::format(&token.address), symbol: &token.symbol, decimals: token.decimals }
}

fn pool(info: &PoolInfo, state: &PoolState, tokens: &[TokenInfo]) -> Option<Pool> {
    Some(Pool {
        kind: info.kind.name(),
        address: hex::format(&info.address),
        tokens: info.tokens.pair()?.map(|token| hex::format(&tokens[token.index()].address)),
        form: form(info, state)?,
    })
}

fn form(info: &PoolInfo, state: &PoolState) -> Option<Form> {
    let form = match state {
        PoolState::V2(state) => {
            let is_whole = info.fee.0.is_multiple_of(PPM_PER_BPS);
            Form::V2 {
                fee_bps: is_whole.then_some(info.fee.0 / PPM_PER_BPS),
                fee_ppm: (!is_whole).then_some(info.fee.0),
                reserves: [state.reserve_0.to_string(), state.reserve_1.to_string()],
            }
        }
        PoolState::V3(state) => Form::V3 {
            fee_ppm: info.fee.0,
            tick_spacing: info.tick_spacing,
            sqrt_price_x96: state.sqrt_price_x96.to_string(),
            tick: state.tick,
            liquidity: state.liquidity.to_string(),
            ticks: state.ticks.iter().map(tick).collect(),
            known_ticks: info.known_ticks.into(),
        },
        _ => return None,
    };
    Some(form)
}

fn tick(tick: &TickLiquidity) -> Tick {
    Tick { tick: tick.tick, liquidity_net: tick.liquidity_net.to_string() }
}
