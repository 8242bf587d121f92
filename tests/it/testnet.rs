//! `testnet validate` and `replay` of what it recorded.

use serde_json::Value;

use crate::command::{folder, run};

#[test]
fn a_recorded_validation_replays_to_the_same_decisions() {
    let folder = folder();
    let journal = folder.path().join("run").to_str().expect("UTF-8").to_owned();
    let ran = run(["testnet", "validate", "--blocks", "12", "--seed", "2", "--journal", &journal, "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    // A dozen blocks are too few to hold the share that is captured to its gate; the rest must hold in any run.
    let failed: Vec<&str> = gates(&report).into_iter().filter(|gate| *gate != "captured_share").collect();
    assert_eq!(failed, Vec::<&str>::new(), "{report}");
    assert_eq!(ran.code, Some(i32::from(!gates(&report).is_empty())));
    for field in ["attainable_profit_wei", "captured_share", "reverted", "gas_spent_wei", "submitted"] {
        assert!(!report[field].is_null(), "{field} is missing: {report}");
    }
    assert_eq!(report["realised_profit_wei"], report["predicted_profit_wei"]);

    let replays: [Value; 2] = [0, 1].map(|_| {
        let ran = run(["replay", &journal, "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        serde_json::from_str(ran.lines().last().expect("a report")).expect("JSON")
    });
    let [first, second] = &replays;
    assert_eq!(first["decision_hash"], second["decision_hash"]);
    assert_eq!(first["opportunities"], report["opportunities"]);
    assert_eq!(first["matches_recording"], true);
    assert!(first["messages"].as_u64() > Some(0) && first["seconds"].is_number(), "{first}");
    check_decisions(&journal, report["opportunities"].as_u64().expect("a count"));
}

fn gates(report: &Value) -> Vec<&str> {
    let failures = report["failures"].as_array().expect("a list");
    failures.iter().map(|failure| failure["gate"].as_str().expect("a name")).collect()
}

/// Each opportunity of the run is told once, and judged.
fn check_decisions(journal: &str, opportunities: u64) {
    let ran = run(["replay", journal, "--json", "--decisions"]);
    let lines: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let found = lines.iter().filter(|line| line["opportunity"].is_u64()).count();
    assert_eq!(u64::try_from(found).expect("few"), opportunities);
    assert!(lines.iter().filter(|line| line["verdict_on"].is_u64()).count() >= found);
    let reason = lines.iter().find(|line| line["is_approved"] == false).expect("not all are worth their gas");
    assert!(reason["reason"].is_string(), "{reason}");
}
