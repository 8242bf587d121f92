//! The golden bytes of the protocol, which its generator made from the tables of the page.

use std::fs;
use std::path::Path;

use crate::reference::TEMPLATES;

/// Bytes of a golden file: one whole frame, or the frames of a connection.
///
/// # Panics
/// If the file is not there: this crate is only run inside its repository.
#[must_use]
pub fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden");
    let text = ["v1", "v2", "v3"]
        .iter()
        .find_map(|version| fs::read_to_string(folder.join(version).join(format!("{name}.hex"))).ok());
    let text = text.unwrap_or_else(|| panic!("{name} has no golden file"));
    let digits: String =
        text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The golden frame of every message.
#[must_use]
pub fn all_frames() -> Vec<Vec<u8>> {
    TEMPLATES.iter().map(|(_, name, ..)| bytes(name)).collect()
}
