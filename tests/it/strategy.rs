//! `strategy`: what there is, and a crate with one more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{alphapulse, folder, run};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/strategy");

#[test]
fn a_new_crate_is_the_template_by_another_name_and_cargo_takes_it() {
    let parent = folder();
    let crate_folder = parent.path().join("made");
    let made = run(["strategy", "new", "night_owl", "--dir", &crate_folder.display().to_string()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("next: cd ") && made.stdout.contains("demo --strategy night_owl"), "{made:?}");
    for file in ["README.md", "src/lib.rs", "src/main.rs", "tests/market.json", "tests/strategy.rs"] {
        let template = fs::read_to_string(Path::new(TEMPLATE).join(file)).expect("the template is whole");
        let expected = template.replace("own_strategy", "night_owl").replace("OwnStrategy", "NightOwl");
        assert_eq!(fs::read_to_string(crate_folder.join(file)).expect(file), expected, "{file}");
    }
    // Cargo reads it, and finds every dependency at the version that is locked here.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--manifest-path"])
        .arg(crate_folder.join("Cargo.toml"))
        .output()
        .expect("cargo starts");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("UTF-8");
    for name in ["night_owl ", "alphapulse ", "alphapulse-strategies ", "anyhow "] {
        assert!(tree.lines().any(|line| line.starts_with(name)), "no {name}in {tree}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_is_left_behind() {
    let parent = folder();
    let dir = |name: &str| parent.path().join(name).display().to_string();
    for name in ["", "Mine", "my-strategy", "1st", "../up"] {
        run(["strategy", "new", name, "--dir", &dir("a")]).must_fail(2, &["is no name", "next: "]);
    }
    for name in ["cyclic", "match", "struct", "deps", "market_event", "alphapulse_engine", "anyhow", "core"] {
        run(["strategy", "new", name, "--dir", &dir("a")]).must_fail(2, &["is taken", "next: "]);
    }
    let here = parent.path().display().to_string();
    run(["strategy", "new", "mine", "--dir", &here]).must_fail(2, &["is there already", "next: "]);
    run(["strategy", "new", "mine", "--dir", &dir("a"), "--source", &here])
        .must_fail(2, &["does not hold the sources", "--source"]);
    assert_eq!(fs::read_dir(parent.path()).expect("it is there").count(), 0);
}

/// The command of the template's own crate, which is built with the workspace.
fn own() -> PathBuf {
    let own = Path::new(alphapulse().get_program()).with_file_name("own_strategy");
    assert!(own.is_file(), "{} is built with the workspace: cargo test --workspace", own.display());
    own
}

#[test]
fn a_program_with_a_strategy_of_its_own_knows_it_everywhere() {
    let names = |ran: &str| -> Vec<String> {
        let kind = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["kind"].to_string();
        ran.lines().map(kind).collect()
    };
    let built_in = run(["strategy", "list", "--json"]);
    let ours: Vec<String> = alphapulse_new::BUILT_IN.iter().map(|name| format!("\"{name}\"")).collect();
    assert_eq!(names(&built_in.stdout), ours, "names that no crate may take");
    assert_eq!(names(&built_in.stdout), ["\"two_venue\"", "\"cyclic\"", "\"split\"", "\"joint\""]);
    let listed = Command::new(own()).args(["strategy", "list", "--json"]).output().expect("it starts");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    assert_eq!(names(&listed), ["\"two_venue\"", "\"cyclic\"", "\"split\"", "\"joint\"", "\"own_strategy\""]);
    run(["demo", "--strategy", "own_strategy"]).must_fail(2, &["two_venue", "cyclic", "known to its own program"]);
    run(["testnet", "validate", "--strategy", "own_strategy"]).must_fail(2, &["known to its own program"]);
    run(["demo", "--strategy", "cyclic", "--strategy", "cyclic"]).must_fail(2, &["twice"]);
}

#[test]
fn a_strategy_of_ones_own_trades_in_the_demo_and_is_replayed_by_its_program() {
    let folder = folder();
    let journal = folder.path().join("run");
    let demo = Command::new(own())
        .args([
            "demo",
            "--strategy",
            "own_strategy",
            "--blocks",
            "12",
            "--block-time",
            "0",
            "--seed",
            "7",
            "--json",
            "--journal",
        ])
        .arg(&journal)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&demo.stderr);
    assert_eq!(demo.status.code(), Some(0), "{said}");
    let summary: Value = serde_json::from_slice(&demo.stdout).expect("JSON");
    assert_eq!(summary["strategies"], serde_json::json!(["own_strategy"]));
    assert!(summary["included"].as_u64().is_some_and(|count| count > 0), "{summary}");
    let replayed = Command::new(own()).args(["replay", "--json"]).arg(&journal).output().expect("it starts");
    assert_eq!(replayed.status.code(), Some(0), "{}", String::from_utf8_lossy(&replayed.stderr));
    // A program without it says what it lacks.
    run(["replay", &journal.display().to_string()]).must_fail(1, &["own_strategy", "the program that made it"]);
}
