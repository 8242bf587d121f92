//! `scan` on a real market: its routes against the pools' own quotes and a bound computed by others.

use std::collections::{HashMap, HashSet};

use alloy::primitives::U256;
use serde_json::{Value, json};

use crate::auction::{auction_snapshot, data_json};
use crate::command::{Ran, file, folder, run};

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
const BOUNDS: &str = "snapshots/cow-auction/arbitrage-bounds.json";
/// Relative tolerance that the bounds are stated with.
const BOUND_TOLERANCE: f64 = 1e-4;
const WEI_PER_ETHER: f64 = 1e18;

/// Scans the auction from WETH; `None` when the data is absent.
fn scan(arguments: &[&str]) -> Option<(Value, Vec<Value>)> {
    let snapshot = auction_snapshot()?;
    let folder = folder();
    let path = file(&folder, "market.json", snapshot.to_string());
    let path = path.to_str().expect("test paths are UTF-8");
    let ran = run(["--log", "error", "scan", "--snapshot", path, "--token", WETH].iter().chain(arguments));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let found: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    Some((snapshot, found))
}

fn number(value: &Value) -> U256 {
    value.as_str().expect("decimal text").parse().expect("digits")
}

fn ether(value: &Value) -> f64 {
    value.as_str().expect("decimal text").parse::<f64>().expect("digits") / WEI_PER_ETHER
}

fn pools(found: &Value) -> Vec<&str> {
    let hops = found["hops"].as_array().expect("a list of hops");
    hops.iter().map(|hop| hop["pool"].as_str().expect("an address")).collect()
}

/// Of a real market, where brute force finds what there is: the bound holds, and is near.
#[test]
fn an_explanation_bounds_every_route_and_leaves_the_routes_as_they_are() {
    let Some(snapshot) = auction_snapshot() else { return };
    let folder = folder();
    let path = file(&folder, "market.json", snapshot.to_string());
    let path = path.to_str().expect("test paths are UTF-8");
    let scan = ["--log", "error", "scan", "--snapshot", path, "--token", WETH, "--json", "--limit", "1"];
    let (plain, explained) = (run(scan), run(scan.iter().chain(&["--explain"])));
    assert_eq!((explained.code, &explained.stdout), (Some(0), &plain.stdout));
    let told = |before: &str| {
        let rest = explained.stderr.split(before).nth(1).unwrap_or_else(|| panic!("no {before:?}: {explained:?}"));
        rest.split(' ').next().expect("a word").parse::<f64>().expect("a number")
    };
    let best: Value = serde_json::from_str(plain.lines()[0]).expect("JSON");
    let (best, bound) = (ether(&best["profit"]), told("earns more than "));
    assert!(best <= bound && bound <= told("together not more than "), "{best}: {}", explained.stderr);
    assert!(explained.stderr.contains(" are out of band") && explained.stderr.contains("): at most "), "{explained:?}");
}

#[test]
fn every_amount_of_every_route_is_the_pool_s_own_quote() {
    let Some((snapshot, found)) = scan(&[]) else { return };
    assert!(found.len() >= 100, "{} routes", found.len());
    let (mut queries, mut expected) = (Vec::new(), Vec::new());
    let mut longest = 0;
    for route in &found {
        let hops = route["hops"].as_array().expect("a list of hops");
        longest = longest.max(hops.len());
        for hop in hops {
            queries.push(
                json!({"pool": hop["pool"], "token_in": hop["token_in"], "token_out": hop["token_out"],
                "amount_in": hop["amount_in"]})
                .to_string(),
            );
            expected.push(json!({"amount_out": hop["amount_out"]}).to_string());
        }
        check_route(route, hops);
    }
    assert_eq!(longest, 4, "four hops are the default");
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot.to_string());
    let queries = file(&folder, "queries.ndjson", queries.join("\n"));
    let [snapshot, queries] = [snapshot, queries].map(|path| path.into_os_string().into_string().expect("UTF-8"));
    let ran = run(["--log", "error", "quote", "--snapshot", &snapshot, "--queries", &queries]);
    assert_eq!(ran.lines(), expected);
}

fn check_route(route: &Value, hops: &[Value]) {
    let (first, last) = (&hops[0], &hops[hops.len() - 1]);
    assert_eq!((&first["token_in"], &last["token_out"]), (&route["token"], &route["token"]));
    assert_eq!((&first["amount_in"], &last["amount_out"]), (&route["amount_in"], &route["amount_out"]));
    assert_eq!(number(&route["profit"]), number(&route["amount_out"]) - number(&route["amount_in"]));
    for pair in hops.windows(2) {
        assert_eq!((&pair[0]["token_out"], &pair[0]["amount_out"]), (&pair[1]["token_in"], &pair[1]["amount_in"]));
    }
    let pools = pools(route);
    assert_eq!(pools.iter().collect::<HashSet<_>>().len(), pools.len(), "no pool twice");
}

#[test]
fn routes_come_best_first_above_the_least_profit_and_up_to_the_limit() {
    let Some((_, found)) = scan(&["--max-hops", "3", "--min-profit", "1000000000000", "--limit", "50"]) else { return };
    let profits: Vec<U256> = found.iter().map(|route| number(&route["profit"])).collect();
    assert_eq!(profits.len(), 50);
    assert!(profits.is_sorted_by(|a, b| a >= b));
    assert!(*profits.last().expect("fifty") >= U256::from(1_000_000_000_000_u64));
    assert!(found.iter().all(|route| pools(route).len() <= 3));
}

#[test]
fn profits_reach_the_optimum_of_each_pair_and_never_pass_the_bound() {
    let (Some(bounds), Some((_, found))) = (data_json(BOUNDS), scan(&["--max-hops", "2"])) else { return };
    let mut best: HashMap<Vec<&str>, f64> = HashMap::new();
    for route in &found {
        let mut key = pools(route);
        key.sort_unstable();
        best.entry(key).or_insert_with(|| ether(&route["profit"]));
    }
    let mut checked = 0;
    for pair in bounds["pair_optima"].as_array().expect("a list").iter() {
        let mut key: Vec<&str> = pair["pools"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        key.sort_unstable();
        let optimum = pair["upper_bound_weth"].as_f64().expect("a number");
        // With three pools the optimum may use all of them. Below a microether their floats say nothing.
        if key.len() != 2 || optimum < 1e-6 || pair["residual_eth"].as_f64().expect("a number") > 1e-10 {
            continue;
        }
        let ours = best.get(&key).copied().unwrap_or(0.0);
        assert!((ours / optimum - 1.0).abs() < BOUND_TOLERANCE, "{pair}: ours is {ours}");
        checked += 1;
    }
    eprintln!("{checked} pairs of two pools reach their optimum");
    assert!(checked >= 10);
    let bound = bounds["v2_and_v3"]["upper_bound_weth"].as_f64().expect("a number");
    let (_, all) = scan(&[]).expect("the data was there a moment ago");
    assert!(all.iter().all(|route| ether(&route["profit"]) <= bound * (1.0 + BOUND_TOLERANCE)));
}

const EMPTY: &str = r#"{"format":"alphapulse.snapshot/1","chain_id":1,"block":{"number":1},"pools":[],
 "tokens":[{"address":"0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2","symbol":"WETH","decimals":18}]}"#;

fn scan_empty(arguments: &[&str]) -> Ran {
    let folder = folder();
    let path = file(&folder, "market.json", EMPTY);
    run(["scan", "--snapshot", path.to_str().expect("UTF-8")].iter().chain(arguments))
}

#[test]
fn a_market_without_routes_is_an_empty_answer() {
    let ran = scan_empty(&["--token", WETH]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (Some(0), "", 1), "{ran:?}");
    assert!(ran.stderr.contains("no profitable route"), "{ran:?}");
    let ran = scan_empty(&["--token", WETH, "--min-profit", "5"]);
    assert!(ran.stderr.contains("no route earns 5 raw units"), "{ran:?}");
}

/// Routes go through every kind: here by a pair of one kind and back by a curve of another.
#[test]
fn routes_go_through_curves_too() {
    let other = "0x0000000000000000000000000000000000000001";
    let pool = |number: u32, kind: &str, reserves: [&str; 2]| {
        let [held, paid] = reserves;
        format!(
            r#"{{"kind":"{kind}","address":"0x{number:040x}","tokens":["{other}","{WETH}"],"fee_ppm":500,"reserves":["{held}","{paid}"]}}"#
        )
    };
    let (few, more) = ("1000000000000000000000", "1100000000000000000000");
    let pools = [pool(5, "solidly_volatile", [few, more]), pool(7, "solidly_stable", [few, few])].join(",");
    let listed = format!(r#""tokens":[{{"address":"{other}","symbol":"A","decimals":18}},"#);
    let market = EMPTY.replace(r#""tokens":["#, &listed).replace(r#""pools":[]"#, &format!(r#""pools":[{pools}]"#));
    let folder = folder();
    let path = file(&folder, "market.json", market);
    let ran = run(["scan", "--snapshot", path.to_str().expect("UTF-8"), "--token", WETH, "--token", WETH, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let [route] = &ran.lines()[..] else { panic!("one route: {ran:?}") };
    let route: Value = serde_json::from_str(route).expect("JSON");
    let through = [7, 5].map(|number| format!("0x{number:040x}"));
    assert_eq!(self::pools(&route), through, "{route}");
    assert!(number(&route["profit"]) > U256::from(10_u128.pow(18)), "{route}");
}

/// A file that somebody else wrote is sent to who can read it.
#[test]
fn another_s_file_is_sent_to_convert_and_an_empty_one_is_called_so() {
    let folder = folder();
    for (text, said) in [(r#"{"orders":[],"liquidity":[]}"#, "alphapulse snapshot convert"), ("", "the file is empty")]
    {
        let path = file(&folder, "other.json", text);
        let ran = run(["scan", "--snapshot", path.to_str().expect("UTF-8"), "--token", WETH]);
        ran.must_fail(1, &["cannot be used", "next: ", said]);
    }
}

#[test]
fn what_cannot_be_scanned_for_is_a_usage_error() {
    scan_empty(&["--token", WETH, "--limit", "0"]).must_fail(2, &["--limit", "above zero"]);
    scan_empty(&["--token", WETH, "--joint", "--limit", "3"]).must_fail(2, &["--joint", "--limit"]);
    scan_empty(&["--token", WETH, "--trade-cost", "3"]).must_fail(2, &["--joint"]);
    let other = "0x0000000000000000000000000000000000000001";
    scan_empty(&["--token", other]).must_fail(2, &["is not in the snapshot", "next: "]);
    scan_empty(&["--token", WETH, "--without", other]).must_fail(2, &["is no pool and no token", "next: "]);
    let id = format!("0x{:064x}", 7);
    scan_empty(&["--token", WETH, "--without", &id]).must_fail(2, &["--without", "a pool's id", "its address"]);
    scan_empty(&["--token", "weth"]).must_fail(2, &["--token"]);
    scan_empty(&["--token", WETH, "--max-hops", "7"]).must_fail(2, &["--max-hops"]);
    scan_empty(&["--token", WETH, "--min-profit", "0.5"]).must_fail(2, &["--min-profit", "whole number"]);
    scan_empty(&[]).must_fail(2, &["--token"]);
}

#[test]
fn a_pool_or_a_token_that_is_left_out_is_in_no_route() {
    let Some((_, found)) = scan(&["--limit", "1"]) else { return };
    let hop = &found[0]["hops"][0];
    for (side, barred) in [("pool", &hop["pool"]), ("token_out", &hop["token_out"])] {
        let barred = barred.as_str().expect("an address");
        let (_, without) = scan(&["--limit", "100", "--without", barred]).expect("the data was there");
        assert!(!without.is_empty());
        let hops = without.iter().flat_map(|route| route["hops"].as_array().expect("a list of hops"));
        for hop in hops {
            assert_ne!(hop[side], barred, "{hop}");
        }
    }
}

/// Pools of one manager or vault share an address: the id tells which is meant, and `quote` takes it.
#[test]
fn a_pool_that_shares_its_contract_is_named_by_its_id_too() {
    let market = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/kinds.json");
    let token = "0x00000000000000000000000000000000000000a1";
    let id = format!("0x{:064x}", 0xb3);
    for way in [&["--limit", "100"][..], &["--joint"]] {
        let ran = run(["--log", "error", "scan", "--snapshot", market, "--token", token, "--json"].iter().chain(way));
        let lines = ran.lines();
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let hops: Vec<Value> = lines
            .flat_map(|line| {
                let hops = line.get("hops").or_else(|| line.get("trades")).and_then(Value::as_array).cloned();
                hops.expect("hops or trades")
            })
            .collect();
        let hop = hops.iter().find(|hop| hop["pool_id"] == id.as_str()).expect("one in the V4 pool");
        assert_eq!(hop["pool"], "0x00000000000000000000000000000000000000c4");
        assert!(hops.iter().any(|hop| hop.get("pool_id").is_none()), "a pair has no id");
        let query = json!({"pool": hop["pool_id"], "token_in": hop["token_in"], "token_out": hop["token_out"],
            "amount_in": hop["amount_in"]});
        let folder = folder();
        let queries = file(&folder, "queries.ndjson", query.to_string());
        let quoted = run(["quote", "--snapshot", market, "--queries", queries.to_str().expect("UTF-8")]);
        assert_eq!(quoted.lines(), [json!({"amount_out": hop["amount_out"]}).to_string()]);
    }
}
