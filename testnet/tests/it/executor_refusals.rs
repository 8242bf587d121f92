//! What the executor refuses: strangers, wrong times, bad routes, trades that do not gain.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, Bytes, U256, address, hex};
use alloy::sol_types::{SolCall, SolValue};
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_engine::execution::calldata::{
    ExecutorRevert, Leg, Plan, VENUES_MAX, Venue, VenueKind, deployment_code, encode_execute,
};
use alphapulse_testnet::Layout;
use alphapulse_testnet::Where::{PancakeV2, UniswapV2, UniswapV3};
use alphapulse_testnet::contracts::abi::{ILiquidityProvider, ITestToken, IV3Factory, IV3Pool};

use crate::chain::Chain;
use crate::route::{Hop, legs};

const ETHER: u128 = 10_u128.pow(18);
const STRANGER: Address = address!("0x00000000000000000000000000000000005747a4");

/// A chain with a profitable route, an input for it, and what that gains.
struct Arena {
    chain: Chain,
    route: Vec<Hop>,
    amount_in: U256,
    gain: U256,
}

impl Arena {
    async fn new() -> Self {
        let chain = Chain::start(&Layout::standard()).await;
        chain.node.impersonate_all().await.expect("impersonates");
        chain.node.set_balance(STRANGER, U256::from(ETHER)).await.expect("sets");
        let route = chain.route(&[0, 1], &[UniswapV2, PancakeV2]);
        chain.open_gap(&route, U256::from(20 * ETHER)).await;
        let amount_in = U256::from(ETHER);
        let gain = chain.expected_output(&route, amount_in).await - amount_in;
        Self { chain, route, amount_in, gain }
    }

    fn executor(&self) -> Address {
        self.chain.deployment.executor
    }

    fn owner(&self) -> Address {
        self.chain.deployment.owner.address()
    }

    fn guardian(&self) -> Address {
        self.chain.deployment.guardian.address()
    }

    async fn calldata(&self) -> Bytes {
        encode_execute(&self.chain.plan(&self.route, self.amount_in, self.gain).await)
    }

    async fn refusal(&self, from: Address, data: impl Into<Bytes>) -> ExecutorRevert {
        self.chain.refusal(from, self.executor(), data.into()).await
    }

    async fn accept(&self, from: Address, data: impl Into<Bytes>) {
        assert!(self.chain.send(from, self.executor(), data.into()).await.status(), "transaction reverted");
    }

    /// The owner sends a plan that [`Plan::new`] would not make.
    async fn raw_refusal(&self, amount_in: U256, legs: Vec<Leg>) -> ExecutorRevert {
        let legs = legs.iter().map(|leg| IExecutor::Leg {
            venue: leg.venue,
            tokenIn: leg.token_in,
            tokenOut: leg.token_out,
            fee: U24::from(leg.fee),
        });
        let plan = IExecutor::Plan {
            blockMin: 0,
            blockMax: u64::MAX,
            amountIn: amount_in,
            profitMin: U256::ZERO,
            legs: legs.collect(),
        };
        self.refusal(self.owner(), IExecutor::executeCall { plan }.abi_encode()).await
    }
}

#[tokio::test]
async fn strangers_can_call_nothing() {
    let arena = Arena::new().await;
    let weth = arena.chain.deployment.weth();
    let sweep = IExecutor::sweepCall { token: weth }.abi_encode();
    let unpause = IExecutor::unpauseCall {}.abi_encode();
    for caller in [STRANGER, arena.guardian(), arena.chain.deployment.deployer.address()] {
        assert_eq!(arena.refusal(caller, arena.calldata().await).await, ExecutorRevert::NotOwner);
        assert_eq!(arena.refusal(caller, sweep.clone()).await, ExecutorRevert::NotOwner);
        assert_eq!(arena.refusal(caller, unpause.clone()).await, ExecutorRevert::NotOwner);
    }
    let pause = IExecutor::pauseCall {}.abi_encode();
    assert_eq!(arena.refusal(STRANGER, pause).await, ExecutorRevert::NotGuardian);
    arena.accept(arena.owner(), arena.calldata().await).await;
}

#[tokio::test]
async fn guardian_halts_and_only_the_owner_resumes() {
    let arena = Arena::new().await;
    let pause = IExecutor::pauseCall {}.abi_encode();
    for halter in [arena.guardian(), arena.owner()] {
        arena.accept(halter, pause.clone()).await;
        assert!(arena.chain.view(arena.executor(), &IExecutor::pausedCall {}).await);
        assert_eq!(arena.refusal(arena.owner(), arena.calldata().await).await, ExecutorRevert::Paused);
        arena.accept(arena.owner(), IExecutor::unpauseCall {}.abi_encode()).await;
        assert!(!arena.chain.view(arena.executor(), &IExecutor::pausedCall {}).await);
    }
    arena.accept(arena.owner(), arena.calldata().await).await;
}

#[tokio::test]
async fn plan_runs_only_within_its_block_window() {
    let arena = Arena::new().await;
    let plan = |first, last| {
        let plan = Plan::new(first, last, arena.amount_in, U256::ZERO, &legs(&arena.route)).expect("valid plan");
        encode_execute(&plan)
    };
    let next = || async { arena.chain.node.block_number().await.expect("answers") + 1 };
    let outside = |number: u64| ExecutorRevert::OutsideBlockWindow(U256::from(number));

    let number = next().await;
    assert_eq!(arena.refusal(arena.owner(), plan(number - 2, number - 1)).await, outside(number));
    let number = next().await;
    assert_eq!(arena.refusal(arena.owner(), plan(number + 1, number + 2)).await, outside(number));
    let number = next().await;
    arena.accept(arena.owner(), plan(number - 1, number)).await;
    let number = next().await;
    arena.accept(arena.owner(), plan(number, number + 1)).await;
}

#[tokio::test]
async fn gain_one_wei_below_the_floor_is_refused() {
    let arena = Arena::new().await;
    for floor in [arena.gain + U256::from(1), U256::MAX] {
        let plan = arena.chain.plan(&arena.route, arena.amount_in, floor).await;
        let reason = arena.refusal(arena.owner(), encode_execute(&plan)).await;
        assert_eq!(reason, ExecutorRevert::ProfitBelowFloor(arena.gain));
    }
    let plan = arena.chain.plan(&arena.route, arena.amount_in, arena.gain).await;
    arena.accept(arena.owner(), encode_execute(&plan)).await;
}

#[tokio::test]
async fn loss_is_refused_even_when_the_executor_could_bear_it() {
    let arena = Arena::new().await;
    let backwards = arena.chain.route(&[0, 1], &[PancakeV2, UniswapV2]);
    for held in [0, 5 * ETHER] {
        if held > 0 {
            arena.chain.give_weth(arena.executor(), U256::from(held)).await;
        }
        let plan = arena.chain.plan(&backwards, arena.amount_in, U256::ZERO).await;
        let reason = arena.refusal(arena.owner(), encode_execute(&plan)).await;
        assert_eq!(reason, ExecutorRevert::ProfitBelowFloor(U256::ZERO));
    }
}

#[tokio::test]
async fn tokens_that_lay_there_before_are_neither_gain_nor_spent() {
    let arena = Arena::new().await;
    let (weth, recipient) = (arena.chain.deployment.weth(), arena.chain.deployment.profit_recipient);
    let held = U256::from(5 * ETHER);
    arena.chain.give_weth(arena.executor(), held).await;
    arena.accept(arena.owner(), arena.calldata().await).await;
    assert_eq!(arena.chain.balance(weth, arena.executor()).await, held);
    assert_eq!(arena.chain.balance(weth, recipient).await, arena.gain);

    arena.accept(arena.owner(), IExecutor::sweepCall { token: weth }.abi_encode()).await;
    assert_eq!(arena.chain.balance(weth, arena.executor()).await, U256::ZERO);
    assert_eq!(arena.chain.balance(weth, recipient).await, arena.gain + held);
}

#[tokio::test]
async fn route_must_be_closed_unbroken_and_of_two_to_four_legs() {
    let arena = Arena::new().await;
    let good = legs(&arena.route);
    let refusal = |legs: Vec<Leg>| arena.raw_refusal(arena.amount_in, legs);
    assert_eq!(refusal(vec![]).await, ExecutorRevert::BadLegCount(U256::ZERO));
    assert_eq!(refusal(good[..1].to_vec()).await, ExecutorRevert::BadLegCount(U256::from(1)));
    let six = good.repeat(3);
    assert_eq!(refusal(six[..5].to_vec()).await, ExecutorRevert::BadLegCount(U256::from(5)));

    let other = arena.chain.deployment.tokens[2].address;
    let mut open = good.clone();
    open[1].token_out = other;
    assert_eq!(refusal(open).await, ExecutorRevert::BrokenRoute(U256::ZERO));
    let mut broken = good.clone();
    broken[1].token_in = other;
    assert_eq!(refusal(broken).await, ExecutorRevert::BrokenRoute(U256::from(1)));
    let mut idle = good.clone();
    idle[0].token_out = idle[0].token_in;
    assert_eq!(refusal(idle).await, ExecutorRevert::BrokenRoute(U256::ZERO));
}

#[tokio::test]
async fn venue_or_pool_that_does_not_exist_is_refused() {
    let arena = Arena::new().await;
    let good = legs(&arena.route);
    let refusal = |legs: Vec<Leg>| arena.raw_refusal(arena.amount_in, legs);
    for place in 0..2 {
        let mut unknown = good.clone();
        unknown[place].venue = 3;
        assert_eq!(refusal(unknown).await, ExecutorRevert::UnknownVenue(U256::from(3)));
        // No tier of this fee exists, so nothing is at the address that the factory would have given its pool.
        let mut absent = good.clone();
        (absent[place].venue, absent[place].fee) = (2, 1234);
        assert_eq!(refusal(absent).await, ExecutorRevert::Empty);
        let token = Address::repeat_byte(0xab);
        let mut absent = good.clone();
        (absent[0].token_out, absent[1].token_in) = (token, token);
        absent[1 - place].venue = 1;
        assert_eq!(refusal(absent).await, ExecutorRevert::Empty);
    }
}

#[tokio::test]
async fn input_that_a_v3_pool_would_read_as_an_output_is_refused() {
    let arena = Arena::new().await;
    let route = legs(&arena.chain.route(&[0, 1], &[UniswapV3 { fee_ppm: 500 }, PancakeV2]));
    let reason = arena.raw_refusal(U256::from(1) << 255_usize, route).await;
    assert_eq!(reason, ExecutorRevert::AmountTooLarge);
}

/// Creates a WETH pool of the 1 % tier that has liquidity only close to its price.
async fn shallow_pool(arena: &Arena) -> Address {
    let deployment = &arena.chain.deployment;
    let (token_a, token_b) = (deployment.weth(), deployment.tokens[1].address);
    let factory = deployment.venues[2].factory;
    let fee = U24::from(10_000);
    arena.chain.act(factory, IV3Factory::createPoolCall { tokenA: token_a, tokenB: token_b, fee }).await;
    let pool = arena.chain.view(factory, &IV3Factory::getPoolCall { tokenA: token_a, tokenB: token_b, fee }).await;
    let model = arena.chain.pool(UniswapV3 { fee_ppm: 500 }, token_a, token_b).address;
    let price = arena.chain.view(model, &IV3Pool::slot0Call {}).await.sqrtPriceX96;
    arena.chain.act(pool, IV3Pool::initializeCall { sqrtPriceX96: price }).await;
    let add = ILiquidityProvider::addV3AroundCall {
        pool,
        halfWidth: 400.try_into().expect("fits"),
        liquidity: 1_000_000_000_000,
    };
    arena.chain.act(deployment.liquidity_provider, add).await;
    pool
}

#[tokio::test]
async fn pool_that_runs_dry_before_it_took_the_whole_input_is_refused() {
    let arena = Arena::new().await;
    let pool = shallow_pool(&arena).await;
    let partial = |reason: ExecutorRevert| match reason {
        ExecutorRevert::PartialFill { pool: named, consumed } => {
            assert_eq!(named, pool);
            assert!(!consumed.is_zero() && consumed < arena.amount_in);
        }
        other => panic!("unexpected {other:?}"),
    };
    let mut first = legs(&arena.route);
    (first[0].venue, first[0].fee) = (2, 10_000);
    partial(arena.raw_refusal(arena.amount_in, first).await);
    let mut second = legs(&arena.route);
    (second[1].venue, second[1].fee) = (2, 10_000);
    let reason = arena.raw_refusal(arena.amount_in, second).await;
    assert!(matches!(reason, ExecutorRevert::PartialFill { pool: named, .. } if named == pool), "{reason:?}");
}

#[tokio::test]
async fn ether_is_not_accepted() {
    let arena = Arena::new().await;
    assert_eq!(arena.refusal(STRANGER, Bytes::new()).await, ExecutorRevert::Empty);
}

#[tokio::test]
async fn constructor_refuses_what_could_never_be_corrected() {
    let arena = Arena::new().await;
    let (a, zero) = (Address::repeat_byte(1), Address::ZERO);
    let v2 = Venue { factory: a, init_code_hash: B256::repeat_byte(2), kind: VenueKind::V2 { fee_ppm: 3000 } };
    let try_create = |owner, guardian, recipient, venues: Vec<Venue>| {
        let code = deployment_code(owner, guardian, recipient, &venues);
        async { arena.chain.try_create(code).await }
    };
    let bad = |index: usize| Err(ExecutorRevert::BadVenue(U256::from(index)));
    assert_eq!(try_create(zero, a, a, vec![v2]).await, Err(ExecutorRevert::ZeroAddress));
    assert_eq!(try_create(a, zero, a, vec![v2]).await, Err(ExecutorRevert::ZeroAddress));
    assert_eq!(try_create(a, a, zero, vec![v2]).await, Err(ExecutorRevert::ZeroAddress));
    assert_eq!(try_create(a, a, a, vec![]).await, bad(0));
    assert_eq!(try_create(a, a, a, vec![v2; VENUES_MAX + 1]).await, bad(VENUES_MAX + 1));
    assert!(try_create(a, a, a, vec![v2; VENUES_MAX]).await.is_ok());
    assert_eq!(try_create(a, a, a, vec![v2, Venue { factory: zero, ..v2 }]).await, bad(1));
    assert_eq!(try_create(a, a, a, vec![v2, Venue { init_code_hash: B256::ZERO, ..v2 }]).await, bad(1));
    let dear = |fee_ppm| Venue { kind: VenueKind::V2 { fee_ppm }, ..v2 };
    assert_eq!(try_create(a, a, a, vec![dear(1_000_000)]).await, bad(0));
    assert!(try_create(a, a, a, vec![dear(999_999)]).await.is_ok());

    // What the types of this side cannot express.
    let try_raw = |kind, fee: u32| {
        let without_venues = deployment_code(a, a, a, &[]);
        let creation_code =
            &without_venues[..without_venues.len() - (a, a, a, Vec::<B256>::new()).abi_encode_params().len()];
        let venue = IExecutor::Venue { factory: a, initCodeHash: v2.init_code_hash, kind, feePpm: U24::from(fee) };
        let code = [creation_code, &(a, a, a, vec![venue]).abi_encode_params()].concat();
        async { arena.chain.try_create(code.into()).await }
    };
    assert!(try_raw(0, 3000).await.is_ok());
    assert!(try_raw(1, 0).await.is_ok());
    assert_eq!(try_raw(1, 1).await, bad(0));
    assert_eq!(try_raw(2, 0).await, bad(0));
}

#[tokio::test]
async fn every_venue_keeps_its_place() {
    let arena = Arena::new().await;
    let a = Address::repeat_byte(1);
    let venues: Vec<Venue> = (1..=8_u8)
        .map(|i| Venue {
            factory: Address::repeat_byte(i),
            init_code_hash: B256::repeat_byte(0x10 + i),
            kind: if i % 2 == 0 { VenueKind::V3 } else { VenueKind::V2 { fee_ppm: u32::from(i) * 100 } },
        })
        .collect();
    let executor = arena.chain.create(deployment_code(a, a, a, &venues)).await;
    for (index, venue) in venues.iter().enumerate() {
        let reported = arena.chain.view(executor, &IExecutor::venueCall { index: U256::from(index) }).await;
        let (kind, fee) = match venue.kind {
            VenueKind::V2 { fee_ppm } => (0, fee_ppm),
            VenueKind::V3 => (1, 0),
        };
        assert_eq!((reported.factory, reported.initCodeHash), (venue.factory, venue.init_code_hash));
        assert_eq!((reported.kind, reported.feePpm), (kind, U24::from(fee)));
    }
    let beyond = IExecutor::venueCall { index: U256::from(8) };
    let reason = arena.chain.try_call(a, executor, &beyond).await.expect_err("there are eight");
    assert_eq!(reason, ExecutorRevert::UnknownVenue(U256::from(8)));
}

/// The operations of some code, without the data that its push operations carry.
fn operations(code: &[u8]) -> Vec<u8> {
    const PUSH1: u8 = 0x60;
    const PUSH32: u8 = 0x7f;
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(&operation) = code.get(at) {
        list.push(operation);
        at += if (PUSH1..=PUSH32).contains(&operation) { usize::from(operation - PUSH1) + 2 } else { 1 };
    }
    list
}

#[tokio::test]
async fn code_can_neither_delegate_nor_destroy_nor_create_nor_approve() {
    let arena = Arena::new().await;
    let code = arena.chain.code(arena.executor()).await;
    let found = operations(&code);
    assert!(found.contains(&0xf1) && found.contains(&0xfa), "the scan finds CALL and STATICCALL");
    for (forbidden, name) in
        [(0xf4, "DELEGATECALL"), (0xf2, "CALLCODE"), (0xff, "SELFDESTRUCT"), (0xf0, "CREATE"), (0xf5, "CREATE2")]
    {
        assert!(!found.contains(&forbidden), "{name}");
    }
    for signature in
        ["approve(address,uint256)", "increaseAllowance(address,uint256)", "transferFrom(address,address,uint256)"]
    {
        let selector = &alloy::primitives::keccak256(signature)[..4];
        assert!(!code.windows(4).any(|window| window == selector), "{signature}");
    }
    assert!(code.windows(4).any(|window| window == hex!("a9059cbb")), "the scan finds transfer");
    let deployment = &arena.chain.deployment;
    for (token, pool) in deployment.tokens.iter().zip(&deployment.pools) {
        let call = ITestToken::allowanceCall { owner: arena.executor(), spender: pool.address };
        assert!(arena.chain.view(token.address, &call).await.is_zero());
    }
}
