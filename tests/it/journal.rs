//! `journal` and `relay --replay` over a recorded feed that needs no chain: what is in it, parts of it, and all of it again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, CloseReason, Message, SnapshotBegin, SnapshotEnd, WireMessage,
};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, Sequence, UnixNanos};
use alphapulse_relay::journal::{FeedOptions, FeedWriter};
use alphapulse_relay::{Feed, FeedError};
use serde_json::Value;

use crate::command::{Ran, alphapulse, run};
use crate::config::Configured;

/// Generous: what is waited for takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Chain of the example configuration.
const CHAIN: ChainId = ChainId(1);
const FIRST: u64 = 1_000;
const BLOCKS: u64 = 40;

fn context(number: u64) -> BlockContext {
    let hash = |number: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    };
    BlockContext {
        number: number.into(),
        hash: hash(number),
        parent_hash: hash(number - 1),
        timestamp: (1_700_000_000 + 12 * number).into(),
        base_fee: 7_u128.into(),
        gas_used: 1.into(),
        gas_limit: 2.into(),
    }
}

fn time(number: u64) -> UnixNanos {
    UnixNanos((1_700_000_000 + 12 * number) * 1_000_000_000)
}

fn snapshot(number: u64, sequence: u64) -> Vec<u8> {
    let mut frames = Vec::new();
    let begin = SnapshotBegin::new(context(number), CHAIN, Epoch(9), 0, 0);
    frame::write(&mut frames, &begin.stamped(Sequence(sequence), time(number)));
    frame::write(&mut frames, &SnapshotEnd::new(0).stamped(Sequence(sequence), time(number)));
    frames
}

/// A feed of blocks of a market without pools, over several segments.
fn record(dir: &Path) {
    let options = FeedOptions { segment_bytes_max: 2_000, ..FeedOptions::default() };
    let mut feed = FeedWriter::open(dir, CHAIN, Epoch(8), options).expect("an empty folder");
    feed.begin_epoch(Epoch(9), &snapshot(FIRST, 0).into()).expect("a disk");
    for number in FIRST + 1..=FIRST + BLOCKS {
        let sequence = 2 * (number - FIRST);
        let block = Block::new(context(number), BlockNumber(number)).stamped(Sequence(sequence - 1), time(number));
        let end = BlockEnd::new(context(number).block(), 0).stamped(Sequence(sequence), time(number));
        let messages = [Message::from(&block).as_bytes(), Message::from(&end).as_bytes()];
        feed.record(messages, || Some(snapshot(number, sequence).into())).expect("a disk");
    }
    feed.sync().expect("a disk");
}

struct Recorded {
    folder: tempfile::TempDir,
    feed: PathBuf,
}

impl Recorded {
    fn new() -> Self {
        let folder = crate::command::folder();
        let feed = folder.path().join("feed");
        record(&feed);
        Self { folder, feed }
    }

    fn journal(&self, verb: &str, more: &[&str]) -> Ran {
        let feed = self.feed.to_str().expect("test paths are UTF-8");
        run(["journal", verb, feed].into_iter().chain(more.iter().copied()))
    }
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("a JSON object")
}

#[test]
fn stat_names_the_blocks_of_each_segment_and_tail_the_end() {
    let recorded = Recorded::new();
    let stat = json(&recorded.journal("stat", &["--json"]));
    let segments = stat["by_segment"].as_array().expect("a list");
    assert!(segments.len() > 3, "{stat}");
    let mut next = FIRST;
    for segment in segments {
        let first = segment["first_block"].as_u64().expect("each has blocks");
        assert_eq!(first, next, "{stat}");
        next = segment["last_block"].as_u64().expect("each has blocks") + 1;
        assert_eq!(segment["has_checkpoint"].as_bool(), Some(first != FIRST), "{stat}");
    }
    assert_eq!(next, FIRST + BLOCKS + 1);
    assert!(recorded.journal("stat", &[]).stdout.contains(&format!("blocks          {FIRST} to {}", FIRST + BLOCKS)));
    assert_eq!(json(&recorded.journal("verify", &["--json"]))["checkpoints"], segments.len() - 1);
    for lines in [0, 1, 2, 35, 5_000] {
        let tail = recorded.journal("tail", &["--json", "-n", &lines.to_string()]);
        let sequences: Vec<u64> = tail
            .lines()
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["sequence"].as_u64().expect("a number"))
            .collect();
        let all = usize::try_from(stat["records"].as_u64().expect("a number")).expect("small");
        assert_eq!(sequences.len(), lines.min(all));
        assert!(sequences.last().is_none_or(|last| *last == 2 * BLOCKS));
    }
}

#[test]
fn an_operators_caution_beside_the_segments_is_no_part_of_the_journal() {
    let (plain, cautioned) = (Recorded::new(), Recorded::new());
    for name in ["caution", "caution.tmp"] {
        std::fs::write(cautioned.feed.join(name), "00000000.apj").expect("ours");
    }
    for (verb, more) in [("verify", &["--json"][..]), ("stat", &["--json"]), ("tail", &["--json", "-n", "5000"])] {
        let [one, other] = [&plain, &cautioned].map(|recorded| {
            let ran = recorded.journal(verb, more);
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{verb}");
            ran.stdout.replace(recorded.folder.path().to_str().expect("UTF-8"), "")
        });
        assert_eq!(one, other, "{verb}");
    }
    let out = cautioned.folder.path().join("part");
    assert_eq!(cautioned.journal("cut", &["--to", out.to_str().expect("UTF-8")]).code, Some(0));
    let names = |dir: &Path| {
        let names = std::fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("an entry").file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(!names(&out).contains("caution".as_ref() as &std::ffi::OsStr), "{:?}", names(&out));
}

#[test]
fn a_part_is_cut_out_and_what_cannot_be_is_named() {
    let recorded = Recorded::new();
    let out = recorded.folder.path().join("part");
    let out = out.to_str().expect("UTF-8");
    let report =
        json(&recorded.journal("cut", &["--to", out, "--from-block", "1010", "--until-block", "1020", "--json"]));
    assert_eq!(
        (&report["from_block"], &report["until_block"], &report["messages"]),
        (&1010.into(), &1020.into(), &20.into())
    );
    let stat = json(&run(["journal", "stat", out, "--json"]));
    assert_eq!((&stat["first_block"], &stat["last_block"]), (&1010.into(), &1020.into()));
    recorded.journal("cut", &["--to", out]).must_fail(1, &["already holds a journal", "next: "]);
    let beyond = recorded.journal("cut", &["--to", "nowhere", "--from-block", "2000"]);
    beyond.must_fail(1, &["2000", "blocks 1000 to 1040", "next: "]);
    recorded.journal("cut", &[]).must_fail(2, &["--to"]);
}

#[test]
fn a_feed_is_replayed_to_a_subscriber_and_the_command_ends_by_itself() {
    let recorded = Recorded::new();
    let configured = Configured::with(&[("# listen_unix", "listen_unix")]);
    let feed = recorded.feed.to_str().expect("UTF-8");
    let socket = configured.folder.path().join("relay.sock");
    let mut command = alphapulse();
    command.args(["relay", "--replay", feed, "--speed", "max", "--wait-for", "1", "--config"]).arg(&configured.path);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");

    let started = Instant::now();
    let mut subscriber = loop {
        match Feed::connect_unix(&socket, None) {
            Ok(feed) => break feed.expecting_chain(CHAIN).expect("the recorded chain"),
            Err(error) => assert!(started.elapsed() < PATIENCE, "it does not serve: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut blocks = Vec::new();
    let ending = loop {
        assert!(started.elapsed() < PATIENCE, "the replay does not end: {blocks:?}");
        match subscriber.try_next() {
            Ok(Some(frame)) => {
                if let Message::BlockEnd(end) = Message::decode(frame.message_bytes()).expect("a message") {
                    blocks.push(end.number.get());
                }
            }
            Ok(None) => subscriber.wait(Duration::from_millis(5)),
            Err(error) => break error,
        }
    };
    assert!(matches!(ending, FeedError::Closed(CloseReason::Shutdown)), "{ending:?}");
    assert_eq!(blocks, (FIRST + 1..=FIRST + BLOCKS).collect::<Vec<_>>());
    let ran = Ran::from(child.wait_with_output().expect("the command ends"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("replayed"), "{ran:?}");
    assert!(!socket.exists());
}

#[test]
fn a_replay_that_cannot_be_is_refused_before_anything_is_served() {
    let recorded = Recorded::new();
    let feed = recorded.feed.to_str().expect("UTF-8");
    let configured = Configured::with(&[("# listen_unix", "listen_unix")]);
    configured.run(&["relay", "--replay", "/nonexistent"]).must_fail(1, &["holds no journal", "next: "]);
    configured.run(&["relay", "--replay", feed, "--speed", "0"]).must_fail(2, &["--speed", "above zero"]);
    configured.run(&["relay", "--speed", "2"]).must_fail(2, &["--replay"]);
    configured.run(&["relay", "--replay", feed, "--journal", "x"]).must_fail(2, &["--journal"]);
    let other = Configured::with(&[("# listen_unix", "listen_unix"), ("id = 1 ", "id = 10 ")]);
    other.run(&["relay", "--replay", feed]).must_fail(3, &["is of chain 1", "next: "]);
    let segment = recorded.feed.join("00000001.apj");
    let mut bytes = std::fs::read(&segment).expect("the second segment");
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).expect("ours");
    configured.run(&["relay", "--replay", feed]).must_fail(1, &["00000001.apj", "damaged at byte", "next: "]);
    assert!(!configured.folder.path().join("relay.sock").exists());
}
