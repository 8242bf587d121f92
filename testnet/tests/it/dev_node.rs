//! The dev node's life: start, stop, restart, death, reorg.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder, WsConnect};
use alloy::rpc::types::TransactionRequest;
use alphapulse_testnet::{DevNode, DevNodeConfig, DevNodeError, Mining};

use crate::kit::kit;

const DEADLINE: Duration = Duration::from_secs(30);

async fn start(config: DevNodeConfig) -> DevNode {
    DevNode::start(&kit(), config).await.expect("dev node starts")
}

fn is_alive(process_id: u32) -> bool {
    let status = Command::new("kill").args(["-0", &process_id.to_string()]).output().expect("kill runs").status;
    status.success()
}

#[tokio::test]
async fn node_answers_on_ipc_and_websocket() {
    let node = start(DevNodeConfig { chain_id: 4242, ..DevNodeConfig::default() }).await;
    assert_eq!(node.provider().get_chain_id().await.expect("answers on IPC"), 4242);
    let websocket: DynProvider =
        ProviderBuilder::default().connect_ws(WsConnect::new(node.ws_url())).await.expect("connects").erased();
    assert_eq!(websocket.get_chain_id().await.expect("answers on WebSocket"), 4242);
    assert_eq!(node.accounts().len(), 10);
}

#[tokio::test]
async fn many_nodes_run_side_by_side() {
    let (a, b) = tokio::join!(start(DevNodeConfig::default()), start(DevNodeConfig::default()));
    assert_ne!(a.port(), b.port());
    assert_eq!(a.mine().await.expect("mines"), 1);
    assert_eq!(b.block_number().await.expect("answers"), 0);
}

#[tokio::test]
async fn dropped_node_is_gone() {
    let node = start(DevNodeConfig::default()).await;
    let process_id = node.process_id();
    assert!(is_alive(process_id));
    drop(node);
    assert!(!is_alive(process_id));
}

#[tokio::test]
async fn taken_port_is_an_error_that_says_so() {
    let first = start(DevNodeConfig::default()).await;
    let config = DevNodeConfig { port: first.port(), ..DevNodeConfig::default() };
    let error = DevNode::start(&kit(), config).await.expect_err("port is taken");
    let DevNodeError::NotStarted { output } = error else { panic!("unexpected {error:?}") };
    assert!(output.contains("in use"), "{output}");
}

#[tokio::test]
async fn stopped_node_goes_on_where_it_was_on_the_same_port() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let state = Some(folder.path().join("state.json"));
    let node = start(DevNodeConfig { state: state.clone(), ..DevNodeConfig::default() }).await;
    node.mine_many(3).await.expect("mines");
    let last = node.provider().get_block_by_number(3.into()).await.expect("answers").expect("block 3");
    let port = node.port();
    node.stop().expect("stops");

    let again = start(DevNodeConfig { state, port, ..DevNodeConfig::default() }).await;
    assert_eq!(again.port(), port);
    let block = again.provider().get_block_by_number(3.into()).await.expect("answers").expect("block 3");
    assert_eq!(block.header.hash, last.header.hash);
}

#[tokio::test]
async fn reorg_replaces_blocks_and_forgets_their_transactions() {
    let node = start(DevNodeConfig::default()).await;
    node.mine_many(5).await.expect("mines");
    let from = node.accounts()[0].address();
    let request =
        TransactionRequest::default().with_from(from).with_to(Address::repeat_byte(7)).with_value(U256::from(1));
    let hash: B256 = node.call("eth_sendTransaction", (request,)).await.expect("accepted");
    node.mine().await.expect("mines");
    let receipt = node.provider().get_transaction_receipt(hash).await.expect("answers").expect("included");
    let number = receipt.block_number.expect("mined");

    node.reorg(2).await.expect("reorganises");
    assert_eq!(node.block_number().await.expect("answers"), number);
    let replaced = node.provider().get_block_by_number(number.into()).await.expect("answers").expect("block");
    assert_ne!(Some(replaced.header.hash), receipt.block_hash);
    assert!(node.provider().get_transaction_receipt(hash).await.expect("answers").is_none());
}

#[tokio::test]
async fn snapshot_returns_to_the_state_it_was_taken_of() {
    let node = start(DevNodeConfig::default()).await;
    let account = Address::repeat_byte(9);
    let snapshot = node.snapshot().await.expect("remembers");
    node.set_balance(account, U256::from(5)).await.expect("sets");
    assert_eq!(node.provider().get_balance(account).await.expect("answers"), U256::from(5));
    assert!(node.revert(snapshot).await.expect("reverts"));
    assert_eq!(node.provider().get_balance(account).await.expect("answers"), U256::ZERO);
}

#[tokio::test]
async fn interval_mining_makes_blocks_by_itself() {
    let node =
        start(DevNodeConfig { mining: Mining::Interval(Duration::from_millis(200)), ..DevNodeConfig::default() }).await;
    let deadline = Instant::now() + DEADLINE;
    while node.block_number().await.expect("answers") < 2 {
        assert!(Instant::now() < deadline, "no block was made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn genesis_number_time_and_fee_are_taken() {
    let config = DevNodeConfig {
        number: Some(1000),
        timestamp: Some(1_700_000_000),
        base_fee: Some(7_000_000_000),
        gas_limit: Some(25_000_000),
        hardfork: Some("cancun".to_owned()),
        ..DevNodeConfig::default()
    };
    let node = start(config).await;
    node.set_next_timestamp(1_700_000_012).await.expect("sets");
    assert_eq!(node.mine().await.expect("mines"), 1001);
    let block = node.provider().get_block_by_number(1001.into()).await.expect("answers").expect("block");
    assert_eq!(block.header.timestamp, 1_700_000_012);
    assert_eq!(block.header.gas_limit, 25_000_000);
    let genesis = node.provider().get_block_by_number(1000.into()).await.expect("answers").expect("block");
    assert_eq!(genesis.header.base_fee_per_gas, Some(7_000_000_000));
}

/// Makes the test below into the process that holds a node.
const HOLDER_VARIABLE: &str = "ALPHAPULSE_TEST_HOLDS_NODE";

#[tokio::test]
async fn node_ends_when_its_owner_is_killed() {
    if std::env::var_os(HOLDER_VARIABLE).is_some() {
        let node = start(DevNodeConfig::default()).await;
        eprintln!("{}", node.process_id());
        std::future::pending::<()>().await;
    }
    let mut holder = Command::new(std::env::current_exe().expect("path of this test"))
        .args(["--exact", "dev_node::node_ends_when_its_owner_is_killed", "--nocapture"])
        .env(HOLDER_VARIABLE, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(holder.stderr.take().expect("piped")).lines();
    let process_id: u32 = lines.map_while(Result::ok).find_map(|line| line.parse().ok()).expect("holder starts a node");
    assert!(is_alive(process_id));
    holder.kill().expect("kills");
    holder.wait().expect("waits");
    let deadline = Instant::now() + DEADLINE;
    while is_alive(process_id) {
        assert!(Instant::now() < deadline, "node {process_id} outlived its owner");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
