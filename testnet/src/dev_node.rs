//! A dev node (`anvil`) as a managed child process.
//!
//! - It listens on a free port that it chooses itself, and on a socket in a folder of its own.
//! - It ends with the [`DevNode`] that owns it, and also when this process is killed: a watchdog process holds a pipe whose
//!   other end only this process has.
//! - It is in a process group of its own, so that Ctrl-C in a terminal reaches us and not the chain that we still have to read.

use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::providers::{DynProvider, IpcConnect, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::TransportError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::kit::{Kit, KitError};

/// A start takes 50 ms on an idle machine; a loaded one with a large state file may need much longer.
const START_MAX: Duration = Duration::from_secs(60);
/// A graceful end writes the state file.
const STOP_MAX: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Followed by the address in what the node prints once it listens.
const LISTENING: &str = "Listening on ";
const OUTPUT_TAIL_LINES: usize = 20;

/// Why the dev node did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevNodeError {
    /// The kit has no node for this machine.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// A process or file operation failed.
    #[error("dev node: cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended, or stayed silent, before it listened.
    #[error("dev node did not start: {output}")]
    NotStarted {
        /// What it printed.
        output: String,
    },
    /// It did not end in time after it was asked to.
    #[error("dev node did not stop within {} s", STOP_MAX.as_secs())]
    NotStopped,
    /// It refused a call, or the connection to it broke.
    #[error("dev node: {method} failed")]
    Rpc {
        /// The call.
        method: &'static str,
        /// What came back.
        #[source]
        source: TransportError,
    },
}

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mining {
    /// One block per transaction.
    Auto,
    /// Only on [`DevNode::mine`].
    #[default]
    Manual,
    /// By the clock.
    Interval(Duration),
}

/// Order of the transactions within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As received.
    Fifo,
    /// By priority fee, as builders do.
    #[default]
    Fees,
}

/// How to start a dev node. `None` leaves the node's own default.
#[derive(Debug, Clone)]
pub struct DevNodeConfig {
    /// Chain id.
    pub chain_id: u64,
    /// Name of the EVM version, as `shanghai`.
    pub hardfork: Option<String>,
    /// Funded accounts with published keys.
    pub accounts: u16,
    /// What each of them has in the first block, Ether.
    pub balance_ether: u64,
    /// A genesis file in geth's format, whose `alloc` becomes the first state.
    pub genesis: Option<PathBuf>,
    /// Number of the genesis block.
    pub number: Option<u64>,
    /// Timestamp of the genesis block, seconds.
    pub timestamp: Option<u64>,
    /// Base fee of the first block, wei.
    pub base_fee: Option<u64>,
    /// Gas limit of a block.
    pub gas_limit: Option<u64>,
    /// When blocks are made.
    pub mining: Mining,
    /// Order within a block.
    pub order: Order,
    /// Loaded at the start when it exists, written at [`DevNode::stop`].
    pub state: Option<PathBuf>,
    /// TCP port; 0 lets the system choose a free one. A fixed one is for starting again where clients expect the node.
    pub port: u16,
    /// Where the IPC socket is; `None` puts it into a temporary folder. A fixed one is for starting again.
    pub ipc: Option<PathBuf>,
}

impl Default for DevNodeConfig {
    fn default() -> Self {
        Self {
            chain_id: 31_337,
            hardfork: None,
            accounts: 10,
            balance_ether: 10_000_000,
            genesis: None,
            number: None,
            timestamp: None,
            base_fee: None,
            gas_limit: None,
            mining: Mining::default(),
            order: Order::default(),
            state: None,
            port: 0,
            ipc: None,
        }
    }
}

impl DevNodeConfig {
    fn arguments(&self, ipc: &Path, accounts_file: &Path) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| list.extend([name.to_owned(), value]);
        flag("--host", "127.0.0.1".to_owned());
        flag("--port", self.port.to_string());
        flag("--threads", "1".to_owned());
        flag("--chain-id", self.chain_id.to_string());
        flag("--accounts", self.accounts.to_string());
        flag("--balance", self.balance_ether.to_string());
        flag("--ipc", ipc.display().to_string());
        flag("--config-out", accounts_file.display().to_string());
        flag("--color", "never".to_owned());
        let optional = [
            ("--hardfork", self.hardfork.clone()),
            ("--init", self.genesis.as_ref().map(|path| path.display().to_string())),
            ("--number", self.number.map(|n| n.to_string())),
            ("--timestamp", self.timestamp.map(|t| t.to_string())),
            ("--base-fee", self.base_fee.map(|fee| fee.to_string())),
            ("--gas-limit", self.gas_limit.map(|gas| gas.to_string())),
            ("--state", self.state.as_ref().map(|path| path.display().to_string())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                flag(name, value);
            }
        }
        flag("--order", if self.order == Order::Fifo { "fifo" } else { "fees" }.to_owned());
        match self.mining {
            Mining::Auto => {}
            Mining::Manual => list.push("--no-mining".to_owned()),
            Mining::Interval(period) => {
                list.extend(["--block-time".to_owned(), period.as_secs_f64().to_string()]);
            }
        }
        list.push("--no-request-size-limit".to_owned());
        list
    }
}

/// A running dev node. Dropping it ends the process.
#[derive(Debug)]
pub struct DevNode {
    process: Child,
    watchdog: Child,
    provider: DynProvider,
    accounts: Vec<PrivateKeySigner>,
    port: u16,
    ipc: PathBuf,
    keeps_state: bool,
    _folder: TempDir,
}

#[derive(Deserialize)]
struct AccountsFile {
    private_keys: Vec<B256>,
}

impl DevNode {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// [`DevNodeError::Kit`] without a binary for this machine; [`DevNodeError::NotStarted`] with what it printed, as when a
    /// fixed port is taken; [`DevNodeError::Io`] when the process cannot be made.
    pub async fn start(kit: &Kit, config: DevNodeConfig) -> Result<Self, DevNodeError> {
        let folder =
            tempfile::Builder::new().prefix("alphapulse-node-").tempdir().map_err(io_error("make a folder"))?;
        let ipc = config.ipc.clone().unwrap_or_else(|| folder.path().join("node.ipc"));
        let accounts_file = folder.path().join("accounts.json");
        let mut process = Command::new(kit.anvil()?)
            .args(config.arguments(&ipc, &accounts_file))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(io_error("start the node"))?;
        let started = async {
            let port = listening_port(&mut process).await?;
            let provider = connect(&ipc).await?;
            let accounts = read_accounts(&accounts_file)?;
            Ok((port, provider, accounts, spawn_watchdog(process.id())?))
        };
        match started.await {
            Ok((port, provider, accounts, watchdog)) => {
                let keeps_state = config.state.is_some();
                let node = Self { process, watchdog, provider, accounts, port, ipc, keeps_state, _folder: folder };
                // Its log of every call would cost more than the calls.
                node.call::<_, ()>("anvil_setLoggingEnabled", (false,)).await?;
                Ok(node)
            }
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(error)
            }
        }
    }

    /// A connection over IPC, without fillers: nonces and fees are the caller's, so that none is cached across a reorg.
    #[must_use]
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The funded accounts. Their keys are published with the node: they hold nothing elsewhere.
    #[must_use]
    pub fn accounts(&self) -> &[PrivateKeySigner] {
        &self.accounts
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// WebSocket endpoint.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// HTTP endpoint.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// IPC socket.
    #[must_use]
    pub fn ipc_path(&self) -> &Path {
        &self.ipc
    }

    /// Operating system's id of the node's process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the node in good order: it writes its state file, if it has one.
    ///
    /// # Errors
    /// [`DevNodeError::NotStopped`] when it does not end in time; it is then killed.
    pub fn stop(mut self) -> Result<(), DevNodeError> {
        self.terminate()
    }

    /// Ends the node as a power cut would: nothing is written.
    ///
    /// # Errors
    /// [`DevNodeError::Io`] when the process cannot be killed.
    pub fn kill(mut self) -> Result<(), DevNodeError> {
        self.process.kill().map_err(io_error("kill the node"))?;
        self.process.wait().map_err(io_error("wait for the node"))?;
        Ok(())
    }

    /// Makes one block; answers its number.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], as every call below.
    pub async fn mine(&self) -> Result<u64, DevNodeError> {
        self.call::<_, serde_json::Value>("evm_mine", ()).await?;
        self.block_number().await
    }

    /// Makes `count` blocks; answers the number of the last.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn mine_many(&self, count: u64) -> Result<u64, DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_mine", (U64::from(count),)).await?;
        self.block_number().await
    }

    /// Number of the last block.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn block_number(&self) -> Result<u64, DevNodeError> {
        Ok(self.call::<_, U64>("eth_blockNumber", ()).await?.to())
    }

    /// Sets the next block's timestamp, seconds; later blocks go on from there.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when it is not after the last block's.
    pub async fn set_next_timestamp(&self, seconds: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setNextBlockTimestamp", (seconds,)).await.map(drop)
    }

    /// Sets the next block's base fee, wei.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_next_base_fee(&self, wei: u128) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setNextBlockBaseFeePerGas", (U256::from(wei),)).await.map(drop)
    }

    /// Replaces the last `depth` blocks by as many empty ones. Their transactions are gone, not pending. Cheat-code changes
    /// made in those blocks are undone too.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when the chain is shorter.
    pub async fn reorg(&self, depth: u64) -> Result<(), DevNodeError> {
        self.reorg_with(depth, &[]).await
    }

    /// As [`DevNode::reorg`], with raw signed transactions for the new blocks, each with its block's offset from the first.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn reorg_with(&self, depth: u64, transactions: &[(Bytes, u64)]) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_reorg", (depth, transactions.to_vec())).await.map(drop)
    }

    /// Drops the last `depth` blocks.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`], also when the chain is shorter.
    pub async fn rollback(&self, depth: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_rollback", (depth,)).await.map(drop)
    }

    /// Remembers the state; answers the id for [`DevNode::revert`].
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn snapshot(&self) -> Result<U256, DevNodeError> {
        self.call("evm_snapshot", ()).await
    }

    /// Returns to a remembered state, which is used up by it; answers whether there was one.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn revert(&self, snapshot: U256) -> Result<bool, DevNodeError> {
        self.call("evm_revert", (snapshot,)).await
    }

    /// Makes a block per transaction, or not.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_automine(&self, is_on: bool) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setAutomine", (is_on,)).await.map(drop)
    }

    /// Makes blocks by the clock, every `seconds`; 0 ends it.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_interval(&self, seconds: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("evm_setIntervalMining", (seconds,)).await.map(drop)
    }

    /// Overwrites one storage word.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_storage_at(&self, account: Address, slot: U256, value: B256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setStorageAt", (account, slot, value)).await.map(drop)
    }

    /// Overwrites an account's Ether, wei.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_balance(&self, account: Address, wei: U256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setBalance", (account, wei)).await.map(drop)
    }

    /// Overwrites an account's code.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_code(&self, account: Address, code: Bytes) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setCode", (account, code)).await.map(drop)
    }

    /// Overwrites an account's nonce.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_nonce(&self, account: Address, nonce: u64) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setNonce", (account, U64::from(nonce))).await.map(drop)
    }

    /// Sets who receives the priority fees of coming blocks.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn set_coinbase(&self, account: Address) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_setCoinbase", (account,)).await.map(drop)
    }

    /// Removes a pending transaction.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn drop_transaction(&self, hash: B256) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_dropTransaction", (hash,)).await.map(drop)
    }

    /// Lets `eth_sendTransaction` send from any address.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn impersonate_all(&self) -> Result<(), DevNodeError> {
        self.call::<_, serde_json::Value>("anvil_autoImpersonateAccount", (true,)).await.map(drop)
    }

    /// Any call, by name.
    ///
    /// # Errors
    /// [`DevNodeError::Rpc`].
    pub async fn call<P, R>(&self, method: &'static str, parameters: P) -> Result<R, DevNodeError>
    where
        P: Serialize + Clone + Debug + Send + Sync + Unpin,
        R: DeserializeOwned + Debug + Send + Sync + Unpin + 'static,
    {
        self.provider
            .raw_request(method.into(), parameters)
            .await
            .map_err(|source| DevNodeError::Rpc { method, source })
    }

    fn terminate(&mut self) -> Result<(), DevNodeError> {
        // The standard library can only send SIGKILL.
        Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .map_err(io_error("signal the node"))?;
        wait_until(&mut self.process, STOP_MAX)?.map(drop).ok_or(DevNodeError::NotStopped)
    }
}

impl Drop for DevNode {
    fn drop(&mut self) {
        // First the watchdog, so that it never signals a process id that has passed to another.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        if self.keeps_state {
            let _ = self.terminate();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits for the node's line that names its port; then keeps its output flowing, since a full pipe would block it.
async fn listening_port(process: &mut Child) -> Result<u16, DevNodeError> {
    let stdout = process.stdout.take().expect("stdout was piped");
    let stderr = process.stderr.take().expect("stderr was piped");
    let (line_sender, lines) = mpsc::channel();
    forward_lines(BufReader::new(stdout), line_sender.clone());
    forward_lines(BufReader::new(stderr), line_sender);
    tokio::task::spawn_blocking(move || wait_for_port(&lines))
        .await
        .map_err(|error| DevNodeError::Io { action: "wait for the node", source: io::Error::other(error) })?
}

fn wait_for_port(lines: &mpsc::Receiver<String>) -> Result<u16, DevNodeError> {
    let deadline = Instant::now() + START_MAX;
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        let port = line.strip_prefix(LISTENING).and_then(|address| address.rsplit(':').next()?.trim().parse().ok());
        if let Some(port) = port {
            return Ok(port);
        }
        seen.push(line);
    }
    // The banner before the last lines holds keys: published ones, but still nothing for an error message.
    seen.retain(|line| !line.contains("0x"));
    let tail = seen.split_off(seen.len().saturating_sub(OUTPUT_TAIL_LINES));
    Err(DevNodeError::NotStarted { output: tail.join("\n").trim().to_owned() })
}

/// Reads until the end of `source`, whether or not anyone still listens.
fn forward_lines(source: impl BufRead + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in source.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
}

/// A shell that waits for the end of a pipe, which comes when this process ends in whatever way, and then kills the node.
fn spawn_watchdog(process_id: u32) -> Result<Child, DevNodeError> {
    Command::new("sh")
        .args(["-c", "read -r _; kill -KILL \"$1\"", "watchdog", &process_id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(io_error("start the watchdog"))
}

async fn connect(ipc: &Path) -> Result<DynProvider, DevNodeError> {
    let deadline = Instant::now() + START_MAX;
    loop {
        let connection = IpcConnect::new(ipc.to_owned());
        match ProviderBuilder::default().connect_ipc(connection).await {
            Ok(provider) => return Ok(provider.erased()),
            Err(source) if Instant::now() > deadline => {
                return Err(DevNodeError::Rpc { method: "connect", source });
            }
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

fn read_accounts(path: &Path) -> Result<Vec<PrivateKeySigner>, DevNodeError> {
    let text = fs::read_to_string(path).map_err(io_error("read the accounts file"))?;
    let file: AccountsFile = serde_json::from_str(&text)
        .map_err(|error| DevNodeError::Io { action: "read the accounts file", source: error.into() })?;
    file.private_keys
        .iter()
        .map(PrivateKeySigner::from_bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| DevNodeError::Io { action: "read the account keys", source: io::Error::other(error) })
}

fn wait_until(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, DevNodeError> {
    let deadline = Instant::now() + limit;
    loop {
        let status = process.try_wait().map_err(io_error("wait for the node"))?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> DevNodeError {
    move |source| DevNodeError::Io { action, source }
}
