//! The executor takes real arbitrage over every shape of route, and its gain is exact.

use alloy::primitives::{Address, U256};
use alphapulse_engine::execution::calldata::{Executed, decode_executed, encode_execute};
use alphapulse_testnet::Where::{PancakeV2, UniswapV2, UniswapV3};
use alphapulse_testnet::contracts::abi::ITestToken;
use alphapulse_testnet::{Layout, PoolKind, WETH, Where};

use crate::chain::Chain;
use crate::route::Hop;

const USD: usize = 1;
const BTC: usize = 2;
const GOV: usize = 3;

const V3_LOW: Where = UniswapV3 { fee_ppm: 500 };
const V3_MID: Where = UniswapV3 { fee_ppm: 3000 };
const V3_HIGH: Where = UniswapV3 { fee_ppm: 10_000 };

/// Tokens and places of a route, by name of its shape.
type Shape = (&'static str, &'static [usize], &'static [Where]);

const TWO_LEGS: [Shape; 12] = [
    ("V2 V2", &[WETH, USD], &[UniswapV2, PancakeV2]),
    ("V2 V2", &[USD, WETH], &[UniswapV2, PancakeV2]),
    ("P2 V2", &[WETH, USD], &[PancakeV2, UniswapV2]),
    ("P2 V2", &[USD, WETH], &[PancakeV2, UniswapV2]),
    ("V2 V3", &[WETH, USD], &[UniswapV2, V3_LOW]),
    ("V2 V3", &[USD, WETH], &[UniswapV2, V3_LOW]),
    ("P2 V3", &[WETH, GOV], &[PancakeV2, V3_MID]),
    ("V3 V2", &[WETH, USD], &[V3_LOW, UniswapV2]),
    ("V3 V2", &[USD, WETH], &[V3_LOW, UniswapV2]),
    ("V3 P2", &[GOV, WETH], &[V3_MID, PancakeV2]),
    ("V3 V3", &[WETH, USD], &[V3_LOW, V3_MID]),
    ("V3 V3", &[USD, WETH], &[V3_LOW, V3_MID]),
];

const MORE_LEGS: [Shape; 16] = [
    ("V2 V2 V2", &[WETH, USD, BTC], &[UniswapV2, UniswapV2, PancakeV2]),
    ("V2 V2 V3", &[WETH, USD, BTC], &[UniswapV2, UniswapV2, V3_MID]),
    ("V2 V3 V2", &[WETH, USD, BTC], &[PancakeV2, V3_LOW, UniswapV2]),
    ("V2 V3 V3", &[WETH, USD, BTC], &[PancakeV2, V3_LOW, V3_MID]),
    ("V3 V2 V2", &[BTC, USD, WETH], &[V3_LOW, PancakeV2, UniswapV2]),
    ("V3 V2 V3", &[BTC, USD, WETH], &[V3_LOW, UniswapV2, V3_MID]),
    ("V3 V3 V2", &[GOV, USD, WETH], &[V3_MID, V3_LOW, UniswapV2]),
    ("V3 V3 V3", &[WETH, USD, BTC], &[V3_LOW, V3_LOW, V3_MID]),
    ("V3 V3 V3", &[WETH, BTC, USD], &[V3_MID, V3_LOW, V3_LOW]),
    ("V2 V2 V2 V2", &[WETH, USD, BTC, GOV], &[UniswapV2, UniswapV2, UniswapV2, PancakeV2]),
    ("V2 V2 V2 V2", &[WETH, GOV, BTC, USD], &[PancakeV2, UniswapV2, UniswapV2, UniswapV2]),
    ("V3 V3 V3 V3", &[WETH, USD, BTC, GOV], &[V3_LOW, V3_LOW, V3_MID, V3_MID]),
    ("V3 V3 V3 V3", &[USD, WETH, GOV, BTC], &[V3_LOW, V3_HIGH, V3_MID, V3_LOW]),
    ("V2 V3 V2 V3", &[WETH, USD, BTC, GOV], &[UniswapV2, V3_LOW, UniswapV2, V3_MID]),
    ("V3 V2 V3 V2", &[GOV, USD, BTC, WETH], &[V3_MID, UniswapV2, V3_MID, PancakeV2]),
    ("V2 V3 V3 V2", &[BTC, WETH, USD, GOV], &[PancakeV2, V3_MID, V3_MID, UniswapV2]),
];

/// About so many thousandths of an Ether's worth of a token of the standard layout.
fn worth(chain: &Chain, token: Address, milliether: u64) -> U256 {
    let token = chain.deployment.tokens.iter().find(|t| t.address == token).expect("known token");
    U256::from(milliether) * U256::from(10).pow(U256::from(15 + token.decimals)) / token.price_wei
}

/// Leaves the recipient something of each token, as it will have after the first trades: an empty balance costs more gas.
async fn warm_recipient(chain: &Chain) {
    let one = U256::from(1);
    let to = chain.deployment.profit_recipient;
    chain.give_weth(to, one).await;
    for token in &chain.deployment.tokens[1..] {
        chain.act(token.address, ITestToken::mintCall { to, value: one }).await;
    }
}

async fn check_gain(chain: &Chain, name: &str, route: &[Hop]) {
    let deployment = &chain.deployment;
    let (owner, executor, recipient) = (deployment.owner.address(), deployment.executor, deployment.profit_recipient);
    let token = route[0].token_in;
    // Concentrated liquidity is an order of magnitude deeper, so it takes more to move.
    let gap = if route[route.len() - 1].pool.kind == PoolKind::V2 { 20_000 } else { 150_000 };
    chain.open_gap(route, worth(chain, token, gap)).await;
    let amount_in = worth(chain, token, 200);
    let expected = chain.expected_output(route, amount_in).await.checked_sub(amount_in).expect("the gap makes a gain");
    assert!(!expected.is_zero());

    let before = chain.balance(token, recipient).await;
    let calldata = encode_execute(&chain.plan(route, amount_in, expected).await);
    let receipt = chain.send(owner, executor, calldata).await;
    assert!(receipt.status(), "{name} reverted");
    let events: Vec<Executed> = receipt.logs().iter().filter_map(|log| decode_executed(executor, &log.inner)).collect();
    assert_eq!(events, [Executed { token, amount_in, gain: expected }], "{name}");
    assert_eq!(chain.balance(token, recipient).await - before, expected, "{name}");
    for token in &deployment.tokens {
        assert!(chain.balance(token.address, executor).await.is_zero(), "{name} left {}", token.symbol);
        assert!(chain.balance(token.address, owner).await.is_zero());
    }
    eprintln!("gas {name:12} {:7}", receipt.gas_used);
}

async fn check_shapes(shapes: &[Shape]) {
    let chain = Chain::start(&Layout::standard()).await;
    warm_recipient(&chain).await;
    for (name, tokens, places) in shapes {
        let snapshot = chain.node.snapshot().await.expect("remembers");
        check_gain(&chain, name, &chain.route(tokens, places)).await;
        assert!(chain.node.revert(snapshot).await.expect("reverts"));
    }
}

#[tokio::test]
async fn two_legs_of_any_kind_yield_what_the_pools_oracles_say() {
    check_shapes(&TWO_LEGS).await;
}

#[tokio::test]
async fn three_and_four_legs_of_any_kind_yield_what_the_pools_oracles_say() {
    check_shapes(&MORE_LEGS).await;
}
