//! Published vectors, which are read from beside the repository and never part of it.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

/// Folder of the data: `ALPHAPULSE_DATA`, or `../shared/data` beside the repository.
fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("ALPHAPULSE_DATA").map_or_else(beside, PathBuf::from)
}

/// Vectors of a JSON file, unpacked when its name ends in `.gz`; `None`, said aloud, when the data is not there.
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
pub(crate) fn vectors<T: DeserializeOwned>(file: &str) -> Option<T> {
    let path = folder().join("vectors/ethereum").join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("ignored: {} is not there; set ALPHAPULSE_DATA to the folder of the vectors", path.display());
        return None;
    };
    let mut text = String::new();
    if file.ends_with(".gz") {
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
    } else {
        text = String::from_utf8(bytes).expect("UTF-8");
    }
    Some(serde_json::from_str(&text).expect("vectors of the known form"))
}
