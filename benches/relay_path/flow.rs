//! As many messages as the relay takes and its subscribers read, each in sequence.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use alphapulse_protocol::message::Message;
use alphapulse_relay::Feed;
use anyhow::{Context, Result, ensure};

use crate::source::{Chain, FIRST, tick_at, until_joined};
use crate::stats::Samples;

const LONG: Duration = Duration::from_secs(60);
/// Swaps in a block: a busy one of a large chain.
pub(crate) const UPDATES: u32 = 200;
/// Blocks under way to the slowest subscriber: enough to keep all at work, and far from what laps one.
const WINDOW: u64 = 64;
/// Blocks that a subscriber reads between two words to the source.
const ACKNOWLEDGED: u64 = 8;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) subscribers: usize,
    /// Nanoseconds for each thousand messages, one sample for each turn.
    pub(crate) per_thousand: Samples,
}

/// How far each subscriber has read.
#[derive(Debug)]
struct Progress {
    chain: Chain,
    read: Vec<AtomicU64>,
}

impl Progress {
    fn acknowledge(&self, subscriber: usize, number: u64, last: u64) {
        self.read[subscriber].store(number, Ordering::Relaxed);
        let slowest = self.read.iter().map(|read| read.load(Ordering::Relaxed)).min().unwrap_or(number);
        self.chain.allow((slowest + WINDOW).min(last));
    }
}

pub(crate) fn measure(rounds: usize, blocks: u64, subscribers: usize) -> Result<Flow> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("relay.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let chain = Chain::new(UPDATES);
    let relay = runtime.block_on(chain.relay(&socket))?;
    let rounds = u64::try_from(rounds)?;
    let read = (0..subscribers).map(|_| AtomicU64::new(FIRST)).collect();
    let progress = Arc::new(Progress { chain: chain.clone(), read });
    let (done, finished) = channel();
    let mut starts = Vec::new();
    for subscriber in 0..subscribers {
        starts.push(join(&socket, subscriber, &progress, &done)?);
    }
    until_joined(&relay, subscribers as u64)?;
    let mut per_thousand = Samples::default();
    // The first turn warms up.
    for round in 0..=rounds {
        let last = FIRST + (round + 1) * blocks;
        let started = Instant::now();
        starts.iter().try_for_each(|start| start.send(last))?;
        chain.allow(last.min(FIRST + round * blocks + WINDOW));
        wait_for(&finished, subscribers)?;
        if round > 0 {
            let messages = blocks * chain.messages_per_block();
            per_thousand.add(started.elapsed() * 1_000 / u32::try_from(messages)?);
            per_thousand.end_block();
        }
    }
    let stats = relay.stats();
    ensure!(stats.lapped == 0 && stats.evicted == 0, "a subscriber was lapped: {stats:?}");
    runtime.block_on(relay.stop())?;
    Ok(Flow { subscribers, per_thousand })
}

fn wait_for(finished: &Receiver<Result<()>>, count: usize) -> Result<()> {
    (0..count).try_for_each(|_| finished.recv_timeout(LONG).context("a subscriber did not get its blocks")?)
}

/// A subscriber on a thread of its own. It reads to each block that it is sent, and says so.
fn join(socket: &Path, subscriber: usize, progress: &Arc<Progress>, done: &Sender<Result<()>>) -> Result<Sender<u64>> {
    let mut feed = Feed::connect_unix(socket, None)?;
    let (start, starts) = channel::<u64>();
    let (progress, done) = (Arc::clone(progress), done.clone());
    thread::spawn(move || {
        let mut sequence = 0;
        while let Ok(last) = starts.recv() {
            let result =
                read_to(&mut feed, &mut sequence, last, |number| progress.acknowledge(subscriber, number, last));
            if done.send(result).is_err() {
                return;
            }
        }
    });
    Ok(start)
}

/// Reads to the end of a block; every message must be the next, and the last update what the chain said.
pub(crate) fn read_to(feed: &mut Feed, sequence: &mut u64, last: u64, mut acknowledge: impl FnMut(u64)) -> Result<()> {
    let mut tick = 0;
    loop {
        let Some(message) = feed.try_message()? else {
            feed.wait(LONG);
            continue;
        };
        let got = message.header().sequence().0;
        match message {
            _ if got == 0 => continue,
            Message::V3Swap(swap) => tick = swap.tick.get(),
            Message::Block(_) | Message::BlockEnd(_) => {}
            other => anyhow::bail!("{} came", other.name()),
        }
        ensure!(got == *sequence + 1, "message {got} came behind {sequence}");
        *sequence = got;
        if let Message::BlockEnd(end) = message {
            let number = end.number.get();
            ensure!(tick == tick_at(number), "block {number} came with tick {tick}");
            if number % ACKNOWLEDGED == 0 || number == last {
                acknowledge(number);
            }
            if number == last {
                return Ok(());
            }
        }
    }
}
