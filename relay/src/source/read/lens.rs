//! What the contracts of `contracts/Lens.sol` are asked, and what they answer.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::replica::TickLiquidity;
use serde::Deserialize;

/// Longest creation code that a node runs (EIP-3860).
const INIT_CODE_BYTES_MAX: usize = 49_152;
/// Gas of a call within a batch. What needs more is asked alone.
const CALL_GAS: u64 = 1_000_000;
/// Calls of a batch: their answers of a word each fill half of what can be returned.
pub(super) const CALLS_MAX: usize = 300;
/// Words of a call beside its data, as they are encoded.
const CALL_WORDS: usize = 5;
/// First byte of every answer.
const ANSWER: u8 = 1;
/// Bytes of a tick in an answer.
const TICK_BYTES: usize = 35;

mod contract {
    alloy::sol! {
        struct Call {
            address target;
            uint256 gas;
            bytes data;
        }
    }
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
}

fn creation_code(artifact: &str) -> Bytes {
    let artifact: Artifact = serde_json::from_str(artifact).expect("the artifact is built by build.mjs");
    artifact.bytecode
}

static LENS: LazyLock<Bytes> = LazyLock::new(|| creation_code(include_str!("../../../contracts/Lens.json")));
static TICK_SCAN: LazyLock<Bytes> = LazyLock::new(|| creation_code(include_str!("../../../contracts/TickScan.json")));

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    /// The contract answered.
    Data(Bytes),
    /// The contract refused.
    Failed,
    /// It takes more gas, or gives more bytes, than a batch has.
    Alone,
}

/// Bytes that a call takes of a batch.
pub(super) const fn call_bytes(data: &[u8]) -> usize {
    CALL_WORDS * 32 + data.len().next_multiple_of(32)
}

/// Bytes of calls that a batch has room for.
pub(super) fn room() -> usize {
    INIT_CODE_BYTES_MAX - LENS.len() - 64
}

/// Creation code that makes these calls.
pub(super) fn batch<'a>(calls: impl Iterator<Item = (Address, &'a Bytes)>) -> Bytes {
    let gas = U256::from(CALL_GAS);
    let calls: Vec<_> = calls.map(|(target, data)| contract::Call { target, gas, data: data.clone() }).collect();
    [LENS.to_vec(), (calls,).abi_encode_params()].concat().into()
}

/// The answers to the first calls of a batch; the rest was not made. `None` for what no lens returns.
pub(super) fn answers(returned: &[u8]) -> Option<Vec<Answered>> {
    let (&first, mut rest) = returned.split_first()?;
    if first != ANSWER {
        return None;
    }
    let mut answers = Vec::new();
    while let Some((&[state, high, middle, low], behind)) = rest.split_first_chunk() {
        let size = usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
        let (data, behind) = behind.split_at_checked(size)?;
        answers.push(match state {
            0 => Answered::Failed,
            1 => Answered::Data(Bytes::copy_from_slice(data)),
            2 => Answered::Alone,
            _ => return None,
        });
        rest = behind;
    }
    rest.is_empty().then_some(answers)
}

/// Creation code that reads a pool's ticks in the words from `low` to `high`.
pub(super) fn tick_scan(pool: Address, id: B256, spacing: i32, low: i32, high: i32) -> Bytes {
    let word = |value: i32| alloy::primitives::I256::try_from(value).unwrap_or_default();
    [TICK_SCAN.to_vec(), (pool, id, word(spacing), word(low), word(high)).abi_encode_params()].concat().into()
}

/// The first word that was not read, and the ticks of those before. `None` for what no scan returns.
pub(super) fn scanned(returned: &[u8]) -> Option<(i32, Vec<TickLiquidity>)> {
    let (head, ticks) = returned.split_first_chunk::<4>()?;
    let (ticks, rest) = ticks.as_chunks::<TICK_BYTES>();
    if head[0] != ANSWER || !rest.is_empty() {
        return None;
    }
    Some((sign_extend([head[1], head[2], head[3]]), ticks.iter().map(tick).collect()))
}

fn tick(bytes: &[u8; TICK_BYTES]) -> TickLiquidity {
    let number = |from: usize| core::array::from_fn(|at| bytes[from + at]);
    TickLiquidity {
        tick: sign_extend([bytes[0], bytes[1], bytes[2]]),
        liquidity_net: i128::from_be_bytes(number(3)),
        liquidity_gross: u128::from_be_bytes(number(19)),
    }
}

/// A number of 24 bits, its highest one the sign.
const fn sign_extend([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let returned = [&[1, 1, 0, 0, 2, 7, 8, 0, 0, 0, 0, 2, 0, 0, 0][..]].concat();
        let expected = vec![Answered::Data(Bytes::from_static(&[7, 8])), Answered::Failed, Answered::Alone];
        assert_eq!(answers(&returned), Some(expected));
        assert_eq!(answers(&[1]), Some(Vec::new()));
        for cut in 1..returned.len() {
            let is_whole = [1, 7, 11].contains(&cut);
            assert_eq!(answers(&returned[..cut]).is_some(), is_whole, "{cut}");
        }
        for bad in [&[][..], &[2], &[1, 3, 0, 0, 0], &[1, 1, 255, 255, 255, 0]] {
            assert_eq!(answers(bad), None);
        }
    }

    #[test]
    fn ticks_of_both_signs_are_read() {
        let mut returned = vec![1, 0xff, 0xff, 0xfe];
        returned.extend([0xff, 0xff, 0xff]);
        returned.extend((-5_i128).to_be_bytes());
        returned.extend(9_u128.to_be_bytes());
        let expected = TickLiquidity { tick: -1, liquidity_net: -5, liquidity_gross: 9 };
        assert_eq!(scanned(&returned), Some((-2, vec![expected])));
        assert_eq!(scanned(&returned[..38]), None);
        assert_eq!(scanned(&[0, 0, 0, 1]), None);
    }

    #[test]
    fn a_full_batch_keeps_the_limit_of_creation_code() {
        let data = Bytes::from(vec![7; 36]);
        let count = (room() / call_bytes(&data)).min(CALLS_MAX);
        let code = batch((0..count).map(|_| (Address::ZERO, &data)));
        assert!(code.len() <= INIT_CODE_BYTES_MAX, "{} bytes", code.len());
        let larger = Bytes::from(vec![7; 4_100]);
        let count = room() / call_bytes(&larger);
        let code = batch((0..count).map(|_| (Address::ZERO, &larger)));
        assert!(code.len() <= INIT_CODE_BYTES_MAX && code.len() + 4_400 > INIT_CODE_BYTES_MAX, "{} bytes", code.len());
    }
}
