//! One of several nodes lies at random about random things: every state that a subscriber sees is the true chain's, and no alarm
//! names an honest node.

use std::time::{Duration, Instant};

use alphapulse_protocol::message::BlockContext;
use alphapulse_relay::Relay;
use alphapulse_relay::source::race::{Alarm, RaceControl, RaceDial, SourceState};
use futures_util::stream::{self, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::lying_node::{FakeNode, Lies, Told, is_accusation};
use super::race_scene::terms;
use super::subscriber::{Subscriber, config};

/// Runs by default; `ALPHAPULSE_SEEDS` sets another number.
const SEEDS: u64 = 300;
/// Runs that take turns on the one thread: most of their time is waiting.
const AT_ONCE: usize = 16;
const STEPS: usize = 40;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(60);
const LIAR: &str = "the liar";

struct Run {
    seed: u64,
    chain: FakeChain,
    liar: FakeNode,
    relay: Relay,
    subscriber: Subscriber,
    random: SmallRng,
    /// Whether blocks are only added, so that whatever is asked of one can be proven.
    is_calm: bool,
}

fn random_lies(random: &mut SmallRng) -> Lies {
    let mut sometimes = || if random.random_bool(0.4) { random.random_range(0..600) } else { 0 };
    Lies {
        forge_logs: sometimes(),
        drop_logs: sometimes(),
        forge_headers: sometimes() / 4,
        forge_images: sometimes(),
        forge_proofs: sometimes(),
        forge_samples: 0,
        refuse: sometimes() / 2,
        invent_heads: sometimes() / 8,
    }
}

fn random_change(random: &mut SmallRng) -> Change {
    match random.random_range(0..5) {
        0 => Change::Sync { pool: random.random_range(0..2), reserves: (random.random::<u32>().into(), 7) },
        1 => Change::Swap { tick: random.random_range(-900..900) },
        2 => Change::Mint { lower: random.random_range(-12..12), width: 3, amount: random.random_range(1..1_000) },
        3 => Change::Burn { position: random.random_range(0..8), is_whole: random.random() },
        _ => Change::Noise { pool: random.random_range(0..3) },
    }
}

impl Run {
    fn mine(&mut self) -> BlockContext {
        let changes: Vec<_> = (0..self.random.random_range(0..5)).map(|_| random_change(&mut self.random)).collect();
        self.chain.mine(&changes)
    }

    async fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..10 => {
                let block = self.mine();
                self.chain.announce(block);
            }
            10 => drop(self.mine()),
            11 => self.liar.tell(random_lies(&mut self.random)),
            12 => self.liar.freeze(),
            13 => self.liar.thaw(),
            14 if !self.is_calm => self.chain.rollback(self.random.random_range(1..4)),
            15 if !self.is_calm => self.chain.disconnect(),
            16 if !self.is_calm => self.chain.restart(),
            _ => self.chain.announce(self.chain.below(self.random.random_range(0..3))),
        }
        if self.random.random_bool(0.7) {
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..12))).await;
        }
        self.subscriber.drain(&self.chain).unwrap();
    }

    async fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            let alarms = self.relay.alarms();
            assert!(
                start.elapsed() < DEADLINE,
                "seed {}: {what} did not happen: {alarms:#?} {:#?}",
                self.seed,
                self.relay.sources()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.subscriber.drain(&self.chain).unwrap();
        }
    }

    fn accusations(&self) -> Vec<Alarm> {
        self.relay.alarms().into_iter().filter(|alarm| is_accusation(alarm.kind)).collect()
    }

    /// Puts an honest node in the liar's place, if it is out. Tells how many were replaced.
    async fn replace_liar(&self, control: &RaceControl<FakeNode>) -> u32 {
        let is_out = self.is_quarantined();
        if is_out {
            control.remove(LIAR).await.unwrap();
            control.add(FakeNode::new("a node in its place", &self.chain));
        }
        u32::from(is_out)
    }

    /// Whether the subscriber stands on this block, and may trade on it.
    fn is_settled(&self, block: &BlockContext) -> bool {
        let replica = &self.subscriber.replica;
        replica.is_tradable()
            && replica.context().is_some_and(|context| context.hash == block.hash)
            && self.relay.safety().unwrap().borrow().is_safe
    }

    fn is_quarantined(&self) -> bool {
        self.relay.sources().iter().any(|source| source.name == LIAR && source.state == SourceState::Quarantined)
    }
}

/// What a run saw.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    log_lies: u32,
    header_lies: u32,
    image_lies: u32,
    quarantines: u32,
    accusations: usize,
    blocks: u64,
}

async fn run(seed: u64) -> Sums {
    let mut random = SmallRng::seed_from_u64(seed);
    let count = random.random_range(2..4);
    let chain = FakeChain::new();
    let liar = FakeNode::new(LIAR, &chain);
    liar.seed(seed);
    let mut nodes: Vec<_> = ["one", "two"][..count - 1].iter().map(|name| FakeNode::new(name, &chain)).collect();
    nodes.insert(random.random_range(0..count), liar.clone());
    let dial = RaceDial::new(nodes, terms(2));
    let control = dial.control();
    let relay = Relay::start_from(config(), dial).await.unwrap();
    let subscriber = Subscriber::join(&relay);
    let is_calm = random.random();
    let mut run = Run { seed, chain, liar, relay, subscriber, random, is_calm };
    run.liar.tell(random_lies(&mut run.random));
    for _ in 0..STEPS {
        run.step().await;
    }

    run.liar.tell(Lies::default());
    run.liar.thaw();
    let told = run.liar.told();
    if is_calm && told.logs > 0 {
        run.until("the liar's quarantine", Run::is_quarantined).await;
    }
    let block = run.mine();
    run.chain.announce(block);
    let mut quarantines = run.replace_liar(&control).await;
    while quarantines == 0 {
        // What it said last may be found out only now: then the others need one in its place.
        run.until("the head or a quarantine", |run| run.is_settled(&block) || run.is_quarantined()).await;
        if run.is_settled(&block) {
            break;
        }
        quarantines = run.replace_liar(&control).await;
    }
    run.until("the head and safety", |run| run.is_settled(&block)).await;
    finish(run, told, quarantines).await
}

async fn finish(run: Run, told: Told, quarantines: u32) -> Sums {
    let accusations = run.accusations();
    for alarm in &accusations {
        assert!(alarm.node.as_deref().is_none_or(|node| node == LIAR), "seed {}: {alarm:?}", run.seed);
    }
    let stats = run.relay.stats();
    assert_eq!(stats.contradictions, 0, "seed {}", run.seed);
    run.relay.stop().await.unwrap();
    Sums {
        log_lies: told.logs,
        header_lies: told.headers,
        image_lies: told.images,
        quarantines,
        accusations: accusations.len(),
        blocks: stats.blocks,
    }
}

#[tokio::test]
async fn whatever_one_node_says_subscribers_hold_the_chains_state() {
    let seeds = std::env::var("ALPHAPULSE_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let first = std::env::var("ALPHAPULSE_SEED").map_or(0, |seed| seed.parse().unwrap());
    let sums = stream::iter(first..first + seeds).map(run).buffer_unordered(AT_ONCE);
    let sums = sums
        .fold(Sums::default(), |sum, run| async move {
            Sums {
                log_lies: sum.log_lies + run.log_lies,
                header_lies: sum.header_lies + run.header_lies,
                image_lies: sum.image_lies + run.image_lies,
                quarantines: sum.quarantines + run.quarantines,
                accusations: sum.accusations + run.accusations,
                blocks: sum.blocks + run.blocks,
            }
        })
        .await;
    eprintln!("{seeds} seeds: {sums:?}");
    if seeds >= SEEDS {
        let kinds = [sums.log_lies, sums.header_lies, sums.image_lies, sums.quarantines];
        assert!(kinds.iter().all(|count| *count > 0), "the runs bite: {sums:?}");
    }
}
