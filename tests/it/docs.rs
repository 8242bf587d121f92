//! The pages tell the truth: their commands exist, and their examples give what they say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::run;

const PAGES: [&str; 5] =
    ["README.md", "docs/OPERATING.md", "docs/SNAPSHOT.md", "docs/STRATEGIES.md", "CONTRIBUTING.md"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every `alphapulse …` of a page, in a block or between backticks.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    let spans = text.split('`').skip(1).step_by(2).map(str::to_owned);
    blocks.chain(spans).filter_map(|command| command.strip_prefix("alphapulse ").map(str::to_owned)).collect()
}

#[test]
fn every_command_on_a_page_exists_with_the_flags_that_it_is_given() {
    let mut count = 0;
    for page in PAGES {
        for command in commands(page) {
            let words: Vec<&str> = command.split_whitespace().take_while(|word| *word != "#").collect();
            let is_verb = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let verbs = words.iter().take_while(|word| !word.starts_with("--")).take_while(is_verb).copied();
            let help = run(verbs.chain(["--help"]));
            assert_eq!(help.code, Some(0), "{page}: alphapulse {command}: {help:?}");
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.stdout.contains(flag), "{page}: alphapulse {command} has no {flag}");
            }
            count += 1;
        }
    }
    assert!(count > 20, "the pages say little: {count}");
}

#[test]
fn the_example_snapshot_gives_quotes_and_a_route() {
    let example = |name: &str| repository().join("docs/examples").join(name).display().to_string();
    let market = example("market.json");
    let quoted = run(["quote", "--snapshot", &market, "--queries", &example("queries.ndjson")]);
    assert_eq!((quoted.code, quoted.stdout.lines().count()), (Some(0), 3), "{quoted:?}");
    // 997 x 2,000,000 / (1000 x 1000 + 997 x 1), in units of 10^-18 and rounded down, as the pair's contract does.
    assert_eq!(quoted.stdout.lines().next(), Some(r#"{"amount_out":"1992013962079806432986"}"#));
    assert!(!quoted.stdout.contains("error"), "{quoted:?}");
    let token = "0x00000000000000000000000000000000000000a1";
    let scan = ["scan", "--snapshot", &market, "--token", token, "--json"];
    let (routes, plan) = (run(scan), run(scan.iter().chain(&["--joint"])));
    assert_eq!((routes.code, plan.code), (Some(0), Some(0)), "{routes:?} {plan:?}");
    assert!(plan.stderr.contains("no trades together earn more than"), "{plan:?}");
}
