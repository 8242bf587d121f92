//! `snapshot convert` on small files: what it takes, what it leaves out and says so, and what it refuses.

use std::path::Path;

use serde_json::{Value, json};

use crate::command::{Ran, file, folder, run};

const TOKENS: [&str; 2] = ["0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000a2"];

fn address(last: &str) -> String {
    format!("0x{last:0>40}")
}

fn auction() -> Value {
    let [a, b] = TOKENS;
    let balances = json!({a: "1000000000000000000000", b: "2000000000"});
    let weights = |first: &str| json!({a: {"balance": "1000000000000000000", "weight": first}, b: {"balance": "2000000", "weight": "0.2"}});
    json!({
        "metadata": {"environment": "Ethereum / Mainnet"},
        "tokens": {a: {"decimals": 18, "alias": "A"}, b: {"decimals": 6}},
        "orders": {},
        "amms": {
            address("b1"): {"kind": "ConstantProduct", "reserves": balances, "fee": "0.003"},
            address("b2"): {"kind": "WeightedProduct", "reserves": weights("0.8"), "fee": "0.01"},
            address("b3"): {"kind": "WeightedProduct", "reserves": weights("0.800015"), "fee": "0.01"},
            address("b4"): {"kind": "Stable", "reserves": balances, "scaling_rates": {a: "1000000000000000000", b: "1000000"},
                "amplification_parameter": "200.5", "fee": "0.0004"},
            address("b5"): {"kind": "Stable", "reserves": balances, "scaling_rates": {a: "900000000000000000", b: "1000000"},
                "amplification_parameter": "200", "fee": "0.0004"},
            address("b6"): {"kind": "LimitOrder"},
            address("b7"): {"kind": "ConstantProduct", "reserves": balances, "fee": "0.00300001"},
        },
    })
}

fn convert(from: &str, path: &Path, more: &[&str]) -> Ran {
    let path = path.to_str().expect("test paths are UTF-8");
    run(["snapshot", "convert", "--from", from, path].iter().chain(more))
}

fn converted(from: &str, content: &Value, more: &[&str]) -> (Value, String) {
    let folder = folder();
    let path = file(&folder, "theirs.json", content.to_string());
    let ran = convert(from, &path, &[&["--out", "-"], more].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (serde_json::from_str(&ran.stdout).expect("JSON"), ran.stderr)
}

#[test]
fn pools_are_taken_or_left_out_with_the_reason() {
    let (document, stderr) =
        converted("cow-auction", &auction(), &["--block", "7", "--balancer-invariant", "directed"]);
    let pools = document["pools"].as_array().expect("a list");
    assert_eq!(pools.len(), 4);
    assert_eq!(document["block"]["number"], 7);
    assert_eq!((&pools[0]["kind"], &pools[0]["fee_ppm"]), (&json!("uniswap_v2"), &json!("3000")));
    let factors = json!(["1000000000000000000", "1000000000000000000000000000000"]);
    assert_eq!((&pools[1]["scaling_factors"], &pools[1]["pow_variant"]), (&factors, &json!("special_cases")));
    assert_eq!(pools[1]["weights"], json!(["800000000000000000", "200000000000000000"]));
    assert_eq!((&pools[2]["amplification"], &pools[2]["invariant"]), (&json!("200500"), &json!("directed")));
    assert_eq!(pools[2]["scaling_factors"], factors);
    // 1 / 0.9, to the nearest.
    assert_eq!(pools[3]["scaling_factors"][0], "1111111111111111111");
    let left_out: Vec<&str> =
        document["left_out"].as_array().expect("a list").iter().filter_map(|pool| pool["reason"].as_str()).collect();
    assert_eq!(left_out.len(), 3);
    for (reason, said) in left_out.iter().zip(["weights are not one together", "no kind for it", "fee of 0.00300001"]) {
        assert!(reason.contains(said) && stderr.contains(reason), "{reason}: {stderr}");
    }
    for assumption in document["assumptions"].as_array().expect("a list") {
        assert!(stderr.contains(assumption.as_str().expect("text")), "{assumption}: {stderr}");
    }
    assert!(stderr.contains("--balancer-powers") && stderr.contains(&address("b5")), "{stderr}");
}

#[test]
fn numbers_of_a_recording_keep_every_digit() {
    let liquidity = u128::MAX / 3;
    let token = |address: &str| json!({"address": address, "symbol": "T", "decimals": 18});
    let pair = |fee: &str| json!({"tokens": TOKENS.map(token), "protocol_system": "x", "chain": "ethereum", "static_attributes": {"fee": fee}});
    // A JSON value has no room for numbers past 64 bits.
    let state = r#"{"liquidity":LIQUIDITY,"sqrt_price":"0x1000000000000000000000000","tick":0,"ticks":{"tick_spacing":10,"ticks":[
        {"index":-10,"net_liquidity":LIQUIDITY,"sqrt_price":"0x1"},{"index":10,"net_liquidity":-LIQUIDITY,"sqrt_price":"0x1"}]}}"#;
    let recording = json!({"updates": [{
        "block_number_or_timestamp": 9, "removed_pairs": {},
        "sync_states": {"x": {"number": 9, "hash": format!("0x{:064x}", 5), "timestamp": 77}},
        "states": {
            address("b1"): {"protocol": "UniswapV3State", "state": "STATE"},
            address("b2"): {"protocol": "PancakeswapV2State", "state": {"reserve0": "0xff", "reserve1": "0x100"}},
        },
        "new_pairs": {address("b1"): pair("0x01f4"), address("b2"): pair("0x1e"), address("b3"): pair("0x1e")},
    }]});
    let text = recording.to_string().replace("\"STATE\"", state).replace("LIQUIDITY", &liquidity.to_string());
    let folder = folder();
    let path = file(&folder, "recording.json", text);
    let ran = convert("tycho", &path, &["--out", "-"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let pools = document["pools"].as_array().expect("a list");
    assert_eq!((&pools[0]["fee_ppm"], &pools[0]["liquidity"]), (&json!(500), &json!(liquidity.to_string())));
    assert_eq!(pools[0]["ticks"][1]["liquidity_net"], format!("-{liquidity}"));
    assert_eq!((&pools[1]["fee_bps"], &pools[1]["reserves"]), (&json!(25), &json!(["255", "256"])));
    assert_eq!(
        (&document["block"]["timestamp"], document["left_out"][0]["pool"].as_str()),
        (&json!(77), Some(&*address("b3")))
    );
    assert!(ran.stderr.contains("0.25 %") && ran.stderr.contains("no state of it"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_converted_is_refused_with_what_to_do() {
    let folder = folder();
    let zstd = file(&folder, "packed.zst", [0x28, 0xb5, 0x2f, 0xfd, 0x00]);
    convert("tycho", &zstd, &["--out", "-"]).must_fail(1, &["packed by zstd", "next: ", "zstd -dc"]);
    let other = file(&folder, "other.json", "{}");
    for from in ["tycho", "cow-auction"] {
        convert(from, &other, &["--out", "-"]).must_fail(1, &["is not converted", "--from"]);
    }
    convert("tycho", &folder.path().join("absent"), &["--out", "-"]).must_fail(1, &["cannot read", "next: "]);
    convert("ekubo", &other, &["--out", "-"]).must_fail(2, &["ekubo"]);
    let theirs = file(&folder, "auction.json", auction().to_string());
    let out = folder.path().join("market.json");
    let out = out.to_str().expect("UTF-8");
    let wrote = convert("cow-auction", &theirs, &["--out", out]);
    assert_eq!(wrote.stdout, format!("wrote {out}: 4 pools, 2 tokens; 3 pools left out\n"));
    // As `snapshot` does, it puts a whole file in the place of one that is there.
    std::fs::write(out, "an older file").expect("the folder is ours");
    assert_eq!(convert("cow-auction", &theirs, &["--out", out]).code, Some(0));
    assert!(std::fs::read_to_string(out).expect("a file").starts_with('{'));
    let packed = file(&folder, "cut.json.gz", [0x1f, 0x8b, 0x08, 0x00, 0x00]);
    convert("cow-auction", &packed, &["--out", out]).must_fail(1, &["damaged or cut short", "next: fetch", "gzip -t"]);
    assert!(std::fs::read_to_string(out).expect("it stays").starts_with('{'));
    let mut elsewhere = auction();
    elsewhere["metadata"]["environment"] = json!("Gnosis / Chain");
    let elsewhere = file(&folder, "elsewhere.json", elsewhere.to_string());
    convert("cow-auction", &elsewhere, &["--out", "-"]).must_fail(1, &["Gnosis / Chain"]);
}

/// Converts a good file to this place.
fn put(out: &Path) -> Ran {
    let folder = folder();
    let path = file(&folder, "theirs.json", auction().to_string());
    convert("cow-auction", &path, &["--out", out.to_str().expect("test paths are UTF-8")])
}

#[test]
fn only_a_regular_file_is_ever_replaced_and_nothing_beside_it() {
    let folder = folder();
    let [target, link, pipe] = ["target.json", "link.json", "pipe"].map(|name| folder.path().join(name));
    std::fs::write(&target, "old").expect("ours");
    std::fs::write(folder.path().join("target.json.tmp"), "precious").expect("ours");
    std::fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    std::os::unix::fs::symlink(&target, &link).expect("ours");
    let ran = put(&link);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert!(std::fs::read_to_string(&target).expect("it is there").contains("alphapulse.snapshot"));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&target).expect("it is there"));
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(folder.path().join("target.json.tmp")).expect("it is there"), "precious");

    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
    put(&pipe).must_fail(1, &["is no regular file", "next: "]);
    put(folder.path()).must_fail(1, &["is a folder", "next: "]);
    put(&folder.path().join("nowhere/x.json")).must_fail(1, &["cannot write", "next: "]);
    let names = std::fs::read_dir(folder.path()).expect("ours").count();
    assert_eq!(names, 4, "nothing is left over");
}
