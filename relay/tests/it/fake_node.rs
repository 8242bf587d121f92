//! A node over HTTP that knows some calls of some contracts and refuses the rest, batches included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use alloy::hex;
use alloy::primitives::{Address, U256, keccak256};
use alloy::sol_types::SolValue;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const TIMESTAMP: u64 = 1_700_000_000;
pub(crate) const NUMBER: u64 = 0x10;

/// Answers by contract and call data.
#[derive(Default)]
pub(crate) struct Node {
    answers: HashMap<(Address, Vec<u8>), Vec<u8>>,
    /// Requests that were made, by method.
    pub(crate) asked: Mutex<Vec<(String, Value)>>,
}

impl Node {
    /// `signature` with words behind its selector answers `answer`.
    pub(crate) fn tell(
        &mut self,
        contract: Address,
        signature: &str,
        words: &[U256],
        answer: impl Into<Vec<u8>>,
    ) -> &mut Self {
        let mut data = keccak256(signature)[..4].to_vec();
        words.iter().for_each(|word| data.extend(word.to_be_bytes::<32>()));
        self.answers.insert((contract, data), answer.into());
        self
    }

    pub(crate) fn number(&mut self, contract: Address, signature: &str, answer: u128) -> &mut Self {
        self.tell(contract, signature, &[], U256::from(answer).abi_encode())
    }

    pub(crate) fn token(&mut self, token: Address, symbol: &str, decimals: u128) -> &mut Self {
        self.number(token, "decimals()", decimals).tell(token, "symbol()", &[], symbol.abi_encode())
    }

    /// Coins and balances, by a number of this type.
    pub(crate) fn coins(&mut self, pool: Address, index: &str, coins: &[(Address, u128)]) {
        for (at, (coin, balance)) in coins.iter().enumerate() {
            let at = [U256::from(at)];
            self.tell(pool, &format!("coins({index})"), &at, coin.abi_encode());
            self.tell(pool, &format!("balances({index})"), &at, U256::from(*balance).abi_encode());
        }
    }

    /// What many a StableSwap pool tells.
    pub(crate) fn stable(&mut self, pool: Address, amplification: u128) {
        for (signature, value) in [
            ("A()", 2_000),
            ("fee()", 1_000_000),
            ("admin_fee()", 5_000_000_000),
            ("initial_A()", 5_000),
            ("future_A()", amplification),
            ("initial_A_time()", 100),
            ("future_A_time()", 200),
        ] {
            self.number(pool, signature, value);
        }
    }

    fn answer(&self, request: &Value) -> Value {
        let method = request["method"].as_str().expect("a method");
        let params = &request["params"];
        self.asked.lock().expect("no test fails in here").push((method.to_owned(), params.clone()));
        let result = match method {
            "eth_chainId" => json!("0x1"),
            // There is one block.
            "eth_getBlockByNumber" if ![json!("latest"), json!(format!("{NUMBER:#x}"))].contains(&params[0]) => {
                Value::Null
            }
            "eth_getBlockByNumber" | "eth_getBlockByHash" => json!({
                "number": format!("{NUMBER:#x}"), "hash": format!("0x{}", "11".repeat(32)),
                "parentHash": format!("0x{}", "22".repeat(32)), "timestamp": format!("{TIMESTAMP:#x}"),
                "baseFeePerGas": "0x7", "gasUsed": "0x0", "gasLimit": "0x1c9c380",
            }),
            "eth_call" => match self.call(&params[0]) {
                Some(answer) => json!(hex::encode_prefixed(answer)),
                None => {
                    return json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": 3, "message": "execution reverted"}});
                }
            },
            "eth_getCode" => {
                let at: Address = params[0].as_str().expect("text").parse().expect("an address");
                json!(if self.answers.keys().any(|(contract, _)| *contract == at) { "0x00" } else { "0x" })
            }
            _ => json!("0x0000000000000000000000000000000000000000000000000000000000000000"),
        };
        json!({"jsonrpc": "2.0", "id": request["id"], "result": result})
    }

    fn call(&self, call: &Value) -> Option<&Vec<u8>> {
        // A creation has no address: this node does not run them.
        let to: Address = call["to"].as_str()?.parse().ok()?;
        let data = call["input"].as_str().or_else(|| call["data"].as_str())?;
        self.answers.get(&(to, hex::decode(data).ok()?))
    }

    /// Listens on a port of its own: the address, itself, and its task.
    pub(crate) async fn serve(self) -> (String, Arc<Self>, JoinHandle<()>) {
        let node = Arc::new(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let serving = Arc::clone(&node);
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        (url, node, server)
    }
}

async fn serve(mut stream: TcpStream, node: Arc<Node>) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let body = loop {
        let read = stream.read(&mut piece).await.expect("a request");
        request.extend(&piece[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        if request.len() >= end + 4 + length.parse::<usize>().expect("a number") {
            break &request[end + 4..];
        }
    };
    let answer = node.answer(&serde_json::from_slice(body).expect("JSON")).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
    // A client that has gone needs none.
    let _ = stream.write_all([head.as_bytes(), answer.as_bytes()].concat().as_slice()).await;
}

pub(crate) fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}
