//! Nodes as they really answer: a recorded block of Ethereum behind JSON-RPC, told three times and once with another base fee.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alphapulse_protocol::ChainId;
use alphapulse_relay::source::race::{AlarmKind, SourceState};
use alphapulse_relay::{Endpoint, Relay, RelayConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::data;
use super::subscriber::config;

const NUMBER: u64 = 18_884_864;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a node answers from.
struct Recorded {
    /// The header as the node tells it as its head.
    head: Value,
    header: Value,
    receipts: Value,
}

impl Recorded {
    fn answer(&self, method: &str, params: &Value) -> Value {
        match (method, params[0].as_str()) {
            ("eth_chainId", _) => json!("0x1"),
            ("eth_subscribe", _) => json!("0x1f"),
            ("eth_getBlockByNumber", Some("latest")) => self.head.clone(),
            ("eth_getBlockByHash", Some(hash)) if self.header["hash"] == hash => self.header.clone(),
            ("eth_getBlockReceipts", Some(hash)) if self.header["hash"] == hash => self.receipts.clone(),
            _ => Value::Null,
        }
    }

    async fn serve(self: Arc<Self>, mut stream: UnixStream) {
        let mut bytes = Vec::new();
        while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            let mut requests = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
            let mut answers = Vec::new();
            while let Some(Ok(request)) = requests.next() {
                let result = self.answer(request["method"].as_str().unwrap(), &request["params"]);
                let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
                answers.extend(answer.to_string().into_bytes());
            }
            let read = requests.byte_offset();
            bytes.drain(..read);
            if stream.write_all(&answers).await.is_err() {
                return;
            }
        }
    }
}

/// A node at a socket in `folder`.
fn start(folder: &Path, name: &str, recorded: Recorded) -> Endpoint {
    let path: PathBuf = folder.join(name);
    let listener = UnixListener::bind(&path).unwrap();
    let recorded = Arc::new(recorded);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&recorded).serve(stream));
        }
    });
    Endpoint::Ipc(path)
}

/// A node at a socket in `folder` that has one block, of which it proves nothing.
pub(crate) fn plain(folder: &Path, name: &str) -> Endpoint {
    let header = json!({
        "number": "0x7", "hash": format!("0x{}", "11".repeat(32)), "parentHash": format!("0x{}", "10".repeat(32)),
        "timestamp": "0x1", "gasUsed": "0x1", "gasLimit": "0x2",
    });
    start(folder, name, Recorded { head: header.clone(), header, receipts: Value::Null })
}

/// A relay of two nodes of which both are needed.
pub(crate) async fn two(folder: &Path) -> Relay {
    let config = RelayConfig {
        chain_id: ChainId(1),
        endpoint: plain(folder, "one"),
        confirm_endpoints: vec![plain(folder, "two")],
        quorum: 2,
        silence: Duration::from_millis(50),
        listen_unix: Some(folder.join("relay.sock")),
        ..config()
    };
    Relay::start(config).await.unwrap()
}

fn read(kind: &str) -> Option<Value> {
    let path = data::path(&format!("blocks/replayable/{NUMBER}.{kind}.json.gz"))?;
    Some(serde_json::from_str(&data::read_gz(&path)).unwrap())
}

#[tokio::test]
async fn a_node_that_changes_a_header_of_ethereum_is_named_by_the_blocks_own_hash() {
    let (Some(block), Some(receipts)) = (read("block"), read("receipts")) else { return };
    let header = &block["header"];
    let folder = tempfile::tempdir().unwrap();
    let node = |name: &str, head: &Value| {
        let recorded = Recorded { head: head.clone(), header: header.clone(), receipts: receipts.clone() };
        start(folder.path(), name, recorded)
    };
    let mut forged = header.clone();
    forged["baseFeePerGas"] = json!("0x1");
    let config = RelayConfig {
        chain_id: ChainId(1),
        endpoint: node("one", header),
        confirm_endpoints: vec![node("two", &forged), node("three", header)],
        quorum: 2,
        silence: Duration::from_millis(50),
        ..config()
    };
    let relay = Relay::start(config).await.unwrap();
    let start = Instant::now();
    while relay.alarms().is_empty() {
        assert!(start.elapsed() < DEADLINE, "no alarm: {:?}", relay.sources());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let alarm = &relay.alarms()[0];
    let liar = format!("ipc:{}", folder.path().join("two").display());
    assert_eq!((alarm.kind, alarm.node.as_ref()), (AlarmKind::ForgedHeader, Some(&liar)));
    let evidence = alarm.evidence.unwrap();
    assert_eq!(json!(evidence.header_hash), header["hash"]);
    assert_eq!(json!(evidence.receipts_root_expected), header["receiptsRoot"]);
    assert_eq!(evidence.receipts_root_got, Some(evidence.receipts_root_expected), "its receipts are the block's");
    assert!(relay.safety().unwrap().borrow().is_safe);

    // The operator takes it away and adds a node that does not lie, while the relay runs.
    assert_eq!(relay.remove_node(&liar).await.unwrap().state, SourceState::Stopped);
    let name = relay.add_node(node("four", header)).unwrap();
    while !relay.sources().iter().any(|source| source.name == name && source.is_current) {
        assert!(start.elapsed() < DEADLINE, "it does not take part: {:?}", relay.sources());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((relay.alarms().len(), relay.stats().alarms_forged_header), (1, 1));
    relay.stop().await.unwrap();
}
