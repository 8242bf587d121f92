//! What may be traded on while nodes come back, or contradict each other where nothing is proven.

use alphapulse_relay::source::Dial;
use alphapulse_relay::source::race::{AlarmKind, RaceDial, UnsafeCause};
use alphapulse_relay::{Relay, RelayError, SourceError};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::lying_node::{FakeNode, Lies};
use super::race_scene::{ALWAYS, Scene, terms};
use super::subscriber::{Subscriber, config};

const FOUR: [&str; 4] = ["one", "two", "three", "four"];

/// A chain that hashes receipts in its own way: nobody's receipts prove anything.
const UNPROVABLE: Lies = Lies {
    forge_logs: 0,
    drop_logs: 0,
    forge_headers: 0,
    forge_images: 0,
    forge_proofs: ALWAYS,
    forge_samples: 0,
    refuse: 0,
    invent_heads: 0,
};

impl Scene {
    /// Waits until several signs of life came, at which any word that is due would have come as well.
    async fn pass_time(&mut self) {
        let heartbeats = self.subscriber.heartbeats;
        self.until("signs of life", |scene| scene.subscriber.heartbeats > heartbeats + 3).await;
    }

    async fn caution(&mut self) {
        self.until("the caution", |scene| scene.subscriber.cautions.last() == Some(&true)).await;
    }
}

#[tokio::test]
async fn the_all_clear_comes_only_where_the_nodes_stand() {
    let mut scene = Scene::new(2, 2).await;
    scene.chain.set_faults(Faults { refuse_connections: 4, ..Faults::default() });
    scene.chain.disconnect();
    scene.caution().await;
    let (traded, cleared) = (scene.subscriber.tradable_at.len(), scene.subscriber.cleared_at.len());
    // They come back far ahead, agree, and have not yet given the logs of what they agree on.
    scene.nodes.iter().for_each(FakeNode::close);
    for tick in 1..5 {
        scene.chain.mine(&[Change::Swap { tick }]);
    }
    let head = scene.chain.head();
    scene.until("agreement", |scene| scene.safety().is_safe).await;
    scene.pass_time().await;
    assert!(scene.subscriber.replica.context().unwrap().number < head.number);
    assert!(!scene.subscriber.replica.is_tradable(), "the state is older than what the nodes agree on");
    let mut late = Subscriber::join(&scene.relay);
    late.until(&scene.chain, "a state", |late| late.replica.is_whole()).await;
    assert!(!late.replica.is_tradable());

    scene.nodes.iter().for_each(FakeNode::open);
    scene.settle().await;
    assert_eq!(scene.subscriber.cleared_at[cleared..], [head.number.get()]);
    assert!(scene.subscriber.tradable_at[traded..].iter().all(|number| *number == head.number.get()));
    assert_eq!(scene.accusations(), []);
}

#[tokio::test]
async fn an_early_lie_that_nobody_can_prove_is_not_safe_until_most_nodes_say_the_same() {
    let mut scene = Scene::new(2, 1).await;
    scene.nodes[0].tell(UNPROVABLE);
    scene.liar().tell(Lies { forge_logs: ALWAYS, forge_images: ALWAYS, ..UNPROVABLE });
    scene.nodes[0].close();
    let relayed = scene.relay.stats().blocks;
    scene.subscriber.leave();
    scene.mine();
    scene.until("the lie", |scene| scene.relay.stats().blocks > relayed).await;
    scene.nodes[0].open();
    // Neither is named: with the first answer used, the order in which they came would have decided.
    scene.until("word of it", |scene| scene.accusations().iter().any(|alarm| alarm.kind == AlarmKind::ForgedLog)).await;
    scene.until("a warning", |scene| scene.safety().cause == Some(UnsafeCause::Unconfirmed)).await;
    // A snapshot of one of the two is not believed either.
    scene.until("attempts at one", |scene| scene.relay.stats().connection_losses > 1).await;
    assert!(scene.accusations().iter().all(|alarm| alarm.node.is_none()));
    assert_eq!((scene.safety().is_safe, scene.relay.stats().resnapshots), (false, 0));
    scene.liar().tell(UNPROVABLE);
    scene.until("the snapshot", |scene| scene.relay.stats().resnapshots == 1).await;
    scene.subscriber = Subscriber::join(&scene.relay);
    scene.settle().await;
}

#[tokio::test]
async fn of_four_nodes_that_are_two_against_two_neither_pair_is_believed() {
    let chain = FakeChain::new();
    let four: Vec<_> = FOUR.iter().map(|name| FakeNode::new(name, &chain)).collect();
    let mut scene = Scene::of(chain, four, 2).await;
    for (at, node) in scene.nodes.iter().enumerate() {
        node.tell(if at % 2 == 0 { Lies { forge_logs: ALWAYS, ..UNPROVABLE } } else { UNPROVABLE });
    }
    let relayed = scene.relay.stats().blocks;
    scene.mine();
    scene.until("a warning", |scene| scene.safety().cause == Some(UnsafeCause::Unconfirmed)).await;
    scene.caution().await;
    scene.pass_time().await;
    assert_eq!(scene.relay.stats().blocks, relayed, "the pair that answered first is not right for it");
    assert!(scene.accusations().iter().all(|alarm| alarm.node.is_none()));
    // Three against one is an answer.
    scene.nodes[0].tell(UNPROVABLE);
    scene.settle().await;
}

#[tokio::test]
async fn of_nodes_on_two_branches_the_first_is_not_right_for_being_first() {
    for (of_each, quorum) in [(1, 1), (2, 2)] {
        let (left, right) = (FakeChain::new(), FakeChain::new());
        right.converge_to(&left);
        let mut all: Vec<_> = FOUR[..of_each].iter().map(|name| FakeNode::new(name, &left)).collect();
        all.extend(FOUR[2..2 + of_each].iter().map(|name| FakeNode::new(name, &right)));
        let dial = RaceDial::new(all.clone(), terms(quorum));
        let (control, watch) = (dial.control(), dial.watch().unwrap());
        let relay = Relay::start_from(config(), dial).await.unwrap();
        let subscriber = Subscriber::join(&relay);
        let mut scene = Scene { chain: left.clone(), nodes: all, control, watch, relay, subscriber, salt: 0 };
        scene.settle().await;
        scene.subscriber.leave();
        left.announce(left.mine(&[Change::Swap { tick: 1 }]));
        right.announce(right.mine(&[Change::Swap { tick: 2 }]));
        scene.until("a warning", |scene| scene.safety().cause == Some(UnsafeCause::Unconfirmed)).await;
        scene.until("word of it", |scene| !scene.relay.alarms().is_empty()).await;
        assert!(scene.relay.alarms().iter().all(|alarm| alarm.node.is_none()));
        right.converge_to(&left);
        right.announce(left.head());
        scene.subscriber = Subscriber::join(&scene.relay);
        scene.settle().await;
    }
}

#[tokio::test]
async fn a_start_takes_no_image_that_half_of_the_nodes_deny() {
    let chain = FakeChain::new();
    let four: Vec<_> = FOUR.iter().map(|name| FakeNode::new(name, &chain)).collect();
    for at in [0, 2] {
        four[at].tell(Lies { forge_images: ALWAYS, ..Lies::default() });
    }
    let error = Relay::start_from(config(), RaceDial::new(four.clone(), terms(2))).await.unwrap_err();
    assert!(matches!(error, RelayError::Node { source: SourceError::NoQuorum { .. }, .. }), "{error}");
    four[2].tell(Lies::default());
    Relay::start_from(config(), RaceDial::new(four, terms(2))).await.unwrap();
}
