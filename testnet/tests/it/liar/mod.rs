//! One of two real nodes lies: nothing of it reaches a subscriber unmarked, and the alarm names it.

mod proxy;

use std::time::{Duration, Instant};

use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::Replica;
use alphapulse_relay::source::race::{AlarmKind, SourceState};
use alphapulse_relay::source::side::SideReport;
use alphapulse_relay::{Endpoint, Feed, Relay, RelayConfig};
use alphapulse_testnet::session::{Head, Testnet};
use alphapulse_testnet::{DevNodeConfig, Layout};

use self::proxy::{Liar, Lie};
use crate::kit::kit;

const SEED: u64 = 5;
/// Rounds within which a lie must be told: the traders do not move every pool in each.
const ROUNDS_MAX: usize = 20;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(60);

struct Scene {
    testnet: Testnet,
    head: Head,
    liar: Liar,
    /// Follows the honest node alone.
    honest: (Relay, Feed, Replica),
    /// Follows both.
    raced: (Relay, Feed, Replica),
    _folder: tempfile::TempDir,
}

async fn start_relay(config: RelayConfig) -> (Relay, Feed, Replica) {
    let relay = Relay::start(config).await.expect("the relay starts");
    let feed = relay.subscribe().expect("the relay has room");
    (relay, feed, Replica::default())
}

fn drain((_, feed, replica): &mut (Relay, Feed, Replica)) {
    while let Some(frame) = feed.try_next().expect("the feed lives") {
        let message = Message::decode(frame.message_bytes()).expect("the relay speaks the protocol");
        replica.apply(&message).expect("the stream is whole");
    }
}

impl Scene {
    async fn start() -> Self {
        let config = DevNodeConfig::default();
        let mut testnet =
            Testnet::start(&kit(), config, &Layout::standard(), SEED).await.expect("chain with contracts");
        let folder = tempfile::tempdir().expect("temporary folder");
        let liar = Liar::start(testnet.node.ipc_path(), folder.path());
        let honest = testnet.config(&testnet.node.ws_url()).expect("configuration is good").relay_config(None);
        let both = RelayConfig {
            confirm_endpoints: vec![liar.endpoint().parse().expect("an endpoint")],
            quorum: 2,
            stale_blocks: 2,
            confirm_wait: Duration::from_millis(500),
            silence: Duration::from_millis(200),
            ..honest.clone()
        };
        let head = testnet.head().await.expect("chain answers");
        let (honest, raced) = (start_relay(honest).await, start_relay(both).await);
        let mut scene = Self { testnet, head, liar, honest, raced, _folder: folder };
        scene.round().await;
        scene.until("a tradable state", |scene| scene.raced.2.is_tradable() && scene.is_at_head()).await;
        assert_eq!(scene.raced.0.alarms(), []);
        scene
    }

    async fn round(&mut self) {
        self.testnet.act(&self.head).await.expect("moves are taken");
        self.testnet.mine(&self.head).await.expect("chain mines");
        self.head = self.testnet.head().await.expect("chain answers");
    }

    fn is_at_head(&self) -> bool {
        self.raced.2.context().is_some_and(|context| context.block() == self.head.block)
    }

    /// Takes what comes. Whenever both relays stand on one block, their states must be one.
    fn drain(&mut self) {
        drain(&mut self.raced);
        drain(&mut self.honest);
        let (honest, raced) = (&self.honest.2, &self.raced.2);
        let is_comparable = honest.is_whole() && raced.is_whole() && honest.context() == raced.context();
        assert!(!is_comparable || raced.is_same_state(honest), "a lie was relayed");
    }

    async fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.drain();
            if is_done(self) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {:?}", self.raced.0.alarms());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until both relays stand on the head, whether or not it may be traded on.
    async fn compare(&mut self) {
        let is_there = |scene: &Self| {
            scene.is_at_head() && scene.honest.2.context() == scene.raced.2.context() && scene.raced.2.is_whole()
        };
        self.until("the head", is_there).await;
    }

    /// The liar is named, and nobody trades on what one node alone says.
    async fn is_named(&mut self, kind: AlarmKind) {
        self.until("the alarm", |scene| scene.raced.0.alarms().iter().any(|alarm| alarm.kind == kind)).await;
        let named: Vec<_> = self.raced.0.alarms().into_iter().filter_map(|alarm| alarm.node).collect();
        assert!(!named.is_empty() && named.iter().all(|name| *name == self.liar.endpoint()), "{named:?}");
        self.until("the caution", |scene| !scene.raced.2.is_tradable()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_node_that_forges_or_drops_a_log_is_caught_by_the_receipts() {
    for (lie, kind) in [(Lie::ForgedLog, AlarmKind::ForgedLog), (Lie::DroppedLog, AlarmKind::MissingLog)] {
        let mut scene = Scene::start().await;
        scene.liar.tell(lie);
        for _ in 0..ROUNDS_MAX {
            scene.round().await;
            scene.compare().await;
            if scene.liar.told() > 0 {
                break;
            }
        }
        assert!(scene.liar.told() > 0, "no lie was told");
        scene.is_named(kind).await;
        let alarms = scene.raced.0.alarms();
        let alarm = alarms.iter().find(|alarm| alarm.kind == kind).expect("it was just there");
        let evidence = alarm.evidence.expect("a real node's receipts prove it");
        assert_eq!(evidence.receipts_root_got, Some(evidence.receipts_root_expected), "its own receipts do");
        // What one node says is relayed no more.
        let relayed = scene.raced.0.stats().blocks;
        scene.round().await;
        let silences = scene.raced.0.stats().silences;
        scene.until("a while", |scene| scene.raced.0.stats().silences > silences + 2).await;
        assert_eq!((scene.raced.0.stats().blocks, scene.raced.2.is_tradable()), (relayed, false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_node_whose_head_stands_still_is_named_and_its_head_is_not_traded_on() {
    let mut scene = Scene::start().await;
    scene.liar.tell(Lie::Frozen(scene.head.block.number.0));
    for _ in 0..4 {
        scene.round().await;
    }
    scene.is_named(AlarmKind::StaleHead).await;
    assert!(!scene.is_at_head());
    scene.liar.tell(Lie::None);
    scene.until("recovery", |scene| scene.raced.2.is_tradable() && scene.is_at_head()).await;
    scene.compare().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_first_node_tells_beside_the_market_is_refused_once_it_was_caught_lying() {
    let mut scene = Scene::start().await;
    let node = &scene.testnet.node;
    let honest = scene.testnet.config(&node.ws_url()).expect("configuration is good").relay_config(None);
    let config = RelayConfig {
        endpoint: scene.liar.endpoint().parse().expect("an endpoint"),
        confirm_endpoints: vec![honest.endpoint.clone(), Endpoint::Ipc(node.ipc_path().to_owned())],
        quorum: 2,
        stale_blocks: 2,
        confirm_wait: Duration::from_millis(500),
        silence: Duration::from_millis(200),
        pending: true,
        finality: true,
        ..honest
    };
    let relay = Relay::start(config).await.expect("the relay starts");
    let all = |is_so: &dyn Fn(&SideReport) -> bool| relay.side_sources().iter().all(is_so);
    scene.until("side sources", |_| all(&|report| report.state == SourceState::Ready)).await;
    scene.testnet.node.mine_many(70).await.expect("mines");
    scene.head = scene.testnet.head().await.expect("chain answers");
    scene.round().await;
    scene.until("their first words", |_| all(&|report| report.published > 0)).await;

    scene.liar.tell(Lie::ForgedLog);
    let is_caught = |relay: &Relay| relay.sources().iter().any(|source| source.state == SourceState::Quarantined);
    for _ in 0..ROUNDS_MAX {
        scene.round().await;
        let head = scene.head.block.number.0;
        let is_there = |relay: &Relay| is_caught(relay) || relay.stats().head_number >= head;
        scene.until("the head, or the verdict", |_| is_there(&relay)).await;
        if is_caught(&relay) {
            break;
        }
    }
    // A late answer is compared later.
    scene.until("the verdict", |_| is_caught(&relay)).await;
    let before = relay.side_sources();
    scene.testnet.node.mine_many(70).await.expect("mines");
    scene.head = scene.testnet.head().await.expect("chain answers");
    scene.round().await;
    scene.until("refusals", |_| all(&|report| report.refused > 0)).await;
    let why = "its node's word does not count: it was caught lying";
    for (before, after) in before.iter().zip(relay.side_sources()) {
        assert_eq!((after.published, after.last_refusal.as_deref()), (before.published, Some(why)), "{after:?}");
    }
    relay.remove_node(&scene.liar.endpoint()).await.expect("it is there");
    scene.until("their end", |_| all(&|report| report.state == SourceState::Stopped)).await;
    assert!(all(&|report| report.last_error.as_deref() == Some("its node was taken away")));
    relay.stop().await.expect("ends in order");
}
