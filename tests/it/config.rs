//! `config`: the example is valid, every mistake is named with its place, and exit code 3 says so.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Ran, alphapulse, file, folder, run};

/// A folder with the example configuration, changed in places.
pub(crate) struct Configured {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

/// What `config init` writes.
pub(crate) fn example() -> String {
    let ran = run(["config", "init", "-"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.stdout
}

impl Configured {
    /// The example with each pair's first text replaced by its second; a text that is not there is a mistake.
    #[track_caller]
    pub(crate) fn with(changes: &[(&str, &str)]) -> Self {
        let mut text = example();
        for (from, to) in changes {
            assert!(text.contains(from), "the example does not say {from:?}");
            text = text.replacen(from, to, 1);
        }
        let folder = folder();
        let path = file(&folder, "node.toml", text);
        Self { folder, path }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let path = self.path.to_str().expect("test paths are UTF-8");
        run(arguments.iter().copied().chain(["--config", path]))
    }
}

#[test]
fn the_example_is_written_once_and_valid() {
    let folder = folder();
    let init = |code| {
        let output = alphapulse().args(["config", "init"]).current_dir(folder.path()).output().expect("it starts");
        let ran = Ran::from(output);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran
    };
    init(0);
    let path = folder.path().join("alphapulse.toml");
    let written = fs::read_to_string(&path).expect("just written");
    assert_eq!(written, example());
    init(1).must_fail(1, &["alphapulse.toml", "next: ", "not overwritten"]);
    let checked = run(["config", "check", path.to_str().expect("UTF-8")]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
}

/// Changes the example and checks that every command refuses it, naming this.
#[track_caller]
fn check_refused(from: &str, to: &str, said: &[&str]) {
    let configured = Configured::with(&[(from, to)]);
    for command in [&["config", "check"][..], &["config", "show"], &["run"], &["relay"], &["kill"]] {
        let ran = configured.run(command);
        ran.must_fail(3, &["error: ", "next: "]);
        ran.must_fail(3, said);
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let line = example().lines().position(|line| line.starts_with("gas_max")).expect("a limit of the example") + 1;
    check_refused(
        "gas_max =",
        "gas_maximum =",
        &[&format!("node.toml:{line}"), "unknown key `gas_maximum`; did you mean `gas_max`?"],
    );
}

#[test]
fn a_key_that_is_there_twice_is_named_with_its_section_and_line() {
    let line = example().lines().position(|line| line.starts_with("gas_max")).expect("a limit of the example") + 1;
    let said = [&format!("node.toml:{}", line + 1), "`risk.gas_max`", &format!("is set in line {line} already")];
    check_refused("market_age_max =", "gas_max = 7\nmarket_age_max =", &said);
}

#[test]
fn every_wrong_type_is_listed_at_once() {
    let changes = [("fee_max = \"100 gwei\"", "fee_max = 100"), ("id = 1 ", "id = \"1\" ")];
    let ran = Configured::with(&changes).run(&["config", "check", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    let mut keys: Vec<_> = answer["problems"].as_array().expect("a list").iter().map(|one| &one["key"]).collect();
    keys.sort_by_key(|key| key.to_string());
    assert_eq!(keys, ["chain.id", "risk.fee_max"], "{answer}");
}

#[test]
fn a_number_beyond_64_bits_is_told_its_range_and_no_type_of_the_program() {
    let range = "a whole number from 0 to 18446744073709551615";
    for number in
        ["18446744073709551616", "99999999999999999999999999", "99999999999999999999999999999999999999999999999999"]
    {
        for (from, to) in [("# sample_pools = 4 ", "sample_pools = "), ("id = 1 ", "id = ")] {
            let ran = Configured::with(&[(from, &format!("{to}{number} "))]).run(&["config", "check"]);
            ran.must_fail(3, &[range, "next: "]);
            assert!(
                !ran.stderr.contains("i128")
                    && !ran.stderr.contains("overflow")
                    && !ran.stderr.contains('`'.to_string().repeat(2).as_str()),
                "{ran:?}"
            );
        }
    }
    let small =
        Configured::with(&[("# sample_pools = 4 ", "sample_pools = -9223372036854775809 ")]).run(&["config", "check"]);
    small.must_fail(3, &["found -9223372036854775809, expected"]);
    assert!(!small.stderr.contains("i128"), "{small:?}");
}

#[test]
fn the_most_pools_of_a_sample_are_those_that_the_example_names() {
    assert!(example().contains("at most 256; 0 compares none"));
    for (count, code) in [(0, 0), (256, 0), (257, 3)] {
        let configured = Configured::with(&[("# sample_pools = 4 ", &format!("sample_pools = {count} "))]);
        let path = configured.path.to_str().expect("UTF-8");
        assert_eq!(run(["config", "check", path]).code, Some(code), "{count}");
    }
}

#[test]
fn a_missing_limit_is_named() {
    for limit in ["notional_max", "in_flight_max", "profit_min", "fee_max", "gas_max", "market_age_max", "loss_day_max"]
    {
        let example = example();
        let risk = example.split("[risk]").nth(1).expect("a section of the example");
        let line = risk.lines().find(|line| line.starts_with(limit)).unwrap_or_else(|| panic!("{limit} is shown"));
        let changed = format!("[risk]{}", risk.replacen(line, "", 1));
        check_refused(&format!("[risk]{risk}"), &changed, &[&format!("risk.{limit}")]);
    }
}

#[test]
fn a_quantity_without_a_unit_is_refused() {
    check_refused("fee_max = \"100 gwei\"", "fee_max = \"100\"", &["risk.fee_max"]);
    check_refused("fee_max = \"100 gwei\"", "fee_max = 100", &["risk.fee_max"]);
    check_refused("market_age_max = \"18s\"", "market_age_max = \"18\"", &["risk.market_age_max"]);
}

#[test]
fn what_is_no_toml_or_not_there_is_refused() {
    check_refused("[chain]", "[chain", &["node.toml:"]);
    let folder = folder();
    let absent = folder.path().join("absent.toml");
    run(["run", "--config", absent.to_str().expect("UTF-8")]).must_fail(3, &["absent.toml", "config init"]);
    Configured::with(&[]).run(&["run", "--profile", "reckless"]).must_fail(3, &["reckless"]);
}

#[test]
fn problems_are_listed_for_machines() {
    let configured = Configured::with(&[("fee_max = ", "fee_top = ")]);
    let ran = configured.run(&["config", "check", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let answer: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!(answer["ok"], false);
    let problem = &answer["problems"][0];
    assert_eq!(problem["key"], "risk.fee_top", "{answer}");
    for field in ["origin", "message", "next"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
}

#[test]
fn each_value_tells_where_it_was_set() {
    let configured = Configured::with(&[]);
    let output = alphapulse()
        .args(["config", "show", "--json", "--profile", "cautious", "--config"])
        .arg(&configured.path)
        .env("ALPHAPULSE__RISK__FEE_MAX", "50 gwei")
        .output()
        .expect("the command starts");
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let settings: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let origin = |key: &str| {
        let setting = settings.iter().find(|setting| setting["key"] == key);
        setting.unwrap_or_else(|| panic!("{key} is in force"))["origin"].as_str().expect("text").to_owned()
    };
    assert!(origin("risk.fee_max").contains("ALPHAPULSE__RISK__FEE_MAX"));
    assert!(origin("chain.id").contains("node.toml:"));
    assert!(origin("relay.silence").contains("default"));
    let text = configured.run(&["config", "show", "--origin"]);
    assert!(text.stdout.contains("node.toml:"), "{text:?}");
}

#[test]
fn a_variable_that_names_no_key_is_refused() {
    let configured = Configured::with(&[]);
    let output = alphapulse()
        .args(["config", "check", "--config"])
        .arg(&configured.path)
        .env("ALPHAPULSE__RISK__FEE_MAXIMUM", "50 gwei")
        .output()
        .expect("the command starts");
    Ran::from(output).must_fail(3, &["ALPHAPULSE__RISK__FEE_MAXIMUM"]);
}
