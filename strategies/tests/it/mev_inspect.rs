//! Arbitrages that others took on mainnet, as mev-inspect-py found them: found again, and sized at least as well.

use std::collections::BTreeSet;

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::HOPS_MAX;
use alphapulse_strategies::pool::constant_product;
use alphapulse_strategies::search::best_cycles;
use serde_json::Value;

use crate::data::{self, number};
use crate::sketch::Sketch;

const FOLDER: &str = "blocks/mev-inspect";
/// Selector of `getReserves()`, which a router calls before it swaps.
const GET_RESERVES: &str = "0x0902f1ac";
/// Uniswap V2's fee, and that of its forks on mainnet then.
const FEE_PPM: u32 = 3_000;
const ARBITRAGES: usize = 33;
/// Those whose pools are all pairs with known reserves, of at most four hops, and which gained.
const FOUND_MIN: usize = 10;

fn text<'v>(value: &'v Value, names: &[&str]) -> &'v str {
    names.iter().find_map(|name| value[*name].as_str()).unwrap_or("")
}

/// Calls of a block with their places, in the order in which they were made.
fn calls(block: u64) -> Option<Vec<Value>> {
    let path = |kind: &str| format!("{FOLDER}/{block}.{kind}.json.gz");
    let is_there = |kind: &&str| data::data_root().join(path(kind)).exists();
    let mut file = data::json(&path(["traces", "full"].into_iter().find(is_there)?))?;
    ["traces", "calls"].iter().find_map(|name| match file[*name].take() {
        Value::Array(calls) => Some(calls),
        _ => None,
    })
}

/// What a pair held when it was last asked before a swap of it: reserves of the lower and the higher token.
fn reserves_before(calls: &[Value], swap: &Value) -> Option<[u128; 2]> {
    let (pool, transaction) = (text(swap, &["contract_address"]), text(swap, &["transaction_hash"]));
    let mut known = None;
    for call in calls {
        let action = &call["action"];
        if !text(action, &["to"]).eq_ignore_ascii_case(pool) {
            continue;
        }
        let place = if call["trace_address"].is_array() { &call["trace_address"] } else { &call["traceAddress"] };
        if text(call, &["transaction_hash", "transactionHash"]) == transaction && *place == swap["trace_address"] {
            return known;
        }
        if text(action, &["input"]).starts_with(GET_RESERVES) {
            known = reserves(text(&call["result"], &["output"]));
        } else if text(action, &["callType"]) == "call" {
            // It was swapped, or synced: what was known is past.
            known = None;
        }
    }
    None
}

fn reserves(output: &str) -> Option<[u128; 2]> {
    let word = |at: usize| u128::from_str_radix(output.get(2 + 64 * at..66 + 64 * at)?, 16).ok();
    Some([word(0)?, word(1)?])
}

/// What came of looking for one: profit taken, and found, or why it was not looked for.
fn look(arbitrage: &Value, calls: &[Value]) -> Result<(U256, U256), String> {
    let swaps = arbitrage["swaps"].as_array().expect("a list of swaps");
    if !arbitrage["error"].is_null() {
        return Err("it was reverted".to_owned());
    }
    let others: BTreeSet<&str> =
        swaps.iter().map(|swap| text(swap, &["protocol"])).filter(|kind| *kind != "uniswap_v2").collect();
    if !others.is_empty() {
        let names: Vec<&str> = others.into_iter().collect();
        return Err(format!("the traces do not tell the state of {}", names.join(" and ")));
    }
    if swaps.len() > HOPS_MAX {
        return Err(format!("{} hops are more than {HOPS_MAX}", swaps.len()));
    }
    let taken = arbitrage["profit_amount"].to_string();
    let taken: U256 = taken.trim_matches('"').parse().map_err(|_| "it lost".to_owned())?;
    let mut tokens = vec![text(arbitrage, &["profit_token_address"])];
    let mut pairs = Vec::new();
    for swap in swaps {
        let [token_in, token_out] = ["token_in_address", "token_out_address"].map(|side| text(swap, &[side]));
        let Some(reserves) = reserves_before(calls, swap) else {
            return Err(format!("nobody asked for the reserves of {}", text(swap, &["contract_address"])));
        };
        let [reserve_in, reserve_out] = if token_in < token_out { reserves } else { [reserves[1], reserves[0]] };
        let [paid, got] = ["token_in_amount", "token_out_amount"].map(|side| number::<U256>(&swap[side]));
        let quote = constant_product::quote_exact_in(reserve_in, reserve_out, FEE_PPM, paid);
        if !quote.is_ok_and(|quote| quote >= got) {
            return Err(format!("{} gave more than a pair of 0.3 % does", text(swap, &["contract_address"])));
        }
        let ids = [token_in, token_out].map(|token| {
            let place = tokens.iter().position(|known| *known == token).unwrap_or_else(|| {
                tokens.push(token);
                tokens.len() - 1
            });
            u32::try_from(place).expect("few tokens")
        });
        pairs.push((ids, [reserve_in, reserve_out]));
    }
    let mut sketch = Sketch::with_tokens(u32::try_from(tokens.len()).expect("few tokens"));
    for (ids, reserves) in pairs {
        sketch.pair(ids, reserves, FEE_PPM);
    }
    let found = best_cycles(&sketch.market(), TokenId(0), u8::try_from(HOPS_MAX).expect("few"), U256::ZERO, 1);
    Ok((taken, found.first().map_or(U256::ZERO, |route| route.profit())))
}

#[test]
fn arbitrages_that_others_took_are_found_and_earn_no_less() {
    let folder = data::data_root().join(FOLDER);
    let Ok(files) = std::fs::read_dir(&folder) else {
        return data::ignored(&format!("{} is absent (set ALPHAPULSE_DATA to the data folder)", folder.display()));
    };
    let name = |file: std::io::Result<std::fs::DirEntry>| file.ok()?.file_name().into_string().ok();
    let block = |name: String| name.strip_suffix(".expected.json.gz")?.parse::<u64>().ok();
    let mut blocks: Vec<u64> = files.filter_map(name).filter_map(block).collect();
    blocks.sort_unstable();
    let (mut all, mut found) = (0, 0);
    for block in blocks {
        let expected = data::json(&format!("{FOLDER}/{block}.expected.json.gz")).expect("it was listed");
        let arbitrages = expected["arbitrages"].as_array().expect("a list of arbitrages");
        if arbitrages.is_empty() {
            continue;
        }
        let calls = calls(block).expect("calls beside what was found in them");
        for arbitrage in arbitrages {
            all += 1;
            let what = format!("block {block}, {}", text(arbitrage, &["transaction_hash"]));
            match look(arbitrage, &calls) {
                Ok((taken, ours)) => {
                    assert!(ours >= taken, "{what}: {taken} was taken, {ours} found");
                    found += 1;
                    data::report(&format!("{what}: {taken} was taken, {ours} found"));
                }
                Err(reason) => data::report(&format!("{what}: not looked for, {reason}")),
            }
        }
    }
    data::report(&format!("known arbitrages: {found} of {all} found with at least the profit that was taken"));
    assert!(all >= ARBITRAGES && found >= FOUND_MIN, "{found} of {all}");
}
