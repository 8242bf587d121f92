//! The file of pools.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;

use alloy::primitives::{Address, B256};
use alphapulse_relay::source::read::PoolTarget;
use anyhow::Context as _;

use crate::exit::Failure;

/// Reads the pools, each once. What two lines say of one pool is joined, unless they contradict each other.
pub(super) fn load(path: &Path) -> Result<Vec<PoolTarget>, Failure> {
    let place = path.display();
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read pools {place}"))
        .map_err(|error| Failure::from(error).next("give --pools a file with an address a line"))?;
    parse(text.trim_start_matches('\u{feff}')).map_err(|reason| {
        Failure::usage(format!("{place}, {reason}")).next("correct it; docs/SNAPSHOT.md says what a line may hold")
    })
}

fn parse(text: &str) -> Result<Vec<PoolTarget>, String> {
    let mut targets: Vec<(PoolTarget, usize)> = Vec::new();
    let mut places = BTreeMap::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let target: PoolTarget = line.parse().map_err(|error| format!("line {number}: {error}"))?;
        match places.entry(key(&target)) {
            Entry::Vacant(place) => {
                place.insert(targets.len());
                targets.push((target, number));
            }
            Entry::Occupied(place) => {
                let (known, first) = &mut targets[*place.get()];
                let joined = join(known, &target);
                *known = joined.ok_or_else(|| {
                    format!("lines {first} and {number} contradict each other: `{known}` and `{target}`")
                })?;
            }
        }
    }
    if targets.is_empty() {
        return Err("which names no pool".to_owned());
    }
    Ok(targets.into_iter().map(|(target, _)| target).collect())
}

/// What makes a pool the same: its contract, and within a manager its id. A vault's pool may be named by both.
fn key(target: &PoolTarget) -> (Address, Option<B256>) {
    (target.address, target.id.filter(|_| target.is_managed()))
}

/// What both lines say; `None` where they say two things of one.
fn join(one: &PoolTarget, other: &PoolTarget) -> Option<PoolTarget> {
    fn both<T: Copy + PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
        (one.is_none() || other.is_none() || one == other).then(|| one.or(other))
    }
    Some(PoolTarget {
        id: both(one.id, other.id)?,
        kind: both(one.kind, other.kind)?,
        fee: both(one.fee, other.fee)?,
        ..one.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "0x1111111111111111111111111111111111111111";

    fn read(lines: &[String]) -> Result<Vec<String>, String> {
        parse(&lines.join("\n")).map(|targets| targets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_pool_that_is_named_twice_is_read_once_with_what_both_lines_say() {
        let id = format!("{POOL}{}", "22".repeat(12));
        for (lines, joined) in [
            (vec![POOL.to_owned(), POOL.to_owned()], POOL.to_owned()),
            (
                vec![POOL.to_owned(), format!("{POOL} uniswap_v2"), format!("{POOL} fee_ppm=2500")],
                format!("{POOL} uniswap_v2 fee_ppm=2500"),
            ),
            (vec![POOL.to_owned(), id.clone()], id),
        ] {
            assert_eq!(read(&lines), Ok(vec![joined]));
        }
    }

    #[test]
    fn lines_that_contradict_each_other_are_both_named() {
        let [one, other] = ["22", "33"].map(|end| format!("{POOL}{}", end.repeat(12)));
        for lines in [
            [format!("{POOL} fee_ppm=2500"), format!("{POOL} fee_ppm=3000")],
            [format!("{POOL} curve_stable"), format!("{POOL} curve_crypto")],
            [one, other],
        ] {
            let [first, second] = lines.clone();
            let reason = read(&[first, String::new(), second]).expect_err("a contradiction");
            assert!(reason.starts_with("lines 1 and 3 contradict each other"), "{reason}");
            assert!(lines.iter().all(|line| reason.contains(line)), "{reason}");
        }
    }
}
