//! Every noun explains itself.

use crate::command::run;

/// Subcommands that `--help` lists, found by asking: a new one cannot escape the test.
fn nouns(path: &[&str]) -> Vec<String> {
    let ran = run(path.iter().copied().chain(["--help"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let commands = ran.stdout.split("Commands:\n").nth(1).unwrap_or("");
    commands
        .lines()
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  "))
        // What is indented further continues the description above.
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|noun| noun != "help")
        .collect()
}

#[test]
fn every_noun_has_help_with_examples() {
    let top = nouns(&[]);
    assert!(top.len() >= EXPECTED.len(), "{top:?}");
    for noun in EXPECTED {
        assert!(top.iter().any(|known| known == noun), "{noun} is missing from {top:?}");
    }
    for noun in &top {
        let verbs = nouns(&[noun]);
        check_help(&[noun]);
        for verb in &verbs {
            check_help(&[noun, verb]);
        }
    }
}

const EXPECTED: [&str; 12] =
    ["demo", "testnet", "run", "relay", "replay", "quote", "scan", "snapshot", "strategy", "wallet", "config", "kill"];

fn check_help(path: &[&str]) {
    let ran = run(path.iter().copied().chain(["--help"]));
    assert_eq!(ran.code, Some(0), "{path:?}");
    assert!(ran.stdout.contains("Examples:"), "{path:?} has no examples");
    assert!(ran.stderr.is_empty(), "{path:?}");
}

#[test]
fn a_misspelt_noun_is_a_usage_error() {
    run(["qoute"]).must_fail(2, &["qoute"]);
    run::<&str>([]).must_fail(2, &["Usage"]);
    run(["quote", "--snapshot"]).must_fail(2, &["--snapshot"]);
}

#[test]
fn a_bad_log_filter_is_a_usage_error() {
    for level in ["alphapulse=loud", "warning", "info,verbos"] {
        let ran = run(["--log", level, "quote", "--snapshot", "x", "--queries", "-"]);
        ran.must_fail(2, &["--log", "no log filter", "next: "]);
    }
}

#[test]
fn a_number_below_zero_is_a_wrong_value_of_its_flag() {
    let tail = run(["journal", "tail", "x", "--lines", "-1"]);
    tail.must_fail(2, &["invalid value '-1' for '--lines <N>'"]);
    run(["journal", "cut", "x", "--to", "y", "--from-block", "-3"])
        .must_fail(2, &["invalid value '-3'", "--from-block"]);
    run(["scan", "--max-hops", "-2"]).must_fail(2, &["invalid value '-2'", "--max-hops"]);
}

#[test]
fn an_address_whose_checksum_is_wrong_is_mistyped() {
    let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let wrong = right.replace("BeAed", "BeAeD");
    let code = |owner: &str| run(["executor", "code", "--config", "nowhere.toml", "--owner", owner]);
    code(&wrong).must_fail(2, &["--owner", "right checksum"]);
    assert!(!code(right).stderr.contains("checksum"));
}
