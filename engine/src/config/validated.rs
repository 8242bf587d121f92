//! The configuration of a node, every value checked and in its own type.

use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use alphapulse_protocol::{ChainId, FeePerGas};
use alphapulse_relay::journal::FeedOptions;
use alphapulse_relay::source::side::QuoteSpec;
use alphapulse_relay::{Access, ClientFiles, Endpoint, FactorySpec, PoolSpec, RelayConfig, VenueSpec};
use alphapulse_strategies::{Admission, StrategyConfig};

use super::Origin;
use crate::core::{GasModel, PlanRules};
use crate::execution::calldata::POOL_KINDS;
use crate::execution::signer::SignerPolicy;
use crate::risk::Limits;

/// A configuration that passed every check. Holds no secret but what an endpoint's path may hold, and shows none.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The chain and the node that follows it.
    pub chain: ChainConfig,
    /// Factories, by venue id.
    pub venues: Vec<VenueSpec>,
    /// Tokens that routes may touch.
    pub tokens: Vec<TokenSpec>,
    /// Pools that routes may use.
    pub pools: Vec<PoolSpec>,
    /// Strategies, by index.
    pub strategies: Vec<StrategyConfig>,
    /// Limits in force.
    pub limits: Limits,
    /// File whose existence stops trading.
    pub kill_file: Option<PathBuf>,
    /// How trades are made.
    pub execution: ExecutionConfig,
    /// Where market data comes from.
    pub relay: RelaySettings,
    /// Folder in which each run makes its own.
    pub journal_dir: Option<PathBuf>,
    pub(super) settings: Vec<Setting>,
    pub(super) effective: String,
}

/// `[chain]`
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// EIP-155 id that the node must state.
    pub id: ChainId,
    /// Where the node listens.
    pub endpoint: Endpoint,
    /// Further nodes, raced with the first.
    pub confirm_endpoints: Vec<Endpoint>,
    /// Nodes that must agree on a block before it is used.
    pub quorum: usize,
}

/// `[[tokens]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// Contract.
    pub address: Address,
    /// The operator's name for it.
    pub symbol: String,
    /// Decimals as the operator states them, to be compared with the contract's.
    pub decimals: Option<u8>,
}

/// Whether trades are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything but the signature.
    Paper,
    /// Signed and sent, when the command says so too.
    Live,
}

/// `[execution]`
#[derive(Debug, Clone)]
pub struct ExecutionConfig {
    /// Whether trades are signed.
    pub mode: Mode,
    /// Executor contract; always there in live mode, and wherever trades are simulated.
    pub executor: Option<Address>,
    /// Account that the executor must send profit to; always there in live mode.
    pub profit_address: Option<Address>,
    /// Keystore of the account that signs; always there in live mode.
    pub keystore: Option<PathBuf>,
    /// File with the keystore's password, unless it is given in another way.
    pub password_file: Option<PathBuf>,
    /// Priority fee offered.
    pub priority_fee: FeePerGas,
    /// Blocks in which a trade may be included, above 0.
    pub blocks_valid: u64,
    /// Nonces leased at a time, above 0.
    pub lease_nonces: u32,
    /// Expected gas.
    pub gas: GasModel,
}

/// Which relay a node listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelaySource {
    /// One of its own, in the same process.
    Embedded,
    /// One at a unix socket.
    Unix(PathBuf),
    /// One at a TCP address.
    Tcp(std::net::SocketAddr),
}

/// `[relay]`
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// Which relay a node listens to.
    pub source: RelaySource,
    /// The head is asked for after this long without one.
    pub silence: Duration,
    /// Blocks that a node may be behind the others before it counts as stale.
    pub stale_blocks: u64,
    /// Longest wait for other nodes' confirmation.
    pub confirm_wait: Duration,
    /// Sign of life after this long without a message.
    pub heartbeat: Duration,
    /// Blocks behind the head that are met one by one.
    pub backfill_blocks_max: u64,
    /// Blocks that can be taken back.
    pub reorg_depth_max: usize,
    /// Bytes that may wait for a subscriber.
    pub lane_bytes: usize,
    /// Bytes of the newest messages kept to repair gaps without a snapshot.
    pub recent_bytes: usize,
    /// Pools whose state is held against the chain in each block; 0 compares none.
    pub sample_pools: usize,
    /// Subscribers served at once.
    pub subscribers_max: usize,
    /// Unix socket to serve on.
    pub listen_unix: Option<PathBuf>,
    /// TCP address to serve on; a loopback one, unless clients prove keys and TLS hides what they are told.
    pub listen_tcp: Option<std::net::SocketAddr>,
    /// How the relay's own journal is kept. Says nothing of a node's, which nobody shortens.
    pub journal: FeedOptions,
    /// Factories whose new pools are followed. A node trades only the pools that its configuration lists.
    pub factories: Vec<FactorySpec>,
    /// Address of the page for watching the relay; a loopback one.
    pub listen_http: Option<std::net::SocketAddr>,
    /// Whether transactions that wait in the first node's pool are relayed to who asks for them.
    pub pending: bool,
    /// Whether the first node's safe and finalized blocks are.
    pub finality: bool,
    /// Exchanges whose quotes are.
    pub quotes: Vec<QuoteSpec>,
    /// Who may do what there.
    pub access: Access,
    /// What is shown to the relay at `tcp`.
    pub client: ClientFiles,
}

/// One effective value, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Key, as `risk.fee_max` or `pools[3].venue`.
    pub key: String,
    /// The value as understood, quantities in their smallest unit.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

impl NodeConfig {
    /// Every effective value with its origin, in the order of the sections.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Keccak-256 of every effective value. The same for two files that mean the same, whatever their layout, profiles
    /// and units; an endpoint counts by scheme and host only, for its path may hold a key.
    #[must_use]
    pub fn config_hash(&self) -> B256 {
        let lines = self.settings.iter().map(|setting| format!("{}={}\n", setting.key, setting.value));
        keccak256(lines.collect::<String>())
    }

    /// The effective configuration as TOML that [`from_toml`](super::from_toml) reads back to the same values, with
    /// each endpoint cut to scheme and host. Holds no secret.
    #[must_use]
    pub fn to_toml(&self) -> &str {
        &self.effective
    }

    /// What the embedded relay is told. `journal_dir` is its own journal, if it keeps one.
    #[must_use]
    pub fn relay_config(&self, journal_dir: Option<PathBuf>) -> RelayConfig {
        RelayConfig {
            chain_id: self.chain.id,
            endpoint: self.chain.endpoint.clone(),
            confirm_endpoints: self.chain.confirm_endpoints.clone(),
            quorum: self.chain.quorum,
            stale_blocks: self.relay.stale_blocks,
            confirm_wait: self.relay.confirm_wait,
            venues: self.venues.clone(),
            pools: self.pools.clone(),
            pending: self.relay.pending,
            finality: self.relay.finality,
            quotes: self.relay.quotes.clone(),
            factories: self.relay.factories.clone(),
            silence: self.relay.silence,
            backfill_blocks_max: self.relay.backfill_blocks_max,
            reorg_depth_max: self.relay.reorg_depth_max,
            lane_bytes: self.relay.lane_bytes,
            recent_bytes: self.relay.recent_bytes,
            heartbeat: self.relay.heartbeat,
            listen_unix: self.relay.listen_unix.clone(),
            listen_tcp: self.relay.listen_tcp,
            listen_http: self.relay.listen_http,
            access: self.relay.access.clone(),
            subscribers_max: self.relay.subscribers_max,
            sample_pools: self.relay.sample_pools,
            journal_dir,
            journal: self.relay.journal,
        }
    }

    /// Which tokens and pools the market admits: those configured, of kinds that the executor swaps in.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission::only(
            self.tokens.iter().map(|token| token.address.0.0),
            self.pools.iter().map(|pool| pool.address.0.0),
        )
        .of_kinds(&POOL_KINDS)
    }

    /// What the signer may sign, or `None` without an executor.
    #[must_use]
    pub fn signer_policy(&self) -> Option<SignerPolicy> {
        Some(SignerPolicy {
            chain_id: self.chain.id,
            executor: self.execution.executor?,
            fee_max: self.limits.fee_max,
            gas_max: self.limits.gas_max,
        })
    }

    /// How trades are paid for and how long they hold.
    #[must_use]
    pub const fn plan_rules(&self) -> PlanRules {
        PlanRules {
            gas: self.execution.gas,
            priority_fee: self.execution.priority_fee,
            blocks_valid: self.execution.blocks_valid,
        }
    }
}
