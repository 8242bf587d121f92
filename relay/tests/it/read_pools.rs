//! Pools whose contracts nobody may pass on, read from recorded answers: a node that knows some calls and refuses the rest,
//! batches included.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::PoolState;
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails, Ramp};
use alphapulse_relay::SourceError;
use alphapulse_relay::source::PoolImage;
use alphapulse_relay::source::read::{PoolBase, PoolRead, PoolTarget, Reader};

use crate::fake_node::{NUMBER, Node, TIMESTAMP, address};

/// Reads a pool by its line.
pub(crate) async fn read_line(node: Node, line: &str) -> (Result<PoolRead, SourceError>, Arc<Node>) {
    let target: PoolTarget = line.parse().expect("a line of a pool");
    let (url, node, server) = node.serve().await;
    let reader = Reader::at_number(&url.parse().expect("an address"), None).await.expect("a node");
    let read = reader.read(&target).await;
    server.abort();
    (read, node)
}

pub(crate) async fn read(node: Node, pool: Address) -> (Result<PoolRead, SourceError>, Arc<Node>) {
    read_line(node, &format!("{pool:#x}")).await
}

/// Reads what must be refused, and says why.
pub(crate) async fn refusal(node: Node, line: &str) -> String {
    match read_line(node, line).await.0 {
        Err(SourceError::Pool { reason, .. }) => reason,
        other => panic!("{line}: {other:?}"),
    }
}

pub(crate) fn details(image: &PoolImage) -> MultiTokenDetails {
    let PoolDetails::MultiToken(details) = image.info.details else { panic!("{:?}", image.info) };
    details
}

/// 3pool's functions, its balances of mainnet block 24,407,242 rounded.
#[tokio::test]
async fn a_classic_pool_is_told_from_its_functions() {
    let (pool, mut node) = (address(0xaa), Node::default());
    let coins = [
        (address(1), 56_000_000 * 10_u128.pow(18)),
        (address(2), 52_000_000_000_000),
        (address(3), 57_000_000_000_000),
    ];
    node.token(address(1), "DAI", 18).token(address(2), "USDC", 6).token(address(3), "USDT", 6);
    node.coins(pool, "uint256", &coins);
    node.stable(pool, 2_000);
    // It has the view of a meta pool, and no base.
    let probe = [U256::ZERO, U256::from(1), U256::from(1_000_000)];
    node.tell(pool, "get_dy_underlying(int128,int128,uint256)", &probe, U256::from(5).abi_encode());
    let (read, node) = read(node, pool).await;
    let PoolRead { image, base, told } = read.expect("a pool");
    assert_eq!((image.info.kind, base), (PoolKind::CurveStable, None));
    let details = details(&image);
    assert_eq!((details.variant, details.amplification_precision), (PoolVariant::CurveClassic as u16, 1));
    assert_eq!(details.decimals[..4], [18, 6, 6, 0]);
    let PoolState::CurveStable(state) = image.state else { panic!("another kind") };
    let ramp = Ramp { initial: 5_000, future: 2_000, initial_time: 100, future_time: 200 };
    assert_eq!(state.terms.amplification, ramp);
    assert_eq!((state.terms.fee, state.terms.admin_fee, state.terms.is_paused), (1_000_000, 5_000_000_000, false));
    assert_eq!(state.holdings.balances[..3], coins.map(|(_, balance)| balance));
    // Its share is told by no function.
    assert_eq!(state.holdings.supply, 0);
    // It is asked about each coin in both ways, a thousandth of what it has, and does not answer.
    let asked: Vec<_> = told.iter().map(|told| (told.token_in, told.token_out, told.amount_in)).collect();
    let amount = |balance: u128| U256::from(balance / 1_000);
    let [a, b, c] = coins.map(|(coin, balance)| (coin, amount(balance)));
    assert_eq!(asked, [(a.0, b.0, a.1), (b.0, c.0, b.1), (c.0, a.0, c.1)]);
    assert!(told.iter().all(|told| told.amount_out.is_none()));
    assert_eq!(state.rates.rates[..3], [10_u128.pow(18), 10_u128.pow(30), 10_u128.pow(30)]);
    assert_eq!(state.rates.valid_until, u64::MAX);
    // Every call is of the one block, and of the block on the chain.
    let asked = node.asked.lock().expect("whole");
    let calls: Vec<_> =
        asked.iter().filter(|(method, params)| method == "eth_call" && params[0]["to"].is_string()).collect();
    assert!(calls.len() > 20);
    for (_, params) in calls {
        assert_eq!(params[1]["blockHash"], format!("0x{}", "11".repeat(32)));
        assert_eq!(params[1]["requireCanonical"], true);
    }
}

#[tokio::test]
async fn an_ng_pool_tells_rates_that_hold_for_its_block_only() {
    let (pool, mut node) = (address(0xab), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 18);
    node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
    node.stable(pool, 2_000);
    node.number(pool, "A_precise()", 200_000).number(pool, "offpeg_fee_multiplier()", 20_000_000_000);
    node.number(pool, "totalSupply()", 77);
    let rates = vec![U256::from(10_u128.pow(18)), U256::from(1_100_000_000_000_000_000_u128)];
    node.tell(pool, "stored_rates()", &[], rates.abi_encode());
    let image = read(node, pool).await.0.expect("a pool").image;
    assert_eq!(details(&image).variant, PoolVariant::CurveNg as u16);
    let PoolState::CurveStable(state) = image.state else { panic!("another kind") };
    assert_eq!(state.rates.rates[..2], [10_u128.pow(18), 1_100_000_000_000_000_000]);
    assert_eq!((state.rates.valid_until, state.holdings.supply), (TIMESTAMP, 77));
    assert_eq!(state.terms.offpeg_fee_multiplier, 20_000_000_000);
}

#[tokio::test]
async fn a_meta_pool_names_its_base_and_remembers_its_price() {
    let (pool, mut node) = (address(0xac), Node::default());
    node.token(address(1), "GUSD", 2).token(address(2), "3Crv", 18);
    node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
    node.stable(pool, 2_000);
    node.number(pool, "A_precise()", 200_000).number(address(7), "totalSupply()", 8);
    node.number(address(2), "totalSupply()", 99);
    node.tell(pool, "base_pool()", &[], address(0xaa).abi_encode()).tell(
        pool,
        "lp_token()",
        &[],
        address(7).abi_encode(),
    );
    node.number(pool, "base_virtual_price()", 1_020_000_000_000_000_000).number(pool, "base_cache_updated()", 9_000);
    let read = read(node, pool).await.0.expect("a pool");
    let base = Some(PoolBase { pool: address(0xaa), shares: 99 });
    assert_eq!((read.base, details(&read.image).variant), (base, PoolVariant::CurveClassic as u16));
    let PoolState::CurveStable(state) = read.image.state else { panic!("another kind") };
    let holdings = state.holdings;
    assert_eq!((holdings.supply, holdings.base_cache_updated), (8, 9_000));
    assert_eq!(holdings.base_virtual_price, 1_020_000_000_000_000_000);
    // The share's rate is reckoned from the base pool.
    assert_eq!(state.rates.rates[..2], [10_u128.pow(34), 0]);
}

#[tokio::test]
async fn a_meta_pool_that_hides_its_base_is_refused() {
    let (pool, mut node) = (address(0xad), Node::default());
    node.token(address(1), "A", 18).token(address(2), "3Crv", 18);
    node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
    node.stable(pool, 2_000);
    node.number(pool, "A_precise()", 20_000);
    let probe = [U256::ZERO, U256::from(1), U256::from(1_000_000)];
    node.tell(pool, "get_dy_underlying(int128,int128,uint256)", &probe, U256::from(5).abi_encode());
    let error = read(node, pool).await.0.expect_err("no base");
    assert!(matches!(&error, SourceError::Pool { reason, .. } if reason.contains("meta pool")), "{error}");
}

/// What a pool multiplies with by itself is not told by it: neither of staked coins, nor of lending pools after the first.
#[tokio::test]
async fn pools_that_reckon_with_their_coins_own_rates_have_no_known_arithmetic() {
    for (function, of_pool) in [("ratio()", false), ("getExchangeRate()", false), ("underlying_coins(uint256)", true)] {
        let (pool, mut node) = (address(0xb1), Node::default());
        node.token(address(1), "aETHc", 18).token(address(2), "ETHx", 18).token(address(3), "DAI", 18);
        node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
        node.stable(pool, 2_000);
        node.number(pool, "A_precise()", 20_000);
        if of_pool {
            for at in 0..2 {
                node.tell(pool, function, &[U256::from(at)], address(3).abi_encode());
            }
        } else {
            node.number(address(1), function, 900_000_000_000_000_000);
        }
        let image = read(node, pool).await.0.expect("a pool that is described").image;
        assert_eq!(details(&image).variant, 0, "{function}");
    }
}

/// The first pools number coins by signed numbers, and wrap what they hold.
#[tokio::test]
async fn a_first_pool_reckons_interest_up_to_its_block() {
    let (pool, mut node) = (address(0xae), Node::default());
    for (coin, symbol, decimals) in [(1, "cDAI", 8), (2, "USDT", 6), (3, "DAI", 18)] {
        node.token(address(coin), symbol, decimals);
    }
    node.coins(pool, "int128", &[(address(1), 5), (address(2), 6)]);
    // The second coin wraps nothing.
    for (at, wrapped) in [(0_u64, 3), (1, 2)] {
        node.tell(pool, "underlying_coins(int128)", &[U256::from(at)], address(wrapped).abi_encode());
    }
    for (signature, value) in [("A()", 450), ("fee()", 4_000_000), ("admin_fee()", 5_000_000_000)] {
        node.number(pool, signature, value);
    }
    let rate = 200_000_000_000_000_000_000_000_000_u128;
    node.number(address(1), "exchangeRateStored()", rate).number(address(1), "supplyRatePerBlock()", 10_u128.pow(10));
    node.number(address(1), "accrualBlockNumber()", u128::from(NUMBER) - 6);
    let image = read(node, pool).await.0.expect("a pool").image;
    let details = details(&image);
    assert_eq!((details.variant, &details.decimals[..2]), (PoolVariant::CurveFirst as u16, &[18, 6][..]));
    assert_eq!(image.tokens.len(), 3);
    let names: Vec<_> = details.underlying.iter().map(|token| image.tokens[token.index()].symbol.as_str()).collect();
    assert_eq!(names, ["DAI", "USDT"]);
    let PoolState::CurveStable(state) = image.state else { panic!("another kind") };
    assert_eq!(state.rates.rates[..2], [rate + rate / 10_u128.pow(8) * 6, 10_u128.pow(30)]);
    assert_eq!((state.terms.amplification.future, state.rates.valid_until), (450, TIMESTAMP));
}

#[tokio::test]
async fn solidly_pools_are_of_the_generation_that_their_fees_tell() {
    for (fees, arguments, variant) in [
        ("poolFees()", "getFee(address,bool)", PoolVariant::SolidlyV2),
        ("fees()", "getFee(bool)", PoolVariant::SolidlyV1),
    ] {
        let (pool, factory, mut node) = (address(0xaf), address(0xfa), Node::default());
        node.token(address(1), "A", 6).token(address(2), "B", 18);
        let unit = |decimals| U256::from(10_u128.pow(decimals));
        let metadata = (unit(6), unit(18), U256::from(3), U256::from(4), true, address(1), address(2));
        node.tell(pool, "metadata()", &[], metadata.abi_encode_params()).tell(pool, "stable()", &[], true.abi_encode());
        node.tell(pool, "factory()", &[], factory.abi_encode()).tell(pool, fees, &[], address(9).abi_encode());
        let is_stable = U256::from(1);
        let words =
            if variant == PoolVariant::SolidlyV1 { vec![is_stable] } else { vec![pool.into_word().into(), is_stable] };
        node.tell(factory, arguments, &words, U256::from(5).abi_encode());
        let image = read(node, pool).await.0.expect("a pool").image;
        assert_eq!(image.info.kind, PoolKind::SolidlyStable);
        assert_eq!((details(&image).variant, &details(&image).decimals[..2]), (variant as u16, &[6, 18][..]));
        let PoolState::Solidly(state) = image.state else { panic!("another kind") };
        assert_eq!((state.fee.0, state.reserve_0, state.reserve_1), (500, 3, 4));
    }
}

/// A fork whose first slot is wider (PancakeSwap V3), at a node that runs no batches: word by word, tick by tick.
#[tokio::test]
async fn a_fork_of_v3_is_read_word_by_word_where_it_must_be() {
    let (pool, mut node) = (address(0xb2), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 6);
    node.tell(pool, "token0()", &[], address(1).abi_encode()).tell(pool, "token1()", &[], address(2).abi_encode());
    node.number(pool, "fee()", 2_500).number(pool, "tickSpacing()", 50).number(pool, "liquidity()", 700);
    let price = U256::from(1) << 96_usize;
    let wide = U256::from((3_300_u64 << 16) + 3_300);
    let slot = [price, U256::MAX, U256::ZERO, U256::from(1), U256::from(1), wide, U256::from(1)];
    node.tell(pool, "slot0()", &[], slot.map(|word| word.to_be_bytes::<32>()).concat());
    let signed = |value: i32| alloy::primitives::I256::try_from(value).expect("small").into_raw();
    for word in -70..=69 {
        // Ticks -12800 and 50.
        let bits = match word {
            -1 => U256::from(1),
            0 => U256::from(2),
            _ => U256::ZERO,
        };
        node.tell(pool, "tickBitmap(int16)", &[signed(word)], bits.abi_encode());
    }
    for (tick, net) in [(-12_800, 700), (50, -700)] {
        let words =
            [U256::from(700), signed(net), U256::ZERO, U256::ZERO].map(|word| word.to_be_bytes::<32>()).concat();
        node.tell(pool, "ticks(int24)", &[signed(tick)], words);
    }
    let image = read(node, pool).await.0.expect("a pool").image;
    assert_eq!((image.info.kind, image.info.fee.0, image.info.tick_spacing), (PoolKind::UniswapV3, 2_500, 50));
    let PoolState::V3(state) = image.state else { panic!("another kind") };
    assert_eq!((state.sqrt_price_x96, state.tick, state.liquidity), (price, -1, 700));
    let ticks: Vec<_> = state.ticks.iter().map(|tick| (tick.tick, tick.liquidity_net, tick.liquidity_gross)).collect();
    assert_eq!(ticks, [(-12_800, 700, 700), (50, -700, 700)]);
}
