//! Real contracts on a dev node: tokens, two V2 venues, V3 pools with ranged liquidity, and our executor.

use alloy::primitives::aliases::{I24, U24};
use alloy::primitives::{Address, B256, U160, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolValue};
use alphapulse_engine::execution::calldata::{Venue, VenueKind, deployment_code};

use crate::artifact::Artifact;
use crate::batch::{Batch, BatchError};
use crate::contracts::OwnContract;
use crate::contracts::abi::{ILiquidityProvider, ITestToken, IV2Factory, IV3Factory, IV3Pool, IWeth};
use crate::dev_node::{DevNode, DevNodeError};
use crate::kit::{Kit, KitError, PublicContract};
use crate::layout::{Layout, PoolSpec, TokenSpec, WETH, Where};

/// Index of Uniswap V2 in [`Deployment::venues`].
pub const UNISWAP_V2: u16 = 0;
/// Index of PancakeSwap V2 in [`Deployment::venues`].
pub const PANCAKE_V2: u16 = 1;
/// Index of Uniswap V3 in [`Deployment::venues`].
pub const UNISWAP_V3: u16 = 2;

/// UniswapV2Pair.swap: `balance * 1000 - amountIn * 3`.
const UNISWAP_V2_FEE_PPM: u32 = 3000;
/// PancakePair.swap: `balance * 1000 - amountIn * 2`.
const PANCAKE_V2_FEE_PPM: u32 = 2000;
/// Fee tiers that UniswapV3Factory lacks when it is new, with the tick spacing that mainnet gave them.
const EXTRA_TIERS: [(u32, i32); 1] = [(100, 1)];
/// Wide enough to be cut down to the whole range by the liquidity provider.
const WHOLE_RANGE_TICKS: i32 = 887_272;
/// Ether that becomes WETH for the liquidity provider, and as much again for the trader.
const WETH_EACH_WEI: u128 = 1_000_000 * 10_u128.pow(18);
/// Whole test tokens for the liquidity provider, and as much again for the trader.
const TOKENS_EACH: u128 = 10_u128.pow(12);

/// Why the contracts are not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The kit lacks an artifact.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The node refused a call.
    #[error(transparent)]
    Node(#[from] DevNodeError),
    /// A step failed on the chain.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The node has too few accounts for the roles.
    #[error("the dev node needs at least {ROLES} accounts, it has {0}")]
    TooFewAccounts(usize),
}

/// The node's accounts with a role, first to last: deployer, guardian, actor.
const ROLES: usize = 3;
/// What the owner has for gas, wei.
const OWNER_BALANCE: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);

/// A token on the chain.
#[derive(Debug, Clone)]
pub struct Token {
    /// Contract.
    pub address: Address,
    /// Symbol.
    pub symbol: String,
    /// Decimal places.
    pub decimals: u8,
    /// What one whole token was worth when the pools were filled, wei.
    pub price_wei: U256,
}

/// Model of a pool on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Constant product.
    V2,
    /// Concentrated liquidity.
    V3 {
        /// Ticks between initialisable ticks.
        tick_spacing: i32,
    },
}

/// A pool on the chain.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Contract.
    pub address: Address,
    /// Index into [`Deployment::venues`] and of the executor's venue.
    pub venue: u16,
    /// Model.
    pub kind: PoolKind,
    /// Fee, parts per million.
    pub fee_ppm: u32,
    /// Lower token address.
    pub token_0: Address,
    /// Higher token address.
    pub token_1: Address,
}

impl Pool {
    /// Fee as a leg of a plan wants it: the V3 tier, 0 for V2.
    #[must_use]
    pub fn leg_fee(&self) -> u32 {
        match self.kind {
            PoolKind::V2 => 0,
            PoolKind::V3 { .. } => self.fee_ppm,
        }
    }

    /// The pool's other token.
    #[must_use]
    pub fn other(&self, token: Address) -> Address {
        if token == self.token_0 { self.token_1 } else { self.token_0 }
    }
}

/// All that was deployed.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Tokens; the first is WETH.
    pub tokens: Vec<Token>,
    /// Venues, by [`UNISWAP_V2`], [`PANCAKE_V2`], [`UNISWAP_V3`], as the executor knows them.
    pub venues: Vec<Venue>,
    /// Pools, in the layout's order.
    pub pools: Vec<Pool>,
    /// Our executor.
    pub executor: Address,
    /// The executor's owner: signs trades.
    pub owner: PrivateKeySigner,
    /// The executor's guardian: may pause it.
    pub guardian: PrivateKeySigner,
    /// Where gains go. Nobody has its key.
    pub profit_recipient: Address,
    /// Sent all that is deployed; unlocked in the node.
    pub deployer: PrivateKeySigner,
    /// Sends the scripted trades; unlocked in the node.
    pub actor: PrivateKeySigner,
    /// Contract that holds the pools' liquidity and more tokens.
    pub liquidity_provider: Address,
    /// Contract that holds tokens and swaps them at anyone's word.
    pub trader: Address,
    /// Uniswap V3's quoter, an oracle.
    pub quoter: Address,
    /// Uniswap V2's router, an oracle.
    pub router: Address,
    /// Block in which the last contract was made ready.
    pub block: u64,
}

impl Deployment {
    /// Deploys `layout` on `node`, and mines the blocks it needs when the node does not mine by itself.
    ///
    /// The node's first accounts become deployer, guardian and actor. The owner's key is made anew each time, so that two
    /// dev chains that agree in all else never look like one account to a node that reads its earlier runs.
    ///
    /// # Errors
    /// [`DeployError`], with the step that failed.
    pub async fn create(kit: &Kit, node: &DevNode, layout: &Layout) -> Result<Self, DeployError> {
        let [deployer, guardian, actor] = node
            .accounts()
            .first_chunk::<ROLES>()
            .cloned()
            .ok_or_else(|| DeployError::TooFewAccounts(node.accounts().len()))?;
        let owner = PrivateKeySigner::random();
        node.set_balance(owner.address(), OWNER_BALANCE).await?;
        let mut setup = Setup::new(kit, node, deployer.address()).await?;
        let tokens = setup.create_tokens(&layout.tokens).await?;
        setup.fund(&tokens).await?;
        let mut pools = Vec::with_capacity(layout.pools.len());
        for spec in &layout.pools {
            pools.push(setup.create_pool(spec, &tokens).await?);
        }
        let profit_recipient = Address::from_word(keccak256("alphapulse test profit recipient"));
        let code = deployment_code(owner.address(), guardian.address(), profit_recipient, &setup.venues);
        let executor = setup.batch.create("Executor", code).await?;
        let Setup { batch, venues, liquidity_provider, trader, quoter, router, .. } = setup;
        batch.settle().await?;
        let block = node.block_number().await?;
        Ok(Self {
            tokens,
            venues,
            pools,
            executor,
            owner,
            guardian,
            profit_recipient,
            deployer,
            actor,
            liquidity_provider,
            trader,
            quoter,
            router,
            block,
        })
    }

    /// Wrapped Ether.
    #[must_use]
    pub fn weth(&self) -> Address {
        self.tokens[WETH].address
    }
}

/// Contracts that the rest of the deployment builds on.
struct Setup<'node> {
    batch: Batch<'node>,
    venues: Vec<Venue>,
    weth: Address,
    liquidity_provider: Address,
    trader: Address,
    quoter: Address,
    router: Address,
}

impl<'node> Setup<'node> {
    async fn new(kit: &Kit, node: &'node DevNode, deployer: Address) -> Result<Self, DeployError> {
        let mut batch = Batch::new(node, deployer).await?;
        let weth = batch.create("WETH9", kit.artifact(PublicContract::Weth9)?.bytecode).await?;
        let v2_venues = [
            (PublicContract::UniswapV2Factory, PublicContract::UniswapV2Pair, UNISWAP_V2_FEE_PPM),
            (PublicContract::PancakeFactory, PublicContract::PancakePair, PANCAKE_V2_FEE_PPM),
        ];
        let mut venues = Vec::new();
        for (factory, pair, fee_ppm) in v2_venues {
            let code = kit.artifact(factory)?.creation_code(&deployer.abi_encode());
            let factory = batch.create(&format!("{factory:?}"), code).await?;
            let init_code_hash = kit.artifact(pair)?.init_code_hash();
            venues.push(Venue { factory, init_code_hash, kind: VenueKind::V2 { fee_ppm } });
        }
        let factory =
            batch.create("UniswapV3Factory", kit.artifact(PublicContract::UniswapV3Factory)?.bytecode).await?;
        let init_code_hash = kit.artifact(PublicContract::UniswapV3Pool)?.init_code_hash();
        venues.push(Venue { factory, init_code_hash, kind: VenueKind::V3 });
        for (fee, spacing) in EXTRA_TIERS {
            let call = IV3Factory::enableFeeAmountCall { fee: U24::from(fee), tickSpacing: tick(spacing) };
            batch.call(format!("fee tier {fee}"), factory, call.abi_encode()).await?;
        }
        let oracle =
            |artifact: Artifact, factory: Address| artifact.creation_code(&(factory, weth).abi_encode_params());
        let quoter = batch.create("QuoterV2", oracle(kit.artifact(PublicContract::QuoterV2)?, factory)).await?;
        let uniswap_v2 = venues[usize::from(UNISWAP_V2)].factory;
        let router = batch
            .create("UniswapV2Router02", oracle(kit.artifact(PublicContract::UniswapV2Router02)?, uniswap_v2))
            .await?;
        let liquidity_provider =
            batch.create("LiquidityProvider", OwnContract::LiquidityProvider.artifact().bytecode).await?;
        let trader = batch.create("Trader", OwnContract::Trader.artifact().bytecode).await?;
        Ok(Self { batch, venues, weth, liquidity_provider, trader, quoter, router })
    }

    async fn create_tokens(&mut self, specs: &[TokenSpec]) -> Result<Vec<Token>, DeployError> {
        let artifact = OwnContract::TestToken.artifact();
        let ether = TokenSpec { symbol: "WETH".to_owned(), decimals: 18, price_wei: U256::from(10_u128.pow(18)) };
        let mut tokens = vec![token(self.weth, &ether)];
        for spec in specs {
            let arguments = (&spec.symbol, &spec.symbol, U256::from(spec.decimals)).abi_encode_params();
            let address = self.batch.create(&spec.symbol, artifact.creation_code(&arguments)).await?;
            tokens.push(token(address, spec));
        }
        Ok(tokens)
    }

    /// Gives the liquidity provider and the trader more of every token than any test moves.
    async fn fund(&mut self, tokens: &[Token]) -> Result<(), DeployError> {
        let wei = U256::from(WETH_EACH_WEI);
        let deposit = IWeth::depositCall {}.abi_encode();
        self.batch.call_with_value("WETH deposit".to_owned(), self.weth, deposit, wei * U256::from(2)).await?;
        for to in [self.liquidity_provider, self.trader] {
            let transfer = ITestToken::transferCall { to, value: wei }.abi_encode();
            self.batch.call("WETH transfer".to_owned(), self.weth, transfer).await?;
            for token in &tokens[1..] {
                let value = U256::from(TOKENS_EACH) * whole(token.decimals);
                let mint = ITestToken::mintCall { to, value }.abi_encode();
                self.batch.call(format!("mint of {}", token.symbol), token.address, mint).await?;
            }
        }
        Ok(())
    }

    async fn create_pool(&mut self, spec: &PoolSpec, tokens: &[Token]) -> Result<Pool, DeployError> {
        let (a, b) = (&tokens[spec.token_a], &tokens[spec.token_b]);
        let (token_0, token_1) = if a.address < b.address { (a, b) } else { (b, a) };
        let name = format!("{}/{} on {:?}", token_0.symbol, token_1.symbol, spec.place);
        let amounts =
            (spec.amount_of(token_0.price_wei, token_0.decimals), spec.amount_of(token_1.price_wei, token_1.decimals));
        match spec.place {
            Where::UniswapV2 => self.create_pair(&name, UNISWAP_V2, token_0, token_1, amounts).await,
            Where::PancakeV2 => self.create_pair(&name, PANCAKE_V2, token_0, token_1, amounts).await,
            Where::UniswapV3 { fee_ppm } => {
                self.create_v3_pool(&name, spec, fee_ppm, (token_0.address, token_1.address), amounts).await
            }
        }
    }

    async fn create_pair(
        &mut self,
        name: &str,
        venue: u16,
        token_0: &Token,
        token_1: &Token,
        (amount_0, amount_1): (U256, U256),
    ) -> Result<Pool, DeployError> {
        let Venue { factory, init_code_hash, kind } = self.venues[usize::from(venue)];
        let VenueKind::V2 { fee_ppm } = kind else { unreachable!("called with V2 venues only") };
        let (token_0, token_1) = (token_0.address, token_1.address);
        let call = IV2Factory::createPairCall { tokenA: token_0, tokenB: token_1 }.abi_encode();
        self.batch.call(format!("pair {name}"), factory, call).await?;
        let address = factory.create2(keccak256((token_0, token_1).abi_encode_packed()), init_code_hash);
        let call = ILiquidityProvider::addV2Call { pair: address, amount0: amount_0, amount1: amount_1 }.abi_encode();
        self.batch.call(format!("liquidity of {name}"), self.liquidity_provider, call).await?;
        Ok(Pool { address, venue, kind: PoolKind::V2, fee_ppm, token_0, token_1 })
    }

    async fn create_v3_pool(
        &mut self,
        name: &str,
        spec: &PoolSpec,
        fee_ppm: u32,
        (token_0, token_1): (Address, Address),
        (amount_0, amount_1): (U256, U256),
    ) -> Result<Pool, DeployError> {
        let venue = &self.venues[usize::from(UNISWAP_V3)];
        let (factory, init_code_hash) = (venue.factory, venue.init_code_hash);
        let fee = U24::from(fee_ppm);
        let call = IV3Factory::createPoolCall { tokenA: token_0, tokenB: token_1, fee }.abi_encode();
        self.batch.call(format!("pool {name}"), factory, call).await?;
        let salt: B256 = keccak256((token_0, token_1, fee).abi_encode());
        let address = factory.create2(salt, init_code_hash);
        let call = IV3Pool::initializeCall { sqrtPriceX96: sqrt_price_x96(amount_0, amount_1) }.abi_encode();
        self.batch.call(format!("price of {name}"), address, call).await?;

        let whole = (amount_0 * amount_1).root(2);
        self.add_range(name, address, WHOLE_RANGE_TICKS, whole).await?;
        for range in &spec.ranges {
            let liquidity = whole * U256::from(range.liquidity_percent) / U256::from(100);
            self.add_range(name, address, range.half_width_ticks, liquidity).await?;
        }
        let kind = PoolKind::V3 { tick_spacing: tick_spacing(fee_ppm) };
        Ok(Pool { address, venue: UNISWAP_V3, kind, fee_ppm, token_0, token_1 })
    }

    async fn add_range(
        &mut self,
        name: &str,
        pool: Address,
        half_width: i32,
        liquidity: U256,
    ) -> Result<(), DeployError> {
        let call = ILiquidityProvider::addV3AroundCall { pool, halfWidth: tick(half_width), liquidity: liquidity.to() };
        let step = format!("liquidity of {name} within {half_width} ticks");
        Ok(self.batch.call(step, self.liquidity_provider, call.abi_encode()).await?)
    }
}

fn token(address: Address, spec: &TokenSpec) -> Token {
    Token { address, symbol: spec.symbol.clone(), decimals: spec.decimals, price_wei: spec.price_wei }
}

/// Tick spacing of a fee tier: UniswapV3Factory's constructor, and [`EXTRA_TIERS`].
fn tick_spacing(fee_ppm: u32) -> i32 {
    match fee_ppm {
        500 => 10,
        3000 => 60,
        10_000 => 200,
        other => EXTRA_TIERS.iter().find(|(fee, _)| *fee == other).expect("a tier that the layout offers").1,
    }
}

fn tick(value: i32) -> I24 {
    value.try_into().expect("ticks and spacings fit in 24 bits")
}

fn whole(decimals: u8) -> U256 {
    U256::from(10).pow(U256::from(decimals))
}

/// Square root of `amount_1 / amount_0` with 96 fractional bits, of which the lower half is zero.
fn sqrt_price_x96(amount_0: U256, amount_1: U256) -> U160 {
    let ratio_x96: U256 = (amount_1 << 96_usize) / amount_0;
    (ratio_x96.root(2) << 48_usize).to()
}
