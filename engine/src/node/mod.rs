//! The node: one thread that trades, and the tasks that talk to the world for it.

mod control;
mod data_plane;
mod earlier;
mod inputs;
mod live;
mod outbox;
mod progress;
mod standings;
mod start;
mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use alphapulse_protocol::message::{self, Message};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockRef, ChainId};
use alphapulse_relay::journal::JournalError;
use alphapulse_relay::{FeedError, Relay, RelayError, RelayStats};
use thiserror::Error;
use tokio::sync::{broadcast, oneshot, watch};

pub use self::start::{FeedSource, NodeOptions};
pub use self::status::{FeedCounters, Latency, NodeStatus};

use self::inputs::{Input, Inputs};
use self::progress::Progress;
use crate::assembly::AssemblyError;
use crate::execution::chain::ChainError;
use crate::execution::keystore::KeystoreError;
use crate::execution::nonce::NonceError;
use crate::ledger::ManifestError;
use crate::risk::KillSwitch;

/// Why a node does not start, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Going live needs the operator's word in two places, and somewhere to keep the run.
    #[error("{0}")]
    Refused(String),
    /// What is in the way passes, or is ended by someone else. The text says when to start again.
    #[error("{0}")]
    NotYet(String),
    /// The configuration does not make a node.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// The relay failed.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The feed cannot be joined.
    #[error("the feed cannot be joined")]
    Feed(#[source] FeedError),
    /// The EVM node failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The EVM node cannot be reached.
    #[error("cannot connect to the EVM node at {endpoint}; is it running, and is the endpoint right?")]
    Connect {
        /// Where it should be.
        endpoint: String,
        /// What failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The EVM node is on another chain.
    #[error(
        "the EVM node is on chain {got}, the configuration says {expected}; correct `chain.id` or `chain.endpoint`"
    )]
    WrongChain {
        /// Configured.
        expected: ChainId,
        /// Found.
        got: ChainId,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// Nonces cannot be leased.
    #[error(transparent)]
    Nonce(#[from] NonceError),
    /// The run's folder cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Earlier runs cannot be looked for.
    #[error("cannot look for earlier runs beside {}", path.display())]
    Earlier {
        /// Folder of the new run.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The journal of an earlier run cannot be read, so what it left open is not known.
    #[error("the journal of the earlier run {} cannot be read", run.display())]
    EarlierRun {
        /// Folder of that run.
        run: PathBuf,
        /// What is wrong with it.
        #[source]
        source: JournalError,
    },
    /// The journal failed.
    #[error("the run's journal failed")]
    Journal(#[from] JournalError),
    /// The trading thread is gone.
    #[error("the trading thread has ended; its error was logged")]
    Ended,
}

/// What a node does, as it does it. Copies of the journal's records; a watcher that is too slow misses some and is told.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "copies go through a bounded queue; a box would be an allocation on the data plane"
)]
pub enum NodeEvent {
    /// A block began.
    Block(message::Block),
    /// Blocks left the chain.
    Reorg(message::Reorg),
    /// A strategy found a route of few hops.
    Opportunity(message::Opportunity),
    /// A strategy found swaps that gain together.
    SwapPlan(message::SwapPlan),
    /// A simulation was answered.
    Simulation(message::Simulation),
    /// Risk judged.
    Verdict(message::Verdict),
    /// A transaction was signed.
    Submission(message::Submission),
    /// An endpoint answered.
    Submitted(message::Submitted),
    /// The chain decided.
    Outcome(message::Outcome),
}

impl NodeEvent {
    fn of(message: &Message<'_>) -> Option<Self> {
        Some(match message {
            Message::Block(m) => Self::Block(**m),
            Message::Reorg(m) => Self::Reorg(**m),
            Message::Opportunity(m) => Self::Opportunity(**m),
            Message::SwapPlan(m) => Self::SwapPlan(**m),
            Message::Simulation(m) => Self::Simulation(**m),
            Message::Verdict(m) => Self::Verdict(**m),
            Message::Submission(m) => Self::Submission(**m),
            Message::Submitted(m) => Self::Submitted(**m),
            Message::Outcome(m) => Self::Outcome(**m),
            _ => return None,
        })
    }

    /// What a strategy found, where it did.
    #[must_use]
    pub fn found(&self) -> Option<message::Found<'_>> {
        match self {
            Self::Opportunity(route) => Some(route.into()),
            Self::SwapPlan(plan) => Some(plan.into()),
            _ => None,
        }
    }
}

/// Longest that [`Node::stop`] waits for what was signed to be sent; above the deadline of a request.
const LAST_SENDS_MAX: Duration = Duration::from_secs(5);

/// What ends with the node, also when that is dropped or never came to be.
struct Running {
    inputs: Inputs,
    /// Ends by itself, with the last answer, when the trading thread does.
    work: Option<tokio::task::JoinHandle<()>>,
    /// Tasks that may end at any point.
    watchers: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inputs.stop();
        self.work.iter().chain(&self.watchers).for_each(tokio::task::JoinHandle::abort);
    }
}

/// A node that runs. [`Node::stop`] ends it in order; dropping it ends it as soon as its thread looks up.
pub struct Node {
    running: Running,
    progress: watch::Receiver<Progress>,
    events: broadcast::Sender<NodeEvent>,
    kill: KillSwitch,
    relay: Option<Arc<Relay>>,
    thread: JoinHandle<Result<NodeStatus, NodeError>>,
    run_dir: Option<PathBuf>,
}

impl Node {
    /// How things stand.
    ///
    /// # Errors
    /// [`NodeError::Ended`] when the trading thread has ended.
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Input::Status(reply), answer).await
    }

    /// A copy of the market as the core sees it.
    ///
    /// # Errors
    /// [`NodeError::Ended`] when the trading thread has ended.
    pub async fn market_replica(&self) -> Result<Replica, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Input::Market(reply), answer).await
    }

    async fn ask<T>(&self, input: Input, answer: oneshot::Receiver<T>) -> Result<T, NodeError> {
        self.running.inputs.push(input).await;
        answer.await.map_err(|_| NodeError::Ended)
    }

    /// Waits until the node is done with `block`: judged, outcomes booked, and every simulation and submission answered.
    /// A block that the chain left before the node saw it is waited for until the chain is far beyond its height.
    ///
    /// # Errors
    /// [`NodeError::Ended`] when the trading thread has ended.
    pub async fn settled(&self, block: BlockRef) -> Result<(), NodeError> {
        let is_settled = Progress::is_settled_on(block);
        self.progress.clone().wait_for(is_settled).await.map(drop).map_err(|_| NodeError::Ended)
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }

    /// The switch that stops all signing.
    #[must_use]
    pub fn kill_switch(&self) -> KillSwitch {
        self.kill.clone()
    }

    /// Counters of the embedded relay, if there is one.
    #[must_use]
    pub fn relay_stats(&self) -> Option<RelayStats> {
        self.relay.as_ref().map(|relay| relay.stats())
    }

    /// Folder of the run, if it is recorded.
    #[must_use]
    pub const fn run_dir(&self) -> Option<&PathBuf> {
        self.run_dir.as_ref()
    }

    /// Whether the trading thread has ended by itself, which is always an error.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the node: no new trade, journal synced, relay stopped. Gives the last figures.
    ///
    /// # Errors
    /// What ended the trading thread, or [`NodeError::Relay`].
    pub async fn stop(mut self) -> Result<NodeStatus, NodeError> {
        self.running.inputs.stop();
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if let Some(work) = &mut self.running.work
            && tokio::time::timeout(LAST_SENDS_MAX, work).await.is_err()
        {
            tracing::warn!("not all that was signed was sent before the end; the next start looks it up");
        }
        drop(self.running);
        let status = match joined {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) | Err(_) => Err(NodeError::Ended),
        };
        if let Some(relay) = self.relay.and_then(Arc::into_inner) {
            relay.stop().await?;
        }
        status
    }
}
