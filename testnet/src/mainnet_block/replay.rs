//! The block under way: dev node, engine, and one transaction more each time.

use std::path::PathBuf;
use std::time::Duration;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256, address, b256, uint};
use alloy::providers::Provider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alphapulse_engine::config;
use alphapulse_engine::node::{FeedSource, Node, NodeEvent, NodeOptions, NodeStatus};
use alphapulse_protocol::message::Opportunity;
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockNumber, BlockRef};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::pools::{self, Immutables, TouchedPool, differences};
use super::{MainnetBlockError, RecordedBlock};
use crate::dev_node::{DevNode, DevNodeConfig, DevNodeError, Mining, Order};
use crate::kit::Kit;

/// Generous: a step takes milliseconds on an idle machine.
const SETTLED_MAX: Duration = Duration::from_secs(60);
/// First blocks of the hard forks, newest first, and the dev node's names for them. Source: the forks' announcements.
const HARD_FORKS: [(u64, &str); 3] = [(19_426_587, "cancun"), (17_034_870, "shanghai"), (0, "grayglacier")];

mod contract {
    alloy::sol! {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function fee() external view returns (uint24);
        function tickSpacing() external view returns (int24);
    }
}

/// An arbitrage that somebody took in a recorded block.
#[derive(Debug, Clone, Copy)]
pub struct KnownArbitrage {
    /// The block.
    pub block: u64,
    /// The transaction that took it; it was open on the state just before.
    pub transaction: B256,
    /// The two pools of its route, in either order.
    pub pools: [Address; 2],
    /// What it gained, wei of WETH, before gas.
    pub gain: U256,
}

/// Two AMPL/WETH pairs, one of Uniswap and one of SushiSwap. Found by mev-inspect-py.
pub const KNOWN_ARBITRAGE: KnownArbitrage = KnownArbitrage {
    block: 18_884_864,
    transaction: b256!("96c238d395459dc797208f25d20f87b3f9da2755f45c4244b8ab6050a431f997"),
    pools: [address!("c5be99a02c6857f9eac67bbce58df5572498f40c"), address!("cb2286d9471cc185281c4f763d34a962ed212962")],
    gain: uint!(408_718_261_937_504_256_U256),
};

/// The market after one more transaction.
#[derive(Debug, Clone)]
pub struct BlockStep {
    /// Position of the transaction in the block.
    pub index: usize,
    /// Its hash.
    pub transaction: B256,
    /// The block that ends with it.
    pub block: BlockRef,
    /// Gas it used.
    pub gas_used: u64,
    /// What the engine found on the state after it, best first for each strategy.
    pub opportunities: Vec<Opportunity>,
    /// The engine's market.
    pub market: Replica,
}

impl BlockStep {
    /// Best opportunity over exactly these two pools.
    #[must_use]
    pub fn best_over(&self, pools: [Address; 2]) -> Option<&Opportunity> {
        let is_over = |found: &&Opportunity| {
            let used = found.hops().iter().filter_map(|hop| self.market.pools().get(hop.pool.get() as usize));
            let mut used: Vec<Address> = used.map(|pool| Address::from(pool.address)).collect();
            let mut wanted = pools.to_vec();
            used.sort_unstable();
            wanted.sort_unstable();
            used == wanted
        };
        self.opportunities.iter().filter(is_over).max_by(|a, b| a.profit().cmp(&b.profit()))
    }
}

/// What came of a replay.
#[derive(Debug, Clone)]
pub struct BlockReport {
    /// Height.
    pub block: u64,
    /// Transactions executed, each with the recorded status and gas.
    pub transactions: usize,
    /// Pools watched.
    pub pools: Vec<TouchedPool>,
    /// Opportunities found over all steps.
    pub opportunities: usize,
    /// What the engine found of the known arbitrage on the state before it was taken; `None` when nothing, or when the
    /// block has none.
    pub known: Option<Opportunity>,
    /// Where the engine's market differs from the recorded state after the block; empty when it does not.
    pub differences: Vec<String>,
    /// The node's last figures.
    pub status: NodeStatus,
}

/// Executes `block` under the eyes of a paper node, and compares what it then holds with the recorded state.
///
/// `observe` is called after each transaction. With `run_dir` the run is recorded there.
///
/// # Errors
/// [`MainnetBlockError`]; `Diverged` when the dev node does not execute a transaction as Ethereum did.
pub async fn replay(
    kit: &Kit,
    block: &RecordedBlock,
    run_dir: Option<PathBuf>,
    observe: &mut dyn FnMut(&BlockStep),
) -> Result<BlockReport, MainnetBlockError> {
    let mut chain = Chain::start(kit, block).await?;
    let pools = chain.describe_pools().await?;
    let config = config::from_toml(&super::config::text(&chain.node.ws_url(), &pools))?;
    let options = NodeOptions {
        is_live: false,
        run_dir,
        password: None,
        is_account_use_confirmed: false,
        feed: FeedSource::Embedded,
        seed: None,
    };
    let node = Node::start(config, options).await?;
    let mut report = BlockReport {
        block: block.number(),
        transactions: 0,
        pools,
        opportunities: 0,
        known: None,
        differences: Vec::new(),
        status: node.status().await?,
    };
    let mut events = node.events();
    for count in 1..=block.transactions.len() {
        let step = chain.step(count, &node, &mut events).await?;
        report.transactions += 1;
        report.opportunities += step.opportunities.len();
        let next = block.transactions.get(count).map(|(hash, _)| *hash);
        if block.number() == KNOWN_ARBITRAGE.block && next == Some(KNOWN_ARBITRAGE.transaction) {
            report.known = step.best_over(KNOWN_ARBITRAGE.pools).copied();
        }
        observe(&step);
    }
    report.differences = compare(block, &report.pools, &node.market_replica().await?);
    report.status = node.stop().await?;
    Ok(report)
}

/// Every difference between `market` and the recorded state after `block`, over `pools`; see [`differences`].
#[must_use]
pub fn compare(block: &RecordedBlock, pools: &[TouchedPool], market: &Replica) -> Vec<String> {
    let mut found = Vec::new();
    for pool in pools {
        match market.pool_by_address(&pool.address.into_array()) {
            Some(id) => found.extend(differences(block, pool, &market.states()[id.index()])),
            None => found.push(format!("{}: the engine does not know it", pool.address)),
        }
    }
    found
}

/// The dev node between parent and block.
struct Chain<'a> {
    node: DevNode,
    block: &'a RecordedBlock,
    parent: U256,
    _folder: TempDir,
}

impl<'a> Chain<'a> {
    async fn start(kit: &Kit, block: &'a RecordedBlock) -> Result<Self, MainnetBlockError> {
        let failed = |source| MainnetBlockError::Data { path: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix("alphapulse-block-").tempdir().map_err(failed)?;
        let genesis = folder.path().join("genesis.json");
        block.write_genesis(&genesis)?;
        let hard_fork =
            HARD_FORKS.iter().find(|(first, _)| *first <= block.number()).map(|(_, name)| (*name).to_owned());
        let config = DevNodeConfig {
            chain_id: 1,
            hardfork: hard_fork,
            genesis: Some(genesis),
            number: Some(block.parent.number.to()),
            timestamp: Some(block.parent.timestamp.to()),
            base_fee: Some(block.header.base_fee_per_gas.to()),
            gas_limit: Some(block.header.gas_limit.to()),
            mining: Mining::Manual,
            order: Order::Fifo,
            ..DevNodeConfig::default()
        };
        let node = DevNode::start(kit, config).await?;
        let parent = node.snapshot().await?;
        Ok(Self { node, block, parent, _folder: folder })
    }

    async fn describe_pools(&self) -> Result<Vec<TouchedPool>, MainnetBlockError> {
        let mut described = Vec::new();
        for pair in pools::touched_pairs(self.block) {
            described.push(pools::describe_pair(self.block, pair)?);
        }
        for pool in pools::touched_v3_pools(self.block) {
            let immutables = Immutables {
                tokens: [
                    self.ask(pool, "token0", contract::token0Call {}).await?,
                    self.ask(pool, "token1", contract::token1Call {}).await?,
                ],
                fee_ppm: self.ask(pool, "fee", contract::feeCall {}).await?.to(),
                tick_spacing: self.ask(pool, "tickSpacing", contract::tickSpacingCall {}).await?.as_i32(),
            };
            described.push(pools::describe_v3_pool(self.block, pool, immutables)?);
        }
        Ok(described)
    }

    async fn ask<C: SolCall>(
        &self,
        pool: Address,
        name: &'static str,
        call: C,
    ) -> Result<C::Return, MainnetBlockError> {
        let request = TransactionRequest::default().to(pool).input(call.abi_encode().into());
        let answer = self.node.provider().call(request).await.map_err(rpc("eth_call"))?;
        C::abi_decode_returns(&answer).map_err(|_| MainnetBlockError::Answer { pool, call: name })
    }

    /// Makes the block with its first `count` transactions, and waits for the engine.
    async fn step(
        &mut self,
        count: usize,
        node: &Node,
        events: &mut Receiver<NodeEvent>,
    ) -> Result<BlockStep, MainnetBlockError> {
        if count > 1 {
            self.node.revert(self.parent).await?;
            // A snapshot is used up by returning to it.
            self.parent = self.node.snapshot().await?;
        }
        let block = self.make(count).await?;
        let index = count - 1;
        let settled = tokio::time::timeout(SETTLED_MAX, node.settled(block)).await;
        settled.map_err(|_| MainnetBlockError::NotSettled { index })??;
        Ok(BlockStep {
            index,
            transaction: self.block.transactions[index].0,
            block,
            gas_used: self.block.receipts[index].gas_used,
            opportunities: opportunities_of(events, block),
            market: node.market_replica().await?,
        })
    }

    async fn make(&self, count: usize) -> Result<BlockRef, MainnetBlockError> {
        let header = &self.block.header;
        self.node.set_coinbase(header.miner).await?;
        self.node.set_next_timestamp(header.timestamp.to()).await?;
        self.node.set_next_base_fee(header.base_fee_per_gas.to()).await?;
        for (_, raw) in &self.block.transactions[..count] {
            self.node.call::<(Bytes,), B256>("eth_sendRawTransaction", (raw.clone(),)).await?;
        }
        let number = self.node.mine().await?;
        let made = self
            .node
            .provider()
            .get_block_receipts(BlockId::number(number))
            .await
            .map_err(rpc("eth_getBlockReceipts"))?;
        let made = made.unwrap_or_default();
        self.check_receipts(&made, count)?;
        let hash = made.last().and_then(|receipt| receipt.block_hash).unwrap_or_default();
        Ok(BlockRef { number: BlockNumber(number), hash: hash.0 })
    }

    fn check_receipts(&self, made: &[TransactionReceipt], count: usize) -> Result<(), MainnetBlockError> {
        for (index, recorded) in self.block.receipts[..count].iter().enumerate() {
            let hash = recorded.transaction_hash;
            let diverged = |what| Err(MainnetBlockError::Diverged { hash, what });
            let Some(receipt) = made.get(index).filter(|receipt| receipt.transaction_hash == hash) else {
                return diverged("its place in the block");
            };
            if receipt.status() != recorded.status() {
                return diverged("its status");
            }
            if receipt.gas_used != recorded.gas_used {
                return diverged("its gas");
            }
        }
        Ok(())
    }
}

/// What was found on `block`; all of it was announced before the block was settled.
fn opportunities_of(events: &mut Receiver<NodeEvent>, block: BlockRef) -> Vec<Opportunity> {
    let mut found = Vec::new();
    loop {
        match events.try_recv() {
            Ok(NodeEvent::Opportunity(opportunity)) if opportunity.block_hash == block.hash => found.push(opportunity),
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return found,
        }
    }
}

fn rpc(method: &'static str) -> impl FnOnce(alloy::transports::TransportError) -> DevNodeError {
    move |source| DevNodeError::Rpc { method, source }
}
