//! Curve's tricrypto2 and tricryptoUSDC, their code and state those of mainnet block 18,884,864.

use alloy::primitives::{Address, U256, address, hex, keccak256};
use alloy::sol;
use alloy::sol_types::{SolCall as _, SolEvent as _};
use serde_json::{Map, Value, json};

use crate::ask::{Asked, Oracle, call};
use crate::data::{json, report};
use crate::scene::{Amount, Scene, ask};

sol! {
    interface Legacy {
        event TokenExchange(address indexed buyer, uint256 sold_id, uint256 tokens_sold, uint256 bought_id,
            uint256 tokens_bought);
        function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy, bool use_eth) external payable;
        function get_dy(uint256 i, uint256 j, uint256 dx) external view returns (uint256);
    }

    interface Ng {
        function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy, bool use_eth) external payable
            returns (uint256 dy);
        function balances(uint256 index) external view returns (uint256);
        function factory() external view returns (address);
        function views_implementation() external view returns (address);
        function get_dy(uint256 i, uint256 j, uint256 dx, address pool) external view returns (uint256);
    }
}

const GENESIS: &str = "blocks/replayable/18884864.anvil-genesis.json.gz";
const TRICRYPTO_2: Address = address!("d51a44d3fae010294c616388b506acda1bfaae46");
const TRICRYPTO_USDC: Address = address!("7f86bf177dd4f3494b841a37e810a34dd56c829b");
const SHARE: Address = address!("c4ad29ba4b3c580e6d59105fff484999997675ff");
const MATHS: [Address; 2] =
    [address!("8f68f4810cce3194b6cb6f3d50fa58c2c9bdd1d5"), address!("cbff3004a20dbfe2731543aa38599a526e0fd6ee")];
/// What tricrypto2 asks for its quotes, and where that of the other pool is put.
const LEGACY_VIEWS: Address = address!("40745803c2faa8e8402e2ae935933d07ca8f355c");
const NG_VIEWS: Address = address!("00000000000000000000000000000000000071e5");
const USDT: Address = address!("dac17f958d2ee523a2206206994597c13d831ec7");
const USDC: Address = address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48");
const WBTC: Address = address!("2260fac5e5542a773aa44fbcfedf7c193bc2c599");
const WETH: Address = address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2");

/// A token that moves nothing, says 1 to everything, and has these decimals.
fn token(decimals: u8) -> Value {
    let mut code = hex!("60003560e01c63313ce56714601957600160005260206000f35b600060005260206000f3");
    code[27] = decimals;
    json!({"balance": "0x0", "nonce": "0x1", "code": hex::encode_prefixed(code)})
}

/// A token of which this much is there.
fn share(supply: U256) -> Value {
    let mut code = vec![0x7f];
    code.extend(supply.to_be_bytes::<32>());
    code.extend(hex!("60005260206000f3"));
    json!({"balance": "0x0", "nonce": "0x1", "code": hex::encode_prefixed(code)})
}

/// Pools, their maths, and coins.
fn accounts(genesis: &Value) -> Map<String, Value> {
    let mut accounts = Map::new();
    accounts.insert(format!("{SHARE:#x}"), share(U256::from(50_000) * U256::from(10_u128.pow(18))));
    for address in [TRICRYPTO_2, TRICRYPTO_USDC].into_iter().chain(MATHS) {
        let name = format!("{address:#x}");
        accounts.insert(name.clone(), genesis["alloc"][&name].clone());
    }
    for (address, decimals) in [(USDT, 6), (USDC, 6), (WBTC, 8), (WETH, 18)] {
        accounts.insert(format!("{address:#x}"), token(decimals));
    }
    accounts
}

/// The node's time: that of the genesis.
pub(crate) const TIME: u64 = 0x658d_8d9f;

/// Which of the two contracts a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    TriCrypto2,
    TriCryptoUsdc,
}

impl Curve {
    const fn original(self) -> Address {
        match self {
            Self::TriCrypto2 => TRICRYPTO_2,
            Self::TriCryptoUsdc => TRICRYPTO_USDC,
        }
    }

    const fn coins(self) -> [(Address, u8); 3] {
        let dollars = match self {
            Self::TriCrypto2 => USDT,
            Self::TriCryptoUsdc => USDC,
        };
        [(dollars, 6), (WBTC, 8), (WETH, 18)]
    }

    /// A pool of this contract as queries name it.
    pub(crate) fn asked(self, pool: Address) -> Asked<'static> {
        Asked { name: format!("{pool:#x}"), tokens: self.coins().to_vec(), oracle: Oracle::Curve { pool, curve: self } }
    }
}

/// What a swap pays, or none where it is refused.
pub(crate) async fn swap(scene: &Scene, pool: Address, curve: Curve, way: [usize; 2], amount: U256) -> Option<U256> {
    let [i, j] = way.map(U256::from);
    if curve == Curve::TriCryptoUsdc {
        let call = Ng::exchangeCall { i, j, dx: amount, min_dy: U256::ZERO, use_eth: false };
        return scene.try_call(pool, &call).await;
    }
    // Its swap answers nothing, so its log tells.
    let exchange = Legacy::exchangeCall { i, j, dx: amount, min_dy: U256::ZERO, use_eth: false };
    let simulated = scene.simulate(&[call(pool, &exchange)]).await;
    let [(is_taken, logs)] = simulated.as_slice() else { panic!("one call has one result") };
    let logs: Vec<alloy::rpc::types::Log> = serde_json::from_value(logs.clone()).expect("logs");
    let told = logs.iter().find_map(|log| Legacy::TokenExchange::decode_log(&log.inner).ok());
    is_taken.then(|| told.expect("a swap is logged").tokens_bought)
}

/// Copies of both pools at other addresses, and the accounts that they need.
pub(crate) struct Copies {
    pub(crate) accounts: Map<String, Value>,
    pub(crate) pools: Vec<(Address, Curve)>,
}

/// So many copies of each pool; `None`, with a loud line, where the data is absent.
pub(crate) fn copies(count: u8) -> Option<Copies> {
    let mut accounts = accounts(&json(GENESIS)?);
    let mut pools = Vec::new();
    for (curve, high) in [(Curve::TriCrypto2, 0xc2), (Curve::TriCryptoUsdc, 0xc3)] {
        let original = accounts[&format!("{:#x}", curve.original())].clone();
        for number in 0..count {
            let mut address = Address::with_last_byte(number);
            address.0[0] = high;
            accounts.insert(format!("{address:#x}"), original.clone());
            pools.push((address, curve));
        }
    }
    Some(Copies { accounts, pools })
}

/// The pools answer `get_dy` through contracts that the block did not touch, so that the data has none of their code. In their places
/// stand contracts that know what the pools' own swaps give for what the command asks, and nothing else.
pub(crate) async fn give_views(scene: &Scene, pools: &[(Address, Curve)]) {
    let (mut legacy, mut ng) = (Vec::new(), Vec::new());
    let mut factory = None;
    for (pool, curve) in pools {
        let is_ng = *curve == Curve::TriCryptoUsdc;
        for i in 0..3_usize {
            let j = (i + 1) % 3;
            let balance = scene.try_call(*pool, &Ng::balancesCall { index: U256::from(i) }).await.expect("a balance");
            let amount = balance / U256::from(1_000);
            let out = swap(scene, *pool, *curve, [i, j], amount).await.expect("a swap");
            let [i, j] = [i, j].map(U256::from);
            if is_ng {
                let call = Ng::get_dyCall { i, j, dx: amount, pool: *pool };
                ng.push((call.abi_encode(), out));
            } else {
                legacy.push((Legacy::get_dyCall { i, j, dx: amount }.abi_encode(), out));
            }
        }
        if is_ng && factory.is_none() {
            factory = scene.try_call(*pool, &Ng::factoryCall {}).await;
        }
    }
    if let Some(factory) = factory {
        let views = U256::from_be_bytes(NG_VIEWS.into_word().0);
        let told = [(Ng::views_implementationCall {}.abi_encode(), views)];
        scene.raw("anvil_setCode", json!([factory, table(&told)])).await;
    }
    for (address, answers) in [(LEGACY_VIEWS, legacy), (NG_VIEWS, ng)] {
        scene.raw("anvil_setCode", json!([address, table(&answers)])).await;
    }
}

/// Code that answers these calls so, and reverts on others.
fn table(answers: &[(Vec<u8>, U256)]) -> String {
    // calldatacopy(0, 0, calldatasize()), keccak256(0, calldatasize())
    let mut code = hex!("36600060003736600020").to_vec();
    for (data, answer) in answers {
        let next = u16::try_from(code.len() + 81).expect("a small table").to_be_bytes();
        // dup1, push32 hash, eq, iszero, push2 next, jumpi, push32 answer, push1 0, mstore, push1 32, push1 0, return, jumpdest
        code.extend([0x80, 0x7f]);
        code.extend(keccak256(data));
        code.extend([0x14, 0x15, 0x61, next[0], next[1], 0x57, 0x7f]);
        code.extend(answer.to_be_bytes::<32>());
        code.extend(hex!("60005260206000f35b"));
    }
    code.extend(hex!("60006000fd"));
    hex::encode_prefixed(code)
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_of_three_crypto_coins_quote_as_they_swap() {
    let Some(genesis) = json(GENESIS) else { return };
    let scene = Scene::start(accounts(&genesis).into(), TIME).await;
    give_views(&scene, &[(TRICRYPTO_2, Curve::TriCrypto2), (TRICRYPTO_USDC, Curve::TriCryptoUsdc)]).await;
    let snapshot = scene.snapshot(&[format!("{TRICRYPTO_2:#x}"), format!("{TRICRYPTO_USDC:#x}")]);
    let mut quotes = 0;
    for curve in [Curve::TriCrypto2, Curve::TriCryptoUsdc] {
        for way in [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]] {
            let unit = [10_u64.pow(9), 10_u64.pow(6), 10_u64.pow(17)][way[0]];
            let tokens = way.map(|coin| curve.coins()[coin].0);
            for amount in [unit / 1_000, unit, 3 * unit + 1].map(U256::from) {
                let ours = ask(&snapshot, &format!("{:#x}", curve.original()), tokens, Amount::In(amount));
                let theirs = swap(&scene, curve.original(), curve, way, amount).await;
                assert!(theirs.is_some(), "liquid");
                assert_eq!(ours, theirs, "{curve:?} {way:?} {amount}");
                quotes += 1;
            }
        }
    }
    report(&format!("snapshot of CryptoSwap: 2 pools, {quotes} quotes"));
    assert_eq!(quotes, 36);
}
