//! A recorded feed served as if live: the same messages in the same order, the same state at the end; and parts of a recording.

use std::path::Path;
use std::time::{Duration, Instant};

use alphapulse_protocol::message::{CloseReason, Message, PoolKind};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, PoolId};
use alphapulse_relay::journal::{FeedOptions, JournalError, JournalIndex, JournalReader, JournalWriter, cut};
use alphapulse_relay::{
    Feed, FeedError, Recording, Relay, RelayConfig, RelayError, ReplayOptions, ReplaySpeed, Selection, SubscribeOptions,
};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{REORG_DEPTH_MAX, Subscriber, assert_true_state, config};

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(60);
const AS_FAST_AS_READ: ReplayOptions = ReplayOptions { speed: ReplaySpeed::Max, wait_for: 1 };

/// Records some blocks, reorgs and, if asked, a chain that begins anew.
async fn record(dir: &Path, chain: &FakeChain, options: FeedOptions, is_restarted: bool) {
    let config = RelayConfig { journal_dir: Some(dir.to_owned()), journal: options, ..config() };
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    subscriber.settle(chain).await;
    for round in 0..6_usize {
        for amount in 1..8 {
            let change = Change::Mint { lower: -5, width: 9, amount: amount + round as u64 };
            chain.announce(chain.mine(&[change, Change::Swap { tick: 3 }]));
            subscriber.settle(chain).await;
        }
        chain.rollback(round % 4);
        chain.announce(chain.mine(&[Change::Burn { position: 0, is_whole: false }]));
        subscriber.settle(chain).await;
        if is_restarted && round == 3 {
            chain.restart();
            subscriber.settle(chain).await;
        }
    }
    relay.stop().await.unwrap();
}

/// What of a message must be the same: all but the epoch, which is in `SnapshotBegin`.
fn body(message: &Message<'_>) -> Vec<u8> {
    match message {
        Message::SnapshotBegin(begin) => {
            let mut begin = **begin;
            begin.epoch.set(0);
            Message::from(&begin).as_bytes().to_vec()
        }
        other => other.as_bytes().to_vec(),
    }
}

/// The market's messages of a journal, and the state they lead to.
fn recorded(dir: &Path) -> (Vec<Vec<u8>>, Replica) {
    let (mut messages, mut replica) = (Vec::new(), Replica::new(REORG_DEPTH_MAX));
    let mut reader = JournalReader::open_feed(dir).unwrap();
    while let Some(message) = reader.next_message().unwrap() {
        replica.apply(&message).expect("a journal is a stream");
        if message.is_market() {
            messages.push(body(&message));
        }
    }
    (messages, replica)
}

/// Reads a feed to its end, not too fast.
fn read_to_end(mut feed: Feed) -> (Vec<Vec<u8>>, Replica, FeedError) {
    let (mut messages, mut replica) = (Vec::new(), Replica::new(REORG_DEPTH_MAX));
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < DEADLINE, "the replay does not end");
        match feed.try_next() {
            Ok(Some(frame)) => {
                let message = Message::decode(frame.message_bytes()).unwrap();
                replica.apply(&message).expect("the relay sends what continues the stream");
                if message.is_market() {
                    messages.push(body(&message));
                }
            }
            Ok(None) => feed.wait(Duration::from_millis(5)),
            Err(error) => return (messages, replica, error),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_gives_each_subscriber_the_recorded_messages_and_the_recorded_state_and_then_says_farewell() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("feed");
    let chain = FakeChain::new();
    record(&journal, &chain, FeedOptions::default(), true).await;
    let (expected, state) = recorded(&journal);
    assert_true_state(&state, &chain);
    assert!(
        expected.iter().filter(|message| message[2..4] == 18_u16.to_le_bytes()).count() > 2,
        "reorgs were recorded"
    );

    let recording = Recording::open(&journal).unwrap();
    // Lanes far smaller than the stream: who reads is waited for, and nobody is lapped.
    let socket = dir.path().join("relay.sock");
    let served = RelayConfig { lane_bytes: 6_000, listen_unix: Some(socket.clone()), ..config() };
    let options = ReplayOptions { wait_for: 2, ..AS_FAST_AS_READ };
    let relay = Relay::replay(served, &recording, options).await.unwrap();
    let embedded = relay.subscribe().unwrap();
    let embedded = std::thread::spawn(move || read_to_end(embedded));
    let remote = std::thread::spawn(move || read_to_end(Feed::connect_unix(socket, None).unwrap()));
    tokio::time::timeout(DEADLINE, relay.ended()).await.expect("the recording ends");
    assert_eq!(relay.stats().lapped, 0);
    assert_eq!(relay.stats().blocks, recording.blocks());
    relay.stop().await.unwrap();
    for reader in [embedded, remote] {
        let (messages, replica, ending) = reader.join().unwrap();
        assert_eq!(messages, expected);
        assert!(replica.is_same_state(&state));
        assert_eq!(replica.sequence(), state.sequence());
        assert!(matches!(ending, FeedError::Closed(CloseReason::Shutdown)), "{ending:?}");
    }
}

#[tokio::test]
async fn a_recording_that_is_still_written_is_served_to_where_it_was_counted() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    // In one segment, and over several.
    for segment_bytes_max in [FeedOptions::default().segment_bytes_max, 4_000] {
        let options = FeedOptions { segment_bytes_max, ..FeedOptions::default() };
        record(dir.path(), &chain, options, false).await;
        let recording = Recording::open(dir.path()).unwrap();
        let (expected, _) = recorded(dir.path());
        record(dir.path(), &chain, options, false).await;
        assert!(Recording::open(dir.path()).unwrap().blocks() > recording.blocks());
        let relay = Relay::replay(config(), &recording, AS_FAST_AS_READ).await.unwrap();
        let feed = relay.subscribe().unwrap();
        let reader = std::thread::spawn(move || read_to_end(feed));
        tokio::time::timeout(DEADLINE, relay.ended()).await.expect("the recording ends");
        let (messages, ..) = reader.join().unwrap();
        assert_eq!(messages, expected, "segments of {segment_bytes_max} bytes");
        assert_eq!(relay.stop().await.unwrap().blocks, recording.blocks());
    }
}

#[tokio::test]
async fn a_replay_in_its_own_time_waits_for_the_timestamps_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    record(dir.path(), &chain, FeedOptions::default(), false).await;
    let recording = Recording::open(dir.path()).unwrap();
    // Blocks are 12 seconds apart: one is served at once, the next is not due before the test is over.
    let options = ReplayOptions { speed: ReplaySpeed::Times(1.0), wait_for: 1 };
    let relay = Relay::replay(config(), &recording, options).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    subscriber.until(&chain, "the first block", |subscriber| subscriber.seen.contains(&"BlockEnd")).await;
    let heartbeats = subscriber.heartbeats;
    subscriber.until(&chain, "signs of life", |subscriber| subscriber.heartbeats > heartbeats + 2).await;
    assert_eq!(subscriber.seen.iter().filter(|name| **name == "BlockEnd").count(), 1);
    let served = subscriber.replica.context().unwrap().number.get();
    let stats = relay.stats();
    assert_eq!((stats.blocks, stats.reorgs, stats.head_number), (1, 0, served), "the one that waits is not served");
    relay.stop().await.unwrap();
    assert!(matches!(subscriber.ending(&chain).await, FeedError::Closed(CloseReason::Shutdown)));

    let options = ReplayOptions { speed: ReplaySpeed::Times(100_000.0), wait_for: 1 };
    let relay = Relay::replay(config(), &recording, options).await.unwrap();
    let mut subscriber = Subscriber::join(&relay);
    let head = chain.head().hash;
    let is_there = |subscriber: &Subscriber| subscriber.replica.context().is_some_and(|context| context.hash == head);
    subscriber.until(&chain, "the last block", is_there).await;
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_recording_or_one_of_another_chain_is_refused_and_a_torn_one_ends_early() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    record(dir.path(), &chain, FeedOptions::default(), false).await;
    let recording = Recording::open(dir.path()).unwrap();
    let other = RelayConfig { chain_id: ChainId(1), ..config() };
    let error = Relay::replay(other, &recording, AS_FAST_AS_READ).await.unwrap_err();
    assert!(matches!(error, RelayError::Journal(JournalError::WrongChain { .. })), "{error:?}");

    let segment = dir.path().join("00000000.apj");
    let whole = std::fs::read(&segment).unwrap();
    let (expected, _) = recorded(dir.path());
    std::fs::write(&segment, &whole[..whole.len() - 5]).unwrap();
    let torn = Recording::open(dir.path()).unwrap();
    assert!(torn.torn_bytes() > 0);
    let relay = Relay::replay(config(), &torn, AS_FAST_AS_READ).await.unwrap();
    let feed = relay.subscribe().unwrap();
    let reader = std::thread::spawn(move || read_to_end(feed));
    tokio::time::timeout(DEADLINE, relay.ended()).await.expect("the recording ends");
    relay.stop().await.unwrap();
    let (messages, replica, _) = reader.join().unwrap();
    assert!(replica.is_whole() && expected.starts_with(&messages), "whole blocks only");
    assert!(messages.len() < expected.len());

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    assert!(matches!(Recording::open(dir.path()), Err(JournalError::Damaged { .. })));
}

#[tokio::test]
async fn a_relay_that_keeps_little_leaves_a_feed_that_can_be_followed_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("feed");
    let chain = FakeChain::new();
    let options = FeedOptions { segment_bytes_max: 4_000, bytes_max: Some(30_000), ..FeedOptions::default() };
    for _ in 0..3 {
        record(&journal, &chain, options, true).await;
        let index = JournalIndex::open(&journal).unwrap();
        index.check_checkpoints().unwrap();
        let (_, state) = recorded(&journal);
        assert_true_state(&state, &chain);
    }
    assert!(JournalIndex::open(&journal).unwrap().segments().next().unwrap().segment > 0);
    let recording = Recording::open(&journal).unwrap();
    let relay = Relay::replay(config(), &recording, AS_FAST_AS_READ).await.unwrap();
    let feed = relay.subscribe().unwrap();
    let reader = std::thread::spawn(move || read_to_end(feed));
    tokio::time::timeout(DEADLINE, relay.ended()).await.expect("the recording ends");
    relay.stop().await.unwrap();
    assert_true_state(&reader.join().unwrap().1, &chain);
}

#[tokio::test]
async fn a_part_of_a_journal_is_a_journal_that_holds_the_chain_s_state_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let options = FeedOptions { segment_bytes_max: 3_000, ..FeedOptions::default() };
    let source = dir.path().join("feed");
    record(&source, &chain, options, false).await;
    let before = bytes_of(&source);
    let head = chain.head().number.get();
    assert!(JournalIndex::open(&source).unwrap().segments().count() > 3);
    for (from, until) in [(100, head), (101, 101), (105, 110), (107, 108), (head - 9, head - 1), (head, head)] {
        let out = dir.path().join(format!("{from}-{until}"));
        let report = cut(&source, &out, Some(BlockNumber(from)), Some(BlockNumber(until))).unwrap();
        assert_eq!((report.from_block.0, report.until_block.0), (from, until));
        let mut reader = JournalReader::open(&out).unwrap();
        let mut replica = Replica::new(REORG_DEPTH_MAX);
        let mut first = None;
        while let Some(message) = reader.next_message().unwrap() {
            replica.apply(&message).expect("it can be followed from its own beginning");
            if matches!(message, Message::SnapshotEnd(_)) {
                first = Some(replica.context().unwrap().number.get());
                assert_true_state(&replica, &chain);
            }
        }
        assert_eq!(first, Some(from));
        assert_eq!(replica.context().unwrap().number.get(), until);
        assert_true_state(&replica, &chain);
        assert!(matches!(cut(&source, &out, None, None), Err(JournalError::Exists(_))));
    }
    let whole = dir.path().join("whole");
    cut(&source, &whole, None, None).unwrap();
    assert_eq!(recorded(&whole).0, recorded(&source).0);
    let absent = cut(&source, &dir.path().join("absent"), Some(BlockNumber(head + 1)), None).unwrap_err();
    assert!(absent.to_string().contains(&format!("it has blocks 100 to {head}")), "{absent}");
    assert!(!dir.path().join("absent").exists());
    let backwards = cut(&source, &dir.path().join("absent"), Some(BlockNumber(head)), Some(BlockNumber(100)));
    assert!(matches!(backwards, Err(JournalError::Reversed { .. })), "{backwards:?}");
    assert_eq!(bytes_of(&source), before, "the source is only read");
}

/// Every file of a folder.
fn bytes_of(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_a_selected_recording_leaves_out_is_not_known_to_whoever_it_is_played_to() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("selected");
    let chain = FakeChain::new();
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    let selection = Selection::everything().kind(PoolKind::UniswapV2).conflated();
    let mut feed = relay.subscribe_with(SubscribeOptions { selection, ..SubscribeOptions::default() }).unwrap();
    let mut present = Subscriber::join(&relay);
    let (mut writer, mut recorded) = (None, Replica::new(REORG_DEPTH_MAX));
    for amount in 1..6_u64 {
        let sync = |reserve: u64| Change::Sync { pool: 0, reserves: (reserve.into(), 9) };
        chain.announce(chain.mine(&[sync(amount), Change::Swap { tick: 7 }, sync(amount + 1)]));
        present.settle(&chain).await;
        while recorded.context() != present.replica.context() || !recorded.is_whole() {
            let Some(frame) = feed.try_next().unwrap() else {
                tokio::task::yield_now().await;
                continue;
            };
            let message = Message::decode(frame.message_bytes()).unwrap();
            recorded.apply(&message).unwrap();
            if message.is_market() {
                let create = || JournalWriter::create(&journal, ChainId(31337), Epoch(1)).unwrap();
                writer.get_or_insert_with(create).append_bytes(message.as_bytes()).unwrap();
            }
        }
    }
    writer.unwrap().sync().unwrap();
    assert!(!recorded.is_known(PoolId(2)));

    let recording = Recording::open(&journal).unwrap();
    let relay = Relay::replay(config(), &recording, AS_FAST_AS_READ).await.unwrap();
    let feed = relay.subscribe().unwrap();
    let reader = std::thread::spawn(move || read_to_end(feed));
    tokio::time::timeout(DEADLINE, relay.ended()).await.expect("the recording ends");
    relay.stop().await.unwrap();
    let (_, replica, _) = reader.join().unwrap();
    assert!(replica.is_same_state(&recorded), "the same pools are known, with the same states");
}
