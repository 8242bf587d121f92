//! Pools that a factory tells of while the stream runs are followed like those of the configuration, and are gone with the
//! block that made them.

use std::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::PoolId;
use alphapulse_protocol::replica::PoolState;
use alphapulse_relay::source::race::{AlarmKind, RaceDial, RaceTerms, SourceState};
use alphapulse_relay::{
    Recording, Relay, RelayConfig, RelayStats, ReplayOptions, ReplaySpeed, Selection, SubscribeOptions,
};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::{Change, Pair, WANTED};
use super::lying_node::{FakeNode, Lies};
use super::subscriber::{BACKFILL_BLOCKS_MAX, REORG_DEPTH_MAX, Subscriber, following};

/// Pools of the fake chain that no factory made.
pub(crate) const BASE: usize = 3;

pub(crate) fn create(pair: Pair) -> Change {
    Change::Create { pair, reserves: (10, 20) }
}

/// Blocks each with these changes, the last of them announced.
pub(crate) fn mine(chain: &FakeChain, blocks: &[&[Change]]) {
    for changes in blocks {
        chain.mine(changes);
    }
    chain.announce(chain.head());
}

/// Blocks in which nothing happens, and of which nobody is told.
pub(crate) fn pass(chain: &FakeChain, blocks: usize) {
    for _ in 0..blocks {
        chain.mine(&[]);
    }
}

pub(crate) async fn begin(config: RelayConfig) -> (FakeChain, Relay, Subscriber) {
    let chain = FakeChain::new();
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    (chain, relay, subscriber)
}

/// Discovered, followed now, forgotten.
pub(crate) fn counts(stats: &RelayStats) -> [u64; 3] {
    [stats.pools_discovered, stats.pools_discovered_now, stats.pools_forgotten]
}

fn without_range(mut config: RelayConfig, pools_max: usize) -> RelayConfig {
    config.factories[0].from_block = None;
    config.factories[0].pools_max = pools_max;
    config
}

#[tokio::test]
async fn a_new_pool_is_described_in_its_block_and_followed_from_then_on() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    subscriber.seen.clear();
    mine(&chain, &[&[create(Pair::New), Change::SyncCreated { index: 0, reserves: (11, 19) }]]);
    subscriber.settle(&chain).await;
    // Its state is that after the block, so its own updates are not told again.
    assert_eq!(subscriber.seen, ["Block", "Token", "Pool", "V2Reserves", "BlockEnd"]);
    let reserves = |subscriber: &Subscriber| match &subscriber.replica.states()[BASE] {
        PoolState::V2(state) => (state.reserve_0, state.reserve_1),
        other => panic!("a pair has reserves, not {other:?}"),
    };
    assert_eq!(reserves(&subscriber), (11, 19));

    subscriber.seen.clear();
    mine(&chain, &[&[Change::SyncCreated { index: 0, reserves: (12, 18) }], &[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.seen, ["Block", "V2Reserves", "BlockEnd", "Block", "Pool", "V2Reserves", "BlockEnd"]);
    assert_eq!(reserves(&subscriber), (12, 18));
    assert_eq!(counts(&relay.stats()), [2, 2, 0]);

    // Who joins later gets them in the snapshot.
    let mut late = Subscriber::join(&relay);
    late.settle(&chain).await;
    assert!(late.replica.is_same_state(&subscriber.replica));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_pool_is_gone_with_its_block_and_its_id_is_given_anew() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::New)], &[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    let first = subscriber.replica.pools()[BASE].address;
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    let tokens = subscriber.replica.tokens().len();

    // Both blocks are replaced: a pair of another kind comes in the place of the first, and one more.
    chain.rollback(2);
    mine(&chain, &[&[], &[create(Pair::Known)], &[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    assert!(subscriber.seen.contains(&"Reorg"));
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    assert_ne!(subscriber.replica.pools()[BASE].address, first);
    assert_eq!(subscriber.replica.pool_by_address(&first), None);
    assert_eq!(subscriber.replica.tokens().len(), tokens + 1, "a token that was described stays known");
    assert_eq!(counts(&relay.stats()), [4, 2, 2]);

    // What the relay and its subscriber know is still the same: later changes meet the right pools.
    mine(&chain, &[&[0, 1].map(|index| Change::SyncCreated { index, reserves: (index as u128 + 70, 1) })]);
    subscriber.settle(&chain).await;
    assert_eq!((relay.stats().contradictions, relay.stats().resnapshots), (0, 0));

    // The same pair, made again by the same transaction in another block.
    chain.rollback(2);
    mine(&chain, &[&[create(Pair::New)], &[], &[]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.tokens().len(), tokens + 1, "its token is known");
    assert_eq!((relay.stats().contradictions, relay.stats().resnapshots), (0, 0));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn pools_that_are_not_followed_are_counted_and_stop_nothing() {
    let (chain, relay, mut subscriber) = begin(without_range(following(), 2)).await;
    mine(&chain, &[&[create(Pair::Spam), create(Pair::Broken), create(Pair::Spam), create(Pair::New)]]);
    mine(&chain, &[&[Change::SyncCreated { index: 0, reserves: (5, 5) }], &[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    let refused = |stats: &RelayStats| [stats.pools_unwanted, stats.pools_unreadable, stats.pools_over_max];
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    assert_eq!((refused(&relay.stats()), counts(&relay.stats())), ([2, 1, 0], [2, 2, 0]));
    assert_eq!(relay.stats().retries, 0);

    // With as many pools as it may have, the relay asks for no more; the fake chain would hold them against it.
    subscriber.leave();
    mine(&chain, &[&[create(Pair::Known), create(Pair::New)]]);
    let mut late = relay.subscribe().unwrap();
    while relay.stats().pools_over_max < 2 {
        late.try_next().unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((refused(&relay.stats()), counts(&relay.stats())), ([2, 1, 2], [2, 2, 0]));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_asked_again_and_no_pool_is_lost() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    chain.set_faults(Faults { refuse_pools: 2, ..Faults::default() });
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools().len(), BASE + 1);
    assert_eq!((relay.stats().retries, relay.stats().pools_unreadable), (2, 0));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn pools_stay_known_over_snapshots_and_those_made_meanwhile_are_found() {
    let (chain, relay, mut subscriber) = begin(without_range(following(), 100)).await;
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;

    // Too far to be met block by block, with a pool in the middle.
    let gap = usize::try_from(BACKFILL_BLOCKS_MAX).unwrap();
    pass(&chain, gap);
    chain.mine(&[create(Pair::Known), create(Pair::Spam)]);
    pass(&chain, gap);
    mine(&chain, &[&[]]);
    subscriber.settle(&chain).await;
    assert_eq!(relay.stats().resnapshots, 1);
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    assert_eq!(counts(&relay.stats()), [2, 2, 0]);

    // A reorg deeper than what is kept takes the second pool away, and brings another.
    chain.rollback(gap + 5);
    mine(&chain, &[&[create(Pair::New)]]);
    (0..REORG_DEPTH_MAX).for_each(|_| mine(&chain, &[&[]]));
    subscriber.settle(&chain).await;
    assert_eq!(relay.stats().resnapshots, 2);
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    assert_eq!(counts(&relay.stats()), [3, 2, 1]);

    // What changes after that is followed.
    mine(&chain, &[&[0, 1, 2].map(|index| Change::SyncCreated { index, reserves: (5, index as u128) })]);
    subscriber.settle(&chain).await;
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_does_not_look_back_stops_no_snapshot_and_the_operator_is_told() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    // More often than the range is halved.
    chain.set_faults(Faults { refuse_creations: 100, ..Faults::default() });
    pass(&chain, usize::try_from(BACKFILL_BLOCKS_MAX).unwrap());
    mine(&chain, &[&[Change::SyncCreated { index: 0, reserves: (6, 6) }]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools().len(), BASE + 1, "what was known stays known");
    assert_eq!((relay.stats().pools_unheard, relay.stats().resnapshots), (1, 1));
    relay.stop().await.unwrap();

    // A start is told to look back, and says that it cannot.
    chain.set_faults(Faults { refuse_creations: 100, ..Faults::default() });
    assert!(Relay::start_from(following(), chain.clone()).await.is_err());
}

#[tokio::test]
async fn pools_that_were_made_while_there_was_no_connection_are_found() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    chain.disconnect();
    mine(&chain, &[&[create(Pair::New)], &[Change::SyncCreated { index: 0, reserves: (8, 8) }]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools().len(), BASE + 2);
    assert_eq!((counts(&relay.stats()), relay.stats().resnapshots), ([2, 2, 0], 0));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_looks_back_as_far_as_it_is_told() {
    let chain = FakeChain::new();
    mine(&chain, &[&[create(Pair::New)], &[create(Pair::Broken)], &[create(Pair::Known)]]);
    pass(&chain, 30);
    let found = async |from_block| {
        let mut config = following();
        config.factories[0].from_block = from_block;
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        let stats = relay.stats();
        relay.stop().await.unwrap();
        (stats.pools_discovered, stats.pools_unreadable)
    };
    assert_eq!(found(Some(0)).await, (2, 1));
    assert_eq!(found(Some(101)).await, (2, 1));
    assert_eq!(found(Some(102)).await, (1, 1));
    assert_eq!(found(Some(104)).await, (0, 0));
    assert_eq!(found(Some(u64::MAX)).await, (0, 0));
    assert_eq!(found(None).await, (0, 0));
}

/// Names of the messages of the next block.
async fn next_block(subscriber: &mut Subscriber) -> Vec<&'static str> {
    let mut names = Vec::new();
    while names.last() != Some(&"BlockEnd") {
        match subscriber.next_name() {
            Some("Block") => names = vec!["Block"],
            Some(name) if name != "Heartbeat" => names.push(name),
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    names
}

#[tokio::test]
async fn a_selection_takes_in_new_pools_by_its_rules() {
    let (chain, relay, _subscriber) = begin(following()).await;
    let wanting = |token: Address| {
        let selection = Selection::everything().token(token.into_array());
        let options = SubscribeOptions { selection, ..SubscribeOptions::default() };
        Subscriber::new(relay.subscribe_with(options).unwrap())
    };
    let (mut all, mut none) = (wanting(WANTED), wanting(Address::repeat_byte(3)));
    mine(&chain, &[&[create(Pair::New)]]);
    assert_eq!(next_block(&mut all).await, ["Block", "Token", "Pool", "V2Reserves", "BlockEnd"]);
    assert_eq!(next_block(&mut none).await, ["Block", "Token", "Pool", "Skip", "BlockEnd"]);
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_recorded_feed_with_new_pools_is_replayed_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("journal");
    let (chain, relay, mut subscriber) = begin(RelayConfig { journal_dir: Some(dir.clone()), ..following() }).await;
    mine(&chain, &[&[create(Pair::New), Change::Swap { tick: 3 }], &[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    chain.rollback(1);
    mine(&chain, &[&[create(Pair::New)], &[Change::SyncCreated { index: 1, reserves: (4, 4) }]]);
    subscriber.settle(&chain).await;
    relay.stop().await.unwrap();

    let recording = Recording::open(&dir).unwrap();
    let options = ReplayOptions { speed: ReplaySpeed::Max, wait_for: 1 };
    let relay = Relay::replay(following(), &recording, options).await.unwrap();
    let mut again = Subscriber::join(&relay);
    again.settle(&chain).await;
    assert!(again.replica.is_same_state(&subscriber.replica));
    assert_eq!(relay.stats().contradictions, 0);
    relay.stop().await.unwrap();
}

/// A relay that races these nodes.
pub(crate) async fn race(nodes: &[FakeNode], quorum: usize) -> Relay {
    let (confirm_wait, silence) = (Duration::from_millis(50), Duration::from_millis(20));
    let terms = RaceTerms { quorum, stale_blocks: 2, confirm_wait, silence };
    Relay::start_from(following(), RaceDial::new(nodes.to_vec(), terms)).await.unwrap()
}

#[tokio::test]
async fn of_three_nodes_the_one_that_describes_a_new_pool_otherwise_is_outvoted() {
    let chain = FakeChain::new();
    let nodes = ["liar", "b", "c"].map(|name| FakeNode::new(name, &chain));
    let relay = race(&nodes, 2).await;
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    nodes[0].tell(Lies { forge_images: 1_000, ..Lies::default() });
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools().len(), BASE + 1);
    let alarms = relay.alarms();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!((alarms[0].kind, alarms[0].node.as_deref()), (AlarmKind::ForgedImage, Some("liar")));
    // The contract may be the one that says this to one node and that to another.
    assert!(relay.sources().iter().all(|source| source.state == SourceState::Ready), "{:?}", relay.sources());
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_pool_on_which_nodes_do_not_agree_is_refused_and_the_stream_goes_on() {
    let chain = FakeChain::new();
    let nodes = ["liar", "b"].map(|name| FakeNode::new(name, &chain));
    let relay = race(&nodes, 2).await;
    let mut feed = relay.subscribe().unwrap();
    nodes[0].tell(Lies { forge_images: 1_000, ..Lies::default() });
    mine(&chain, &[&[create(Pair::New)], &[]]);
    let head = chain.head().number.get();
    while relay.stats().head_number < head {
        feed.try_next().unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((counts(&relay.stats()), relay.stats().pools_unreadable), ([0, 0, 0], 1));
    assert_eq!(relay.stats().alarms_forged_image, 1);
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_creation_that_a_node_keeps_back_is_proven_by_the_block() {
    let chain = FakeChain::new();
    let nodes = ["liar", "b", "c"].map(|name| FakeNode::new(name, &chain));
    let relay = race(&nodes, 2).await;
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    nodes[0].tell(Lies { drop_logs: 1_000, ..Lies::default() });
    mine(&chain, &[&[create(Pair::Known)]]);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools()[BASE].address, chain.created(&chain.head().hash)[0].address.into_array());
    assert_eq!(PoolId(3).index(), BASE);
    while relay.alarms().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(relay.alarms()[0].kind, AlarmKind::MissingLog);
    relay.stop().await.unwrap();
}
