//! `quote` on real markets that `snapshot convert` wrote: against the quoter contract's own answers, the pair library's
//! formula, and two programs for Balancer's maths.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use serde_json::{Value, json};

use crate::auction::{Converted, auction, auction_snapshot, data_lines, recording};
use crate::command::{file, folder, run};

const MATHS: &str = "snapshots/cow-auction/balancer-math.ndjson.gz";
const QUOTES: &str = "snapshots/cow-auction/v3-quotes.ndjson.gz";
/// Pools whose ticks were read at another block than their liquidity, by the data's own description.
const INCONSISTENT: [&str; 6] = ["0x4e68ccd3", "0x5777d92f", "0x88e6a0c2", "0x8ad599c3", "0x99ac8ca7", "0xcbcdf962"];

/// Asks the command all queries at once; one answer each.
fn ask(snapshot: &Value, queries: &[Value]) -> Vec<Value> {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot.to_string());
    let lines: Vec<String> = queries.iter().map(Value::to_string).collect();
    let queries = file(&folder, "queries.ndjson", lines.join("\n"));
    let [snapshot, queries] = [snapshot, queries].map(|path| path.into_os_string().into_string().expect("UTF-8"));
    let ran = run(["quote", "--snapshot", &snapshot, "--queries", &queries, "--log", "error"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let answers: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), lines.len());
    answers
}

fn pool<'a>(snapshot: &'a Value, address: &str) -> &'a Value {
    let pools = snapshot["pools"].as_array().expect("a list of pools");
    pools.iter().find(|pool| pool["address"] == address).expect("the quotes are of pools in the auction")
}

fn query(pool: &Value, zero_for_one: bool, field: &str, amount: &Value) -> Value {
    let tokens = &pool["tokens"];
    let (token_in, token_out) = if zero_for_one { (&tokens[0], &tokens[1]) } else { (&tokens[1], &tokens[0]) };
    json!({"pool": pool["address"], "token_in": token_in, "token_out": token_out, field: amount})
}

#[test]
fn concentrated_pools_answer_as_the_quoter_contract() {
    let (Some(snapshot), Some(rows)) = (auction_snapshot(), data_lines(QUOTES)) else { return };
    assert!(rows.len() >= 3516);
    assert!(check_v3_rows(&snapshot, &rows) >= 400);
}

/// Checks every row against the command; returns how many fill the pool.
fn check_v3_rows(snapshot: &Value, rows: &[Value]) -> usize {
    let asked: Vec<Value> = rows.iter().map(|row| row_query(snapshot, row)).collect();
    let mut partial = 0;
    for (row, answer) in rows.iter().zip(ask(snapshot, &asked)) {
        if row.get("error").is_some() {
            assert!(answer.get("error").is_some(), "{row}: {answer}");
        } else if row.get("exactOut").is_some() {
            assert_eq!(answer, json!({"amount_in": row["amountIn"]}), "{row}");
        } else if row.get("partialFill").is_some() {
            assert_eq!((&answer["amount_out"], &answer["partial_fill"]), (&row["amountOut"], &json!(true)), "{row}");
            assert!(number(&answer["amount_in"]) < number(&row["exactIn"]), "{row}: {answer}");
            partial += 1;
        } else {
            assert_eq!(answer, json!({"amount_out": row["amountOut"]}), "{row}");
        }
    }
    eprintln!("{} quotes of V3 pools checked, {partial} of them filled in part", rows.len());
    partial
}

fn row_query(snapshot: &Value, row: &Value) -> Value {
    let pool = pool(snapshot, row["address"].as_str().expect("an address"));
    let zero_for_one = row["zeroForOne"].as_bool().expect("a flag");
    match row.get("exactIn") {
        Some(amount) => query(pool, zero_for_one, "amount_in", amount),
        None => query(pool, zero_for_one, "amount_out", &row["exactOut"]),
    }
}

#[test]
fn constant_product_pools_answer_as_the_pair_library() {
    let Some(snapshot) = auction_snapshot() else { return };
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for pool in snapshot["pools"].as_array().expect("a list").iter().filter(|pool| pool["kind"] == "uniswap_v2") {
        for zero_for_one in [true, false] {
            let reserves = [0, 1].map(|index| number(&pool["reserves"][usize::from((index == 0) != zero_for_one)]));
            let kept = U256::from(1_000_000) - number(&pool["fee_ppm"]);
            for amount in [U256::from(1), reserves[0] / U256::from(1000), reserves[0] * U256::from(3)] {
                let amount = amount.max(U256::from(1));
                asked.push(query(pool, zero_for_one, "amount_in", &json!(amount.to_string())));
                expected.push(get_amount_out(amount, reserves, kept));
            }
            let wanted = (reserves[1] / U256::from(7)).max(U256::from(1));
            asked.push(query(pool, zero_for_one, "amount_out", &json!(wanted.to_string())));
            expected.push(get_amount_in(wanted, reserves, kept));
        }
    }
    assert!(asked.len() >= 351 * 8);
    for ((answer, expected), query) in ask(&snapshot, &asked).iter().zip(&expected).zip(&asked) {
        assert_eq!(answer, expected, "{query}");
    }
}

/// `UniswapV2Library.getAmountOut`, with the fee as millionths kept; the auction has pairs that are empty.
fn get_amount_out(amount: U256, [reserve_in, reserve_out]: [U256; 2], kept: U256) -> Value {
    if reserve_in.is_zero() || reserve_out.is_zero() {
        return json!({"error": "insufficient_liquidity"});
    }
    let paid = amount * kept;
    json!({"amount_out": (paid * reserve_out / (reserve_in * U256::from(1_000_000) + paid)).to_string()})
}

/// `UniswapV2Library.getAmountIn`.
fn get_amount_in(wanted: U256, [reserve_in, reserve_out]: [U256; 2], kept: U256) -> Value {
    if wanted >= reserve_out {
        return json!({"error": "insufficient_liquidity"});
    }
    let owed = reserve_in * wanted * U256::from(1_000_000) / ((reserve_out - wanted) * kept) + U256::from(1);
    json!({"amount_in": owed.to_string()})
}

#[test]
fn every_pool_of_the_auction_is_quoted_or_named_with_the_reason() {
    let Some(converted) = auction("special_cases") else { return };
    let snapshot = &converted.snapshot;
    let (pools, left_out) = (snapshot["pools"].as_array().expect("a list"), &snapshot["left_out"]);
    // Six bootstrapping pools, whose weights the auction rounds and which move.
    let left_out = left_out.as_array().expect("a list");
    assert_eq!((pools.len(), left_out.len()), (836, 6));
    for pool in left_out {
        assert_eq!(pool["kind"], "WeightedProduct");
        assert!(pool["reason"].as_str().expect("text").contains("weights are not one together"), "{pool}");
        assert!(converted.stderr.contains(pool["pool"].as_str().expect("an address")), "{pool}");
    }
    let asked: Vec<Value> = pools.iter().flat_map(|pool| [true, false].map(|way| probe(pool, way))).collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (answer, (pool, is_first)) in
        ask(snapshot, &asked).iter().zip(pools.iter().flat_map(|pool| [(pool, true), (pool, false)]))
    {
        let address = pool["address"].as_str().expect("an address");
        let is_listed = INCONSISTENT.iter().any(|prefix| address.starts_with(prefix));
        assert_eq!(answer["error"] == "inconsistent_pool", is_listed, "{address}: {answer}");
        assert_eq!(converted.stderr.contains(&format!("({address}): inconsistent")), is_listed, "{address}");
        // Some pools of the auction are empty, and prices of some V3 pools stand where there is no liquidity left.
        let is_empty = pool["balances"].as_array().is_some_and(|held| held.contains(&json!("0")));
        let is_quoted = match answer.get("error") {
            None => answer.get("amount_out").is_some(),
            Some(error) => *error == "insufficient_liquidity" || (is_empty && *error == "invalid_pool_state"),
        };
        assert!(is_quoted || is_listed, "{address}: {answer}");
        *counts.entry(pool["kind"].as_str().expect("text")).or_default() += usize::from(is_first && is_quoted);
    }
    let expected = [("balancer_stable", 7), ("balancer_weighted", 179), ("uniswap_v2", 351), ("uniswap_v3", 293)];
    assert_eq!(counts, BTreeMap::from(expected), "842 pools but for six that move and six that contradict themselves");
}

/// A swap of a thousandth of what the pool has, or of a little where the file does not say how much that is.
fn probe(pool: &Value, zero_for_one: bool) -> Value {
    let held = [&pool["reserves"], &pool["balances"]].into_iter().find_map(Value::as_array);
    let place = usize::from(!zero_for_one);
    let amount = held.map_or(U256::from(1_000_000), |held| number(&held[place]) / U256::from(1_000));
    query(pool, zero_for_one, "amount_in", &json!(amount.max(U256::from(1)).to_string()))
}

#[test]
fn converted_balancer_pools_answer_as_two_programs_reckon() {
    let Some(rows) = data_lines(MATHS) else { return };
    for (powers, out, input) in [("log_exp", "outSor", "inSor"), ("special_cases", "outMathsV3", "inMathsV3")] {
        let Some(Converted { snapshot, .. }) = auction(powers) else { return };
        let pools: BTreeMap<&str, &Value> = snapshot["pools"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pool| (pool["address"].as_str().expect("text"), pool))
            .collect();
        let left_out = |row: &Value| !pools.contains_key(row["pool"].as_str().expect("an address"));
        let (mut asked, mut expected, mut skipped) = (Vec::new(), Vec::new(), BTreeMap::new());
        for row in &rows {
            if left_out(row) {
                *skipped.entry("pools that move").or_insert(0) += columns(row).len();
                continue;
            }
            let pool = pools[row["pool"].as_str().expect("an address")];
            for (field, amount) in columns(row) {
                // Stable pools have one program's results only.
                let result = if row["kind"] == "stable" {
                    "outSor"
                } else if *field == "amount_in" {
                    out
                } else {
                    input
                };
                if !has_the_row_s_balances(row, pool) {
                    *skipped.entry("rates that the auction rounds").or_insert(0) += 1;
                    continue;
                }
                if row[amount] == "0" {
                    *skipped.entry("amounts of nothing, which the vault refuses").or_insert(0) += 1;
                    continue;
                }
                match BalancerRow::of(row, pool).question(field, &row[amount], &row[result]) {
                    Some((question, answer)) => {
                        asked.push(question);
                        expected.push((answer, row));
                    }
                    None => *skipped.entry("amounts that are no whole units of the token").or_insert(0) += 1,
                }
            }
        }
        let total = rows.iter().map(|row| columns(row).len()).sum::<usize>();
        eprintln!("{powers}: {} of {total} amounts of Balancer pools checked, skipped {skipped:?}", asked.len());
        assert_eq!(asked.len() + skipped.values().sum::<usize>(), total);
        assert!(asked.len() >= 2_400, "{}", asked.len());
        for ((answer, (expected, row)), question) in ask(&snapshot, &asked).iter().zip(&expected).zip(&asked) {
            assert_eq!(answer, expected, "{powers}: {question} for {row}");
        }
    }
}

/// Whether what the pool reckons with is what the row's program reckoned with: not where a rate was rebuilt from its reciprocal.
fn has_the_row_s_balances(row: &Value, pool: &Value) -> bool {
    let scaled = row["balancesScaled18"].as_array().into_iter().flatten();
    scaled.enumerate().all(|(place, scaled)| {
        let raw = number(&pool["balances"][place]) * number(&pool["scaling_factors"][place]);
        raw / U256::from(10_u64.pow(18)) == number(scaled)
    })
}

/// Field of the question, and the row's amount for it.
fn columns(row: &Value) -> &'static [(&'static str, &'static str)] {
    let both: &[_] = &[("amount_in", "amountInAfterFee"), ("amount_out", "amountOut")];
    if row["kind"] == "weighted" { both } else { &both[..1] }
}

/// A row of the maths file, in units of `10^-18` and without fee, against a pool in raw units and with its fee.
struct BalancerRow<'a> {
    pool: &'a Value,
    token_in: &'a str,
    token_out: &'a str,
    /// What a raw unit of each token is in the pool's own, times `10^18`.
    factors: [U256; 2],
    fee: U256,
}

impl<'a> BalancerRow<'a> {
    fn of(row: &'a Value, pool: &'a Value) -> Self {
        let tokens = pool["tokens"].as_array().expect("a list");
        let named =
            |place: &str| tokens[usize::try_from(row[place].as_u64().expect("an index")).expect("few")].as_str();
        let (token_in, token_out) = match row["kind"].as_str() {
            Some("weighted") => (row["tokenIn"].as_str(), row["tokenOut"].as_str()),
            _ => (named("i"), named("j")),
        };
        let (token_in, token_out) = (token_in.expect("an address"), token_out.expect("an address"));
        let factors = [token_in, token_out].map(|token| {
            let place = tokens.iter().position(|entry| entry == token).expect("a token of the pool");
            number(&pool["scaling_factors"][place])
        });
        Self { pool, token_in, token_out, factors, fee: number(&pool["swap_fee"]) }
    }

    /// The question whose amount is the row's once scaled and without fee, and its answer; `None` where there is none.
    fn question(&self, field: &str, amount: &Value, result: &Value) -> Option<(Value, Value)> {
        let one = U256::from(10_u64.pow(18));
        let [factor_in, factor_out] = self.factors;
        let factor = if field == "amount_in" { factor_in } else { factor_out };
        let raw = (number(amount) * one).div_ceil(factor);
        if raw * factor / one != number(amount) {
            return None;
        }
        let left = one - self.fee;
        let (raw, answer) = if field == "amount_in" {
            // What is left of it is the row's amount: the fee is rounded up.
            let paid = (raw * one).div_ceil(left);
            let is_it = |paid: &U256| *paid - (*paid * self.fee).div_ceil(one) == raw;
            let paid = [paid, paid - U256::from(1), paid + U256::from(1)].into_iter().find(is_it);
            (
                paid.expect("every amount is left of some"),
                json!({"amount_out": (number(result) * one / factor_out).to_string()}),
            )
        } else {
            let paid = ((number(result) * one).div_ceil(factor_in) * one).div_ceil(left);
            (raw, json!({"amount_in": paid.to_string()}))
        };
        let pool = &self.pool["pool_id"];
        let question =
            json!({"pool": pool, "token_in": self.token_in, "token_out": self.token_out, field: raw.to_string()});
        Some((question, answer))
    }
}

#[test]
fn recorded_markets_are_converted_and_answer_as_the_sdk() {
    for (blocks, pools, rows_count) in [("24721174-24721181", 1_347, 2_414), ("24721394-24721407", 1_350, 2_406)] {
        let rows = data_lines(&format!("snapshots/tycho-recordings/{blocks}.v3-quotes.ndjson.gz"));
        let (Some(Converted { snapshot, stderr }), Some(rows)) = (recording(blocks), rows) else { return };
        assert_eq!(snapshot["pools"].as_array().expect("a list").len(), pools);
        assert_eq!(snapshot["block"]["number"].to_string(), blocks[..8]);
        assert!(!stderr.contains("written, but"), "every pool is sound: {stderr}");
        for (kind, count) in [("FluidV1", 22), ("EkuboState", 6), ("ERC4626State", 1)] {
            assert!(stderr.contains(&format!("{count} of {kind}: the format has no kind for it")), "{stderr}");
        }
        assert_eq!(rows.len(), rows_count);
        check_v3_rows(&snapshot, &rows);
        let asked: Vec<Value> =
            snapshot["pools"].as_array().expect("a list").iter().map(|pool| probe(pool, true)).collect();
        for answer in ask(&snapshot, &asked) {
            assert!(answer.get("amount_out").is_some() || answer["error"] == "insufficient_liquidity", "{answer}");
        }
    }
}

fn number(text: &Value) -> U256 {
    text.as_str().expect("decimal text").parse().expect("digits")
}
