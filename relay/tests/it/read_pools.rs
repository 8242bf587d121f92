//! Pools whose contracts nobody may pass on, read from recorded answers: a node that knows some calls and refuses the rest,
//! batches included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use alloy::hex;
use alloy::primitives::{Address, U256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::PoolState;
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails, Ramp};
use alphapulse_relay::SourceError;
use alphapulse_relay::source::PoolImage;
use alphapulse_relay::source::read::{PoolRead, PoolTarget, Reader};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TIMESTAMP: u64 = 1_700_000_000;
const NUMBER: u64 = 0x10;

/// Answers by contract and call data.
#[derive(Default)]
struct Node {
    answers: HashMap<(Address, Vec<u8>), Vec<u8>>,
    /// Requests that were made, by method.
    asked: Mutex<Vec<(String, Value)>>,
}

impl Node {
    /// `signature` with words behind its selector answers `answer`.
    fn tell(&mut self, contract: Address, signature: &str, words: &[U256], answer: impl Into<Vec<u8>>) -> &mut Self {
        let mut data = keccak256(signature)[..4].to_vec();
        words.iter().for_each(|word| data.extend(word.to_be_bytes::<32>()));
        self.answers.insert((contract, data), answer.into());
        self
    }

    fn number(&mut self, contract: Address, signature: &str, answer: u128) -> &mut Self {
        self.tell(contract, signature, &[], U256::from(answer).abi_encode())
    }

    fn token(&mut self, token: Address, symbol: &str, decimals: u128) -> &mut Self {
        self.number(token, "decimals()", decimals).tell(token, "symbol()", &[], symbol.abi_encode())
    }

    /// Coins and balances, by a number of this type.
    fn coins(&mut self, pool: Address, index: &str, coins: &[(Address, u128)]) {
        for (at, (coin, balance)) in coins.iter().enumerate() {
            let at = [U256::from(at)];
            self.tell(pool, &format!("coins({index})"), &at, coin.abi_encode());
            self.tell(pool, &format!("balances({index})"), &at, U256::from(*balance).abi_encode());
        }
    }

    fn answer(&self, request: &Value) -> Value {
        let method = request["method"].as_str().expect("a method");
        let params = &request["params"];
        self.asked.lock().expect("no test fails in here").push((method.to_owned(), params.clone()));
        let result = match method {
            "eth_chainId" => json!("0x1"),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => json!({
                "number": format!("{NUMBER:#x}"), "hash": format!("0x{}", "11".repeat(32)),
                "parentHash": format!("0x{}", "22".repeat(32)), "timestamp": format!("{TIMESTAMP:#x}"),
                "baseFeePerGas": "0x7", "gasUsed": "0x0", "gasLimit": "0x1c9c380",
            }),
            "eth_call" => match self.call(&params[0]) {
                Some(answer) => json!(hex::encode_prefixed(answer)),
                None => {
                    return json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": 3, "message": "execution reverted"}});
                }
            },
            _ => json!("0x0000000000000000000000000000000000000000000000000000000000000000"),
        };
        json!({"jsonrpc": "2.0", "id": request["id"], "result": result})
    }

    fn call(&self, call: &Value) -> Option<&Vec<u8>> {
        // A creation has no address: this node does not run them.
        let to: Address = call["to"].as_str()?.parse().ok()?;
        let data = call["input"].as_str().or_else(|| call["data"].as_str())?;
        self.answers.get(&(to, hex::decode(data).ok()?))
    }

    /// Reads a pool from this node over HTTP.
    async fn read(self, pool: Address) -> (Result<PoolRead, SourceError>, Arc<Self>) {
        let node = Arc::new(self);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let serving = Arc::clone(&node);
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        let reader = Reader::at_number(&url.parse().expect("an address"), None).await.expect("a node");
        let read = reader.read(&PoolTarget::of(pool)).await;
        server.abort();
        (read, node)
    }
}

async fn serve(mut stream: TcpStream, node: Arc<Node>) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    let body = loop {
        let read = stream.read(&mut piece).await.expect("a request");
        request.extend(&piece[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        if request.len() >= end + 4 + length.parse::<usize>().expect("a number") {
            break &request[end + 4..];
        }
    };
    let answer = node.answer(&serde_json::from_slice(body).expect("JSON")).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
    // A client that has gone needs none.
    let _ = stream.write_all([head.as_bytes(), answer.as_bytes()].concat().as_slice()).await;
}

fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fn details(image: &PoolImage) -> MultiTokenDetails {
    let PoolDetails::MultiToken(details) = image.info.details else { panic!("{:?}", image.info) };
    details
}

/// What many a StableSwap pool tells.
fn stable(node: &mut Node, pool: Address) {
    for (signature, value) in [("A()", 2_000), ("fee()", 1_000_000), ("admin_fee()", 5_000_000_000)] {
        node.number(pool, signature, value);
    }
    for (signature, value) in
        [("initial_A()", 5_000), ("future_A()", 2_000), ("initial_A_time()", 100), ("future_A_time()", 200)]
    {
        node.number(pool, signature, value);
    }
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
    stable(&mut node, pool);
    // It has the view of a meta pool, and no base.
    let probe = [U256::ZERO, U256::from(1), U256::from(1_000_000)];
    node.tell(pool, "get_dy_underlying(int128,int128,uint256)", &probe, U256::from(5).abi_encode());
    let (read, node) = node.read(pool).await;
    let PoolRead { image, base } = read.expect("a pool");
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
    stable(&mut node, pool);
    node.number(pool, "A_precise()", 200_000).number(pool, "offpeg_fee_multiplier()", 20_000_000_000);
    node.number(pool, "totalSupply()", 77);
    let rates = vec![U256::from(10_u128.pow(18)), U256::from(1_100_000_000_000_000_000_u128)];
    node.tell(pool, "stored_rates()", &[], rates.abi_encode());
    let image = node.read(pool).await.0.expect("a pool").image;
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
    stable(&mut node, pool);
    node.number(pool, "A_precise()", 200_000).number(address(7), "totalSupply()", 8);
    node.tell(pool, "base_pool()", &[], address(0xaa).abi_encode()).tell(
        pool,
        "lp_token()",
        &[],
        address(7).abi_encode(),
    );
    node.number(pool, "base_virtual_price()", 1_020_000_000_000_000_000).number(pool, "base_cache_updated()", 9_000);
    let read = node.read(pool).await.0.expect("a pool");
    assert_eq!((read.base, details(&read.image).variant), (Some(address(0xaa)), PoolVariant::CurveClassic as u16));
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
    stable(&mut node, pool);
    node.number(pool, "A_precise()", 20_000);
    let probe = [U256::ZERO, U256::from(1), U256::from(1_000_000)];
    node.tell(pool, "get_dy_underlying(int128,int128,uint256)", &probe, U256::from(5).abi_encode());
    let error = node.read(pool).await.0.expect_err("no base");
    assert!(matches!(&error, SourceError::Pool { reason, .. } if reason.contains("meta pool")), "{error}");
}

/// What a pool multiplies with by itself is not told by it: neither of staked coins, nor of lending pools after the first.
#[tokio::test]
async fn pools_that_reckon_with_their_coins_own_rates_have_no_known_arithmetic() {
    for (function, of_pool) in [("ratio()", false), ("getExchangeRate()", false), ("underlying_coins(uint256)", true)] {
        let (pool, mut node) = (address(0xb1), Node::default());
        node.token(address(1), "aETHc", 18).token(address(2), "ETHx", 18).token(address(3), "DAI", 18);
        node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
        stable(&mut node, pool);
        node.number(pool, "A_precise()", 20_000);
        if of_pool {
            for at in 0..2 {
                node.tell(pool, function, &[U256::from(at)], address(3).abi_encode());
            }
        } else {
            node.number(address(1), function, 900_000_000_000_000_000);
        }
        let image = node.read(pool).await.0.expect("a pool that is described").image;
        assert_eq!(details(&image).variant, 0, "{function}");
    }
}

/// The first pools number coins by signed numbers, and wrap what they hold.
#[tokio::test]
async fn a_first_pool_reckons_interest_up_to_its_block() {
    let (pool, mut node) = (address(0xae), Node::default());
    for (coin, symbol, decimals) in [(1, "cDAI", 8), (2, "cUSDC", 8), (3, "DAI", 18), (4, "USDC", 6)] {
        node.token(address(coin), symbol, decimals);
    }
    node.coins(pool, "int128", &[(address(1), 5), (address(2), 6)]);
    for (at, wrapped) in [(0_u64, 3), (1, 4)] {
        node.tell(pool, "underlying_coins(int128)", &[U256::from(at)], address(wrapped).abi_encode());
    }
    for (signature, value) in [("A()", 450), ("fee()", 4_000_000), ("admin_fee()", 5_000_000_000)] {
        node.number(pool, signature, value);
    }
    let rate = 200_000_000_000_000_000_000_000_000_u128;
    node.number(address(1), "exchangeRateStored()", rate).number(address(1), "supplyRatePerBlock()", 10_u128.pow(10));
    node.number(address(1), "accrualBlockNumber()", u128::from(NUMBER) - 6);
    let image = node.read(pool).await.0.expect("a pool").image;
    let details = details(&image);
    assert_eq!((details.variant, &details.decimals[..2]), (PoolVariant::CurveFirst as u16, &[18, 6][..]));
    assert_eq!(image.tokens.len(), 4);
    let names: Vec<_> = details.underlying.iter().map(|token| image.tokens[token.index()].symbol.as_str()).collect();
    assert_eq!(names, ["DAI", "USDC"]);
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
        let image = node.read(pool).await.0.expect("a pool").image;
        assert_eq!(image.info.kind, PoolKind::SolidlyStable);
        assert_eq!((details(&image).variant, &details(&image).decimals[..2]), (variant as u16, &[6, 18][..]));
        let PoolState::Solidly(state) = image.state else { panic!("another kind") };
        assert_eq!((state.fee.0, state.reserve_0, state.reserve_1), (500, 3, 4));
    }
}

#[tokio::test]
async fn a_pool_of_two_crypto_coins_is_of_a_known_maths_or_of_none() {
    for (math, variant) in [
        (None, PoolVariant::CurveTwoCrypto as u16),
        (Some("v2.0.0"), PoolVariant::CurveTwoCryptoNg as u16),
        (Some("v2.1.0"), 0),
    ] {
        let (pool, mut node) = (address(0xb0), Node::default());
        node.token(address(1), "A", 6).token(address(2), "B", 18);
        node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
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
        if let Some(version) = math {
            node.tell(pool, "MATH()", &[], address(8).abi_encode()).tell(
                address(8),
                "version()",
                &[],
                version.abi_encode(),
            );
            node.number(pool, "packed_rebalancing_params()", (7 << 64) | 866).number(pool, "ADMIN_FEE()", 5);
            node.number(pool, "totalSupply()", 55).number(pool, "last_timestamp()", 1_234);
        } else {
            node.tell(pool, "token()", &[], address(7).abi_encode()).number(address(7), "totalSupply()", 55);
            node.number(pool, "ma_half_time()", 866).number(pool, "admin_fee()", 5);
            node.number(pool, "last_prices_timestamp()", 1_234);
        }
        let image = node.read(pool).await.0.expect("a pool").image;
        assert_eq!((image.info.kind, details(&image).variant), (PoolKind::CurveCrypto, variant));
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

#[tokio::test]
async fn what_is_no_pool_is_refused_and_what_no_message_holds_too() {
    let error = Node::default().read(address(1)).await.0.expect_err("nothing there");
    assert!(matches!(error, SourceError::Pool { .. }), "{error}");
    let (pool, mut node) = (address(0xb1), Node::default());
    node.token(address(1), "A", 18).token(address(2), "B", 18);
    node.coins(pool, "uint256", &[(address(1), 5), (address(2), 6)]);
    stable(&mut node, pool);
    node.tell(pool, "balances(uint256)", &[U256::ZERO], U256::MAX.abi_encode());
    let error = node.read(pool).await.0.expect_err("a balance of 256 bits");
    assert!(matches!(&error, SourceError::Pool { reason, .. } if reason.contains("balance")), "{error}");
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
    let image = node.read(pool).await.0.expect("a pool").image;
    assert_eq!((image.info.kind, image.info.fee.0, image.info.tick_spacing), (PoolKind::UniswapV3, 2_500, 50));
    let PoolState::V3(state) = image.state else { panic!("another kind") };
    assert_eq!((state.sqrt_price_x96, state.tick, state.liquidity), (price, -1, 700));
    let ticks: Vec<_> = state.ticks.iter().map(|tick| (tick.tick, tick.liquidity_net, tick.liquidity_gross)).collect();
    assert_eq!(ticks, [(-12_800, 700, 700), (50, -700, 700)]);
}
