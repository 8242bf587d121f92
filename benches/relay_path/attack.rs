//! What hostile peers cost a healthy subscriber.
//!
//! The attackers live on the same cores, and what they do costs the system whoever it is done to. So each turn with an attack on
//! the relay stands beside one with the same attack on a bystander, a socket server on the same runtime that accepts and throws out,
//! and beside one without. The attackers are a process that runs only when nobody
//! else wants to: real ones use their own machines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{Hello, Subscribe};
use alphapulse_relay::{Feed, Relay};
use anyhow::{Context, Result, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use crate::latency::{Reader, read_feed, settle};
use crate::pinned;
use crate::source::{Chain, FIRST, until_joined};
use crate::stats::Samples;

/// Argument that makes this program the attackers.
pub(crate) const ATTACKER: &str = "--attack";
/// Far above what any step takes.
const LONG: Duration = Duration::from_secs(60);
/// Peers that connect and say nothing, each again when it is thrown out.
const SILENT: usize = 1_000;
/// Connections that are made before an attack counts as under way: so many that the others come in at the door's pace.
const UNDER_WAY: u64 = 300;
/// Peers that send garbage as fast as it is taken, again when they are thrown out.
const GARBAGE: usize = 2;
/// Pace, patience and queue of the bystander: those of the relay.
const ACCEPT_EVERY: Duration = Duration::from_micros(15_625);
const SILENT_AT_MOST: Duration = Duration::from_secs(1);
const BACKLOG: u32 = 256;
/// So long nobody comes to a door once those are gone who waited there when an attack ended: some times its pace, and the time
/// that a silent one is given.
const CALM: Duration = Duration::from_millis(1_200);
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
    let sent_away = Arc::new(AtomicU64::new(0));
    let bystander = runtime.block_on(async { listen() })?;
    let bystander_address = bystander.local_addr()?;
    runtime.spawn(stand_by(bystander, Arc::clone(&sent_away)));
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
            let attack = [None, Some(bystander_address), Some(address)][at].map(Attack::begin).transpose()?;
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
            if at > 0 {
                until_calm(|| {
                    sent_away.load(Ordering::Relaxed) + relay.stats().handshake_failures + relay.stats().displaced
                });
            }
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

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

/// Takes connections at the relay's pace, reads once, and throws out: what any server pays.
async fn stand_by(listener: TcpListener, sent_away: Arc<AtomicU64>) {
    let mut pace = tokio::time::interval(ACCEPT_EVERY);
    loop {
        pace.tick().await;
        let Ok((mut socket, _)) = listener.accept().await else { continue };
        let sent_away = Arc::clone(&sent_away);
        tokio::spawn(async move {
            let mut piece = [0; 512];
            // Whatever it says, and if it says nothing: it is thrown out.
            drop(timeout(SILENT_AT_MOST, socket.read(&mut piece)).await);
            sent_away.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Waits until nobody is sent away any more, by a count of all who were: an attack leaves a queue behind.
fn until_calm(sent_away: impl Fn() -> u64) {
    loop {
        let before = sent_away();
        thread::sleep(CALM);
        if sent_away() == before {
            return;
        }
    }
}

/// Attackers of one address, a process of their own, until it is ended.
struct Attack {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Attack {
    /// Begins it, and waits until it is under way.
    fn begin(address: SocketAddr) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(program).args([ATTACKER, &address.to_string()]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.context("`chrt` of util-linux is needed to run the attackers at idle priority")?;
        let said = BufReader::new(process.stdout.take().context("its output is piped")?);
        let mut attack = Self { process, said };
        attack.hear()?;
        Ok(attack)
    }

    /// Connections made so far, which it tells when it is under way, and when it ends.
    fn hear(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        line.trim().parse().context("the attackers failed")
    }

    fn end(mut self) -> Result<u64> {
        // What it waits for.
        drop(self.process.stdin.take());
        let connections = self.hear()?;
        ensure!(self.process.wait()?.success(), "the attackers failed");
        Ok(connections)
    }
}

/// The attackers' process: until its input ends.
pub(crate) fn attack(address: &str) -> Result<()> {
    pinned::release();
    let address: SocketAddr = address.parse()?;
    let (connections, is_over) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| stay_silent(address, &connections));
        for _ in 0..GARBAGE {
            scope.spawn(|| send_garbage(address, &connections, &is_over));
        }
        let started = Instant::now();
        while connections.load(Ordering::Relaxed) < UNDER_WAY && started.elapsed() < LONG {
            thread::sleep(Duration::from_millis(1));
        }
        tell(connections.load(Ordering::Relaxed))?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
        is_over.store(true, Ordering::Relaxed);
        tell(connections.load(Ordering::Relaxed))?;
        // Some may be stuck in a connection that nobody takes up.
        std::process::exit(0)
    })
}

fn tell(connections: u64) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{connections}")?;
    Ok(out.flush()?)
}

/// A crowd that says nothing, all at once; who is thrown out comes again. Until the process ends.
fn stay_silent(address: SocketAddr, connections: &Arc<AtomicU64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of one thread can be built").block_on(async {
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..SILENT {
            let connections = Arc::clone(connections);
            crowd.spawn(async move {
                loop {
                    if let Ok(mut socket) = tokio::net::TcpStream::connect(address).await {
                        connections.fetch_add(1, Ordering::Relaxed);
                        // Until it is thrown out: whatever it is told, it does not answer.
                        while socket.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
                    }
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            });
        }
        crowd.join_all().await;
    });
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
