//! The base fee of the next block, against real headers.

use alphapulse_protocol::message::BlockContext;
use serde_json::Value;

use super::data;

fn number(value: &Value, field: &str) -> u64 {
    let text = value[field].as_str().unwrap_or_else(|| panic!("header has no {field}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

fn read(block: u64) -> Option<BlockContext> {
    let path = data::path(&format!("blocks/consecutive/{block}.json.gz"))?;
    let file: Value = serde_json::from_str(&data::read_gz(&path)).unwrap();
    let header = &file["full_blocks"][0][1];
    Some(BlockContext {
        number: number(header, "number").into(),
        hash: [0; 32],
        parent_hash: [0; 32],
        timestamp: number(header, "timestamp").into(),
        base_fee: u128::from(number(header, "baseFeePerGas")).into(),
        gas_used: number(header, "gasUsed").into(),
        gas_limit: number(header, "gasLimit").into(),
    })
}

#[test]
fn the_next_base_fee_is_that_of_the_real_child() {
    let Some(blocks) = (18_090_205..=18_090_212).map(read).collect::<Option<Vec<_>>>() else { return };
    assert_eq!(blocks.len(), 8);
    for pair in blocks.windows(2) {
        let (parent, child) = (&pair[0], &pair[1]);
        assert_eq!(child.number.get(), parent.number.get() + 1);
        assert_eq!(parent.next_base_fee(), child.base_fee(), "base fee of block {}", child.number);
    }
}
