//! What the status tells of the comparison with the chain: what differed, where the pool is on its way, and counts that add up.

use alphapulse_protocol::message::PoolTrust;
use alphapulse_relay::{RelayConfig, RelayStats};

use super::fake_chain::Faults;
use super::fake_market::Change;
use super::subscriber::config;
use super::truth_scene::{POOLS, Scene};

const HIDDEN: Change = Change::HiddenSync { pool: 0, reserves: (5, 6) };
const TRUSTED: (u32, PoolTrust) = (0, PoolTrust::Trusted);

/// As `docs/OPERATING.md` has it.
#[track_caller]
fn assert_adds_up(stats: &RelayStats) {
    let parts: u64 =
        [stats.truth_equal, stats.truth_diverged, stats.truth_read, stats.truth_unread, stats.truth_void].iter().sum();
    assert_eq!(stats.truth_sampled, parts, "{stats:?}");
}

#[tokio::test]
async fn a_pool_in_quarantine_is_told_with_the_field_both_values_and_both_blocks() {
    let mut scene = Scene::with(RelayConfig { sample_pools: POOLS, ..config() }).await;
    scene.mine(&[Change::Sync { pool: 0, reserves: (41, 42) }]).await;
    scene.shut(0, HIDDEN).await;
    let pool = scene.relay.status().await.unwrap().truth.quarantined.remove(0);
    // The stream still says what it was told last; the chain what was hidden.
    assert_eq!(pool.field.as_deref(), Some("V2Reserves.reserve_0"));
    assert_eq!((pool.ours.as_deref(), pool.theirs.as_deref()), (Some("41"), Some("5")));
    let head = scene.chain.head().number.get();
    let compared = pool.compared_block.unwrap();
    assert!(compared <= head && (pool.read_block, &pool.stage[..]) == (None, "being read"), "{pool:?}");

    // It is read, told anew, and not compared yet.
    scene.faults(Faults { samples_left: Some(1), ..Faults::default() });
    scene.mine_until("the retelling", |reader, _| reader.said.contains(&(0, PoolTrust::Restated))).await;
    let told = scene.relay.status().await.unwrap();
    let pool = &told.truth.quarantined[0];
    let read = pool.read_block.unwrap();
    assert_eq!((pool.compared_block, &pool.stage[..]), (Some(compared), "told anew"), "{pool:?}");
    assert!(compared <= read && read < told.head.unwrap().number, "{pool:?}");

    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    assert_eq!(scene.relay.status().await.unwrap().truth.quarantined, []);
    // A later stay begins without the readings of this one.
    scene.shut(0, Change::HiddenSync { pool: 0, reserves: (7, 8) }).await;
    let pool = scene.relay.status().await.unwrap().truth.quarantined.remove(0);
    assert_eq!((pool.theirs.as_deref(), pool.read_block), (Some("7"), None), "{pool:?}");
}

#[tokio::test]
async fn what_was_found_is_still_told_in_a_new_epoch() {
    let mut scene = Scene::with(RelayConfig { sample_pools: POOLS, ..config() }).await;
    scene.shut(0, HIDDEN).await;
    scene.chain.restart();
    scene.settle().await;
    let pool = scene.relay.status().await.unwrap().truth.quarantined.remove(0);
    assert_eq!((pool.field.as_deref(), pool.theirs.as_deref()), (Some("V2Reserves.reserve_0"), Some("5")), "{pool:?}");
}

#[tokio::test]
async fn counts_add_up_whatever_came_of_a_sample() {
    let mut scene = Scene::with(RelayConfig { sample_pools: POOLS, ..config() }).await;
    scene.mine_until("samples", |_, stats| stats.truth_equal >= 6).await;
    assert_adds_up(&scene.relay.stats());
    scene.faults(Faults { refuse_samples: 2, ..Faults::default() });
    scene.mine_until("what was not told", |_, stats| stats.truth_unread >= 6).await;
    scene.faults(Faults { reorg_samples: 1, ..Faults::default() });
    scene.chain.announce(scene.chain.mine(&[Change::Sync { pool: 1, reserves: (3, 3) }]));
    scene.until_stats("the void sample", |stats| stats.truth_void > 0).await;
    scene.settle().await;
    scene.shut(0, HIDDEN).await;
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    let stats = scene.relay.stats();
    assert!(stats.truth_equal > 0 && stats.truth_diverged > 0 && stats.truth_read > 0, "{stats:?}");
    assert!(stats.truth_unread > 0 && stats.truth_void > 0, "{stats:?}");
    assert_adds_up(&stats);
}
