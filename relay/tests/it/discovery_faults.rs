//! New pools whose contracts are hostile, and nodes that are busy: neither holds the stream back, and neither loses a pool
//! that is followed.

use std::time::Duration;

use alphapulse_relay::{Relay, RelayStats};

use super::discovery::{BASE, begin, counts, create, mine, pass, race};
use super::fake_chain::{FakeChain, Faults};
use super::fake_market::{Change, Pair};
use super::lying_node::FakeNode;
use super::subscriber::{BACKFILL_BLOCKS_MAX, Subscriber, following};

/// Waits for a subscriber that does not hold the stream against the chain, which knows of pools that are not followed.
async fn wait_for(relay: &Relay, is_done: impl Fn(&RelayStats) -> bool) {
    let mut feed = relay.subscribe().unwrap();
    while !is_done(&relay.stats()) {
        feed.try_next().unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Puts the chain's head too far ahead to be met block by block.
fn leap(chain: &FakeChain) {
    pass(chain, usize::try_from(BACKFILL_BLOCKS_MAX).unwrap());
    mine(chain, &[&[Change::SyncCreated { index: 0, reserves: (6, 6) }]]);
}

#[tokio::test]
async fn of_a_block_that_makes_many_pools_only_the_first_are_read() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    subscriber.leave();
    mine(&chain, &[&[create(Pair::New); 20], &[]]);
    let head = chain.head().number.get();
    wait_for(&relay, |stats| stats.head_number == head).await;
    let stats = relay.stats();
    assert_eq!((counts(&stats), stats.pools_over_max, stats.pools_unreadable), ([16, 16, 0], 4, 0));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_pool_that_keeps_the_stream_waiting_is_refused_and_the_connection_is_kept() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    subscriber.leave();
    chain.set_faults(Faults { mute_pools: 1, ..Faults::default() });
    mine(&chain, &[&[create(Pair::New)], &[create(Pair::New)]]);
    let head = chain.head().number.get();
    wait_for(&relay, |stats| stats.head_number == head).await;
    let stats = relay.stats();
    assert_eq!((counts(&stats), stats.pools_unreadable), ([1, 1, 0], 1));
    assert_eq!((stats.retries, stats.connection_losses, stats.resnapshots), (0, 0, 0));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_busy_node_loses_no_pool_at_a_snapshot() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    // More often than a step is tried on one connection.
    chain.set_faults(Faults { unread_pools: 5, ..Faults::default() });
    leap(&chain);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.replica.pools().len(), BASE + 1);
    assert_eq!((counts(&relay.stats()), relay.stats().resnapshots), ([1, 1, 0], 1));
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_followed_pool_that_can_never_be_read_does_not_stop_the_others_for_ever() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    subscriber.leave();
    chain.set_faults(Faults { unread_pools: 1_000, ..Faults::default() });
    leap(&chain);
    while relay.stats().resnapshots == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(counts(&relay.stats()), [1, 0, 1]);
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_too_slow_to_look_back_stops_no_snapshot() {
    let (chain, relay, mut subscriber) = begin(following()).await;
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    for (mute_creations, pools_unheard) in [(1, 0), (100, 1)] {
        chain.set_faults(Faults { mute_creations, ..Faults::default() });
        leap(&chain);
        subscriber.settle(&chain).await;
        assert_eq!(subscriber.replica.pools().len(), BASE + 1);
        assert_eq!((relay.stats().pools_unheard, relay.stats().connection_losses), (pools_unheard, 0));
    }
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn nodes_that_are_too_slow_to_look_back_are_not_taken_for_lost() {
    let chain = FakeChain::new();
    let nodes = ["a", "b"].map(|name| FakeNode::new(name, &chain));
    let relay = race(&nodes, 2).await;
    let mut subscriber = Subscriber::join(&relay);
    mine(&chain, &[&[create(Pair::New)]]);
    subscriber.settle(&chain).await;
    chain.set_faults(Faults { mute_creations: 100, ..Faults::default() });
    leap(&chain);
    subscriber.settle(&chain).await;
    assert_eq!((relay.stats().pools_unheard, relay.stats().resnapshots), (1, 1));
    assert!(relay.sources().iter().all(|node| node.reconnects == 0), "{:?}", relay.sources());
    relay.stop().await.unwrap();
}
