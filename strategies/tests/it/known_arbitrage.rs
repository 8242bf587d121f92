//! An arbitrage that somebody took on mainnet, found again and sized at least as well.

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::search::best_cycles;
use serde_json::Value;

use crate::data;
use crate::sketch::Sketch;

const RECEIPTS: &str = "blocks/replayable/18884864.receipts.json.gz";
/// Bought AMPL in one pair and sold it in another; what it gained, wei of WETH, as mev-inspect-py found.
const TRANSACTION: &str = "0x96c238d395459dc797208f25d20f87b3f9da2755f45c4244b8ab6050a431f997";
const GAIN: u64 = 408_718_261_937_504_256;
/// First topics of `Sync(uint112,uint112)` and `Swap(address,uint256,uint256,uint256,uint256,address)`.
const SYNC: &str = "0x1c411e9a";
const SWAP: &str = "0xd78ad95f";

/// The pairs' reserves before the transaction: what each held after its swap, less what came in, plus what went out.
/// Token 0 is WETH in both, whose address is lower than AMPL's.
fn reserves_before(receipt: &Value) -> Vec<[u128; 2]> {
    let logs = receipt["logs"].as_array().expect("a receipt has logs");
    let of_kind = |kind: &'static str| {
        let is_of_kind = move |log: &&Value| log["topics"][0].as_str().is_some_and(|topic| topic.starts_with(kind));
        logs.iter().filter(is_of_kind).map(words)
    };
    let before = |(sync, swap): (Vec<u128>, Vec<u128>)| [0, 1].map(|side| sync[side] + swap[2 + side] - swap[side]);
    of_kind(SYNC).zip(of_kind(SWAP)).map(before).collect()
}

fn words(log: &Value) -> Vec<u128> {
    let digits = log["data"].as_str().and_then(|text| text.strip_prefix("0x")).expect("data of a log is hex");
    let word = |chunk: &[u8]| {
        let text = std::str::from_utf8(chunk).expect("hex is ASCII");
        u128::from_str_radix(text, 16).expect("amounts of a pair fit 112 bits")
    };
    digits.as_bytes().chunks(64).map(word).collect()
}

#[test]
fn a_route_taken_on_mainnet_is_found_and_earns_no_less() {
    let Some(receipts) = data::json(RECEIPTS) else { return };
    let receipts = receipts.as_array().expect("a list of receipts");
    let receipt = receipts.iter().find(|receipt| receipt["transactionHash"] == TRANSACTION).expect("in that block");
    let mut sketch = Sketch::with_tokens(2);
    let pairs: Vec<_> =
        reserves_before(receipt).into_iter().map(|reserves| sketch.pair([0, 1], reserves, 3_000)).collect();
    assert_eq!(pairs.len(), 2);

    let found = best_cycles(&sketch.market(), TokenId(0), 4, U256::ZERO, 10);
    assert_eq!(found.len(), 1, "the other way round loses");
    assert_eq!(found[0].hops().iter().map(|hop| hop.pool).collect::<Vec<_>>(), pairs);
    data::report(&format!("known arbitrage: gained {GAIN}, sized here {}", found[0].profit()));
    assert!(found[0].profit() >= U256::from(GAIN));
}
