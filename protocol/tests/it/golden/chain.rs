//! Golden bytes of the messages about blocks.

use alphapulse_protocol::message::{Block, BlockContext, BlockEnd, Reorg, SnapshotBegin, SnapshotEnd};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch, FeePerGas, Gas};

use super::{check, run};

fn context() -> BlockContext {
    BlockContext {
        number: 18_884_864.into(),
        hash: run(0x11),
        parent_hash: run(0x51),
        timestamp: 1_700_000_123.into(),
        base_fee: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10.into(),
        gas_used: 29_999_999.into(),
        gas_limit: 36_000_000.into(),
    }
}

fn check_context(m: &BlockContext) {
    assert_eq!(m.number, 18_884_864);
    assert_eq!(m.hash, run(0x11));
    assert_eq!(m.parent_hash, run(0x51));
    assert_eq!(m.timestamp, 1_700_000_123);
    assert_eq!(m.base_fee(), FeePerGas(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
    assert_eq!(m.gas_used, 29_999_999);
    assert_eq!(m.gas_limit(), Gas(36_000_000));
    assert_eq!(m.block(), BlockRef { number: BlockNumber(18_884_864), hash: run(0x11) });
}

#[test]
fn block_is_its_golden_bytes() {
    let block = Block::new(context(), BlockNumber(18_884_866));
    check("Block", block, (78, 1_700_000_123_000_000_000), |m| {
        check_context(&m.context);
        assert_eq!(m.head_number, 18_884_866);
        assert!(!m.is_at_head());
    });
}

#[test]
fn block_end_is_its_golden_bytes() {
    let end = BlockEnd::new(context().block(), 513);
    check("BlockEnd", end, (592, 1_700_000_123_000_000_000), |m| {
        assert_eq!(m.number, 18_884_864);
        assert_eq!(m.hash, run(0x11));
        assert_eq!(m.update_count, 513);
        assert_eq!(m.block(), context().block());
    });
}

#[test]
fn reorg_is_its_golden_bytes() {
    let ancestor = BlockRef { number: BlockNumber(18_884_800), hash: run(0x31) };
    let old_head = BlockRef { number: BlockNumber(18_884_864), hash: run(0x61) };
    let reorg = Reorg::new(ancestor, old_head).expect("64 deep");
    check("Reorg", reorg, (593, 1_700_000_124_000_000_000), |m| {
        assert_eq!(m.ancestor_number, 18_884_800);
        assert_eq!(m.ancestor_hash, run(0x31));
        assert_eq!(m.old_head_number, 18_884_864);
        assert_eq!(m.old_head_hash, run(0x61));
        assert_eq!(m.depth, 64);
        assert_eq!((m.ancestor(), m.old_head()), (ancestor, old_head));
    });
}

#[test]
fn snapshot_begin_is_its_golden_bytes() {
    let begin = SnapshotBegin::new(context(), ChainId(1), Epoch(0x0a0b_0c0d_0102_0304), 3, 2);
    assert_eq!(begin.head_number, 18_884_864, "its own block unless said otherwise");
    check("SnapshotBegin", begin.seen_from(BlockNumber(18_884_865)), (594, 1_700_000_125_000_000_000), |m| {
        check_context(&m.context);
        assert_eq!(m.chain_id, 1);
        assert_eq!(m.epoch, 0x0a0b_0c0d_0102_0304);
        assert_eq!(m.token_count, 3);
        assert_eq!(m.pool_count, 2);
        assert_eq!(m.head_number, 18_884_865);
    });
}

#[test]
fn snapshot_end_is_its_golden_bytes() {
    check("SnapshotEnd", SnapshotEnd::new(70_000), (594, 1_700_000_125_000_000_000), |m| {
        assert_eq!(m.message_count, 70_000);
    });
}
