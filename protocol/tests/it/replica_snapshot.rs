//! When a state may be traded on, and when two states are the same.

use alphapulse_protocol::message::{
    Block, BlockEnd, Pool, PoolKind, Skip, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Swap, V3Tick,
};
use alphapulse_protocol::message::{Reorg, WireMessage};
use alphapulse_protocol::replica::{Change, PoolState, Replica};
use alphapulse_protocol::{
    BlockNumber, ChainId, Epoch, FeePpm, PoolId, ReplicaError, TokenId, U256, UnixNanos, VenueId,
};

use crate::stream::{
    CHAIN, EPOCH, apply_frames, at_block, block_ref, context, description, joined, send, send_empty_block,
};

#[test]
fn a_snapshot_at_the_head_is_tradable_and_one_behind_it_is_not() {
    for (head, is_tradable) in [(100, true), (101, false), (u64::MAX, false)] {
        let mut replica = Replica::default();
        let begin = SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0).seen_from(BlockNumber(head));
        assert_eq!(send(&mut replica, 10, begin), Ok(Change::SnapshotBegun));
        assert!(!replica.is_whole() && !replica.is_tradable());
        send(&mut replica, 10, SnapshotEnd::new(0)).expect("ends");
        assert!(replica.is_whole());
        assert_eq!(replica.is_tradable(), is_tradable, "head {head}");
    }
}

#[test]
fn a_block_is_tradable_when_it_is_whole_and_the_newest_known() {
    let mut replica = at_block(100, 100);
    for (number, name, head, is_tradable) in [(101, 101, 103, false), (102, 102, 103, false), (103, 103, 103, true)] {
        let sequence = replica.sequence().0;
        send(&mut replica, sequence + 1, Block::new(context(number, name, name - 1), BlockNumber(head)))
            .expect("begins");
        assert!(!replica.is_whole() && !replica.is_tradable(), "inside block {number}");
        send(&mut replica, sequence + 2, BlockEnd::new(block_ref(number, name), 0)).expect("ends");
        assert!(replica.is_whole());
        assert_eq!(replica.is_tradable(), is_tradable, "block {number}");
    }
}

#[test]
fn after_a_reorg_nothing_is_tradable_until_a_block_at_the_head_came() {
    let mut replica = at_block(100, 100);
    send_empty_block(&mut replica, 101, 101, 100);
    send_empty_block(&mut replica, 102, 102, 101);
    let reorg = Reorg::new(block_ref(100, 100), block_ref(102, 102)).expect("two deep");
    send(&mut replica, 15, reorg).expect("fits");
    assert!(replica.is_whole() && !replica.is_tradable());
    send(&mut replica, 16, Block::new(context(101, 201, 100), BlockNumber(102))).expect("begins");
    send(&mut replica, 17, BlockEnd::new(block_ref(101, 201), 0)).expect("ends");
    assert!(!replica.is_tradable(), "one more is known");
    // The new branch may be shorter than the old: what counts is what the relay knows now.
    let mut shorter = at_block(100, 100);
    send_empty_block(&mut shorter, 101, 101, 100);
    send_empty_block(&mut shorter, 102, 102, 101);
    send(&mut shorter, 15, reorg).expect("fits");
    send_empty_block(&mut shorter, 101, 201, 100);
    assert!(shorter.is_tradable());
}

#[test]
fn who_joins_may_trade_exactly_when_who_was_there_may() {
    let mut replica = at_block(100, 100);
    assert!(joined(&replica, 64).is_tradable());
    send(&mut replica, 11, Block::new(context(101, 101, 100), BlockNumber(105))).expect("begins");
    send(&mut replica, 12, BlockEnd::new(block_ref(101, 101), 0)).expect("ends");
    assert!(!replica.is_tradable() && !joined(&replica, 64).is_tradable(), "the relay catches up");
    let reorg = Reorg::new(block_ref(100, 100), block_ref(101, 101)).expect("one deep");
    send(&mut replica, 13, reorg).expect("fits");
    assert!(!replica.is_tradable() && !joined(&replica, 64).is_tradable(), "between a reorg and its blocks");
    let mut late = joined(&replica, 64);
    for replica in [&mut replica, &mut late] {
        send_empty_block(replica, 101, 201, 100);
        assert!(replica.is_tradable());
    }
    assert!(replica.is_same_state(&late));
}

#[test]
fn a_snapshot_in_the_middle_of_a_stream_voids_what_was_before() {
    let mut replica = sample(|_| {});
    send_empty_block(&mut replica, 101, 101, 100);
    let begin = SnapshotBegin::new(context(7, 7, 6), ChainId(5), Epoch(8), 0, 0);
    assert_eq!(send(&mut replica, 0, begin), Ok(Change::SnapshotBegun));
    assert!(replica.tokens().is_empty() && replica.pools().is_empty() && replica.states().is_empty());
    send(&mut replica, 0, SnapshotEnd::new(0)).expect("ends");
    assert_eq!((replica.chain_id(), replica.epoch(), replica.sequence().0), (ChainId(5), Epoch(8), 0));
    let reorg = Reorg::new(block_ref(6, 6), block_ref(7, 7)).expect("one deep");
    let too_deep = ReplicaError::TooDeep { depth: 1, kept: 0 };
    assert_eq!(send(&mut replica, 1, reorg), Err(too_deep), "no block of the former epoch can be taken back");
}

#[test]
fn a_tick_described_in_a_block_goes_with_the_block() {
    let before = sample(|_| {});
    let mut replica = before.clone();
    send(&mut replica, 11, Block::new(context(101, 101, 100), BlockNumber(101))).expect("begins");
    send(&mut replica, 12, V3Tick::new(PoolId(1), -60, 1, 1)).expect("a tick");
    send(&mut replica, 13, BlockEnd::new(block_ref(101, 101), 1)).expect("ends");
    assert_ne!(replica.states(), before.states());
    send(&mut replica, 14, Reorg::new(block_ref(100, 100), block_ref(101, 101)).expect("one deep")).expect("fits");
    assert!(replica.is_same_state(&before));
}

#[test]
fn only_whole_blocks_are_described() {
    let is_described = |replica: &Replica| replica.describe(UnixNanos(0), |_| {});
    let mut replica = Replica::default();
    assert!(!is_described(&replica));
    send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0)).expect("begins");
    assert!(!is_described(&replica));
    send(&mut replica, 10, SnapshotEnd::new(0)).expect("ends");
    assert!(is_described(&replica));
    send(&mut replica, 11, Block::new(context(101, 101, 100), BlockNumber(101))).expect("begins");
    assert!(!is_described(&replica));
    assert!(!replica.is_same_state(&replica), "what is not whole is not the same as anything");
}

/// Parts of a small snapshot, to be varied one at a time.
struct Parts {
    context_name: u32,
    token: Token,
    v2: Pool,
    v3: Pool,
    reserves: V2Reserves,
    slot: V3Swap,
    tick: V3Tick,
}

fn sample(vary: impl FnOnce(&mut Parts)) -> Replica {
    let pool = |id, byte| Pool::uniswap_v2(PoolId(id), VenueId(0), [byte; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
    let mut parts = Parts {
        context_name: 100,
        token: Token::new(TokenId(1), [2; 20], "B", 18),
        v2: pool(0, 3),
        v3: pool(1, 4).with_ticks(60, (-120, 120)),
        reserves: V2Reserves::new(PoolId(0), 5, 6),
        slot: V3Swap::new(PoolId(1), U256::from(7), 8, 9),
        tick: V3Tick::new(PoolId(1), 60, 10, 11),
    };
    vary(&mut parts);
    let mut replica = Replica::default();
    let replica_ref = &mut replica;
    let put = |change: Result<Change, _>| change.map(|_| ()).expect("a valid snapshot");
    put(send(replica_ref, 10, SnapshotBegin::new(context(100, parts.context_name, 99), CHAIN, EPOCH, 2, 2)));
    put(send(replica_ref, 10, Token::new(TokenId(0), [1; 20], "A", 18)));
    put(send(replica_ref, 10, parts.token));
    put(send(replica_ref, 10, parts.v2));
    put(send(replica_ref, 10, parts.reserves));
    put(send(replica_ref, 10, parts.v3));
    put(send(replica_ref, 10, parts.slot));
    put(send(replica_ref, 10, parts.tick));
    put(send(replica_ref, 10, SnapshotEnd::new(7)));
    replica
}

#[test]
fn states_that_differ_in_any_part_are_not_the_same() {
    type Vary = fn(&mut Parts);
    let base = sample(|_| {});
    assert!(base.is_same_state(&sample(|_| {})));
    let variations: [(&str, Vary); 17] = [
        ("block", |p| p.context_name += 1),
        ("token address", |p| p.token = Token::new(TokenId(1), [9; 20], "B", 18)),
        ("token symbol", |p| p.token = Token::new(TokenId(1), [2; 20], "C", 18)),
        ("token decimals", |p| p.token = Token::new(TokenId(1), [2; 20], "B", 6)),
        ("pool venue", |p| p.v2.venue.set(1)),
        ("pool address", |p| p.v2.address[0] = 9),
        ("pool tokens", |p| (p.v2.token_0, p.v2.token_1) = (p.v2.token_1, p.v2.token_0)),
        ("pool fee", |p| p.v2.fee_ppm.set(500)),
        ("tick spacing", |p| p.v3.tick_spacing.set(10)),
        ("known ticks", |p| p.v3.known_tick_low.set(-180)),
        ("reserve 0", |p| p.reserves.reserve_0.set(0)),
        ("reserve 1", |p| p.reserves.reserve_1.set(0)),
        ("price", |p| p.slot = V3Swap::new(PoolId(1), U256::from(70), 8, 9)),
        ("tick", |p| p.slot.tick.set(7)),
        ("active liquidity", |p| p.slot.liquidity.set(8)),
        ("net liquidity", |p| p.tick.liquidity_net.set(-10)),
        ("gross liquidity", |p| p.tick.liquidity_gross.set(12)),
    ];
    for (part, vary) in variations {
        let other = sample(vary);
        assert!(!base.is_same_state(&other) && !other.is_same_state(&base), "{part}");
        assert!(other.is_same_state(&joined(&other, 64)), "{part}: described and read again");
    }
}

#[test]
fn a_description_carries_the_place_in_the_stream() {
    let mut replica = sample(|_| {});
    send_empty_block(&mut replica, 101, 101, 100);
    let mut fresh = Replica::default();
    let changes = apply_frames(&mut fresh, &description(&replica));
    assert_eq!(changes.len(), 9);
    assert_eq!((fresh.chain_id(), fresh.epoch(), fresh.sequence()), (CHAIN, EPOCH, replica.sequence()));
    assert!(fresh.is_same_state(&replica));
}

#[test]
fn tokens_and_pools_are_found_by_contract() {
    let replica = sample(|_| {});
    assert_eq!(replica.token_by_address(&[2; 20]), Some(TokenId(1)));
    assert_eq!(replica.pool_by_address(&[4; 20]), Some(PoolId(1)));
    assert_eq!(replica.token_by_address(&[4; 20]), None);
    assert_eq!(replica.pool_by_address(&[2; 20]), None);
}

#[test]
fn constructors_make_nothing_that_a_reader_refuses() {
    let below = BlockNumber(5);
    assert_eq!(Block::new(context(100, 100, 99), below).check(), Ok(()));
    assert_eq!(SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 0, 0).seen_from(below).check(), Ok(()));
    let long = "é".repeat(20);
    let token = Token::new(TokenId(0), [0; 20], &format!("x{long}"), 18);
    assert_eq!((token.check(), token.symbol().len()), (Ok(()), 31), "cut at a character");
}

#[test]
fn a_pool_that_was_passed_over_is_not_known_and_nothing_live_makes_it_so() {
    let truth = sample(|_| {});
    let mut replica = skipping_sample();
    assert!(replica.is_tradable() && !replica.is_same_state(&truth));
    let known = |replica: &Replica| [0, 1].map(|pool| replica.is_known(PoolId(pool)));
    assert_eq!(known(&replica), [true, false]);
    assert!(replica.state(PoolId(0)).is_some() && replica.state(PoolId(1)).is_none());
    assert_eq!(replica.states()[1], PoolState::Unknown(PoolKind::UniswapV3));
    let fresh = joined(&replica, 64);
    assert!(known(&fresh) == known(&replica) && fresh.is_same_state(&replica), "who joins by it knows no more");
    let block = Block::new(context(101, 101, 100), BlockNumber(101));
    send(&mut replica, 11, block).expect("begins");
    send(&mut replica, 12, V3Swap::new(PoolId(1), U256::from(1_u128 << 96), 0, 5))
        .expect("its ticks lack all the same");
    send(&mut replica, 13, V3Tick::new(PoolId(1), -60, 1, 1)).expect("a part");
    send(&mut replica, 14, BlockEnd::new(block_ref(101, 101), 2)).expect("ends");
    assert_eq!(known(&replica), [true, false]);
}

#[test]
fn a_pool_described_in_a_block_is_known_once_its_state_came_and_not_after_that_was_taken_back() {
    let mut replica = sample(|_| {});
    let added = PoolId(2);
    let pool = Pool::uniswap_v2(added, VenueId(0), [3; 20], [TokenId(0), TokenId(1)], FeePpm(3000));
    send(&mut replica, 11, Block::new(context(101, 101, 100), BlockNumber(102))).expect("begins");
    send(&mut replica, 12, pool).expect("described");
    send(&mut replica, 13, BlockEnd::new(block_ref(101, 101), 1)).expect("ends");
    assert!(!replica.is_known(added) && replica.state(added).is_none());
    assert!(!joined(&replica, 64).is_known(added), "an empty pool is not what a joiner is told");
    send(&mut replica, 14, Block::new(context(102, 102, 101), BlockNumber(102))).expect("begins");
    send(&mut replica, 15, V2Reserves::new(added, 5, 6)).expect("its state");
    send(&mut replica, 16, BlockEnd::new(block_ref(102, 102), 1)).expect("ends");
    assert!(replica.is_known(added) && replica.state(added).is_some());
    let back =
        |to: u32, from: u32| Reorg::new(block_ref(to.into(), to), block_ref(from.into(), from)).expect("one deep");
    send(&mut replica, 17, back(101, 102)).expect("fits");
    assert!(!replica.is_known(added));
    send(&mut replica, 18, back(100, 101)).expect("fits");
    assert!(!replica.is_known(added) && replica.pools().len() == 2);
}

/// The same market for a reader who did not ask for pool 1.
fn skipping_sample() -> Replica {
    let pool = |id, byte| Pool::uniswap_v2(PoolId(id), VenueId(0), [byte; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
    let mut replica = Replica::default();
    send(&mut replica, 10, SnapshotBegin::new(context(100, 100, 99), CHAIN, EPOCH, 2, 2)).expect("begins");
    send(&mut replica, 10, Token::new(TokenId(0), [1; 20], "A", 18)).expect("a token");
    send(&mut replica, 10, Token::new(TokenId(1), [2; 20], "B", 18)).expect("a token");
    send(&mut replica, 10, pool(0, 3)).expect("a pool");
    send(&mut replica, 10, V2Reserves::new(PoolId(0), 5, 6)).expect("its state");
    send(&mut replica, 10, pool(1, 4).with_ticks(60, (-120, 120))).expect("a pool");
    send(&mut replica, 10, Skip::new(2)).expect("in the place of its state");
    send(&mut replica, 10, SnapshotEnd::new(7)).expect("ends");
    replica
}
