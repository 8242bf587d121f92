//! A chain with a token that does what tokens should not, and pools in which trading it gains.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, Bytes, U160, U256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_engine::execution::calldata::{
    ExecutorRevert, Plan, VenueKind, decode_executed, decode_revert, encode_execute,
};
use alphapulse_testnet::contracts::abi::{IHostileToken, ILiquidityProvider, IV2Factory, IV3Factory, IV3Pool};
use alphapulse_testnet::{Layout, OwnContract, PANCAKE_V2, Pool, PoolKind, UNISWAP_V2, UNISWAP_V3};

use IHostileToken::Answer;

use crate::chain::Chain;
use crate::route::{Hop, legs};

const ETHER: u128 = 10_u128.pow(18);
const V3_FEE: u32 = 3000;
const HUGE: u128 = 10_u128.pow(30);

pub(crate) fn ether(amount: u128) -> U256 {
    U256::from(amount * ETHER)
}

/// A chain where a hostile token trades against WETH: dear on PancakeSwap, cheaper on Uniswap V2 and V3.
pub(crate) struct Trap {
    pub(crate) chain: Chain,
    pub(crate) token: Address,
    /// V2 first, then V3: both cheap places.
    pub(crate) cheap: [Pool; 2],
    dear: Pool,
}

impl Trap {
    pub(crate) async fn new() -> Self {
        let chain = Chain::start(&Layout { tokens: Vec::new(), pools: Vec::new() }).await;
        let token = chain.create(OwnContract::HostileToken.artifact().bytecode).await;
        let mint = IHostileToken::mintCall { to: chain.deployment.liquidity_provider, value: U256::from(HUGE) };
        chain.act(token, mint).await;
        let dear = v2_pool(&chain, PANCAKE_V2, token, [100, 80]).await;
        let cheap = [v2_pool(&chain, UNISWAP_V2, token, [100, 100]).await, v3_pool(&chain, token).await];
        Self { chain, token, cheap, dear }
    }

    pub(crate) fn executor(&self) -> Address {
        self.chain.deployment.executor
    }

    /// Buys the token with WETH where it is cheap and sells it where it is dear.
    pub(crate) fn route(&self, cheap: Pool) -> Vec<Hop> {
        let weth = self.chain.deployment.weth();
        vec![Hop { pool: cheap, token_in: weth }, Hop { pool: self.dear, token_in: self.token }]
    }

    /// The same trade, begun and ended in the token.
    pub(crate) fn route_in_token(&self, cheap: Pool) -> Vec<Hop> {
        let weth = self.chain.deployment.weth();
        vec![Hop { pool: self.dear, token_in: self.token }, Hop { pool: cheap, token_in: weth }]
    }

    pub(crate) fn routes(&self) -> Vec<Vec<Hop>> {
        self.cheap.into_iter().flat_map(|cheap| [self.route(cheap), self.route_in_token(cheap)]).collect()
    }

    pub(crate) fn calldata(route: &[Hop], profit_min: U256) -> Bytes {
        let plan = Plan::new(0, u64::MAX, ether(1), profit_min, &legs(route)).expect("valid plan");
        encode_execute(&plan)
    }

    /// The owner trades; answers the gain.
    pub(crate) async fn trade(&self, route: &[Hop]) -> U256 {
        let owner = self.chain.deployment.owner.address();
        let receipt = self.chain.send(owner, self.executor(), Self::calldata(route, U256::from(1))).await;
        assert!(receipt.status(), "trade reverted");
        let gain = receipt.logs().iter().find_map(|log| decode_executed(self.executor(), &log.inner));
        gain.expect("the executor reports its gain").gain
    }

    /// What [`Trap::trade`] would answer.
    pub(crate) async fn simulated_gain(&self, route: &[Hop]) -> U256 {
        let (owner, data) = (self.chain.deployment.owner.address(), Self::calldata(route, U256::from(1)));
        let answer = self.chain.try_call_raw(owner, self.executor(), data).await.expect("trade succeeds");
        U256::from_be_slice(&answer)
    }

    pub(crate) async fn refusal(&self, route: &[Hop], profit_min: U256) -> ExecutorRevert {
        let owner = self.chain.deployment.owner.address();
        self.chain.refusal(owner, self.executor(), Self::calldata(route, profit_min)).await
    }

    pub(crate) async fn set_quirk(&self, sender: Address, answer: Answer, fee_ppm: u64) {
        let quirk = IHostileToken::setQuirkCall { sender, answer, feePpm: U256::from(fee_ppm) };
        self.chain.act(self.token, quirk).await;
    }

    pub(crate) async fn set_hook(&self, target: Address, data: Bytes) {
        self.chain.act(self.token, IHostileToken::setHookCall { target, data }).await;
    }

    /// The last hook's refusal; fails when there was no hook, or one that succeeded.
    pub(crate) async fn hook_refusal(&self) -> ExecutorRevert {
        assert!(!self.chain.view(self.token, &IHostileToken::hookCallsCall {}).await.is_zero(), "no hook ran");
        assert!(!self.chain.view(self.token, &IHostileToken::hookSucceededCall {}).await, "a hook succeeded");
        decode_revert(&self.chain.view(self.token, &IHostileToken::hookAnswerCall {}).await)
    }
}

/// Creates a pair of WETH and `token` with so many Ether and tokens in it.
async fn v2_pool(chain: &Chain, venue: u16, token: Address, [wethers, tokens]: [u128; 2]) -> Pool {
    let weth = chain.deployment.weth();
    let venue_data = chain.deployment.venues[usize::from(venue)];
    chain.act(venue_data.factory, IV2Factory::createPairCall { tokenA: weth, tokenB: token }).await;
    let (token_0, token_1) = (weth.min(token), weth.max(token));
    let salt = keccak256((token_0, token_1).abi_encode_packed());
    let pair = venue_data.factory.create2(salt, venue_data.init_code_hash);
    let (mut amount0, mut amount1) = (ether(wethers), ether(tokens));
    if token_0 != weth {
        (amount0, amount1) = (amount1, amount0);
    }
    chain.act(chain.deployment.liquidity_provider, ILiquidityProvider::addV2Call { pair, amount0, amount1 }).await;
    let VenueKind::V2 { fee_ppm } = venue_data.kind else { panic!("a V2 venue") };
    Pool { address: pair, venue, kind: PoolKind::V2, fee_ppm, token_0, token_1 }
}

/// Creates a V3 pool of WETH and `token` at a price of one.
async fn v3_pool(chain: &Chain, token: Address) -> Pool {
    let weth = chain.deployment.weth();
    let factory = chain.deployment.venues[usize::from(UNISWAP_V3)].factory;
    let fee = U24::from(V3_FEE);
    chain.act(factory, IV3Factory::createPoolCall { tokenA: weth, tokenB: token, fee }).await;
    let pool = chain.view(factory, &IV3Factory::getPoolCall { tokenA: weth, tokenB: token, fee }).await;
    let one = U160::from(1) << 96_usize;
    chain.act(pool, IV3Pool::initializeCall { sqrtPriceX96: one }).await;
    let add = ILiquidityProvider::addV3AroundCall {
        pool,
        halfWidth: 887_272.try_into().expect("fits"),
        liquidity: 100 * ETHER,
    };
    chain.act(chain.deployment.liquidity_provider, add).await;
    let (token_0, token_1) = (weth.min(token), weth.max(token));
    Pool {
        address: pool,
        venue: UNISWAP_V3,
        kind: PoolKind::V3 { tick_spacing: 60 },
        fee_ppm: V3_FEE,
        token_0,
        token_1,
    }
}
