//! A pool's standing on its way: to older clients, to selections, to a journal and back, and to who watches.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{CloseReason, Hello, Message, PoolKind, PoolTrust, Subscribe};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{PoolId, Position};
use alphapulse_relay::journal::JournalReader;
use alphapulse_relay::{Feed, Recording, Relay, RelayConfig, ReplayOptions, ReplaySpeed, Selection, SubscribeOptions};

use super::fake_market::Change;
use super::subscriber::{REORG_DEPTH_MAX, config};
use super::truth_scene::{POOLS, Scene};

/// Far above what any step takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
const TRUSTED: (u32, PoolTrust) = (0, PoolTrust::Trusted);

const HIDDEN: Change = Change::HiddenSync { pool: 0, reserves: (5, 6) };

/// A relay that compares, and a pool that is in quarantine until samples are answered again.
async fn ill(config: RelayConfig) -> Scene {
    let mut scene = Scene::with(RelayConfig { sample_pools: POOLS, ..config }).await;
    scene.shut(0, HIDDEN).await;
    scene
}

/// A client of an older version.
struct Older {
    socket: UnixStream,
    inbound: FrameDecoder,
}

impl Older {
    fn join(path: &Path, version: u16, from: Option<Position>) -> Self {
        let mut hello = Hello::new();
        hello.version_max = version.into();
        let mut said = Vec::new();
        frame::write(&mut said, &hello);
        if version >= 2 {
            frame::write(&mut said, &Subscribe::new(from));
        }
        let mut socket = UnixStream::connect(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(&said).unwrap();
        Self { socket, inbound: FrameDecoder::new() }
    }

    /// Reads up to the first of these messages: its name, and the reason of a farewell.
    fn read_to(&mut self, names: &[&str]) -> (String, Option<CloseReason>) {
        let mut bytes = [0; 4096];
        loop {
            while let Some(message) = self.inbound.next_message().unwrap() {
                assert_ne!(message.name(), "PoolStanding", "its version has no such message");
                if names.contains(&message.name()) {
                    let Message::Close(close) = message else { return (message.name().to_owned(), None) };
                    return ("Close".to_owned(), CloseReason::from_wire(close.reason.get()));
                }
            }
            match self.socket.read(&mut bytes).unwrap() {
                0 => panic!("the relay left without a word"),
                count => self.inbound.push(&bytes[..count]),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_gets_nothing_while_a_pool_is_in_quarantine_and_no_replay_of_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let config = RelayConfig { listen_unix: Some(path.clone()), sample_pools: POOLS, ..config() };
    let mut scene = Scene::with(config).await;
    let mut present = [1, 2].map(|version| Older::join(&path, version, None));
    for older in &mut present {
        assert_eq!(older.read_to(&["SnapshotEnd", "Close"]).0, "SnapshotEnd");
    }
    let before = scene.reader.replica.position();
    scene.shut(0, HIDDEN).await;
    for older in &mut present {
        assert_eq!(older.read_to(&["Close"]).1, Some(CloseReason::NotReady));
    }
    for version in [1, 2] {
        let answer = Older::join(&path, version, before).read_to(&["SnapshotBegin", "Heartbeat", "Close"]);
        assert_eq!(answer, ("Close".to_owned(), Some(CloseReason::NotReady)), "version {version}");
    }
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    assert_eq!(scene.relay.stats().dismissed, 4);
    // From before it: what lies between could not be read.
    assert_eq!(Older::join(&path, 2, before).read_to(&["SnapshotBegin", "Block", "Close"]).0, "SnapshotBegin");
    assert_eq!(Older::join(&path, 1, None).read_to(&["SnapshotEnd", "Close"]).0, "SnapshotEnd");
}

fn hear(feed: &mut Feed, replica: &mut Replica, states: &mut Vec<u32>) {
    while let Some(frame) = feed.try_next().unwrap() {
        let message = Message::decode(frame.message_bytes()).unwrap();
        states.extend(message.state_of().map(|pool| pool.0));
        replica.apply(&message).expect("the relay sends what continues the stream");
    }
}

#[tokio::test]
async fn who_joins_while_a_pool_is_in_quarantine_learns_it_first_and_a_selection_hears_of_every_pool() {
    let mut scene = ill(config()).await;
    let options = SubscribeOptions {
        selection: Selection::everything().kind(PoolKind::UniswapV3),
        ..SubscribeOptions::default()
    };
    let (mut feed, mut replica) = (scene.relay.subscribe_with(options).unwrap(), Replica::new(REORG_DEPTH_MAX));
    let (start, mut states) = (Instant::now(), Vec::new());
    while !replica.is_whole() {
        assert!(start.elapsed() < PATIENCE, "the snapshot did not come");
        hear(&mut feed, &mut replica, &mut states);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(replica.is_quarantined(PoolId(0)), "before it may trade");
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    scene.mine(&[Change::Swap { tick: 4 }]).await;
    let head = scene.chain.head().hash;
    while replica.context().is_none_or(|context| context.hash != head) || !replica.is_whole() {
        assert!(start.elapsed() < PATIENCE, "the head did not come");
        hear(&mut feed, &mut replica, &mut states);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(states.iter().all(|pool| *pool == 2), "{states:?}");
    assert!(replica.quarantined().is_empty());
}

/// Messages of the market, but for what names the epoch, and the state that they lead to.
struct Told {
    messages: Vec<Vec<u8>>,
    replica: Replica,
}

impl Told {
    fn new() -> Self {
        Self { messages: Vec::new(), replica: Replica::new(REORG_DEPTH_MAX) }
    }

    fn take(&mut self, message: &Message<'_>) {
        self.replica.apply(message).expect("a stream");
        if message.is_market() && !matches!(message, Message::SnapshotBegin(_)) {
            self.messages.push(message.as_bytes().to_vec());
        }
    }
}

#[tokio::test]
async fn the_journal_holds_what_was_said_and_a_replay_says_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("journal");
    let mut scene = ill(RelayConfig { journal_dir: Some(dir.clone()), ..config() }).await;
    scene.mine(&[Change::Sync { pool: 0, reserves: (7, 7) }]).await;
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    scene.shut(2, Change::HiddenMint { lower: 20, width: 5, amount: 9 }).await;
    scene.mine(&[Change::Swap { tick: 5 }, Change::Mint { lower: -2, width: 4, amount: 3 }]).await;
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(2, PoolTrust::Trusted))).await;
    scene.mine(&[Change::Burn { position: 0, is_whole: true }, Change::Sync { pool: 0, reserves: (8, 9) }]).await;
    let live = scene.reader.replica.clone();
    let said = scene.reader.said.clone();
    scene.relay.stop().await.unwrap();

    let mut recorded = Told::new();
    let mut reader = JournalReader::open_feed(&dir).unwrap();
    while let Some(message) = reader.next_message().unwrap() {
        recorded.take(&message);
    }
    assert!(recorded.replica.is_same_state(&live));
    let is_standing = |bytes: &&Vec<u8>| matches!(Message::decode(bytes), Ok(Message::PoolStanding(_)));
    assert_eq!(recorded.messages.iter().filter(is_standing).count(), said.len());

    let recording = Recording::open(&dir).unwrap();
    let options = ReplayOptions { speed: ReplaySpeed::Max, wait_for: 1 };
    let relay = Relay::replay(config(), &recording, options).await.unwrap();
    let (mut feed, mut replayed) = (relay.subscribe().unwrap(), Told::new());
    let start = Instant::now();
    while let Ok(frame) = feed.try_next() {
        match frame {
            Some(frame) => replayed.take(&Message::decode(frame.message_bytes()).unwrap()),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        assert!(start.elapsed() < PATIENCE, "the replay does not end");
    }
    assert!(replayed.replica.is_same_state(&live));
    assert_eq!(replayed.messages, recorded.messages, "message by message");
}

#[tokio::test]
async fn the_status_names_the_pool_and_counts() {
    let mut scene = ill(config()).await;
    let status = scene.relay.status().await.unwrap();
    let truth = status.truth;
    assert_eq!((truth.enabled, truth.sample_pools, truth.quarantined.len()), (true, POOLS as u64, 1));
    let pool = &truth.quarantined[0];
    assert_eq!((pool.pool, &pool.kind[..], &pool.parts[..]), (0, "uniswap_v2", &["state".to_owned()][..]));
    assert_eq!(pool.address.to_lowercase(), format!("0x{}", "a0".repeat(20)));
    assert!(status.problem.is_none(), "the others go on");
    assert_eq!((status.stats.truth_diverged, status.stats.pools_quarantined_now), (1, 1));
    scene.release();
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&TRUSTED)).await;
    let status = scene.relay.status().await.unwrap();
    assert_eq!(status.truth.quarantined, []);
    let stats = status.stats;
    assert_eq!((stats.truth_diverged, stats.truth_readmitted, stats.pools_quarantined_now), (1, 1, 0));
    assert!(stats.truth_read >= 1, "{stats:?}");
}
