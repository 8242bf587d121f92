//! `run` and `relay` against a real node: on paper, live, through a relay of its own, and on the wrong chain.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use alphapulse_testnet::session::Testnet;
use alphapulse_testnet::{DevNodeConfig, Kit, Layout};
use serde_json::Value;

use crate::command::{Ran, alphapulse, run};
use crate::running::{PATIENCE, Running};

/// Long enough for an idle machine; a busy one makes more blocks.
const MOMENT: Duration = Duration::from_millis(500);
/// Blocks in which a trade must have landed: the traders leave something in most.
const BLOCKS_MAX: usize = 60;

/// A chain with contracts and the configuration of a live node on it.
pub(crate) struct Chain {
    pub(crate) testnet: Testnet,
    config: PathBuf,
}

impl Chain {
    pub(crate) async fn start() -> Self {
        let kit = Kit::ensure(&mut |line| eprintln!("{line}")).expect("the test kit installs");
        let testnet = Testnet::start(&kit, DevNodeConfig::default(), &Layout::standard(), 1).await;
        let testnet = testnet.expect("a chain with contracts");
        testnet.config(&testnet.node.ws_url()).expect("a valid configuration");
        let config = testnet.folder().join("alphapulse.toml");
        Self { testnet, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.testnet.folder().join(name)
    }

    /// A command on this chain, with these settings over the file's.
    pub(crate) fn command(&self, arguments: &[&str], settings: &[(&str, &Path)]) -> Command {
        let mut command = alphapulse();
        command.args(arguments).arg("--config").arg(&self.config);
        for (key, value) in settings {
            command.env(format!("ALPHAPULSE__{key}"), value);
        }
        command
    }

    /// Makes blocks with traders in them.
    pub(crate) async fn trade(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let head = self.testnet.head().await.expect("the chain answers");
            self.testnet.act(&head).await.expect("traders trade");
            self.testnet.mine(&head).await.expect("a block");
        }
    }
}

/// Runs a start that must not succeed.
fn end(mut command: Command) -> Ran {
    command.output().expect("the command starts").into()
}

fn summary(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(130), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_on_paper_until_the_command_says_live_as_well() {
    let mut chain = Chain::start().await;
    let paper_dir = chain.path("runs/paper");
    let arguments = ["run", "--json", "--run-dir", paper_dir.to_str().expect("UTF-8")];
    let mut paper = Running::start(chain.command(&arguments, &[]));
    paper.must_say("trading on paper");
    for _ in 0..BLOCKS_MAX {
        chain.trade(1).await;
        if paper.says("approved id=", MOMENT) {
            break;
        }
    }
    let ran = paper.interrupt();
    let found = summary(&ran);
    assert!(found["approved"].as_u64() > Some(0), "{found}");
    assert_eq!((&found["is_live"], &found["submitted"]), (&false.into(), &0.into()));
    let nonce = chain.testnet.accounts().await.expect("the chain answers").nonce;
    assert_eq!(nonce, 0, "nothing was sent");
    let replayed = alphapulse().args(["replay", "--json"]).arg(&paper_dir).output().expect("the command starts");
    assert_eq!(Ran::from(replayed).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_node_sends_and_books_what_lands() {
    let mut chain = Chain::start().await;
    let dir = chain.path("runs/live");
    let arguments = ["run", "--live", "--json", "--run-dir", dir.to_str().expect("UTF-8")];
    let mut live = Running::start(chain.command(&arguments, &[]));
    live.must_say("trading live");
    for _ in 0..BLOCKS_MAX {
        chain.trade(1).await;
        if live.says("Included", MOMENT) {
            break;
        }
    }
    let found = summary(&live.interrupt());
    assert!(found["included"].as_u64() > Some(0), "{found}");
    assert_eq!(found["is_live"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_trades_on_the_feed_of_a_relay_of_its_own() {
    let mut chain = Chain::start().await;
    let socket = chain.path("relay.sock");
    let page: &Path = "127.0.0.1:0".as_ref();
    let served = [("RELAY__LISTEN_UNIX", socket.as_path()), ("RELAY__LISTEN_HTTP", page)];
    let mut relay = Running::start(chain.command(&["relay"], &served));
    relay.must_say("relaying");
    let page =
        relay.said.split("http=\"").nth(1).and_then(|said| said.split('"').next()).expect("it is named").to_owned();
    let off: &Path = "false".as_ref();
    let settings = [("RELAY__EMBEDDED", off), ("RELAY__UNIX", &socket)];
    let mut node = Running::start(chain.command(&["run", "--json"], &settings));
    node.must_say("trading on paper");
    for _ in 0..BLOCKS_MAX {
        chain.trade(1).await;
        if node.says("opportunity id=", MOMENT) {
            break;
        }
    }
    let told = run(["relay", "status", "--json", "--http", &page]);
    let status: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"));
    assert!(status["problem"].is_null() && status["stats"]["blocks"].as_u64() > Some(0), "{status}");
    assert_eq!(status["subscribers"].as_array().map(Vec::len), Some(1), "{status}");
    let shown = run(["relay", "status", "--http", &page]);
    for text in ["chain 31337", "logs_to_sequence", "problem   none", "uid "] {
        assert!(shown.stdout.contains(text), "{text}: {shown:?}");
    }
    let endpoint = chain.path("endpoint.txt");
    std::fs::write(&endpoint, "ws://127.0.0.1:1/hunter2\n").expect("our own folder");
    administer(&socket, &page, &status["subscribers"][0]["id"], endpoint.to_str().expect("UTF-8"));
    assert!(summary(&node.interrupt())["opportunities"].as_u64() > Some(0));
    let ran = relay.interrupt();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(!socket.exists(), "the socket is cleaned up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_log_nobody_reads_any_more_serves_on_and_ends_in_order() {
    let chain = Chain::start().await;
    let socket = chain.path("relay.sock");
    let mut relay = Running::start(chain.command(&["relay"], &[("RELAY__LISTEN_UNIX", &socket)]));
    relay.must_say("relaying");
    relay.go_deaf();
    let unix = socket.display().to_string();
    // Each is logged: the first line ends the reader, and the next ones have none.
    for _ in 0..5 {
        assert_eq!(run(["relay", "caution", "lift", "--unix", &unix]).code, Some(0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ran = relay.interrupt();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(!socket.exists(), "the socket is cleaned up");
}

/// Changes the relay while it runs, as its own user.
fn administer(socket: &Path, page: &str, subscriber: &Value, endpoint: &str) {
    let socket = socket.display().to_string();
    let act = |arguments: &[&str]| run(["relay"].iter().chain(arguments).copied().chain(["--unix", &socket]));
    assert!(status_of(page)["caution"].is_null());
    assert_eq!(act(&["caution", "lift"]).lines().join("").split(',').next(), Some("no caution was set"));
    let listed = act(&["node", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let [node, said] = listed.lines()[..] else { panic!("one node, and how it is followed: {listed:?}") };
    assert!(node.starts_with("ws://127.0.0.1:") && node.contains(": ready, head "), "{node}");
    assert_eq!(said, "followed alone: its word is compared with nobody's");
    for refused in [act(&["node", "remove", "ws://127.0.0.1"]), act(&["node", "add", endpoint])] {
        refused.must_fail(1, &["follows one node alone", "next: ", "chain.confirm_endpoints"]);
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    act(&["disconnect", "nobody"]).must_fail(1, &["no connection of that name", "next: "]);
    let ended = act(&["disconnect", &subscriber.to_string()]);
    assert_eq!((ended.code, ended.lines()), (Some(0), vec!["connections ended: 1"]), "{ended:?}");
}

fn status_of(page: &str) -> Value {
    let told = run(["relay", "status", "--json", "--http", page]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caution_outlives_the_relays_process_and_ends_where_it_is_lifted() {
    let chain = Chain::start().await;
    let (socket, dir) = (chain.path("relay.sock"), chain.path("feed"));
    let page: &Path = "127.0.0.1:0".as_ref();
    let settings = [("RELAY__LISTEN_UNIX", socket.as_path()), ("RELAY__LISTEN_HTTP", page)];
    let start = || {
        let arguments = ["relay", "--journal", dir.to_str().expect("UTF-8")];
        let mut relay = Running::start(chain.command(&arguments, &settings));
        relay.must_say("relaying");
        let page = relay.said.split("http=\"").nth(1).and_then(|said| said.split('"').next()).map(str::to_owned);
        (relay, page.expect("it is named"))
    };
    let unix = socket.display().to_string();
    let act = |verb| {
        let ran = run(["relay", "caution", verb, "--unix", &unix]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let (relay, _) = start();
    let said = act("set");
    assert!(said.contains("also after a restart"), "{said}");
    // Killed, and not told to stop.
    drop(relay);

    let (relay, page) = start();
    assert!(relay.said.contains("an operator's caution, set by uid "), "{}", relay.said);
    let by = status_of(&page)["operator_caution"]["by"].clone();
    assert!(by.as_str().is_some_and(|by| by.starts_with("uid ")), "{by}");
    let shown = run(["relay", "status", "--http", &page]);
    let line = format!("caution   an operator's: {} at 20", by.as_str().expect("text"));
    assert!(shown.stdout.contains(&line) && shown.stdout.contains("; subscribers are told Divergence"), "{shown:?}");
    assert!(shown.stdout.contains(" bytes, all written, last synced to disk "), "{shown:?}");
    let said = act("lift");
    assert!(said.contains("is lifted") && said.contains("uid "), "{said}");
    assert!(status_of(&page)["caution"].is_null());
    drop(relay);
    let (relay, page) = start();
    assert!(status_of(&page)["problem"].is_null() && !relay.said.contains("operator"), "{}", relay.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_chain_stops_the_start() {
    let chain = Chain::start().await;
    let socket = chain.path("relay.sock");
    let wrong: &Path = "1".as_ref();
    for arguments in [&["run"][..], &["run", "--live"], &["relay"]] {
        let settings = [("CHAIN__ID", wrong), ("RELAY__LISTEN_UNIX", socket.as_path())];
        let ran = end(chain.command(arguments, &settings));
        ran.must_fail(3, &["error: ", "31337", "next: ", "chain.id"]);
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_executor_that_the_command_prints_is_the_one_that_a_node_accepts() {
    use alloy::primitives::{Address, Bytes};
    use alloy::providers::Provider as _;
    use alphapulse_engine::execution::executor_code;

    let chain = Chain::start().await;
    let (owner, guardian) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let printed = chain
        .command(&["executor", "code", "--owner", &owner.to_string(), "--guardian", &guardian.to_string()], &[])
        .output()
        .expect("it runs");
    assert!(printed.status.success(), "{printed:?}");
    let code: Bytes = String::from_utf8(printed.stdout).expect("text").trim().parse().expect("hexadecimal");
    let node = &chain.testnet.node;
    let from = chain.testnet.deployment.deployer.address();
    let request = serde_json::json!({"from": from, "data": code, "gas": "0x4c4b40"});
    let hash: alloy::primitives::B256 = node.call("eth_sendTransaction", (request,)).await.expect("accepted");
    node.mine().await.expect("a block");
    let receipt = node.provider().get_transaction_receipt(hash).await.expect("answers").expect("included");
    let executor = receipt.contract_address.filter(|_| receipt.status()).expect("created");
    let deployed = node.provider().get_code_at(executor).await.expect("answers");
    assert!(executor_code::is_ours(&deployed));
    let ours = node.provider().get_code_at(chain.testnet.deployment.executor).await.expect("answers");
    assert_eq!(deployed.len(), ours.len());
    assert!(deployed != ours, "another owner and guardian");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_feed_is_whole_counted_and_looked_into() {
    const BLOCKS: usize = 5;
    let mut chain = Chain::start().await;
    let dir = chain.path("feed");
    let feed = dir.to_str().expect("UTF-8");
    let before = chain.testnet.node.block_number().await.expect("the chain answers");
    let mut record = Running::start(chain.command(&["record", feed], &[]));
    record.must_say("recording");
    assert!(!record.said.contains("relaying"), "it serves nobody: {}", record.said);
    chain.trade(BLOCKS).await;
    let look = || -> Value {
        serde_json::from_str(&crate::command::run(["journal", "stat", feed, "--json"]).stdout).expect("JSON")
    };
    // It may be looked into while it is written.
    let started = Instant::now();
    while look()["last_block"] != before + BLOCKS as u64 {
        assert!(started.elapsed() < PATIENCE, "the blocks are not recorded: {}", look());
    }
    let ran = record.interrupt();
    assert_eq!(ran.code, Some(130), "{ran:?}");

    let stat = look();
    assert_eq!(
        (&stat["first_block"], &stat["last_block"]),
        (&before.into(), &(before + BLOCKS as u64).into()),
        "{stat}"
    );
    assert_eq!(
        (&stat["by_kind"]["Block"], &stat["by_kind"]["BlockEnd"], &stat["epochs"]),
        (&5.into(), &5.into(), &1.into())
    );
    let verified = crate::command::run(["journal", "verify", feed]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let tail = crate::command::run(["journal", "tail", feed, "-n", "2", "--json"]);
    let records: Vec<Value> = tail.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((records.len(), &records[1]["record"]), (2, &"BlockEnd".into()));

    let segment = dir.join("00000000.apj");
    let mut bytes = std::fs::read(&segment).expect("the journal's first segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("ours");
    for verb in ["verify", "stat", "tail"] {
        crate::command::run(["journal", verb, feed]).must_fail(1, &["00000000.apj", "damaged at byte", "next: "]);
    }
    crate::command::run(["journal", "verify", "/nonexistent"]).must_fail(1, &["holds no journal", "next: "]);
}
