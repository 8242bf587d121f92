//! A peer at a relay's door: it is answered as the page says, and the relay serves on.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::Replica;
use alphapulse_relay::journal::FeedOptions;
use alphapulse_relay::{Access, Endpoint, Feed, Relay, RelayConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::reference::{FRAME_HEADER_BYTES, First, Judgement, first_frame, judge, number};
use crate::still_chain::StillChain;
use crate::subscription::Reader;

/// Chain that the relay serves.
const CHAIN: ChainId = ChainId(31_337);
/// Highest schema version of the page.
const VERSION_MAX: u128 = 3;
/// Bytes that a peer may send before it is served.
const INBOUND_BYTES_MAX: usize = 4096;
/// Far above what any answer takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(20);
/// Hostile peers between two honest ones.
const HONEST_EVERY: u32 = 64;

/// Close reasons of the page.
const VERSION: u128 = 3;
const MALFORMED: u128 = 4;
const OTHER_CHAIN: u128 = 8;
/// Templates of a client's messages behind its greeting, and what it may say with them.
const SUBSCRIBE: u128 = 5;
const SELECT: u128 = 7;
const PUBLISH: u128 = 11;
/// What a publisher may send, and how long it may be.
const SIDES: [u128; 2] = [50, 55];
const SIDE_BYTES_MAX: usize = 1024;
const SCOPE_CHAIN: u128 = 1;
const RULES_MAX: u32 = 64;

/// A relay over a chain that stands still, for the life of the process.
struct Door {
    path: PathBuf,
    peers: AtomicU32,
    _relay: Relay,
    _runtime: Runtime,
    _folder: TempDir,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("relay.sock");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let relay = runtime.block_on(Relay::start_from(config(path.clone()), StillChain)).expect("a relay");
    Door { path, peers: AtomicU32::new(0), _relay: relay, _runtime: runtime, _folder: folder }
});

fn config(path: PathBuf) -> RelayConfig {
    RelayConfig {
        chain_id: CHAIN,
        endpoint: Endpoint::Ws("ws://127.0.0.1:1".into()),
        venues: Vec::new(),
        pools: Vec::new(),
        pending: false,
        finality: false,
        quotes: Vec::new(),
        factories: Vec::new(),
        silence: Duration::from_secs(3600),
        backfill_blocks_max: 8,
        reorg_depth_max: 8,
        lane_bytes: 1 << 17,
        recent_bytes: 1 << 13,
        heartbeat: Duration::from_secs(3600),
        listen_unix: Some(path),
        listen_tcp: None,
        listen_http: None,
        access: Access::default(),
        subscribers_max: 64,
        sample_pools: 0,
        journal_dir: None,
        journal: FeedOptions::default(),
        confirm_endpoints: Vec::new(),
        quorum: 1,
        stale_blocks: 2,
        confirm_wait: Duration::from_secs(3600),
    }
}

/// Sends `bytes` to a relay, ends the sending, and reads all that it answers.
///
/// # Panics
/// When the answer is not the one that the page asks for, when none comes, or when an honest client is not served after it.
pub fn check(bytes: &[u8]) {
    let door = &*DOOR;
    let answer = converse(door, bytes);
    let messages = split(&answer);
    match expected(bytes) {
        None => {}
        Some(Answer::Nothing) => assert!(messages.is_empty(), "{messages:02x?}"),
        Some(Answer::Close(reason)) => assert_eq!(closings(&messages), [(0, reason)], "{messages:02x?}"),
        Some(Answer::Welcome { version, close }) => check_welcome(&messages, version, close),
    }
    if door.peers.fetch_add(1, Ordering::Relaxed).is_multiple_of(HONEST_EVERY) {
        check_honest(door);
    }
}

/// The answer that the page asks for.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The peer left before it had said enough.
    Nothing,
    /// Nothing but a farewell.
    Close(u128),
    /// The greeting and perhaps a stream; then a farewell, if the peer said too much.
    Welcome { version: u128, close: Option<u128> },
}

/// Section 4 of the page. `None` where it leaves open what happens: more bytes than the relay has to take.
fn expected(bytes: &[u8]) -> Option<Answer> {
    if bytes.len() > INBOUND_BYTES_MAX {
        return None;
    }
    let (hello, rest) = match first_frame(bytes) {
        // As many bytes as it is given, and still no message.
        First::CutShort if bytes.len() == INBOUND_BYTES_MAX => return None,
        First::CutShort => return Some(Answer::Nothing),
        First::Malformed(_) => return Some(Answer::Close(MALFORMED)),
        First::Whole { message, rest } => (message, rest),
    };
    if judge(hello) != Judgement::Accepted || number(hello, 2, 2) != 1 {
        return Some(Answer::Close(MALFORMED));
    }
    let (oldest, newest) = (number(hello, 24, 2).max(1), number(hello, 26, 2).min(VERSION_MAX));
    if oldest > newest {
        return Some(Answer::Close(VERSION));
    }
    let welcome = |close| Some(Answer::Welcome { version: newest, close });
    if newest == 1 {
        return welcome((!rest.is_empty()).then_some(MALFORMED));
    }
    welcome(closing_of_request(rest, newest))
}

/// How a connection of version 2 or later ends behind its greeting: rules since version 3, one request, and nothing more; or
/// since version 3 messages of a publisher. A proof is not due: the system says whose process the peer is.
fn closing_of_request(mut bytes: &[u8], version: u128) -> Option<u128> {
    let (mut rules, mut chains) = (0, Vec::new());
    loop {
        let (message, rest) = match first_frame(bytes) {
            First::CutShort => return None,
            First::Malformed(_) => return Some(MALFORMED),
            First::Whole { message, rest } => (message, rest),
        };
        if judge(message) != Judgement::Accepted {
            return Some(MALFORMED);
        }
        match number(message, 2, 2) {
            SELECT if version >= 3 && rules < RULES_MAX => {
                rules += 1;
                if number(message, 24, 2) == SCOPE_CHAIN {
                    chains.push(number(message, 32, 8));
                }
                bytes = rest;
            }
            SUBSCRIBE if !chains.is_empty() && !chains.contains(&CHAIN.0.into()) => return Some(OTHER_CHAIN),
            SUBSCRIBE => return (!rest.is_empty()).then_some(MALFORMED),
            PUBLISH if version >= 3 && rules == 0 && number(message, 24, 8) == CHAIN.0.into() => {
                return closing_of_publisher(rest);
            }
            PUBLISH if version >= 3 && rules == 0 => return Some(OTHER_CHAIN),
            _ => return Some(MALFORMED),
        }
    }
}

/// How the connection of a publisher ends: with the first thing that it may not send.
fn closing_of_publisher(mut bytes: &[u8]) -> Option<u128> {
    loop {
        let (message, rest) = match first_frame(bytes) {
            // Too long for a side message, whatever the rest would be.
            First::CutShort if bytes.len() >= FRAME_HEADER_BYTES + SIDE_BYTES_MAX => return Some(MALFORMED),
            First::CutShort => return None,
            First::Malformed(_) => return Some(MALFORMED),
            First::Whole { message, rest } => (message, rest),
        };
        let is_side = judge(message) == Judgement::Accepted && SIDES.contains(&number(message, 2, 2));
        if !is_side || message.len() > SIDE_BYTES_MAX {
            return Some(MALFORMED);
        }
        bytes = rest;
    }
}

/// All that the relay says to a peer that says `bytes` and no more.
fn converse(door: &Door, bytes: &[u8]) -> Vec<u8> {
    let mut peer = UnixStream::connect(&door.path).expect("the relay listens");
    peer.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    // The relay may have had enough before the end; what it said is there to be read all the same.
    let _ = peer.write_all(bytes).and_then(|()| peer.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match peer.read(&mut piece) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
            // The fuzzer's clock.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("the relay neither answers nor leaves: {error}"),
        }
    }
}

/// The messages of an answer; each must be a whole frame that a client accepts.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let First::Whole { message, rest } = first_frame(bytes) else {
            panic!("the relay sent no frame: {bytes:02x?}")
        };
        assert_eq!(judge(message), Judgement::Accepted, "{message:02x?}");
        messages.push(message);
        bytes = rest;
    }
    messages
}

/// Places and reasons of the farewells among messages.
fn closings(messages: &[&[u8]]) -> Vec<(usize, u128)> {
    let closing = |(at, message): (usize, &&[u8])| (number(message, 2, 2) == 3).then(|| (at, number(message, 24, 2)));
    messages.iter().enumerate().filter_map(closing).collect()
}

fn check_welcome(messages: &[&[u8]], version: u128, close: Option<u128>) {
    let last = messages.len().saturating_sub(1);
    assert_eq!(
        closings(messages),
        close.map(|reason| (last, reason)).into_iter().collect::<Vec<_>>(),
        "{messages:02x?}"
    );
    // A client of version 1 that says too much may be dismissed before it is greeted.
    let Some((welcome, stream)) = messages.split_first().filter(|_| close.is_none() || messages.len() > 1) else {
        assert!(version == 1, "a client of version 2 or later is greeted at once");
        return;
    };
    let said = [number(welcome, 2, 2), number(welcome, 24, 8), number(welcome, 40, 2)];
    assert_eq!(said, [2, u128::from(CHAIN.0), version]);
    let mut reader = Reader::new(Replica::default());
    stream.iter().for_each(|message| reader.read(message));
}

/// A client that does as it should becomes whole.
fn check_honest(door: &Door) {
    let mut feed = Feed::connect_unix(&door.path, None).expect("an honest client is welcome");
    let mut replica = Replica::default();
    let start = Instant::now();
    while !replica.is_tradable() {
        assert!(start.elapsed() < DEADLINE, "an honest client is not served");
        match feed.try_next().expect("an honest client is not dismissed") {
            Some(frame) => {
                let message = Message::decode(frame.message_bytes()).expect("the relay's own message");
                replica.apply(&message).expect("the relay's own stream");
            }
            None => feed.wait(Duration::from_millis(100)),
        }
    }
}
