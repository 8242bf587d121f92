//! The executor's callbacks serve one pool, once, inside one trade; tokens and pools that misbehave gain nothing by it.

use alloy::primitives::aliases::{I256, U24};
use alloy::primitives::{Address, Bytes, U256, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_engine::execution::calldata::{
    ExecutorRevert, Leg, Plan, Venue, VenueKind, decode_executed, deployment_code, encode_execute,
};
use alphapulse_testnet::contracts::abi::{IHostileFactory, IHostilePair, IHostileToken, ITestToken, IV2Pair};
use alphapulse_testnet::{Layout, OwnContract, UNISWAP_V2, WETH, Where};

use IHostilePair::Mode;
use IHostileToken::Answer;

use crate::chain::Chain;
use crate::route::legs;
use crate::trap::{Trap, ether};

/// Each callback, with these amounts and data.
fn callbacks(executor: Address, data: &Bytes) -> [Bytes; 4] {
    let (amount0, amount1) = (U256::from(1), U256::from(1));
    let (delta0, delta1) = (I256::ONE, I256::MINUS_ONE);
    let (sender, data) = (executor, data.clone());
    [
        IExecutor::uniswapV2CallCall { sender, amount0, amount1, data: data.clone() }.abi_encode().into(),
        IExecutor::pancakeCallCall { sender, amount0, amount1, data: data.clone() }.abi_encode().into(),
        IExecutor::uniswapV3SwapCallbackCall { amount0Delta: delta0, amount1Delta: delta1, data: data.clone() }
            .abi_encode()
            .into(),
        IExecutor::pancakeV3SwapCallbackCall { amount0Delta: delta0, amount1Delta: delta1, data }.abi_encode().into(),
    ]
}

/// The bytes that the executor gives to the first pool of a trade.
fn first_pool_data(amount_in: U256, legs: &[Leg]) -> Bytes {
    let legs: Vec<IExecutor::Leg> = legs
        .iter()
        .map(|leg| IExecutor::Leg {
            venue: leg.venue,
            tokenIn: leg.token_in,
            tokenOut: leg.token_out,
            fee: U24::from(leg.fee),
        })
        .collect();
    (amount_in, legs).abi_encode_params().into()
}

#[tokio::test]
async fn callback_out_of_a_trade_is_refused_whoever_calls() {
    let chain = Chain::start(&Layout::standard()).await;
    let deployment = &chain.deployment;
    let executor = deployment.executor;
    chain.give_weth(executor, ether(5)).await;
    let route = legs(&chain.route(&[0, 1], &[Where::UniswapV2, Where::PancakeV2]));
    let pay_only: Bytes = deployment.weth().abi_encode().into();
    for caller in [deployment.actor.address(), deployment.owner.address()] {
        for data in [Bytes::new(), pay_only.clone(), first_pool_data(ether(1), &route)] {
            for callback in callbacks(executor, &data) {
                let reason = chain.refusal(caller, executor, callback).await;
                assert_eq!(reason, ExecutorRevert::UnexpectedCallback(caller));
            }
        }
    }
    assert_eq!(chain.balance(deployment.weth(), executor).await, ether(5));
}

#[tokio::test]
async fn real_pool_that_a_stranger_sends_our_way_is_refused() {
    let chain = Chain::start(&Layout::standard()).await;
    let deployment = &chain.deployment;
    let actor = deployment.actor.address();
    let route = chain.route(&[0, 1], &[Where::UniswapV2, Where::PancakeV2]);
    let data = first_pool_data(ether(1), &legs(&route));
    for hop in route {
        let swap = IV2Pair::swapCall {
            amount0Out: U256::from(1),
            amount1Out: U256::ZERO,
            to: deployment.executor,
            data: data.clone(),
        };
        let reason = chain.refusal(actor, hop.pool.address, swap.abi_encode().into()).await;
        assert_eq!(reason, ExecutorRevert::UnexpectedCallback(hop.pool.address));
    }
}

#[tokio::test]
async fn callback_within_a_trade_by_anyone_but_the_pool_is_refused() {
    let trap = Trap::new().await;
    let executor = trap.executor();
    for route in trap.routes() {
        let data = [
            first_pool_data(ether(1), &legs(&route)),
            trap.token.abi_encode().into(),
            trap.chain.deployment.weth().abi_encode().into(),
        ];
        for callback in data.iter().flat_map(|data| callbacks(executor, data)) {
            let snapshot = trap.chain.node.snapshot().await.expect("remembers");
            trap.set_hook(executor, callback).await;
            assert!(!trap.trade(&route).await.is_zero());
            assert_eq!(trap.hook_refusal().await, ExecutorRevert::UnexpectedCallback(trap.token));
            assert!(trap.chain.node.revert(snapshot).await.expect("reverts"));
        }
    }
}

#[tokio::test]
async fn pool_in_the_midst_of_a_trade_cannot_be_made_to_call_again() {
    let trap = Trap::new().await;
    // While the dear pair is at work, the token makes the other real pair of the venue call the executor.
    let idle = trap.cheap[0];
    let route = trap.route(trap.cheap[1]);
    let swap = IV2Pair::swapCall {
        amount0Out: U256::from(1),
        amount1Out: U256::ZERO,
        to: trap.executor(),
        data: first_pool_data(ether(1), &legs(&route)),
    };
    trap.set_hook(idle.address, swap.abi_encode().into()).await;
    trap.trade(&route).await;
    assert_eq!(trap.hook_refusal().await, ExecutorRevert::UnexpectedCallback(idle.address));
}

/// An executor that the hostile token owns.
async fn owned_by_token(trap: &Trap) -> Address {
    let deployment = &trap.chain.deployment;
    let recipient = deployment.profit_recipient;
    trap.chain.create(deployment_code(trap.token, trap.token, recipient, &deployment.venues)).await
}

#[tokio::test]
async fn trade_within_a_trade_is_refused_even_to_the_owner() {
    let trap = Trap::new().await;
    let executor = owned_by_token(&trap).await;
    let sweep: Bytes = IExecutor::sweepCall { token: trap.chain.deployment.weth() }.abi_encode().into();
    for route in trap.routes() {
        for inner in [Trap::calldata(&route, U256::from(1)), sweep.clone()] {
            let snapshot = trap.chain.node.snapshot().await.expect("remembers");
            trap.set_hook(executor, inner).await;
            let run = IHostileToken::runCall {
                target: executor,
                data: Trap::calldata(&route, U256::from(1)),
                times: U256::from(1),
            };
            trap.chain.act(trap.token, run).await;
            assert_eq!(trap.hook_refusal().await, ExecutorRevert::Reentered);
            assert!(trap.chain.node.revert(snapshot).await.expect("reverts"));
        }
    }
}

#[tokio::test]
async fn trade_after_a_trade_in_one_transaction_is_served() {
    let trap = Trap::new().await;
    let executor = owned_by_token(&trap).await;
    let data = Trap::calldata(&trap.route(trap.cheap[0]), U256::from(1));
    let run = IHostileToken::runCall { target: executor, data, times: U256::from(2) };
    let receipt = trap.chain.send(trap.chain.deployment.actor.address(), trap.token, run.abi_encode().into()).await;
    assert!(receipt.status());
    let trades = receipt.logs().iter().filter(|log| decode_executed(executor, &log.inner).is_some());
    assert_eq!(trades.count(), 2);
}

#[tokio::test]
async fn token_that_takes_a_fee_makes_the_trade_revert() {
    const FEE_PPM: u64 = 1000;
    let trap = Trap::new().await;
    let [v2, v3] = trap.cheap;
    let pool_is_short = || ExecutorRevert::Message("Pancake: K".to_owned());
    // Who sends the token in the trade, and where its loss comes to light.
    let cases = [
        (trap.route(v2), v2.address, Some(ExecutorRevert::TransferFailed(trap.token))),
        (trap.route(v2), trap.executor(), Some(pool_is_short())),
        (trap.route(v3), v3.address, Some(pool_is_short())),
        (trap.route_in_token(v2), trap.executor(), Some(pool_is_short())),
        (trap.route_in_token(v3), trap.executor(), Some(pool_is_short())),
        (trap.route_in_token(v2), v2.address, None),
        (trap.route_in_token(v3), v3.address, None),
    ];
    for (route, sender, expected) in cases {
        let honest = trap.simulated_gain(&route).await;
        let snapshot = trap.chain.node.snapshot().await.expect("remembers");
        trap.set_quirk(sender, Answer::True, FEE_PPM).await;
        let reason = trap.refusal(&route, honest).await;
        match expected {
            Some(expected) => assert_eq!(reason, expected),
            // The last output is in the token, so that its loss is a smaller gain.
            None => {
                assert!(matches!(reason, ExecutorRevert::ProfitBelowFloor(gain) if gain < honest), "{reason:?}");
            }
        }
        assert!(trap.chain.node.revert(snapshot).await.expect("reverts"));
    }
}

#[tokio::test]
async fn loss_that_only_balances_show_is_refused_even_when_the_executor_could_bear_it() {
    let trap = Trap::new().await;
    let held = ether(10);
    trap.chain.act(trap.token, IHostileToken::mintCall { to: trap.executor(), value: held }).await;
    for cheap in trap.cheap {
        // The last pool says that it gave more than enough; half of it never arrives.
        trap.set_quirk(cheap.address, Answer::True, 500_000).await;
        let reason = trap.refusal(&trap.route_in_token(cheap), U256::ZERO).await;
        assert_eq!(reason, ExecutorRevert::ProfitBelowFloor(U256::ZERO));
    }
    assert_eq!(trap.chain.balance(trap.token, trap.executor()).await, held);
}

#[tokio::test]
async fn odd_answers_of_a_token_are_read_for_what_they_are() {
    let trap = Trap::new().await;
    let [v2, v3] = trap.cheap;
    for route in [trap.route(v2), trap.route_in_token(v2), trap.route_in_token(v3)] {
        let honest = trap.simulated_gain(&route).await;
        for answer in [Answer::Nothing, Answer::Bomb] {
            trap.set_quirk(trap.executor(), answer, 0).await;
            assert_eq!(trap.simulated_gain(&route).await, honest);
        }
        trap.set_quirk(trap.executor(), Answer::False, 0).await;
        assert_eq!(trap.refusal(&route, honest).await, ExecutorRevert::TransferFailed(trap.token));
        trap.set_quirk(Address::ZERO, Answer::True, 0).await;
    }
}

/// A venue whose pairs misbehave, an executor that trusts it, and a route that gains while they behave.
struct BadVenue {
    chain: Chain,
    executor: Address,
    pair: Address,
    legs: Vec<Leg>,
}

impl BadVenue {
    async fn new() -> Self {
        let chain = Chain::start(&Layout::standard()).await;
        let deployment = &chain.deployment;
        let (weth, gov) = (deployment.tokens[WETH].address, deployment.tokens[3].address);
        let factory = chain.create(OwnContract::HostileFactory.artifact().bytecode).await;
        chain.act(factory, IHostileFactory::createPairCall { tokenA: weth, tokenB: gov }).await;
        let init_code_hash = OwnContract::HostilePair.artifact().init_code_hash();
        let salt = keccak256((weth.min(gov), weth.max(gov)).abi_encode_packed());
        let pair = factory.create2(salt, init_code_hash);
        chain.give_weth(pair, ether(10)).await;
        chain.act(gov, ITestToken::mintCall { to: pair, value: ether(10) }).await;

        let mut venues = deployment.venues.clone();
        venues.push(Venue { factory, init_code_hash, kind: VenueKind::V2 { fee_ppm: 3000 } });
        let owner = deployment.owner.address();
        let code = deployment_code(owner, owner, deployment.profit_recipient, &venues);
        let executor = chain.create(code).await;
        // The bad pair gives one for one what is worth 250 elsewhere.
        let bad = Leg { venue: 3, token_in: gov, token_out: weth, fee: 0 };
        let good = Leg { venue: UNISWAP_V2, token_in: weth, token_out: gov, fee: 0 };
        Self { chain, executor, pair, legs: vec![bad, good] }
    }

    async fn refusal(&self, mode: Mode) -> ExecutorRevert {
        self.chain.act(self.pair, IHostilePair::setModeCall { mode }).await;
        let owner = self.chain.deployment.owner.address();
        self.chain.refusal(owner, self.executor, self.calldata()).await
    }

    fn calldata(&self) -> Bytes {
        let plan = Plan::new(0, u64::MAX, ether(1), U256::from(1), &self.legs).expect("valid plan");
        encode_execute(&plan)
    }
}

#[tokio::test]
async fn pool_that_calls_back_wrongly_is_refused() {
    let venue = BadVenue::new().await;
    let unexpected = ExecutorRevert::UnexpectedCallback(venue.pair);
    assert_eq!(venue.refusal(Mode::CallTwice).await, unexpected);
    assert_eq!(venue.refusal(Mode::OtherData).await, unexpected);
    assert_eq!(venue.refusal(Mode::OtherSender).await, unexpected);
    assert_eq!(venue.refusal(Mode::NeverCall).await, ExecutorRevert::ProfitBelowFloor(U256::ZERO));

    venue.chain.act(venue.pair, IHostilePair::setModeCall { mode: Mode::Honest }).await;
    let owner = venue.chain.deployment.owner.address();
    assert!(venue.chain.send(owner, venue.executor, venue.calldata()).await.status(), "the same trade gains");
}
