//! A dev node that begins with a chain's state, and the command that reads it.

use std::fs;
use std::process::Command;

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alphapulse_strategies::snapshot::{PoolForm, Query, Snapshot};
use alphapulse_testnet::{DevNode, DevNodeConfig, Kit, Mining};
use serde_json::{Value, json};

use crate::chain::OWNER;

/// Gas for creating and filling a pool.
const GAS: u64 = 12_000_000;

pub(crate) struct Scene {
    pub(crate) node: DevNode,
    folder: tempfile::TempDir,
}

impl Scene {
    /// A node that begins with these accounts, each transaction a block.
    pub(crate) async fn start(accounts: Value, timestamp: u64) -> Self {
        let kit = Kit::ensure(&mut |_| {}).expect("the kit installs");
        let folder = tempfile::tempdir().expect("a place for temporary files");
        let genesis = folder.path().join("genesis.json");
        let document = json!({
            "config": {"chainId": 1}, "nonce": "0x0", "timestamp": format!("{timestamp:#x}"), "extraData": "0x",
            "gasLimit": "0x1c9c380", "difficulty": "0x0", "mixHash": format!("0x{}", "00".repeat(32)),
            "coinbase": format!("0x{}", "00".repeat(20)), "alloc": accounts,
        });
        fs::write(&genesis, document.to_string()).expect("a file");
        let config = DevNodeConfig {
            chain_id: 1,
            genesis: Some(genesis),
            timestamp: Some(timestamp),
            mining: Mining::Auto,
            ..DevNodeConfig::default()
        };
        let node = DevNode::start(&kit, config).await.expect("dev node starts");
        node.impersonate_all().await.expect("the node obeys");
        node.set_balance(OWNER, U256::from(10_u128.pow(24))).await.expect("the node obeys");
        Self { node, folder }
    }

    pub(crate) async fn send<C: SolCall>(&self, to: Address, call: &C) -> TransactionReceipt {
        let request = TransactionRequest::default().with_from(OWNER).with_to(to).with_input(call.abi_encode());
        let request = request.with_gas_limit(GAS);
        let sent = self.node.provider().send_transaction(request).await.expect("the node takes it");
        let receipt = sent.get_receipt().await.expect("it is in a block");
        assert!(receipt.status(), "{} reverted", C::SIGNATURE);
        receipt
    }

    /// What a contract answers now, or none where it refuses.
    pub(crate) async fn try_call<C: SolCall>(&self, to: Address, call: &C) -> Option<C::Return> {
        let request = TransactionRequest::default().with_from(OWNER).with_to(to).with_input(call.abi_encode());
        let answer = self.node.provider().call(request).await.ok()?;
        Some(C::abi_decode_returns(&answer).expect("by its ABI"))
    }

    /// Transactions one after the other on the newest block, made and forgotten: of each, whether it went through, and its logs.
    pub(crate) async fn simulate(&self, calls: &[Value]) -> Vec<(bool, Value)> {
        let blocks = json!([{"blockStateCalls": [{"calls": calls}]}, "latest"]);
        let simulated = self.raw("eth_simulateV1", blocks).await;
        let results = simulated[0]["calls"].as_array().unwrap_or_else(|| panic!("{simulated}"));
        results.iter().map(|result| (result["status"] == "0x1", result["logs"].clone())).collect()
    }

    pub(crate) async fn raw(&self, method: &'static str, parameters: Value) -> Value {
        self.node.provider().raw_request(method.into(), parameters).await.expect("the node obeys")
    }

    /// Reads these pools with the command.
    pub(crate) fn snapshot(&self, pools: &[String]) -> Snapshot {
        let list = self.folder.path().join("pools.txt");
        fs::write(&list, pools.join("\n")).expect("a file");
        let snapshot = self.run("--pools", list.to_str().expect("UTF-8"));
        assert_eq!(snapshot.pools.len(), pools.len());
        snapshot
    }

    /// Reads all pools of a factory with the command.
    pub(crate) fn snapshot_of(&self, factory: Address) -> Snapshot {
        self.run("--factory", &format!("{factory:#x}"))
    }

    fn run(&self, flag: &str, value: &str) -> Snapshot {
        let out = self.folder.path().join("market.json.gz");
        let mut command = Command::new(env!("CARGO_BIN_EXE_alphapulse"));
        command.args(["snapshot", "--rpc", &self.node.http_url(), flag, value]).arg("--out").arg(&out);
        let ran = command.output().expect("the command starts");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(0), "{said}");
        let snapshot = Snapshot::from_bytes(&fs::read(&out).expect("a file")).expect("a snapshot");
        for pool in &snapshot.pools {
            assert!(matches!(pool.form, PoolForm::Sound { .. }), "{pool:?}: {said}");
        }
        snapshot
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// The output for exactly this input.
    In(U256),
    /// The input for exactly this output.
    Out(U256),
}

/// The other amount, or none where the quote is refused or filled in part only.
pub(crate) fn ask(snapshot: &Snapshot, pool: &str, way: [Address; 2], amount: Amount) -> Option<U256> {
    let answer = answer(snapshot, pool, way, amount);
    let other = answer[if matches!(amount, Amount::In(_)) { "amount_out" } else { "amount_in" }].as_str();
    let other = other.map(|text| text.parse().expect("a number"));
    assert!(other.is_some() || answer["error"].is_string(), "{answer}");
    other.filter(|_| answer["partial_fill"].is_null())
}

/// What is answered, as it is written.
pub(crate) fn answer(snapshot: &Snapshot, pool: &str, [token_in, token_out]: [Address; 2], amount: Amount) -> Value {
    let (key, amount) = match amount {
        Amount::In(amount) => ("amount_in", amount),
        Amount::Out(amount) => ("amount_out", amount),
    };
    let line =
        format!(r#"{{"pool":"{pool}","token_in":"{token_in:#x}","token_out":"{token_out:#x}","{key}":"{amount}"}}"#);
    let answer = snapshot.quote(&Query::from_line(line.as_bytes()).expect("a query")).to_string();
    serde_json::from_str(&answer).expect("JSON")
}
