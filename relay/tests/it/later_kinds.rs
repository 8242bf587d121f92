//! A market with pools of kinds that older clients do not know: those are told so, newer ones are served.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{CloseReason, Hello, Message, Subscribe};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{ChainId, Epoch};
use alphapulse_relay::journal::JournalWriter;
use alphapulse_relay::{Recording, Relay, RelayConfig, ReplayOptions, ReplaySpeed};

use super::subscriber::config;

/// The market messages of the golden connection of version 3, which has a pool of every kind, up to the snapshot's end.
fn golden_snapshot() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden/v3/kinds_session.hex");
    let text = fs::read_to_string(path).unwrap();
    let digits: String = text.lines().map(|line| line.split('#').next().unwrap().trim()).collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let mut decoder = FrameDecoder::new();
    decoder.push(&(0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>());
    let mut messages = Vec::new();
    while let Some(bytes) = decoder.next_bytes().unwrap() {
        let message = Message::decode(bytes).unwrap();
        if message.is_market() {
            messages.push(bytes.to_vec());
        }
        if matches!(message, Message::SnapshotEnd(_)) {
            return messages;
        }
    }
    panic!("the golden connection has a snapshot");
}

/// What a client of this version is told: the closing reason, if that is the relay's first word.
fn greet(path: &Path, version: u16) -> Option<CloseReason> {
    let mut hello = Hello::new();
    hello.version_max = version.into();
    let mut said = Vec::new();
    frame::write(&mut said, &hello);
    if version >= 2 {
        frame::write(&mut said, &Subscribe::new(None));
    }
    let mut socket = UnixStream::connect(path).unwrap();
    // Far above what any answer takes, so that only a hang meets it.
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.write_all(&said).unwrap();
    let (mut decoder, mut bytes) = (FrameDecoder::new(), [0; 4096]);
    loop {
        if let Some(message) = decoder.next_message().unwrap() {
            let Message::Close(close) = message else { return None };
            return CloseReason::from_wire(close.reason.get());
        }
        match socket.read(&mut bytes).unwrap() {
            0 => panic!("the relay left without a word"),
            count => decoder.push(&bytes[..count]),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_read_the_pools_is_told_so_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, socket) = (folder.path().join("feed"), folder.path().join("relay.sock"));
    let messages = golden_snapshot();
    let mut truth = Replica::default();
    let mut journal = JournalWriter::create(&dir, ChainId(31337), Epoch(7)).unwrap();
    for message in &messages {
        truth.apply(&Message::decode(message).unwrap()).unwrap();
        journal.append_bytes(message).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(truth.since_version(), 3);

    let served = RelayConfig { listen_unix: Some(socket.clone()), chain_id: truth.chain_id(), ..config() };
    let recording = Recording::open(&dir).unwrap();
    // It waits for more subscribers than come, so that it does not end.
    let options = ReplayOptions { speed: ReplaySpeed::Max, wait_for: 99 };
    let relay = Relay::replay(served, &recording, options).await.unwrap();
    let answers = [1, 2, 3].map(|version| {
        let socket = socket.clone();
        tokio::task::spawn_blocking(move || greet(&socket, version))
    });
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    assert_eq!(told, [Some(CloseReason::Version), Some(CloseReason::Version), None]);

    let (mut feed, mut replica) = (relay.subscribe().unwrap(), Replica::default());
    while !replica.is_whole() {
        match feed.try_next().unwrap() {
            Some(frame) => drop(replica.apply(&Message::decode(frame.message_bytes()).unwrap()).unwrap()),
            None => tokio::task::yield_now().await,
        }
    }
    assert!(replica.is_same_state(&truth), "a pool of every kind, bit for bit");
}
