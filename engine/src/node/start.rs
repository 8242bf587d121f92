//! Bringing a node up: check everything that can be checked, then trade.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::message::{CloseReason, NonceLease};
use alphapulse_protocol::{Epoch, HashBytes};
use alphapulse_relay::journal::JournalWriter;
use alphapulse_relay::{Feed, FeedError, Relay, RelayError, SubscribeOptions};
use tokio::sync::{broadcast, mpsc, watch};

use super::control::{self, Desk, REQUESTS_MAX};
use super::data_plane::{DataPlane, Join};
use super::earlier::{Earlier, Identity};
use super::inputs::Inputs;
use super::live::Live;
use super::outbox::Outbox;
use super::progress::Progress;
use super::standings::Standings;
use super::status::{FeedCounters, LatencySamples};
use super::{Node, NodeError, Running};
use crate::assembly;
use crate::clock::WallClock;
use crate::config::{Mode, NodeConfig};
use crate::execution::calldata::{Venue, abi::IExecutor};
use crate::execution::caller::Caller;
use crate::execution::chain::ChainPort;
use crate::execution::keystore;
use crate::execution::nonce::NonceManager;
use crate::execution::signer::Signer;
use crate::execution::{connect, executor_code};
use crate::ledger::{JOURNAL_FOLDER, Manifest};
use crate::risk::{KillSwitch, watch_file};
use crate::secret::Secret;

/// Events kept for a watcher that is behind; a slower one misses some and is told.
const EVENTS_MAX: usize = 4096;
/// How often the kill file is looked for.
const KILL_FILE_EVERY: Duration = Duration::from_millis(50);

/// Where market messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedSource {
    /// A relay inside the node.
    Embedded,
    /// A relay on this machine.
    Unix(PathBuf),
    /// A relay elsewhere.
    Tcp(SocketAddr),
}

/// What a start is told besides the configuration.
#[derive(Debug)]
pub struct NodeOptions {
    /// Whether approved trades are signed and sent. The configuration must say so too.
    pub is_live: bool,
    /// Folder for this run's journal and manifest; must not hold a run. Needed live.
    pub run_dir: Option<PathBuf>,
    /// Password of the keystore. Needed live.
    pub password: Option<Secret>,
    /// The operator's word that transactions of the account which no run of ours sent are his own.
    pub is_account_use_confirmed: bool,
    /// Where market messages come from.
    pub feed: FeedSource,
    /// Seed of a scripted run, for the manifest.
    pub seed: Option<u64>,
}

impl Node {
    /// Starts a node. Returns once the market stands and, live, once key, executor, chain and nonces were checked.
    ///
    /// # Errors
    /// [`NodeError`], each naming what to correct. Nothing is left running then.
    pub async fn start(config: NodeConfig, options: NodeOptions) -> Result<Self, NodeError> {
        check_word(&config, &options)?;
        let kill = KillSwitch::new();
        let clock = WallClock::start();
        let Means { desk, genesis, live, earlier } = connect(&config, &options, &kill, &clock).await?;
        let (relay, join) = join_feed(&config, &options.feed).await?;
        // Last of what can fail: a start that fails leaves no folder behind that the next one would find taken.
        let journal = open_run(&config, &options, desk.as_ref().zip(genesis), Epoch(clock.now().0))?;

        let core = assembly::core(&config, options.is_live)?;

        let inputs = Inputs::new();
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let (progress, progress_seen) = watch::channel(Progress::default());
        let (track, track_events) = mpsc::channel(REQUESTS_MAX);
        let (work, work_requests) = mpsc::channel(REQUESTS_MAX);
        let desk = desk.map(Arc::new);
        let follow =
            control::follow(desk.clone(), config.relay.reorg_depth_max, inputs.clone(), kill.clone(), track_events);
        let mut running = Running { inputs: inputs.clone(), work: None, watchers: vec![tokio::spawn(follow)] };
        running.work = desk.map(|desk| tokio::spawn(control::work(desk, inputs.clone(), work_requests)));
        if let Some(path) = config.kill_file.clone() {
            // Before anything can be signed: the task may take a while to begin.
            kill.check_file(&path);
            running.watchers.push(tokio::spawn(watch_file(path, kill.clone(), KILL_FILE_EVERY)));
        }
        let work = running.work.as_ref().map(|_| work);
        let mut data_plane = DataPlane {
            core,
            outbox: Outbox::new(journal, events.clone(), work, track, live, kill.clone()),
            join,
            inputs,
            kill: kill.clone(),
            clock,
            progress,
            feed_counters: FeedCounters::default(),
            decide: LatencySamples::new(),
            submit: LatencySamples::new(),
            is_halt_noted: false,
            is_halt_logged: false,
            block_seen: None,
            resumed_at: None,
            is_unheard: true,
            standings: Standings::default(),
            looked_at: 0,
        };
        data_plane.restore(&earlier);
        let thread = spawn_trading(data_plane);
        let node = Self { running, progress: progress_seen, events, kill, relay, thread, run_dir: options.run_dir };
        match node.market_stands().await {
            Ok(()) => Ok(node),
            // Why the thread ended is its own to say.
            Err(ended) => Err(node.stop().await.err().unwrap_or(ended)),
        }
    }

    /// Waits for the first whole state.
    async fn market_stands(&self) -> Result<(), NodeError> {
        self.progress.clone().wait_for(Progress::has_market).await.map(drop).map_err(|_| NodeError::Ended)
    }
}

fn spawn_trading(data_plane: DataPlane) -> std::thread::JoinHandle<Result<super::NodeStatus, NodeError>> {
    std::thread::Builder::new()
        .name("alphapulse-trading".to_owned())
        .spawn(move || {
            let ended = data_plane.run();
            if let Err(error) = &ended {
                tracing::error!(error = error as &dyn std::error::Error, "the trading thread ended");
            }
            ended
        })
        .expect("the system has room for one more thread")
}

/// Live needs the word in two places, a key, and a record.
fn check_word(config: &NodeConfig, options: &NodeOptions) -> Result<(), NodeError> {
    let refuse = |reason: &str| Err(NodeError::Refused(reason.to_owned()));
    if !options.is_live {
        return Ok(());
    }
    if config.execution.mode != Mode::Live {
        return refuse("going live needs `execution.mode = \"live\"` in the configuration as well as `--live`");
    }
    if options.run_dir.is_none() {
        return refuse("going live needs a run folder for the journal; set `journal.dir`");
    }
    if options.password.is_none() {
        return refuse("going live needs the keystore's password; set `execution.password_file`");
    }
    Ok(())
}

/// What a node trades with.
struct Means {
    desk: Option<Desk>,
    /// First block of the desk's chain.
    genesis: Option<HashBytes>,
    live: Live,
    /// Records of earlier runs, for the head of the journal.
    earlier: Vec<Vec<u8>>,
}

/// Connects execution to the EVM node. On paper without an executor there is nothing to connect.
async fn connect(
    config: &NodeConfig,
    options: &NodeOptions,
    kill: &KillSwitch,
    clock: &WallClock,
) -> Result<Means, NodeError> {
    let Some(executor) = config.execution.executor else {
        return Ok(Means { desk: None, genesis: None, live: Live::paper(None), earlier: Vec::new() });
    };
    let endpoint = &config.chain.endpoint;
    let connected = connect::connect(endpoint).await;
    let chain = ChainPort::new(
        connected.map_err(|source| NodeError::Connect { endpoint: endpoint.to_string(), source: Box::new(source) })?,
    );
    let (expected, got) = (config.chain.id, chain.chain_id().await?);
    if expected != got {
        return Err(NodeError::WrongChain { expected, got });
    }
    let caller = Caller { executor, profit_min: config.limits.profit_min };
    let owner = check_executor(config, &chain, executor).await?;
    let genesis = chain.genesis_hash().await?;
    let desk = Desk { chain, account: owner, executor };
    let (live, earlier) = match (&options.password, &options.run_dir) {
        (Some(password), Some(run_dir)) if options.is_live => {
            let (signer, key_lock) = open_signer(config, password, owner, kill)?;
            let earlier = Earlier::read(
                run_dir,
                config.journal_dir.as_deref(),
                &Identity { chain_id: expected, genesis, account: owner },
            )?;
            let leases = if options.is_account_use_confirmed { Vec::new() } else { earlier.leases().to_vec() };
            let signed_end = earlier.signed_end();
            let records = earlier.resolve(&desk, clock.now()).await?;
            let nonces = resume_nonces(config, &desk, &leases, signed_end).await?;
            (Live::signing(caller, signer, nonces, key_lock), records)
        }
        _ => (Live::paper(Some(caller)), Vec::new()),
    };
    Ok(Means { desk: Some(desk), genesis: Some(genesis), live, earlier })
}

/// That the executor is there and is the one that this version was tested with, sends profit where the operator wants it,
/// and knows the venues as the operator does.
async fn check_executor(config: &NodeConfig, chain: &ChainPort, executor: Address) -> Result<Address, NodeError> {
    let refuse = |reason: String| NodeError::Refused(format!("executor {executor}: {reason}"));
    let code = chain.code(executor).await?;
    if code.is_empty() {
        return Err(refuse("there is no contract at this address; correct `execution.executor`".to_owned()));
    }
    let not_ours =
        || refuse("the contract there is not an AlphaPulse executor; correct `execution.executor`".to_owned());
    let recipient = chain.view(executor, &IExecutor::profitRecipientCall {}).await?.ok_or_else(not_ours)?;
    // Live, the address is a must; a node on paper may only want to simulate.
    if config.execution.profit_address.is_some_and(|expected| expected != recipient) {
        return Err(refuse(format!("it sends profit to {recipient}, not to `execution.profit_address`")));
    }
    if chain.view(executor, &IExecutor::pausedCall {}).await?.ok_or_else(not_ours)? {
        return Err(NodeError::NotYet(format!(
            "executor {executor} is paused; start again once its owner has ended that"
        )));
    }
    if !executor_code::is_ours(&code) {
        return Err(refuse(
            "its code is not that of this version's executor contract; deploy that one, or correct `execution.executor`"
                .to_owned(),
        ));
    }
    for venue in &config.venues {
        let index = alloy::primitives::U256::from(venue.id.0);
        let known = chain.view(executor, &IExecutor::venueCall { index }).await?.ok_or_else(not_ours)?;
        if known != Venue::of(venue).to_abi() {
            return Err(refuse(format!(
                "its venue {} is not `{}` in factory, init code hash, kind and fee; venues must be in the executor's order",
                venue.id, venue.name
            )));
        }
    }
    chain.view(executor, &IExecutor::ownerCall {}).await?.ok_or_else(not_ours)
}

/// The signer, and a lock that makes it the only one of its keystore: two nodes would use each nonce twice, and neither
/// would know.
fn open_signer(
    config: &NodeConfig,
    password: &Secret,
    owner: Address,
    kill: &KillSwitch,
) -> Result<(Signer, File), NodeError> {
    let refuse = |reason: String| NodeError::Refused(reason);
    let path = config.execution.keystore.as_ref();
    let path = path.ok_or_else(|| refuse("going live needs `execution.keystore`".to_owned()))?;
    let policy = config.signer_policy().ok_or_else(|| refuse("going live needs `execution.executor`".to_owned()))?;
    let key = keystore::open(path, password)?;
    let signer = Signer::new(&key, policy, kill.clone());
    if signer.address() != owner {
        return Err(refuse(format!(
            "the keystore's account {} does not own the executor; {owner} does",
            signer.address()
        )));
    }
    Ok((signer, lock_keystore(path)?))
}

/// The system gives the lock back when the file is closed, however the node ends.
fn lock_keystore(path: &Path) -> Result<File, NodeError> {
    let refuse = |reason: String| NodeError::Refused(format!("keystore {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| refuse(format!("cannot be opened to be locked: {error}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NodeError::NotYet(format!(
            "keystore {}: another node trades with it; stop that one first",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => {
            Err(refuse(format!("cannot be locked: {error}; keep it on a file system that has locks")))
        }
    }
}

/// Nonces that go on from earlier runs, all of whose trades are decided or past their blocks. The chain and the node's
/// pool must agree that nothing of ours is on its way.
async fn resume_nonces(
    config: &NodeConfig,
    desk: &Desk,
    leases: &[NonceLease],
    signed_end: Option<u64>,
) -> Result<NonceManager, NodeError> {
    let account = desk.account;
    let (mined, pending) = (desk.chain.nonce(account).await?, desk.chain.pending_nonce(account).await?);
    if mined != pending {
        return Err(NodeError::NotYet(format!(
            "account {account} has {} transactions waiting in the node's pool; wait until they are mined or replaced",
            pending.saturating_sub(mined)
        )));
    }
    let mut nonces = NonceManager::resume(account, config.execution.lease_nonces, mined, leases, signed_end)?;
    let doubt = nonces.in_doubt();
    if !doubt.is_empty() {
        // No record says that they were signed, and what a crash kept from the disk has expired with its block window or is
        // replaced by what is signed next.
        tracing::info!(
            first = doubt.start,
            end = doubt.end,
            "nonces that an earlier run leased and never used are taken up"
        );
        nonces.accept_doubt(signed_end.is_none());
    }
    Ok(nonces)
}

fn open_run(
    config: &NodeConfig,
    options: &NodeOptions,
    desk: Option<(&Desk, HashBytes)>,
    epoch: Epoch,
) -> Result<Option<JournalWriter>, NodeError> {
    let Some(run_dir) = &options.run_dir else { return Ok(None) };
    let mut manifest = Manifest::new(
        config.chain.id.0,
        options.is_live,
        config.to_toml().to_owned(),
        config.config_hash().to_string(),
    );
    manifest.seed = options.seed;
    manifest.genesis = desk.map(|(_, genesis)| genesis.into());
    manifest.account = desk.map(|(desk, _)| desk.account);
    manifest.create(run_dir)?;
    Ok(Some(JournalWriter::create(run_dir.join(JOURNAL_FOLDER), config.chain.id, epoch)?))
}

/// The feed, and the relay when it is inside the node.
async fn join_feed(config: &NodeConfig, source: &FeedSource) -> Result<(Option<Arc<Relay>>, Join), NodeError> {
    let chain_id = config.chain.id;
    Ok(match source.clone() {
        FeedSource::Embedded => {
            let relay = Arc::new(Relay::start(config.relay_config(None)).await?);
            let subscriber = Arc::clone(&relay);
            let join: Join = Box::new(move |position| subscriber.subscribe_from(position).map_err(feed_error));
            (Some(relay), join)
        }
        FeedSource::Unix(path) => {
            (None, Box::new(move |position| Feed::connect_unix(&path, position)?.expecting_chain(chain_id)))
        }
        FeedSource::Tcp(address) => {
            let (key, tls) = config.relay.client.read().map_err(RelayError::Secret)?;
            let options = SubscribeOptions { key, tls, ..SubscribeOptions::default() };
            let join: Join = Box::new(move |position| {
                let options = SubscribeOptions { position, ..options.clone() };
                Feed::connect_tcp_with(address, &options)?.expecting_chain(chain_id)
            });
            (None, join)
        }
    })
}

/// An embedded relay that has no place may have one later; one that stopped stays stopped.
fn feed_error(error: RelayError) -> FeedError {
    match error {
        RelayError::Full(_) => FeedError::Closed(CloseReason::Full),
        _ => FeedError::RelayEnded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keystore_has_one_node_at_a_time() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("hot");
        std::fs::write(&path, "").expect("writable");
        let first = lock_keystore(&path).expect("free");
        assert!(matches!(lock_keystore(&path), Err(NodeError::NotYet(reason)) if reason.contains("another node")));
        drop(first);
        assert!(lock_keystore(&path).is_ok());
    }
}
