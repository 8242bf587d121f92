//! More than 500 pools of all kinds whose contracts can be had, on one node.

use alloy::primitives::{U256, keccak256};
use alloy::sol_types::SolValue as _;
use alphapulse_testnet::{Deployment, Kit, Layout, PoolKind, PoolSpec, TokenSpec, Where};
use serde_json::{Map, Value};

use crate::balancer::{self, Built};
use crate::chain::deploy_from;
use crate::data::report;
use crate::scene::Scene;
use crate::v4_chain::V4Chain;
use crate::{crypto, v4};

/// Pools of each of Balancer's factories, of V4, and copies of each of Curve's pools.
const BALANCER: usize = 40;
const V4: i32 = 60;
const COPIES: u8 = 10;
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
async fn five_hundred_pools_of_all_kinds_are_read_from_one_node() {
    let mut built: Vec<Built> = Vec::new();
    for ((factory, create), number) in balancer::FACTORIES.into_iter().zip(1..) {
        deploy_from(number * 1_000_000);
        let Some(part) = balancer::build(factory, create, BALANCER) else { return };
        built.push(part);
    }
    deploy_from(5_000_000);
    let (Some(chain), Some((curve, copies))) = (V4Chain::deploy(), crypto::copies(COPIES)) else { return };
    let parts = built.iter().map(|part| part.accounts.clone()).chain([curve.into(), chain.chain.accounts()]);
    let scene = Scene::start(join(parts).into(), crypto::TIME).await;
    crypto::give_views(&scene, &copies).await;
    let copies = copies.iter().map(|(pool, _)| format!("{pool:#x}"));
    let mut lines: Vec<String> = built.iter().flat_map(Built::lines).chain(copies).collect();
    for number in 0..V4 {
        let key = chain.key(100 + u32::try_from(number).expect("small") * 37, 1 + number % 60);
        v4::create(&scene, &chain, &key, number).await;
        lines.push(format!("{} manager={:#x}", keccak256(key.abi_encode()), chain.manager));
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
    let mut answers = 0;
    for part in &built {
        answers += part.compare(&scene, &snapshot).await.0;
    }
    report(&format!("snapshot of one node: {} pools, {answers} quotes of Balancer's", lines.len()));
    assert!(answers > 1_000, "{answers}");
}
