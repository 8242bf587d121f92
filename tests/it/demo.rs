//! `demo`: profit on a real chain, books equal to it, and a tidy end however it comes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use alphapulse_testnet::mainnet_block::{KNOWN_ARBITRAGE, RecordedBlock};
use serde_json::Value;

use crate::command::{Ran, alphapulse, run};

#[test]
fn a_demo_earns_on_chain_what_its_books_say() {
    let ran = run(["demo", "--blocks", "10", "--seed", "7", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let summary: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    let number = |field: &str| -> i128 {
        summary[field].as_str().expect("decimal text").parse().unwrap_or_else(|_| panic!("{field} of {summary}"))
    };
    assert!(number("realised_profit_wei") > 0, "{summary}");
    assert_eq!(number("profit_address_change_wei"), number("realised_profit_wei"));
    assert_eq!(number("gas_account_change_wei"), -number("gas_spent_wei"));
    assert_eq!(number("predicted_profit_wei"), number("realised_profit_wei"));
    assert_eq!((&summary["ledger_matches_chain"], &summary["unknown"]), (&true.into(), &0.into()));
    assert_eq!(summary["blocks"], 10, "{summary}");
    assert!(summary["closing_blocks"].as_u64() > Some(0), "{summary}");
}

#[test]
fn without_a_terminal_a_demo_is_plain_lines_and_a_summary() {
    let ran = run(["demo", "--blocks", "6", "--seed", "3"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let blocks = ran.lines().iter().filter(|line| line.starts_with("block ")).count();
    assert!(blocks >= 6, "{ran:?}");
    let closing = blocks - 6;
    let count = format!(
        "AlphaPulse demo: 6 blocks with traders, and {closing} after them in which the last trades landed, seed 3"
    );
    assert!(ran.stdout.contains(&count), "{ran:?}");
    assert!(ran.stdout.contains("  landed +"), "{ran:?}");
    assert_eq!(ran.stdout.matches("equal to the books, to the wei").count(), 2, "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "no terminal codes in a pipe: {ran:?}");
}

/// A signal as Ctrl-C or a service manager sends it.
fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
    assert!(status.success());
}

#[test]
fn an_interrupted_demo_lets_its_trades_land_and_still_settles_the_books() {
    for name in ["INT", "TERM"] {
        let mut child = alphapulse()
            .args(["demo", "--blocks", "100000", "--block-time", "20"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        while said.matches("block ").count() < 3 {
            assert_ne!(stdout.read_line(&mut said).expect("readable"), 0, "{said}");
        }
        signal(&child, name);
        std::io::Read::read_to_string(&mut stdout, &mut said).expect("readable");
        let ran = Ran::from(child.wait_with_output().expect("the command ends"));
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert_eq!(said.matches("equal to the books, to the wei").count(), 2, "{said}");
    }
}

#[test]
fn a_recorded_block_is_followed_transaction_by_transaction() {
    if let Err(error) = RecordedBlock::load(KNOWN_ARBITRAGE.block) {
        eprintln!("ignored: {error}");
        return;
    }
    let ran = run(["demo", "--block", "18884864", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!(report["differences"], Value::Array(Vec::new()));
    let found: u128 = report["known_found_wei"].as_str().expect("found").parse().expect("digits");
    assert!(found >= 408_718_261_937_504_256, "{report}");
}

#[test]
fn a_block_that_is_not_recorded_says_where_it_was_looked_for() {
    run(["demo", "--block", "1"]).must_fail(1, &["block 1", "ALPHAPULSE_DATA", "next: "]);
    run(["demo", "--block", "1", "--seed", "2"]).must_fail(2, &["--seed"]);
}
