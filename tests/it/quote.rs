//! `quote`: order, answers to bad lines, bad files, exit codes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::command::{Ran, alphapulse, file, folder, run, run_reading};

const POOL: &str = "0x00000000000000000000000000000000000000aa";
const TOKEN_0: &str = "0x0000000000000000000000000000000000000001";
const TOKEN_1: &str = "0x0000000000000000000000000000000000000002";

/// A market of one pair with reserves 1,000,000 and 2,000,000.
fn snapshot() -> String {
    format!(
        r#"{{"format":"alphapulse.snapshot/1","chain_id":1,"block":{{"number":1}},
 "tokens":[{{"address":"{TOKEN_0}","symbol":"A","decimals":18}},{{"address":"{TOKEN_1}","symbol":"B","decimals":18}}],
 "pools":[{{"kind":"uniswap_v2","address":"{POOL}","tokens":["{TOKEN_0}","{TOKEN_1}"],"fee_bps":30,"reserves":["1000000","2000000"]}}]}}"#
    )
}

fn query(field: &str, amount: &str) -> String {
    format!(r#"{{"pool":"{POOL}","token_in":"{TOKEN_0}","token_out":"{TOKEN_1}","{field}":"{amount}"}}"#)
}

fn quote(snapshot: &Path, queries: &Path) -> Ran {
    let [snapshot, queries] = [snapshot, queries].map(|path| path.to_str().expect("test paths are UTF-8"));
    run(["quote", "--snapshot", snapshot, "--queries", queries])
}

/// Quotes against a snapshot of these bytes, which must fail.
#[track_caller]
fn check_snapshot_refused(bytes: impl AsRef<[u8]>, said: &[&str]) {
    let folder = folder();
    let snapshot = file(&folder, "market.json", bytes);
    let queries = file(&folder, "queries.ndjson", query("amount_in", "1000"));
    let ran = quote(&snapshot, &queries);
    ran.must_fail(1, &["error: ", "market.json", "next: "]);
    ran.must_fail(1, said);
    assert!(ran.stdout.is_empty(), "{ran:?}");
}

#[test]
fn answers_come_in_the_order_of_the_queries() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let lines = [
        query("amount_in", "1000"),
        query("amount_out", "2000000"),
        query("amount_out", "1992"),
        query("amount_in", "1000").replace(POOL, TOKEN_0),
    ];
    let queries = file(&folder, "queries.ndjson", lines.join("\n"));
    let ran = quote(&snapshot, &queries);
    let expected = [
        r#"{"amount_out":"1992"}"#,
        r#"{"error":"insufficient_liquidity"}"#,
        r#"{"amount_in":"1000"}"#,
        r#"{"error":"unknown_pool"}"#,
    ];
    assert_eq!(ran.lines(), expected);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "an error answer is an answer");

    let piped = run_reading(["quote", "--snapshot", snapshot.to_str().expect("UTF-8"), "--queries", "-"], &queries);
    assert_eq!(piped.stdout, ran.stdout);
}

#[test]
fn a_line_that_is_no_query_is_answered_in_its_place_and_gives_exit_code_2() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let good = query("amount_in", "1000");
    let long = format!(r#"{{"pool":"{}"}}"#, "0".repeat(2 << 20));
    let lines = [good.as_str(), "not json", "", &query("amount_in", "-5"), &long, good.as_str()];
    let ran = quote(&snapshot, &file(&folder, "queries.ndjson", lines.join("\n") + "\n"));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let answers: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), 5, "the blank line is no query and no answer");
    assert_eq!((&answers[0], &answers[4]), (&answers[4], &answers[0]));
    assert_eq!(answers[0]["amount_out"], "1992");
    for (answer, line) in [(&answers[1], 2), (&answers[2], 4), (&answers[3], 5)] {
        assert_eq!((&answer["error"], &answer["line"]), (&"malformed_query".into(), &line.into()));
        assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
    }
}

/// One number, that of the line in the file, and no word of the parser's.
#[test]
fn what_is_wrong_with_a_line_is_said_in_the_format_s_words() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let good = query("amount_in", "1000");
    let list = format!(r#"["{POOL}","{TOKEN_0}","{TOKEN_1}","1000",null]"#);
    let twice = good.replace("{", &format!(r#"{{"pool":"{POOL}","#));
    let lines = [
        ("not json", "no JSON object"),
        (&list, "no JSON object"),
        (&good[..40], "ends before"),
        (&good.replace(':', ""), "not valid JSON"),
        (&good.replace("token_in", "token_inn"), "`token_in` is missing"),
        (&good.replace(&format!("\"{POOL}\""), "5"), "`pool` is not text: 5"),
        (&query("amount_in", "-5"), "`amount_in` is no natural number as decimal text: \"-5\""),
        (&good.replace("\"1000\"", "1.5"), "`amount_in` is no natural number as decimal text: 1.5"),
        (&twice, "twice"),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let ran = quote(&snapshot, &file(&folder, "queries.ndjson", text));
    assert_eq!((ran.code, ran.lines().len()), (Some(2), lines.len()), "{ran:?}");
    for ((answer, (line, said)), number) in ran.lines().iter().zip(lines).zip(1..) {
        let answer: Value = serde_json::from_str(answer).expect("JSON");
        assert_eq!((&answer["error"], &answer["line"]), (&"malformed_query".into(), &number.into()));
        let detail = answer["detail"].as_str().expect("text");
        assert!(detail.contains(said), "{line}: {detail}");
        for word in ["line", "column", "struct", "expected", "QueryLine"] {
            assert!(!detail.contains(word), "{line}: {detail}");
        }
    }
}

#[test]
fn a_mark_of_the_encoding_at_the_beginning_is_no_part_of_the_first_query() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let good = query("amount_in", "1000");
    let ran = quote(&snapshot, &file(&folder, "queries.ndjson", format!("\u{feff}{good}\n{good}\n")));
    assert_eq!((ran.code, ran.lines()), (Some(0), vec![r#"{"amount_out":"1992"}"#; 2]), "{ran:?}");
    let ran = quote(&snapshot, &file(&folder, "queries.ndjson", format!("{good}\n\u{feff}{good}\n")));
    assert_eq!(ran.code, Some(2), "only there: {ran:?}");
}

#[test]
fn someone_who_waits_for_an_answer_before_asking_on_gets_it() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let mut child = alphapulse()
        .args(["quote", "--snapshot", snapshot.to_str().expect("UTF-8"), "--queries", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    for (amount, expected) in [("1000", "1992"), ("2000", "3980")] {
        writeln!(stdin, "{}", query("amount_in", amount)).expect("the command reads");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("the command answers");
        assert_eq!(answer.trim(), format!(r#"{{"amount_out":"{expected}"}}"#));
    }
    drop(stdin);
    assert!(child.wait().expect("the command ends").success());
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_quietly() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let queries = file(&folder, "queries.ndjson", (query("amount_in", "1000") + "\n").repeat(20_000));
    let mut child = alphapulse()
        .args(["quote", "--snapshot", snapshot.to_str().expect("UTF-8")])
        .args(["--queries", queries.to_str().expect("UTF-8")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().expect("the command ends"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_damaged_or_foreign_snapshot_names_the_place_and_the_next_action() {
    let whole = snapshot();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(whole.as_bytes()).expect("a Vec takes every write");
    let packed = encoder.finish().expect("a Vec takes every write");
    check_snapshot_refused(&packed[..packed.len() / 2], &["gzip data is damaged or cut short"]);
    check_snapshot_refused(&whole[..whole.len() / 2], &["not valid JSON", "line "]);
    check_snapshot_refused(whole.replace("snapshot/1", "snapshot/9"), &["`format` is \"alphapulse.snapshot/9\""]);
    check_snapshot_refused(whole.replace("\"2000000\"", "\"2oooooo\""), &["pools[0].reserves[1]", POOL, "2oooooo"]);
    check_snapshot_refused(whole.replace("\"fee_bps\":30,", ""), &["pools[0].fee_bps", "is missing"]);
    check_snapshot_refused("", &["not valid JSON"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = folder();
    let snapshot = file(&folder, "market.json", snapshot());
    let absent = folder.path().join("absent.json");
    quote(&absent, &snapshot).must_fail(1, &["absent.json", "next: ", "takes an alphapulse.snapshot/1 file"]);
    quote(&snapshot, &absent).must_fail(1, &["absent.json", "next: "]);
}

#[test]
fn a_pool_that_contradicts_itself_is_refused_and_told_of() {
    let folder = folder();
    let broken = snapshot().replace("\"2000000\"", &format!("\"{}\"", "9".repeat(40)));
    let queries = file(&folder, "queries.ndjson", query("amount_in", "1000"));
    let ran = quote(&file(&folder, "market.json", broken), &queries);
    assert_eq!((ran.code, ran.lines()), (Some(0), vec![r#"{"error":"inconsistent_pool"}"#]));
    assert!(ran.stderr.contains(POOL) && ran.stderr.contains("reserves"), "{ran:?}");
}
