//! What the relay does when the chain or the node misbehaves, one fault at a time.

use alphapulse_protocol::message::CloseReason;
use alphapulse_relay::{FeedError, Relay, RelayConfig, RelayError, RelayStats, SourceError};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::subscriber::{BACKFILL_BLOCKS_MAX, REORG_DEPTH_MAX, Subscriber, config};

/// A block with one change of each pool.
fn busy(salt: u64) -> [Change; 4] {
    let reserve = 1_000 + u128::from(salt);
    [
        Change::Sync { pool: 1, reserves: (reserve, reserve * 3) },
        Change::Sync { pool: 1, reserves: (reserve + 1, reserve * 2) },
        Change::Mint { lower: -3, width: 6, amount: salt + 1 },
        Change::Swap { tick: i32::try_from(salt % 500).unwrap() },
    ]
}

struct Scene {
    chain: FakeChain,
    relay: Relay,
    subscriber: Subscriber,
}

impl Scene {
    /// A relay and a subscriber that stand at the head of a chain of a few blocks, the last of which came live.
    async fn new() -> Self {
        let chain = FakeChain::new();
        let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
        let mut scene = Self { subscriber: Subscriber::join(&relay), chain, relay };
        for salt in 0..4 {
            scene.mine_announced(salt).await;
        }
        scene
    }

    async fn mine_announced(&mut self, salt: u64) {
        let block = self.chain.mine(&busy(salt));
        self.chain.announce(block);
        self.settle().await;
        assert!(self.subscriber.replica.is_tradable());
    }

    async fn settle(&mut self) {
        self.subscriber.settle(&self.chain).await;
    }

    fn stats(&self) -> RelayStats {
        self.relay.stats()
    }
}

#[tokio::test]
async fn announced_blocks_are_relayed_one_by_one() {
    let scene = Scene::new().await;
    let stats = scene.stats();
    assert_eq!((stats.blocks, stats.heads, stats.backfilled_blocks, stats.reorgs), (4, 4, 0, 0));
    assert_eq!(stats.head_number, scene.chain.head().number.get());
    // Block, the last Sync of the pool, Mint, Swap, BlockEnd.
    assert_eq!(stats.messages, 4 * 5);
    assert_eq!(
        scene.subscriber.seen[scene.subscriber.seen.len() - 5..],
        ["Block", "V2Reserves", "V3Liquidity", "V3Swap", "BlockEnd"]
    );
}

#[tokio::test]
async fn missed_announcements_are_back_filled_in_order() {
    let mut scene = Scene::new().await;
    for salt in 10..15 {
        scene.chain.mine(&busy(salt));
    }
    scene.chain.announce(scene.chain.head());
    scene.settle().await;
    assert!(scene.subscriber.replica.is_tradable());
    let stats = scene.stats();
    assert_eq!((stats.blocks, stats.backfilled_blocks, stats.resnapshots), (9, 4, 0));
}

#[tokio::test]
async fn of_a_burst_only_the_last_block_may_be_traded_on() {
    let mut scene = Scene::new().await;
    scene.subscriber.tradable_at.clear();
    for salt in 16..19 {
        let block = scene.chain.mine(&busy(salt));
        scene.chain.announce(block);
    }
    scene.settle().await;
    assert_eq!(scene.subscriber.tradable_at, [scene.chain.head().number.get()]);
    assert_eq!(scene.stats().backfilled_blocks, 0, "all three were announced");
}

#[tokio::test]
async fn a_log_that_cannot_be_true_is_met_with_a_new_epoch_and_nobody_sees_half_a_block() {
    let mut scene = Scene::new().await;
    let epoch = scene.subscriber.replica.epoch();
    scene.chain.set_faults(Faults { impossible_logs: 1, refuse_markets: 4, ..Faults::default() });
    let seen = scene.subscriber.seen.len();
    scene.chain.announce(scene.chain.mine(&busy(17)));
    scene.subscriber.until(&scene.chain, "a contradiction", |_| scene.relay.stats().contradictions == 1).await;
    assert_eq!(scene.subscriber.seen.len(), seen, "nothing of the block was sent");
    // Whoever joins while there is no state waits for one.
    let mut late = Subscriber::join(&scene.relay);
    scene.settle().await;
    late.settle(&scene.chain).await;
    assert_eq!(scene.subscriber.seen[seen..][..2], ["Gap", "SnapshotBegin"]);
    assert!(scene.subscriber.replica.epoch() > epoch && scene.subscriber.replica.is_tradable());
    assert!(late.replica.is_same_state(&scene.subscriber.replica));
    assert_eq!((scene.stats().contradictions, scene.stats().resnapshots), (1, 1));
    scene.mine_announced(18).await;
}

#[tokio::test]
async fn a_relay_that_is_dropped_disconnects_its_feeds() {
    let Scene { chain, relay, mut subscriber } = Scene::new().await;
    drop(relay);
    let ending = subscriber.ending(&chain).await;
    assert!(matches!(ending, FeedError::Disconnected), "{ending}");
}

#[tokio::test]
async fn a_silent_subscription_is_not_believed() {
    let mut scene = Scene::new().await;
    scene.chain.mine(&busy(20));
    scene.settle().await;
    assert!(scene.stats().silences > 0);
    assert_eq!(scene.stats().backfilled_blocks, 1);
}

#[tokio::test]
async fn a_gap_above_the_limit_is_met_with_a_snapshot_and_one_at_the_limit_is_not() {
    for (gap, resnapshots) in [(BACKFILL_BLOCKS_MAX, 0), (BACKFILL_BLOCKS_MAX + 1, 1)] {
        let mut scene = Scene::new().await;
        // No connection, so that no poll sees the gap half grown.
        scene.chain.set_faults(Faults { refuse_connections: 2, ..Faults::default() });
        scene.chain.disconnect();
        for salt in 0..gap {
            scene.chain.mine(&busy(salt));
        }
        scene.settle().await;
        assert_eq!(scene.stats().resnapshots, resnapshots, "gap of {gap}");
        assert_eq!(scene.stats().reconnects, 1);
    }
}

#[tokio::test]
async fn a_reorg_within_the_depth_is_relayed_and_one_beyond_is_met_with_a_snapshot() {
    for (depth, reorgs, resnapshots) in [(1, 1, 0), (REORG_DEPTH_MAX, 1, 0), (REORG_DEPTH_MAX + 1, 0, 1)] {
        let mut scene = Scene::new().await;
        for salt in 30..40 {
            scene.mine_announced(salt).await;
        }
        scene.chain.set_faults(Faults { refuse_connections: 1, ..Faults::default() });
        scene.chain.disconnect();
        scene.chain.rollback(depth);
        for salt in 0..=depth {
            scene.chain.mine(&busy(u64::try_from(salt).unwrap() + 100));
        }
        scene.settle().await;
        let stats = scene.stats();
        assert_eq!((stats.reorgs, stats.resnapshots), (reorgs, resnapshots), "depth {depth}");
        if reorgs > 0 {
            assert_eq!(stats.reorg_depth_max_seen, u64::try_from(depth).unwrap());
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_joined_above_the_ancestor_gets_a_snapshot_instead_of_the_reorg() {
    let mut scene = Scene::new().await;
    let mut late = Subscriber::join(&scene.relay);
    late.settle(&scene.chain).await;
    scene.chain.rollback(2);
    for salt in 50..53 {
        let block = scene.chain.mine(&busy(salt));
        scene.chain.announce(block);
    }
    scene.settle().await;
    late.settle(&scene.chain).await;
    let count = |subscriber: &Subscriber, name| subscriber.seen.iter().filter(|seen| **seen == name).count();
    assert_eq!((count(&scene.subscriber, "Reorg"), count(&scene.subscriber, "SnapshotBegin")), (1, 1));
    assert_eq!((count(&late, "Reorg"), count(&late, "SnapshotBegin")), (0, 2));
    assert!(late.replica.is_tradable());
    // From here on it can go back as far as it has come.
    scene.chain.rollback(1);
    let block = scene.chain.mine(&busy(60));
    scene.chain.announce(block);
    late.settle(&scene.chain).await;
    assert_eq!(count(&late, "Reorg"), 1);
}

#[tokio::test]
async fn a_rollback_that_nobody_announces_is_found_and_its_state_is_not_traded_on() {
    let mut scene = Scene::new().await;
    scene.chain.rollback(2);
    scene.settle().await;
    assert!(!scene.subscriber.replica.is_tradable(), "the head that was left was higher");
    assert_eq!(scene.stats().reorgs, 1);
    scene.mine_announced(70).await;
}

#[tokio::test]
async fn an_old_answer_is_not_taken_for_a_rollback() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { stale_heads: (3, 2), ..Faults::default() });
    let silences = scene.stats().silences;
    scene.subscriber.until(&scene.chain, "three polls", |_| scene.relay.stats().silences > silences + 3).await;
    assert_eq!(scene.stats().reorgs, 0);
    scene.mine_announced(80).await;
}

#[tokio::test]
async fn late_and_repeated_announcements_change_nothing() {
    let mut scene = Scene::new().await;
    for back in [0, 2, 1, 0, 3] {
        scene.chain.announce(scene.chain.below(back));
    }
    scene.mine_announced(90).await;
    let stats = scene.stats();
    assert_eq!((stats.blocks, stats.reorgs, stats.resnapshots, stats.heads), (5, 0, 0, 10));
}

#[tokio::test]
async fn an_announcement_of_a_branch_that_was_left_is_not_followed() {
    let mut scene = Scene::new().await;
    let abandoned = scene.chain.mine(&busy(1));
    scene.chain.rollback(1);
    let block = scene.chain.mine(&busy(2));
    scene.chain.announce(block);
    scene.settle().await;
    let heads = scene.stats().heads;
    scene.chain.announce(abandoned);
    // Taken up by itself, not in passing on the way to the next block.
    scene.subscriber.until(&scene.chain, "the late announcement", |_| scene.relay.stats().heads > heads).await;
    scene.mine_announced(91).await;
    assert_eq!((scene.stats().reorgs, scene.stats().resnapshots), (0, 0));
}

#[tokio::test]
async fn a_restarted_chain_begins_a_new_epoch() {
    let mut scene = Scene::new().await;
    let epoch = scene.subscriber.replica.epoch();
    scene.chain.restart();
    scene.settle().await;
    assert!(scene.subscriber.replica.epoch() > epoch);
    assert_eq!((scene.stats().resnapshots, scene.stats().reconnects), (1, 1));
    scene.mine_announced(95).await;
}

#[tokio::test]
async fn refused_and_foreign_logs_are_asked_for_again_and_counted() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_logs: 1, foreign_logs: 1, ..Faults::default() });
    scene.mine_announced(96).await;
    let stats = scene.stats();
    assert_eq!((stats.retries, stats.log_mismatches, stats.reconnects, stats.blocks), (2, 1, 0, 5));
}

#[tokio::test]
async fn a_node_that_keeps_refusing_is_left_for_a_new_connection() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_logs: 4, refuse_connections: 1, ..Faults::default() });
    scene.mine_announced(97).await;
    assert_eq!((scene.stats().connection_losses, scene.stats().reconnects), (1, 1));
}

#[tokio::test]
async fn a_connection_that_does_not_answer_is_given_up_at_once() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { mute_heads: 1, ..Faults::default() });
    scene.chain.mine(&busy(97));
    scene.settle().await;
    assert_eq!((scene.stats().connection_losses, scene.stats().reconnects, scene.stats().retries), (1, 1, 0));
}

#[tokio::test]
async fn a_snapshot_that_fails_is_taken_again() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_markets: 4, ..Faults::default() });
    scene.chain.restart();
    scene.settle().await;
    assert_eq!(scene.stats().resnapshots, 1);
}

#[tokio::test]
async fn another_chain_behind_the_same_address_ends_the_relay() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { is_wrong_chain: true, ..Faults::default() });
    scene.chain.disconnect();
    let ending = scene.subscriber.ending(&scene.chain).await;
    assert!(matches!(ending, FeedError::Closed(CloseReason::Shutdown)), "{ending}");
    scene.relay.ended().await;
    assert!(matches!(scene.relay.subscribe(), Err(RelayError::Stopped)));
    let error = scene.relay.stop().await.unwrap_err();
    assert!(matches!(error, RelayError::Node { source: SourceError::WrongChain { .. }, .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_chain_at_the_start_is_an_error_that_names_both() {
    let chain = FakeChain::new();
    chain.set_faults(Faults { is_wrong_chain: true, ..Faults::default() });
    let error = Relay::start_from(config(), chain).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the node is on chain 1, the configuration says chain 31337");
}

#[tokio::test]
async fn heartbeats_come_when_nothing_else_does() {
    let mut scene = Scene::new().await;
    let before = scene.subscriber.heartbeats;
    scene.subscriber.until(&scene.chain, "three heartbeats", |seen| seen.heartbeats >= before + 3).await;
    scene.mine_announced(98).await;
}

#[tokio::test]
async fn the_relay_serves_no_more_subscribers_than_configured_and_frees_places() {
    let mut scene = Scene::new().await;
    let others: Vec<_> = (1..8).map(|_| scene.relay.subscribe().unwrap()).collect();
    assert!(matches!(scene.relay.subscribe(), Err(RelayError::Full(8))));
    drop(others);
    // The writer has not even seen them: what waits for it keeps its place.
    assert!(matches!(scene.relay.subscribe(), Err(RelayError::Full(8))));
    let relay = &scene.relay;
    scene.subscriber.until(&scene.chain, "the writer's turn", |_| relay.subscribers().len() == 1).await;
    assert!(scene.relay.subscribe().is_ok());
    scene.mine_announced(99).await;
    scene.subscriber.until(&scene.chain, "one subscriber", |_| scene.relay.stats().subscribers == 1).await;
}

/// A subscriber that reads nothing while so many busy blocks come, on a relay that keeps so many messages.
async fn lapped(recent_bytes: usize) -> (FakeChain, Relay, Subscriber) {
    let chain = FakeChain::new();
    let config = RelayConfig { lane_bytes: 1_000, recent_bytes, ..config() };
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let mut slow = Subscriber::join(&relay);
    for salt in 0..3 {
        let mut fresh = Subscriber::join(&relay);
        let block = chain.mine(&busy(salt));
        chain.announce(block);
        fresh.settle(&chain).await;
    }
    slow.settle(&chain).await;
    (chain, relay, slow)
}

/// Names of what came after the snapshot at the start.
fn after_snapshot(subscriber: &Subscriber) -> Vec<&'static str> {
    subscriber.seen.iter().skip_while(|name| **name != "SnapshotEnd").skip(1).copied().collect()
}

#[tokio::test]
async fn a_subscriber_that_was_lapped_is_told_of_the_gap_before_what_it_missed() {
    let (chain, relay, mut slow) = lapped(1 << 20).await;
    let seen = after_snapshot(&slow);
    let gap = seen.iter().position(|name| *name == "Gap").expect("so small a lane cannot hold three busy blocks");
    // At most one busy block was in the lane with the snapshot.
    assert!(gap <= 9 && !seen.contains(&"SnapshotBegin"), "{seen:?}");
    let stats = relay.stats();
    assert!(stats.lapped >= 1 && stats.gaps_replayed >= 1, "{stats:?}");
    assert_eq!((stats.gaps_snapshot, stats.evicted), (0, 0));
    chain.announce(chain.mine(&[]));
    slow.settle(&chain).await;
    assert!(slow.replica.is_tradable());
}

#[tokio::test]
async fn a_subscriber_that_was_lapped_further_than_is_kept_gets_the_gap_and_then_a_snapshot() {
    let (chain, relay, mut slow) = lapped(400).await;
    let seen = after_snapshot(&slow);
    let gap = seen.iter().position(|name| *name == "Gap").expect("so small a lane cannot hold three busy blocks");
    assert_eq!(seen[gap + 1], "SnapshotBegin", "{seen:?}");
    assert!(relay.stats().gaps_snapshot >= 1);
    chain.announce(chain.mine(&[]));
    slow.settle(&chain).await;
    assert!(slow.replica.is_tradable());
}

#[tokio::test]
async fn who_comes_back_misses_nothing_or_is_told_what() {
    let chain = FakeChain::new();
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(&chain).await;
    let joined = subscriber.seen.len();

    subscriber.rejoin(&relay);
    chain.announce(chain.mine(&busy(1)));
    subscriber.settle(&chain).await;
    assert!(!subscriber.seen[joined..].contains(&"Gap"), "nothing had been missed");

    let before = subscriber.seen.len();
    subscriber.leave();
    let mut other = Subscriber::join(&relay);
    chain.announce(chain.mine(&busy(2)));
    other.settle(&chain).await;
    subscriber.rejoin(&relay);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.seen[before..][..2], ["Gap", "Block"]);
    assert!(subscriber.replica.is_tradable() && subscriber.replica.is_same_state(&other.replica));

    let before = subscriber.seen.len();
    subscriber.leave();
    chain.restart();
    other.settle(&chain).await;
    subscriber.rejoin(&relay);
    subscriber.settle(&chain).await;
    assert_eq!(subscriber.seen[before..][..2], ["Gap", "SnapshotBegin"], "another epoch");
}

#[tokio::test]
async fn who_is_repaired_while_the_stream_goes_on_may_not_trade_before_it_has_caught_up() {
    for has_journal in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = RelayConfig { lane_bytes: 1_000, recent_bytes: 1 << 20, ..config() };
        if has_journal {
            (config.recent_bytes, config.journal_dir) = (1_000, Some(folder.path().join("feed")));
        }
        let chain = FakeChain::new();
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        let mut slow = Subscriber::join(&relay);
        slow.settle(&chain).await;
        let mine = async |range: core::ops::Range<u64>| {
            for salt in range {
                let mut fresh = Subscriber::join(&relay);
                chain.announce(chain.mine(&busy(salt)));
                fresh.settle(&chain).await;
            }
        };
        mine(0..6).await;
        // Makes room for the gap and a part of what was missed, and then reads nothing while more blocks come.
        slow.drain(&chain).unwrap();
        let repaired = || relay.stats().gaps_replayed + relay.stats().gaps_archived;
        while repaired() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        mine(6..12).await;
        let before = slow.tradable_at.len();
        slow.settle(&chain).await;
        assert!(slow.replica.is_tradable() && !after_snapshot(&slow).contains(&"SnapshotBegin"));
        assert_eq!(slow.tradable_at[before..], [chain.head().number.get()], "only the newest state is new");
    }
}
