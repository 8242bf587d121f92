//! Relay and client over real sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{Close, CloseReason, Heartbeat, Hello, Message, Subscribe, Welcome};
use alphapulse_protocol::{BlockRef, ChainId, Epoch};
use alphapulse_relay::{Feed, FeedError, Relay, RelayConfig, RelayError};
use tempfile::TempDir;

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

/// Far above what any answer takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    folder: TempDir,
    chain: FakeChain,
    relay: Relay,
}

impl Scene {
    async fn new(adjust: impl FnOnce(&mut RelayConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.listen_unix = Some(folder.path().join("relay.sock"));
        config.listen_tcp = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        adjust(&mut config);
        let chain = FakeChain::new();
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        Self { folder, chain, relay }
    }

    fn mine(&self, amount: u64) {
        let block = self.chain.mine(&[
            Change::Mint { lower: -2, width: 5, amount },
            Change::Sync { pool: 0, reserves: (amount.into(), 5) },
        ]);
        self.chain.announce(block);
    }

    /// Connects without blocking the runtime that has to answer.
    async fn join(&self, is_tcp: bool) -> Result<Feed, FeedError> {
        let (path, address) = (self.relay.unix_path().unwrap().to_owned(), self.relay.tcp_addr().unwrap());
        tokio::task::spawn_blocking(move || {
            if is_tcp { Feed::connect_tcp(address, None) } else { Feed::connect_unix(path, None) }
        })
        .await
        .unwrap()
    }

    /// Sends bytes as a stranger would, and gives the reason the relay states.
    async fn answer_to(&self, bytes: Vec<u8>) -> Option<CloseReason> {
        let path = self.relay.unix_path().unwrap().to_owned();
        tokio::task::spawn_blocking(move || {
            let mut socket = UnixStream::connect(path).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(&bytes).unwrap();
            read_close(&mut socket)
        })
        .await
        .unwrap()
    }
}

/// Reads until the relay closes; the reason it states.
fn read_close(socket: &mut impl Read) -> Option<CloseReason> {
    let mut decoder = FrameDecoder::new();
    let mut bytes = [0; 4096];
    loop {
        while let Some(message) = decoder.next_message().unwrap() {
            if let Message::Close(close) = message {
                return CloseReason::from_wire(close.reason.get());
            }
        }
        match socket.read(&mut bytes).expect("the relay closes before our patience ends") {
            0 => return None,
            count => decoder.push(&bytes[..count]),
        }
    }
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Hello::new());
    bytes
}

/// The greeting of a client that was written for version 1.
fn hello_of_version_1() -> Vec<u8> {
    let (mut hello, mut bytes) = (Hello::new(), Vec::new());
    hello.version_max = 1.into();
    frame::write(&mut bytes, &hello);
    bytes
}

/// Everything that a client may say.
fn hello_and_subscribe() -> Vec<u8> {
    let mut bytes = hello();
    frame::write(&mut bytes, &Subscribe::new(None));
    bytes
}

#[tokio::test]
async fn remote_subscribers_hold_the_same_state_over_unix_and_tcp_however_late_they_join() {
    let scene = Scene::new(|_| {}).await;
    let mut early =
        [Subscriber::new(scene.join(false).await.unwrap()), Subscriber::new(scene.join(true).await.unwrap())];
    for amount in 1..20 {
        scene.mine(amount);
    }
    for subscriber in &mut early {
        subscriber.settle(&scene.chain).await;
    }
    for is_tcp in [false, true] {
        let feed = scene.join(is_tcp).await.unwrap().expecting_chain(ChainId(31337)).unwrap();
        let mut late = Subscriber::new(feed);
        late.settle(&scene.chain).await;
        assert!(late.replica.is_same_state(&early[0].replica));
        assert!(late.replica.is_same_state(&early[1].replica));
        scene.mine(100);
        late.settle(&scene.chain).await;
        early[0].settle(&scene.chain).await;
        early[1].settle(&scene.chain).await;
    }
    assert_eq!(scene.relay.stats().joins, 4);
}

#[tokio::test]
async fn a_reorg_and_a_new_epoch_reach_remote_subscribers() {
    let scene = Scene::new(|_| {}).await;
    let mut subscriber = Subscriber::new(scene.join(false).await.unwrap());
    for amount in 1..4 {
        scene.mine(amount);
        subscriber.settle(&scene.chain).await;
    }
    scene.chain.rollback(2);
    (10..13).for_each(|amount| scene.mine(amount));
    subscriber.settle(&scene.chain).await;
    assert!(subscriber.seen.contains(&"Reorg"));
    let epoch = subscriber.replica.epoch();
    scene.chain.restart();
    subscriber.settle(&scene.chain).await;
    assert!(subscriber.replica.epoch() > epoch);
}

#[tokio::test]
async fn the_end_of_the_relay_is_told_and_its_socket_is_removed() {
    let scene = Scene::new(|_| {}).await;
    let mut subscriber = Subscriber::new(scene.join(false).await.unwrap());
    subscriber.settle(&scene.chain).await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    scene.relay.stop().await.unwrap();
    let ending = subscriber.ending(&scene.chain).await;
    assert!(matches!(ending, FeedError::Closed(CloseReason::Shutdown)), "{ending}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_relay_that_is_dropped_leaves_no_listener_behind() {
    // What is left for a moment is seen in one of some tries.
    for _ in 0..10 {
        let listen_tcp = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let relay = Relay::start_from(RelayConfig { listen_tcp, ..config() }, FakeChain::new()).await.unwrap();
        let address = relay.tcp_addr().unwrap();
        drop(TcpStream::connect(address).unwrap());
        drop(relay);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_feed_of_another_chain_is_refused_by_the_client() {
    let scene = Scene::new(|_| {}).await;
    let error = scene.join(true).await.unwrap().expecting_chain(ChainId(1)).unwrap_err();
    assert_eq!(error.to_string(), "the relay serves chain 31337, chain 1 was asked for");
}

#[tokio::test]
async fn strangers_are_told_what_they_did_wrong() {
    let scene = Scene::new(|_| {}).await;
    let malformed = Some(CloseReason::Malformed);
    assert_eq!(scene.answer_to(b"GET / HTTP/1.1\r\n\r\n".to_vec()).await, malformed);
    let mut flipped = hello();
    flipped[20] ^= 1;
    assert_eq!(scene.answer_to(flipped).await, malformed);
    // A frame that would be longer than what a stranger may leave with us.
    let mut long = 60_000_u32.to_le_bytes().to_vec();
    long.extend([0; 4]);
    long.extend(60_000_u16.to_le_bytes());
    long.resize(4_200, 0);
    assert_eq!(scene.answer_to(long).await, malformed);
    let mut wrong = Vec::new();
    frame::write(&mut wrong, &Heartbeat::new(BlockRef::default()));
    assert_eq!(scene.answer_to(wrong).await, malformed);
    let mut twice = hello();
    twice.extend(hello());
    assert_eq!(scene.answer_to(twice).await, malformed);
    let mut thrice = hello_and_subscribe();
    thrice.push(0);
    assert_eq!(scene.answer_to(thrice).await, malformed);
    assert_eq!(scene.answer_to(hello()).await, Some(CloseReason::HandshakeTimeout), "and says no more");
    let mut future = Hello::new();
    (future.version_min, future.version_max) = (900.into(), 901.into());
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &future);
    assert_eq!(scene.answer_to(bytes).await, Some(CloseReason::Version));
    assert_eq!(scene.answer_to(hello()[..20].to_vec()).await, Some(CloseReason::HandshakeTimeout));
    assert_eq!(scene.relay.stats().handshake_failures, 9);
    assert_eq!(scene.relay.stats().joins, 0);
}

#[tokio::test]
async fn a_subscriber_that_goes_on_talking_is_closed() {
    let scene = Scene::new(|_| {}).await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    let reason = tokio::task::spawn_blocking(move || {
        let mut socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(&hello_and_subscribe()).unwrap();
        let mut first = [0; 56];
        socket.read_exact(&mut first).unwrap();
        socket.write_all(b"?").unwrap();
        read_close(&mut socket)
    });
    assert_eq!(reason.await.unwrap(), Some(CloseReason::Malformed));
}

#[tokio::test]
async fn a_full_relay_says_so_and_a_place_that_is_left_is_free() {
    let scene = Scene::new(|config| config.subscribers_max = 1).await;
    let first = scene.join(false).await.unwrap();
    // The relay's own user may administer a full relay, so it is heard first; anybody else is not.
    let error = Subscriber::new(scene.join(false).await.unwrap()).ending(&scene.chain).await;
    assert!(matches!(error, FeedError::Closed(CloseReason::Full)), "{error}");
    let error = scene.join(true).await.unwrap_err();
    assert!(matches!(error, FeedError::Closed(CloseReason::Full)), "{error}");
    assert!(error.is_retryable());
    drop(first);
    let start = Instant::now();
    while scene.join(true).await.is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(scene.relay.stats().refused > 0);
}

#[tokio::test]
async fn a_remote_subscriber_of_version_1_that_does_not_read_is_evicted_and_its_memory_is_bounded() {
    let scene = Scene::new(|config| {
        config.lane_bytes = 100_000;
        // Nothing but blocks goes out.
        config.heartbeat = Duration::from_secs(3600);
    })
    .await;
    let address = scene.relay.tcp_addr().unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&hello_of_version_1()).unwrap();
    let mut fast = Subscriber::join(&scene.relay);
    let start = Instant::now();
    let mut amount = 0;
    // The system's own socket buffers have to fill first.
    while scene.relay.stats().evicted == 0 {
        assert!(start.elapsed() < PATIENCE, "nobody was evicted after {amount} blocks");
        amount += 1;
        // Large blocks, or filling the system's buffers takes long.
        let changes = [Change::Mint { lower: -2, width: 5, amount }; 400];
        scene.chain.announce(scene.chain.mine(&changes));
        fast.settle(&scene.chain).await;
    }
    // What it had comes first, then the reason.
    let reason = tokio::task::spawn_blocking(move || {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        read_close(&mut socket)
    });
    assert_eq!(reason.await.unwrap(), Some(CloseReason::Evicted));
    assert_eq!(scene.relay.stats().evicted, 1);
}

#[tokio::test]
async fn a_subscriber_of_version_1_gets_a_snapshot_that_is_larger_than_its_lane() {
    let scene = Scene::new(|config| config.lane_bytes = 512).await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    let snapshot_bytes = tokio::task::spawn_blocking(move || {
        let mut socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(&hello_of_version_1()).unwrap();
        let (mut decoder, mut bytes, mut count) = (FrameDecoder::new(), [0; 4096], 0);
        loop {
            while let Some(message) = decoder.next_message().unwrap() {
                assert!(!matches!(message, Message::Close(_)), "{message:?}");
                count += message.as_bytes().len();
                if matches!(message, Message::SnapshotEnd(_)) {
                    return count;
                }
            }
            match socket.read(&mut bytes).unwrap() {
                0 => panic!("the relay left without a word"),
                read => decoder.push(&bytes[..read]),
            }
        }
    });
    assert!(snapshot_bytes.await.unwrap() > 512);
    assert_eq!(scene.relay.stats().evicted, 0);
}

#[tokio::test]
async fn a_socket_file_is_replaced_only_when_nobody_answers_on_it() {
    let scene = Scene::new(|_| {}).await;
    let mut second = config();
    second.listen_unix = Some(scene.relay.unix_path().unwrap().to_owned());
    let error = Relay::start_from(second, scene.chain.clone()).await.unwrap_err();
    assert!(matches!(error, RelayError::Listen { .. }), "{error}");
    // A killed process leaves the file behind; dropping a listener does just that.
    let stale = scene.folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    let mut third = config();
    third.listen_unix = Some(stale);
    Relay::start_from(third, scene.chain.clone()).await.unwrap();
    // What is not a socket is never removed.
    let file = scene.folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let mut fourth = config();
    fourth.listen_unix = Some(file.clone());
    assert!(Relay::start_from(fourth, scene.chain.clone()).await.is_err());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
}

/// Answers one client with these bytes.
fn answer_with(bytes: Vec<u8>) -> FeedError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let other = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&bytes).unwrap();
        // Until the client leaves: closing with its greeting unread would take our bytes back.
        socket.read_to_end(&mut Vec::new()).unwrap();
    });
    let error = Feed::connect_unix(&path, None).unwrap_err();
    other.join().unwrap();
    error
}

#[test]
fn what_is_not_a_relay_is_not_tried_again_and_a_relay_that_ends_is() {
    let future = Welcome::new(ChainId(1), Epoch(1), 900);
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &future);
    for (bytes, reason) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "frame length"),
        (hello(), "Hello came instead of Welcome"),
        (bytes, "schema version 900 is not known to this build"),
    ] {
        let error = answer_with(bytes);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!error.is_retryable());
    }
    let mut close = Vec::new();
    frame::write(&mut close, &Close::new(CloseReason::Shutdown));
    let error = answer_with(close);
    assert!(matches!(error, FeedError::Closed(CloseReason::Shutdown)) && error.is_retryable());
}

#[tokio::test]
async fn a_client_without_a_relay_is_told_where_it_looked() {
    let error = Feed::connect_unix("/nonexistent/relay.sock", None).unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to relay /nonexistent/relay.sock");
    assert!(error.is_retryable());
}
