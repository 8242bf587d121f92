//! Several nodes, one of which lies: nothing of what it says reaches a subscriber unmarked, and the alarm names it.

use std::time::{Duration, Instant};

use alphapulse_protocol::message::BlockContext;
use alphapulse_relay::source::Dial;
use alphapulse_relay::source::race::{
    Alarm, AlarmKind, RaceControl, RaceDial, RaceTerms, Safety, SourceState, SourceWatch, UnsafeCause,
};
use alphapulse_relay::{Relay, RelayError, SourceError};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::lying_node::{FakeNode, Lies, is_accusation};
use super::subscriber::{Subscriber, config};

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);
const ALWAYS: u32 = 1000;
const NAMES: [&str; 3] = ["one", "two", "three"];

pub(crate) fn terms(quorum: usize) -> RaceTerms {
    RaceTerms { quorum, stale_blocks: 2, confirm_wait: Duration::from_millis(40), silence: Duration::from_millis(15) }
}

/// A relay over nodes of one chain.
struct Scene {
    chain: FakeChain,
    nodes: Vec<FakeNode>,
    control: RaceControl<FakeNode>,
    watch: SourceWatch,
    relay: Relay,
    subscriber: Subscriber,
    salt: u64,
}

fn nodes(chain: &FakeChain, count: usize) -> Vec<FakeNode> {
    NAMES[..count].iter().map(|name| FakeNode::new(name, chain)).collect()
}

impl Scene {
    async fn of(chain: FakeChain, nodes: Vec<FakeNode>, quorum: usize) -> Self {
        let dial = RaceDial::new(nodes.clone(), terms(quorum));
        let (control, watch) = (dial.control(), dial.watch().unwrap());
        let relay = Relay::start_from(config(), dial).await.unwrap();
        let subscriber = Subscriber::join(&relay);
        let mut scene = Self { chain, nodes, control, watch, relay, subscriber, salt: 0 };
        scene.mine_and_settle().await;
        scene
    }

    /// Nodes that all stand on the same chain, and a subscriber at its head.
    async fn new(count: usize, quorum: usize) -> Self {
        let chain = FakeChain::new();
        let nodes = nodes(&chain, count);
        let scene = Self::of(chain, nodes, quorum).await;
        assert!(scene.safety().is_safe);
        scene
    }

    fn liar(&self) -> &FakeNode {
        self.nodes.last().unwrap()
    }

    fn mine(&mut self) -> BlockContext {
        self.salt += 1;
        let reserve = 1_000 + u128::from(self.salt);
        let changes = [
            Change::Sync { pool: 0, reserves: (reserve, reserve * 3) },
            Change::Noise { pool: 1 },
            Change::Mint { lower: -3, width: 6, amount: self.salt },
            Change::Swap { tick: i32::try_from(self.salt % 500).unwrap() },
        ];
        let block = self.chain.mine(&changes);
        self.chain.announce(block);
        block
    }

    async fn settle(&mut self) {
        self.subscriber.settle(&self.chain).await;
        // The word that the nodes are believed again comes behind the block that made them so.
        self.subscriber.until(&self.chain, "a tradable state", |subscriber| subscriber.replica.is_tradable()).await;
    }

    async fn mine_and_settle(&mut self) {
        self.mine();
        self.settle().await;
    }

    fn safety(&self) -> Safety {
        *self.relay.safety().unwrap().borrow()
    }

    async fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {:?} {:?}", self.safety(), self.relay.alarms());
            self.subscriber.drain(&self.chain).unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for an alarm, which must be the first accusation and name the liar.
    async fn alarm(&mut self, kind: AlarmKind) -> Alarm {
        self.until("the alarm", |scene| scene.accusations().iter().any(|alarm| alarm.kind == kind)).await;
        let alarm = self.accusations()[0].clone();
        assert_eq!((alarm.kind, alarm.node.as_deref()), (kind, NAMES.get(self.nodes.len() - 1).copied()), "{alarm:?}");
        alarm
    }

    fn accusations(&self) -> Vec<Alarm> {
        self.relay.alarms().into_iter().filter(|alarm| is_accusation(alarm.kind)).collect()
    }

    fn state_of(&self, name: &str) -> Option<SourceState> {
        self.relay.sources().into_iter().find(|source| source.name == name).map(|source| source.state)
    }

    /// What the operator does about a liar.
    async fn replace_liar(&mut self) {
        let name = NAMES[self.nodes.len() - 1];
        assert_eq!(self.control.remove(name).await.unwrap().state, SourceState::Stopped);
        self.control.add(FakeNode::new(name, &self.chain));
        self.until("safety", |scene| scene.safety().is_safe).await;
        self.mine_and_settle().await;
    }
}

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
