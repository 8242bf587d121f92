//! What a feed hands out: messages of any length, and everything but what it cannot understand and may do without.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::{self, FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use alphapulse_protocol::message::{Gap, GapReason, GapRecovery, Heartbeat, Message, Welcome};
use alphapulse_protocol::{BlockRef, ChainId, Epoch, Sequence};
use alphapulse_relay::{Feed, FeedError, Relay, RelayConfig, Selection, SubscribeOptions};

use super::fake_chain::FakeChain;
use super::golden::golden;
use super::subscriber::config;

/// Far above what any step takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
const OPPORTUNITY: u16 = 50;
const OUTCOME: u16 = 55;

/// A golden message without its frame.
fn message(name: &str) -> Vec<u8> {
    golden(name)[FRAME_HEADER_BYTES..].to_vec()
}

/// Reads until `is_done`, by `read`, which says whether something came.
fn read_until(feed: &mut Feed, mut is_done: impl FnMut(&mut Feed) -> bool) {
    let start = Instant::now();
    while !is_done(feed) {
        assert!(start.elapsed() < PATIENCE, "{:?}", feed.passed_over());
        feed.wait(Duration::from_millis(1));
    }
}

/// Next side message of a feed, whole.
fn next_side(feed: &mut Feed) -> Vec<u8> {
    let mut side = None;
    read_until(feed, |feed| {
        while let Some(message) = feed.try_message().unwrap() {
            if message.is_side() {
                side = Some(message.as_bytes().to_vec());
                return true;
            }
        }
        false
    });
    side.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_message_of_any_length_is_handed_out_and_by_value_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let config = RelayConfig { listen_unix: Some(path.clone()), ..config() };
    let relay = Relay::start_from(config, FakeChain::new()).await.unwrap();
    let selection = Selection::everything().side(OPPORTUNITY).side(OUTCOME);
    let options = SubscribeOptions { selection, ..SubscribeOptions::default() };
    let embedded = || relay.subscribe_with(options.clone()).unwrap();
    let remote = || Feed::connect_unix_with(&path, &options).unwrap();
    tokio::task::block_in_place(|| {
        for join in [&embedded as &dyn Fn() -> Feed, &remote] {
            let mut feeds = [join(), join()];
            // Who is served has its snapshot.
            for feed in &mut feeds {
                read_until(feed, |feed| feed.try_next().unwrap().is_some());
            }
            for name in ["Opportunity", "Outcome"] {
                assert!(relay.side_publisher().publish(message(name)));
            }
            let [by_message, by_value] = &mut feeds;
            for name in ["Opportunity", "Outcome"] {
                let (got, sent) = (next_side(by_message), message(name));
                // The number is the relay's.
                assert_eq!((&got[..8], &got[16..]), (&sent[..8], &sent[16..]), "{name}");
            }
            assert_eq!(by_message.passed_over().long, 0);
            assert!(message("Opportunity").len() > FRAME_BYTES_MAX);
            read_until(by_value, |feed| {
                feed.try_next().unwrap().is_some_and(|frame| {
                    Message::decode(frame.message_bytes()).is_ok_and(|message| matches!(message, Message::Outcome(_)))
                })
            });
            assert_eq!(by_value.passed_over().long, 1);
        }
    });
}

/// Reads a snapshot; how often what came next was at hand before it was asked for.
fn read_with_a_look_ahead(feed: &mut Feed) -> usize {
    let (mut seen, mut ahead) = (0, None);
    read_until(feed, |feed| {
        let Some(frame) = feed.try_next().unwrap() else { return false };
        if let Some(ahead) = ahead.take() {
            assert_eq!(frame.message_bytes(), ahead);
            seen += 1;
        }
        ahead = feed.ahead().next().map(<[u8]>::to_vec);
        matches!(Message::decode(frame.message_bytes()), Ok(Message::SnapshotEnd(_)))
    });
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ahead_is_handed_out_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let config = RelayConfig { listen_unix: Some(path.clone()), ..config() };
    let relay = Relay::start_from(config, FakeChain::new()).await.unwrap();
    tokio::task::block_in_place(|| {
        let embedded = relay.subscribe_with(SubscribeOptions::default()).unwrap();
        for mut feed in [embedded, Feed::connect_unix(&path, None).unwrap()] {
            assert!(read_with_a_look_ahead(&mut feed) > 0);
        }
    });
}

/// Frames that a relay sends to a client of which it read the greeting and the request.
fn answered_with(answer: Vec<u8>) -> Feed {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut said = Vec::new();
        frame::write(&mut said, &Welcome::new(ChainId(1), Epoch(7), 3));
        said.extend(answer);
        socket.write_all(&said).unwrap();
        // Until the client leaves.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    Feed::connect_unix(&path, None).unwrap()
}

fn heartbeat() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Heartbeat::new(BlockRef::default()));
    bytes
}

/// A message of a known template with these bytes in it.
fn framed(mut message: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    message[at..at + bytes.len()].copy_from_slice(bytes);
    let mut framed = Vec::new();
    frame::write_bytes(&mut framed, &message);
    framed
}

#[test]
fn what_is_not_understood_and_not_of_the_state_is_passed_over_and_counted() {
    let unknown = framed(message("Outcome"), 2, &999_u16.to_le_bytes());
    let undecodable = framed(message("Outcome"), 72, &999_u16.to_le_bytes());
    let mut feed = answered_with([unknown, undecodable, heartbeat()].concat());
    read_until(&mut feed, |feed| {
        feed.try_message().unwrap().is_some_and(|message| matches!(message, Message::Heartbeat(_)))
    });
    let passed_over = feed.passed_over();
    assert_eq!((passed_over.unknown, passed_over.undecodable, passed_over.long), (1, 1, 0));
}

#[test]
fn what_is_not_understood_and_of_the_state_ends_the_feed() {
    let gap = Gap::new(Sequence(1), None, GapRecovery::Snapshot, GapReason::Away);
    let gap = Message::from(&gap).as_bytes().to_vec();
    let recovery = gap.len() - 8;
    for bytes in [framed(gap, recovery, &[0xff; 8]), framed(message("Outcome"), 2, &47_u16.to_le_bytes())] {
        let mut feed = answered_with([bytes, heartbeat()].concat());
        let mut ending = None;
        read_until(&mut feed, |feed| match feed.try_message() {
            Ok(None) => false,
            Ok(Some(message)) => panic!("{} was handed out", message.name()),
            Err(error) => {
                ending = Some(error);
                true
            }
        });
        assert!(matches!(ending, Some(FeedError::Malformed(_))), "{ending:?}");
    }
}
