//! The account that signs is ours alone, and the contract that it calls is ours.

use std::path::Path;

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alphapulse_engine::node::{Node, NodeError, NodeStatus};
use alphapulse_testnet::DevNode;
use alphapulse_testnet::session::{Session, SessionOptions, Testnet};

use crate::kit::kit;

const SEED: u64 = 5;
const ROUNDS: usize = 6;

async fn start(folder: &Path) -> Session {
    let options = SessionOptions::standard(SEED, Some(folder.join("1")));
    Session::start(&kit(), options, &mut |_| {}).await.expect("a session starts")
}

async fn rounds(session: &mut Session) -> NodeStatus {
    for _ in 0..ROUNDS {
        session.round().await.expect("a round");
    }
    session.node().status().await.expect("the node lives")
}

/// Starts a node beside the run of an earlier one.
async fn start_again(testnet: &Testnet, folder: &Path) -> Result<Node, NodeError> {
    let config = testnet.config(&testnet.node.ws_url()).expect("configuration is good");
    let options = testnet.options(Some(folder.join("2")), SEED).expect("password file is there");
    Node::start(config, options).await
}

/// A transfer of nothing, sent with the account's key by someone who is not the node. It pays less than the node's trades:
/// the dev node orders a block by fees, and drops what comes before its nonce.
async fn use_the_key(node: &DevNode, owner: Address) {
    let head = node.provider().get_block(BlockId::latest()).await.expect("the chain answers").expect("a head");
    // What the next block can ask for at most.
    let fee_max = u128::from(head.header.base_fee_per_gas.expect("a base fee")) * 9 / 8 + 1;
    node.impersonate_all().await.expect("the node obeys");
    let nonce = node.provider().get_transaction_count(owner).pending().await.expect("the chain answers");
    let request = TransactionRequest::default().with_from(owner).with_to(owner).with_value(U256::ZERO);
    let request = request.with_nonce(nonce).with_gas_limit(21_000).with_max_fee_per_gas(fee_max);
    let request = request.with_max_priority_fee_per_gas(1);
    let _: B256 = node.call("eth_sendTransaction", (request,)).await.expect("accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_someone_else_stops_trading() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut session = start(folder.path()).await;
    let before = rounds(&mut session).await;
    assert!(before.halted.is_none() && before.totals.included > 0, "{before:?}");
    let testnet = session.testnet();
    use_the_key(&testnet.node, testnet.deployment.owner.address()).await;
    let after = rounds(&mut session).await;
    let reason = after.halted.expect("trading stopped");
    assert!(reason.contains("another program uses"), "{reason}");
    let later = rounds(&mut session).await;
    assert_eq!(later.totals.submitted, after.totals.submitted, "and stays so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_leased_nonces_and_refuses_a_key_that_was_used_meanwhile() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut session = start(folder.path()).await;
    rounds(&mut session).await;
    while session.node().status().await.expect("the node lives").totals.unknown > 0 {
        session.quiet_round().await.expect("a round");
    }
    let (testnet, _) = session.stop().await.expect("an orderly end");
    let node = start_again(&testnet, folder.path()).await.expect("the same key on the same chain");
    node.stop().await.expect("an orderly end");
    std::fs::remove_dir_all(folder.path().join("2")).expect("ours");

    use_the_key(&testnet.node, testnet.deployment.owner.address()).await;
    testnet.node.mine().await.expect("a block");
    let refused = start_again(&testnet, folder.path()).await.err().expect("a foreign count");
    assert!(matches!(refused, NodeError::Nonce(_)), "{refused}");
    assert!(refused.to_string().contains("another program uses its key"), "one is enough: {refused}");

    let config = testnet.config(&testnet.node.ws_url()).expect("configuration is good");
    let mut options = testnet.options(Some(folder.path().join("3")), SEED).expect("password file is there");
    options.is_account_use_confirmed = true;
    let node = Node::start(config, options).await.expect("the operator says that it was he");
    node.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_only_resembles_the_executor_is_not_called() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let session = start(folder.path()).await;
    let (testnet, _) = session.stop().await.expect("an orderly end");
    let executor = testnet.deployment.executor;
    let mut code = testnet.node.provider().get_code_at(executor).await.expect("the chain answers").to_vec();
    *code.last_mut().expect("there is code") ^= 1;
    testnet.node.set_code(executor, Bytes::from(code)).await.expect("the node obeys");
    let refused = start_again(&testnet, folder.path()).await.err().expect("another code");
    assert!(refused.to_string().contains("its code is not that of this version"), "{refused}");
}
