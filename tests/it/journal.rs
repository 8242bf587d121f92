//! `journal` and `relay --replay` over a recorded feed that needs no chain: what is in it, parts of it, and all of it again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Caution, CautionCause, CloseReason, HopRecord, Message, NonceLease, Opportunity,
    Outcome, OutcomeStatus, PoolStanding, PoolTrust, SnapshotBegin, SnapshotEnd, StateParts, Submission, Submitted,
    SubmittedStatus, Token, Verdict, WireMessage,
};
use alphapulse_protocol::{
    BlockNumber, ChainId, Epoch, FeePerGas, Gas, OpportunityId, PoolId, Sequence, TokenId, U256, UnixNanos,
};
use alphapulse_relay::journal::{FeedOptions, FeedWriter, JournalWriter};
use alphapulse_relay::{Feed, FeedError};
use serde_json::Value;

use crate::command::{Ran, alphapulse, run};
use crate::config::Configured;
use crate::running::{PATIENCE, Running};

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
    record_from(dir, FIRST);
}

/// The same from another block on; what is there already is continued.
fn record_from(dir: &Path, first: u64) {
    let options = FeedOptions { segment_bytes_max: 2_000, ..FeedOptions::default() };
    let mut feed = FeedWriter::open(dir, CHAIN, Epoch(8), options).expect("an empty folder");
    feed.begin_epoch(Epoch(9), &snapshot(first, 0).into()).expect("a disk");
    for number in first + 1..=first + BLOCKS {
        let sequence = 2 * (number - first);
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

/// The journal of a node that found a trade and sent it.
fn record_node(dir: &Path) {
    let (hash, sender) = ([0xab; 32], [0xcd; 20]);
    let block = context(FIRST).block();
    let hop = |pool, token_in, token_out, amounts: (u64, u64)| {
        let (paid, got) = (U256::from(amounts.0), U256::from(amounts.1));
        HopRecord::new(PoolId(pool), TokenId(token_in), TokenId(token_out), paid, got)
    };
    let hops = [hop(3, 0, 1, (1_000, 77)), hop(4, 1, 0, (77, 1_250))];
    let opportunity = Opportunity::new(OpportunityId(9), 1, block, TokenId(0), &hops).expect("it gains");
    let fees = (FeePerGas(30), FeePerGas(2));
    let submission = Submission::new(OpportunityId(9), 5, hash, fees, Gas(200_000), BlockNumber(FIRST + 2));
    let outcome = Outcome::new(OpportunityId(9), 5, hash, OutcomeStatus::Included, block);
    let token = Token::new(TokenId(0), sender, "W\u{1b}[2J", 18);
    let mut journal = JournalWriter::create(dir, CHAIN, Epoch(8)).expect("an empty folder");
    let mut record = |bytes: &[u8]| journal.append_bytes(bytes).expect("a disk");
    record(Message::from(&NonceLease::new(sender, 5, 16)).as_bytes());
    record(Message::from(&opportunity).as_bytes());
    record(Message::from(&Verdict::new(OpportunityId(8), 14, true)).as_bytes());
    record(Message::from(&submission).as_bytes());
    record(Message::from(&Submitted::new(OpportunityId(9), 5, SubmittedStatus::Accepted)).as_bytes());
    record(Message::from(&outcome.with_receipt(Gas(150_000), FeePerGas(29), U256::from(250))).as_bytes());
    record(Message::from(&token).as_bytes());
    record(Message::from(&Caution::new(Sequence(0), CautionCause::BelowQuorum)).as_bytes());
    let parts = StateParts::STATE.with(StateParts::TICKS);
    record(Message::from(&PoolStanding::new(PoolId(3), PoolTrust::Quarantined, parts, block)).as_bytes());
    journal.sync().expect("a disk");
}

#[test]
fn tail_tells_hashes_in_hexadecimal_and_codes_in_words() {
    let folder = crate::command::folder();
    let dir = folder.path().join("run");
    record_node(&dir);
    let dir = dir.to_str().expect("UTF-8");
    let (hash, sender) = (format!("0x{}", "ab".repeat(32)), format!("0x{}", "cd".repeat(20)));
    let text = run(["journal", "tail", dir, "-n", "9"]);
    let lines = text.lines();
    let block = format!("block_number={FIRST} block_hash=0xe803{}", "0".repeat(60));
    let expected = [
        format!("NonceLease sequence=0 event_ns=0 sender={sender} count=16 first=5"),
        format!(
            "Opportunity sequence=0 event_ns=0 opportunity=9 {block} strategy=1 token=0 amount_in=1000 amount_out=1250 \
             hops=[{{pool=3 token_in=0 token_out=1 amount_in=1000 amount_out=77}}, \
             {{pool=4 token_in=1 token_out=0 amount_in=77 amount_out=1250}}]"
        ),
        "Verdict sequence=0 event_ns=0 opportunity=8 reject=14 is_live=true gas=0 fee_max=0 priority_fee=0 \
         net_profit=0 reason=pool_in_flight"
            .to_owned(),
        format!(
            "Submission sequence=0 event_ns=0 opportunity=9 nonce=5 tx_hash={hash} fee_max=30 priority_fee=2 \
             gas_limit=200000 block_max={}",
            FIRST + 2
        ),
        "Submitted sequence=0 event_ns=0 opportunity=9 nonce=5 status=accepted".to_owned(),
        format!(
            "Outcome sequence=0 event_ns=0 opportunity=9 nonce=5 tx_hash={hash} status=included {block} \
             gas_used=150000 gas_price=29 gain=250"
        ),
        // Whoever made the token chose its name.
        format!("Token sequence=0 event_ns=0 token=0 decimals=18 address={sender} symbol=W[2J"),
        "Caution sequence=0 event_ns=0 is_safe=false cause=below_quorum".to_owned(),
        format!("PoolStanding sequence=0 event_ns=0 pool=3 standing=quarantined parts=[state, ticks] {block}"),
    ];
    assert_eq!(lines, expected);

    let machine = run(["journal", "tail", dir, "-n", "9", "--json"]);
    let records: Vec<Value> = machine.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let outcome = &records[5];
    assert_eq!((&outcome["record"], &outcome["fields"]["tx_hash"]), (&"Outcome".into(), &hash.into()));
    // What may exceed 2^53 is text.
    assert_eq!((&outcome["fields"]["gain"], &outcome["fields"]["gas_used"]), (&"250".into(), &150_000.into()));
    assert_eq!(records[1]["fields"]["hops"][1]["pool"], 4);
    assert_eq!(records[2]["fields"]["reason"], "pool_in_flight");
    assert_eq!(records[8]["fields"]["parts"], serde_json::json!(["state", "ticks"]));
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
    let again = recorded.journal("cut", &["--to", out]);
    again.must_fail(1, &["already holds a journal", "next: ", &format!("{out}-2")]);
    assert!(!again.stderr.contains("append"), "{again:?}");
    // The folder that is named is really free.
    std::fs::create_dir(format!("{out}-2")).expect("ours");
    recorded.journal("cut", &["--to", &format!("{out}/")]).must_fail(1, &[&format!("{out}-3")]);
    let beyond = recorded.journal("cut", &["--to", "nowhere", "--from-block", "2000"]);
    beyond.must_fail(1, &["no part that begins with block 2000: it has blocks 1000 to 1040", "next: "]);
    let behind = recorded.journal("cut", &["--to", "nowhere", "--until-block", "2000"]);
    behind.must_fail(1, &["no part that ends with block 2000: it has blocks 1000 to 1040", "next: "]);
    let both = recorded.journal("cut", &["--to", "nowhere", "--from-block", "1001", "--until-block", "2000"]);
    both.must_fail(1, &["no part from block 1001 to block 2000: it has"]);
    recorded.journal("cut", &[]).must_fail(2, &["--to"]);
    let reversed = recorded.journal("cut", &["--to", "nowhere", "--from-block", "1020", "--until-block", "1010"]);
    reversed.must_fail(2, &["next: give the lower block"]);
}

#[test]
fn nothing_is_written_into_the_journal_that_a_part_is_cut_from() {
    let recorded = Recorded::new();
    let journal = &recorded.feed;
    for inside in ["", "part", "deep/er"] {
        let out = journal.join(inside);
        let ran = recorded.journal("cut", &["--to", out.to_str().expect("UTF-8")]);
        ran.must_fail(1, &["which is only read", "next: "]);
    }
    assert!(!journal.join("part").exists() && !journal.join("deep").exists());
}

#[test]
fn a_hole_between_segments_and_bounds_the_wrong_way_round_are_named() {
    let recorded = Recorded::new();
    record_from(&recorded.feed, 1_100);
    let stat = json(&recorded.journal("stat", &["--json"]));
    assert_eq!(stat["holes"], serde_json::json!([{ "first_block": 1041, "last_block": 1099 }]), "{stat}");
    let text = recorded.journal("stat", &[]);
    assert!(text.stdout.contains("not recorded    blocks 1041 to 1099"), "{text:?}");

    let cut = |bounds: &[&str]| recorded.journal("cut", &[&["--to", "nowhere"], bounds].concat());
    let hole = ["no block 1050", "stops at block 1040", "goes on at block 1100", "next: ", "journal stat"];
    for bounds in [["--from-block", "1050"], ["--until-block", "1050"]] {
        cut(&bounds).must_fail(1, &hole);
    }
    let reversed = cut(&["--from-block", "1020", "--until-block", "1010"]);
    reversed.must_fail(2, &["block 1010", "is below block 1020", "next: ", "--from-block"]);
    assert!(!Path::new("nowhere").exists());

    // Across the hole the part is whole in itself, and says what it lacks.
    let out = recorded.folder.path().join("part");
    let bounds = ["--to", out.to_str().expect("UTF-8"), "--from-block", "1030", "--until-block", "1110"];
    let said = recorded.journal("cut", &bounds);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("without blocks 1041 to 1099"), "{said:?}");
    assert_eq!(json(&run(["journal", "stat", out.to_str().expect("UTF-8"), "--json"]))["holes"], stat["holes"]);
}

#[test]
fn stat_counts_epochs_and_the_bytes_that_its_files_have() {
    let recorded = Recorded::new();
    let stat = json(&recorded.journal("stat", &["--json"]));
    let sum = |key: &str| -> u64 {
        let segments = stat["by_segment"].as_array().expect("a list");
        segments.iter().map(|segment| segment[key].as_u64().expect("a number")).sum()
    };
    let segments = std::fs::read_dir(&recorded.feed).expect("it is there").map(|entry| entry.expect("an entry"));
    let segments = segments.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "apj"));
    let in_files: u64 = segments.map(|entry| entry.metadata().expect("a file").len()).sum();
    assert_eq!(
        (stat["bytes"].as_u64(), stat["records"].as_u64()),
        (Some(sum("bytes")), Some(sum("records"))),
        "{stat}"
    );
    assert_eq!(sum("bytes"), in_files);
    let text = recorded.journal("stat", &[]).stdout;
    assert!(text.contains("epochs          1\n") && !text.contains("snapshots"), "{text}");
    assert!(text.contains(&format!("which take {in_files} bytes with their frames")), "{text}");
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
fn a_replay_says_where_it_is_watched_and_when_it_is_stopped_how_much_it_served() {
    let recorded = Recorded::new();
    let page = ("# listen_http = \"127.0.0.1:7101\"", "listen_http = \"127.0.0.1:0\"");
    let configured = Configured::with(&[("# listen_unix", "listen_unix"), page]);
    let socket = configured.folder.path().join("relay.sock");
    let mut command = alphapulse();
    // So slow that the second block is never due.
    command.arg("relay").arg("--replay").arg(&recorded.feed);
    command.args(["--speed", "0.001", "--wait-for", "1", "--config"]).arg(&configured.path);
    let mut replay = Running::start(command);
    replay.must_say("replaying");
    let page = replay.said.split("http=\"").nth(1).and_then(|said| said.split('"').next());
    let page = page.unwrap_or_else(|| panic!("the page is not named: {}", replay.said)).to_owned();

    let started = Instant::now();
    let mut subscriber = Feed::connect_unix(&socket, None).expect("it serves");
    loop {
        assert!(started.elapsed() < PATIENCE, "the first block does not come");
        match subscriber.try_next().expect("a feed") {
            Some(frame) if matches!(Message::decode(frame.message_bytes()), Ok(Message::BlockEnd(_))) => break,
            Some(_) => {}
            None => subscriber.wait(Duration::from_millis(5)),
        }
    }
    let status = json(&run(["relay", "status", "--json", "--http", &page]));
    assert_eq!((&status["stats"]["blocks"], &status["head"]["number"]), (&1.into(), &(FIRST + 1).into()), "{status}");
    // Of a recording nothing is compared, and that is told.
    let off = serde_json::json!({ "enabled": false, "sample_pools": 0, "quarantined": [] });
    assert_eq!(status["truth"], off, "{status}");
    let shown = run(["relay", "status", "--http", &page]);
    assert!(shown.stdout.contains("truth     off: no pool is compared with the chain"), "{shown:?}");
    let ran = replay.interrupt();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    let end = ran.stderr.lines().find(|line| line.contains("replayed")).expect("an end line");
    assert!(end.contains("blocks=1 of=40"), "{end}");
}

#[test]
fn a_replay_that_cannot_be_is_refused_before_anything_is_served() {
    let recorded = Recorded::new();
    let feed = recorded.feed.to_str().expect("UTF-8");
    let configured = Configured::with(&[("# listen_unix", "listen_unix")]);
    configured.run(&["relay", "--replay", "/nonexistent"]).must_fail(1, &["holds no journal", "next: "]);
    configured.run(&["relay", "--replay", feed, "--speed", "0"]).must_fail(2, &["--speed", "above zero"]);
    let speed = configured.run(&["relay", "--replay", feed, "--speed", "fast"]);
    speed.must_fail(2, &["--speed", "`fast` is no speed"]);
    assert!(!speed.stderr.contains("configuration:"), "{speed:?}");
    configured.run(&["relay", "--speed", "2"]).must_fail(2, &["--replay"]);
    configured.run(&["relay", "--replay", feed, "--journal", "x"]).must_fail(2, &["--journal"]);
    let other = Configured::with(&[("# listen_unix", "listen_unix"), ("id = 1 ", "id = 10 ")]);
    other.run(&["relay", "--replay", feed]).must_fail(3, &["is of chain 1", "next: "]);
    let segment = recorded.feed.join("00000001.apj");
    let mut bytes = std::fs::read(&segment).expect("the second segment");
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).expect("ours");
    configured.run(&["relay", "--replay", feed]).must_fail(1, &["00000001.apj", "damaged at byte", "next: "]);
    let verified = run(["journal", "verify", feed, "--json"]);
    let said: Value = serde_json::from_str(&verified.stdout).unwrap_or_else(|error| panic!("{error}: {verified:?}"));
    assert_eq!((verified.code, &said["is_whole"]), (Some(1), &Value::Bool(false)));
    assert!(said["error"].as_str().is_some_and(|error| error.contains("damaged at byte")), "{said}");
    assert!(!configured.folder.path().join("relay.sock").exists());
}
