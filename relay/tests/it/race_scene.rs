//! A relay over several nodes of one chain, and a subscriber at its head.

use std::time::{Duration, Instant};

use alphapulse_protocol::message::BlockContext;
use alphapulse_relay::Relay;
use alphapulse_relay::source::Dial;
use alphapulse_relay::source::race::{
    Alarm, AlarmKind, RaceControl, RaceDial, RaceTerms, Safety, SourceState, SourceWatch,
};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::lying_node::{FakeNode, is_accusation};
use super::subscriber::{Subscriber, config};

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const ALWAYS: u32 = 1000;
pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];

pub(crate) fn terms(quorum: usize) -> RaceTerms {
    RaceTerms { quorum, stale_blocks: 2, confirm_wait: Duration::from_millis(40), silence: Duration::from_millis(15) }
}

/// A relay over nodes of one chain.
pub(crate) struct Scene {
    pub(crate) chain: FakeChain,
    pub(crate) nodes: Vec<FakeNode>,
    pub(crate) control: RaceControl<FakeNode>,
    pub(crate) watch: SourceWatch,
    pub(crate) relay: Relay,
    pub(crate) subscriber: Subscriber,
    pub(crate) salt: u64,
}

pub(crate) fn nodes(chain: &FakeChain, count: usize) -> Vec<FakeNode> {
    NAMES[..count].iter().map(|name| FakeNode::new(name, chain)).collect()
}

impl Scene {
    pub(crate) async fn of(chain: FakeChain, nodes: Vec<FakeNode>, quorum: usize) -> Self {
        let dial = RaceDial::new(nodes.clone(), terms(quorum));
        let (control, watch) = (dial.control(), dial.watch().unwrap());
        let relay = Relay::start_from(config(), dial).await.unwrap();
        let subscriber = Subscriber::join(&relay);
        let mut scene = Self { chain, nodes, control, watch, relay, subscriber, salt: 0 };
        scene.mine_and_settle().await;
        scene
    }

    /// Nodes that all stand on the same chain, and a subscriber at its head.
    pub(crate) async fn new(count: usize, quorum: usize) -> Self {
        let chain = FakeChain::new();
        let nodes = nodes(&chain, count);
        let scene = Self::of(chain, nodes, quorum).await;
        assert!(scene.safety().is_safe);
        scene
    }

    pub(crate) fn liar(&self) -> &FakeNode {
        self.nodes.last().unwrap()
    }

    pub(crate) fn mine(&mut self) -> BlockContext {
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

    pub(crate) async fn settle(&mut self) {
        self.subscriber.settle(&self.chain).await;
        // The word that the nodes are believed again comes behind the block that made them so.
        self.subscriber.until(&self.chain, "a tradable state", |subscriber| subscriber.replica.is_tradable()).await;
    }

    pub(crate) async fn mine_and_settle(&mut self) {
        self.mine();
        self.settle().await;
    }

    pub(crate) fn safety(&self) -> Safety {
        *self.relay.safety().unwrap().borrow()
    }

    pub(crate) async fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {:?} {:?}", self.safety(), self.relay.alarms());
            self.subscriber.drain(&self.chain).unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits for an alarm, which must be the first accusation and name the liar.
    pub(crate) async fn alarm(&mut self, kind: AlarmKind) -> Alarm {
        self.until("the alarm", |scene| scene.accusations().iter().any(|alarm| alarm.kind == kind)).await;
        let alarm = self.accusations()[0].clone();
        assert_eq!((alarm.kind, alarm.node.as_deref()), (kind, NAMES.get(self.nodes.len() - 1).copied()), "{alarm:?}");
        alarm
    }

    pub(crate) fn accusations(&self) -> Vec<Alarm> {
        self.relay.alarms().into_iter().filter(|alarm| is_accusation(alarm.kind)).collect()
    }

    pub(crate) fn state_of(&self, name: &str) -> Option<SourceState> {
        self.relay.sources().into_iter().find(|source| source.name == name).map(|source| source.state)
    }

    /// What the operator does about a liar.
    pub(crate) async fn replace_liar(&mut self) {
        let name = NAMES[self.nodes.len() - 1];
        assert_eq!(self.control.remove(name).await.unwrap().state, SourceState::Stopped);
        self.control.add(FakeNode::new(name, &self.chain));
        self.until("safety", |scene| scene.safety().is_safe).await;
        self.mine_and_settle().await;
    }
}
