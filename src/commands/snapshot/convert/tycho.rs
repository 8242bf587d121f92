//! A recorded stream of Tycho: `updates`, of which the first holds the whole market, and the others what changed.

use std::collections::BTreeMap;

use alphapulse_protocol::U256;
use anyhow::Context as _;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::document::{Document, Token};
use super::number::hexadecimal;

/// PancakeSwap's fee in basis points. The recordings give Uniswap's beside these pools.
const PANCAKE_V2_FEE_BPS: u32 = 25;

#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(borrow)]
    updates: Vec<Update<'a>>,
}

#[derive(Deserialize)]
struct Update<'a> {
    block_number_or_timestamp: u64,
    sync_states: BTreeMap<String, SyncState>,
    #[serde(borrow)]
    states: BTreeMap<String, State<'a>>,
    new_pairs: BTreeMap<String, Pair>,
    removed_pairs: BTreeMap<String, IgnoredAny>,
}

impl Update<'_> {
    /// The market after `later`, where this is the one before.
    fn then(mut self, later: Self) -> Self {
        later.removed_pairs.keys().for_each(|id| {
            self.states.remove(id);
            self.new_pairs.remove(id);
        });
        self.states.extend(later.states);
        self.new_pairs.extend(later.new_pairs);
        Self { states: self.states, new_pairs: self.new_pairs, ..later }
    }
}

#[derive(Deserialize)]
struct SyncState {
    number: Option<u64>,
    hash: Option<String>,
    timestamp: Option<u64>,
}

/// A state, whose form its protocol decides. Unread, because some numbers in it are wider than a JSON value keeps.
#[derive(Deserialize)]
struct State<'a> {
    protocol: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

#[derive(Deserialize)]
struct Pair {
    tokens: Vec<PairToken>,
    protocol_system: String,
    chain: String,
    static_attributes: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct PairToken {
    address: String,
    symbol: String,
    decimals: u8,
}

#[derive(Deserialize)]
struct Reserves {
    reserve0: String,
    reserve1: String,
}

#[derive(Deserialize)]
struct Concentrated {
    liquidity: u128,
    sqrt_price: String,
    tick: i32,
    ticks: Ticks,
}

#[derive(Deserialize)]
struct Ticks {
    tick_spacing: i32,
    ticks: Vec<Tick>,
}

#[derive(Deserialize)]
struct Tick {
    index: i32,
    net_liquidity: i128,
}

/// The market at `at`, or that of the first update.
pub(super) fn convert(bytes: &[u8], at: Option<u64>) -> anyhow::Result<Document> {
    let stream: Stream<'_> = serde_json::from_slice(bytes).context("it is no stream of Tycho")?;
    let update = &market_at(stream.updates, at)?;
    let chain_id = chain_id(update)?;
    let mut document = Document::new(chain_id, block(update)?);
    let (mut pancake, mut tokens) = (0, BTreeMap::new());
    for (id, pair) in &update.new_pairs {
        let Some(state) = update.states.get(id) else {
            document.add(id, &pair.protocol_system, Err("the recording has no state of it".into()));
            continue;
        };
        pancake += usize::from(state.protocol == "PancakeswapV2State");
        document.add(id, &state.protocol, pool(id, pair, state));
        tokens.extend(pair.tokens.iter().map(|token| (token.address.as_str(), token)));
    }
    for (id, state) in update.states.iter().filter(|(id, _)| !update.new_pairs.contains_key(*id)) {
        document.add(id, &state.protocol, Err("the recording does not say its tokens".into()));
    }
    if pancake > 0 {
        document.assume(format!(
            "the fee of {pancake} pairs of PancakeSwap V2 is 0.25 %, which is their contract's; the recording says 0.3 %"
        ));
    }
    document.list_tokens(|address| {
        let token = tokens.get(address).expect("only tokens of pairs are written");
        Token { address: address.to_owned(), symbol: token.symbol.clone(), decimals: token.decimals }
    });
    Ok(document)
}

fn market_at(updates: Vec<Update<'_>>, at: Option<u64>) -> anyhow::Result<Update<'_>> {
    let numbers: Vec<u64> = updates.iter().map(|update| update.block_number_or_timestamp).collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { anyhow::bail!("it has no update") };
    // The first update is the whole market; of a block that is asked for, the last word counts.
    let place = at.map_or(Some(0), |at| numbers.iter().rposition(|number| *number == at));
    let Some(place) = place else {
        anyhow::bail!("it has no update of block {}, but of {first} to {last}", at.unwrap_or_default());
    };
    let market = updates.into_iter().take(place + 1).reduce(Update::then);
    market.context("it has no update")
}

fn chain_id(update: &Update<'_>) -> anyhow::Result<u64> {
    let mut chains = update.new_pairs.values().map(|pair| pair.chain.as_str());
    let chain = chains.next().context("it has no pools")?;
    anyhow::ensure!(chains.all(|other| other == chain), "its pools are on several chains");
    anyhow::ensure!(chain == "ethereum", "its chain is {chain:?}, of which only `ethereum` is known here");
    Ok(1)
}

/// The block, with the hash and the time that the synchronised protocols agree on.
fn block(update: &Update<'_>) -> anyhow::Result<Value> {
    let number = update.block_number_or_timestamp;
    let mut of_block = update.sync_states.values().filter(|state| state.number == Some(number));
    let first = of_block.next().context("no protocol says the hash and the time of the block")?;
    let is_same = |other: &SyncState| (&other.hash, other.timestamp) == (&first.hash, first.timestamp);
    anyhow::ensure!(of_block.all(is_same), "its protocols are not at one block");
    Ok(json!({"number": number, "hash": first.hash, "timestamp": first.timestamp}))
}

fn pool(id: &str, pair: &Pair, state: &State<'_>) -> Result<Value, String> {
    let tokens: Vec<&str> = pair.tokens.iter().map(|token| token.address.as_str()).collect();
    match state.protocol.as_str() {
        "UniswapV2State" => {
            let fee_bps = u32::try_from(attribute(pair, "fee")?).map_err(|_| "its fee is no fee".to_owned())?;
            constant_product(id, &tokens, fee_bps, &read(state)?)
        }
        "PancakeswapV2State" => constant_product(id, &tokens, PANCAKE_V2_FEE_BPS, &read(state)?),
        "UniswapV3State" => {
            let fee_ppm = u32::try_from(attribute(pair, "fee")?).map_err(|_| "its fee is no fee".to_owned())?;
            concentrated(id, &tokens, fee_ppm, &read(state)?)
        }
        _ => Err("the format has no kind for it".into()),
    }
}

fn read<T: DeserializeOwned>(state: &State<'_>) -> Result<T, String> {
    serde_json::from_str(state.state.get()).map_err(|error| format!("its state cannot be read: {error}"))
}

fn attribute(pair: &Pair, name: &str) -> Result<U256, String> {
    let value = pair.static_attributes.get(name).and_then(Value::as_str).and_then(hexadecimal);
    value.ok_or_else(|| format!("its attribute `{name}` is no number"))
}

fn number(field: &str, text: &str) -> Result<String, String> {
    hexadecimal(text).map(|number| number.to_string()).ok_or_else(|| format!("its `{field}` is no number"))
}

fn constant_product(id: &str, tokens: &[&str], fee_bps: u32, state: &Reserves) -> Result<Value, String> {
    let reserves = [number("reserve0", &state.reserve0)?, number("reserve1", &state.reserve1)?];
    Ok(json!({"kind": "uniswap_v2", "address": id, "tokens": tokens, "fee_bps": fee_bps, "reserves": reserves}))
}

fn concentrated(id: &str, tokens: &[&str], fee_ppm: u32, state: &Concentrated) -> Result<Value, String> {
    let Concentrated { liquidity, sqrt_price, tick, ticks: Ticks { tick_spacing, ticks } } = state;
    let sorted: BTreeMap<i32, i128> = ticks.iter().map(|tick| (tick.index, tick.net_liquidity)).collect();
    if sorted.len() < ticks.len() {
        return Err("it lists a tick twice".into());
    }
    let ticks: Vec<Value> =
        sorted.iter().map(|(tick, net)| json!({"tick": tick, "liquidity_net": net.to_string()})).collect();
    Ok(json!({
        "kind": "uniswap_v3", "address": id, "tokens": tokens, "fee_ppm": fee_ppm, "tick_spacing": tick_spacing,
        "sqrt_price_x96": number("sqrt_price", sqrt_price)?, "tick": tick, "liquidity": liquidity.to_string(),
        "ticks": ticks, "known_ticks": [super::TICK_MIN, super::TICK_MAX],
    }))
}
