//! `quote` on a real market: against the quoter contract's own answers, and the pair library's formula.

use alloy::primitives::U256;
use serde_json::{Value, json};

use crate::auction::{auction_snapshot, data_text};
use crate::command::{file, folder, run};

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
    let (Some(snapshot), Some(rows)) = (auction_snapshot(), data_text(QUOTES)) else { return };
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert!(rows.len() >= 3516);
    let asked: Vec<Value> = rows.iter().map(|row| row_query(&snapshot, row)).collect();
    let mut partial = 0;
    for (row, answer) in rows.iter().zip(ask(&snapshot, &asked)) {
        if row.get("exactOut").is_some() {
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
    assert!(partial >= 400);
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
            let kept = U256::from(10_000 - pool["fee_bps"].as_u64().expect("a number"));
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

/// `UniswapV2Library.getAmountOut`, with the fee as ten-thousandths kept; the auction has pairs that are empty.
fn get_amount_out(amount: U256, [reserve_in, reserve_out]: [U256; 2], kept: U256) -> Value {
    if reserve_in.is_zero() || reserve_out.is_zero() {
        return json!({"error": "insufficient_liquidity"});
    }
    let paid = amount * kept;
    json!({"amount_out": (paid * reserve_out / (reserve_in * U256::from(10_000) + paid)).to_string()})
}

/// `UniswapV2Library.getAmountIn`.
fn get_amount_in(wanted: U256, [reserve_in, reserve_out]: [U256; 2], kept: U256) -> Value {
    if wanted >= reserve_out {
        return json!({"error": "insufficient_liquidity"});
    }
    let owed = reserve_in * wanted * U256::from(10_000) / ((reserve_out - wanted) * kept) + U256::from(1);
    json!({"amount_in": owed.to_string()})
}

#[test]
fn pools_read_at_two_blocks_are_refused_and_other_kinds_are_named() {
    let Some(snapshot) = auction_snapshot() else { return };
    let pools = snapshot["pools"].as_array().expect("a list");
    let concentrated: Vec<&Value> = pools.iter().filter(|pool| pool["kind"] == "uniswap_v3").collect();
    let asked: Vec<Value> = concentrated.iter().map(|pool| query(pool, true, "amount_in", &json!("1000000"))).collect();
    for (pool, answer) in concentrated.iter().zip(ask(&snapshot, &asked)) {
        let address = pool["address"].as_str().expect("an address");
        let is_listed = INCONSISTENT.iter().any(|prefix| address.starts_with(prefix));
        assert_eq!(answer["error"] == "inconsistent_pool", is_listed, "{address}: {answer}");
    }
    // The auction's own form of a weighted pool is not that of the format.
    let other = pools.iter().find(|pool| pool["kind"] == "balancer_weighted").expect("the auction has some");
    let question = json!({"pool": other["address"], "token_in": concentrated[0]["tokens"][0],
        "token_out": concentrated[0]["tokens"][1], "amount_in": "1"});
    assert_eq!(ask(&snapshot, &[question]), [json!({"error": "malformed_pool"})]);
}

fn number(text: &Value) -> U256 {
    text.as_str().expect("decimal text").parse().expect("digits")
}
