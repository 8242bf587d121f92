//! More than 500 pools of all kinds whose contracts can be had, on one node.

use alloy::primitives::{Address, U256, keccak256};
use alloy::sol_types::SolValue as _;
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_testnet::{Deployment, Kit, Layout, Pool, PoolKind, PoolSpec, TokenSpec, Where};
use serde_json::{Map, Value};

use crate::ask::{Asked, Oracle};
use crate::balancer::{self, Built};
use crate::chain::deploy_from;
use crate::data::report;
use crate::random::Random;
use crate::scene::{Amount, Scene};
use crate::v4_chain::V4Chain;
use crate::{crypto, v4};

/// Pools of each of Balancer's factories, of V4, and copies of each of Curve's pools.
const BALANCER: usize = 40;
const V4: i32 = 60;
const COPIES: u8 = 10;
/// Queries, and where they begin unless `ALPHAPULSE_SEED` says otherwise.
const QUERIES: usize = 10_000;
const SEED: u64 = 61;
/// Digits that an amount may have before the point.
const WHOLE_DIGITS: usize = 6;
/// Tokens of pools of V2 and V3, each with each other.
const TOKENS: usize = 12;

/// Every two tokens on both V2 venues and in two tiers of V3.
fn layout() -> Layout {
    let ether = U256::from(10_u128.pow(18));
    let token = |number: usize| TokenSpec {
        symbol: format!("T{number}"),
        decimals: [6, 8, 18][number % 3],
        price_wei: ether / U256::from(1 + 300 * (number % 4)),
    };
    let places =
        [Where::UniswapV2, Where::PancakeV2, Where::UniswapV3 { fee_ppm: 500 }, Where::UniswapV3 { fee_ppm: 3_000 }];
    let pairs = (0..TOKENS).flat_map(|one| (one + 1..TOKENS).map(move |other| (one, other)));
    let pool = |(token_a, token_b)| {
        let spec =
            move |place| PoolSpec { place, token_a, token_b, depth_wei: U256::from(100) * ether, ranges: Vec::new() };
        places.map(spec)
    };
    Layout { tokens: (1..TOKENS).map(token).collect(), pools: pairs.flat_map(pool).collect() }
}

/// States of several chains as one; what they share is the owner.
fn join(parts: impl IntoIterator<Item = Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for part in parts {
        let Value::Object(accounts) = part else { panic!("accounts are an object") };
        all.extend(accounts);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_pools_of_one_node_answer_ten_thousand_queries_as_it_does() {
    let mut built: Vec<Built> = Vec::new();
    for ((factory, create), number) in balancer::FACTORIES.into_iter().zip(1..) {
        deploy_from(number * 1_000_000);
        let Some(part) = balancer::build(factory, create, BALANCER) else { return };
        built.push(part);
    }
    deploy_from(5_000_000);
    let (Some(chain), Some(copies)) = (V4Chain::deploy(), crypto::copies(COPIES)) else { return };
    let parts = built.iter().map(|part| part.accounts.clone()).chain([copies.accounts.into(), chain.chain.accounts()]);
    let scene = Scene::start(join(parts).into(), crypto::TIME).await;
    crypto::give_views(&scene, &copies.pools).await;
    let mut lines: Vec<String> = built.iter().flat_map(Built::lines).collect();
    lines.extend(copies.pools.iter().map(|(pool, _)| format!("{pool:#x}")));
    let mut keys = Vec::new();
    for number in 0..V4 {
        let key = chain.key(100 + u32::try_from(number).expect("small") * 37, 1 + number % 60);
        v4::create(&scene, &chain, &key, number).await;
        lines.push(format!("{} manager={:#x}", keccak256(key.abi_encode()), chain.manager));
        keys.push(key);
    }
    let kit = Kit::ensure(&mut |_| {}).expect("the kit installs");
    let deployment = Deployment::create(&kit, &scene.node, &layout()).await.expect("contracts deploy");
    lines.extend(deployment.pools.iter().map(|pool| match pool.kind {
        PoolKind::V2 => format!("{:#x} fee_ppm={}", pool.address, pool.fee_ppm),
        PoolKind::V3 { .. } => format!("{:#x}", pool.address),
    }));
    assert!(lines.len() >= 500, "{}", lines.len());
    // That each is read, and is sound, is looked at there.
    let snapshot = scene.snapshot(&lines);
    let mut asked: Vec<Asked<'_>> = built.iter().flat_map(Built::asked).collect();
    asked.extend(copies.pools.iter().map(|(pool, curve)| curve.asked(*pool)));
    asked.extend(keys.iter().map(|key| v4::asked(&chain, key)));
    asked.extend(deployment.pools.iter().map(|pool| of_deployment(&deployment, pool)));
    assert_eq!(asked.len(), lines.len());
    check_queries(&scene, &snapshot, &asked).await;
}

fn of_deployment<'scene>(deployment: &Deployment, pool: &Pool) -> Asked<'scene> {
    let decimals = |token: Address| {
        let token = deployment.tokens.iter().find(|other| other.address == token).expect("a known token");
        (token.address, token.decimals)
    };
    Asked {
        name: format!("{:#x}", pool.address),
        tokens: vec![decimals(pool.token_0), decimals(pool.token_1)],
        oracle: match pool.kind {
            PoolKind::V2 => Oracle::Pair { pair: pool.address, weth: deployment.weth() },
            PoolKind::V3 { .. } => Oracle::V3 { quoter: deployment.quoter, fee_ppm: pool.fee_ppm },
        },
    }
}

/// Random queries, each answered by the node as well: any pool, any way, amounts from one unit to more than a pool has.
async fn check_queries(scene: &Scene, snapshot: &Snapshot, asked: &[Asked<'_>]) {
    let seed = std::env::var("ALPHAPULSE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(SEED);
    report(&format!("queries of {} pools: seed {seed}", asked.len()));
    let mut random = Random::new(seed);
    let (mut answers, mut refusals) = (0_usize, 0_usize);
    for _ in 0..QUERIES {
        let pool = &asked[random.below(asked.len())];
        let token_in = random.below(pool.tokens.len());
        let token_out = (token_in + 1 + random.below(pool.tokens.len() - 1)) % pool.tokens.len();
        let is_exact_out = pool.is_exact_out_offered() && random.below(4) == 0;
        let (_, decimals) = pool.tokens[if is_exact_out { token_out } else { token_in }];
        let digits = random.below(usize::from(decimals) + WHOLE_DIGITS);
        let amount = 10_u128.pow(u32::try_from(digits).expect("few")) * (1 + random.below(9_999) as u128) / 1_000;
        let amount = U256::from(amount.max(1));
        let amount = if is_exact_out { Amount::Out(amount) } else { Amount::In(amount) };
        let way = [token_in, token_out];
        let ours = pool.answer(snapshot, way, amount);
        pool.check(scene, way, amount, ours).await;
        if ours.is_some() { answers += 1 } else { refusals += 1 }
    }
    report(&format!("queries of {} pools: {answers} answers and {refusals} refusals, all as the node's", asked.len()));
    assert!(answers > QUERIES / 2 && refusals > 0, "{answers} {refusals}");
}
