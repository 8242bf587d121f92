//! Pools of a Balancer vault.

use alloy::primitives::{Address, B256, Bytes, U256};

use crate::balancer_chain::{
    Deployment, FirstStableFactory, FirstWeightedFactory, Pool, Queries, StableFactory, TIME, WeightedFactory,
    deploy_rate,
};
use crate::chain::{Chain, OWNER};
use crate::data::report;
use crate::scene::{Scene, quote};

const ONE: u128 = 1_000_000_000_000_000_000;
const POOLS: usize = 6;

/// Makes a pool of these tokens.
type Create = fn(&Deployment, &mut Chain, Vec<Address>, usize) -> Address;

fn parts(count: usize) -> Vec<U256> {
    let share = ONE / u128::try_from(count).expect("few");
    let first = ONE - share * u128::try_from(count - 1).expect("few");
    core::iter::once(first).chain(core::iter::repeat_n(share, count - 1)).map(U256::from).collect()
}

fn fee(number: usize) -> U256 {
    U256::from(1_000_000_000_000_000 * (number + 1))
}

fn weighted(deployment: &Deployment, chain: &mut Chain, tokens: Vec<Address>, number: usize) -> Address {
    let call = WeightedFactory::createCall {
        name: "pool".into(),
        symbol: "POOL".into(),
        normalizedWeights: parts(tokens.len()),
        rateProviders: vec![Address::ZERO; tokens.len()],
        tokens,
        swapFeePercentage: fee(number),
        owner: OWNER,
    };
    chain.send(deployment.factory, &call).expect("the factory takes it").value
}

fn first_weighted(deployment: &Deployment, chain: &mut Chain, tokens: Vec<Address>, number: usize) -> Address {
    let weights = parts(tokens.len());
    let call = FirstWeightedFactory::createCall {
        name: "pool".into(),
        symbol: "POOL".into(),
        tokens,
        weights,
        swapFeePercentage: fee(number),
        owner: OWNER,
    };
    chain.send(deployment.factory, &call).expect("the factory takes it").value
}

fn composable(deployment: &Deployment, chain: &mut Chain, tokens: Vec<Address>, number: usize) -> Address {
    // Every second pool has a rate on its first token.
    let rate = deploy_rate(chain, U256::from(ONE + ONE / 7));
    let mut providers = vec![Address::ZERO; tokens.len()];
    if number % 2 == 1 {
        providers[0] = rate;
    }
    let count = tokens.len();
    let call = StableFactory::createCall {
        name: "pool".into(),
        symbol: "POOL".into(),
        tokens,
        amplificationParameter: U256::from(50 * (number + 1)),
        rateProviders: providers,
        tokenRateCacheDurations: vec![U256::from(1_000_000); count],
        exemptFromYieldProtocolFeeFlags: vec![false; count],
        swapFeePercentage: fee(number),
        owner: OWNER,
    };
    chain.send(deployment.factory, &call).expect("the factory takes it").value
}

fn first_stable(deployment: &Deployment, chain: &mut Chain, tokens: Vec<Address>, number: usize) -> Address {
    let call = FirstStableFactory::createCall {
        name: "pool".into(),
        symbol: "POOL".into(),
        tokens,
        amplificationParameter: U256::from(50 * (number + 1)),
        swapFeePercentage: fee(number),
        owner: OWNER,
    };
    chain.send(deployment.factory, &call).expect("the factory takes it").value
}

/// Pools of one factory on a node, read by address and by id, and held against the vault's queries.
async fn check(factory: &'static str, create: Create) {
    let Some((mut chain, deployment)) = Deployment::new(factory) else { return };
    chain.set_time(TIME);
    let mut pools = Vec::new();
    for number in 0..POOLS {
        let count = 2 + number % 3;
        let tokens: Vec<Address> =
            deployment.tokens.iter().skip(number % 4).take(count).map(|(token, _)| *token).collect();
        let pool = create(&deployment, &mut chain, tokens, number);
        let id = chain.call(pool, &Pool::getPoolIdCall {}).expect("a pool has an id");
        let assets = deployment.assets(&mut chain, id);
        let amount = |asset: &Address| match *asset == pool {
            // What the pool mints for the vault.
            true => 1_u128 << 111,
            false => (1_000_000 + 1_000 * number as u128) * 10_u128.pow(deployment.decimals(*asset).into()),
        };
        let amounts: Vec<u128> = assets.iter().map(amount).collect();
        deployment.initialise(&mut chain, id, &assets, &amounts).expect("a deposit");
        pools.push((pool, id, assets));
    }
    let scene = Scene::start(chain.accounts(), TIME).await;
    let name = |(number, (pool, id, _)): (usize, &(Address, B256, Vec<Address>))| {
        if number % 2 == 0 { format!("{pool:#x}") } else { id.to_string() }
    };
    let snapshot = scene.snapshot(&pools.iter().enumerate().map(name).collect::<Vec<_>>());
    let (mut answers, mut refusals) = (0, 0);
    for (pool, id, assets) in &pools {
        for token_in in assets.iter().filter(|asset| *asset != pool) {
            for token_out in assets.iter().filter(|asset| *asset != pool && *asset != token_in) {
                let unit = 10_u128.pow(deployment.decimals(*token_in).into());
                for amount in [1, unit / 1_000, unit, 12_345 * unit + 7, 290_000 * unit, 400_000 * unit] {
                    let single = Queries::Single {
                        poolId: *id,
                        kind: 0,
                        assetIn: *token_in,
                        assetOut: *token_out,
                        amount: U256::from(amount),
                        userData: Bytes::new(),
                    };
                    let funds = Queries::Funds {
                        sender: OWNER,
                        fromInternalBalance: false,
                        recipient: OWNER,
                        toInternalBalance: false,
                    };
                    let call = Queries::querySwapCall { singleSwap: single, funds };
                    let expected = scene.try_call(deployment.queries, &call).await;
                    let ours = quote(&snapshot, &id.to_string(), [*token_in, *token_out], U256::from(amount));
                    assert_eq!(ours, expected, "{factory} {pool} {token_in} {token_out} {amount}");
                    if expected.is_some() { answers += 1 } else { refusals += 1 }
                }
            }
        }
    }
    report(&format!("snapshot of {factory}: {POOLS} pools, {answers} quotes, {refusals} refusals"));
    assert!(answers > 100, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weighted_pools_quote_as_the_vault_does() {
    check("BalancerWeightedPoolFactoryV3", weighted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_weighted_pools_quote_as_the_vault_does() {
    check("BalancerWeightedPoolFactoryV1", first_weighted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn composable_pools_quote_as_the_vault_does() {
    check("BalancerComposableStablePoolFactoryV3", composable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_stable_pools_quote_as_the_vault_does() {
    check("BalancerStablePoolFactoryV1", first_stable).await;
}
