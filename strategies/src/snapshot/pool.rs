//! One pool of a file.

mod balancer;
mod concentrated;
mod curve_crypto;
mod curve_stable;
mod pair;

use std::str::FromStr;

use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::{MultiTokenDetails, PerToken, PoolDetails, Ramp, TOKENS_MAX, TokenList};
use alphapulse_protocol::{AddressBytes, FeePpm, TokenId, VenueId};

use super::document::{Node, Stop};
use super::error::{Flaw, SnapshotError};
use super::read::{Listed, TokenIndex};
use super::{PoolForm, SnapshotPool, hex};
use crate::market::PoolView;

/// Parts per million in a basis point.
pub(super) const PPM_PER_BPS: u32 = 100;

/// Names of the variants that a kind has; the first is meant where a file leaves the field out.
pub(super) const SOLIDLY_VARIANTS: [(&str, PoolVariant); 2] =
    [("v2", PoolVariant::SolidlyV2), ("v1", PoolVariant::SolidlyV1)];
pub(super) const CURVE_STABLE_VARIANTS: [(&str, PoolVariant); 5] = [
    ("classic", PoolVariant::CurveClassic),
    ("first", PoolVariant::CurveFirst),
    ("factory", PoolVariant::CurveFactory),
    ("ng", PoolVariant::CurveNg),
    ("offpeg", PoolVariant::CurveOffpeg),
];
pub(super) const CURVE_CRYPTO_VARIANTS: [(&str, PoolVariant); 4] = [
    ("two", PoolVariant::CurveTwoCrypto),
    ("tri", PoolVariant::CurveTriCrypto),
    ("two_ng", PoolVariant::CurveTwoCryptoNg),
    ("tri_ng", PoolVariant::CurveTriCryptoNg),
];
pub(super) const POWER_VARIANTS: [(&str, PoolVariant); 2] =
    [("log_exp", PoolVariant::BalancerLogExp), ("special_cases", PoolVariant::BalancerSpecialCases)];
pub(super) const INVARIANT_VARIANTS: [(&str, PoolVariant); 2] =
    [("directed", PoolVariant::BalancerInvariantDirected), ("down", PoolVariant::BalancerInvariantDown)];

/// What reading a pool needs of the rest of the file.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) tokens: &'a TokenIndex,
    /// Unix second of the block, where the file has one.
    pub(super) timestamp: Option<u64>,
    /// Pools that stand before.
    pub(super) before: &'a Listed,
}

/// What a pool of a file is read to.
type Described = (PoolInfo, PoolState);

pub(super) fn read_pool(node: &Node<'_>, context: Context<'_>) -> Result<SnapshotPool, SnapshotError> {
    let kind = node.field("kind")?.text()?;
    let address = node.field("address")?.bytes()?;
    let pool_id = node.optional("pool_id")?.map(|id| id.bytes()).transpose()?;
    let Some(known) = PoolKind::ALL.into_iter().find(|known| known.name() == kind) else {
        return Ok(SnapshotPool { address, pool_id, form: PoolForm::Unsupported { kind: kind.to_owned() } });
    };
    let form = match read_known(node, known, address, context) {
        Ok((info, state)) => PoolForm::Sound { info, state },
        Err(Stop::Pool(flaw)) => PoolForm::Flawed(flaw),
        // Files are often made for one kind of pool, with others in them that lack something.
        Err(Stop::File(SnapshotError::Field { place, problem })) if known.since_version() > 1 => {
            PoolForm::Flawed(Flaw::Malformed { place, problem })
        }
        Err(Stop::File(error)) => return Err(in_pool(error, &address)),
    };
    Ok(SnapshotPool { address, pool_id, form })
}

fn read_known(node: &Node<'_>, kind: PoolKind, address: AddressBytes, context: Context<'_>) -> Result<Described, Stop> {
    let (info, state) = match kind {
        PoolKind::UniswapV2 => pair::read_v2(node, context, address),
        PoolKind::UniswapV3 => concentrated::read_v3(node, context, address),
        PoolKind::UniswapV4 => concentrated::read_v4(node, context, address),
        PoolKind::SolidlyVolatile | PoolKind::SolidlyStable => pair::read_solidly(node, context, kind, address),
        PoolKind::CurveStable => curve_stable::read(node, context, address),
        PoolKind::CurveCrypto => curve_crypto::read(node, context, address),
        PoolKind::BalancerWeighted => balancer::read_weighted(node, context, address),
        PoolKind::BalancerStable => balancer::read_stable(node, context, address),
        _ => return Err(node.error("is of a kind that this build does not read").into()),
    }?;
    check(&info, &state, context)?;
    Ok((info, state))
}

/// A pool that was created and never given a price contradicts nothing; quotes say so.
fn check(info: &PoolInfo, state: &PoolState, context: Context<'_>) -> Result<(), Flaw> {
    if is_uninitialised(state) {
        return Ok(());
    }
    let view = PoolView::new((info, state), |base| context.before.sound(base));
    // Arithmetic that nothing here knows is said by the quote.
    view.map_or(Ok(()), |view| view.check_consistency().map_err(Flaw::Inconsistent))
}

fn is_uninitialised(state: &PoolState) -> bool {
    let curve = match state {
        PoolState::V3(curve) => curve,
        PoolState::V4(v4) => &v4.curve,
        _ => return false,
    };
    curve.sqrt_price_x96.is_zero() && curve.liquidity == 0 && curve.ticks.is_empty()
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

fn read_pair(node: &Node<'_>, context: Context<'_>) -> Result<[TokenId; 2], Stop> {
    let list = node.field("tokens")?;
    let [first, second] = list.pair()?;
    let ids = [read_token(&first, context)?, read_token(&second, context)?];
    if ids[0] == ids[1] {
        return Err(second.error("is the same token as the first").into());
    }
    Ok(ids)
}

fn read_token(node: &Node<'_>, context: Context<'_>) -> Result<TokenId, SnapshotError> {
    let address = node.bytes()?;
    context
        .tokens
        .get(&address)
        .copied()
        .ok_or_else(|| node.error(format!("{} is not in `tokens`", hex::format(&address))))
}

/// As many tokens as a pool of the kind has, all different.
fn read_tokens(node: &Node<'_>, context: Context<'_>, kind: PoolKind) -> Result<TokenList, Stop> {
    let list = node.field("tokens")?;
    let (least, most) = kind.token_counts();
    let mut ids = Vec::new();
    for entry in list.items()? {
        let token = read_token(&entry, context)?;
        if ids.contains(&token) {
            return Err(entry.error("is a token that stands before").into());
        }
        ids.push(token);
    }
    let tokens = TokenList::new(&ids).filter(|tokens| (least..=most).contains(&tokens.len()));
    Ok(tokens.ok_or_else(|| list.unexpected(&format!("a list of {least} to {most}")))?)
}

/// Description of a pool of several tokens, its decimals those of the file's tokens.
fn multi_token(
    kind: PoolKind,
    address: AddressBytes,
    tokens: TokenList,
    variant: PoolVariant,
    context: Context<'_>,
) -> (PoolInfo, MultiTokenDetails) {
    let mut decimals = [0; TOKENS_MAX];
    for (to, token) in decimals.iter_mut().zip(tokens.iter()) {
        *to = context.before.decimals(*token);
    }
    let details = MultiTokenDetails {
        variant: variant as u16,
        amplification_precision: 1,
        base_pool: None,
        bpt_index: None,
        decimals,
        underlying: tokens,
        pool_id: [0; 32],
        vault: [0; 20],
    };
    let info = PoolInfo {
        kind,
        venue: VenueId(0),
        address,
        tokens,
        fee: FeePpm(0),
        tick_spacing: 0,
        known_ticks: (0, 0),
        details: PoolDetails::None,
    };
    (info, details)
}

/// One of the named variants; `fallback` where the field is left out, and where there is none the field must be there.
fn read_variant<const COUNT: usize>(
    node: &Node<'_>,
    name: &'static str,
    known: &[(&str, PoolVariant); COUNT],
    fallback: Option<PoolVariant>,
) -> Result<PoolVariant, Stop> {
    let field = match (node.optional(name)?, fallback) {
        (Some(field), _) => field,
        (None, Some(fallback)) => return Ok(fallback),
        (None, None) => node.field(name)?,
    };
    let text = field.text()?;
    let found = known.iter().find(|(name, _)| *name == text).map(|(_, variant)| *variant);
    Ok(found.ok_or_else(|| field.unexpected(&known.map(|(name, _)| name).join(" or ")))?)
}

/// An integer, or `fallback` where it is left out.
fn read_or<T: FromStr>(node: &Node<'_>, name: &'static str, fallback: T) -> Result<T, Stop> {
    node.optional(name)?.map_or(Ok(fallback), |field| field.pool_integer(name))
}

fn read_flag(node: &Node<'_>, name: &'static str) -> Result<bool, Stop> {
    Ok(node.optional(name)?.map_or(Ok(false), |field| field.flag())?)
}

/// Exactly `count` integers, those past them zero; at most as many as there is room for.
fn read_list<T: FromStr + Default + Copy, const ROOM: usize>(
    node: &Node<'_>,
    name: &'static str,
    count: usize,
) -> Result<[T; ROOM], Stop> {
    let list = node.field(name)?;
    let mut items = list.items()?;
    if items.len() != count || count > ROOM {
        drop(items);
        return Err(list.unexpected(&format!("a list of {count}")).into());
    }
    let mut values = [T::default(); ROOM];
    for value in &mut values[..count] {
        if let Some(item) = items.next() {
            *value = item.pool_integer(name)?;
        }
    }
    Ok(values)
}

/// As [`read_list`]; zeros where the field is left out.
fn read_list_or_zero<T: FromStr + Default + Copy, const ROOM: usize>(
    node: &Node<'_>,
    name: &'static str,
    count: usize,
) -> Result<[T; ROOM], Stop> {
    if node.optional(name)?.is_some() { read_list(node, name, count) } else { Ok([T::default(); ROOM]) }
}

/// `amplification`; where it moves, the line on which it does stands beside it and decides.
fn read_amplification(node: &Node<'_>, context: Context<'_>) -> Result<Ramp, Stop> {
    let now: u64 = node.field("amplification")?.pool_integer("amplification")?;
    let Some(line) = node.optional("amplification_ramp")? else {
        return Ok(Ramp { initial: now, future: now, initial_time: 0, future_time: 0 });
    };
    if context.timestamp.is_none() {
        return Err(Flaw::NoTime { field: "amplification_ramp" }.into());
    }
    let part = |name: &'static str| line.field(name)?.pool_integer(name);
    Ok(Ramp {
        initial: part("initial")?,
        future: part("future")?,
        initial_time: part("initial_time")?,
        future_time: part("future_time")?,
    })
}

/// Last second of the rates; needs to know what time it is.
fn read_valid_until(node: &Node<'_>, context: Context<'_>) -> Result<u64, Stop> {
    let valid_until = read_or(node, "rates_valid_until", u64::MAX)?;
    if valid_until != u64::MAX && context.timestamp.is_none() {
        return Err(Flaw::NoTime { field: "rates_valid_until" }.into());
    }
    Ok(valid_until)
}

/// Values by token, as many as the pool has.
fn read_per_token<T: FromStr + Default + Copy>(
    node: &Node<'_>,
    name: &'static str,
    tokens: &TokenList,
) -> Result<PerToken<T>, Stop> {
    read_list(node, name, tokens.len())
}
