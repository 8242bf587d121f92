//! Other people's files as snapshots, by the command itself.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::command::{alphapulse, file, folder, run};

const AUCTION: &str = "snapshots/cow-auction/7400681_prod_mainnet.json.gz";

/// A file of the data folder (`ALPHAPULSE_DATA`, or `../shared/data` beside the workspace); `None` and a loud line when it is
/// absent.
pub(crate) fn data_path(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let full = std::env::var_os("ALPHAPULSE_DATA").map_or_else(beside, PathBuf::from).join(path);
    if !full.exists() {
        eprintln!("ignored: {} is absent (set ALPHAPULSE_DATA to the data folder)", full.display());
        return None;
    }
    Some(full)
}

/// Text of a data file, unpacked where its name ends in `.gz`.
pub(crate) fn data_text(path: &str) -> Option<String> {
    let bytes = fs::read(data_path(path)?).expect("a readable file");
    if !path.ends_with(".gz") {
        return Some(String::from_utf8(bytes).expect("data files are UTF-8"));
    }
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("data files are whole");
    Some(text)
}

/// A data file of one JSON value.
pub(crate) fn data_json(path: &str) -> Option<Value> {
    Some(serde_json::from_str(&data_text(path)?).expect("data files are JSON"))
}

/// JSON values of a data file, one a line.
pub(crate) fn data_lines(path: &str) -> Option<Vec<Value>> {
    Some(data_text(path)?.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect())
}

/// What a conversion wrote, and what it said.
pub(crate) struct Converted {
    pub(crate) snapshot: Value,
    pub(crate) stderr: String,
}

/// The auction as a snapshot.
pub(crate) fn auction(powers: &str) -> Option<Converted> {
    let path = data_path(AUCTION)?.into_os_string().into_string().expect("UTF-8");
    let ran = run(["snapshot", "convert", "--from", "cow-auction", &path, "--balancer-powers", powers, "--out", "-"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    Some(Converted { snapshot: serde_json::from_str(&ran.stdout).expect("JSON"), stderr: ran.stderr })
}

pub(crate) fn auction_snapshot() -> Option<Value> {
    auction("special_cases").map(|converted| converted.snapshot)
}

/// A recording, unpacked by the command `zstd` as the page says.
pub(crate) fn unpacked_recording(blocks: &str) -> Option<Vec<u8>> {
    let packed = data_path(&format!("snapshots/tycho-recordings/{blocks}.market_recording.json.zst"))?;
    let Ok(unpacked) = Command::new("zstd").arg("-dc").arg(&packed).output() else {
        eprintln!("ignored: {} needs the command `zstd`", packed.display());
        return None;
    };
    Some(unpacked.stdout)
}

/// A recording as a snapshot.
pub(crate) fn recording(blocks: &str) -> Option<Converted> {
    let folder = folder();
    let plain = file(&folder, "recording.json", unpacked_recording(blocks)?);
    let out = folder.path().join("market.json.gz");
    let ran = alphapulse()
        .args(["snapshot", "convert", "--from", "tycho", "-", "--out"])
        .arg(&out)
        .stdin(fs::File::open(plain).expect("just written"))
        .output()
        .expect("the command starts");
    let stderr = String::from_utf8(ran.stderr).expect("UTF-8");
    assert_eq!(ran.status.code(), Some(0), "{stderr}");
    let packed = fs::read(out).expect("it was written");
    let snapshot = serde_json::from_reader(GzDecoder::new(packed.as_slice())).expect("packed JSON");
    Some(Converted { snapshot, stderr })
}
