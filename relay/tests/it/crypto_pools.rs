//! CryptoSwap pools, read from what they tell.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::PoolState;

use crate::fake_node::{Node, address};
use crate::read_pools::{details, read, refusal};

/// A CryptoSwap pool whose maths has this version, or that has no maths of its own.
fn crypto(coins: u8, math: Option<&str>) -> (Node, Address) {
    let (pool, mut node) = (address(0xb0), Node::default());
    for coin in 1..=coins {
        node.token(address(coin), "A", 6);
    }
    let held: Vec<_> = (1..=coins).map(|coin| (address(coin), 5_000 + u128::from(coin))).collect();
    node.coins(pool, "uint256", &held);
    let ramp = (U256::from(400_000) << 128_usize) | U256::from(145_000_000_000_000_u64);
    for signature in ["initial_A_gamma()", "future_A_gamma()"] {
        node.tell(pool, signature, &[], ramp.abi_encode());
    }
    let names = [
        "gamma()",
        "initial_A_gamma_time()",
        "future_A_gamma_time()",
        "mid_fee()",
        "out_fee()",
        "fee_gamma()",
        "allowed_extra_profit()",
        "adjustment_step()",
        "D()",
        "virtual_price()",
        "xcp_profit()",
        "price_scale()",
        "last_prices()",
    ];
    for (value, name) in (100_u128..).zip(names) {
        node.number(pool, name, value);
    }
    for (index, name) in
        (0..2_u64).flat_map(|index| ["price_scale(uint256)", "last_prices(uint256)"].map(|name| (index, name)))
    {
        node.tell(pool, name, &[U256::from(index)], U256::from(120 + index).abi_encode());
    }
    if let Some(version) = math {
        node.tell(pool, "MATH()", &[], address(8).abi_encode());
        node.tell(address(8), "version()", &[], version.abi_encode());
        node.number(pool, "packed_rebalancing_params()", (7 << 64) | 866).number(pool, "ADMIN_FEE()", 5);
        node.number(pool, "totalSupply()", 55).number(pool, "last_timestamp()", 1_234);
    } else {
        node.tell(pool, "token()", &[], address(7).abi_encode()).number(address(7), "totalSupply()", 55);
        node.number(pool, "ma_half_time()", 866).number(pool, "admin_fee()", 5);
        node.number(pool, "last_prices_timestamp()", 1_234);
    }
    (node, pool)
}

#[tokio::test]
async fn a_pool_of_two_crypto_coins_tells_all_but_the_average() {
    for (math, variant) in [(None, PoolVariant::CurveTwoCrypto), (Some("v2.0.0"), PoolVariant::CurveTwoCryptoNg)] {
        let (node, pool) = crypto(2, math);
        let image = read(node, pool).await.0.expect("a pool").image;
        assert_eq!((image.info.kind, details(&image).variant), (PoolKind::CurveCrypto, variant as u16));
        let PoolState::CurveCrypto(state) = image.state else { panic!("another kind") };
        assert_eq!((state.terms.amplification.initial, state.terms.gamma_future), (400_000, 145_000_000_000_000));
        assert_eq!((state.terms.ma_time, state.terms.admin_fee, state.terms.mid_fee), (866, 5, 103));
        let holdings = state.holdings;
        assert_eq!((holdings.d, holdings.supply, holdings.last_prices_time), (108, 55, 1_234));
        assert_eq!((holdings.price_scale, holdings.last_prices), ([111, 0], [112, 0]));
        // No function tells the average as stored; so that nobody reckons with it the virtual price is left out too.
        assert_eq!((holdings.price_oracle, holdings.virtual_price), ([0, 0], 0));
    }
}

/// Pools of two and of three coins have made their maths anew more than once.
#[tokio::test]
async fn crypto_pools_of_another_maths_are_refused_by_its_version() {
    for coins in [2, 3] {
        let (node, pool) = crypto(coins, Some("v2.1.0"));
        let reason = refusal(node, &format!("{pool:#x}")).await;
        assert!(reason.contains("v2.1.0") && reason.contains("v2.0.0"), "{reason}");
    }
    let (node, pool) = crypto(3, Some("v2.0.0"));
    let image = read(node, pool).await.0.expect("a pool").image;
    assert_eq!(details(&image).variant, PoolVariant::CurveTriCryptoNg as u16);
}
