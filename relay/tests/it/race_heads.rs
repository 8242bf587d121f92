//! Nodes that are late, on another branch or chain, or away: they are named for what they are, and no honest one for a liar.

use std::time::Duration;

use alphapulse_relay::source::Dial;
use alphapulse_relay::source::race::{AlarmKind, RaceDial, SourceState, UnsafeCause};
use alphapulse_relay::{Relay, RelayError};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::lying_node::{FakeNode, Lies};
use super::race_scene::{ALWAYS, NAMES, Scene, terms};
use super::subscriber::{Subscriber, config};

#[tokio::test]
async fn a_head_that_stays_behind_is_named_and_counts_again_when_it_has_caught_up() {
    for count in [2, 3] {
        let mut scene = Scene::new(count, 2).await;
        scene.liar().freeze();
        for _ in 0..2 {
            scene.mine();
        }
        let silences = scene.relay.stats().silences;
        scene.until("a while", |scene| scene.relay.stats().silences > silences + 5).await;
        assert_eq!(scene.accusations().iter().filter(|alarm| alarm.kind == AlarmKind::StaleHead).count(), 0);
        scene.mine();
        if count == 2 {
            // It may be told before that the two do not agree.
            scene
                .until("the alarm", |scene| scene.accusations().iter().any(|alarm| alarm.kind == AlarmKind::StaleHead))
                .await;
            let named: Vec<_> = scene.accusations().into_iter().filter_map(|alarm| alarm.node).collect();
            assert_eq!(named, ["two"]);
            assert!(!scene.safety().is_safe);
            assert!(scene.subscriber.replica.context().unwrap().number < scene.chain.head().number);
        } else {
            scene.alarm(AlarmKind::StaleHead).await;
            assert!(scene.safety().is_safe);
            scene.settle().await;
        }
        assert_eq!(scene.state_of(NAMES[count - 1]), Some(SourceState::Ready), "late is no lie");
        scene.liar().thaw();
        scene.until("safety", |scene| scene.safety().is_safe).await;
        scene.mine_and_settle().await;
        scene.until("the vote", |scene| scene.relay.sources().iter().all(|source| source.is_current)).await;
    }
}

#[tokio::test]
async fn a_fork_of_honest_nodes_is_waited_out_and_nobody_is_accused_of_lying() {
    let (left, right) = (FakeChain::new(), FakeChain::new());
    let pair = vec![FakeNode::new("one", &left), FakeNode::new("two", &right)];
    let dial = RaceDial::new(pair.clone(), terms(2));
    let (control, watch) = (dial.control(), dial.watch().unwrap());
    let relay = Relay::start_from(config(), dial).await.unwrap();
    let subscriber = Subscriber::join(&relay);
    let mut scene = Scene { chain: left.clone(), nodes: pair, control, watch, relay, subscriber, salt: 0 };
    scene.settle().await;
    left.announce(left.mine(&[Change::Swap { tick: 1 }]));
    right.announce(right.mine(&[Change::Swap { tick: 2 }]));
    scene.until("a warning", |scene| scene.safety().cause == Some(UnsafeCause::Unconfirmed)).await;
    scene.until("word of it", |scene| !scene.relay.alarms().is_empty()).await;
    right.converge_to(&left);
    for tick in 3..6 {
        let block = left.mine(&[Change::Swap { tick }]);
        right.converge_to(&left);
        left.announce(block);
        right.announce(block);
        scene.settle().await;
    }
    scene.until("safety", |scene| scene.safety().is_safe).await;
    for alarm in scene.relay.alarms() {
        assert_eq!((alarm.node, alarm.kind), (None, AlarmKind::ForkedHead));
    }
}

#[tokio::test]
async fn a_node_on_a_branch_of_its_own_is_named_by_the_others() {
    let (main, own) = (FakeChain::new(), FakeChain::new());
    let three = vec![FakeNode::new("one", &main), FakeNode::new("two", &main), FakeNode::new("three", &own)];
    let mut scene = Scene::of(main.clone(), three, 2).await;
    own.mine(&[Change::Swap { tick: 9 }]);
    own.announce(own.head());
    scene.mine_and_settle().await;
    let alarm = scene.alarm(AlarmKind::ForkedHead).await;
    assert_eq!(alarm.block.unwrap().1.0, own.head().hash);
    assert!(scene.safety().is_safe);
    own.converge_to(&main);
    scene.until("the vote", |scene| scene.relay.sources().iter().all(|source| source.is_current)).await;
}

#[tokio::test]
async fn a_head_that_nobody_can_show_accuses_nobody_but_its_inventor() {
    for count in [2, 3] {
        let mut scene = Scene::new(count, 2).await;
        scene.liar().tell(Lies { invent_heads: ALWAYS, ..Lies::default() });
        scene.mine();
        scene.alarm(AlarmKind::ForkedHead).await;
        assert_eq!(scene.safety().is_safe, count == 3);
        scene.liar().tell(Lies::default());
        scene.until("safety", |scene| scene.safety().is_safe).await;
        scene.mine_and_settle().await;
        assert!(scene.accusations().iter().all(|alarm| alarm.node.as_deref() == Some(NAMES[count - 1])));
    }
}

#[tokio::test]
async fn while_all_nodes_are_away_the_chain_is_unsafe() {
    let mut scene = Scene::new(2, 2).await;
    scene.chain.set_faults(Faults { refuse_connections: 8, ..Faults::default() });
    scene.chain.disconnect();
    scene
        .until("a warning", |scene| scene.safety().cause == Some(UnsafeCause::BelowQuorum { nodes: 0, quorum: 2 }))
        .await;
    // Subscribers are told, and trade no more.
    let Scene { chain, subscriber, .. } = &mut scene;
    subscriber.until(chain, "the caution", |subscriber| subscriber.cautions.last() == Some(&true)).await;
    assert!(!scene.subscriber.replica.is_tradable() && scene.relay.stats().cautions >= 1);
    scene.until("both alarms", |scene| scene.relay.stats().alarms_unreachable == 2).await;
    scene.until("safety", |scene| scene.safety().is_safe).await;
    scene.mine_and_settle().await;
    assert_eq!(scene.accusations(), []);
    assert!(scene.relay.sources().iter().all(|source| source.reconnects == 1));
}

#[tokio::test]
async fn a_node_that_comes_and_goes_is_not_taken_for_a_liar() {
    let mut scene = Scene::new(3, 2).await;
    for _ in 0..10 {
        scene.chain.disconnect();
        scene.mine();
        scene.until("safety", |scene| scene.safety().is_safe).await;
        scene.settle().await;
    }
    assert_eq!(scene.accusations(), []);
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused() {
    let (ours, other) = (FakeChain::new(), FakeChain::new());
    other.set_faults(Faults { is_wrong_chain: true, ..Faults::default() });
    let three = vec![FakeNode::new("one", &ours), FakeNode::new("two", &ours), FakeNode::new("three", &other)];
    let mut scene = Scene::of(ours, three, 2).await;
    scene.alarm(AlarmKind::WrongChain).await;
    assert_eq!(scene.state_of("three"), Some(SourceState::Stopped));
    assert!(scene.safety().is_safe);
    scene.replace_liar().await;
}

#[tokio::test]
async fn too_few_nodes_at_the_start_are_an_error_that_says_what_each_said() {
    let (ours, other) = (FakeChain::new(), FakeChain::new());
    other.set_faults(Faults { is_wrong_chain: true, ..Faults::default() });
    let pair = vec![FakeNode::new("one", &ours), FakeNode::new("two", &other)];
    let error = Relay::start_from(config(), RaceDial::new(pair, terms(2))).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("two: the node is on chain 1, the configuration says chain 31337"), "{source}");
}

#[tokio::test]
async fn a_node_is_taken_away_only_when_what_it_was_asked_is_answered() {
    let mut scene = Scene::new(3, 2).await;
    scene.nodes[2].close();
    scene.mine_and_settle().await;
    let mut removal = Box::pin(scene.control.remove("three"));
    let is_early = tokio::time::timeout(Duration::from_millis(30), &mut removal).await;
    assert!(is_early.is_err(), "its answer is still awaited");
    assert_eq!(scene.state_of("three"), Some(SourceState::Draining));
    scene.nodes[2].open();
    let report = removal.as_mut().await.unwrap();
    drop(removal);
    assert_eq!((report.state, report.name.as_str()), (SourceState::Stopped, "three"));
    assert_eq!(scene.relay.sources().len(), 2);
    assert!(matches!(scene.control.remove("three").await, Err(RelayError::Nodes(_))));

    // Below the quorum nothing goes on; a node more, and it does.
    scene.control.remove("two").await.unwrap();
    assert!(!scene.safety().is_safe);
    scene.mine();
    assert_eq!(scene.control.add(FakeNode::new("one", &scene.chain)), "one#2");
    scene.settle().await;
    scene.until("safety", |scene| scene.safety().is_safe).await;
    assert_eq!(scene.accusations(), []);
    let watch = scene.watch.clone();
    assert_eq!(watch.sources().len(), 2);
}

#[tokio::test]
async fn a_relay_of_one_node_has_nothing_to_compare() {
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    assert!(relay.safety().is_none() && relay.sources().is_empty() && relay.alarms().is_empty());
    let endpoint = "ws://127.0.0.1:1".parse().unwrap();
    assert!(matches!(relay.add_node(endpoint), Err(RelayError::Nodes(_))));
}
