//! One way of a block: from the write of its bytes to the reader's return.
//!
//! A tap stands between the relay and its subscriber. It passes the relay's own bytes on, a block at a time, and knows when
//! it wrote them; for every other turn it writes the same bytes to a socket that is read raw. Writer, sizes, sleeping reader
//! and clock are the same for both; what differs is our client. The whole way, from the node's logs to the reader, is
//! measured without the tap.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::{self, Frame};
use alphapulse_protocol::message::{Hello, Message, Subscribe};
use alphapulse_relay::{Feed, FeedError, Relay};
use anyhow::{Context, Result, ensure};

use crate::pinned;
use crate::source::{Chain, FIRST, tick_at, until_joined};
use crate::stats::Samples;

const LONG: Duration = Duration::from_secs(60);
const GREETING_BYTES: usize = 16 + size_of::<Hello>() + size_of::<Subscribe>();

/// What was measured.
#[derive(Debug)]
pub(crate) struct Latency {
    /// Bytes of each block on the wire.
    pub(crate) bytes: usize,
    /// A raw socket that is read with a blocking read.
    pub(crate) raw: Samples,
    /// Our client, which has no other inputs.
    pub(crate) feed: Samples,
    /// Our client with a waker for other inputs, as the engine uses it.
    pub(crate) waker: Samples,
    /// From the node's logs to our client's return, through the relay.
    pub(crate) whole: Samples,
}

/// A reader on a thread of its own that tells when each block was there.
pub(crate) struct Reader {
    arrivals: Receiver<Instant>,
    thread: JoinHandle<Result<()>>,
}

impl Reader {
    pub(crate) fn spawn(read: impl FnOnce(Sender<Instant>) -> Result<()> + Send + 'static) -> Self {
        let (arrived, arrivals) = channel();
        let thread = thread::spawn(move || {
            pinned::hold(1);
            read(arrived)
        });
        Self { arrivals, thread }
    }

    pub(crate) fn arrival(&self) -> Result<Instant> {
        self.arrivals.recv_timeout(LONG).context("a reader did not get its block")
    }

    pub(crate) fn join(self) -> Result<()> {
        self.thread.join().expect("a reader returns its errors")
    }
}

/// Reads blocks of one size as plainly as can be.
fn read_raw(mut socket: UnixStream, bytes: usize, arrived: &Sender<Instant>) -> Result<()> {
    let mut block = vec![0; bytes];
    loop {
        match socket.read_exact(&mut block) {
            Ok(()) => arrived.send(Instant::now())?,
            Err(_) => return Ok(()),
        }
    }
}

/// Takes blocks as a consumer does, and checks them after the time was taken.
pub(crate) fn read_feed(mut feed: Feed, first: u64, last: u64, arrived: &Sender<Instant>) -> Result<()> {
    let mut next = || loop {
        match feed.try_next()? {
            Some(frame) => return Ok::<_, FeedError>(frame),
            None => feed.wait(LONG),
        }
    };
    while !matches!(Message::decode(next()?.message_bytes())?, Message::SnapshotEnd(_)) {}
    for number in first..=last {
        let frames = [next()?, next()?, next()?];
        arrived.send(Instant::now())?;
        let [begin, swap, end] = &frames;
        ensure!(
            matches!(Message::decode(begin.message_bytes())?, Message::Block(block) if block.context.number == number)
        );
        ensure!(
            matches!(Message::decode(swap.message_bytes())?, Message::V3Swap(swap) if swap.tick == tick_at(number))
        );
        ensure!(matches!(Message::decode(end.message_bytes())?, Message::BlockEnd(end) if end.number == number));
    }
    Ok(())
}

/// On a thread of its own: what it starts later would be held on its core as well.
pub(crate) fn measure(rounds: usize, blocks: usize) -> Result<Latency> {
    thread::spawn(move || measure_held(rounds, blocks)).join().expect("a measurement returns its errors")
}

fn measure_held(rounds: usize, blocks: usize) -> Result<Latency> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let chain = Chain::new(1);
    let socket = folder.path().join("relay.sock");
    let relay = runtime.block_on(chain.relay(&socket))?;
    pinned::hold(0);
    let mut tapped = through_tap(&chain, &socket, folder.path(), rounds, blocks)?;
    tapped.whole = whole_way(&chain, &relay, &socket, rounds, blocks)?;
    runtime.block_on(relay.stop())?;
    Ok(tapped)
}

/// The tap's end towards the relay.
struct Tap {
    relay: UnixStream,
    bytes: Vec<u8>,
}

impl Tap {
    /// Greets the relay; gives its greeting and snapshot.
    fn open(socket: &Path) -> Result<(Self, Vec<u8>)> {
        let mut relay = UnixStream::connect(socket)?;
        let mut greeting = Vec::new();
        frame::write(&mut greeting, &Hello::new());
        frame::write(&mut greeting, &Subscribe::new(None));
        relay.write_all(&greeting)?;
        let mut tap = Self { relay, bytes: Vec::new() };
        let first = tap.read_until(|message| matches!(message, Message::SnapshotEnd(_)))?;
        Ok((tap, first))
    }

    /// Bytes up to a message, and not one more.
    fn read_until(&mut self, is_last: impl Fn(&Message<'_>) -> bool) -> Result<Vec<u8>> {
        let (mut at, mut piece) = (0, [0; 4096]);
        loop {
            while let Some(frame) = Frame::first(&self.bytes[at..])? {
                at += frame.as_bytes().len();
                if is_last(&Message::decode(frame.message_bytes())?) {
                    let behind = self.bytes.split_off(at);
                    return Ok(std::mem::replace(&mut self.bytes, behind));
                }
            }
            let count = self.relay.read(&mut piece)?;
            ensure!(count > 0, "the relay is gone");
            self.bytes.extend_from_slice(&piece[..count]);
        }
    }

    fn block(&mut self) -> Result<Vec<u8>> {
        self.read_until(|message| matches!(message, Message::BlockEnd(_)))
    }
}

fn through_tap(chain: &Chain, socket: &Path, folder: &Path, rounds: usize, blocks: usize) -> Result<Latency> {
    let (mut tap, first) = Tap::open(socket)?;
    let mut number = FIRST;
    let mut next = |tap: &mut Tap| {
        number += 1;
        chain.allow(number);
        tap.block()
    };
    // One round more than is measured warms up.
    let mut kept = Vec::new();
    for _ in 0..(rounds + 1) * blocks * 2 {
        kept.push(next(&mut tap)?);
    }
    let bytes = kept[0].len();
    ensure!(kept.iter().all(|block| block.len() == bytes), "blocks of one size");
    let last = FIRST + u64::try_from(kept.len())?;

    let (to_raw, raw_end) = UnixStream::pair()?;
    let raw = Reader::spawn(move |arrived| read_raw(raw_end, bytes, &arrived));
    let to_feed = |has_waker: bool| {
        let (socket, feed) = join_behind_tap(folder, &first)?;
        let reader = Reader::spawn(move |arrived| {
            let _waker = has_waker.then(|| feed.waker());
            read_feed(feed, FIRST + 1, last, &arrived)
        });
        Ok::<_, anyhow::Error>((socket, reader))
    };
    let (to_alone, alone) = to_feed(false)?;
    let (to_waker, waker) = to_feed(true)?;
    let mut contenders = [(to_raw, raw, kept.iter()), (to_alone, alone, kept.iter()), (to_waker, waker, kept.iter())];
    let mut samples: [Samples; 3] = Default::default();
    for round in 0..=rounds {
        for at in [0, 1, 2, 2, 1, 0] {
            let (socket, reader, kept) = &mut contenders[at];
            for block in kept.take(blocks) {
                settle();
                let written = Instant::now();
                socket.write_all(block)?;
                let elapsed = reader.arrival()?.duration_since(written);
                if round > 0 {
                    samples[at].add(elapsed);
                }
            }
            samples[at].end_block();
        }
    }
    for (socket, reader, rest) in contenders {
        ensure!(rest.len() == 0, "every block had its turn");
        drop(socket);
        reader.join()?;
    }
    let [raw, feed, waker] = samples;
    Ok(Latency { bytes, raw, feed, waker, whole: Samples::default() })
}

/// Until whoever was woken sleeps again: blocks come one at a time on a chain.
pub(crate) fn settle() {
    thread::sleep(Duration::from_micros(100));
}

/// A feed that believes the tap to be its relay, and the tap's end of the connection.
fn join_behind_tap(folder: &Path, first: &[u8]) -> Result<(UnixStream, Feed)> {
    let path = folder.join("tap.sock");
    // One for each feed, in turn.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    let feed = thread::spawn(move || Feed::connect_unix(path, None));
    let (mut socket, _) = listener.accept()?;
    socket.write_all(first)?;
    socket.read_exact(&mut [0; GREETING_BYTES])?;
    Ok((socket, feed.join().expect("connecting does not panic")?))
}

/// Blocks one at a time through the relay, without the tap.
fn whole_way(chain: &Chain, relay: &Relay, socket: &Path, rounds: usize, blocks: usize) -> Result<Samples> {
    let relayed = FIRST + u64::try_from((rounds + 1) * blocks * 2)?;
    let last = relayed + u64::try_from(rounds * blocks)?;
    let joins = relay.stats().joins + 1;
    let feed = Feed::connect_unix(socket, None)?;
    until_joined(relay, joins)?;
    let reader = Reader::spawn(move |arrived| read_feed(feed, relayed + 1, last, &arrived));
    let mut samples = Samples::default();
    for number in relayed + 1..=last {
        settle();
        chain.allow(number);
        let arrived = reader.arrival()?;
        samples.add(arrived.duration_since(chain.given_at()));
    }
    samples.end_block();
    reader.join()?;
    Ok(samples)
}
