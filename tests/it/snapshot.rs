//! `alphapulse snapshot` of a chain with the real contracts: what it writes quotes as the contracts do, whatever happens meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use alloy::network::TransactionBuilder as _;
use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, U160, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alphapulse_strategies::snapshot::{PoolForm, Query, Snapshot};
use alphapulse_testnet::contracts::abi::{IQuoterV2, IV2Pair, IV2Router};
use alphapulse_testnet::{Deployment, DevNode, DevNodeConfig, Kit, Layout, PoolKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::command::{Ran, alphapulse, folder, run};
use crate::running::PATIENCE;

struct Scene {
    node: DevNode,
    deployment: Deployment,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let kit = Kit::ensure(&mut |line| eprintln!("{line}")).expect("the kit installs");
        let node = DevNode::start(&kit, DevNodeConfig::default()).await.expect("dev node starts");
        let deployment = Deployment::create(&kit, &node, &Layout::standard()).await.expect("contracts deploy");
        let scene = Self { node, deployment, folder: folder() };
        let pools = scene.deployment.pools.iter().map(|pool| match pool.kind {
            PoolKind::V2 => format!("{} fee_ppm={} # a pair\n", pool.address, pool.fee_ppm),
            PoolKind::V3 { .. } => format!("{}\n", pool.address),
        });
        fs::write(scene.path("pools.txt"), pools.collect::<String>()).expect("a file");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn call<C: SolCall>(&self, to: Address, call: C) -> C::Return {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let answer = self.node.provider().call(request).await.expect("the contract answers");
        C::abi_decode_returns(&answer).expect("by its ABI")
    }

    /// Runs the command on the file of pools.
    async fn snapshot(&self, rpc: &str, out: &str) -> Ran {
        let arguments =
            ["snapshot", "--rpc", rpc, "--pools", &text(&self.path("pools.txt")), "--out", &text(&self.path(out))]
                .map(str::to_owned);
        tokio::task::spawn_blocking(move || run(arguments)).await.expect("the command runs")
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn load(path: &Path) -> Snapshot {
    Snapshot::from_bytes(&fs::read(path).expect("a file")).expect("a snapshot")
}

fn quote(snapshot: &Snapshot, pool: Address, token_in: Address, token_out: Address, amount: U256) -> U256 {
    let line = format!(
        r#"{{"pool":"{pool:#x}","token_in":"{token_in:#x}","token_out":"{token_out:#x}","amount_in":"{amount}"}}"#
    );
    let answer = snapshot.quote(&Query::from_line(line.as_bytes()).expect("a query")).to_string();
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["amount_out"].as_str().unwrap_or_else(|| panic!("{line}: {answer}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_the_node_gives_the_same_file_and_it_quotes_as_the_contracts_do() {
    let scene = Scene::start().await;
    let http = format!("{}/?key=hunter2", scene.node.http_url());
    let ran = scene.snapshot(&http, "http.json").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    for (rpc, out) in [(scene.node.ws_url(), "ws.json"), (text(scene.node.ipc_path()), "ipc.json.gz")] {
        let ran = scene.snapshot(&rpc, out).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let written = fs::read(scene.path("http.json")).expect("a file");
    assert_eq!(fs::read(scene.path("ws.json")).expect("a file"), written);
    let snapshot = load(&scene.path("ipc.json.gz"));
    assert_eq!(snapshot.pools, load(&scene.path("http.json")).pools);
    assert_eq!(snapshot.pools.len(), scene.deployment.pools.len());
    assert!(!scene.path("http.json.part").exists());
    let mut quotes = 0;
    for pool in &scene.deployment.pools {
        for token_in in [pool.token_0, pool.token_1] {
            let token_out = pool.other(token_in);
            for amount in [1_000_u64, 7_654_321, 1_234_567_890_123].map(U256::from) {
                let expected = match pool.kind {
                    PoolKind::V2 => {
                        let reserves = scene.call(pool.address, IV2Pair::getReservesCall {}).await;
                        let reserves = [reserves.reserve0, reserves.reserve1].map(U256::from);
                        let [from, to] = if token_in == pool.token_0 { reserves } else { [reserves[1], reserves[0]] };
                        if pool.fee_ppm != 3_000 {
                            // No router of this venue is there: its pair's own rule.
                            let paid = amount * U256::from(1_000_000 - pool.fee_ppm);
                            paid * to / (from * U256::from(1_000_000) + paid)
                        } else {
                            let call =
                                IV2Router::getAmountOutCall { amountIn: amount, reserveIn: from, reserveOut: to };
                            scene.call(scene.deployment.router, call).await
                        }
                    }
                    PoolKind::V3 { .. } => {
                        let params = IQuoterV2::QuoteExactInputSingleParams {
                            tokenIn: token_in,
                            tokenOut: token_out,
                            amountIn: amount,
                            fee: U24::from(pool.fee_ppm),
                            sqrtPriceLimitX96: U160::ZERO,
                        };
                        scene
                            .call(scene.deployment.quoter, IQuoterV2::quoteExactInputSingleCall { params })
                            .await
                            .amountOut
                    }
                };
                assert_eq!(quote(&snapshot, pool.address, token_in, token_out, amount), expected, "{pool:?} {amount}");
                quotes += 1;
            }
        }
    }
    assert!(quotes >= 100, "{quotes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_names_its_pools_and_what_cannot_be_read_is_left_out_aloud() {
    let scene = Scene::start().await;
    let rpc = scene.node.http_url();
    let venue = |index: u16| format!("{:#x}", scene.deployment.venues[usize::from(index)].factory);
    let is_v3 = |pool: &&alphapulse_testnet::Pool| matches!(pool.kind, PoolKind::V3 { .. });
    let out = text(&scene.path("v3.json"));
    let arguments = ["snapshot", "--rpc", &rpc, "--factory", &venue(2), "--from-block", "0", "--out", &out];
    let ran = run(arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let expected = scene.deployment.pools.iter().filter(is_v3).count();
    assert_eq!(load(&scene.path("v3.json")).pools.len(), expected);
    // Pairs do not tell their fee. A file of no pools does not take the place of one that has some.
    let arguments = ["snapshot", "--rpc", &rpc, "--factory", &venue(0), "--out", &out];
    run(arguments).must_fail(1, &["does not tell its fee", "none of", "--fee-ppm"]);
    assert_eq!(load(&scene.path("v3.json")).pools.len(), expected);
    let ran = run(arguments.into_iter().chain(["--fee-ppm", "3000"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(load(&scene.path("v3.json")).pools.iter().all(|pool| matches!(pool.form, PoolForm::Sound { .. })));
    // A pool that is none, and a factory that is none.
    fs::write(scene.path("pools.txt"), format!("{:#x}\n", scene.deployment.router)).expect("a file");
    let ran = scene.snapshot(&rpc, "none.json").await;
    ran.must_fail(1, &["no pool of a kind that is known", "next: "]);
    run(["snapshot", "--rpc", &rpc, "--factory", &venue(2), "--out", "-"]).must_fail(2, &["next: "]);
    run(["snapshot", "--rpc", &rpc, "--factory", &format!("{:#x}", scene.deployment.router), "--out", &out])
        .must_fail(1, &["made no pools", "next: "]);
}

/// A way to the node on which the ticks of pools are never answered.
async fn without_ticks(port: u16) -> (String, Arc<AtomicBool>) {
    let artifact = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/relay/contracts/TickScan.json"));
    let artifact: Value = serde_json::from_str(&artifact.expect("an artifact")).expect("JSON");
    let code = artifact["bytecode"].as_str().expect("code")[..200].to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_asked);
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let (code, mut request, mut piece) = (code.clone(), Vec::new(), [0; 65_536]);
            loop {
                let read = client.read(&mut piece).await.expect("a request");
                request.extend(&piece[..read]);
                let text = String::from_utf8_lossy(&request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
                if body.len() >= length.parse::<usize>().expect("a number") {
                    break;
                }
            }
            if String::from_utf8_lossy(&request).contains(&code) {
                asked.store(true, Ordering::SeqCst);
                held.push(client);
                continue;
            }
            tokio::spawn(async move {
                let mut node = TcpStream::connect(("127.0.0.1", port)).await.expect("the node");
                node.write_all(&request).await.expect("it takes a request");
                // Whoever was killed needs no answer.
                let _ = tokio::io::copy(&mut node, &mut client).await;
            });
        }
    });
    (url, is_asked)
}

/// Lines of the file, the torn last one not counted.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.matches('\n').count())
}

async fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if is_there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_where_it_ended_and_gives_the_same_file() {
    let scene = Scene::start().await;
    assert_eq!(scene.snapshot(&scene.node.http_url(), "whole.json").await.code, Some(0));
    let (slow, is_asked) = without_ticks(scene.node.port()).await;
    let pairs = scene.deployment.pools.iter().filter(|pool| matches!(pool.kind, PoolKind::V2)).count();
    let (out, part) = (scene.path("killed.json"), scene.path("killed.json.part"));
    let pools = text(&scene.path("pools.txt"));
    for signal in ["-KILL", "-INT"] {
        is_asked.store(false, Ordering::SeqCst);
        let mut command = alphapulse();
        command.args(["snapshot", "--rpc", &slow, "--pools", &pools, "--out", &text(&out)]);
        let mut child = command.spawn().expect("the command starts");
        wait_for("all pairs read", || lines(&part) == pairs + 1 && is_asked.load(Ordering::SeqCst)).await;
        // Another block is the head now: it goes on at the one that it began with.
        scene.node.mine().await.expect("a block");
        let killed = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        let status = thread::spawn(move || child.wait()).join().expect("no panic").expect("it ended");
        assert_eq!(status.code(), if signal == "-INT" { Some(130) } else { None });
        assert!(!out.exists());
        // As a kill in the middle of a write leaves it.
        let mut torn = fs::OpenOptions::new().append(true).open(&part).expect("a file");
        torn.write_all(br#"{"pool":"0x12"#).expect("room");
    }
    // What it was not begun with is refused.
    let all = fs::read_to_string(scene.path("pools.txt")).expect("a file");
    let fewer: String = all.lines().skip(1).map(|line| format!("{line}\n")).collect();
    fs::write(scene.path("pools.txt"), fewer).expect("a file");
    scene
        .snapshot(&scene.node.http_url(), "killed.json")
        .await
        .must_fail(2, &["killed.json.part was begun with another list of pools", "next: remove"]);
    fs::write(scene.path("pools.txt"), all).expect("a file");
    let ran = scene.snapshot(&scene.node.http_url(), "killed.json").await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("{pairs} of {} pools were read before", scene.deployment.pools.len())),
        "{ran:?}"
    );
    assert_eq!(fs::read(&out).expect("a file"), fs::read(scene.path("whole.json")).expect("a file"));
    assert!(!part.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_gone_is_not_gone_on_with() {
    let scene = Scene::start().await;
    let before: Value = scene.node.provider().raw_request("evm_snapshot".into(), ()).await.expect("a snapshot");
    scene.node.mine().await.expect("a block");
    let (slow, is_asked) = without_ticks(scene.node.port()).await;
    let (out, part) = (scene.path("gone.json"), scene.path("gone.json.part"));
    let mut command = alphapulse();
    command.args(["snapshot", "--rpc", &slow, "--pools", &text(&scene.path("pools.txt")), "--out", &text(&out)]);
    let mut child = command.spawn().expect("the command starts");
    wait_for("pools read", || lines(&part) > 2 && is_asked.load(Ordering::SeqCst)).await;
    child.kill().expect("it is there");
    child.wait().expect("it ended");
    let _: bool = scene.node.provider().raw_request("evm_revert".into(), (before,)).await.expect("taken back");
    scene
        .snapshot(&scene.node.http_url(), "gone.json")
        .await
        .must_fail(1, &["does not know block", "gone.json.part was begun with", "next: remove"]);
    fs::remove_file(&part).expect("it is kept");
    assert_eq!(scene.snapshot(&scene.node.http_url(), "gone.json").await.code, Some(0));
}

#[test]
fn wrong_arguments_are_named_and_no_key_is_repeated() {
    let folder = folder();
    let out = text(&folder.path().join("out.json"));
    let pools = folder.path().join("pools.txt");
    fs::write(&pools, "0x1111111111111111111111111111111111111111\nrubbish\n").expect("a file");
    let pools = text(&pools);
    run(["snapshot", "--rpc", "http://h", "--out", &out]).must_fail(2, &["--pools"]);
    run(["snapshot", "--rpc", "http://h", "--pools", &pools, "--out", &out]).must_fail(2, &["line 2", "rubbish"]);
    let ran = run(["snapshot", "--rpc", "ftp://u:hunter2@h/hunter2", "--pools", &pools, "--out", &out]);
    ran.must_fail(2, &["http://"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    fs::write(folder.path().join("pools.txt"), "0x1111111111111111111111111111111111111111\n").expect("a file");
    let ran = run(["snapshot", "--rpc", "http://127.0.0.1:9/hunter2", "--pools", &pools, "--out", &out]);
    ran.must_fail(1, &["the node cannot be reached", "no connection", "next: check that the node runs"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
}
