//! The executor makes swaps that balance together: splits over pools, several routes at once, what is paid for later; and refuses the rest.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_engine::execution::calldata::{
    Executed, ExecutorRevert, Leg, SWAPS_MAX, Swap, SwapPlan, Venue, VenueKind, decode_executed, deployment_code,
    encode_execute_swaps,
};
use alphapulse_testnet::Where::{PancakeV2, UniswapV2, UniswapV3};
use alphapulse_testnet::contracts::abi::{IHostileFactory, IHostilePair, ITestToken};
use alphapulse_testnet::{Layout, OwnContract, UNISWAP_V2, WETH, Where};

use IHostilePair::Mode;

use crate::chain::Chain;
use crate::route::{Hop, legs};
use crate::trap::ether;

const USD: usize = 1;
const BTC: usize = 2;
const V3_LOW: Where = UniswapV3 { fee_ppm: 500 };
const V3_MID: Where = UniswapV3 { fee_ppm: 3000 };

/// Where, from which token, and to which; how much goes in, as a part of what is held of it in hundredths, or so many milliether's worth
/// on credit.
#[derive(Clone, Copy)]
enum Pays {
    Part(u64),
    Later(u64),
}

type Step = (Where, usize, usize, Pays);

/// Swaps as planned by the pools' own oracles, and what is left of each token once all is paid.
struct Planned {
    swaps: Vec<Swap>,
    left: Vec<(Address, U256)>,
}

fn worth(chain: &Chain, token: usize, milliether: u64) -> U256 {
    let token = &chain.deployment.tokens[token];
    U256::from(milliether) * U256::from(10).pow(U256::from(15 + token.decimals)) / token.price_wei
}

async fn plan(chain: &Chain, steps: &[Step]) -> Planned {
    let mut held = vec![U256::ZERO; chain.deployment.tokens.len()];
    let mut owed = held.clone();
    let mut swaps = Vec::new();
    for (place, token_in, token_out, pays) in steps {
        let hop = chain.route(&[*token_in, *token_out], &[*place, *place])[0];
        let amount_in = match pays {
            Pays::Part(part) => held[*token_in] * U256::from(*part) / U256::from(100),
            Pays::Later(milliether) => worth(chain, *token_in, *milliether),
        };
        let is_on_credit = matches!(pays, Pays::Later(_));
        if is_on_credit {
            owed[*token_in] += amount_in;
        } else {
            held[*token_in] -= amount_in;
        }
        held[*token_out] += chain.expected_output(&[hop], amount_in).await;
        swaps.push(Swap { leg: legs(&[hop])[0], amount_in, is_on_credit });
    }
    let left = held.iter().zip(&owed).zip(&chain.deployment.tokens);
    let left = left.map(|((held, owed), token)| (token.address, held.checked_sub(*owed).expect("it can be paid")));
    Planned { swaps, left: left.collect() }
}

impl Planned {
    fn left_of(&self, token: Address) -> U256 {
        self.left.iter().find(|(of, _)| *of == token).expect("a token of the layout").1
    }
}

async fn calldata(chain: &Chain, token: Address, profit_min: U256, swaps: &[Swap]) -> Bytes {
    let next = chain.node.block_number().await.expect("answers") + 1;
    encode_execute_swaps(&SwapPlan::new((next, next), token, profit_min, swaps).expect("valid plan"))
}

/// Makes two pools dear, so that what follows gains: the trader buys there.
async fn open_gaps(chain: &Chain) {
    for (place, sold, bought, milliether) in
        [(PancakeV2, WETH, USD, 30_000), (V3_MID, WETH, USD, 300_000), (UniswapV2, WETH, BTC, 20_000)]
    {
        let hop = chain.route(&[sold, bought], &[place, place])[0];
        chain.trade(hop, worth(chain, sold, milliether)).await;
    }
}

/// Each shape of plan: funded by one pool or several, over pairs and ranges, split both ways, through three tokens, and in a circle that
/// something else than the plan's token is spent in before it is there.
const SHAPES: [(&str, usize, &[Step]); 6] = [
    (
        "split sale",
        WETH,
        &[
            (UniswapV2, WETH, USD, Pays::Later(100)),
            (PancakeV2, USD, WETH, Pays::Part(40)),
            (V3_MID, USD, WETH, Pays::Part(100)),
        ],
    ),
    (
        "split purchase",
        WETH,
        &[
            (UniswapV2, WETH, USD, Pays::Later(90)),
            (V3_LOW, WETH, USD, Pays::Later(70)),
            (PancakeV2, USD, WETH, Pays::Part(100)),
        ],
    ),
    (
        "both split",
        WETH,
        &[
            (V3_LOW, WETH, USD, Pays::Later(150)),
            (UniswapV2, WETH, USD, Pays::Later(50)),
            (V3_MID, USD, WETH, Pays::Part(70)),
            (PancakeV2, USD, WETH, Pays::Part(100)),
        ],
    ),
    (
        "in another token",
        USD,
        &[
            (PancakeV2, USD, WETH, Pays::Later(80)),
            (V3_MID, USD, WETH, Pays::Later(120)),
            (UniswapV2, WETH, USD, Pays::Part(30)),
            (V3_LOW, WETH, USD, Pays::Part(100)),
        ],
    ),
    (
        "two routes",
        WETH,
        &[
            (UniswapV2, WETH, USD, Pays::Later(100)),
            (PancakeV2, USD, WETH, Pays::Part(100)),
            (V3_MID, WETH, BTC, Pays::Part(50)),
            (UniswapV2, BTC, WETH, Pays::Part(100)),
        ],
    ),
    (
        "spent before it is there",
        WETH,
        &[(PancakeV2, USD, WETH, Pays::Later(100)), (V3_LOW, WETH, USD, Pays::Part(99))],
    ),
];

#[tokio::test]
async fn plans_of_swaps_yield_what_the_pools_oracles_say() {
    let chain = Chain::start(&Layout::standard()).await;
    open_gaps(&chain).await;
    let deployment = &chain.deployment;
    let (owner, executor, recipient) = (deployment.owner.address(), deployment.executor, deployment.profit_recipient);
    for (name, token, steps) in SHAPES {
        let snapshot = chain.node.snapshot().await.expect("remembers");
        let token = deployment.tokens[token].address;
        let planned = plan(&chain, steps).await;
        let gain = planned.left_of(token);
        assert!(!gain.is_zero(), "{name}: the gaps make a gain");
        let before = chain.balance(token, recipient).await;
        let receipt = chain.send(owner, executor, calldata(&chain, token, gain, &planned.swaps).await).await;
        assert!(receipt.status(), "{name} reverted");
        let on_credit = planned.swaps.iter().filter(|swap| swap.is_on_credit && swap.leg.token_in == token);
        let amount_in = on_credit.map(|swap| swap.amount_in).sum();
        let events = receipt.logs().iter().filter_map(|log| decode_executed(executor, &log.inner));
        assert_eq!(events.collect::<Vec<_>>(), [Executed { token, amount_in, gain }], "{name}");
        assert_eq!(chain.balance(token, recipient).await - before, gain, "{name}");
        for (of, left) in &planned.left {
            let expected = if *of == token { U256::ZERO } else { *left };
            assert_eq!(chain.balance(*of, executor).await, expected, "{name}: what is left of {of}");
        }
        eprintln!("gas {name:24} {:7}", receipt.gas_used);
        assert!(chain.node.revert(snapshot).await.expect("reverts"));
    }
}

/// A chain with a plan that gains, and who may send it.
struct Arena {
    chain: Chain,
    planned: Planned,
}

impl Arena {
    async fn new() -> Self {
        let chain = Chain::start(&Layout::standard()).await;
        open_gaps(&chain).await;
        let planned = plan(&chain, SHAPES[2].2).await;
        Self { chain, planned }
    }

    fn weth(&self) -> Address {
        self.chain.deployment.weth()
    }

    async fn calldata(&self) -> Bytes {
        calldata(&self.chain, self.weth(), U256::from(1), &self.planned.swaps).await
    }

    async fn refusal(&self, from: Address, data: Bytes) -> ExecutorRevert {
        self.chain.refusal(from, self.chain.deployment.executor, data).await
    }

    /// The owner sends a plan that [`SwapPlan::new`] would not make.
    async fn raw_refusal(&self, swaps: &[Swap]) -> ExecutorRevert {
        let to_abi = |swap: &Swap| IExecutor::Swap {
            leg: IExecutor::Leg {
                venue: swap.leg.venue,
                tokenIn: swap.leg.token_in,
                tokenOut: swap.leg.token_out,
                fee: U24::from(swap.leg.fee),
            },
            amountIn: swap.amount_in,
            onCredit: swap.is_on_credit,
        };
        let plan = IExecutor::SwapPlan {
            blockMin: 0,
            blockMax: u64::MAX,
            token: self.weth(),
            profitMin: U256::ZERO,
            swaps: swaps.iter().map(to_abi).collect(),
        };
        self.refusal(self.chain.deployment.owner.address(), IExecutor::executeSwapsCall { plan }.abi_encode().into())
            .await
    }
}

#[tokio::test]
async fn a_plan_of_swaps_is_refused_as_a_route_is() {
    let arena = Arena::new().await;
    let deployment = &arena.chain.deployment;
    let owner = deployment.owner.address();
    let swaps = &arena.planned.swaps;
    for stranger in [deployment.actor.address(), deployment.guardian.address()] {
        assert_eq!(arena.refusal(stranger, arena.calldata().await).await, ExecutorRevert::NotOwner);
    }
    let now = arena.chain.node.block_number().await.expect("answers");
    let late = SwapPlan::new((now, now), arena.weth(), U256::ZERO, swaps).expect("valid plan");
    let reason = arena.refusal(owner, encode_execute_swaps(&late)).await;
    assert_eq!(reason, ExecutorRevert::OutsideBlockWindow(U256::from(now + 1)));

    let gain = arena.planned.left_of(arena.weth());
    let dear = calldata(&arena.chain, arena.weth(), gain + U256::from(1), swaps).await;
    assert_eq!(arena.refusal(owner, dear).await, ExecutorRevert::ProfitBelowFloor(gain));

    assert_eq!(arena.raw_refusal(&swaps[..1]).await, ExecutorRevert::BadLegCount(U256::from(1)));
    let many = swaps.repeat(4);
    assert_eq!(arena.raw_refusal(&many[..=SWAPS_MAX]).await, ExecutorRevert::BadLegCount(U256::from(SWAPS_MAX + 1)));
    let changed = |at: usize, change: fn(&mut Swap)| {
        let mut swaps = swaps.clone();
        change(&mut swaps[at]);
        swaps
    };
    let idle = changed(1, |swap| swap.leg.token_out = swap.leg.token_in);
    assert_eq!(arena.raw_refusal(&idle).await, ExecutorRevert::BrokenRoute(U256::from(1)));
    let huge = changed(0, |swap| swap.amount_in = U256::from(1) << 255_usize);
    assert_eq!(arena.raw_refusal(&huge).await, ExecutorRevert::AmountTooLarge);
    let nowhere = changed(2, |swap| swap.leg.venue = 9);
    assert_eq!(arena.raw_refusal(&nowhere).await, ExecutorRevert::UnknownVenue(U256::from(9)));
    // The last swap spends a unit more than is there.
    let poor = changed(3, |swap| swap.amount_in += U256::from(1));
    let usd = swaps[3].leg.token_in;
    assert!(matches!(arena.raw_refusal(&poor).await, ExecutorRevert::Message(_) | ExecutorRevert::TransferFailed(_)));
    assert_eq!(usd, deployment.tokens[USD].address);

    let pause = IExecutor::pauseCall {}.abi_encode();
    assert!(arena.chain.send(owner, deployment.executor, pause.into()).await.status());
    assert_eq!(arena.refusal(owner, arena.calldata().await).await, ExecutorRevert::Paused);
    let unpause = IExecutor::unpauseCall {}.abi_encode();
    assert!(arena.chain.send(owner, deployment.executor, unpause.into()).await.status());
    assert!(arena.chain.send(owner, deployment.executor, arena.calldata().await).await.status(), "it gains");
}

/// A pool that misbehaves while it is owed, in a plan that gains while it behaves.
#[tokio::test]
async fn pool_on_credit_that_calls_back_wrongly_is_refused() {
    let chain = Chain::start(&Layout::standard()).await;
    let deployment = &chain.deployment;
    let (weth, gov) = (deployment.tokens[WETH].address, deployment.tokens[3].address);
    let factory = chain.create(OwnContract::HostileFactory.artifact().bytecode).await;
    chain.act(factory, IHostileFactory::createPairCall { tokenA: weth, tokenB: gov }).await;
    let init_code_hash = OwnContract::HostilePair.artifact().init_code_hash();
    let salt =
        alloy::primitives::keccak256(alloy::sol_types::SolValue::abi_encode_packed(&(weth.min(gov), weth.max(gov))));
    let pair = factory.create2(salt, init_code_hash);
    chain.give_weth(pair, ether(10)).await;
    chain.act(gov, ITestToken::mintCall { to: pair, value: ether(10) }).await;
    let mut venues = deployment.venues.clone();
    venues.push(Venue { factory, init_code_hash, kind: VenueKind::V2 { fee_ppm: 3000 } });
    let owner = deployment.owner.address();
    let executor = chain.create(deployment_code(owner, owner, deployment.profit_recipient, &venues)).await;

    // The bad pair gives about one for one what is worth 250 elsewhere.
    let bad = Leg { venue: 3, token_in: gov, token_out: weth, fee: 0 };
    let good = Hop { pool: chain.pool(UniswapV2, weth, gov), token_in: weth };
    assert_eq!(good.pool.venue, UNISWAP_V2);
    let reserve = ether(10);
    let after_fee = ether(1) * U256::from(997_000);
    let sold = after_fee * reserve / (reserve * U256::from(1_000_000) + after_fee);
    let swaps = [
        Swap { leg: bad, amount_in: ether(1), is_on_credit: true },
        Swap { leg: legs(&[good])[0], amount_in: sold, is_on_credit: false },
    ];
    let data = encode_execute_swaps(&SwapPlan::new((0, u64::MAX), gov, U256::from(1), &swaps).expect("valid plan"));
    for (mode, expected) in [
        (Mode::CallTwice, ExecutorRevert::UnexpectedCallback(pair)),
        (Mode::OtherData, ExecutorRevert::UnexpectedCallback(pair)),
        (Mode::OtherSender, ExecutorRevert::UnexpectedCallback(pair)),
        (Mode::NeverCall, ExecutorRevert::ProfitBelowFloor(U256::ZERO)),
    ] {
        chain.act(pair, IHostilePair::setModeCall { mode }).await;
        assert_eq!(chain.refusal(owner, executor, data.clone()).await, expected);
    }
    chain.act(pair, IHostilePair::setModeCall { mode: Mode::Honest }).await;
    assert!(chain.send(owner, executor, data).await.status(), "the same plan gains");
}
