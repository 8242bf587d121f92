//! The pools that a recorded block touched, and which of their price ticks the record knows.

use alloy::primitives::{Address, B256, I256, U256, address, b256, keccak256};
use alloy::sol_types::{SolEvent, SolValue};
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::PoolState;

use super::record::Storage;
use super::{MainnetBlockError, RecordedBlock};

mod event {
    alloy::sol! {
        event Sync(uint112 reserve0, uint112 reserve1);
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper, uint128 amount, uint256 amount0, uint256 amount1);
        event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper, uint128 amount, uint256 amount0, uint256 amount1);
    }
}

/// UniswapV2Pair: `token0`.
const V2_TOKEN_0_SLOT: u64 = 6;
/// UniswapV2Pair: `reserve0`, `reserve1` and the time of the last change.
const V2_RESERVES_SLOT: u64 = 8;
/// UniswapV3Pool: `slot0`.
const V3_SLOT_0: u64 = 0;
/// UniswapV3Pool: `liquidity`.
const V3_LIQUIDITY_SLOT: u64 = 4;
/// UniswapV3Pool: `ticks`.
const V3_TICKS_SLOT: u64 = 5;
/// UniswapV3Pool: `tickBitmap`.
const V3_BITMAP_SLOT: u64 = 6;
/// Ticks per word of the bitmap.
const WORD_TICKS: i32 = 256;

/// A factory of the recorded chain.
#[derive(Debug, Clone, Copy)]
pub struct MainnetVenue {
    /// Name for the configuration.
    pub name: &'static str,
    /// Formula of its pools.
    pub kind: PoolKind,
    /// Contract.
    pub factory: Address,
    /// keccak256 of the pools' creation code.
    pub init_code_hash: B256,
    /// Fee of a constant-product venue, parts per million.
    pub fee_ppm: u32,
}

/// Factories on Ethereum, from their deployments' documentation. A wrong line fails loudly: no pool's address would follow from it.
pub const VENUES: [MainnetVenue; 3] = [
    MainnetVenue {
        name: "uniswap_v2",
        kind: PoolKind::UniswapV2,
        factory: address!("5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"),
        init_code_hash: b256!("96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"),
        fee_ppm: 3_000,
    },
    MainnetVenue {
        name: "sushiswap_v2",
        kind: PoolKind::UniswapV2,
        factory: address!("C0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac"),
        init_code_hash: b256!("e18a34eb0e04b04f7a0ac29a6e80748dca96319b42c54d679cb821dca90c6303"),
        fee_ppm: 3_000,
    },
    MainnetVenue {
        name: "uniswap_v3",
        kind: PoolKind::UniswapV3,
        factory: address!("1F98431c8aD98523631AE4a59f267346ea31F984"),
        init_code_hash: b256!("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54"),
        fee_ppm: 0,
    },
];

/// What a V3 pool's code holds, asked of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Immutables {
    /// Token 0 and token 1.
    pub tokens: [Address; 2],
    /// Fee, parts per million.
    pub fee_ppm: u32,
    /// Tick spacing.
    pub tick_spacing: i32,
}

/// A pool that the block changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TouchedPool {
    /// Contract.
    pub address: Address,
    /// Index into [`VENUES`].
    pub venue: usize,
    /// Token 0 and token 1.
    pub tokens: [Address; 2],
    /// Ticks between which the record knows every initialised tick, inclusive; `None` for V2.
    pub known_ticks: Option<(i32, i32)>,
}

/// Constant-product pairs that the block changed.
#[must_use]
pub(super) fn touched_pairs(block: &RecordedBlock) -> Vec<Address> {
    block.accounts_that_logged(&[event::Sync::SIGNATURE_HASH]).into_iter().collect()
}

/// Concentrated-liquidity pools that the block changed.
#[must_use]
pub(super) fn touched_v3_pools(block: &RecordedBlock) -> Vec<Address> {
    let signatures = [event::Swap::SIGNATURE_HASH, event::Mint::SIGNATURE_HASH, event::Burn::SIGNATURE_HASH];
    block.accounts_that_logged(&signatures).into_iter().collect()
}

/// Describes a pair from its storage.
///
/// # Errors
/// [`MainnetBlockError::UnknownFactory`] when no venue derives its address.
pub(super) fn describe_pair(block: &RecordedBlock, pair: Address) -> Result<TouchedPool, MainnetBlockError> {
    let storage = block.known_before(pair);
    let token = |offset: u64| {
        let word = storage.get(&U256::from(V2_TOKEN_0_SLOT + offset)).copied().unwrap_or_default();
        Address::from_word(word.into())
    };
    let tokens = [token(0), token(1)];
    let salt = keccak256((tokens[0], tokens[1]).abi_encode_packed());
    let venue = venue_of(pair, PoolKind::UniswapV2, salt)?;
    Ok(TouchedPool { address: pair, venue, tokens, known_ticks: None })
}

/// Describes a V3 pool from its code and storage.
///
/// # Errors
/// [`MainnetBlockError::UnknownFactory`] when no venue derives its address.
pub(super) fn describe_v3_pool(
    block: &RecordedBlock,
    pool: Address,
    immutables: Immutables,
) -> Result<TouchedPool, MainnetBlockError> {
    let [token_0, token_1] = immutables.tokens;
    let salt = keccak256((token_0, token_1, U256::from(immutables.fee_ppm)).abi_encode());
    let venue = venue_of(pool, PoolKind::UniswapV3, salt)?;
    let known_ticks = Some(known_ticks(&block.known_before(pool), immutables.tick_spacing));
    Ok(TouchedPool { address: pool, venue, tokens: immutables.tokens, known_ticks })
}

fn venue_of(pool: Address, kind: PoolKind, salt: B256) -> Result<usize, MainnetBlockError> {
    VENUES
        .iter()
        .position(|venue| venue.kind == kind && venue.factory.create2(salt, venue.init_code_hash) == pool)
        .ok_or(MainnetBlockError::UnknownFactory { pool })
}

/// Range round the current tick in which the record has every bitmap word, and the liquidity of every tick that a word names.
///
/// A block reads only the words and ticks it needs, so a named tick whose liquidity nobody read ends the range before it.
fn known_ticks(storage: &Storage, spacing: i32) -> (i32, i32) {
    let current = slot_0_tick(storage.get(&U256::from(V3_SLOT_0)).copied().unwrap_or_default());
    let word_ticks = WORD_TICKS * spacing;
    let word = |index: i32| storage.get(&mapping_slot(index, V3_BITMAP_SLOT)).copied();
    let is_known = |tick: i32| storage.contains_key(&mapping_slot(tick, V3_TICKS_SLOT));
    let is_named = |tick: i32| {
        let compressed = tick.div_euclid(spacing);
        let bit = usize::try_from(compressed.rem_euclid(WORD_TICKS)).unwrap_or_default();
        word(compressed.div_euclid(WORD_TICKS)).is_some_and(|word| word.bit(bit))
    };
    let home = current.div_euclid(word_ticks);
    if word(home).is_none() {
        return (current, current);
    }
    let end_of_words = |step: i32| {
        let mut index = home;
        while word(index + step).is_some() {
            index += step;
        }
        index
    };
    let first = end_of_words(-1) * word_ticks;
    let last = end_of_words(1) * word_ticks + word_ticks - 1;
    let at_or_below = current.div_euclid(spacing) * spacing;
    let stride = usize::try_from(spacing).unwrap_or(1);
    let unknown = |tick: &i32| is_named(*tick) && !is_known(*tick);
    let low = (first..=at_or_below).rev().step_by(stride).find(unknown).map_or(first, |tick| tick + 1);
    let high = (at_or_below + spacing..=last).step_by(stride).find(unknown).map_or(last, |tick| tick - 1);
    (low.max(TICK_MIN), high.min(TICK_MAX))
}

/// Slot of `mapping(int => ...)` at `slot`, for `key`.
fn mapping_slot(key: i32, slot: u64) -> U256 {
    let key = I256::try_from(key).expect("32 bits fit in 256");
    keccak256((key, U256::from(slot)).abi_encode()).into()
}

/// The 24 signed bits above the price in `slot0`.
fn slot_0_tick(word: U256) -> i32 {
    let bits: u32 = (word >> 160_usize & U256::from(0xff_ffff)).to();
    // Sign extension from 24 to 32 bits.
    (bits << 8).cast_signed() >> 8
}

/// Differences between the engine's state of `pool` and the recorded storage after the block; empty when there is none.
///
/// Compared are the reserves of a pair, and of a V3 pool its price, tick, liquidity, and every tick that the record holds.
#[must_use]
pub fn differences(block: &RecordedBlock, pool: &TouchedPool, state: &PoolState) -> Vec<String> {
    let storage = block.known_after(pool.address);
    let word = |slot: u64| storage.get(&U256::from(slot)).copied().unwrap_or_default();
    let mut found = Vec::new();
    let mut compare = |what: String, engine: U256, chain: U256| {
        if engine != chain {
            found.push(format!("{}: {what} is {engine}, the chain's is {chain}", pool.address));
        }
    };
    match state {
        PoolState::V2(v2) => {
            let packed = word(V2_RESERVES_SLOT);
            let mask = (U256::from(1) << 112) - U256::from(1);
            compare("reserve 0".to_owned(), U256::from(v2.reserve_0), packed & mask);
            compare("reserve 1".to_owned(), U256::from(v2.reserve_1), packed >> 112_usize & mask);
        }
        PoolState::V3(v3) => {
            let slot_0 = word(V3_SLOT_0);
            compare("price".to_owned(), v3.sqrt_price_x96, slot_0 & ((U256::from(1) << 160) - U256::from(1)));
            compare("tick".to_owned(), biased(v3.tick), biased(slot_0_tick(slot_0)));
            compare("liquidity".to_owned(), U256::from(v3.liquidity), word(V3_LIQUIDITY_SLOT));
            for tick in &v3.ticks {
                let net = U256::from(tick.liquidity_net.cast_unsigned());
                let packed = U256::from(tick.liquidity_gross) | net << 128;
                let recorded = storage.get(&mapping_slot(tick.tick, V3_TICKS_SLOT)).copied().unwrap_or_default();
                compare(format!("liquidity of tick {}", tick.tick), packed, recorded);
            }
        }
        _ => found.push(format!("{}: a pool of this kind cannot be compared", pool.address)),
    }
    found
}

/// Ticks as unsigned numbers, to be compared like the rest.
fn biased(tick: i32) -> U256 {
    U256::from((i64::from(tick) - i64::from(TICK_MIN)).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_of_a_packed_slot_keeps_its_sign() {
        let packed = |tick: i32| U256::from(tick.cast_unsigned() & 0xff_ffff) << 160_usize | U256::from(7);
        for tick in [0, 1, -1, TICK_MAX, TICK_MIN] {
            assert_eq!(slot_0_tick(packed(tick)), tick);
        }
    }

    #[test]
    fn known_range_ends_before_a_tick_whose_liquidity_was_not_read() {
        let spacing = 10;
        let mut storage = Storage::new();
        // Current tick 25; word 0 names ticks 0, 50 and 90; the liquidity of 50 alone was read.
        storage.insert(U256::from(V3_SLOT_0), U256::from(25) << 160_usize);
        let named = [0, 5, 9].map(|bit| U256::from(1) << bit).iter().fold(U256::ZERO, |all, bit| all | *bit);
        storage.insert(mapping_slot(0, V3_BITMAP_SLOT), named);
        storage.insert(mapping_slot(50, V3_TICKS_SLOT), U256::from(1));
        assert_eq!(known_ticks(&storage, spacing), (1, 89));
        // With all of them read, the range is the word's.
        storage.insert(mapping_slot(0, V3_TICKS_SLOT), U256::from(1));
        storage.insert(mapping_slot(90, V3_TICKS_SLOT), U256::from(1));
        assert_eq!(known_ticks(&storage, spacing), (0, 2_559));
        // A neighbouring word that was read widens it, also when it is empty.
        storage.insert(mapping_slot(-1, V3_BITMAP_SLOT), U256::ZERO);
        assert_eq!(known_ticks(&storage, spacing), (-2_560, 2_559));
    }
}
