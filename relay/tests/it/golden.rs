//! Golden bytes, made by another implementation.

use std::fs;
use std::path::Path;

/// The frame of a golden message, made by another implementation.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden");
    let file = ["v1", "v3"].map(|version| folder.join(version).join(format!("{name}.hex")));
    let text = file.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap();
    let digits: String = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}
