//! An auction as CoW Protocol gives it to solvers: tokens, orders, and pools (`amms`) of four kinds.

use std::collections::BTreeMap;

use alphapulse_protocol::U256;
use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::document::{Document, Token};
use super::number::scaled;
use super::{Invariant, Powers};

/// Digits of Balancer's fractions, and of the largest token.
const DIGITS: u8 = 18;
/// Digits of a fee in parts per million.
const PPM_DIGITS: usize = 6;
/// Uniswap V3's fee tiers in parts per million, each with its tick spacing (`UniswapV3Factory`, and governance for the first).
const FEE_TIERS: [(u128, i32); 4] = [(100, 1), (500, 10), (3_000, 60), (10_000, 200)];
/// What Balancer's amplification is multiplied with when stored.
const AMPLIFICATION_DIGITS: usize = 3;

#[derive(Deserialize)]
struct Auction {
    tokens: BTreeMap<String, AuctionToken>,
    amms: BTreeMap<String, Value>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct AuctionToken {
    decimals: Option<u8>,
    alias: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    environment: String,
}

#[derive(Deserialize)]
struct ConstantProduct {
    /// By token, in the order of their addresses, as a pair has them.
    reserves: BTreeMap<String, String>,
    fee: String,
}

#[derive(Deserialize)]
struct Concentrated {
    pool: ConcentratedPool,
    fee: String,
}

#[derive(Deserialize)]
struct ConcentratedPool {
    tokens: Vec<TokenId>,
    state: ConcentratedState,
}

#[derive(Deserialize)]
struct TokenId {
    id: String,
}

#[derive(Deserialize)]
struct ConcentratedState {
    sqrt_price: String,
    liquidity: String,
    tick: String,
    liquidity_net: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Weighted {
    reserves: BTreeMap<String, WeightedReserve>,
    fee: String,
}

#[derive(Deserialize)]
struct WeightedReserve {
    balance: String,
    weight: String,
}

#[derive(Deserialize)]
struct Stable {
    reserves: BTreeMap<String, String>,
    /// Raw units of each token that stand for `10^18` of the pool's.
    scaling_rates: BTreeMap<String, String>,
    amplification_parameter: String,
    fee: String,
}

pub(super) fn convert(bytes: &[u8], block: u64, powers: Powers, invariant: Invariant) -> anyhow::Result<Document> {
    let auction: Auction = serde_json::from_slice(bytes).context("it is no auction")?;
    let environment = &auction.metadata.environment;
    anyhow::ensure!(
        environment == "Ethereum / Mainnet",
        "its environment is {environment:?}, of which only \"Ethereum / Mainnet\" is known here"
    );
    let mut document = Document::new(1, json!({"number": block}));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rounded = Vec::new();
    for (address, amm) in &auction.amms {
        let kind = amm["kind"].as_str().unwrap_or("a pool without a kind");
        let pool = match kind {
            "ConstantProduct" => read(amm).and_then(|pool| constant_product(address, &pool)),
            "Concentrated" => read(amm).and_then(|pool| concentrated(address, &pool)),
            "WeightedProduct" => read(amm).and_then(|pool| weighted(address, &pool, &auction.tokens, powers)),
            "Stable" => read(amm).and_then(|pool| stable(address, &pool, &auction.tokens, invariant, &mut rounded)),
            _ => Err("the format has no kind for it".into()),
        };
        if pool.is_ok() {
            *counts.entry(kind).or_default() += 1;
        }
        document.add(address, kind, pool);
    }
    assume(&mut document, &counts, block, powers, invariant, &rounded);
    let mut unknown = Vec::new();
    document.list_tokens(|address| {
        let known = auction.tokens.get(address);
        if known.is_none_or(|token| token.decimals.is_none()) {
            unknown.push(address.to_owned());
        }
        token(address, known)
    });
    if !unknown.is_empty() {
        document.assume(format!(
            "tokens without decimals in the auction have {DIGITS}, on which no amount of their pools depends: {}",
            unknown.join(", ")
        ));
    }
    Ok(document)
}

/// Tells what the auction leaves open.
fn assume(
    document: &mut Document,
    counts: &BTreeMap<&str, usize>,
    block: u64,
    powers: Powers,
    invariant: Invariant,
    rounded: &[String],
) {
    document.assume(format!("the block is {block}: the auction does not say it"));
    let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    let (weighted, stable) = (count("WeightedProduct"), count("Stable"));
    if weighted > 0 {
        document.assume(format!("{weighted} weighted pools have the powers `{}` (--balancer-powers)", powers.name()));
    }
    if stable > 0 {
        document
            .assume(format!("{stable} stable pools have the invariant `{}` (--balancer-invariant)", invariant.name()));
    }
    if weighted + stable > 0 {
        document
            .assume("ids of Balancer pools are their addresses and zeros: the auction does not say the rest".into());
    }
    if !rounded.is_empty() {
        document.assume(format!(
            "rates of {} stable pools are the nearest to what the auction rounds, so their last digits are not the contract's: {}",
            rounded.len(),
            rounded.join(", ")
        ));
    }
}

fn read<T: DeserializeOwned>(amm: &Value) -> Result<T, String> {
    T::deserialize(amm).map_err(|error| format!("it cannot be read: {error}"))
}

/// A token that only a pair knows has no name and no decimals in the auction; neither decides an amount of a pair.
fn token(address: &str, known: Option<&AuctionToken>) -> Token {
    let symbol = known.and_then(|token| token.alias.clone()).unwrap_or_default();
    Token { address: address.to_owned(), symbol, decimals: known.and_then(|token| token.decimals).unwrap_or(DIGITS) }
}

fn constant_product(address: &str, pool: &ConstantProduct) -> Result<Value, String> {
    let (tokens, reserves): (Vec<_>, Vec<_>) = pool.reserves.iter().unzip();
    let fee_ppm = fee(&pool.fee, PPM_DIGITS)?;
    Ok(
        json!({"kind": "uniswap_v2", "address": address, "tokens": tokens, "fee_ppm": fee_ppm.to_string(), "reserves": reserves}),
    )
}

fn concentrated(address: &str, Concentrated { pool, fee: told }: &Concentrated) -> Result<Value, String> {
    let fee_ppm = fee(told, PPM_DIGITS)?;
    let tier = FEE_TIERS.iter().find(|(tier, _)| *tier == fee_ppm);
    let (_, tick_spacing) = tier.ok_or_else(|| format!("a fee of {told} is none of Uniswap's tiers"))?;
    let mut ticks = BTreeMap::new();
    for (tick, net) in &pool.state.liquidity_net {
        let tick: i32 = tick.parse().map_err(|_| format!("{tick:?} is no tick"))?;
        ticks.insert(tick, net);
    }
    let ticks: Vec<Value> = ticks.iter().map(|(tick, net)| json!({"tick": tick, "liquidity_net": net})).collect();
    let tokens: Vec<&str> = pool.tokens.iter().map(|token| token.id.as_str()).collect();
    let ConcentratedState { sqrt_price, liquidity, tick, .. } = &pool.state;
    Ok(json!({
        "kind": "uniswap_v3", "address": address, "tokens": tokens, "fee_ppm": fee_ppm.to_string(),
        "tick_spacing": tick_spacing, "sqrt_price_x96": sqrt_price, "tick": tick, "liquidity": liquidity,
        "ticks": ticks, "known_ticks": [super::TICK_MIN, super::TICK_MAX],
    }))
}

fn weighted(
    address: &str,
    pool: &Weighted,
    known: &BTreeMap<String, AuctionToken>,
    powers: Powers,
) -> Result<Value, String> {
    let (mut weights, mut factors, mut sum) = (Vec::new(), Vec::new(), 0_u128);
    for (token, WeightedReserve { weight, .. }) in &pool.reserves {
        let scaled = scaled(weight, DIGITS.into()).ok_or_else(|| format!("a weight is {weight:?}"))?;
        sum = sum.checked_add(scaled).ok_or("its weights are none")?;
        weights.push(scaled.to_string());
        factors.push(power_of_ten(2 * DIGITS - decimals(token, known)?).to_string());
    }
    // Liquidity bootstrapping pools keep weights in fewer bits, and change them with time.
    if U256::from(sum) != power_of_ten(DIGITS) {
        return Err("its weights are not one together, so they move with time, which the format has no form for".into());
    }
    let tokens: Vec<&str> = pool.reserves.keys().map(String::as_str).collect();
    let balances: Vec<&str> = pool.reserves.values().map(|reserve| reserve.balance.as_str()).collect();
    Ok(json!({
        "kind": "balancer_weighted", "address": address, "pool_id": pool_id(address), "tokens": tokens,
        "balances": balances, "weights": weights, "swap_fee": fee(&pool.fee, DIGITS.into())?.to_string(),
        "scaling_factors": factors, "pow_variant": powers.name(),
    }))
}

fn stable(
    address: &str,
    pool: &Stable,
    known: &BTreeMap<String, AuctionToken>,
    invariant: Invariant,
    rounded: &mut Vec<String>,
) -> Result<Value, String> {
    let (mut factors, mut is_rounded) = (Vec::new(), false);
    for token in pool.reserves.keys() {
        let told = pool.scaling_rates.get(token).and_then(|rate| rate.parse::<U256>().ok());
        let told = told.filter(|rate| !rate.is_zero()).ok_or_else(|| format!("it has no rate of {token}"))?;
        let decimals = decimals(token, known)?;
        // Raw units for one of the pool's, so the rate is one over it.
        let (mut rate, rest) = power_of_ten(DIGITS + decimals).div_rem(told);
        is_rounded |= !rest.is_zero();
        if rest > told / U256::from(2) {
            rate += U256::from(1);
        }
        factors.push((rate * power_of_ten(DIGITS - decimals)).to_string());
    }
    if is_rounded {
        rounded.push(address.to_owned());
    }
    let amplification =
        scaled(&pool.amplification_parameter, AMPLIFICATION_DIGITS).ok_or("its amplification is none")?;
    let (tokens, balances): (Vec<_>, Vec<_>) = pool.reserves.iter().unzip();
    Ok(json!({
        "kind": "balancer_stable", "address": address, "pool_id": pool_id(address), "tokens": tokens,
        "balances": balances, "amplification": amplification.to_string(),
        "swap_fee": fee(&pool.fee, DIGITS.into())?.to_string(), "scaling_factors": factors, "invariant": invariant.name(),
    }))
}

fn fee(text: &str, digits: usize) -> Result<u128, String> {
    scaled(text, digits).ok_or_else(|| format!("a fee of {text} cannot be written with {digits} digits"))
}

fn decimals(token: &str, known: &BTreeMap<String, AuctionToken>) -> Result<u8, String> {
    let decimals = known.get(token).and_then(|token| token.decimals).filter(|decimals| *decimals <= DIGITS);
    decimals.ok_or_else(|| format!("the auction does not say the decimals of {token}"))
}

/// The contract's address is the first part of a pool's id; what follows (how it is kept, and its number) is not known.
fn pool_id(address: &str) -> String {
    format!("{address}{}", "0".repeat(24))
}

/// Of an exponent of at most 36, which is less than 2^120.
fn power_of_ten(exponent: u8) -> U256 {
    U256::from(10).pow(U256::from(exponent))
}
