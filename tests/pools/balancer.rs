//! Pools of a Balancer vault.

use alloy::primitives::{Address, B256, Bytes, U256};
use alphapulse_strategies::snapshot::Snapshot;
use serde_json::Value;

use crate::ask::{Asked, Oracle};
use crate::balancer_chain::{
    Deployment, FirstStableFactory, FirstWeightedFactory, Pool, Queries, StableFactory, TIME, WeightedFactory,
    deploy_rate,
};
use crate::chain::{Chain, OWNER};
use crate::data::report;
use crate::scene::{Amount, Scene, ask};

const ONE: u128 = 1_000_000_000_000_000_000;
const POOLS: usize = 6;

/// Factories, and how pools are made with them.
pub(crate) const FACTORIES: [(&str, Create); 4] = [
    ("BalancerWeightedPoolFactoryV3", weighted),
    ("BalancerWeightedPoolFactoryV1", first_weighted),
    ("BalancerComposableStablePoolFactoryV3", composable),
    ("BalancerStablePoolFactoryV1", first_stable),
];

/// Makes a pool of these tokens.
pub(crate) type Create = fn(&Deployment, &mut Chain, Vec<Address>, usize) -> Address;

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

/// A vault, and pools of one factory in it.
pub(crate) struct Built {
    factory: &'static str,
    deployment: Deployment,
    pub(crate) accounts: Value,
    pools: Vec<(Address, B256, Vec<Address>)>,
}

/// Makes so many pools in process; `None`, with a loud line, where a contract's bytecode is absent.
pub(crate) fn build(factory: &'static str, create: Create, count: usize) -> Option<Built> {
    let (mut chain, deployment) = Deployment::new(factory)?;
    chain.set_time(TIME);
    let mut pools = Vec::new();
    for number in 0..count {
        let tokens = deployment.tokens.iter().skip(number % 4).take(2 + number % 3);
        let tokens: Vec<Address> = tokens.map(|(token, _)| *token).collect();
        let pool = create(&deployment, &mut chain, tokens, number);
        let id = chain.call(pool, &Pool::getPoolIdCall {}).expect("a pool has an id");
        let assets = deployment.assets(&mut chain, id);
        let whole = 1_000_000 + 1_000 * u128::try_from(number).expect("few");
        let amount = |asset: &Address| match *asset == pool {
            // What the pool mints for the vault.
            true => 1_u128 << 111,
            false => whole * 10_u128.pow(deployment.decimals(*asset).into()),
        };
        let amounts: Vec<u128> = assets.iter().map(amount).collect();
        deployment.initialise(&mut chain, id, &assets, &amounts).expect("a deposit");
        pools.push((pool, id, assets));
    }
    Some(Built { factory, deployment, accounts: chain.accounts(), pools })
}

impl Built {
    /// Lines of a file of pools: by address and by id.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(number, (pool, id, _)): (usize, &(Address, B256, Vec<Address>))| {
            if number % 2 == 0 { format!("{pool:#x}") } else { id.to_string() }
        };
        self.pools.iter().enumerate().map(line).collect()
    }

    /// Holds quotes against the vault's queries; how many were answered, and how many refused.
    pub(crate) async fn compare(&self, scene: &Scene, snapshot: &Snapshot) -> (u32, u32) {
        let (mut answers, mut refusals) = (0, 0);
        for (pool, id, assets) in &self.pools {
            let tokens = assets.iter().filter(|asset| *asset != pool);
            let ways = tokens
                .clone()
                .flat_map(|one| tokens.clone().filter(move |other| *other != one).map(move |other| [*one, *other]));
            for way in ways {
                let unit = 10_u128.pow(self.deployment.decimals(way[0]).into());
                for amount in [1, unit / 1_000, unit, 12_345 * unit + 7, 290_000 * unit, 400_000 * unit].map(U256::from)
                {
                    let amount = Amount::In(amount);
                    let expected = self.query(scene, *id, way, amount).await;
                    let ours = ask(snapshot, &id.to_string(), way, amount);
                    assert_eq!(ours, expected, "{} {pool} {way:?} {amount:?}", self.factory);
                    if expected.is_some() { answers += 1 } else { refusals += 1 }
                }
            }
        }
        (answers, refusals)
    }

    /// Pools as queries name them, each asked at the vault.
    pub(crate) fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        self.pools.iter().map(|(pool, id, assets)| Asked {
            name: id.to_string(),
            tokens: assets
                .iter()
                .filter(|asset| *asset != pool)
                .map(|asset| (*asset, self.deployment.decimals(*asset)))
                .collect(),
            oracle: Oracle::Vault { built: self, id: *id },
        })
    }

    /// The other amount, as the vault's queries answer it.
    pub(crate) async fn query(&self, scene: &Scene, id: B256, way: [Address; 2], amount: Amount) -> Option<U256> {
        let (kind, amount) = match amount {
            Amount::In(amount) => (0, amount),
            Amount::Out(amount) => (1, amount),
        };
        let single =
            Queries::Single { poolId: id, kind, assetIn: way[0], assetOut: way[1], amount, userData: Bytes::new() };
        let funds =
            Queries::Funds { sender: OWNER, fromInternalBalance: false, recipient: OWNER, toInternalBalance: false };
        scene.try_call(self.deployment.queries, &Queries::querySwapCall { singleSwap: single, funds }).await
    }
}

/// Pools of one factory on a node, read by address and by id, and held against the vault's queries.
async fn check((factory, create): (&'static str, Create)) {
    let Some(built) = build(factory, create, POOLS) else { return };
    let scene = Scene::start(built.accounts.clone(), TIME).await;
    let snapshot = scene.snapshot(&built.lines());
    let (answers, refusals) = built.compare(&scene, &snapshot).await;
    report(&format!("snapshot of {factory}: {POOLS} pools, {answers} quotes, {refusals} refusals"));
    assert!(answers > 100, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weighted_pools_quote_as_the_vault_does() {
    check(FACTORIES[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_weighted_pools_quote_as_the_vault_does() {
    check(FACTORIES[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn composable_pools_quote_as_the_vault_does() {
    check(FACTORIES[2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_stable_pools_quote_as_the_vault_does() {
    check(FACTORIES[3]).await;
}
