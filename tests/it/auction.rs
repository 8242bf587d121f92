//! A real production auction as a snapshot file.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

const AUCTION: &str = "snapshots/cow-auction/7400681_prod_mainnet.json.gz";

/// Folder of development data: `ALPHAPULSE_DATA`, or `../shared/data` beside the workspace.
fn data_root() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    std::env::var_os("ALPHAPULSE_DATA").map_or_else(beside, PathBuf::from)
}

/// Text of a data file, unpacked where its name ends in `.gz`; `None` and a loud line when it is absent.
pub(crate) fn data_text(path: &str) -> Option<String> {
    let full = data_root().join(path);
    let Ok(bytes) = fs::read(&full) else {
        eprintln!("ignored: {} is absent (set ALPHAPULSE_DATA to the data folder)", full.display());
        return None;
    };
    if !path.ends_with(".gz") {
        return Some(String::from_utf8(bytes).expect("data files are UTF-8"));
    }
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("data files are whole");
    Some(text)
}

/// A data file of one JSON value.
pub(crate) fn data_json(path: &str) -> Option<Value> {
    Some(serde_json::from_str(&data_text(path)?).expect("data files are JSON"))
}

/// The auction's pools of the kinds that can be priced, and the others by name.
pub(crate) fn auction_snapshot() -> Option<Value> {
    let auction = data_json(AUCTION)?;
    let pools = auction["amms"].as_object().expect("a table of pools");
    let pools: Vec<Value> = pools.iter().map(|(address, pool)| pool_of(address, pool)).collect();
    let mut addresses: Vec<&str> =
        pools.iter().filter_map(|pool| pool["tokens"].as_array()).flatten().filter_map(Value::as_str).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let tokens: Vec<Value> = addresses.iter().map(|address| token_of(address, &auction["tokens"][address])).collect();
    Some(json!({
        "format": "alphapulse.snapshot/1", "chain_id": 1, "block": {"number": 0}, "tokens": tokens, "pools": pools,
    }))
}

/// A token that only a pool knows has no name and no decimals in the data; neither decides an amount.
fn token_of(address: &str, known: &Value) -> Value {
    let decimals = known["decimals"].as_u64().unwrap_or(18);
    json!({"address": address, "symbol": known["alias"].as_str().unwrap_or(""), "decimals": decimals})
}

fn pool_of(address: &str, pool: &Value) -> Value {
    match pool["kind"].as_str() {
        Some("ConstantProduct") => {
            let reserves = pool["reserves"].as_object().expect("a table of reserves");
            // The table is sorted by address, as a pair's tokens are.
            let (tokens, reserves): (Vec<_>, Vec<_>) = reserves.iter().unzip();
            let fee_bps = match pool["fee"].as_str() {
                Some("0.003") => 30,
                Some("0.0025") => 25,
                other => panic!("{other:?} is no fee of this data"),
            };
            json!({"kind": "uniswap_v2", "address": address, "tokens": tokens, "fee_bps": fee_bps, "reserves": reserves})
        }
        Some("Concentrated") => concentrated(address, pool),
        Some("WeightedProduct") => json!({"kind": "balancer_weighted", "address": address}),
        Some("Stable") => json!({"kind": "balancer_stable", "address": address}),
        other => panic!("{other:?} is no kind of this data"),
    }
}

fn concentrated(address: &str, pool: &Value) -> Value {
    let (fee_ppm, tick_spacing) = match pool["fee"].as_str() {
        Some("0.0001") => (100, 1),
        Some("0.0005") => (500, 10),
        Some("0.003") => (3000, 60),
        Some("0.01") => (10_000, 200),
        other => panic!("{other:?} is no fee tier"),
    };
    let state = &pool["pool"]["state"];
    let mut ticks: Vec<(i32, &Value)> = state["liquidity_net"]
        .as_object()
        .expect("a table of ticks")
        .iter()
        .map(|(tick, net)| (tick.parse().expect("digits"), net))
        .collect();
    ticks.sort_by_key(|(tick, _)| *tick);
    let ticks: Vec<Value> = ticks.iter().map(|(tick, net)| json!({"tick": tick, "liquidity_net": net})).collect();
    let tokens: Vec<&Value> =
        pool["pool"]["tokens"].as_array().expect("a list of tokens").iter().map(|token| &token["id"]).collect();
    json!({
        "kind": "uniswap_v3", "address": address, "tokens": tokens, "fee_ppm": fee_ppm, "tick_spacing": tick_spacing,
        "sqrt_price_x96": state["sqrt_price"], "tick": state["tick"], "liquidity": state["liquidity"],
        "ticks": ticks, "known_ticks": [-887_272, 887_272],
    })
}
