//! Pools of a Uniswap V4 pool manager.

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, Bytes, I256, U160, U256, keccak256};
use alloy::sol_types::SolValue;

use crate::ask::{Asked, Oracle};
use crate::contracts::{V4Key, V4Manager, V4ModifyTest, V4QuoterApi};
use crate::data::report;
use crate::scene::{Amount, Scene, ask};
use crate::v3_chain::tick;
use crate::v4_chain::V4Chain;

/// Fees and tick spacings of the pools.
const POOLS: [(u32, i32); 6] = [(100, 1), (500, 10), (3_000, 60), (10_000, 200), (0, 32_767), (999_999, 7)];

pub(crate) async fn create(scene: &Scene, chain: &V4Chain, key: &V4Key, number: i32) {
    let price = (U256::ONE << 96_usize) + (U256::from(number % 8) << 90_usize);
    let call = V4Manager::initializeCall { key: key.clone(), sqrtPriceX96: price.to::<U160>() };
    scene.send(chain.manager, &call).await;
    let fees = U24::from(u32::try_from(number % 8).expect("small") * 100 + (700 << 12));
    scene.send(chain.manager, &V4Manager::setProtocolFeeCall { key: key.clone(), newProtocolFee: fees }).await;
    let spacing = key.tickSpacing.as_i32();
    for (width, liquidity) in [(1, 10_i128.pow(15)), (3, 10_i128.pow(18)), (20, 10_i128.pow(16))] {
        let reach = (width * spacing * 5).min(887_272) / spacing * spacing;
        let params = V4ModifyTest::Modify {
            tickLower: tick(-reach),
            tickUpper: tick(reach),
            liquidityDelta: I256::try_from(liquidity).expect("small"),
            salt: B256::ZERO,
        };
        let call = V4ModifyTest::modifyLiquidityCall { key: key.clone(), params, hookData: Bytes::new() };
        scene.send(chain.modifier(), &call).await;
    }
}

/// A pool as queries name it. All tokens there have 18 decimals.
pub(crate) fn asked<'scene>(chain: &V4Chain, key: &'scene V4Key) -> Asked<'scene> {
    Asked {
        name: keccak256(key.abi_encode()).to_string(),
        tokens: vec![(key.currency0, 18), (key.currency1, 18)],
        oracle: Oracle::V4 { quoter: chain.quoter(), key },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_of_a_manager_quote_as_its_quoter_does() {
    let Some(chain) = V4Chain::deploy() else { return };
    let scene = Scene::start(chain.chain.accounts(), 1_700_000_000).await;
    let mut pools = Vec::new();
    let mut keys = Vec::new();
    for ((fee, spacing), number) in POOLS.into_iter().zip(1..) {
        let key = chain.key(fee, spacing);
        create(&scene, &chain, &key, number).await;
        pools.push(format!("{} manager={:#x}", keccak256(key.abi_encode()), chain.manager));
        keys.push(key);
    }
    let snapshot = scene.snapshot(&pools);
    // The manager's logs name the same.
    assert_eq!(scene.snapshot_of(chain.manager).pools, snapshot.pools);
    let (mut answers, mut refusals) = (0, 0);
    for key in &keys {
        let name = keccak256(key.abi_encode()).to_string();
        for zero_for_one in [true, false] {
            let way: [Address; 2] =
                if zero_for_one { [key.currency0, key.currency1] } else { [key.currency1, key.currency0] };
            for exponent in 1..18_u32 {
                let amount = 7 * 10_u128.pow(exponent) + 3;
                let exact = V4QuoterApi::ExactSingle {
                    poolKey: key.clone(),
                    zeroForOne: zero_for_one,
                    exactAmount: amount,
                    hookData: Bytes::new(),
                };
                let call = V4QuoterApi::quoteExactInputSingleCall { params: exact };
                let expected = scene.try_call(chain.quoter(), &call).await.map(|answer| answer.amountOut);
                assert_eq!(
                    ask(&snapshot, &name, way, Amount::In(U256::from(amount))),
                    expected,
                    "{key:?} {zero_for_one} {amount}"
                );
                if expected.is_some() { answers += 1 } else { refusals += 1 }
            }
        }
    }
    report(&format!("snapshot of V4: {} pools, {answers} quotes, {refusals} refusals", keys.len()));
    assert!(answers > 120, "{answers}");
}
