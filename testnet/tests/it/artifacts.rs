//! Committed contract artifacts are what their sources compile to.

use std::process::Command;

use crate::kit::kit;

#[test]
fn committed_artifacts_are_reproduced_by_the_kits_compiler() {
    kit();
    for folder in ["engine/contracts", "relay/contracts", "testnet/contracts"] {
        let script = format!("{}/../{folder}/build.mjs", env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("node").args([&script, "--check"]).output().expect("node runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{folder}: {text}");
        assert!(text.contains("reproduced"), "{folder}: {text}");
    }
}
