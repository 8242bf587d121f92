//! From a market mirror to a snapshot file.

mod balancer;
mod concentrated;
mod curve_crypto;
mod curve_stable;
mod pair;

use alphapulse_protocol::message::PoolVariant;
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica, TokenInfo};
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails, Ramp};
use alphapulse_protocol::{PoolId, TokenId};
use serde::Serialize;

use super::{FORMAT, LeftOut, hex};

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    chain_id: u64,
    block: Block,
    #[serde(skip_serializing_if = "<[LeftOut]>::is_empty")]
    left_out: &'a [LeftOut],
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_id: Option<String>,
    tokens: Vec<String>,
    #[serde(flatten)]
    form: Form,
}

/// The market as the text of a snapshot file, or `None` while it is not that of a whole block.
/// The same mirror gives the same text. Gross liquidity of ticks is not part of the format. Left out are pools whose state is
/// not known and those whose variant this build does not know.
#[must_use]
pub fn to_json(replica: &Replica) -> Option<String> {
    to_json_without(replica, &[])
}

/// As [`to_json`], in a file that names pools which are not in it.
#[must_use]
pub fn to_json_without(replica: &Replica, left_out: &[LeftOut]) -> Option<String> {
    let context = replica.context().filter(|_| replica.is_whole())?;
    let tokens = replica.tokens();
    let scribe = Scribe { replica, at: context.timestamp.get() };
    let document = Document {
        format: FORMAT,
        chain_id: replica.chain_id().0,
        block: Block {
            number: context.number.get(),
            hash: hex::format(&context.hash),
            timestamp: context.timestamp.get(),
            base_fee_wei: context.base_fee.get().to_string(),
        },
        left_out,
        tokens: tokens.iter().map(token).collect(),
        pools: (0..).zip(replica.pools()).filter_map(|(id, info)| scribe.pool(PoolId(id), info)).collect(),
    };
    Some(serde_json::to_string(&document).expect("text and integers serialise"))
}

fn token(token: &TokenInfo) -> Token<'_> {
    Token { address: hex::format(&token.address), symbol: &token.symbol, decimals: token.decimals }
}

/// Writes pools of a market.
#[derive(Clone, Copy)]
struct Scribe<'a> {
    replica: &'a Replica,
    /// Unix second of the block.
    at: u64,
}

impl Scribe<'_> {
    fn pool(&self, id: PoolId, info: &PoolInfo) -> Option<Pool> {
        let state = self.replica.state(id)?;
        let pool_id = match &info.details {
            PoolDetails::V4(details) => Some(details.pool_id),
            PoolDetails::MultiToken(details) => Some(details.pool_id).filter(|id| *id != [0; 32]),
            PoolDetails::None => None,
        };
        Some(Pool {
            kind: info.kind.name(),
            address: hex::format(&info.address),
            pool_id: pool_id.map(|id| hex::format(&id)),
            tokens: self.tokens(&info.tokens),
            form: self.form(info, state)?,
        })
    }

    fn tokens(&self, tokens: &[TokenId]) -> Vec<String> {
        tokens.iter().map(|token| hex::format(&self.replica.tokens()[token.index()].address)).collect()
    }

    fn form(&self, info: &PoolInfo, state: &PoolState) -> Option<Form> {
        let details = match &info.details {
            PoolDetails::MultiToken(details) => Some(details),
            PoolDetails::None | PoolDetails::V4(_) => None,
        };
        Some(match state {
            PoolState::V2(state) => Form::V2(pair::V2::new(info, state)),
            PoolState::V3(state) => Form::V3(concentrated::V3::new(info, state)),
            PoolState::V4(state) => Form::V4(concentrated::V4::new(info, state)?),
            PoolState::Solidly(state) => Form::Solidly(pair::Solidly::new(details?, state)?),
            PoolState::CurveStable(state) => {
                Form::CurveStable(Box::new(curve_stable::CurveStable::new(self, info, details?, state)?))
            }
            PoolState::CurveCrypto(state) => {
                Form::CurveCrypto(Box::new(curve_crypto::CurveCrypto::new(self, info, details?, state)?))
            }
            PoolState::BalancerWeighted(state) => {
                Form::Weighted(Box::new(balancer::Weighted::new(info, details?, state)?))
            }
            PoolState::BalancerStable(state) => {
                Form::BalancerStable(Box::new(balancer::Stable::new(self, info, details?, state)?))
            }
            _ => return None,
        })
    }
}

/// What a pool of each kind has beside address and tokens.
#[derive(Serialize)]
#[serde(untagged)]
enum Form {
    V2(pair::V2),
    V3(concentrated::V3),
    V4(concentrated::V4),
    Solidly(pair::Solidly),
    CurveStable(Box<curve_stable::CurveStable>),
    CurveCrypto(Box<curve_crypto::CurveCrypto>),
    Weighted(Box<balancer::Weighted>),
    BalancerStable(Box<balancer::Stable>),
}

/// A line on which amplification moves.
#[derive(Serialize)]
struct Line {
    initial: String,
    future: String,
    initial_time: u64,
    future_time: u64,
}

/// The line, unless the value stands still.
fn line(ramp: &Ramp) -> Option<Line> {
    let Ramp { initial, future, initial_time, future_time } = *ramp;
    let is_level = initial == future && initial_time == 0 && future_time == 0;
    let (initial, future) = (initial.to_string(), future.to_string());
    (!is_level).then_some(Line { initial, future, initial_time, future_time })
}

/// Amplification in the block, as the contract's view answers.
fn amplification(ramp: &Ramp, at: u64) -> String {
    let Ramp { initial, future, initial_time, future_time } = *ramp;
    let line = crate::pool::Ramp { initial, future, initial_time, future_time };
    line.at(at).unwrap_or(initial).to_string()
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The first `count` values as text.
fn first<T: ToString>(values: &[T], count: usize) -> Vec<String> {
    texts(values.get(..count).unwrap_or(values))
}

/// Text of a number that is not zero.
fn unless_zero<T: ToString + Default + PartialEq>(value: T) -> Option<String> {
    (value != T::default()).then(|| value.to_string())
}

fn name_of<const COUNT: usize>(
    details: &MultiTokenDetails,
    names: &[(&'static str, PoolVariant); COUNT],
) -> Option<&'static str> {
    names.iter().find(|(_, variant)| *variant as u16 == details.variant).map(|(name, _)| *name)
}
