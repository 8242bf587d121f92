//! `snapshot convert` and `scan` on every block of recorded markets, against bounds computed by others.

use serde_json::Value;

use crate::auction::{data_json, unpacked_recording};
use crate::command::{file, folder, run};

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
/// A pool of concentrated liquidity in AMPL: against pairs of AMPL it shows a profit of several ether in every block,
/// which nobody takes, because the pool does not hold what it states.
const PHANTOM: &str = "0x86d257cdb7bc9c0df10e84c8709697f92770b335";
/// Relative tolerance that the bounds are stated with.
const BOUND_TOLERANCE: f64 = 1e-4;

fn ether(line: &str) -> f64 {
    let line: Value = serde_json::from_str(line).expect("JSON");
    line["profit"].as_str().expect("decimal text").parse::<f64>().expect("digits") / 1e18
}

fn check(blocks: &str) {
    let bounds = data_json(&format!("snapshots/tycho-recordings/{blocks}.arbitrage-bounds.json"));
    let (Some(bounds), Some(recording)) = (bounds, unpacked_recording(blocks)) else { return };
    let folder = folder();
    let recording = file(&folder, "recording.json", recording);
    let market = folder.path().join("market.json");
    let [recording, market] = [&recording, &market].map(|path| path.to_str().expect("test paths are UTF-8"));
    for of_block in bounds.as_array().expect("a list") {
        let block = of_block["block"].to_string();
        let bound = of_block["v2_and_v3"]["upper_bound_weth"].as_f64().expect("a number");
        let converted = run([
            "--log", "error", "snapshot", "convert", "--from", "tycho", recording, "--block", &block, "--out", market,
        ]);
        assert_eq!(converted.code, Some(0), "{converted:?}");
        for way in [&[][..], &["--joint"]] {
            let ran =
                run(["--log", "error", "scan", "--snapshot", market, "--token", WETH, "--json"].iter().chain(way));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let best = ran.lines().iter().map(|line| ether(line)).fold(0.0, f64::max);
            assert!(best <= bound * (1.0 + BOUND_TOLERANCE), "block {block}, {way:?}: {best} above {bound}");
            assert!(!ran.stdout.contains(PHANTOM), "block {block}, {way:?}");
        }
    }
}

#[test]
fn no_profit_passes_the_bound_of_its_block_from_24721174_on() {
    check("24721174-24721181");
}

#[test]
fn no_profit_passes_the_bound_of_its_block_from_24721394_on() {
    check("24721394-24721407");
}
