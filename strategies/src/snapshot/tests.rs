use std::io::Write;

use alphapulse_protocol::U256;
use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::PoolState;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

const TOKEN_A: &str = "0x00000000000000000000000000000000000000a0";
const TOKEN_B: &str = "0x00000000000000000000000000000000000000b0";
const V2: &str = "0x0000000000000000000000000000000000000002";
const V3: &str = "0x0000000000000000000000000000000000000003";
const OTHER: &str = "0x0000000000000000000000000000000000000004";
const VAULT: &str = "0x0000000000000000000000000000000000000005";

/// A market with one pool of each form: liquidity 10^18 over the whole usable range, at price 1.
fn document() -> Value {
    json!({
        "format": "alphapulse.snapshot/1", "chain_id": 1,
        "block": {"number": 18_000_000, "hash": format!("0x{}", "ab".repeat(32)), "timestamp": 1_693_066_895, "base_fee_wei": "20000000000"},
        "tokens": [{"address": TOKEN_A, "symbol": "A", "decimals": 18}, {"address": TOKEN_B, "symbol": "B", "decimals": 6}],
        "pools": [
            {"kind": "uniswap_v2", "address": V2, "tokens": [TOKEN_A, TOKEN_B], "fee_bps": 25, "reserves": ["1000000", "2000000"]},
            {"kind": "uniswap_v3", "address": V3, "tokens": [TOKEN_A, TOKEN_B], "fee_ppm": 3000, "tick_spacing": 60,
             "sqrt_price_x96": "79228162514264337593543950336", "tick": 0, "liquidity": "1000000000000000000",
             "ticks": [{"tick": -887_220, "liquidity_net": "1000000000000000000"}, {"tick": 887_220, "liquidity_net": "-1000000000000000000"}],
             "known_ticks": [-887_272, 887_272]},
            {"kind": "fluid_dex", "address": OTHER, "tokens": [TOKEN_A, TOKEN_B]},
            {"kind": "balancer_v3", "address": VAULT, "pool_id": format!("0x{}", "01".repeat(32))},
            {"kind": "balancer_v3", "address": VAULT, "pool_id": format!("0x{}", "02".repeat(32))},
        ],
    })
}

fn load(document: &Value) -> Result<Snapshot, SnapshotError> {
    Snapshot::from_bytes(document.to_string().as_bytes())
}

fn loaded(document: &Value) -> Snapshot {
    load(document).expect("a valid document")
}

fn ask(snapshot: &Snapshot, pool: &str, amount: &Value) -> String {
    let mut query = json!({"pool": pool, "token_in": TOKEN_A, "token_out": TOKEN_B});
    let fields = query.as_object_mut().expect("an object");
    fields.extend(amount.as_object().expect("an object").clone());
    snapshot.quote(&Query::from_line(query.to_string().as_bytes()).expect("a valid query")).to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write")
}

#[test]
fn a_compressed_file_is_the_same_market() {
    let packed = Snapshot::from_bytes(&gzip(document().to_string().as_bytes())).expect("a valid file");
    let plain = loaded(&document());
    assert_eq!((packed.block, packed.tokens, packed.pools), (plain.block, plain.tokens, plain.pools));
}

#[test]
fn a_compressed_file_cut_anywhere_is_refused() {
    let packed = gzip(document().to_string().as_bytes());
    for end in 2..packed.len() {
        assert!(matches!(Snapshot::from_bytes(&packed[..end]), Err(SnapshotError::Gzip(_))), "cut at {end}");
    }
}

#[test]
fn a_plain_file_cut_anywhere_is_refused() {
    let text = document().to_string();
    for end in 0..text.len() {
        assert!(matches!(Snapshot::from_bytes(&text.as_bytes()[..end]), Err(SnapshotError::Json(_))), "cut at {end}");
    }
}

#[test]
fn another_version_is_named() {
    let mut newer = document();
    newer["format"] = json!("alphapulse.snapshot/2");
    let error = load(&newer).expect_err("a version this build does not read");
    assert_eq!(error.to_string(), r#"`format` is "alphapulse.snapshot/2", this build reads "alphapulse.snapshot/1""#);
}

/// A value put in one place of the document, and the error that must name the place.
#[track_caller]
fn check_refused(pointer: &str, value: Value, expected: &str) {
    let mut document = document();
    *document.pointer_mut(pointer).expect("a place in the document") = value;
    assert_eq!(load(&document).expect_err(pointer).to_string(), expected);
}

#[test]
fn each_malformed_field_is_named_with_its_place() {
    let digits = "expected an integer as decimal text, found";
    for bad in ["", "-", "12x", "1_0", "+1", "0x10", "1e3", "1.0", " 1"] {
        let problem = format!("pools[0].reserves[1] (pool {V2}): {digits} \"{bad}\"");
        check_refused("/pools/0/reserves/1", json!(bad), &problem);
    }
    check_refused("/pools/0/reserves/1", json!(1.5), &format!("pools[0].reserves[1] (pool {V2}): {digits} 1.5"));
    check_refused(
        "/pools/0/reserves",
        json!(["1"]),
        &format!("pools[0].reserves (pool {V2}): expected a list of 2, found [\"1\"]"),
    );
    check_refused("/pools/0/fee_bps", Value::Null, &format!("pools[0].fee_bps (pool {V2}): is missing"));
    check_refused("/pools/0/address", json!("0x12"), "pools[0].address: expected 0x and 40 hex digits, found \"0x12\"");
    check_refused(
        "/pools/0/tokens/1",
        json!(VAULT),
        &format!("pools[0].tokens[1] (pool {V2}): {VAULT} is not in `tokens`"),
    );
    check_refused(
        "/pools/0/tokens/1",
        json!(TOKEN_A),
        &format!("pools[0].tokens[1] (pool {V2}): is the same token as the first"),
    );
    let tick = format!("pools[1].ticks[1].liquidity_net (pool {V3}): {digits} \"x\"");
    check_refused("/pools/1/ticks/1/liquidity_net", json!("x"), &tick);
    check_refused("/pools/1/known_ticks", Value::Null, &format!("pools[1].known_ticks (pool {V3}): is missing"));
    check_refused("/pools/1/kind", json!(3), "pools[1].kind: expected text, found 3");
    check_refused("/pools", json!({}), "pools: expected a list, found {}");
    check_refused("/tokens/1/address", json!(TOKEN_A), &format!("tokens[1]: token {TOKEN_A} is listed twice"));
    check_refused("/tokens/1/decimals", json!(256), "tokens[1].decimals: expected an integer that fits u8, found 256");
    check_refused("/pools/2/address", json!(V2), &format!("pools[2]: pool {V2} is listed twice"));
    check_refused(
        "/block/number",
        json!("later"),
        "block.number: expected an integer as decimal text, found \"later\"",
    );
    check_refused("/chain_id", Value::Null, "chain_id: is missing");
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    let error = Snapshot::from_bytes(b"[]").expect_err("a list");
    assert_eq!(error.to_string(), "the document: expected an object, found []");
}

#[test]
fn both_fees_at_once_are_refused() {
    let mut both = document();
    both["pools"][0]["fee_ppm"] = json!(2500);
    let error = load(&both).expect_err("two fees");
    assert!(error.to_string().starts_with("pools[0].fee_ppm"), "{error}");
}

/// A value put in one place of the document, after which pool 1 (or 0) alone is refused.
#[track_caller]
fn check_flawed(pointer: &str, value: Value, pool: &str, warning: &str) {
    let mut document = document();
    *document.pointer_mut(pointer).expect("a place in the document") = value;
    let snapshot = loaded(&document);
    assert_eq!(ask(&snapshot, pool, &json!({"amount_in": "1000"})), r#"{"error":"inconsistent_pool"}"#);
    let other = if pool == V2 { V3 } else { V2 };
    assert!(ask(&snapshot, other, &json!({"amount_in": "1000"})).starts_with(r#"{"amount_out":"#));
    assert!(snapshot.warnings().iter().any(|line| line.contains(pool) && line.contains(warning)), "{warning}");
}

#[test]
fn a_pool_whose_numbers_contradict_each_other_fails_alone() {
    check_flawed("/pools/1/liquidity", json!("999"), V3, "active liquidity is 999");
    check_flawed("/pools/1/tick", json!(60), V3, "tick 60 is not tick 0 of the price");
    check_flawed("/pools/1/ticks/0/tick", json!(-887_221), V3, "cannot be initialised");
    check_flawed("/pools/1/ticks/0/tick", json!(887_220), V3, "not above its predecessor");
    check_flawed("/pools/1/ticks/1/liquidity_net", json!("-1"), V3, "net liquidity of all ticks");
    check_flawed("/pools/1/sqrt_price_x96", json!("0"), V3, "price");
    check_flawed("/pools/1/fee_ppm", json!(1_000_000), V3, "fee");
    check_flawed("/pools/1/tick_spacing", json!(0), V3, "tick spacing 0");
    check_flawed("/pools/1/known_ticks", json!([5, 4]), V3, "known_ticks");
    check_flawed("/pools/0/fee_bps", json!(10_000), V2, "fee");
}

#[test]
fn an_integer_past_the_contract_s_type_fails_its_pool_alone() {
    let huge = "9".repeat(200);
    check_flawed("/pools/0/reserves/0", json!("5192296858534827628530496329220096"), V2, "`reserves`");
    for (pointer, pool, field) in [
        ("/pools/0/reserves/0", V2, "`reserves`"),
        ("/pools/0/fee_bps", V2, "`fee_bps`"),
        ("/pools/1/liquidity", V3, "`liquidity`"),
        ("/pools/1/tick", V3, "`tick`"),
        ("/pools/1/sqrt_price_x96", V3, "`sqrt_price_x96`"),
        ("/pools/1/ticks/0/liquidity_net", V3, "`ticks`"),
    ] {
        check_flawed(pointer, json!(huge), pool, field);
    }
}

#[test]
fn answers_are_the_contracts() {
    let snapshot = loaded(&document());
    // 1000 · 9975 · 2000000 / (1000000 · 10000 + 1000 · 9975), rounded down; inverse rounded up.
    assert_eq!(ask(&snapshot, V2, &json!({"amount_in": "1000"})), r#"{"amount_out":"1993"}"#);
    assert_eq!(ask(&snapshot, V2, &json!({"amount_out": 1993})), r#"{"amount_in":"1000"}"#);
    assert_eq!(ask(&snapshot, V2, &json!({"amount_out": "2000000"})), r#"{"error":"insufficient_liquidity"}"#);
    // At price 1 and liquidity far above the amount, only the fee of 3 in 1000 and rounding are left.
    assert_eq!(ask(&snapshot, V3, &json!({"amount_in": "1000"})), r#"{"amount_out":"996"}"#);
    assert_eq!(ask(&snapshot, V3, &json!({"amount_out": "996"})), r#"{"amount_in":"1000"}"#);
}

#[test]
fn an_input_past_the_end_of_prices_is_filled_in_part() {
    let snapshot = loaded(&document());
    let answer = ask(&snapshot, V3, &json!({"amount_in": U256::from(1).wrapping_shl(200).to_string()}));
    let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
    assert_eq!(answer["partial_fill"], true);
    let taken = |field: &str| answer[field].as_str().expect("text").parse::<U256>().expect("digits");
    assert!(taken("amount_in") < U256::from(1).wrapping_shl(200));
    assert!(taken("amount_out") < U256::from(1_000_000_000_000_000_000_u64));
}

#[test]
fn a_pool_with_nothing_to_sell_takes_nothing() {
    let mut empty = document();
    empty["pools"][1]["liquidity"] = json!("0");
    empty["pools"][1]["ticks"] = json!([]);
    let answer = ask(&loaded(&empty), V3, &json!({"amount_in": "1000"}));
    assert_eq!(answer, r#"{"amount_out":"0","partial_fill":true,"amount_in":"0"}"#);
    let answer = ask(&loaded(&empty), V3, &json!({"amount_out": "1"}));
    assert_eq!(answer, r#"{"error":"insufficient_liquidity"}"#);
}

#[test]
fn what_cannot_be_quoted_says_why() {
    let snapshot = loaded(&document());
    let input = json!({"amount_in": "1"});
    assert_eq!(ask(&snapshot, OTHER, &input), r#"{"error":"unsupported_pool_kind"}"#);
    assert_eq!(ask(&snapshot, &format!("0x{}", "02".repeat(32)), &input), r#"{"error":"unsupported_pool_kind"}"#);
    assert_eq!(ask(&snapshot, VAULT, &input), r#"{"error":"ambiguous_pool"}"#);
    assert_eq!(ask(&snapshot, TOKEN_A, &input), r#"{"error":"unknown_pool"}"#);
    assert_eq!(ask(&snapshot, V2, &json!({"amount_in": "0"})), r#"{"error":"insufficient_input_amount"}"#);
    let huge = json!({"amount_in": "9".repeat(90)});
    assert_eq!(ask(&snapshot, V2, &huge), r#"{"error":"reserve_overflow"}"#);
    assert_eq!(ask(&snapshot, V3, &huge), r#"{"error":"amount_overflow"}"#);
    let same = json!({"amount_in": "1", "token_in": TOKEN_B});
    assert_eq!(ask(&snapshot, V2, &same), r#"{"error":"token_not_in_pool"}"#);
    assert_eq!(
        snapshot.warnings(),
        [r#"1 pools of unsupported kind "fluid_dex""#, r#"2 pools of unsupported kind "balancer_v3""#]
    );
}

#[test]
fn a_line_that_is_no_query_is_told_apart_from_one_without_an_answer() {
    let good = format!(r#"{{"pool":"{V2}","token_in":"{TOKEN_A}","token_out":"{TOKEN_B}","amount_in":"1"}}"#);
    assert!(Query::from_line(good.as_bytes()).is_ok());
    for (from, to) in [
        (r#","amount_in":"1""#, ""),
        (r#""amount_in":"1""#, r#""amount_in":"1","amount_out":"1""#),
        (r#""1""#, r#""-1""#),
        (r#""1""#, "-1"),
        (r#""1""#, "1.5"),
        (r#""1""#, r#""0x1""#),
        (V2, "0x02"),
        (TOKEN_A, "a"),
        ("{", "["),
        ("}", ""),
    ] {
        let line = good.replace(from, to);
        assert!(Query::from_line(line.as_bytes()).is_err(), "{line}");
    }
    assert!(Query::from_line(b"\xff\xfe").is_err());
}

#[test]
fn a_range_that_ends_on_the_last_usable_tick_leaves_nothing_unknown() {
    let known = |low: i32, high: i32| {
        let mut document = document();
        document["pools"][1]["known_ticks"] = json!([low, high]);
        match &loaded(&document).pools[1].form {
            PoolForm::Sound { info, .. } => info.known_ticks,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(known(-887_220, 887_220), (TICK_MIN, TICK_MAX));
    assert_eq!(known(-900_000, 900_000), (TICK_MIN, TICK_MAX));
    assert_eq!(known(-887_219, 887_219), (-887_219, 887_219));
}

#[test]
fn a_swap_that_would_leave_the_known_ticks_has_no_answer() {
    let mut part = document();
    part["pools"][1]["ticks"] = json!([]);
    part["pools"][1]["known_ticks"] = json!([-60, 60]);
    let snapshot = loaded(&part);
    assert_eq!(ask(&snapshot, V3, &json!({"amount_in": "1000"})), r#"{"amount_out":"996"}"#);
    assert_eq!(ask(&snapshot, V3, &json!({"amount_in": "1000000000000000000"})), r#"{"error":"outside_known_ticks"}"#);
}

#[test]
fn a_pool_without_a_price_says_so() {
    let mut fresh = document();
    for (field, value) in [("sqrt_price_x96", json!("0")), ("liquidity", json!("0")), ("ticks", json!([]))] {
        fresh["pools"][1][field] = value;
    }
    assert_eq!(ask(&loaded(&fresh), V3, &json!({"amount_in": "1"})), r#"{"error":"uninitialised_pool"}"#);
}

#[test]
fn a_market_survives_being_written_and_read() {
    let mut document = document();
    document["pools"][0]["fee_bps"] = Value::Null;
    document["pools"][0]["fee_ppm"] = json!(2501);
    let mut sound = loaded(&document);
    sound.pools.retain(|pool| matches!(pool.form, PoolForm::Sound { .. }));
    let replica = sound.to_replica().expect("a sound market");
    assert!(replica.is_tradable());
    assert!(matches!(replica.states()[1], PoolState::V3(_)));
    let text = to_json(&replica).expect("a whole market");
    let again = Snapshot::from_bytes(text.as_bytes()).expect("our own writing");
    assert_eq!((again.chain_id, again.block), (sound.chain_id, sound.block));
    assert_eq!((&again.tokens, &again.pools), (&sound.tokens, &sound.pools));
    let replica_again = again.to_replica().expect("a sound market");
    assert!(replica_again.is_same_state(&replica));
    assert_eq!(to_json(&replica_again), Some(text));
}
