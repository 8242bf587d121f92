//! A chain with everything on it that a node needs, and traders that move it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256, hex};
use alloy::providers::Provider;
use alloy::rpc::types::{Header, TransactionRequest};
use alloy::sol_types::SolCall;
use alphapulse_engine::config::{self, Environment, NodeConfig};
use alphapulse_engine::execution::keystore::{self, Cost, PrivateKey};
use alphapulse_engine::node::{FeedSource, NodeOptions};
use alphapulse_engine::secret::Secret;
use alphapulse_protocol::{BlockNumber, BlockRef};
use alphapulse_strategies::{Registry, StrategyKind};
use rand::TryRngCore;
use rand::rngs::OsRng;
use tempfile::TempDir;

use super::SessionError;
use super::config::Market;
use crate::actor::{self, Actors, Move};
use crate::contracts::abi::ITestToken;
use crate::deploy::Deployment;
use crate::dev_node::{DevNode, DevNodeConfig, DevNodeError};
use crate::exhaustive::{PoolSnapshot, StateReader};
use crate::kit::Kit;
use crate::layout::Layout;

/// Seconds between blocks on the chain's clock: Ethereum's.
const BLOCK_SECONDS: u64 = 12;
const KEYS_FOLDER: &str = "keys";
const KEY_NAME: &str = "owner";
const PASSWORD_BYTES: usize = 24;

/// What the chain says of the engine's money at one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounts {
    /// WETH of the profit address, wei.
    pub profit: U256,
    /// Ether of the account that signs, wei.
    pub ether: U256,
    /// Transactions that the account has in the chain.
    pub nonce: u64,
}

/// A block and the state after it, as the independent reader sees it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The block.
    pub block: BlockRef,
    /// Its time, seconds.
    pub timestamp: u64,
    /// Its base fee, wei.
    pub base_fee: u128,
    /// Gas limit of a block.
    pub gas_limit: u64,
    /// Pools after it, in the deployment's order.
    pub pools: Vec<PoolSnapshot>,
}

/// The chain, its contracts, its traders, and a folder with the engine's key.
#[derive(Debug)]
pub struct Testnet {
    /// The chain.
    pub node: DevNode,
    /// What is on it.
    pub deployment: Deployment,
    actors: Actors,
    reader: StateReader,
    config: DevNodeConfig,
    folder: Folder,
    registry: Registry,
    /// Those that are configured.
    strategies: Vec<StrategyKind>,
}

/// Where a testnet keeps its configuration and key.
#[derive(Debug)]
enum Folder {
    /// Gone with the testnet.
    Temporary(TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

impl Testnet {
    /// Starts a chain, deploys `layout` on it, and puts the engine's key into a keystore with a random password.
    ///
    /// The traders' every choice follows from `seed`.
    ///
    /// # Errors
    /// [`SessionError`] with the step that failed.
    pub async fn start(kit: &Kit, config: DevNodeConfig, layout: &Layout, seed: u64) -> Result<Self, SessionError> {
        let folder = tempfile::Builder::new().prefix("alphapulse-testnet-").tempdir()?;
        Self::start_with(kit, config, layout, seed, Folder::Temporary(folder)).await
    }

    /// The same with a folder that stays when the testnet ends. It is made where it is not there, and must be empty.
    ///
    /// # Errors
    /// [`SessionError::NotEmpty`]; else as [`Testnet::start`].
    pub async fn start_in(
        folder: &Path,
        kit: &Kit,
        config: DevNodeConfig,
        layout: &Layout,
        seed: u64,
    ) -> Result<Self, SessionError> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(SessionError::NotEmpty(folder.to_owned()));
        }
        Self::start_with(kit, config, layout, seed, Folder::Kept(folder.to_owned())).await
    }

    async fn start_with(
        kit: &Kit,
        config: DevNodeConfig,
        layout: &Layout,
        seed: u64,
        folder: Folder,
    ) -> Result<Self, SessionError> {
        let node = DevNode::start(kit, config.clone()).await?;
        let deployment = Deployment::create(kit, &node, layout).await?;
        let actors = Actors::new(&node, &deployment, seed).await?;
        // A reorg undoes cheats below it: the traders' one must lie deeper than any to come.
        node.mine().await?;
        let reader = StateReader::of(&node, &deployment);
        write_key(folder.path(), &deployment)?;
        let registry = Registry::built_in();
        let strategies = registry.kinds().to_vec();
        Ok(Self { node, deployment, actors, reader, config, folder, registry, strategies })
    }

    /// The same with these strategies configured, and those of `registry` known.
    #[must_use]
    pub fn with_strategies(self, registry: Registry, strategies: Vec<StrategyKind>) -> Self {
        Self { registry, strategies, ..self }
    }

    /// Ends the chain's process in good order and starts it again from the state that it wrote, at the same port.
    ///
    /// # Errors
    /// [`SessionError::NotRestartable`] when the chain was started without a state file or a fixed port;
    /// [`SessionError::DevNode`] when it does not end or start.
    pub async fn restart(self, kit: &Kit) -> Result<Self, SessionError> {
        if self.config.state.is_none() || self.config.port == 0 {
            return Err(SessionError::NotRestartable);
        }
        self.node.stop()?;
        let node = DevNode::start(kit, self.config.clone()).await?;
        let reader = StateReader::of(&node, &self.deployment);
        Ok(Self { node, reader, ..self })
    }

    /// Folder with the configuration, the keystore and, unless one is named, the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// File with the keystore's password.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.folder().join(KEYS_FOLDER).join(format!("{KEY_NAME}.password"))
    }

    /// Writes a configuration for a live node at `endpoint` and reads it back, as an operator would.
    ///
    /// # Errors
    /// [`SessionError::Config`] when the engine refuses it.
    pub fn config(&self, endpoint: &str) -> Result<NodeConfig, SessionError> {
        self.write_config(endpoint, Market::Embedded)
    }

    /// Writes a configuration for a relay of this chain, watched at a port that was free, and for a live node that listens to that
    /// relay, and reads it back.
    ///
    /// # Errors
    /// As [`Testnet::config`].
    pub fn relay_config(&self) -> Result<NodeConfig, SessionError> {
        let page = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        self.write_config(&self.node.ws_url(), Market::Relay { page })
    }

    fn write_config(&self, endpoint: &str, market: Market) -> Result<NodeConfig, SessionError> {
        let path = self.config_path();
        fs::write(
            &path,
            super::config::text(self.config.chain_id, endpoint, &self.deployment, &self.strategies, market),
        )?;
        let environment = Environment { registry: self.registry.clone(), ..Environment::default() };
        Ok(config::load(&path, &environment)?)
    }

    /// File that the configuration is written to.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.folder().join("alphapulse.toml")
    }

    /// Id of the chain.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    /// Options of a live start that records in `run_dir`, or in a folder of the testnet's own.
    ///
    /// # Errors
    /// [`SessionError::Secret`] when the password file is gone.
    pub fn options(&self, run_dir: Option<PathBuf>, seed: u64) -> Result<NodeOptions, SessionError> {
        Ok(NodeOptions {
            is_live: true,
            run_dir: Some(run_dir.unwrap_or_else(|| self.folder().join("run"))),
            password: Some(Secret::from_file(&self.password_file())?),
            is_account_use_confirmed: false,
            feed: FeedSource::Embedded,
            seed: Some(seed),
        })
    }

    /// The newest block and the state after it.
    ///
    /// # Errors
    /// [`SessionError::DevNode`] or [`SessionError::Reader`] when the node does not answer.
    pub async fn head(&mut self) -> Result<Head, SessionError> {
        let header = self.header(BlockId::latest()).await?;
        let pools = self.reader.read(header.number, header.hash).await?;
        Ok(Head {
            block: BlockRef { number: BlockNumber(header.number), hash: header.hash.0 },
            timestamp: header.timestamp,
            base_fee: u128::from(header.base_fee_per_gas.unwrap_or_default()),
            gas_limit: header.gas_limit,
            pools,
        })
    }

    /// Hands the traders' next moves to the node.
    ///
    /// # Errors
    /// [`SessionError::DevNode`] when the node refuses one.
    pub async fn act(&mut self, head: &Head) -> Result<Vec<(Move, B256)>, SessionError> {
        let chain = actor::Chain { base_fee: head.base_fee, gas_limit: head.gas_limit };
        Ok(self.actors.act(&self.node, &head.pools, chain).await?)
    }

    /// After a reorg: the traders go on from what is left on the chain.
    ///
    /// # Errors
    /// [`SessionError::DevNode`] when the node does not answer.
    pub async fn resume_actors(&mut self) -> Result<(), SessionError> {
        Ok(self.actors.resume(&self.node).await?)
    }

    /// Makes the next block.
    ///
    /// # Errors
    /// [`SessionError::DevNode`] when the node does not answer.
    pub async fn mine(&self, head: &Head) -> Result<BlockRef, SessionError> {
        self.node.set_next_timestamp(head.timestamp + BLOCK_SECONDS).await?;
        self.mine_now().await
    }

    /// Makes the next block, by the clock of this host: for who watches the chain as it goes.
    ///
    /// # Errors
    /// As [`Testnet::mine`].
    pub async fn mine_now(&self) -> Result<BlockRef, SessionError> {
        self.node.mine().await?;
        let header = self.header(BlockId::latest()).await?;
        Ok(BlockRef { number: BlockNumber(header.number), hash: header.hash.0 })
    }

    /// What the engine's accounts hold after the newest block.
    ///
    /// # Errors
    /// [`SessionError::DevNode`] when the node does not answer.
    pub async fn accounts(&self) -> Result<Accounts, SessionError> {
        let (provider, owner) = (self.node.provider(), self.deployment.owner.address());
        Ok(Accounts {
            profit: self.weth_of(self.deployment.profit_recipient).await?,
            ether: provider.get_balance(owner).latest().await.map_err(rpc("eth_getBalance"))?,
            nonce: provider.get_transaction_count(owner).latest().await.map_err(rpc("eth_getTransactionCount"))?,
        })
    }

    async fn weth_of(&self, account: Address) -> Result<U256, SessionError> {
        let call = ITestToken::balanceOfCall { account }.abi_encode();
        let request = TransactionRequest::default().to(self.deployment.weth()).input(call.into());
        let answer = self.node.provider().call(request).await.map_err(rpc("eth_call"))?;
        Ok(U256::from_be_slice(&answer))
    }

    async fn header(&self, block: BlockId) -> Result<Header, SessionError> {
        let found = self.node.provider().get_block(block).await.map_err(rpc("eth_getBlockByNumber"))?;
        found.map(|block| block.header).ok_or(SessionError::NoBlock)
    }
}

fn rpc(method: &'static str) -> impl FnOnce(alloy::transports::TransportError) -> DevNodeError {
    move |source| DevNodeError::Rpc { method, source }
}

fn write_key(folder: &Path, deployment: &Deployment) -> Result<(), SessionError> {
    let mut random = [0; PASSWORD_BYTES];
    OsRng.try_fill_bytes(&mut random).map_err(|error| SessionError::Io(std::io::Error::other(error)))?;
    let password = hex::encode(random);
    let key = PrivateKey::from_bytes(deployment.owner.to_bytes().0.into())?;
    let keys = folder.join(KEYS_FOLDER);
    keystore::create(&keys, Some(KEY_NAME), &key, &Secret::new(password.clone().into_bytes()), Cost::Light)?;
    let path = keys.join(format!("{KEY_NAME}.password"));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    std::io::Write::write_all(&mut file, password.as_bytes())?;
    Ok(())
}
