//! What a subscriber that does not read costs the writer, for each event.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use alphapulse_relay::{Feed, Relay};
use anyhow::{Result, ensure};

use crate::flow::UPDATES;
use crate::source::{Chain, FIRST, until_joined};
use crate::stats::Samples;

const LONG: Duration = Duration::from_secs(60);
/// Between two looks at the relay's counters: far below what a turn takes.
const LOOK_EVERY: Duration = Duration::from_micros(20);
/// Blocks in which a subscriber that does not read is lapped: its lane and its socket are full.
const LAPPED_BY: u64 = 65_536 * 2 / 200;

/// What was measured: nanoseconds for each block, one sample for each turn.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    /// Nobody subscribed.
    pub(crate) alone: Samples,
    /// One subscriber that does not read.
    pub(crate) one: Samples,
    /// Eight of them.
    pub(crate) eight: Samples,
}

pub(crate) fn measure(rounds: usize, blocks: u64) -> Result<Stall> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("relay.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let chain = Chain::new(UPDATES);
    let relay = runtime.block_on(chain.relay(&socket))?;
    let mut writer = Writer { chain, relay, head: FIRST };
    let mut stall = Stall::default();
    for round in 0..=rounds {
        for stalled in [0, 1, 8, 8, 1, 0] {
            let elapsed = writer.turn(&socket, stalled, blocks)?;
            let samples = match stalled {
                0 => &mut stall.alone,
                1 => &mut stall.one,
                _ => &mut stall.eight,
            };
            if round > 0 {
                samples.add(elapsed / u32::try_from(blocks)?);
                samples.end_block();
            }
        }
    }
    let stats = writer.relay.stats();
    ensure!(stats.evicted == 0 && stats.contradictions == 0, "the relay failed: {stats:?}");
    runtime.block_on(writer.relay.stop())?;
    Ok(stall)
}

struct Writer {
    chain: Chain,
    relay: Relay,
    head: u64,
}

impl Writer {
    /// The time in which the writer takes some blocks, beside some who are lapped already.
    fn turn(&mut self, socket: &Path, stalled: u64, blocks: u64) -> Result<Duration> {
        let lapped = self.relay.stats().lapped + stalled;
        let joins = self.relay.stats().joins + stalled;
        let feeds = (0..stalled).map(|_| Feed::connect_unix(socket, None)).collect::<Result<Vec<_>, _>>()?;
        until_joined(&self.relay, joins)?;
        if stalled > 0 {
            self.write(LAPPED_BY)?;
            let now = self.relay.stats().lapped;
            ensure!(now == lapped, "{now} were lapped, {lapped} should be");
        }
        let started = Instant::now();
        self.write(blocks)?;
        let elapsed = started.elapsed();
        ensure!(self.relay.stats().lapped == lapped, "who is lapped stays so while it does not read");
        drop(feeds);
        // The relay finds out with the next message.
        self.write(1)?;
        self.until(|relay| relay.stats().subscribers == 0)?;
        Ok(elapsed)
    }

    fn write(&mut self, blocks: u64) -> Result<()> {
        self.head += blocks;
        self.chain.allow(self.head);
        let written = (self.head - FIRST) * self.chain.messages_per_block();
        self.until(|relay| relay.stats().messages >= written)
    }

    fn until(&self, is_done: impl Fn(&Relay) -> bool) -> Result<()> {
        let started = Instant::now();
        while !is_done(&self.relay) {
            ensure!(started.elapsed() < LONG, "the relay stands still: {:?}", self.relay.stats());
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}
