//! What the relay says is held against the chain: a pool that differs is shut alone, told anew, compared, and let back.

use core::time::Duration;

use alphapulse_protocol::message::{PoolTrust, StateParts};
use alphapulse_relay::{RelayConfig, TruthStatus};

use super::fake_chain::Faults;
use super::fake_market::Change;
use super::subscriber::config;
use super::truth_scene::Scene;

const QUARANTINED: PoolTrust = PoolTrust::Quarantined;
const RESTATED: PoolTrust = PoolTrust::Restated;
const TRUSTED: PoolTrust = PoolTrust::Trusted;
const HIDDEN: Change = Change::HiddenSync { pool: 0, reserves: (5, 6) };

#[tokio::test]
async fn a_pair_that_differs_is_shut_alone_told_anew_compared_and_let_back() {
    let mut scene = Scene::new().await;
    scene.mine_until("samples", |_, stats| stats.truth_equal >= 6).await;
    assert_eq!((scene.relay.stats().truth_diverged, scene.reader.said.len()), (0, 0));
    scene.shut(0, HIDDEN).await;
    assert_eq!((scene.reader.said.clone(), scene.reader.trusted()), (vec![(0, QUARANTINED)], vec![1, 2]));
    assert!(scene.reader.replica.is_tradable());
    scene.check_joiner().await;
    // The others go on.
    scene.mine(&[Change::Sync { pool: 1, reserves: (8, 8) }, Change::Swap { tick: -3 }]).await;
    assert_eq!(scene.reader.trusted(), [1, 2]);
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.len() >= 3).await;
    assert_eq!(scene.reader.said, [(0, QUARANTINED), (0, RESTATED), (0, TRUSTED)]);
    scene.check_joiner().await;
    scene.assert_healed();
    let stats = scene.relay.stats();
    assert_eq!((stats.truth_diverged, stats.truth_resynced, stats.truth_readmitted), (1, 1, 1), "{stats:?}");
    assert_eq!((stats.truth_relapsed, stats.contradictions, stats.resnapshots), (0, 0, 0), "{stats:?}");
    // And it goes on as ever.
    scene.mine(&[Change::Sync { pool: 0, reserves: (9, 10) }]).await;
    scene.assert_healed();
}

#[tokio::test]
async fn the_quarantine_does_not_wait_for_the_next_block() {
    let mut scene = Scene::new().await;
    scene.reader.blind = vec![0];
    // The first block since the start: no sample is under way.
    scene.mine(&[HIDDEN]).await;
    let chain = scene.chain.clone();
    scene.reader.until(&chain, "the quarantine", |reader| reader.said == [(0, QUARANTINED)]).await;
    assert_eq!(scene.reader.trusted(), [1, 2]);
}

#[tokio::test]
async fn ticks_that_differ_are_found_and_told_anew() {
    let mut scene = Scene::new().await;
    scene.mine(&[Change::Mint { lower: -3, width: 7, amount: 40 }]).await;
    // Away from the price: nothing but the ticks tells.
    scene.shut(2, Change::HiddenMint { lower: 20, width: 5, amount: 9 }).await;
    assert_eq!(scene.reader.replica.quarantined()[0].parts, StateParts::TICKS);
    assert_eq!(scene.reader.trusted(), [0, 1]);
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(2, TRUSTED))).await;
    scene.mine(&[Change::Burn { position: 0, is_whole: false }, Change::Swap { tick: 9 }]).await;
    assert_eq!(scene.reader.said, [(2, QUARANTINED), (2, RESTATED), (2, TRUSTED)]);
    scene.assert_healed();
    scene.check_joiner().await;
}

#[tokio::test]
async fn a_log_that_was_left_out_is_found() {
    let mut scene = Scene::new().await;
    scene.faults(Faults { drop_logs: 1, ..Faults::default() });
    scene.reader.blind = vec![0];
    scene.mine(&[Change::Sync { pool: 0, reserves: (50, 60) }, Change::Sync { pool: 1, reserves: (70, 80) }]).await;
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(0, TRUSTED))).await;
    assert_eq!(scene.reader.said, [(0, QUARANTINED), (0, RESTATED), (0, TRUSTED)]);
    scene.assert_healed();
}

#[tokio::test]
async fn what_happens_while_a_pool_is_read_is_not_lost() {
    let mut scene = Scene::new().await;
    // Its reading is under way.
    scene.shut(0, HIDDEN).await;
    for reserve in 100..104 {
        scene.mine(&[Change::Sync { pool: 0, reserves: (reserve, 7) }]).await;
        scene.mine(&[Change::Sync { pool: 1, reserves: (reserve, 9) }]).await;
    }
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(0, TRUSTED))).await;
    scene.assert_healed();
    assert_eq!(scene.relay.stats().truth_relapsed, 0);
}

#[tokio::test]
async fn a_block_that_leaves_the_chain_while_it_is_read_says_nothing() {
    let mut scene = Scene::new().await;
    // What is answered is of the block that took its place, and differs.
    scene.faults(Faults { reorg_samples: 1, ..Faults::default() });
    scene.chain.announce(scene.chain.mine(&[Change::Sync { pool: 1, reserves: (3, 3) }]));
    scene.until_stats("the void sample", |stats| stats.truth_void > 0).await;
    scene.settle().await;
    scene.mine_until("further samples", |_, stats| stats.truth_equal >= 9).await;
    let stats = scene.relay.stats();
    assert_eq!((stats.truth_diverged, scene.reader.said.len()), (0, 0), "{stats:?}");
    assert!(stats.reorgs > 0);
}

#[tokio::test]
async fn a_source_that_does_not_answer_quarantines_nothing_and_is_counted() {
    let mut scene = Scene::new().await;
    scene.faults(Faults { refuse_samples: 2, mute_samples: 2, ..Faults::default() });
    scene.mine_until("what was not told", |_, stats| stats.truth_unread >= 12).await;
    scene.mine_until("further samples", |_, stats| stats.truth_equal >= 3).await;
    let stats = scene.relay.stats();
    assert_eq!((stats.truth_diverged, stats.pools_quarantined_now, scene.reader.said.len()), (0, 0, 0), "{stats:?}");
    // Nor is the stream any worse for it.
    assert_eq!((stats.source_losses, stats.cautions, stats.connection_losses), (0, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn a_pool_that_cannot_be_read_anew_stays_shut_and_is_tried_again() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    scene.faults(Faults { refuse_samples: 3, ..Faults::default() });
    scene.mine_until("refusals", |_, stats| stats.truth_unread >= 3).await;
    assert_eq!(scene.reader.trusted(), [1, 2]);
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(0, TRUSTED))).await;
    scene.assert_healed();
}

#[tokio::test]
async fn one_that_differs_again_stays_shut_and_is_counted() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    scene.release();
    // Each block changes it anew, and no log tells.
    for reserve in 10..1_000 {
        scene.mine(&[Change::HiddenSync { pool: 0, reserves: (reserve, 6) }]).await;
        if scene.relay.stats().truth_relapsed > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(scene.relay.stats().truth_relapsed > 0);
    assert_eq!(scene.reader.trusted(), [1, 2]);
    // Once it is left alone it comes back by itself.
    scene.mine_until("the way back", |reader, _| reader.quarantined().is_empty()).await;
    scene.assert_healed();
}

/// Takes back so many blocks: pool 0 is in quarantine again, for who was there and for who joins, and is healed anew.
async fn shut_again_by_a_reorg(scene: &mut Scene, depth: u64) {
    scene.chain.rollback(depth.try_into().unwrap());
    scene.mine(&[Change::Sync { pool: 1, reserves: (4, 4) }]).await;
    assert_eq!((scene.reader.quarantined(), scene.reader.trusted()), (vec![0], vec![1, 2]));
    scene.check_joiner().await;
    scene.release();
    scene.mine_until("all is well", |reader, _| reader.quarantined().is_empty()).await;
    scene.assert_healed();
}

#[tokio::test]
async fn a_reorg_of_the_block_that_told_it_anew_shuts_it_again() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    scene.release();
    scene.mine_until("the retelling", |reader, _| reader.said.contains(&(0, RESTATED))).await;
    let retold = scene.chain.head().number.get();
    let chain = scene.chain.clone();
    scene.reader.until(&chain, "its trust", |reader| reader.said.last() == Some(&(0, TRUSTED))).await;
    scene.mine(&[]).await;
    // So far that what told it anew never was.
    scene.faults(Faults { samples_left: Some(0), ..Faults::default() });
    let depth = scene.chain.head().number.get() - retold + 1;
    shut_again_by_a_reorg(&mut scene, depth).await;
    let restated = scene.reader.said.iter().filter(|said| **said == (0, RESTATED)).count();
    assert!(restated >= 2, "{:?}", scene.reader.said);
    scene.check_joiner().await;
}

#[tokio::test]
async fn a_reorg_of_the_block_that_it_was_compared_after_shuts_it_again() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    // Read, and told anew in a block after which it cannot be compared.
    scene.faults(Faults { samples_left: Some(1), ..Faults::default() });
    scene.mine_until("the retelling", |reader, _| reader.said.contains(&(0, RESTATED))).await;
    let retold = scene.chain.head().number.get();
    scene.faults(Faults { refuse_samples: 1, ..Faults::default() });
    scene.until_stats("the comparison that failed", |stats| stats.truth_unread > 0).await;
    assert_eq!(scene.reader.said, [(0, QUARANTINED), (0, RESTATED)]);
    scene.mine_until("its trust", |reader, _| reader.said.last() == Some(&(0, TRUSTED))).await;
    // So far that it was told anew, and not yet compared.
    scene.faults(Faults { samples_left: Some(0), ..Faults::default() });
    let depth = scene.chain.head().number.get() - retold;
    assert!(depth > 0, "it was compared after a later block");
    shut_again_by_a_reorg(&mut scene, depth).await;
    assert_eq!(scene.relay.stats().contradictions, 0);
}

#[tokio::test]
async fn a_new_epoch_does_not_make_a_pool_trusted() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    scene.chain.restart();
    scene.settle().await;
    // Read anew, and not yet compared.
    assert_eq!((scene.reader.quarantined(), scene.reader.trusted()), (vec![0], vec![1, 2]));
    scene.check_joiner().await;
    scene.release();
    scene.mine_until("all is well", |reader, _| reader.quarantined().is_empty()).await;
    assert_eq!(scene.reader.said.last(), Some(&(0, TRUSTED)));
    scene.assert_healed();
}

#[tokio::test]
async fn where_nobody_compares_nothing_is_asked_and_that_is_told() {
    let scene = Scene::with(RelayConfig { sample_pools: 0, ..config() }).await;
    let status = scene.relay.status().await.unwrap();
    assert_eq!((&status.truth, status.stats.truth_sampled), (&TruthStatus::default(), 0));
    let told = serde_json::to_value(&status).unwrap();
    assert_eq!(told["truth"], serde_json::json!({ "enabled": false, "sample_pools": 0, "quarantined": [] }));
}

#[tokio::test]
async fn a_node_that_answers_from_another_block_at_first_shuts_no_pool() {
    let mut scene = Scene::new().await;
    scene.faults(Faults { absurd_samples: 1, ..Faults::default() });
    scene.mine_until("the second answer", |_, stats| stats.truth_wavered > 0).await;
    scene.mine_until("further samples", |_, stats| stats.truth_equal >= 9).await;
    let stats = scene.relay.stats();
    assert_eq!((stats.truth_diverged, scene.reader.said.len()), (0, 0), "{stats:?}");
}

#[tokio::test]
async fn what_no_reader_would_take_is_not_told_and_ends_no_epoch() {
    let mut scene = Scene::new().await;
    scene.shut(0, HIDDEN).await;
    let epoch = scene.reader.replica.position().map(|at| at.epoch);
    scene.faults(Faults { absurd_samples: 6, ..Faults::default() });
    scene.mine_until("readings that cannot be told", |_, stats| stats.truth_untold >= 2).await;
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(0, TRUSTED))).await;
    scene.assert_healed();
    assert_eq!((scene.reader.replica.position().map(|at| at.epoch), scene.relay.stats().contradictions), (epoch, 0));
}

#[tokio::test]
async fn a_change_that_cannot_follow_from_a_wrong_state_ends_no_epoch_and_is_told_with_the_pool() {
    let mut scene = Scene::new().await;
    // The lowest position of all, so that it comes first.
    scene.shut(2, Change::HiddenMint { lower: -900, width: 3, amount: 1_000_000 }).await;
    let epoch = scene.reader.replica.position().map(|at| at.epoch);
    scene.mine(&[Change::Burn { position: 0, is_whole: false }]).await;
    assert!(scene.relay.stats().truth_untold > 0);
    scene.mine(&[Change::Swap { tick: 30 }]).await;
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(2, TRUSTED))).await;
    scene.assert_healed();
    assert_eq!((scene.reader.replica.position().map(|at| at.epoch), scene.relay.stats().contradictions), (epoch, 0));
}
