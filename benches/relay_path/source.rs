//! A chain that has its next block ready whenever the relay may take it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use alloy::primitives::aliases::{I24, U160};
use alloy::primitives::{Address, B256, I256, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{BlockContext, PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TokenInfo, V3State};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{BlockRef, ChainId, FeePpm, TokenId, VenueId};
use alphapulse_relay::journal::FeedOptions;
use alphapulse_relay::source::{ChainSource, Dial, MarketImage};
use alphapulse_relay::{Access, Endpoint, Relay, RelayConfig, SourceError};
use anyhow::{Result, ensure};
use tokio::sync::Notify;

pub(crate) const CHAIN_ID: ChainId = ChainId(31337);
/// Number of the block that the relay begins with.
pub(crate) const FIRST: u64 = 100;
/// Longer than any run: neither silence nor signs of life are part of what is measured.
const NEVER: Duration = Duration::from_secs(24 * 3600);

alloy::sol! {
    event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
        uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
}

/// The tick of every pool after a block: tells that what was read is what was sent.
pub(crate) fn tick_at(number: u64) -> i32 {
    i32::try_from(number % 1_000).expect("small")
}

/// The chain. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Chain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Swaps in each block, each of another pool.
    updates: u32,
    /// Highest block that the relay may take.
    allowed: AtomicU64,
    raised: Notify,
    /// When the logs of the newest block were given away, in nanoseconds since `base`.
    given_ns: AtomicU64,
    base: Instant,
    /// Logs as they repeat: block and tick aside.
    logs: OnceLock<Vec<Log>>,
}

impl Chain {
    pub(crate) fn new(updates: u32) -> Self {
        Self(Arc::new(Shared {
            updates,
            allowed: AtomicU64::new(FIRST),
            raised: Notify::new(),
            given_ns: AtomicU64::new(0),
            base: Instant::now(),
            logs: OnceLock::new(),
        }))
    }

    /// A relay of this chain that serves `socket`.
    pub(crate) async fn relay(&self, socket: &Path) -> Result<Relay> {
        self.relay_with(socket, None).await
    }

    /// The same, also on TCP.
    pub(crate) async fn relay_with(&self, socket: &Path, listen_tcp: Option<SocketAddr>) -> Result<Relay> {
        let config = RelayConfig {
            chain_id: CHAIN_ID,
            endpoint: Endpoint::Ws("ws://127.0.0.1:1".into()),
            venues: Vec::new(),
            pools: Vec::new(),
            pending: false,
            finality: false,
            quotes: Vec::new(),
            factories: Vec::new(),
            silence: NEVER,
            backfill_blocks_max: 8,
            reorg_depth_max: 8,
            lane_bytes: 6 << 20,
            recent_bytes: 6 << 20,
            heartbeat: NEVER,
            listen_unix: Some(socket.to_owned()),
            listen_tcp,
            listen_http: None,
            access: Access::default(),
            subscribers_max: 32,
            sample_pools: 0,
            journal_dir: None,
            journal: FeedOptions::default(),
            confirm_endpoints: Vec::new(),
            quorum: 1,
            stale_blocks: 2,
            confirm_wait: NEVER,
        };
        Ok(Relay::start_from(config, self.clone()).await?)
    }

    /// Messages of each block.
    pub(crate) fn messages_per_block(&self) -> u64 {
        u64::from(self.0.updates) + 2
    }

    /// Lets the relay take blocks up to this one.
    pub(crate) fn allow(&self, number: u64) {
        // Pairs with the Acquire load in `next_head`.
        if self.0.allowed.fetch_max(number, Ordering::Release) < number {
            self.0.raised.notify_one();
        }
    }

    /// When the relay was given the logs of the newest block that it asked for.
    pub(crate) fn given_at(&self) -> Instant {
        self.0.base + Duration::from_nanos(self.0.given_ns.load(Ordering::Acquire))
    }

    fn pool_address(pool: u32) -> Address {
        let mut bytes = [0x99; 20];
        bytes[16..].copy_from_slice(&pool.to_be_bytes());
        Address::from(bytes)
    }

    /// The logs of a block, made from those of the first by changing what differs.
    fn logs(&self, block: BlockRef) -> Vec<Log> {
        let mut logs = self.0.logs.get_or_init(|| (0..self.0.updates).map(first_log).collect()).clone();
        let tick = tick_at(block.number.0).to_be_bytes();
        for log in &mut logs {
            log.block_hash = Some(B256::from(block.hash));
            log.block_number = Some(block.number.0);
            let mut data = [0; 160];
            data.copy_from_slice(&log.inner.data.data);
            data[156..].copy_from_slice(&tick);
            log.inner.data.data = data.into();
        }
        logs
    }
}

/// Waits until so many subscribers ever joined: the greeting alone does not tell that the snapshot was taken.
pub(crate) fn until_joined(relay: &Relay, joins: u64) -> Result<()> {
    let started = Instant::now();
    while relay.stats().joins < joins {
        ensure!(started.elapsed() < Duration::from_secs(60), "only {} joined", relay.stats().joins);
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

fn first_log(pool: u32) -> Log {
    let event = Swap {
        sender: Address::repeat_byte(0x51),
        recipient: Address::repeat_byte(0x52),
        amount0: I256::MINUS_ONE,
        amount1: I256::ONE,
        sqrtPriceX96: U160::from(1) << 96,
        liquidity: 1_000_000,
        tick: I24::ZERO,
    };
    let inner = alloy::primitives::Log { address: Chain::pool_address(pool), data: event.encode_log_data() };
    Log { inner, log_index: Some(pool.into()), ..Log::default() }
}

fn context(number: u64) -> BlockContext {
    let hash_of = |number: u64| {
        let mut hash = [0xb1; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    };
    BlockContext {
        number: number.into(),
        hash: hash_of(number),
        parent_hash: hash_of(number - 1),
        timestamp: (1_700_000_000 + number).into(),
        base_fee: 7_u128.into(),
        gas_used: 1.into(),
        gas_limit: 2.into(),
    }
}

impl Dial for Chain {
    type Source = Connected;

    async fn dial(&self) -> Result<Connected, SourceError> {
        Ok(Connected { chain: self.clone(), head: AtomicU64::new(FIRST) })
    }

    fn name(&self) -> String {
        "bench".into()
    }
}

/// The relay's connection.
#[derive(Debug)]
pub(crate) struct Connected {
    chain: Chain,
    head: AtomicU64,
}

impl ChainSource for Connected {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        // One task listens: nobody else counts.
        let next = self.head.load(Ordering::Relaxed) + 1;
        while self.chain.0.allowed.load(Ordering::Acquire) < next {
            self.chain.0.raised.notified().await;
        }
        self.head.store(next, Ordering::Relaxed);
        Ok(context(next))
    }

    fn try_head(&self) -> Option<BlockContext> {
        None
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        Ok(context(self.head.load(Ordering::Relaxed)))
    }

    async fn block_by_hash(&self, _: B256) -> Result<Option<BlockContext>, SourceError> {
        Ok(None)
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        Ok((number <= self.head.load(Ordering::Relaxed)).then(|| context(number)))
    }

    async fn logs(&self, block: BlockRef, _: &[Address]) -> Result<Vec<Log>, SourceError> {
        let logs = self.chain.logs(block);
        let since = self.chain.0.base.elapsed().as_nanos();
        self.chain.0.given_ns.store(u64::try_from(since).expect("short"), Ordering::Release);
        Ok(logs)
    }

    async fn market(&self, at: &BlockContext) -> Result<MarketImage, SourceError> {
        let token = |byte| TokenInfo { address: [byte; 20], symbol: "T".into(), decimals: 18 };
        let pool = |pool| {
            let info = PoolInfo {
                kind: PoolKind::UniswapV3,
                venue: VenueId(0),
                address: Chain::pool_address(pool).into_array(),
                tokens: [TokenId(0), TokenId(1)].into(),
                fee: FeePpm(3_000),
                tick_spacing: 60,
                known_ticks: (TICK_MIN, TICK_MAX),
                details: PoolDetails::None,
            };
            let slot = V3State { sqrt_price_x96: U256::ONE << 96, tick: 0, liquidity: 1_000_000, ticks: Vec::new() };
            (info, PoolState::V3(slot))
        };
        let pools = (0..self.chain.0.updates).map(pool).collect();
        Ok(MarketImage { context: *at, tokens: vec![token(1), token(2)], pools })
    }
}
