//! The file of pools.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use alphapulse_relay::source::read::PoolTarget;
use anyhow::Context as _;

use crate::exit::Failure;

/// Reads the pools, each once.
pub(super) fn load(path: &Path) -> Result<Vec<PoolTarget>, Failure> {
    let place = path.display();
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read pools {place}"))
        .map_err(|error| Failure::from(error).next("give --pools a file with an address a line"))?;
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let target: PoolTarget =
            line.parse().map_err(|error| Failure::usage(format!("{place}, line {number}: {error}")))?;
        if names.insert((target.address, target.id)) {
            targets.push(target);
        }
    }
    if targets.is_empty() {
        return Err(Failure::usage(format!("{place} names no pool")));
    }
    Ok(targets)
}
