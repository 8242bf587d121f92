//! Everything that may not come, and what is left after it came: nothing.

use alphapulse_protocol::message::{
    Block, BlockEnd, Clock, Heartbeat, Pool, Reorg, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Liquidity, V3Swap,
    V3Tick,
};
use alphapulse_protocol::replica::{Change, PoolState, Replica};
use alphapulse_protocol::{BlockNumber, FeePpm, PoolId, ReplicaError, Sequence, TokenId, U256, UnixNanos, VenueId};

use crate::stream::{CHAIN, EPOCH, at_block, block_ref, context, send, send_empty_block};

const V2: PoolId = PoolId(0);
const V3: PoolId = PoolId(1);

fn v2_pool(id: PoolId) -> Pool {
    Pool::uniswap_v2(id, VenueId(0), [0xb0; 20], [TokenId(0), TokenId(1)], FeePpm(3_000))
}

fn v3_pool(id: PoolId) -> Pool {
    v2_pool(id).with_ticks(60, (-120, 120))
}

fn token(id: u32) -> Token {
    Token::new(TokenId(id), [0xa0; 20], "T", 18)
}

/// Inside a snapshot of block 100 that announces two tokens and two pools, and has described them: sequence 10.
fn in_snapshot() -> Replica {
    let mut replica = Replica::default();
    send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 2, 2)).expect("begins");
    send(&mut replica, 10, token(0)).expect("a token");
    send(&mut replica, 10, token(1)).expect("a token");
    send(&mut replica, 10, v2_pool(V2)).expect("a pool");
    send(&mut replica, 10, V2Reserves::new(V2, 0, 0)).expect("its state");
    send(&mut replica, 10, v3_pool(V3)).expect("a pool");
    send(&mut replica, 10, V3Swap::new(V3, U256::ZERO, 0, 0)).expect("its state");
    replica
}

/// That snapshot, ended.
fn ready() -> Replica {
    let mut replica = in_snapshot();
    assert_eq!(send(&mut replica, 10, SnapshotEnd::new(6)), Ok(Change::SnapshotReady));
    replica
}

/// Inside block 101, after its first message: sequence 11.
pub(crate) fn in_block() -> Replica {
    let mut replica = ready();
    let block = Block::new(context(101, 101, 100), BlockNumber(101));
    assert_eq!(send(&mut replica, 11, block), Ok(Change::BlockBegun));
    replica
}

/// Nothing of a voided mirror can be used, and only a snapshot brings it back.
fn assert_void(replica: &mut Replica) {
    assert!(!replica.is_whole() && !replica.is_tradable());
    assert!(!replica.describe(UnixNanos(0), |_| panic!("a void mirror describes nothing")));
    let next = replica.sequence().0.wrapping_add(1);
    let number = replica.context().map_or(0, |context| context.number.get());
    let refused = [
        send(replica, next, Block::new(context(number + 1, 7, 7), BlockNumber(0))),
        send(replica, next, BlockEnd::new(block_ref(number, 7), 0)),
        send(replica, next, SnapshotEnd::new(0)),
        send(replica, next, V2Reserves::new(V2, 1, 1)),
        send(replica, next, Reorg::new(block_ref(1, 1), block_ref(2, 2)).expect("depth 1")),
    ];
    for answer in refused {
        assert!(matches!(answer, Err(ReplicaError::OutOfPlace(_))), "{answer:?}");
    }
    assert_eq!(send(replica, 999, Heartbeat::new(block_ref(0, 0))), Ok(Change::None), "nothing to compare it with");
    send(replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0)).expect("a snapshot heals");
    send(replica, 10, SnapshotEnd::new(0)).expect("and ends");
    assert!(replica.is_tradable());
    send_empty_block(replica, 101, 101, 100);
}

/// Expects the error, and that nothing is left behind it.
#[track_caller]
fn refuses(
    mut replica: Replica,
    answer: impl FnOnce(&mut Replica) -> Result<Change, ReplicaError>,
    error: ReplicaError,
) {
    assert_eq!(answer(&mut replica), Err(error));
    assert_void(&mut replica);
}

fn gap(expected: u64, got: u64) -> ReplicaError {
    ReplicaError::Gap { expected: Sequence(expected), got: Sequence(got) }
}

#[test]
fn live_messages_missing_repeated_or_reordered_are_gaps() {
    let block = || Block::new(context(101, 101, 100), BlockNumber(101));
    for got in [0, 9, 10, 12, u64::MAX] {
        refuses(ready(), |r| send(r, got, block()), gap(11, got));
        if got != 12 {
            refuses(in_block(), |r| send(r, got, V2Reserves::new(V2, 1, 1)), gap(12, got));
        }
    }
}

#[test]
fn messages_of_a_snapshot_share_its_sequence() {
    for got in [9, 11] {
        refuses(in_snapshot(), |r| send(r, got, V2Reserves::new(V2, 1, 1)), gap(10, got));
        refuses(in_snapshot(), |r| send(r, got, SnapshotEnd::new(6)), gap(10, got));
    }
}

#[test]
fn a_heartbeat_repeats_the_last_sequence_wherever_it_stands() {
    let heartbeat = || Heartbeat::new(block_ref(100, 100));
    for (replica, last) in [(in_snapshot(), 10), (ready(), 10), (in_block(), 11)] {
        assert_eq!(send(&mut replica.clone(), last, heartbeat()), Ok(Change::None));
        refuses(replica.clone(), |r| send(r, last + 1, heartbeat()), gap(last, last + 1));
        refuses(replica, |r| send(r, last - 1, heartbeat()), gap(last, last - 1));
    }
}

#[test]
fn a_heartbeat_in_a_block_is_not_one_of_its_changes() {
    let mut replica = in_block();
    send(&mut replica, 11, Heartbeat::new(block_ref(101, 101))).expect("it may stand here");
    assert_eq!(send(&mut replica, 12, BlockEnd::new(block_ref(101, 101), 0)), Ok(Change::BlockEnded));
}

#[test]
fn records_of_a_node_change_nothing_wherever_they_stand() {
    for mut replica in [Replica::default(), in_snapshot(), ready(), in_block()] {
        let before = replica.sequence();
        assert_eq!(send(&mut replica, 0, Clock::new(UnixNanos(1))), Ok(Change::None));
        assert_eq!(replica.sequence(), before);
    }
}

#[test]
fn the_last_sequence_has_no_successor() {
    let mut replica = Replica::default();
    send(&mut replica, u64::MAX, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0)).expect("begins");
    send(&mut replica, u64::MAX, SnapshotEnd::new(0)).expect("ends");
    let block = Block::new(context(101, 101, 100), BlockNumber(101));
    assert_eq!(send(&mut replica, 0, block), Err(gap(u64::MAX, 0)));
    assert!(!replica.is_whole());
}

#[test]
fn the_last_block_number_has_no_successor() {
    let mut replica = at_block(u64::MAX, 1);
    let block = Block::new(context(0, 2, 1), BlockNumber(0));
    let error = ReplicaError::Discontinuity { head: block_ref(u64::MAX, 1), got: block_ref(0, 2) };
    assert_eq!(send(&mut replica, 11, block), Err(error));
}

#[test]
fn what_is_out_of_place_is_refused_by_name() {
    let out = ReplicaError::OutOfPlace;
    let block = || Block::new(context(101, 101, 100), BlockNumber(101));
    let end = || BlockEnd::new(block_ref(100, 100), 0);
    let reorg = || Reorg::new(block_ref(99, 99), block_ref(100, 100)).expect("depth 1");
    refuses(in_snapshot(), |r| send(r, 10, block()), out("Block"));
    refuses(in_block(), |r| send(r, 12, block()), out("Block"));
    refuses(in_snapshot(), |r| send(r, 10, end()), out("BlockEnd"));
    refuses(ready(), |r| send(r, 11, end()), out("BlockEnd"));
    refuses(in_block(), |r| send(r, 12, end()), out("BlockEnd"));
    refuses(in_snapshot(), |r| send(r, 10, reorg()), out("Reorg"));
    refuses(in_block(), |r| send(r, 12, reorg()), out("Reorg"));
    refuses(ready(), |r| send(r, 11, SnapshotEnd::new(0)), out("SnapshotEnd"));
    refuses(in_block(), |r| send(r, 12, SnapshotEnd::new(0)), out("SnapshotEnd"));
    refuses(ready(), |r| send(r, 11, token(2)), out("Token"));
    refuses(ready(), |r| send(r, 11, v2_pool(PoolId(2))), out("Pool"));
    refuses(ready(), |r| send(r, 11, V2Reserves::new(V2, 1, 1)), out("pool state"));
    refuses(ready(), |r| send(r, 11, V3Swap::new(V3, U256::ONE, 0, 1)), out("pool state"));
    refuses(ready(), |r| send(r, 11, V3Liquidity::new(V3, -60, 60, 1)), out("pool state"));
    refuses(ready(), |r| send(r, 11, V3Tick::new(V3, 60, 1, 1)), out("pool state"));
    refuses(in_snapshot(), |r| send(r, 10, V3Liquidity::new(V3, -60, 60, 1)), out("V3Liquidity"));
}

#[test]
fn a_snapshot_with_other_counts_than_announced_is_incomplete() {
    let incomplete = ReplicaError::Incomplete("snapshot");
    refuses(in_snapshot(), |r| send(r, 10, SnapshotEnd::new(5)), incomplete);
    refuses(in_snapshot(), |r| send(r, 10, SnapshotEnd::new(7)), incomplete);
    for (tokens, pools) in [(1, 0), (0, 1)] {
        let mut replica = Replica::default();
        send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, tokens, pools)).expect("begins");
        refuses(replica, |r| send(r, 10, SnapshotEnd::new(0)), incomplete);
    }
}

#[test]
fn each_pool_of_a_snapshot_has_its_one_state_right_behind_its_description() {
    let out = ReplicaError::OutOfPlace;
    refuses(in_snapshot(), |r| send(r, 10, V2Reserves::new(V2, 1, 1)), out("V2Reserves"));
    refuses(in_snapshot(), |r| send(r, 10, V3Swap::new(V3, U256::ONE, 0, 1)), out("V3Swap"));
    let mut without = in_snapshot();
    send(&mut without, 10, v2_pool(PoolId(2))).expect("a pool");
    refuses(without.clone(), |r| send(r, 10, v2_pool(PoolId(3))), ReplicaError::Incomplete("pool"));
    refuses(without.clone(), |r| send(r, 10, SnapshotEnd::new(7)), ReplicaError::Incomplete("snapshot"));
    refuses(without.clone(), |r| send(r, 10, V2Reserves::new(V2, 1, 1)), out("V2Reserves"));
    refuses(without, |r| send(r, 10, V3Tick::new(V3, 60, 1, 1)), out("V3Tick"));
    let mut unstated = in_snapshot();
    send(&mut unstated, 10, v3_pool(PoolId(2))).expect("a pool");
    refuses(unstated, |r| send(r, 10, V3Tick::new(PoolId(2), 60, 1, 1)), out("V3Tick"));
}

#[test]
fn a_block_with_another_count_than_announced_is_incomplete() {
    let end = |count| BlockEnd::new(block_ref(101, 101), count);
    refuses(in_block(), |r| send(r, 12, end(1)), ReplicaError::Incomplete("block"));
    let mut changed = in_block();
    assert_eq!(send(&mut changed, 12, V2Reserves::new(V2, 1, 1)), Ok(Change::Pool(V2)));
    refuses(changed.clone(), |r| send(r, 13, end(0)), ReplicaError::Incomplete("block"));
    refuses(changed.clone(), |r| send(r, 13, end(2)), ReplicaError::Incomplete("block"));
    assert_eq!(send(&mut changed, 13, end(1)), Ok(Change::BlockEnded));
}

#[test]
fn a_block_that_does_not_follow_the_head_is_a_discontinuity() {
    // Wrong parent, a number skipped, a number repeated, the head itself again.
    for wrong in [context(101, 101, 99), context(102, 101, 100), context(100, 101, 100), context(100, 100, 99)] {
        let error = ReplicaError::Discontinuity { head: block_ref(100, 100), got: wrong.block() };
        refuses(ready(), |r| send(r, 11, Block::new(wrong, BlockNumber(102))), error);
    }
}

#[test]
fn ids_are_described_in_turn_and_before_use() {
    refuses(in_block(), |r| send(r, 12, token(3)), ReplicaError::UnknownToken(TokenId(3)));
    refuses(in_block(), |r| send(r, 12, token(1)), ReplicaError::UnknownToken(TokenId(1)));
    refuses(in_block(), |r| send(r, 12, v2_pool(PoolId(3))), ReplicaError::UnknownPool(PoolId(3)));
    refuses(in_block(), |r| send(r, 12, v2_pool(PoolId(0))), ReplicaError::UnknownPool(PoolId(0)));
    let unknown = Pool::uniswap_v2(PoolId(2), VenueId(0), [1; 20], [TokenId(0), TokenId(2)], FeePpm(1));
    refuses(in_block(), |r| send(r, 12, unknown), ReplicaError::UnknownToken(TokenId(2)));
    let missing = ReplicaError::UnknownPool(PoolId(2));
    refuses(in_block(), |r| send(r, 12, V2Reserves::new(PoolId(2), 1, 1)), missing);
    refuses(in_block(), |r| send(r, 12, V3Swap::new(PoolId(2), U256::ONE, 0, 1)), missing);
    refuses(in_block(), |r| send(r, 12, V3Liquidity::new(PoolId(2), -60, 60, 1)), missing);
    refuses(in_block(), |r| send(r, 12, V3Tick::new(PoolId(2), 60, 1, 1)), missing);
}

#[test]
fn a_change_that_cannot_be_made_is_a_contradiction() {
    let wrong = |pool, reason| ReplicaError::Contradiction { pool, reason };
    let reserves = "reserves for a pool that is not constant-product";
    refuses(in_block(), |r| send(r, 12, V2Reserves::new(V3, 1, 1)), wrong(V3, reserves));
    let slot = wrong(V2, "a V3 slot for a pool of another kind");
    refuses(in_block(), |r| send(r, 12, V3Swap::new(V2, U256::ONE, 0, 1)), slot);
    let ticks = wrong(V2, "ticks for a pool that has none");
    refuses(in_block(), |r| send(r, 12, V3Liquidity::new(V2, -60, 60, 1)), ticks);
    refuses(in_block(), |r| send(r, 12, V3Tick::new(V2, 60, 1, 1)), ticks);
}

#[test]
fn liquidity_that_was_never_there_cannot_be_burned() {
    let wrong = |reason| ReplicaError::Contradiction { pool: V3, reason };
    let active = "active liquidity outside 0..2^128";
    refuses(in_block(), |r| send(r, 12, V3Liquidity::new(V3, -60, 60, -1)), wrong(active));
    let gross = "gross liquidity outside 0..2^128";
    refuses(in_block(), |r| send(r, 12, V3Liquidity::new(V3, 60, 120, -1)), wrong(gross));
    refuses(in_block(), |r| send(r, 12, V3Liquidity::new(V3, 60, 120, i128::MIN)), wrong(gross));
}

#[test]
fn liquidity_stays_within_its_width() {
    let wrong = |reason| ReplicaError::Contradiction { pool: V3, reason };
    let add = |r: &mut Replica, sequence| send(r, sequence, V3Liquidity::new(V3, 60, 120, i128::MAX));
    let mut replica = in_block();
    add(&mut replica, 12).expect("fits");
    refuses(replica, |r| add(r, 13), wrong("net liquidity outside i128"));
    let mut replica = in_block();
    send(&mut replica, 12, V3Swap::new(V3, U256::ONE, 60, u128::MAX)).expect("fits");
    refuses(replica, |r| send(r, 13, V3Liquidity::new(V3, 60, 120, 1)), wrong("active liquidity outside 0..2^128"));
}

#[test]
fn a_tick_is_described_once() {
    let mut replica = in_snapshot();
    send(&mut replica, 10, V3Tick::new(V3, 60, 1, 1)).expect("once");
    let twice = ReplicaError::Contradiction { pool: V3, reason: "a tick described twice" };
    refuses(replica, |r| send(r, 10, V3Tick::new(V3, 60, 1, 1)), twice);
}

#[test]
fn ticks_outside_the_known_range_are_not_kept_by_any_message() {
    let mut replica = in_snapshot();
    for tick in [-121, -120, 120, 121] {
        assert_eq!(send(&mut replica, 10, V3Tick::new(V3, tick, 1, 1)), Ok(Change::Pool(V3)));
    }
    assert_eq!(send(&mut replica, 10, SnapshotEnd::new(10)), Ok(Change::SnapshotReady));
    let ticks = |replica: &Replica| match &replica.states()[V3.index()] {
        PoolState::V3(state) => state.ticks.iter().map(|t| (t.tick, t.liquidity_gross)).collect::<Vec<_>>(),
        _ => panic!("pool 1 has ticks"),
    };
    assert_eq!(ticks(&replica), [(-120, 1), (120, 1)]);
    send(&mut replica, 11, Block::new(context(101, 101, 100), BlockNumber(101))).expect("a block");
    send(&mut replica, 12, V3Liquidity::new(V3, -180, 120, 5)).expect("half inside");
    send(&mut replica, 13, V3Liquidity::new(V3, -180, 180, 7)).expect("around");
    send(&mut replica, 14, BlockEnd::new(block_ref(101, 101), 2)).expect("ends");
    assert_eq!(ticks(&replica), [(-120, 1), (120, 6)]);
    let PoolState::V3(state) = &replica.states()[V3.index()] else { panic!("pool 1 has ticks") };
    assert_eq!(state.liquidity, 12, "active all the same");
}

#[test]
fn a_reorg_from_another_head_or_to_another_ancestor_takes_nothing_back() {
    let out = ReplicaError::OutOfPlace("Reorg");
    let mut replica = ready();
    send_empty_block(&mut replica, 101, 101, 100);
    send_empty_block(&mut replica, 102, 102, 101);
    let reorg = |ancestor: (u64, u32), head: (u64, u32)| {
        Reorg::new(block_ref(ancestor.0, ancestor.1), block_ref(head.0, head.1)).expect("at least one deep")
    };
    let next = replica.sequence().0 + 1;
    for wrong in [
        reorg((101, 101), (102, 202)),
        reorg((102, 102), (103, 103)),
        reorg((101, 201), (102, 102)),
        reorg((100, 200), (102, 102)),
    ] {
        refuses(replica.clone(), |r| send(r, next, wrong), out);
        let mut kept = replica.clone();
        let _ = send(&mut kept, next, wrong);
        assert_eq!(kept.context(), replica.context(), "refused before anything was taken back");
    }
    assert_eq!(send(&mut replica, next, reorg((100, 100), (102, 102))), Ok(Change::Reorged(block_ref(100, 100))));
}

#[test]
fn a_reorg_beyond_what_is_kept_is_too_deep() {
    for (limit, blocks, kept) in [(64, 64, 64), (64, 65, 64), (2, 10, 2), (0, 5, 0)] {
        let mut replica = Replica::new(limit);
        send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0)).expect("begins");
        send(&mut replica, 10, SnapshotEnd::new(0)).expect("ends");
        let names = 101..=100 + u32::try_from(blocks).expect("small");
        names.for_each(|name| send_empty_block(&mut replica, u64::from(name), name, name - 1));
        let (head, next) = (100 + blocks, replica.sequence().0 + 1);
        let name = |number: u64| u32::try_from(number).expect("small");
        let reorg = |depth: u64| {
            let ancestor = head - depth;
            Reorg::new(block_ref(ancestor, name(ancestor)), block_ref(head, name(head))).expect("at least one deep")
        };
        let deeper = kept as u64 + 1;
        refuses(replica.clone(), |r| send(r, next, reorg(deeper)), ReplicaError::TooDeep { depth: deeper, kept });
        if kept > 0 {
            let ancestor = head - kept as u64;
            let back = Ok(Change::Reorged(block_ref(ancestor, name(ancestor))));
            assert_eq!(send(&mut replica, next, reorg(kept as u64)), back);
        }
    }
}

#[test]
fn a_depth_past_the_width_of_a_count_is_not_a_reorg() {
    assert!(Reorg::new(block_ref(0, 0), block_ref(1 << 32, 1)).is_none());
    assert!(Reorg::new(block_ref(5, 0), block_ref(5, 1)).is_none());
    assert!(Reorg::new(block_ref(6, 0), block_ref(5, 1)).is_none());
    let deepest = Reorg::new(block_ref(0, 0), block_ref(u64::from(u32::MAX), 1)).expect("just fits");
    let error = ReplicaError::OutOfPlace("Reorg");
    refuses(ready(), |r| send(r, 11, deepest), error);
}
