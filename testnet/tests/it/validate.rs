//! The whole path, measured: what was there was taken, what was taken is in the books, and the books are the chain's.

use alphapulse_testnet::session::SessionOptions;
use alphapulse_testnet::validate::{ValidateOptions, ValidationReport, validate};

use crate::kit::kit;

async fn run(blocks: u64, seed: u64) -> ValidationReport {
    let options = ValidateOptions { blocks, session: SessionOptions::standard(seed, None) };
    let report = validate(&kit(), &options, &mut |_| {}).await.expect("validation runs");
    eprintln!("{}", serde_json::to_string(&report).expect("report is JSON"));
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_passes_every_gate() {
    let report = run(40, 7).await;
    assert_eq!(report.failures, []);
    assert!(report.attainable_blocks > 20, "traders must leave something on most blocks: {report:?}");
    assert!(report.ledger_matches_chain && report.captured_share > 0.95);
    assert!(report.rejected > 0, "some opportunities must not be worth their gas: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_has_the_fields_that_its_readers_rely_on() {
    let report = serde_json::to_value(run(3, 1).await).expect("report is JSON");
    for field in
        ["blocks", "seed", "opportunities", "approved", "rejected", "submitted", "included", "reverted", "unknown"]
    {
        assert!(report[field].is_u64(), "{field}");
    }
    for field in ["predicted_profit_wei", "realised_profit_wei", "gas_spent_wei", "attainable_profit_wei"] {
        let text = report[field].as_str().unwrap_or_else(|| panic!("{field} is no string"));
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{field} is {text}");
    }
    assert!(report["captured_share"].is_f64() && report["ledger_matches_chain"].is_boolean());
    assert!(report["failures"].is_array());
}
