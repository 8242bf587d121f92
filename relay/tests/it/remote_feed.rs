//! A remote feed over a stream that the test writes byte by byte.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame::{self, FrameBuf};
use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::{Close, CloseReason, Hello, Message, Subscribe, V2Reserves, Welcome, WireMessage};
use alphapulse_protocol::{ChainId, DecodeError, Epoch, PoolId, Sequence, UnixNanos};
use alphapulse_relay::{Feed, FeedError};

/// Far above what any step takes, so that only a hang meets it.
const LONG: Duration = Duration::from_secs(30);
const HELLO_AND_SUBSCRIBE_BYTES: usize = 16 + size_of::<Hello>() + size_of::<Subscribe>();

/// A feed that was greeted, and the other end of its connection. `first` follows the greeting in the same write.
fn joined(first: &[u8]) -> (Feed, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Welcome::new(ChainId(31337), Epoch(1), SCHEMA_VERSION));
    bytes.extend_from_slice(first);
    let relay = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&bytes).unwrap();
        socket.read_exact(&mut [0; HELLO_AND_SUBSCRIBE_BYTES]).unwrap();
        socket
    });
    let feed = Feed::connect_unix(&path, None).unwrap();
    (feed, relay.join().unwrap())
}

fn reserves(sequence: u64) -> Vec<u8> {
    let message = V2Reserves::new(PoolId(7), 1, sequence.into()).stamped(Sequence(sequence), UnixNanos(0));
    FrameBuf::new(&message).unwrap().as_bytes().to_vec()
}

/// A message of a template that no build knows yet, longer than any that this build sends live.
fn unknown() -> Vec<u8> {
    let mut message = vec![0xee; 1_000];
    message[..8].copy_from_slice(&reserves(0)[8..16]);
    message[..2].copy_from_slice(&1_000_u16.to_le_bytes());
    message[2..4].copy_from_slice(&900_u16.to_le_bytes());
    let mut bytes = Vec::new();
    frame::write_bytes(&mut bytes, &message);
    bytes
}

fn close() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &Close::new(CloseReason::Shutdown));
    bytes
}

/// Waits for the next message as a consumer does, and gives its sequence.
fn next(feed: &mut Feed) -> Result<u64, FeedError> {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < LONG, "nothing came");
        if let Some(frame) = feed.try_next()? {
            let message = Message::decode(frame.message_bytes()).unwrap();
            return Ok(message.header().sequence().0);
        }
        feed.wait(LONG);
    }
}

/// A consumer waits in one way when it has other inputs, and in another when it has not.
fn with_and_without_waker(mut check: impl FnMut(Feed, UnixStream)) {
    let (feed, relay) = joined(&[]);
    check(feed, relay);
    let (feed, relay) = joined(&[]);
    let _waker = feed.waker();
    check(feed, relay);
}

#[test]
fn a_wait_ends_with_the_byte_that_makes_a_frame_whole() {
    with_and_without_waker(byte_by_byte);
}

fn byte_by_byte(mut feed: Feed, mut relay: UnixStream) {
    let writer = thread::spawn(move || {
        for sequence in 1..=50 {
            for byte in reserves(sequence) {
                relay.write_all(&[byte]).unwrap();
            }
        }
        relay
    });
    for sequence in 1..=50 {
        assert_eq!(next(&mut feed).unwrap(), sequence);
    }
    writer.join().unwrap();
}

#[test]
fn frames_of_one_write_come_one_by_one_and_the_feed_knows_that_there_are_more() {
    let first: Vec<u8> = (1..=3).flat_map(reserves).collect();
    let (mut feed, mut relay) = joined(&first);
    for sequence in 1..=3 {
        assert_eq!(next(&mut feed).unwrap(), sequence);
        assert_eq!(feed.has_more(), sequence < 3);
    }
    // What comes after the last read counts as well, and is not lost by looking.
    relay.write_all(&reserves(4)).unwrap();
    assert!(feed.has_more());
    assert!(feed.has_more());
    feed.wait(LONG);
    assert_eq!(next(&mut feed).unwrap(), 4);
    assert!(!feed.has_more());
    assert!(feed.try_next().unwrap().is_none());
    // Without a wait in between.
    relay.write_all(&reserves(5)).unwrap();
    assert_eq!(next(&mut feed).unwrap(), 5);
}

#[test]
fn more_than_the_buffer_holds_comes_in_order() {
    with_and_without_waker(many_at_once);
}

fn many_at_once(mut feed: Feed, mut relay: UnixStream) {
    const COUNT: u64 = 20_000;
    let writer = thread::spawn(move || {
        let stream: Vec<u8> = (1..=COUNT).flat_map(reserves).collect();
        relay.write_all(&stream).unwrap();
    });
    for sequence in 1..=COUNT {
        assert_eq!(next(&mut feed).unwrap(), sequence);
    }
    writer.join().unwrap();
    assert!(matches!(next(&mut feed), Err(FeedError::Disconnected)));
}

#[test]
fn a_template_newer_than_this_build_is_passed_over() {
    let (mut feed, mut relay) = joined(&unknown());
    assert!(!feed.has_more(), "nothing that can be handed out");
    relay.write_all(&[unknown(), reserves(1), unknown()].concat()).unwrap();
    assert_eq!(next(&mut feed).unwrap(), 1);
    assert!(!feed.has_more());
}

#[test]
fn a_feed_that_ended_stays_ended_and_gives_all_that_came_before() {
    let mut damaged = reserves(2);
    *damaged.last_mut().unwrap() ^= 1;
    let mut hostile = Vec::new();
    let mut wrong = reserves(2)[8..].to_vec();
    // Reserves above 112 bits.
    wrong[47] = 1;
    frame::write_bytes(&mut hostile, &wrong);
    for (end, is_as_told) in [
        (close(), (|error| matches!(error, FeedError::Closed(CloseReason::Shutdown))) as fn(FeedError) -> bool),
        (damaged, |error| matches!(error, FeedError::Malformed(DecodeError::Checksum { .. }))),
        (hostile, |error| matches!(error, FeedError::Malformed(DecodeError::Field { field: "reserve_0", .. }))),
    ] {
        let (mut feed, mut relay) = joined(&[reserves(1), end, reserves(3)].concat());
        assert_eq!(next(&mut feed).unwrap(), 1);
        assert!(feed.has_more(), "the end is news");
        feed.wait(LONG);
        for _ in 0..3 {
            assert!(is_as_told(next(&mut feed).unwrap_err()));
        }
        // The relay is told as well, though the feed is still held.
        assert_eq!(relay.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_relay_that_vanishes_amid_a_frame_ends_the_feed() {
    let (mut feed, mut relay) = joined(&reserves(1));
    relay.write_all(&reserves(2)[..40]).unwrap();
    drop(relay);
    assert_eq!(next(&mut feed).unwrap(), 1);
    assert!(matches!(next(&mut feed), Err(FeedError::Disconnected)));
    assert!(feed.has_more());
    feed.wait(LONG);
}

#[test]
fn the_end_that_came_together_with_the_last_bytes_is_not_missed() {
    with_and_without_waker(|mut feed, mut relay| {
        assert!(feed.try_next().unwrap().is_none());
        relay.write_all(&reserves(1)).unwrap();
        drop(relay);
        // Whoever waits is told of both at once.
        feed.wait(LONG);
        assert_eq!(next(&mut feed).unwrap(), 1);
        assert!(matches!(next(&mut feed), Err(FeedError::Disconnected)));
    });
}

#[test]
fn a_waker_ends_the_wait_of_a_remote_feed_before_it_begins_and_while_it_lasts() {
    let (mut feed, _relay) = joined(&[]);
    assert!(feed.try_next().unwrap().is_none());
    let waker = feed.waker();
    waker.wake();
    waker.wake();
    feed.wait(LONG);
    for _ in 0..100 {
        let waker = feed.waker();
        let (woken, was_woken) = std::sync::mpsc::channel();
        let other = thread::spawn(move || {
            woken.send(()).unwrap();
            waker.wake();
        });
        // Waits may end early; the wake itself must end one.
        while was_woken.try_recv().is_err() {
            feed.wait(Duration::from_millis(1));
        }
        other.join().unwrap();
    }
}

#[test]
fn a_wait_without_news_ends_when_its_time_is_over() {
    with_and_without_waker(|mut feed, _relay| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(20) {
            assert!(feed.try_next().unwrap().is_none());
            feed.wait(Duration::from_millis(20));
        }
    });
}
