//! Lines that lose, repeat and reorder, readers that stall and leave, relays that crash and begin anew: nothing is missing,
//! nothing comes twice, and a gap is always told before what follows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::{Gap, GapRecovery, Message};
use alphapulse_protocol::replica::{Change, Replica};
use alphapulse_relay::{Feed, Relay, RelayConfig};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::fake_chain::FakeChain;
use super::fake_market::Change as Trade;
use super::subscriber::{REORG_DEPTH_MAX, assert_true_state, config};

/// Runs by default; `ALPHAPULSE_SEEDS` sets another number.
const SEEDS: u64 = 1_000;
const STEPS: usize = 60;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);

/// A reader behind a bad line, that checks by itself what the relay promises.
struct Consumer {
    feed: Option<Feed>,
    replica: Replica,
    /// Told, and not yet over.
    gap: Option<Gap>,
    /// Messages applied by epoch: the number of the last one, which only a gap and a snapshot may skip to.
    applied: BTreeMap<u64, u64>,
    /// Frame that the line holds back.
    held: Option<FrameBuf>,
    faults_per_mille: u32,
    /// Whether the line still owes an error for what it did before it was mended.
    has_had_faults: bool,
    counts: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    applied: u64,
    line_faults: u64,
    joins: u64,
    replays: u64,
    snapshots: u64,
    lapped: u64,
    archived: u64,
}

impl Consumer {
    fn new(faults_per_mille: u32) -> Self {
        Self {
            feed: None,
            replica: Replica::new(REORG_DEPTH_MAX),
            gap: None,
            applied: BTreeMap::new(),
            held: None,
            faults_per_mille,
            has_had_faults: false,
            counts: Counts::default(),
        }
    }

    /// Joins from where the mirror stands.
    fn join(&mut self, relay: &Relay) {
        self.leave();
        self.feed = relay.subscribe_from(self.replica.position()).ok();
        self.counts.joins += 1;
    }

    fn leave(&mut self) {
        // What was told on a connection is worth nothing on the next.
        (self.feed, self.held, self.gap) = (None, None, None);
    }

    /// Takes what is there, through the line. One whose feed or state is lost joins anew.
    fn drain(&mut self, relay: &Relay, chain: &FakeChain, random: &mut SmallRng) {
        loop {
            let next = match &mut self.feed {
                None => {
                    self.join(relay);
                    continue;
                }
                Some(feed) => feed.try_next(),
            };
            let is_kept = match next {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(frame, chain, random),
                Err(_) => false,
            };
            if !is_kept {
                self.join(relay);
            }
        }
    }

    /// What the line makes of a frame.
    fn take(&mut self, frame: FrameBuf, chain: &FakeChain, random: &mut SmallRng) -> bool {
        let is_faulty = random.random_range(0..1000) < self.faults_per_mille;
        self.counts.line_faults += u64::from(is_faulty);
        if !is_faulty {
            let held = self.held.take();
            return self.read(&frame, chain) && held.is_none_or(|held| self.read(&held, chain));
        }
        match random.random_range(0..3) {
            0 => true,
            1 => self.read(&frame, chain) && self.read(&frame, chain),
            _ => self.held.replace(frame).is_none_or(|held| self.read(&held, chain)),
        }
    }

    /// Applies a frame that is due, and refuses any other before it can do harm.
    fn read(&mut self, frame: &FrameBuf, chain: &FakeChain) -> bool {
        let message = Message::decode(frame.message_bytes()).expect("the line does not change bytes");
        if !self.is_due(&message) {
            assert!(!self.is_line_good(), "the relay itself left a hole");
            return false;
        }
        let is_upon_state = matches!(message, Message::SnapshotBegin(_)) && self.replica.position().is_some();
        assert!(!is_upon_state || !self.is_line_good(), "a snapshot upon a state that no gap made void");
        let place = (self.replica.epoch().0, message.header().sequence().0);
        let Ok(change) = self.replica.apply(&message) else {
            // A snapshot of which the line lost a part: that alone is not told by the sequence.
            assert!(matches!(message, Message::SnapshotEnd(_)) || self.replica.position().is_none());
            return false;
        };
        self.note(&message, place);
        if matches!(change, Change::BlockEnded | Change::SnapshotReady | Change::Reorged(_)) {
            assert_true_state(&self.replica, chain);
        }
        true
    }

    /// Whether nothing that comes can be the line's doing.
    const fn is_line_good(&self) -> bool {
        self.faults_per_mille == 0 && !self.has_had_faults
    }

    fn is_due(&self, message: &Message<'_>) -> bool {
        let (got, here) = (message.header().sequence().0, self.replica.sequence().0);
        match message {
            Message::SnapshotBegin(_) => true,
            Message::Heartbeat(_) | Message::Gap(_) | Message::Caution(_) => {
                self.replica.position().is_none() || got == here
            }
            _ if self.replica.position().is_some() => got == here + 1,
            _ => true,
        }
    }

    /// Keeps the books that the promises are read from.
    fn note(&mut self, message: &Message<'_>, (epoch, sequence): (u64, u64)) {
        match message {
            Message::Gap(gap) => {
                assert_eq!(gap.first.get(), gap.header.sequence.get() + 1);
                self.gap = Some(**gap);
                match GapRecovery::from_wire(gap.recovery.get()) {
                    Some(GapRecovery::Replay) => self.counts.replays += 1,
                    _ => self.counts.snapshots += 1,
                }
            }
            Message::SnapshotBegin(begin) => {
                self.gap = None;
                self.applied.insert(begin.epoch.get(), sequence);
            }
            Message::Heartbeat(_) | Message::Caution(_) => {}
            _ if self.replica.position().is_none() => {}
            _ => {
                let last = self.applied.entry(epoch).or_default();
                if matches!(message, Message::SnapshotEnd(_)) {
                    return;
                }
                assert_eq!(sequence, *last + 1, "missing or twice");
                *last = sequence;
                self.counts.applied += 1;
                if let Some(gap) = self.gap {
                    assert_eq!(gap.recovery.get(), GapRecovery::Replay as u16, "a snapshot was announced");
                    assert!(!self.replica.is_tradable() || sequence >= gap.last.get(), "old, and taken for new");
                    if sequence == gap.last.get() {
                        self.gap = None;
                    }
                }
            }
        }
    }

    fn is_at(&self, hash: &[u8; 32]) -> bool {
        self.replica.is_whole() && self.replica.context().is_some_and(|context| context.hash == *hash)
    }
}

/// One run's actors.
struct Scene {
    chain: FakeChain,
    relay: Relay,
    config: RelayConfig,
    random: SmallRng,
    consumers: Vec<Consumer>,
    folder: TempDir,
    relays: u32,
}

impl Scene {
    async fn start(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let lane_bytes = random.random_range(512..6_000);
        let recent_bytes = random.random_range(400..25_000);
        let mut config = RelayConfig { lane_bytes, recent_bytes, ..config() };
        // Every other run has a journal beside a short memory.
        let folder = tempfile::tempdir().unwrap();
        if seed.is_multiple_of(2) {
            (config.recent_bytes, config.journal_dir) = (recent_bytes / 8 + 100, Some(folder.path().join("0")));
            config.journal.segment_bytes_max = random.random_range(2_000..20_000);
        }
        let chain = FakeChain::new();
        let relay = Relay::start_from(config.clone(), chain.clone()).await.unwrap();
        let consumers = [0, 15, 60].map(Consumer::new).into();
        Self { chain, relay, config, random, consumers, folder, relays: 1 }
    }

    fn mine(&mut self) {
        let trades: Vec<Trade> = (0..self.random.random_range(0..8))
            .map(|_| match self.random.random_range(0..3) {
                0 => Trade::Sync { pool: self.random.random_range(0..2), reserves: (self.random.random(), 7) },
                1 => Trade::Swap { tick: self.random.random_range(-900..900) },
                _ => Trade::Mint {
                    lower: self.random.random_range(-12..12),
                    width: self.random.random_range(1..12),
                    amount: self.random.random_range(1..1 << 40),
                },
            })
            .map(|trade| match trade {
                Trade::Sync { pool, reserves: (a, b) } => Trade::Sync { pool, reserves: (a >> 64, b) },
                other => other,
            })
            .collect();
        let block = self.chain.mine(&trades);
        if self.random.random_range(0..10) > 0 {
            self.chain.announce(block);
        }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..60) {
            0..24 => self.mine(),
            24..27 => {
                self.chain.rollback(self.random.random_range(1..REORG_DEPTH_MAX + 2));
                (0..self.random.random_range(1..4)).for_each(|_| self.mine());
            }
            27 => self.chain.restart(),
            28 => {
                // A crash: nobody is told anything, and the next relay knows nothing of this one.
                let dir = self.folder.path().join(self.relays.to_string());
                self.relays += 1;
                self.config.journal_dir = self.config.journal_dir.as_ref().map(|_| dir);
                let relay = Relay::start_from(self.config.clone(), self.chain.clone()).await.unwrap();
                drop(std::mem::replace(&mut self.relay, relay));
            }
            29..32 => {
                let leaver = self.random.random_range(0..self.consumers.len());
                self.consumers[leaver].leave();
            }
            32..46 => {
                for _ in 0..24 {
                    tokio::task::yield_now().await;
                }
            }
            _ => {
                let reader = self.random.random_range(0..self.consumers.len());
                self.consumers[reader].drain(&self.relay, &self.chain, &mut self.random);
            }
        }
    }

    /// All faults over: everyone ends at the head, with the chain's own state.
    async fn settle(&mut self) {
        self.mine();
        let block = self.chain.mine(&[]);
        self.chain.announce(block);
        let (head, start) = (self.chain.head().hash, Instant::now());
        for consumer in &mut self.consumers {
            consumer.has_had_faults = consumer.faults_per_mille > 0;
            consumer.faults_per_mille = 0;
            loop {
                consumer.drain(&self.relay, &self.chain, &mut self.random);
                // The word that the node is found again comes behind its head.
                if consumer.is_at(&head) && consumer.replica.is_tradable() {
                    break;
                }
                assert!(start.elapsed() < DEADLINE, "{:?} {:?}", consumer.replica.context(), consumer.counts);
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            assert_true_state(&consumer.replica, &self.chain);
        }
        let [first, rest @ ..] = &self.consumers[..] else { return };
        assert!(rest.iter().all(|other| other.replica.is_same_state(&first.replica)));
        assert_eq!(self.relay.stats().evicted, 0);
    }
}

#[test]
fn nothing_is_missing_nothing_comes_twice_and_a_gap_is_always_first() {
    let seeds = std::env::var("ALPHAPULSE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut sum = Counts::default();
    for seed in 0..seeds {
        eprintln!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let counts = runtime.block_on(async {
            let mut scene = Scene::start(seed).await;
            for _ in 0..STEPS {
                scene.step().await;
            }
            scene.settle().await;
            sum.lapped += scene.relay.stats().lapped;
            sum.archived += scene.relay.stats().gaps_archived;
            scene.consumers.iter().map(|consumer| consumer.counts).collect::<Vec<_>>()
        });
        for run in counts {
            sum.applied += run.applied;
            sum.line_faults += run.line_faults;
            sum.joins += run.joins;
            sum.replays += run.replays;
            sum.snapshots += run.snapshots;
        }
    }
    eprintln!("{seeds} runs: {sum:?}");
    // A run in which nothing went wrong proves nothing.
    let is_exercised =
        [sum.line_faults, sum.replays, sum.snapshots, sum.lapped].iter().all(|count| *count >= seeds / 2);
    assert!(is_exercised && sum.archived >= seeds / 8, "{sum:?}");
}
