//! A relay that compares what it says with a chain of which not every change is told, and a reader of it.

use std::time::{Duration, Instant};

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::{Message, PoolTrust};
use alphapulse_protocol::replica::{Change as Changed, Replica};
use alphapulse_relay::source::Dial;
use alphapulse_relay::{Feed, FeedError, Relay, RelayConfig, RelayStats};

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::subscriber::{REORG_DEPTH_MAX, config};

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Pools of the fake chain.
pub(crate) const POOLS: usize = 3;

/// A reader that holds each pool which it may trade on against the chain, at every block.
pub(crate) struct Reader {
    feed: Feed,
    pub(crate) replica: Replica,
    /// What was said of pools, in order.
    pub(crate) said: Vec<(u32, PoolTrust)>,
    /// Pools that are wrong and that nobody has found to be yet.
    pub(crate) blind: Vec<u32>,
}

impl Reader {
    pub(crate) fn join(relay: &Relay) -> Self {
        let (feed, replica) = (relay.subscribe().unwrap(), Replica::new(REORG_DEPTH_MAX));
        Self { feed, replica, said: Vec::new(), blind: Vec::new() }
    }

    fn drain(&mut self, chain: &FakeChain) {
        self.take(chain).unwrap();
    }

    fn take(&mut self, chain: &FakeChain) -> Result<(), FeedError> {
        while let Some(frame) = self.feed.try_next()? {
            let message = Message::decode(frame.message_bytes()).expect("the relay sends what it reads");
            if let Message::PoolStanding(standing) = message {
                let trust = standing.trust().expect("a standing that is known");
                self.said.push((standing.pool.get(), trust));
                if trust == PoolTrust::Quarantined {
                    self.blind.retain(|pool| *pool != standing.pool.get());
                }
            }
            let change = self.replica.apply(&message).expect("the relay sends what continues the stream");
            if matches!(change, Changed::BlockEnded | Changed::SnapshotReady | Changed::Standing(_))
                && self.replica.is_whole()
            {
                self.check(chain);
            }
        }
        Ok(())
    }

    /// Whoever trades on what may be traded on trades on the chain's own state.
    fn check(&self, chain: &FakeChain) {
        let truth = chain.truth(&self.replica.context().expect("a block").hash);
        for ((_, state), id) in truth.pools.iter().zip(0..).filter(|(_, id)| !self.blind.contains(id)) {
            let ours = self.replica.state(PoolId(id));
            assert!(ours.is_none_or(|ours| ours == state), "pool {id} after block {}", truth.context.number);
        }
    }

    pub(crate) async fn until(&mut self, chain: &FakeChain, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.drain(chain);
            if is_done(self) {
                return;
            }
            let state = (&self.said, self.replica.context().map(|context| context.number), self.replica.quarantined());
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {state:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Takes what is left of a feed that ended.
    pub(crate) async fn read_to_end(&mut self, chain: &FakeChain) {
        while self.take(chain).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn quarantined(&self) -> Vec<u32> {
        self.replica.quarantined().iter().map(|found| found.pool.0).collect()
    }

    /// Pools on which one may trade now.
    pub(crate) fn trusted(&self) -> Vec<u32> {
        (0..).take(POOLS).filter(|id| self.replica.state(PoolId(*id)).is_some()).collect()
    }
}

/// The chain, the relay, and a reader that was there from the start.
pub(crate) struct Scene {
    pub(crate) chain: FakeChain,
    pub(crate) relay: Relay,
    pub(crate) reader: Reader,
}

impl Scene {
    /// Every pool is compared in every block.
    pub(crate) async fn new() -> Self {
        Self::with(RelayConfig { sample_pools: POOLS, ..config() }).await
    }

    pub(crate) async fn with(config: RelayConfig) -> Self {
        let chain = FakeChain::new();
        Self::over(config, chain.clone(), chain).await
    }

    /// The same over nodes of this chain.
    pub(crate) async fn over(config: RelayConfig, chain: FakeChain, nodes: impl Dial) -> Self {
        let relay = Relay::start_from(config, nodes).await.unwrap();
        let reader = Reader::join(&relay);
        let mut scene = Self { chain, relay, reader };
        scene.settle().await;
        scene
    }

    /// A block of which everybody hears, once the reader has it.
    pub(crate) async fn mine(&mut self, changes: &[Change]) {
        self.chain.announce(self.chain.mine(changes));
        self.settle().await;
    }

    pub(crate) async fn settle(&mut self) {
        let head = self.chain.head().hash;
        let is_at =
            |reader: &Reader| reader.replica.is_whole() && reader.replica.context().is_some_and(|at| at.hash == head);
        self.reader.until(&self.chain, "the head", is_at).await;
    }

    /// Blocks without changes until something came of them: a sample is taken of a block, and pools are told anew in one.
    pub(crate) async fn mine_until(&mut self, what: &str, is_done: impl Fn(&Reader, &RelayStats) -> bool) {
        let start = Instant::now();
        loop {
            self.mine(&[]).await;
            let until = Instant::now() + Duration::from_millis(20);
            while Instant::now() < until {
                self.reader.drain(&self.chain);
                if is_done(&self.reader, &self.relay.stats()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let said = (&self.reader.said, self.reader.quarantined(), self.relay.stats());
            assert!(start.elapsed() < DEADLINE, "{what} did not happen: {said:?}");
        }
    }

    pub(crate) async fn until_stats(&mut self, what: &str, is_so: impl Fn(&RelayStats) -> bool) {
        let (relay, chain) = (&self.relay, &self.chain);
        self.reader.until(chain, what, |_| is_so(&relay.stats())).await;
    }

    /// A change that no log tells, found, and nothing done about it before [`Self::release`]: its pool is shut.
    pub(crate) async fn shut(&mut self, pool: u32, change: Change) {
        let passing = |samples| Faults { samples_left: Some(samples), ..Faults::default() };
        self.faults(passing(0));
        self.reader.blind = vec![pool];
        self.mine(&[change]).await;
        let start = Instant::now();
        while self.reader.quarantined() != [pool] {
            assert!(start.elapsed() < DEADLINE, "the quarantine did not happen: {:?}", self.relay.stats());
            self.faults(passing(1));
            self.mine(&[]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.reader.drain(&self.chain);
        }
    }

    /// Answers all again.
    pub(crate) fn release(&self) {
        self.faults(Faults::default());
    }

    pub(crate) fn faults(&self, faults: Faults) {
        self.chain.set_faults(faults);
    }

    /// Who joins now holds, and believes, what who was there does; and the chain's state where it may trade.
    pub(crate) async fn check_joiner(&mut self) {
        let mut late = Reader::join(&self.relay);
        late.blind.clone_from(&self.reader.blind);
        late.until(&self.chain, "the snapshot", |late| late.replica.is_whole()).await;
        let start = Instant::now();
        while late.replica.position() != self.reader.replica.position() || !late.replica.is_whole() {
            assert!(start.elapsed() < DEADLINE, "they do not come to one place");
            late.drain(&self.chain);
            self.reader.drain(&self.chain);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(late.replica.is_same_state(&self.reader.replica));
    }

    /// All is well: everything may be traded on, and is what the chain says.
    pub(crate) fn assert_healed(&self) {
        let truth = self.chain.truth(&self.chain.head().hash);
        for ((_, state), id) in truth.pools.iter().zip(0..) {
            assert_eq!(self.reader.replica.state(PoolId(id)), Some(state), "pool {id}");
        }
        assert!(self.reader.blind.is_empty());
        assert_eq!(self.relay.stats().pools_quarantined_now, 0);
    }
}
