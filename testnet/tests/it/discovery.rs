//! Pools of real factories on a real node are followed from the block that makes them, to the wei, and are gone with it.

use std::time::{Duration, Instant};

use alloy::network::TransactionBuilder;
use alloy::primitives::aliases::{I24, U24};
use alloy::primitives::{Address, B256, Bytes, I256, U160, U256, bytes};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alphapulse_engine::config::{self, RawConfig};
use alphapulse_engine::execution::calldata::VenueKind;
use alphapulse_protocol::message::{Message, PoolKind};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica};
use alphapulse_protocol::{ChainId, FeePpm, VenueId};
use alphapulse_relay::{Endpoint, FactorySpec, Feed, Relay, RelayConfig, VenueSpec, WantedTokens};
use alphapulse_testnet::contracts::abi::{ILiquidityProvider, ITestToken, ITrader, IV2Factory, IV3Factory, IV3Pool};
use alphapulse_testnet::exhaustive::{Book, PoolKey, StateReader};
use alphapulse_testnet::{Layout, OwnContract, PANCAKE_V2, TokenSpec, UNISWAP_V2, UNISWAP_V3};

use crate::chain::Chain;

/// A thousandth of all dollars that the providers have, raw.
const UNIT: u128 = 10_u128.pow(15);
const FEE: u32 = 500;
const TICK_SPACING: i32 = 10;
/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(120);
/// Creation of a contract that burns all gas whatever it is asked: a jump to itself.
const GAS_BURNER: Bytes = bytes!("635b6000566000526004601cf3");

/// A chain with WETH, a dollar of 6 decimals and empty factories.
async fn start() -> Chain {
    let dollar = TokenSpec { symbol: "tUSD".to_owned(), decimals: 6, price_wei: U256::from(500_000_000_000_000_u64) };
    Chain::start(&Layout { tokens: vec![dollar], pools: Vec::new() }).await
}

/// A relay of this chain that follows no pool but those of factories in which WETH is traded.
fn relay_config(chain: &Chain) -> RelayConfig {
    let deployment = &chain.deployment;
    let venue = |(id, venue): (u16, &alphapulse_engine::execution::calldata::Venue)| {
        let (kind, fee) = match venue.kind {
            VenueKind::V2 { fee_ppm } => (PoolKind::UniswapV2, fee_ppm),
            VenueKind::V3 => (PoolKind::UniswapV3, 0),
        };
        let (factory, init_code_hash) = (venue.factory, venue.init_code_hash);
        VenueSpec { id: VenueId(id), name: format!("venue {id}"), kind, factory, init_code_hash, fee: FeePpm(fee) }
    };
    let venues: Vec<_> = (0..).zip(&deployment.venues).map(venue).collect();
    let factory = |venue: &VenueSpec| FactorySpec {
        venue: venue.id,
        address: venue.factory,
        wanted: Some(WantedTokens { tokens: [deployment.weth()].into(), are_both_needed: false }),
        pools_max: 100,
        known_ticks: None,
        from_block: None,
    };
    let factories = venues.iter().map(factory).collect();
    let example = config::from_toml(RawConfig::example()).expect("the example is valid").relay_config(None);
    RelayConfig {
        chain_id: ChainId(31337),
        endpoint: chain.node.ws_url().parse().expect("an endpoint"),
        venues,
        factories,
        pools: Vec::new(),
        silence: Duration::from_millis(500),
        ..example
    }
}

/// A subscriber.
struct Mirror {
    feed: Feed,
    replica: Replica,
}

impl Mirror {
    fn join(relay: &Relay) -> Self {
        Self { feed: relay.subscribe().expect("the relay has room"), replica: Replica::default() }
    }

    /// Takes what comes until the mirror stands at the chain's head.
    async fn settle(&mut self, chain: &Chain) -> (u64, B256) {
        let head = chain.node.provider().get_block(alloy::eips::BlockId::latest()).await;
        let head = head.expect("answers").expect("a chain has a head").header;
        let start = Instant::now();
        loop {
            while let Some(frame) = self.feed.try_next().expect("the feed lives") {
                let message = Message::decode(frame.message_bytes()).expect("the relay speaks the protocol");
                self.replica.apply(&message).expect("the stream is whole");
            }
            let context = self.replica.context().filter(|_| self.replica.is_whole());
            if context.is_some_and(|context| B256::from(context.hash) == head.hash) {
                return (head.number, head.hash);
            }
            assert!(start.elapsed() < DEADLINE, "block {} does not come: {context:?}", head.number);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Holds every pool against an independent reader's word at the chain's head.
    async fn equals_the_contracts(&mut self, chain: &Chain, pools: &[PoolKey]) {
        let (number, hash) = self.settle(chain).await;
        let mut reader = StateReader::new(chain.node.provider().clone(), pools.to_vec(), 0);
        let truth = reader.read(number, hash).await.expect("the chain answers");
        assert_eq!(self.replica.pools().len(), pools.len(), "pools followed");
        for (pool, snapshot) in truth.iter().enumerate() {
            let (info, state) = (&self.replica.pools()[pool], &self.replica.states()[pool]);
            assert_eq!(self.key(info), snapshot.key);
            assert_eq!(book(state), snapshot.book, "{info:?}");
        }
    }

    fn key(&self, info: &PoolInfo) -> PoolKey {
        let token = |id: &alphapulse_protocol::TokenId| Address::from(self.replica.tokens()[id.index()].address);
        PoolKey {
            address: info.address.into(),
            kind: info.kind,
            tokens: [token(&info.tokens[0]), token(&info.tokens[1])],
            fee_ppm: info.fee.0,
            tick_spacing: info.tick_spacing,
        }
    }
}

fn book(state: &PoolState) -> Book {
    match state {
        PoolState::V2(state) => Book::ConstantProduct([state.reserve_0, state.reserve_1].map(U256::from)),
        PoolState::V3(state) => Book::Concentrated(alphapulse_testnet::exhaustive::ConcentratedBook {
            sqrt_price_x96: state.sqrt_price_x96,
            tick: state.tick,
            liquidity: state.liquidity,
            ticks: state.ticks.iter().map(|tick| (tick.tick, tick.liquidity_net)).collect(),
        }),
        other => panic!("no factory here makes {other:?}"),
    }
}

fn sorted(a: Address, b: Address) -> [Address; 2] {
    [a.min(b), a.max(b)]
}

/// Makes a pair, in a block of its own.
async fn create_pair(chain: &Chain, venue: u16, a: Address, b: Address) -> PoolKey {
    let factory = chain.deployment.venues[usize::from(venue)];
    chain.act(factory.factory, IV2Factory::createPairCall { tokenA: a, tokenB: b }).await;
    let address = chain.view(factory.factory, &IV2Factory::getPairCall { tokenA: a, tokenB: b }).await;
    let VenueKind::V2 { fee_ppm } = factory.kind else { panic!("a V2 venue") };
    PoolKey { address, kind: PoolKind::UniswapV2, tokens: sorted(a, b), fee_ppm, tick_spacing: 0 }
}

async fn add_v2(chain: &Chain, pair: Address, amount: u128) {
    let amount = U256::from(amount);
    let call = ILiquidityProvider::addV2Call { pair, amount0: amount, amount1: amount };
    chain.act(chain.deployment.liquidity_provider, call).await;
}

async fn swap_v2(chain: &Chain, pair: &PoolKey, amount: u128) {
    let amount_in = U256::from(amount);
    let fee_ppm = U24::from(pair.fee_ppm);
    let call = ITrader::swapV2Call { pair: pair.address, zeroForOne: true, amountIn: amount_in, feePpm: fee_ppm };
    chain.act(chain.deployment.trader, call).await;
}

fn swap_v3(pool: Address, zero_for_one: bool, amount: u128) -> ITrader::swapV3Call {
    ITrader::swapV3Call { pool, zeroForOne: zero_for_one, amountSpecified: I256::unchecked_from(amount) }
}

fn add_v3(pool: Address, half_width: i32, liquidity: u128) -> ILiquidityProvider::addV3AroundCall {
    let half_width = I24::try_from(half_width).expect("fits");
    ILiquidityProvider::addV3AroundCall { pool, halfWidth: half_width, liquidity }
}

/// Makes one block of several transactions, in this order.
async fn act_in_one_block(chain: &Chain, calls: &[(Address, Vec<u8>)]) {
    let mut hashes: Vec<B256> = Vec::new();
    for (to, data) in calls {
        let request = TransactionRequest::default().with_from(chain.deployment.actor.address()).with_to(*to);
        let request = request.with_input(data.clone()).with_gas_limit(6_000_000);
        hashes.push(chain.node.call("eth_sendTransaction", (request,)).await.expect("accepted"));
    }
    chain.node.mine().await.expect("mines");
    let mut blocks = Vec::new();
    for hash in hashes {
        let receipt = chain.node.provider().get_transaction_receipt(hash).await.expect("answers").expect("included");
        assert!(receipt.status(), "a transaction reverted");
        blocks.push(receipt.block_number);
    }
    assert!(blocks.iter().all(|block| *block == blocks[0]), "{blocks:?}");
}

/// Makes a pool of concentrated liquidity that is filled and traded in the block that makes it.
async fn create_v3(chain: &Chain, a: Address, b: Address) -> PoolKey {
    let venue = chain.deployment.venues[usize::from(UNISWAP_V3)];
    let create = IV3Factory::createPoolCall { tokenA: a, tokenB: b, fee: U24::from(FEE) };
    let pool = chain.view(venue.factory, &create).await;
    let (provider, trader) = (chain.deployment.liquidity_provider, chain.deployment.trader);
    let price = IV3Pool::initializeCall { sqrtPriceX96: U160::from(1) << 96_usize };
    let calls = [
        (venue.factory, create.abi_encode()),
        (pool, price.abi_encode()),
        (provider, add_v3(pool, 887_272, UNIT).abi_encode()),
        (provider, add_v3(pool, 300, 5 * UNIT).abi_encode()),
        (trader, swap_v3(pool, true, UNIT / 50).abi_encode()),
    ];
    act_in_one_block(chain, &calls).await;
    PoolKey { address: pool, kind: PoolKind::UniswapV3, tokens: sorted(a, b), fee_ppm: FEE, tick_spacing: TICK_SPACING }
}

#[tokio::test]
async fn new_pools_of_real_factories_are_followed_to_the_wei() {
    let chain = start().await;
    let (weth, dollar) = (chain.deployment.weth(), chain.deployment.tokens[1].address);
    let relay = Relay::start(relay_config(&chain)).await.expect("the relay starts");
    let mut mirror = Mirror::join(&relay);
    mirror.equals_the_contracts(&chain, &[]).await;

    let pair = create_pair(&chain, UNISWAP_V2, weth, dollar).await;
    mirror.equals_the_contracts(&chain, std::slice::from_ref(&pair)).await;
    let symbols: Vec<_> = mirror.replica.tokens().iter().map(|token| (&*token.symbol, token.decimals)).collect();
    assert!(symbols.contains(&("WETH", 18)) && symbols.contains(&("tUSD", 6)), "{symbols:?}");
    add_v2(&chain, pair.address, UNIT).await;
    swap_v2(&chain, &pair, UNIT / 7).await;
    mirror.equals_the_contracts(&chain, std::slice::from_ref(&pair)).await;

    let pool = create_v3(&chain, weth, dollar).await;
    let pools = [pair.clone(), pool.clone()];
    mirror.equals_the_contracts(&chain, &pools).await;
    chain.act(chain.deployment.liquidity_provider, add_v3(pool.address, 50, 3 * UNIT)).await;
    chain.act(chain.deployment.trader, swap_v3(pool.address, false, UNIT / 5)).await;
    swap_v2(&chain, &pair, UNIT / 3).await;
    mirror.equals_the_contracts(&chain, &pools).await;

    let stats = relay.status().await.expect("the relay answers").stats;
    assert_eq!((stats.pools_discovered, stats.pools_discovered_now, stats.pools_forgotten), (2, 2, 0));
    assert_eq!((stats.contradictions, stats.resnapshots, stats.connection_losses), (0, 0, 0));
    relay.stop().await.expect("the relay stops");

    // A relay that starts now and looks back reads the same.
    let mut config = relay_config(&chain);
    config.factories.iter_mut().for_each(|factory| factory.from_block = Some(0));
    let relay = Relay::start(config).await.expect("the relay starts");
    let mut fresh = Mirror::join(&relay);
    fresh.equals_the_contracts(&chain, &pools).await;
    assert_eq!(fresh.replica.context(), mirror.replica.context());
    assert_eq!((fresh.replica.tokens(), fresh.replica.pools()), (mirror.replica.tokens(), mirror.replica.pools()));
    assert_eq!(fresh.replica.states(), mirror.replica.states());
    assert_eq!(fresh.replica.quarantined(), mirror.replica.quarantined(), "{:?}", mirror.replica.quarantined());
    assert!(fresh.replica.is_same_state(&mirror.replica));
    relay.stop().await.expect("the relay stops");
}

#[tokio::test]
async fn a_reorg_takes_a_real_pool_away_and_it_can_come_again() {
    let chain = start().await;
    let (weth, dollar) = (chain.deployment.weth(), chain.deployment.tokens[1].address);
    // Two connections to one node stand for two nodes.
    let second = Endpoint::Ipc(chain.node.ipc_path().to_owned());
    let config = RelayConfig { confirm_endpoints: vec![second], quorum: 2, ..relay_config(&chain) };
    let relay = Relay::start(config).await.expect("the relay starts");
    let mut mirror = Mirror::join(&relay);

    let kept = create_pair(&chain, PANCAKE_V2, weth, dollar).await;
    add_v2(&chain, kept.address, UNIT).await;
    let undone = create_pair(&chain, UNISWAP_V2, weth, dollar).await;
    let undone_too = create_v3(&chain, weth, dollar).await;
    add_v2(&chain, undone.address, UNIT).await;
    mirror.equals_the_contracts(&chain, &[kept.clone(), undone.clone(), undone_too.clone()]).await;

    chain.node.reorg(3).await.expect("the chain reorganises");
    chain.node.mine().await.expect("mines");
    mirror.equals_the_contracts(&chain, std::slice::from_ref(&kept)).await;
    assert_eq!(mirror.replica.pool_by_address(&undone.address.into_array()), None);

    // In another order, so that each has the other's id.
    let pool = create_v3(&chain, weth, dollar).await;
    let pair = create_pair(&chain, UNISWAP_V2, weth, dollar).await;
    add_v2(&chain, pair.address, UNIT / 2).await;
    swap_v2(&chain, &pair, UNIT / 9).await;
    assert_eq!(
        (pool.address, pair.address),
        (undone_too.address, undone.address),
        "CREATE2 makes them where they were"
    );
    mirror.equals_the_contracts(&chain, &[kept, pool, pair]).await;

    let stats = relay.stats();
    assert_eq!((stats.pools_discovered, stats.pools_discovered_now, stats.pools_forgotten), (5, 3, 2));
    assert!(stats.reorgs >= 1 && stats.contradictions == 0 && stats.resnapshots == 0, "{stats:?}");
    assert!(relay.alarms().is_empty(), "{:?}", relay.alarms());
    relay.stop().await.expect("the relay stops");
}

#[tokio::test]
async fn what_anyone_can_make_of_a_factory_neither_enters_the_market_nor_stops_it() {
    let chain = start().await;
    let (weth, dollar) = (chain.deployment.weth(), chain.deployment.tokens[1].address);
    let mut config = relay_config(&chain);
    // The venue promises other code than its factory deploys.
    config.venues[usize::from(PANCAKE_V2)].init_code_hash = config.venues[usize::from(UNISWAP_V2)].init_code_hash;
    let relay = Relay::start(config).await.expect("the relay starts");
    let mut mirror = Mirror::join(&relay);

    let spam = chain.create(OwnContract::HostileToken.artifact().bytecode).await;
    create_pair(&chain, UNISWAP_V2, dollar, spam).await;
    create_pair(&chain, PANCAKE_V2, weth, dollar).await;
    // A token without code, one that has no decimals, and one that burns all gas.
    create_pair(&chain, UNISWAP_V2, weth, Address::repeat_byte(0x77)).await;
    create_pair(&chain, UNISWAP_V2, weth, chain.deployment.trader).await;
    let burner = chain.create(GAS_BURNER).await;
    create_pair(&chain, UNISWAP_V2, weth, burner).await;
    let good = create_pair(&chain, UNISWAP_V2, weth, dollar).await;
    add_v2(&chain, good.address, UNIT).await;
    mirror.equals_the_contracts(&chain, std::slice::from_ref(&good)).await;
    let tokens: Vec<_> = mirror.replica.tokens().iter().map(|token| Address::from(token.address)).collect();
    assert_eq!(tokens, sorted(weth, dollar), "nothing of the others is described");

    let stats = relay.stats();
    assert_eq!((stats.pools_discovered, stats.pools_unwanted, stats.pools_unreadable), (1, 1, 4));
    assert_eq!((stats.retries, stats.connection_losses, stats.resnapshots), (0, 0, 0));
    // The dollar is what it was said to be.
    let held = chain.view(dollar, &ITestToken::balanceOfCall { account: good.address }).await;
    assert_eq!(held, U256::from(UNIT));
    relay.stop().await.expect("the relay stops");
}
