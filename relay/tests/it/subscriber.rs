//! A consumer that believes nothing: after every block its mirror is held against the chain's own state.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use alphapulse_protocol::message::{Message, PoolKind};
use alphapulse_protocol::replica::{Change, PoolInfo, Replica};
use alphapulse_protocol::{ChainId, FeePpm};
use alphapulse_relay::journal::FeedOptions;
use alphapulse_relay::source::PoolAnswer;
use alphapulse_relay::{Access, Endpoint, FactorySpec, Feed, FeedError, Relay, RelayConfig, VenueSpec, WantedTokens};

use super::fake_chain::FakeChain;
use super::fake_market::{FACTORY, FACTORY_VENUE, WANTED};

/// Blocks that relay and subscribers can take back in these tests.
pub(crate) const REORG_DEPTH_MAX: usize = 8;
/// Gap that is met with a snapshot in these tests.
pub(crate) const BACKFILL_BLOCKS_MAX: u64 = 12;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);

/// A relay's configuration for tests: quick to notice silence, no doors, no journal.
pub(crate) fn config() -> RelayConfig {
    RelayConfig {
        chain_id: ChainId(31337),
        endpoint: Endpoint::Ws("ws://127.0.0.1:1".into()),
        confirm_endpoints: Vec::new(),
        quorum: 1,
        stale_blocks: 2,
        confirm_wait: Duration::from_millis(50),
        venues: Vec::new(),
        pools: Vec::new(),
        pending: false,
        finality: false,
        quotes: Vec::new(),
        factories: Vec::new(),
        silence: Duration::from_millis(20),
        backfill_blocks_max: BACKFILL_BLOCKS_MAX,
        reorg_depth_max: REORG_DEPTH_MAX,
        lane_bytes: 1 << 20,
        recent_bytes: 1 << 20,
        heartbeat: Duration::from_millis(10),
        listen_unix: None,
        listen_tcp: None,
        listen_http: None,
        access: Access::default(),
        subscribers_max: 8,
        sample_pools: 0,
        journal_dir: None,
        journal: FeedOptions::default(),
    }
}

/// The same for a relay that follows the pairs of the fake chain's factory.
pub(crate) fn following() -> RelayConfig {
    let venue = VenueSpec {
        id: FACTORY_VENUE,
        name: "fake".into(),
        kind: PoolKind::UniswapV2,
        factory: FACTORY,
        init_code_hash: B256::ZERO,
        fee: FeePpm(3000),
    };
    let wanted = WantedTokens { tokens: [WANTED].into(), are_both_needed: false };
    let factory = FactorySpec {
        venue: FACTORY_VENUE,
        address: FACTORY,
        wanted: Some(wanted),
        pools_max: 1_000,
        known_ticks: None,
        from_block: Some(0),
    };
    RelayConfig { venues: vec![venue], factories: vec![factory], ..config() }
}

/// Holds the pools of the factory against the chain's own, whatever their ids.
fn assert_true_discoveries(replica: &Replica, chain: &FakeChain, others: usize) {
    let created = chain.created(&replica.context().expect("a whole state has a block").hash);
    let followed: Vec<_> = created.iter().filter(|created| created.is_followed()).collect();
    assert_eq!(replica.pools().len(), others + followed.len(), "pools followed");
    for created in followed {
        let id = replica.pool_by_address(&created.address.into_array()).expect("it is followed");
        let PoolAnswer::Read(truth) = created.answer() else { panic!("a source would refuse it") };
        let (info, state) = (&replica.pools()[id.index()], &replica.states()[id.index()]);
        let tokens: Vec<_> = info.tokens.iter().map(|token| replica.tokens()[token.index()].clone()).collect();
        assert_eq!(tokens, truth.tokens);
        assert_eq!(PoolInfo { tokens: truth.info.tokens, ..*info }, truth.info);
        assert_eq!(*state, truth.state, "pool {id:?} after block {:?}", replica.context());
    }
}

/// Holds a whole state against the chain's own at the same block, bit for bit.
pub(crate) fn assert_true_state(replica: &Replica, chain: &FakeChain) {
    let context = replica.context().expect("a whole state has a block");
    let truth = chain.truth(&context.hash);
    assert_eq!(*context, truth.context);
    assert_eq!(replica.tokens()[..truth.tokens.len()], truth.tokens);
    assert_true_discoveries(replica, chain, truth.pools.len());
    for (index, (info, state)) in truth.pools.iter().enumerate() {
        assert_eq!(replica.pools()[index], *info);
        assert_eq!(replica.states()[index], *state, "pool {index} after block {}", context.number);
    }
}

/// A mirror fed by a relay.
#[derive(Debug)]
pub(crate) struct Subscriber {
    feed: Option<Feed>,
    pub(crate) replica: Replica,
    /// Names of the messages that came, heartbeats and cautions aside.
    pub(crate) seen: Vec<&'static str>,
    /// Of each caution, whether it told to be careful.
    pub(crate) cautions: Vec<bool>,
    /// Blocks at which the word came that all is well.
    pub(crate) cleared_at: Vec<u64>,
    pub(crate) heartbeats: u32,
    /// Blocks after which the state could be traded on.
    pub(crate) tradable_at: Vec<u64>,
}

impl Subscriber {
    pub(crate) fn new(feed: Feed) -> Self {
        Self {
            feed: Some(feed),
            replica: Replica::new(REORG_DEPTH_MAX),
            seen: Vec::new(),
            cautions: Vec::new(),
            cleared_at: Vec::new(),
            heartbeats: 0,
            tradable_at: Vec::new(),
        }
    }

    pub(crate) fn join(relay: &Relay) -> Self {
        Self::new(relay.subscribe().unwrap())
    }

    /// Lets the feed go; the mirror stays.
    pub(crate) fn leave(&mut self) {
        self.feed = None;
    }

    /// Joins anew, from where the mirror stands.
    pub(crate) fn rejoin(&mut self, relay: &Relay) {
        self.feed = Some(relay.subscribe_from(self.replica.position()).unwrap());
    }

    /// Name of the next message that is there, without looking at what it says.
    pub(crate) fn next_name(&mut self) -> Option<&'static str> {
        let frame = self.feed.as_mut()?.try_next().unwrap()?;
        Some(Message::decode(frame.message_bytes()).expect("the relay sends what it reads").name())
    }

    /// Takes what is there. Every whole state must be the chain's state at that block, bit for bit.
    pub(crate) fn drain(&mut self, chain: &FakeChain) -> Result<(), FeedError> {
        while let Some(frame) = self.feed.as_mut().map_or(Ok(None), Feed::try_next)? {
            let message = Message::decode(frame.message_bytes()).expect("the relay sends what it reads");
            match message {
                Message::Heartbeat(_) => self.heartbeats += 1,
                Message::Caution(caution) => {
                    self.cautions.push(caution.is_safe == 0);
                    let at = self.replica.context().filter(|_| caution.is_safe != 0);
                    self.cleared_at.extend(at.map(|context| context.number.get()));
                }
                _ => self.seen.push(message.name()),
            }
            let change = self.replica.apply(&message).expect("the relay sends what continues the stream");
            if matches!(change, Change::BlockEnded | Change::SnapshotReady | Change::Reorged(_)) {
                self.check(chain);
            }
        }
        Ok(())
    }

    fn check(&mut self, chain: &FakeChain) {
        assert_true_state(&self.replica, chain);
        if let Some(context) = self.replica.context().filter(|_| self.replica.is_tradable()) {
            self.tradable_at.push(context.number.get());
        }
    }

    /// Waits until `is_done`, taking what comes.
    pub(crate) async fn until(&mut self, chain: &FakeChain, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.drain(chain).unwrap();
            if is_done(self) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{what} did not happen; {:?}", self.replica.context());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the mirror stands at the chain's head.
    pub(crate) async fn settle(&mut self, chain: &FakeChain) {
        let head = chain.head().hash;
        self.until(chain, "the head", |subscriber| subscriber.is_at(&head)).await;
    }

    fn is_at(&self, hash: &[u8; 32]) -> bool {
        self.replica.is_whole() && self.replica.context().is_some_and(|context| context.hash == *hash)
    }

    /// Waits for the end of the feed.
    pub(crate) async fn ending(&mut self, chain: &FakeChain) -> FeedError {
        let start = Instant::now();
        loop {
            if let Err(error) = self.drain(chain) {
                return error;
            }
            assert!(start.elapsed() < DEADLINE, "the feed did not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
