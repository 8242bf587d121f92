//! What a deployment promises, read back from the contracts.

use alloy::primitives::{U256, aliases::U24};
use alphapulse_engine::execution::calldata::VenueKind;
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_testnet::contracts::abi::{IV2Factory, IV2Pair, IV3Factory, IV3Pool};
use alphapulse_testnet::{Layout, PoolKind};

use crate::chain::Chain;

#[tokio::test]
async fn standard_layout_is_on_the_chain() {
    let chain = Chain::start(&Layout::standard()).await;
    let deployment = &chain.deployment;
    assert!(deployment.block < 64, "a deployment took {} blocks", deployment.block);
    assert_eq!(deployment.pools.len(), Layout::standard().pools.len());
    for pool in &deployment.pools {
        let factory = deployment.venues[usize::from(pool.venue)].factory;
        let (token_a, token_b) = (pool.token_0, pool.token_1);
        assert!(token_a < token_b);
        match pool.kind {
            PoolKind::V2 => {
                let address = chain.view(factory, &IV2Factory::getPairCall { tokenA: token_a, tokenB: token_b }).await;
                assert_eq!(address, pool.address);
                let reserves = chain.view(pool.address, &IV2Pair::getReservesCall {}).await;
                assert!(!reserves.reserve0.is_zero() && !reserves.reserve1.is_zero());
            }
            PoolKind::V3 { .. } => {
                let fee = U24::from(pool.fee_ppm);
                let address =
                    chain.view(factory, &IV3Factory::getPoolCall { tokenA: token_a, tokenB: token_b, fee }).await;
                assert_eq!(address, pool.address);
                assert!(chain.view(pool.address, &IV3Pool::liquidityCall {}).await > 0);
            }
        }
    }
}

#[tokio::test]
async fn pools_of_one_pair_start_at_one_price() {
    let chain = Chain::start(&Layout::standard()).await;
    for pool in &chain.deployment.pools {
        let token = |address| chain.deployment.tokens.iter().find(|t| t.address == address).expect("known token");
        let (token_0, token_1) = (token(pool.token_0), token(pool.token_1));
        // Raw units of token 1 for 2^64 raw units of token 0, from the layout's prices.
        let whole = |decimals: u8| U256::from(10).pow(U256::from(decimals));
        let expected: U256 =
            ((token_0.price_wei * whole(token_1.decimals)) << 64_usize) / (token_1.price_wei * whole(token_0.decimals));
        let actual: U256 = match pool.kind {
            PoolKind::V2 => {
                let reserves = chain.view(pool.address, &IV2Pair::getReservesCall {}).await;
                (U256::from(reserves.reserve1) << 64_usize) / U256::from(reserves.reserve0)
            }
            PoolKind::V3 { .. } => {
                let root = U256::from(chain.view(pool.address, &IV3Pool::slot0Call {}).await.sqrtPriceX96);
                root.pow(U256::from(2)) >> 128_usize
            }
        };
        let difference = expected.abs_diff(actual);
        assert!(difference <= expected / U256::from(100_000) + U256::from(1), "{pool:?}: {actual}, not {expected}");
    }
}

#[tokio::test]
async fn executor_reports_the_roles_and_venues_it_was_given() {
    let chain = Chain::start(&Layout { tokens: Vec::new(), pools: Vec::new() }).await;
    let deployment = &chain.deployment;
    let executor = deployment.executor;
    assert_eq!(chain.view(executor, &IExecutor::ownerCall {}).await, deployment.owner.address());
    assert_eq!(chain.view(executor, &IExecutor::guardianCall {}).await, deployment.guardian.address());
    assert_eq!(chain.view(executor, &IExecutor::profitRecipientCall {}).await, deployment.profit_recipient);
    assert_eq!(chain.view(executor, &IExecutor::venueCountCall {}).await, U256::from(deployment.venues.len()));
    for (index, venue) in deployment.venues.iter().enumerate() {
        let reported = chain.view(executor, &IExecutor::venueCall { index: U256::from(index) }).await;
        let (kind, fee) = match venue.kind {
            VenueKind::V2 { fee_ppm } => (0, fee_ppm),
            VenueKind::V3 => (1, 0),
        };
        assert_eq!((reported.factory, reported.initCodeHash), (venue.factory, venue.init_code_hash));
        assert_eq!((reported.kind, reported.feePpm), (kind, U24::from(fee)));
    }
}
