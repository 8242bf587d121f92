//! Samples of several nodes: one that lies shuts no pool, and none that fails makes the nodes less believable.

use alphapulse_protocol::message::PoolTrust;
use alphapulse_relay::RelayConfig;
use alphapulse_relay::source::race::RaceDial;

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::lying_node::{FakeNode, Lies};
use super::race_scene::{ALWAYS, nodes, terms};
use super::subscriber::config;
use super::truth_scene::{POOLS, Scene};

/// Three nodes of one chain, of which two must agree.
async fn race() -> (Scene, Vec<FakeNode>) {
    let chain = FakeChain::new();
    let nodes = nodes(&chain, 3);
    let dial = RaceDial::new(nodes.clone(), terms(2));
    let mut scene = Scene::over(RelayConfig { sample_pools: POOLS, ..config() }, chain, dial).await;
    scene.mine_until("safety", |reader, _| reader.replica.is_tradable()).await;
    (scene, nodes)
}

#[tokio::test]
async fn a_node_that_lies_about_pools_shuts_none_and_is_named() {
    let (mut scene, nodes) = race().await;
    nodes[0].tell(Lies { forge_samples: ALWAYS, ..Lies::default() });
    let before = scene.relay.stats().truth_equal;
    scene.mine_until("samples", |_, stats| stats.truth_equal >= before + 9).await;
    let stats = scene.relay.stats();
    assert_eq!((stats.truth_diverged, scene.reader.said.len()), (0, 0), "{stats:?}");
    assert!(nodes[0].told().images > 0 && stats.alarms_forged_image > 0, "{stats:?}");
    assert!(scene.relay.safety().unwrap().borrow().is_safe);
}

#[tokio::test]
async fn what_enough_nodes_say_against_a_pool_shuts_it_and_heals_it() {
    let (mut scene, nodes) = race().await;
    nodes[2].tell(Lies { forge_samples: ALWAYS, ..Lies::default() });
    scene.reader.blind = vec![0];
    scene.mine(&[Change::HiddenSync { pool: 0, reserves: (5, 6) }]).await;
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(0, PoolTrust::Trusted))).await;
    assert!(scene.reader.said.iter().all(|(pool, _)| *pool == 0), "{:?}", scene.reader.said);
    scene.assert_healed();
}

#[tokio::test]
async fn samples_that_fail_at_every_node_leave_the_nodes_believable() {
    let (mut scene, _nodes) = race().await;
    scene.faults(Faults { refuse_samples: 40, ..Faults::default() });
    let cautions = scene.relay.stats().cautions;
    scene.mine_until("what was not told", |_, stats| stats.truth_unread >= 9).await;
    assert!(scene.relay.safety().unwrap().borrow().is_safe);
    let stats = scene.relay.stats();
    assert_eq!((stats.cautions, stats.truth_diverged, scene.reader.said.len()), (cautions, 0, 0), "{stats:?}");
}
