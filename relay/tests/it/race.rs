//! Several nodes, one of which lies: nothing of what it says reaches a subscriber unmarked, and the alarm names it.

use alphapulse_relay::source::Dial;
use alphapulse_relay::source::race::{AlarmKind, RaceDial, Safety, SourceState, UnsafeCause};
use alphapulse_relay::{Relay, RelayError, SourceError};

use super::fake_chain::FakeChain;
use super::lying_node::Lies;
use super::race_scene::{ALWAYS, Scene, nodes, terms};
use super::subscriber::{Subscriber, config};

#[tokio::test]
async fn nodes_that_agree_are_believed_and_none_is_accused() {
    for (count, quorum) in [(2, 1), (2, 2), (3, 2), (3, 3)] {
        let mut scene = Scene::new(count, quorum).await;
        for _ in 0..5 {
            scene.mine_and_settle().await;
        }
        let all =
            |scene: &Scene| scene.relay.sources().iter().map(|source| source.wins + source.confirmations).sum::<u64>();
        // Each node either tells of a block first or confirms it.
        let told = 6 * u64::try_from(count).unwrap();
        scene.until("all confirmations", |scene| all(scene) >= told).await;
        assert_eq!(scene.relay.alarms(), []);
        assert!(scene.safety().is_safe);
        assert_eq!((scene.relay.stats().blocks, scene.relay.stats().resnapshots), (6, 0));
    }
}

#[tokio::test]
async fn forged_and_missing_logs_are_proven_and_the_block_goes_on_with_the_true_ones() {
    let forged = Lies { forge_logs: ALWAYS, ..Lies::default() };
    let missing = Lies { drop_logs: ALWAYS, ..Lies::default() };
    for (lies, kind) in [(forged, AlarmKind::ForgedLog), (missing, AlarmKind::MissingLog)] {
        for forge_proofs in [0, ALWAYS] {
            let mut scene = Scene::new(2, 2).await;
            scene.liar().tell(Lies { forge_proofs, ..lies });
            // The subscriber holds the block against the chain's own state. One node is left then, which is no quorum.
            scene.mine();
            let Scene { chain, subscriber, .. } = &mut scene;
            subscriber.settle(chain).await;
            subscriber.until(chain, "the caution", |subscriber| !subscriber.replica.is_tradable()).await;
            let alarm = scene.alarm(kind).await;
            let head = scene.chain.head();
            assert_eq!(alarm.block.map(|(number, hash)| (number, hash.0)), Some((head.number.get(), head.hash)));
            let evidence = alarm.evidence.unwrap();
            assert_eq!(evidence.header_hash.0, head.hash);
            let is_root_right = evidence.receipts_root_got == Some(evidence.receipts_root_expected);
            assert_eq!(is_root_right, forge_proofs == 0);
            assert_eq!(scene.state_of("two"), Some(SourceState::Quarantined));

            // One honest node is no quorum: from now on nothing is relayed, and that is said.
            let cause = UnsafeCause::BelowQuorum { nodes: 1, quorum: 2 };
            assert_eq!(scene.safety(), Safety { is_safe: false, cause: Some(cause) });
            let relayed = scene.relay.stats().blocks;
            scene.mine();
            let silences = scene.relay.stats().silences;
            scene.until("three polls", |scene| scene.relay.stats().silences > silences + 3).await;
            assert_eq!(scene.relay.stats().blocks, relayed);
            scene.replace_liar().await;
        }
    }
}

#[tokio::test]
async fn two_honest_nodes_go_on_without_the_third() {
    let lies = [
        (Lies { forge_logs: ALWAYS, ..Lies::default() }, AlarmKind::ForgedLog),
        (Lies { drop_logs: ALWAYS, ..Lies::default() }, AlarmKind::MissingLog),
        (Lies { forge_headers: ALWAYS, ..Lies::default() }, AlarmKind::ForgedHeader),
    ];
    for (lies, kind) in lies {
        let mut scene = Scene::new(3, 2).await;
        scene.liar().tell(lies);
        scene.mine_and_settle().await;
        scene.alarm(kind).await;
        assert!(scene.safety().is_safe, "{:?}", scene.safety());
        for _ in 0..3 {
            scene.mine_and_settle().await;
        }
        assert_eq!((scene.accusations().len(), scene.relay.stats().resnapshots), (1, 0));
    }
}

#[tokio::test]
async fn a_forged_header_is_proven_by_the_hash_that_it_claims() {
    let mut scene = Scene::new(2, 2).await;
    scene.liar().tell(Lies { forge_headers: ALWAYS, ..Lies::default() });
    let block = scene.mine();
    let alarm = scene.alarm(AlarmKind::ForgedHeader).await;
    assert_eq!(alarm.evidence.unwrap().header_hash, alarm.block.unwrap().1);
    assert!(alarm.block.unwrap().0 >= block.number.get() - 1);
    assert!(matches!(scene.safety().cause, Some(UnsafeCause::BelowQuorum { .. })));
    scene.replace_liar().await;
}

#[tokio::test]
async fn of_two_images_that_differ_none_is_relayed_and_of_three_the_one_that_differs_is_named() {
    let chain = FakeChain::new();
    let pair = nodes(&chain, 2);
    pair[1].tell(Lies { forge_images: ALWAYS, ..Lies::default() });
    let dial = RaceDial::new(pair, terms(2));
    let watch = dial.watch().unwrap();
    let error = Relay::start_from(config(), dial).await.unwrap_err();
    assert!(matches!(error, RelayError::Node { source: SourceError::NoQuorum { .. }, .. }), "{error}");
    let alarms = watch.alarms();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!((alarms[0].kind, &alarms[0].node), (AlarmKind::ForgedImage, &None));
    assert!(alarms[0].detail.contains("one") && alarms[0].detail.contains("two"));

    let chain = FakeChain::new();
    let three = nodes(&chain, 3);
    three[0].tell(Lies { forge_images: ALWAYS, ..Lies::default() });
    let scene = Scene::of(chain, three, 2).await;
    let alarm = &scene.accusations()[0];
    assert_eq!((alarm.kind, alarm.node.as_deref()), (AlarmKind::ForgedImage, Some("one")));
    assert_eq!(scene.state_of("one"), Some(SourceState::Quarantined));
    assert!(scene.safety().is_safe);
}

#[tokio::test]
async fn a_node_that_refuses_to_confirm_is_replaced_by_the_proof() {
    let mut scene = Scene::new(2, 2).await;
    scene.nodes[1].close();
    scene.mine();
    scene.nodes[1].tell(Lies { refuse: ALWAYS, ..Lies::default() });
    scene.nodes[1].open();
    scene.settle().await;
    assert_eq!(scene.accusations(), []);
}

#[tokio::test]
async fn a_lie_that_was_relayed_first_is_refuted_and_replaced_by_a_snapshot() {
    // With a quorum of one the first answer is used: here the liar's.
    let chain = FakeChain::new();
    let pair = nodes(&chain, 2);
    let mut scene = Scene::of(chain, pair, 1).await;
    scene.nodes[0].close();
    scene.liar().tell(Lies { forge_logs: ALWAYS, ..Lies::default() });
    let relayed = scene.relay.stats().blocks;
    scene.subscriber.leave();
    scene.mine();
    scene.until("the lie", |scene| scene.relay.stats().blocks > relayed).await;
    let spells = scene.relay.stats().unsafe_spells;
    scene.nodes[0].open();
    scene.until("the snapshot", |scene| scene.relay.stats().resnapshots == 1).await;
    scene.alarm(AlarmKind::ForgedLog).await;
    assert_eq!(scene.relay.stats().unsafe_spells, spells + 1);
    scene.subscriber = Subscriber::join(&scene.relay);
    scene.settle().await;
    scene.until("safety", |scene| scene.safety().is_safe).await;
    scene.mine_and_settle().await;
}

#[tokio::test]
async fn a_third_node_refutes_two_that_lie_alike() {
    let mut scene = Scene::new(3, 2).await;
    let lies = Lies { forge_logs: ALWAYS, ..Lies::default() };
    scene.nodes[1].tell(lies);
    scene.nodes[2].tell(lies);
    scene.nodes[0].close();
    let relayed = scene.relay.stats().blocks;
    scene.subscriber.leave();
    scene.mine();
    scene.until("the lie", |scene| scene.relay.stats().blocks > relayed).await;
    scene.nodes[0].open();
    scene.until("both alarms", |scene| scene.accusations().len() == 2).await;
    let mut named: Vec<_> = scene.accusations().into_iter().filter_map(|alarm| alarm.node).collect();
    named.sort();
    assert_eq!(named, ["three", "two"]);
    // The one that is left cannot take a snapshot alone, and what was relayed stays marked.
    assert_eq!(scene.safety().cause, Some(UnsafeCause::Refuted));
}
