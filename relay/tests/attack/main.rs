//! A relay under attack: it serves on, and holds no more memory than it declared. A test binary of its own, for its allocator
//! counts what the process holds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap is a failed test; what was measured is printed"
)]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../it/fake_chain.rs"]
mod fake_chain;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../it/fake_market.rs"]
mod fake_market;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../it/subscriber.rs"]
mod subscriber;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{Hello, Subscribe};
use alphapulse_relay::{Feed, Relay, RelayConfig};
use peak_alloc::PeakAlloc;

use self::fake_chain::FakeChain;
use self::fake_market::Change;
use self::subscriber::{Subscriber, config};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Far above what any step takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Blocks that the healthy must get whole while the attack lasts.
const BLOCKS: u64 = 300;
/// Peers that connect and say nothing: so many at a time, and so often.
const SILENT: (usize, usize) = (500, 2);
/// More than a snapshot of the fake market takes.
const SNAPSHOT_BYTES: usize = 8 * 1024;
/// Subscribers that do not read.
const DEAF: u64 = 2;

fn said(subscribes: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Hello::new());
    if subscribes {
        frame::write(&mut bytes, &Subscribe::new(None));
    }
    bytes
}

/// Attackers, until they are told to stop. Each is a thread that keeps little.
struct Attack {
    is_over: Arc<AtomicBool>,
    /// Connections made.
    connections: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    fn new() -> Self {
        Self { is_over: Arc::default(), connections: Arc::default(), threads: Vec::new() }
    }

    /// Repeats `round` until the attack is over.
    fn add(&mut self, address: SocketAddr, round: impl Fn(SocketAddr, &AtomicBool) -> u64 + Send + 'static) {
        let (is_over, connections) = (Arc::clone(&self.is_over), Arc::clone(&self.connections));
        self.threads.push(std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                connections.fetch_add(round(address, &is_over), Ordering::Relaxed);
            }
        }));
    }

    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.connections.load(Ordering::Relaxed)
    }
}

/// A connection that takes at most a little longer than the relay's own patience.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    socket.set_write_timeout(Some(Duration::from_secs(2))).ok()?;
    Some(socket)
}

/// Says nothing, in a crowd.
fn stay_silent(address: SocketAddr, is_over: &AtomicBool) -> u64 {
    let crowd: Vec<_> = (0..SILENT.0).filter_map(|_| connect(address)).collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) && !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
    crowd.len() as u64
}

/// Greets, and then says nothing.
fn stall(address: SocketAddr, _: &AtomicBool) -> u64 {
    let crowd = (0..32).filter_map(|_| connect(address));
    let greeted = crowd.filter_map(|mut socket| socket.write_all(&said(false)).is_ok().then_some(socket));
    let greeted: Vec<_> = greeted.collect();
    std::thread::sleep(Duration::from_millis(300));
    greeted.len() as u64
}

/// Says what it has to, a byte at a time, too slowly.
fn drip(address: SocketAddr, is_over: &AtomicBool) -> u64 {
    let Some(mut socket) = connect(address) else { return 0 };
    for byte in said(true) {
        if is_over.load(Ordering::Relaxed) || socket.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    1
}

/// Says as much of nothing as it can.
fn babble(address: SocketAddr, _: &AtomicBool) -> u64 {
    let Some(mut socket) = connect(address) else { return 0 };
    // A frame that is announced and never ends: the relay has to keep what came of it.
    let mut bytes = [0xa5; 4096];
    bytes[..4].copy_from_slice(&60_000_u32.to_le_bytes());
    bytes[8..10].copy_from_slice(&60_000_u16.to_le_bytes());
    while socket.write_all(&bytes).is_ok() {}
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read(&mut bytes);
    1
}

fn door() -> (tempfile::TempDir, RelayConfig) {
    let folder = tempfile::tempdir().unwrap();
    let config = RelayConfig {
        listen_unix: Some(folder.path().join("relay.sock")),
        listen_tcp: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        lane_bytes: 1 << 18,
        recent_bytes: 1 << 18,
        ..config()
    };
    (folder, config)
}

async fn join(path: &Path, address: Option<SocketAddr>) -> Subscriber {
    let path: PathBuf = path.to_owned();
    let feed = tokio::task::spawn_blocking(move || match address {
        None => Feed::connect_unix(path, None),
        Some(address) => Feed::connect_tcp(address, None),
    });
    Subscriber::new(feed.await.unwrap().unwrap())
}

fn mine(chain: &FakeChain, amount: u64) {
    chain.announce(chain.mine(&[Change::Mint { lower: -2, width: 5, amount }; 60]));
}

/// What the chain itself keeps of so many blocks: logs, receipts and markets, for the tests that ask about the past.
fn chain_bytes() -> usize {
    let before = MEMORY.current_usage();
    let chain = FakeChain::new();
    (1..=BLOCKS).for_each(|amount| mine(&chain, amount));
    MEMORY.current_usage().saturating_sub(before)
}

/// Joins from the attacker's own address, as often as it takes.
async fn join_amid(relay: &Relay, chain: &FakeChain) {
    let address = relay.tcp_addr().unwrap();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "nobody honest gets in: {:?}", relay.stats());
        let feed = tokio::task::spawn_blocking(move || Feed::connect_tcp(address, None)).await.unwrap();
        let Ok(feed) = feed else { continue };
        let mut newcomer = Subscriber::new(feed);
        let head = chain.head().number.get();
        let is_whole = |newcomer: &Subscriber| newcomer.tradable_at.last().is_some_and(|at| *at >= head);
        while newcomer.drain(chain).is_ok() {
            if is_whole(&newcomer) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "nobody honest is served: {:?}", relay.stats());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_healthy_get_everything_and_memory_stays_within_what_was_declared() {
    let (_folder, config) = door();
    let declared = config.memory_max(SNAPSHOT_BYTES);
    let chain_bytes = chain_bytes();
    let chain = FakeChain::new();
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let (path, address) = (relay.unix_path().unwrap().to_owned(), relay.tcp_addr().unwrap());
    let mut healthy = [join(&path, None).await, join(&path, Some(address)).await];
    for amount in 1..20 {
        mine(&chain, amount);
        for subscriber in &mut healthy {
            subscriber.settle(&chain).await;
        }
    }
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();

    let mut attack = Attack::new();
    let deaf: Vec<_> = (0..DEAF)
        .map(|_| {
            // On a unix socket the system holds little for them, so the relay's own lane fills.
            let mut socket = UnixStream::connect(&path).unwrap();
            socket.write_all(&said(true)).unwrap();
            socket
        })
        .collect();
    for _ in 0..SILENT.1 {
        attack.add(address, stay_silent);
    }
    attack.add(address, stall);
    for _ in 0..8 {
        attack.add(address, drip);
    }
    for _ in 0..4 {
        attack.add(address, babble);
    }
    let first = chain.head().number.get() + 1;
    for amount in 1..=BLOCKS {
        mine(&chain, amount);
        for subscriber in &mut healthy {
            subscriber.settle(&chain).await;
        }
        if amount % 100 == 50 {
            join_amid(&relay, &chain).await;
        }
    }
    let grown = MEMORY.peak_usage().saturating_sub(before).saturating_sub(chain_bytes);
    let connections = attack.end();
    drop(deaf);
    let stats = relay.stats();
    eprintln!("{connections} hostile connections; grown by {grown} of {declared} bytes declared; {stats:?}");
    for subscriber in &healthy {
        let served: Vec<u64> = subscriber.tradable_at.iter().copied().filter(|at| *at >= first).collect();
        assert_eq!(served, (first..first + BLOCKS).collect::<Vec<_>>());
        assert!(!subscriber.seen.contains(&"Gap"));
    }
    // The attackers' and the mirrors' own memory is in it, too.
    assert!(grown <= declared, "grown by {grown} bytes, declared are {declared}");
    assert_eq!(stats.lapped, DEAF, "{stats:?}");
    assert!(stats.displaced > 0 && stats.handshake_failures > 0, "{stats:?}");
    relay.stop().await.unwrap();
}
