//! Pools that are refused rather than read as what they are not, and what contracts say of themselves.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use alphapulse_relay::SourceError;

use crate::fake_node::{Node, address};
use crate::read_pools::{read, read_line, refusal};

#[tokio::test]
async fn what_is_no_pool_is_refused_and_what_no_message_holds_too() {
    let error = read(Node::default(), address(1)).await.0.expect_err("nothing there");
    assert!(matches!(error, SourceError::Pool { .. }), "{error}");
    let (pool, mut node) = (address(0xb1), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 18);
    node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
    node.stable(pool, 2_000);
    node.tell(pool, "balances(uint256)", &[U256::ZERO], U256::MAX.abi_encode());
    let error = read(node, pool).await.0.expect_err("a balance of 256 bits");
    assert!(matches!(&error, SourceError::Pool { reason, .. } if reason.contains("balance")), "{error}");
}

/// A lending coin that does not tell its rate makes the pool's own swaps revert: it has no plain one.
#[tokio::test]
async fn a_lending_coin_without_a_rate_refuses_its_pool() {
    let (pool, mut node) = (address(0xae), Node::default());
    for (coin, symbol, decimals) in [(1, "cDAI", 8), (2, "USDT", 6), (3, "DAI", 18)] {
        node.token(address(coin), symbol, decimals);
    }
    node.coins(pool, "int128", &[(address(1), 5), (address(2), 6)]);
    for (at, wrapped) in [(0_u64, 3), (1, 2)] {
        node.tell(pool, "underlying_coins(int128)", &[U256::from(at)], address(wrapped).abi_encode());
    }
    for (signature, value) in [("A()", 450), ("fee()", 4_000_000), ("admin_fee()", 5_000_000_000)] {
        node.number(pool, signature, value);
    }
    // What accrues is not told, so the rate is not known.
    node.number(address(1), "exchangeRateStored()", 10_u128.pow(28));
    let reason = refusal(node, &format!("{pool:#x}")).await;
    assert!(reason.contains(&format!("{:#x}", address(1))) && reason.contains("no rate"), "{reason}");
}

fn pair() -> (Node, Address) {
    let (pool, mut node) = (address(0xb3), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 6);
    node.tell(pool, "token0()", &[], address(1).abi_encode()).tell(pool, "token1()", &[], address(2).abi_encode());
    node.tell(pool, "getReserves()", &[], (U256::from(7_000), U256::from(9_000), U256::from(1)).abi_encode_params());
    (node, pool)
}

#[tokio::test]
async fn a_pair_with_a_second_curve_is_no_pair_whatever_it_is_called() {
    for view in ["stable()", "stableSwap()"] {
        for line in [" fee_ppm=3000", " uniswap_v2 fee_ppm=3000"] {
            let (mut node, pool) = pair();
            node.tell(pool, view, &[], false.abi_encode());
            let reason = refusal(node, &format!("{pool:#x}{line}")).await;
            assert!(reason.contains(view), "{reason}");
        }
    }
    let (node, pool) = pair();
    let reason = refusal(node, &format!("{pool:#x}")).await;
    assert!(reason.contains("--fee-ppm") && reason.contains("fee_ppm=N"), "{reason}");
}

/// A pair of the first kind has no view; a fork with one is held to what it answers.
#[tokio::test]
async fn a_pair_tells_what_its_view_answers_where_it_has_one() {
    let (mut node, pool) = pair();
    let line = format!("{pool:#x} fee_ppm=3000");
    let words = [U256::from(7), address(1).into_word().into()];
    node.tell(pool, "getAmountOut(uint256,address)", &words, U256::from(8).abi_encode());
    let told = read_line(node, &line).await.0.expect("a pair").told;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].token_in, told[0].amount_in, told[0].amount_out),
        (address(1), U256::from(7), Some(U256::from(8)))
    );
    let (node, _) = pair();
    assert_eq!(read_line(node, &line).await.0.expect("a pair").told, []);
}

#[tokio::test]
async fn a_stable_pool_tells_what_it_answers_by_signed_numbers() {
    let (pool, mut node) = (address(0xaa), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 6);
    node.coins(pool, "uint256", &[(address(1), 50_000), (address(2), 900)]);
    node.stable(pool, 2_000);
    let words = [U256::ZERO, U256::from(1), U256::from(50)];
    node.tell(pool, "get_dy(int128,int128,uint256)", &words, U256::from(49).abi_encode());
    let told = read(node, pool).await.0.expect("a pool").told;
    // Of the other coin there are fewer than a thousand units: it is asked for one.
    let answers: Vec<_> = told.iter().map(|told| (told.amount_in.to::<u64>(), told.amount_out)).collect();
    assert_eq!(answers, [(50, Some(U256::from(49))), (1, None)]);
}

#[tokio::test]
async fn an_address_without_code_and_a_contract_of_another_kind_are_told_apart() {
    let reason = refusal(Node::default(), &format!("{:#x}", address(1))).await;
    assert!(reason.contains("no contract") && reason.contains("block 16"), "{reason}");
    let mut node = Node::default();
    node.token(address(1), "A", 18);
    let reason = refusal(node, &format!("{:#x}", address(1))).await;
    assert!(reason.contains("no pool of a kind that is known"), "{reason}");
    // An id by itself is a Balancer pool's.
    let reason = refusal(Node::default(), &format!("0x{}", "12".repeat(32))).await;
    assert!(reason.contains("manager=ADDRESS"), "{reason}");
    let mut node = Node::default();
    node.tell(address(9), "extsload(bytes32)", &[U256::ZERO], U256::ZERO.abi_encode());
    let reason = refusal(node, &format!("{:#x}", address(9))).await;
    assert!(reason.contains("pool manager") && reason.contains("manager=ADDRESS"), "{reason}");
}

#[tokio::test]
async fn a_token_that_was_taken_for_a_pool_is_told_so() {
    let mut node = Node::default();
    node.token(address(1), "A", 18).number(address(1), "totalSupply()", 5);
    let reason = refusal(node, &format!("{:#x}", address(1))).await;
    assert!(reason.contains("it answers as a token") && reason.contains("does not look like a pool"), "{reason}");
}

/// Ids of a vault begin with a pool's address, so that of a pool that is no vault's finds one all the same.
#[tokio::test]
async fn an_id_that_is_not_the_pool_s_own_is_refused() {
    let (mut node, pool) = (Node::default(), address(0xaa));
    node.token(address(1), "A", 18).token(address(2), "B", 6);
    node.coins(pool, "uint256", &[(address(1), 50_000), (address(2), 900)]);
    node.stable(pool, 2_000);
    let id = format!("{pool:#x}{}", "00".repeat(12));
    let reason = refusal(node, &id).await;
    assert!(reason.contains(&id), "{reason}");
}
