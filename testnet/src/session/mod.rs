//! A whole session: chain, contracts, traders and a live node, round by round.
//!
//! In each round the traders move on the state that the engine has already searched, the next block is mined, and the engine is
//! waited for. So the engine's trades on a state are in the pool before that state's block has a successor, and, paying a
//! priority fee, they come first in it.

mod config;
mod testnet;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use alphapulse_engine::config::{ConfigError, NodeConfig};
use alphapulse_engine::execution::keystore::KeystoreError;
use alphapulse_engine::node::{Node, NodeError, NodeEvent, NodeStatus};
use alphapulse_engine::secret::SecretError;
use alphapulse_protocol::BlockRef;
use alphapulse_strategies::{Registry, StrategyKind};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

pub use self::testnet::{Accounts, Head, Testnet};

use crate::actor::Move;
use crate::deploy::DeployError;
use crate::dev_node::{DevNodeConfig, DevNodeError};
use crate::exhaustive::StateReaderError;
use crate::kit::{Kit, KitError};
use crate::layout::Layout;

/// Generous: a block takes the engine milliseconds on an idle machine.
const SETTLED_MAX: Duration = Duration::from_secs(60);

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The test kit is not usable.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The dev node failed.
    #[error(transparent)]
    DevNode(#[from] DevNodeError),
    /// The contracts could not be deployed.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The independent reader failed.
    #[error(transparent)]
    Reader(#[from] StateReaderError),
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key could not be stored.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The password could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The engine failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The session's folder failed.
    #[error("cannot use the session's folder")]
    Io(#[from] io::Error),
    /// A folder that is to be kept holds something already.
    #[error("folder {} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The dev node has no newest block.
    #[error("the dev node has no newest block")]
    NoBlock,
    /// A restart needs a chain that keeps its state and its port.
    #[error("the dev node can only be started again when it has a state file and a fixed port")]
    NotRestartable,
    /// The engine took too long over a block.
    #[error("the engine was not done with block {} after {} s", .0.number, SETTLED_MAX.as_secs())]
    NotSettled(BlockRef),
    /// More happened in a round than is kept for a watcher.
    #[error("events of a round were lost: {0} too many")]
    EventsLost(u64),
}

/// What a session is made of.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Every choice of the traders follows from it.
    pub seed: u64,
    /// Folder for the run's journal and manifest; `None` keeps them only as long as the session.
    pub run_dir: Option<PathBuf>,
    /// Tokens and pools.
    pub layout: Layout,
    /// Strategies that can be configured.
    pub registry: Registry,
    /// Those that trade.
    pub strategies: Vec<StrategyKind>,
}

impl SessionOptions {
    /// The standard market, traded by the built-in strategies.
    #[must_use]
    pub fn standard(seed: u64, run_dir: Option<PathBuf>) -> Self {
        let registry = Registry::built_in();
        let strategies = registry.kinds().to_vec();
        Self { seed, run_dir, layout: Layout::standard(), registry, strategies }
    }
}

/// What happened in one round.
#[derive(Debug)]
pub struct Round {
    /// The traders' moves, all in this block.
    pub moves: Vec<Move>,
    /// The block and the state after it.
    pub head: Head,
    /// What the node said, from the last round's end to this one's.
    pub events: Vec<NodeEvent>,
}

/// A session under way.
pub struct Session {
    testnet: Testnet,
    node: Node,
    config: NodeConfig,
    events: Receiver<NodeEvent>,
    head: Head,
    run_dir: PathBuf,
}

impl Session {
    /// Sets everything up and starts the node, live. `progress` receives short lines for a person.
    ///
    /// # Errors
    /// [`SessionError`] with the step that failed. Nothing is left running then.
    pub async fn start(
        kit: &Kit,
        options: SessionOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, SessionError> {
        progress("starting the chain and deploying tokens, pools and the executor");
        let mut testnet = Testnet::start(kit, DevNodeConfig::default(), &options.layout, options.seed)
            .await?
            .with_strategies(options.registry, options.strategies);
        progress("starting the node");
        let config = testnet.config(&testnet.node.ws_url())?;
        let node_options = testnet.options(options.run_dir, options.seed)?;
        let run_dir = node_options.run_dir.clone().unwrap_or_default();
        let node = Node::start(config.clone(), node_options).await?;
        let events = node.events();
        let head = testnet.head().await?;
        Ok(Self { testnet, node, config, events, head, run_dir })
    }

    /// The chain.
    #[must_use]
    pub const fn testnet(&self) -> &Testnet {
        &self.testnet
    }

    /// The engine.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The engine's configuration.
    #[must_use]
    pub const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The newest block and the state after it.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Folder of the run.
    #[must_use]
    pub const fn run_dir(&self) -> &PathBuf {
        &self.run_dir
    }

    /// One round with the traders.
    ///
    /// # Errors
    /// [`SessionError`] when the node, the chain or the engine fails.
    pub async fn round(&mut self) -> Result<Round, SessionError> {
        let moves = self.testnet.act(&self.head).await?;
        self.mine(moves.into_iter().map(|(step, _)| step).collect()).await
    }

    /// One round in which only the engine trades: lets what it has sent land.
    ///
    /// # Errors
    /// As [`Session::round`].
    pub async fn quiet_round(&mut self) -> Result<Round, SessionError> {
        self.mine(Vec::new()).await
    }

    async fn mine(&mut self, moves: Vec<Move>) -> Result<Round, SessionError> {
        let block = self.testnet.mine(&self.head).await?;
        let settled = tokio::time::timeout(SETTLED_MAX, self.node.settled(block)).await;
        settled.map_err(|_| SessionError::NotSettled(block))??;
        self.head = self.testnet.head().await?;
        Ok(Round { moves, head: self.head.clone(), events: drain(&mut self.events)? })
    }

    /// Ends the node in good order and gives its last figures; the chain lives on for questions.
    ///
    /// # Errors
    /// [`SessionError::Node`] when the node had failed.
    pub async fn stop(self) -> Result<(Testnet, NodeStatus), SessionError> {
        let status = self.node.stop().await?;
        Ok((self.testnet, status))
    }
}

fn drain(events: &mut Receiver<NodeEvent>) -> Result<Vec<NodeEvent>, SessionError> {
    let mut drained = Vec::new();
    loop {
        match events.try_recv() {
            Ok(event) => drained.push(event),
            Err(TryRecvError::Lagged(count)) => return Err(SessionError::EventsLost(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(drained),
        }
    }
}
