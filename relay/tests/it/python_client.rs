//! A client in another language, written from the page alone, ends with the relay's own state.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::{PoolKind, PoolTrust, Role};
use alphapulse_protocol::replica::{PoolState, Replica};
use alphapulse_relay::{Access, KeyGrant, Relay, RelayConfig, Roles};
use serde_json::{Value, json};

use super::fake_chain::FakeChain;
use super::fake_market::{Change, Pair};
use super::scene::secret_file;
use super::subscriber::{Subscriber, config, following};
use super::tls::certify;
use super::truth_scene::{POOLS, Scene};

/// Messages that the client follows at the least.
const MESSAGES: u64 = 10_000;
/// After so many it is cut off, and stays away for as long as a hundred blocks take.
const DROP_AFTER: u64 = 3_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn client() -> Command {
    let mut command = Command::new("python3");
    command.arg(repository().join("docs/examples/relay_client.py"));
    command
}

/// Whether the test can run; says loudly when not.
fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("ignored: no python3, so the example client is not run");
    }
    has
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The mirror as the client prints its own.
fn state(replica: &Replica) -> Value {
    let context = replica.context().unwrap();
    let pools = replica.pools().iter().zip(replica.states()).map(|(info, state)| {
        let mut pool = json!({
            "address": hex(&info.address), "kind": info.kind as u8, "fee_ppm": info.fee.0,
            "tokens": [info.tokens[0].0, info.tokens[1].0],
        });
        match state {
            PoolState::V2(v2) => pool["reserves"] = json!([v2.reserve_0.to_string(), v2.reserve_1.to_string()]),
            PoolState::V3(v3) => {
                assert_eq!(info.kind, PoolKind::UniswapV3);
                pool["known_ticks"] = json!([info.known_ticks.0, info.known_ticks.1]);
                pool["tick_spacing"] = json!(info.tick_spacing);
                pool["sqrt_price_x96"] = json!(v3.sqrt_price_x96.to_string());
                pool["tick"] = json!(v3.tick);
                pool["liquidity"] = json!(v3.liquidity.to_string());
                let ticks = v3.ticks.iter();
                pool["ticks"] = ticks
                    .map(|tick| json!([tick.tick, tick.liquidity_net.to_string(), tick.liquidity_gross.to_string()]))
                    .collect();
            }
            other => panic!("the chain has no pool of {other:?}"),
        }
        pool
    });
    let tokens = replica.tokens().iter();
    let tokens =
        tokens.map(|token| json!({"address": hex(&token.address), "decimals": token.decimals, "symbol": token.symbol}));
    json!({
        "block": {"hash": hex(&context.hash), "number": context.number.get()},
        "chain_id": replica.chain_id().0, "epoch": replica.epoch().0, "sequence": replica.sequence().0,
        "is_tradable": replica.is_tradable(), "phase": "whole",
        "pools": tradable(replica, pools.collect()), "tokens": tokens.collect::<Vec<_>>(),
    })
}

/// The same with whether each may be traded on now.
fn tradable(replica: &Replica, mut pools: Vec<Value>) -> Vec<Value> {
    for (pool, id) in pools.iter_mut().zip((0..).map(PoolId)) {
        pool["is_tradable"] = json!(replica.is_tradable() && replica.state(id).is_some());
    }
    pools
}

fn busy(salt: u64) -> Vec<Change> {
    let each = |at: u64| {
        let bits = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(u32::try_from(at).unwrap());
        match at % 3 {
            0 => Change::Mint { lower: i32::try_from(bits % 20).unwrap() - 10, width: 3, amount: bits >> 24 | 1 },
            1 => Change::Swap { tick: i32::try_from(bits % 1800).unwrap() - 900 },
            _ => Change::Burn { position: usize::try_from(bits % 8).unwrap(), is_whole: bits % 16 < 8 },
        }
    };
    let index = usize::try_from(salt).unwrap();
    let reserves = (u128::from(salt) + 1, 7);
    let created = [Change::SyncCreated { index, reserves }, Change::Create { pair: Pair::New, reserves }];
    // A factory makes a pair now and then, also in blocks that are taken back.
    let created = created.into_iter().take(if salt.is_multiple_of(5) { 2 } else { 1 });
    (0..40).map(each).chain(created).collect()
}

async fn mine(chain: &FakeChain, mirror: &mut Subscriber, salt: u64) {
    chain.announce(chain.mine(&busy(salt)));
    mirror.settle(chain).await;
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs the client against the relay until that ends; gives what it printed.
fn spawn(socket: &Path) -> Child {
    let mut command = client();
    command.arg("--unix").arg(socket).args(["--drop-after", &DROP_AFTER.to_string(), "--pause", "0.5", "--quiet"]);
    command.arg("--until-shutdown");
    command.stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn it_joins_late_follows_is_cut_off_recovers_and_holds_the_relays_state() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let config =
        RelayConfig { listen_unix: Some(socket.clone()), lane_bytes: 1 << 21, recent_bytes: 1 << 21, ..following() };
    let chain = FakeChain::new();
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let mut mirror = Subscriber::join(&relay);
    for salt in 0..20 {
        mine(&chain, &mut mirror, salt).await;
    }
    let client = spawn(&socket);
    wait_for("the client's join", || relay.stats().joins == 2).await;
    let joined_at = mirror.replica.sequence().0;
    let mut salt = 1_000;
    while mirror.replica.sequence().0 < joined_at + MESSAGES || relay.stats().gaps_replayed == 0 {
        mine(&chain, &mut mirror, salt).await;
        salt += 1;
        assert!(salt < 10_000, "the client does not come back: {:?}", relay.stats());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    chain.rollback(3);
    for salt in 0..5 {
        mine(&chain, &mut mirror, salt).await;
    }
    let stats = relay.stats();
    relay.stop().await.unwrap();
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (key, value) in state(&mirror.replica).as_object().unwrap() {
        assert_eq!(&printed[key], value, "{key}");
    }
    assert!(printed["live_messages"].as_u64().unwrap() >= MESSAGES, "{printed}");
    assert_eq!(printed["joins"], 2);
    assert_eq!(printed["snapshots"], 1, "the gap was repaired by a replay");
    let gap = &printed["gaps"][0];
    assert_eq!((&gap["recovery"], &gap["reason"]), (&json!(1), &json!(2)), "{printed}");
    assert_eq!(stats.evicted, 0);
}

#[tokio::test]
async fn it_knows_when_a_pool_cannot_be_believed_and_holds_what_is_told_anew_also_after_a_reorg() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let config = RelayConfig { listen_unix: Some(socket.clone()), sample_pools: POOLS, ..config() };
    let mut scene = Scene::with(config).await;
    let mut command = client();
    command.arg("--unix").arg(&socket).args(["--progress", "0", "--until-shutdown"]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the client's join", || scene.relay.stats().joins == 2).await;
    scene.reader.blind = vec![2];
    scene.mine(&[Change::HiddenMint { lower: 20, width: 5, amount: 9 }]).await;
    scene.mine_until("the way back", |reader, _| reader.said.last() == Some(&(2, PoolTrust::Trusted))).await;
    // What told it anew is among these blocks, or right below them.
    scene.chain.rollback(2);
    scene.mine(&[Change::Sync { pool: 1, reserves: (4, 4) }]).await;
    scene.mine_until("all is well", |reader, _| reader.quarantined().is_empty()).await;
    // The last word is of a pool that is in quarantine: nothing is sampled any more.
    scene.shut(0, Change::HiddenSync { pool: 0, reserves: (5, 6) }).await;
    let Scene { relay, mut reader, chain } = scene;
    relay.stop().await.unwrap();
    reader.read_to_end(&chain).await;
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (key, value) in state(&reader.replica).as_object().unwrap() {
        assert_eq!(&printed[key], value, "{key}");
    }
    assert_eq!((&printed["quarantined"], &printed["snapshots"]), (&json!(reader.quarantined()), &json!(1)));
    assert_eq!(printed["pools"][0]["is_tradable"], json!(false), "{printed}");
    assert_eq!(printed["pools"][1]["is_tradable"], printed["is_tradable"], "{printed}");
    // And it said so when it heard of it.
    let said = String::from_utf8(output.stderr).unwrap();
    let [first, second] = [2, 0].map(|id: usize| format!("pool {id} ({})", hex(&reader.replica.pools()[id].address)));
    let ways = [" is in quarantine, not to be traded on: differs", " is told anew", " was found equal"];
    for words in ways {
        assert!(said.contains(&format!("{first}{words}")), "{words}: {said}");
    }
    assert!(said.contains(&format!("{second}{}", ways[0])) && said.contains("(state)"), "{said}");
    assert!(said.contains("tradable but for 1 in quarantine"), "{said}");
}

#[tokio::test]
async fn it_joins_a_relay_again_that_is_restarted_and_tells_gaps_in_words() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let chain = FakeChain::new();
    let start = || Relay::start_from(RelayConfig { listen_unix: Some(socket.clone()), ..following() }, chain.clone());
    let relay = start().await.unwrap();
    let mut mirror = Subscriber::join(&relay);
    let mut command = client();
    command.arg("--unix").arg(&socket).args(["--messages", "300"]);
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the client's join", || relay.stats().joins == 2).await;
    mine(&chain, &mut mirror, 1).await;
    // `Shutdown`, and for a moment nobody is there.
    relay.stop().await.unwrap();
    let relay = start().await.unwrap();
    let mut mirror = Subscriber::join(&relay);
    wait_for("the client's return", || relay.stats().joins == 2).await;
    let mut salt = 10;
    while client.try_wait().unwrap().is_none() {
        mine(&chain, &mut mirror, salt).await;
        salt += 1;
        assert!(salt < 10_000, "the client does not end: {:?}", relay.stats());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["joins"], &printed["is_tradable"]), (&json!(2), &json!(true)), "{printed}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the relay closed: Shutdown") && said.contains("joining again"), "{said}");
    let gap = said.lines().find(|line| line.starts_with("gap: ")).unwrap_or_else(|| panic!("no gap: {said}"));
    let words = ["missed: the relay began a new epoch", "a snapshot of the whole state follows"];
    assert!(words.iter().all(|words| gap.contains(words)) && !gap.contains('{'), "{gap}");
}

/// Runs the client until it has followed so much.
async fn followed(more: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let chain = FakeChain::new();
    let config = RelayConfig { listen_unix: Some(socket.clone()), ..following() };
    let relay = Relay::start_from(config, chain.clone()).await.unwrap();
    let mut mirror = Subscriber::join(&relay);
    let mut command = client();
    command.arg("--unix").arg(&socket).args(["--messages", "300"]).args(more);
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the client's join", || relay.stats().joins == 2).await;
    let mut salt = 0;
    while client.try_wait().unwrap().is_none() {
        mine(&chain, &mut mirror, salt).await;
        salt += 1;
        assert!(salt < 10_000, "the client does not end: {:?}", relay.stats());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    relay.stop().await.unwrap();
    let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[tokio::test]
async fn it_tells_how_far_it_is_on_stderr_unless_it_is_to_be_quiet() {
    if !has_python() {
        return;
    }
    // A line for each message: a test waits for no clock.
    let output = followed(&["--progress", "0"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("joined: chain 31337, "), "{said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("block ")).collect();
    let counts: Vec<u64> =
        lines.iter().map(|line| line.split(", ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.is_sorted() && counts.last().is_some_and(|last| *last >= 290), "{said}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(printed["live_messages"].as_u64().unwrap() >= 300, "{printed}");

    let quiet = followed(&["--progress", "0", "--quiet"]).await;
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
    serde_json::from_slice::<Value>(&quiet.stdout).unwrap();
}

/// Runs the client against a relay that wants a key, in TLS, until it has followed a little.
fn spawn_with_key(address: SocketAddr, folder: &Path, key: &str) -> Child {
    let mut command = client();
    command.arg("--tcp").arg(address.to_string()).args(["--tls-name", "relay.test", "--messages", "100", "--quiet"]);
    command.arg("--tls-ca").arg(folder.join("relay.pem"));
    command.arg("--key-file").arg(format!("reader:{}", folder.join(key).display()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn it_proves_a_key_through_tls_and_is_refused_with_another() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = secret_file(folder.path().join("right"), &"5a".repeat(32));
    secret_file(folder.path().join("wrong"), &"5b".repeat(32));
    let key = KeyGrant { name: "reader".into(), file, roles: Roles::of(&[Role::Subscribe]) };
    let access = Access { keys: vec![key], tls: Some(certify(folder.path()).0), ..Access::default() };
    let listen_tcp = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let chain = FakeChain::new();
    let relay = Relay::start_from(RelayConfig { listen_tcp, access, ..following() }, chain.clone()).await.unwrap();
    let address = relay.tcp_addr().unwrap();
    let mut mirror = Subscriber::join(&relay);
    let mut right = spawn_with_key(address, folder.path(), "right");
    let wrong = spawn_with_key(address, folder.path(), "wrong");
    wait_for("the client's join", || relay.stats().joins == 2).await;
    let mut salt = 0;
    while right.try_wait().unwrap().is_none() {
        mine(&chain, &mut mirror, salt).await;
        salt += 1;
        assert!(salt < 10_000, "the client does not end: {:?}", relay.stats());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ended = |client: Child| tokio::task::spawn_blocking(move || client.wait_with_output().unwrap());
    let (right, wrong) = (ended(right).await.unwrap(), ended(wrong).await.unwrap());
    assert!(right.status.success(), "{right:?}");
    let printed: Value = serde_json::from_slice(&right.stdout).unwrap();
    assert_eq!((&printed["joins"], &printed["is_tradable"]), (&json!(1), &json!(true)), "{printed}");
    assert!(printed["live_messages"].as_u64().unwrap() >= 100, "{printed}");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success() && said.contains("Unauthorized"), "{said}");
    assert_eq!(relay.stats().unauthorized, 1);
}

#[tokio::test]
async fn it_prints_the_state_that_it_holds_when_it_is_told_to_end() {
    if !has_python() {
        return;
    }
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("relay.sock");
        let chain = FakeChain::new();
        let config = RelayConfig { listen_unix: Some(socket.clone()), ..following() };
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        let mut mirror = Subscriber::join(&relay);
        let mut command = client();
        command.arg("--unix").arg(&socket).args(["--progress", "0"]);
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        for salt in 0..3 {
            mine(&chain, &mut mirror, salt).await;
        }
        // Until it has the last block, which it says.
        let head = format!("block {}, ", chain.head().number);
        let mut stderr = BufReader::new(client.stderr.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.starts_with(&head) {
                line.clear();
                assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended early");
            }
            stderr
        });
        let _stderr = reading.await.unwrap();
        let kill = format!("kill -{signal} {}", client.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let output = tokio::task::spawn_blocking(move || client.wait_with_output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal}: {output:?}");
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        for (key, value) in state(&mirror.replica).as_object().unwrap() {
            assert_eq!(&printed[key], value, "{signal}: {key}");
        }
        relay.stop().await.unwrap();
    }
}

#[test]
fn it_reads_the_golden_bytes() {
    if !has_python() {
        return;
    }
    let golden = repository().join("protocol/tests/golden");
    let output = client().arg("--self-test").arg(golden).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
