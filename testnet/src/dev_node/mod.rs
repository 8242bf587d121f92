//! A dev node (`anvil`) as a managed child process.
//!
//! - It listens on a free port that it chooses itself, and on a socket in a folder of its own.
//! - It ends with the [`DevNode`] that owns it, and also when this process is killed: a watchdog process holds a pipe whose
//!   other end only this process has.
//! - It is in a process group of its own, so that Ctrl-C in a terminal reaches us and not the chain that we still have to read.

mod config;
mod control;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use alloy::primitives::B256;
use alloy::providers::{DynProvider, IpcConnect, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use alloy::transports::TransportError;
use serde::Deserialize;
use tempfile::TempDir;

pub use self::config::{DevNodeConfig, Mining, Order};
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
