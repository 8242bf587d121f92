//! What hostile peers cost a healthy subscriber.
//!
//! The attackers live on the same cores, and what they do costs the system whoever it is done to. So each turn with an attack on
//! the relay stands beside one with the same attack on a bystander, a socket server that does nothing but accept and throw away,
//! and beside one without. The attackers' threads have the least priority that a thread can have without leave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{Hello, Subscribe};
use alphapulse_relay::{Feed, Relay};
use anyhow::{Result, ensure};

use crate::latency::{Reader, read_feed, settle};
use crate::pinned;
use crate::source::{Chain, FIRST, until_joined};
use crate::stats::Samples;

/// Far above what any step takes.
const LONG: Duration = Duration::from_secs(60);
/// Peers that connect and say nothing, again when they are thrown out.
const SILENT: usize = 1_000;
/// Peers that send garbage as fast as it is taken, again when they are thrown out.
const GARBAGE: usize = 2;
/// An attacker's rest between two connections: a real one has a network between.
const RECONNECT_AFTER: Duration = Duration::from_millis(1);

/// What was measured: the whole way of a block to a healthy subscriber.
#[derive(Debug)]
pub(crate) struct Attacked {
    pub(crate) quiet: Samples,
    pub(crate) bystander: Samples,
    pub(crate) relay: Samples,
    /// Connections that attacked the relay.
    pub(crate) connections: u64,
}

/// On a thread of its own: what it starts later would be held on its core as well.
pub(crate) fn measure(rounds: usize, blocks: usize) -> Result<Attacked> {
    thread::spawn(move || measure_held(rounds, blocks)).join().expect("a measurement returns its errors")
}

fn measure_held(rounds: usize, blocks: usize) -> Result<Attacked> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("relay.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let chain = Chain::new(1);
    let relay = runtime.block_on(chain.relay_with(&socket, Some((Ipv4Addr::LOCALHOST, 0).into())))?;
    let bystander = Bystander::open()?;
    pinned::hold(0);
    let turns = u64::try_from((rounds + 1) * 6 * blocks)?;
    let feed = Feed::connect_unix(&socket, None)?;
    until_joined(&relay, 1)?;
    let reader = Reader::spawn(move |arrived| read_feed(feed, FIRST + 1, FIRST + turns, &arrived));
    let deaf = Deaf::join(&socket, &relay)?;
    let address = relay.tcp_addr().expect("the relay was told to listen");
    let (mut samples, mut hostile): ([Samples; 3], _) = Default::default();
    let mut number = FIRST;
    for round in 0..=rounds {
        for at in [0, 1, 2, 2, 1, 0] {
            let attack = [None, Some(bystander.address), Some(address)][at].map(Attack::begin).transpose()?;
            for _ in 0..blocks {
                settle();
                number += 1;
                chain.allow(number);
                let elapsed = reader.arrival()?.duration_since(chain.given_at());
                if round > 0 {
                    samples[at].add(elapsed);
                }
            }
            samples[at].end_block();
            let connections = attack.map_or(Ok(0), Attack::end)?;
            hostile += if at == 2 { connections } else { 0 };
        }
    }
    reader.join()?;
    drop(deaf);
    let stats = relay.stats();
    ensure!(
        stats.contradictions == 0 && stats.handshake_failures > 0,
        "the relay was not attacked, or failed: {stats:?}"
    );
    runtime.block_on(relay.stop())?;
    let [quiet, bystander, relay] = samples;
    Ok(Attacked { quiet, bystander, relay, connections: hostile })
}

/// One subscriber that never reads, and one that reads a byte a second, for the whole run.
struct Deaf {
    _stalled: UnixStream,
    is_over: Arc<AtomicBool>,
    slow: Option<JoinHandle<()>>,
}

impl Deaf {
    fn join(socket: &Path, relay: &Relay) -> Result<Self> {
        let joins = relay.stats().joins;
        let (_stalled, mut dripping) = (subscribe(socket)?, subscribe(socket)?);
        until_joined(relay, joins + 2)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let slow = thread::spawn(move || {
            let mut byte = [0];
            while !told.load(Ordering::Relaxed) && dripping.read(&mut byte).is_ok_and(|count| count > 0) {
                thread::park_timeout(Duration::from_secs(1));
            }
        });
        Ok(Self { _stalled, is_over, slow: Some(slow) })
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(slow) = self.slow.take() {
            slow.thread().unpark();
            // It only reads; there is nothing that it could tell.
            let _ = slow.join();
        }
    }
}

fn subscribe(socket: &Path) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    let mut said = Vec::new();
    frame::write(&mut said, &Hello::new());
    frame::write(&mut said, &Subscribe::new(None));
    stream.write_all(&said)?;
    Ok(stream)
}

/// Takes connections and throws away what they say, until they end.
struct Bystander {
    address: SocketAddr,
}

impl Bystander {
    /// Its thread lasts as long as the process: nothing waits for it.
    fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            let mut held = std::collections::VecDeque::new();
            for mut socket in listener.incoming().flatten() {
                // As the relay does: garbage is thrown out at once, the silent make room for each other.
                let mut piece = [0; 512];
                let _ = socket.set_read_timeout(Some(Duration::from_micros(50)));
                if !matches!(socket.read(&mut piece), Ok(count) if count > 0) {
                    held.push_back(socket);
                }
                if held.len() > SILENT / 4 {
                    held.pop_front();
                }
            }
        });
        Ok(Self { address })
    }
}

/// Attackers of one address, until it is ended.
struct Attack {
    is_over: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    /// Begins it, and waits until it is under way.
    fn begin(address: SocketAddr) -> Result<Self> {
        let mut attack = Self { is_over: Arc::default(), connections: Arc::default(), threads: Vec::new() };
        attack.spawn(move |connections, is_over| stay_silent(address, connections, is_over));
        for _ in 0..GARBAGE {
            attack.spawn(move |connections, is_over| send_garbage(address, connections, is_over));
        }
        let started = Instant::now();
        while attack.connections.load(Ordering::Relaxed) < SILENT as u64 {
            ensure!(started.elapsed() < LONG, "the attackers do not get through");
            thread::sleep(Duration::from_millis(1));
        }
        Ok(attack)
    }

    fn spawn(&mut self, attack: impl FnOnce(&AtomicU64, &AtomicBool) + Send + 'static) {
        let (connections, is_over) = (Arc::clone(&self.connections), Arc::clone(&self.is_over));
        self.threads.push(thread::spawn(move || {
            // Where it is not allowed the figures are worse than they need be, and that is all.
            let _ = rustix::process::nice(19);
            pinned::release();
            attack(&connections, &is_over);
        }));
    }

    fn end(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            ensure!(thread.join().is_ok(), "an attacker panicked");
        }
        Ok(self.connections.load(Ordering::Relaxed))
    }
}

/// A crowd that says nothing; who is thrown out is replaced.
fn stay_silent(address: SocketAddr, connections: &AtomicU64, is_over: &AtomicBool) {
    let mut crowd = std::collections::VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(socket) = TcpStream::connect_timeout(&address, LONG) {
            connections.fetch_add(1, Ordering::Relaxed);
            crowd.push_back(socket);
        }
        if crowd.len() > SILENT {
            crowd.pop_front();
            thread::sleep(RECONNECT_AFTER);
        }
    }
}

/// One that floods, and comes again when it is thrown out.
fn send_garbage(address: SocketAddr, connections: &AtomicU64, is_over: &AtomicBool) {
    let garbage = [0xa5; 4096];
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut socket) = TcpStream::connect_timeout(&address, LONG) else { continue };
        connections.fetch_add(1, Ordering::Relaxed);
        while !is_over.load(Ordering::Relaxed) && socket.write_all(&garbage).is_ok() {}
        thread::sleep(RECONNECT_AFTER);
    }
}
