//! From a block's logs to the messages that describe what it changed.

mod event;

use alloy::primitives::map::HashMap;
use alloy::primitives::{B256, LogData};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{PoolKind, V2Reserves, V3Liquidity, V3Swap, WireMessage};
use alphapulse_protocol::{BlockRef, DecodeError, PoolId};

use self::event::{Event, Unreadable};
use super::PoolTable;
use crate::error::SourceError;

mod uniswap {
    alloy::sol! {
        event Sync(uint112 reserve0, uint112 reserve1);
        event Initialize(uint160 sqrtPriceX96, int24 tick);
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
    }
}

mod pancake {
    alloy::sol! {
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint128 protocolFeesToken0, uint128 protocolFeesToken1);
    }
}

const SYNC: B256 = uniswap::Sync::SIGNATURE_HASH;
const INITIALIZE: B256 = uniswap::Initialize::SIGNATURE_HASH;
const SWAP: B256 = uniswap::Swap::SIGNATURE_HASH;
const MINT: B256 = uniswap::Mint::SIGNATURE_HASH;
const BURN: B256 = uniswap::Burn::SIGNATURE_HASH;
const PANCAKE_SWAP: B256 = pancake::Swap::SIGNATURE_HASH;

/// Event signatures that change a pool's state: V2 `Sync`; V3 `Initialize`, `Swap`, `Mint`, `Burn`; PancakeSwap V3 `Swap`.
pub const TOPICS: [B256; 6] = [SYNC, INITIALIZE, SWAP, MINT, BURN, PANCAKE_SWAP];

/// One change of one pool, as the message that brings it about, not yet placed in the stream.
#[derive(Debug, Clone, Copy)]
pub enum Update {
    /// Reserves of a constant-product pool.
    V2Reserves(V2Reserves),
    /// Price, tick and active liquidity of a concentrated-liquidity pool.
    V3Swap(V3Swap),
    /// Liquidity added to or removed from a range.
    V3Liquidity(V3Liquidity),
}

impl Update {
    /// Pool that changes.
    #[must_use]
    pub const fn pool(&self) -> PoolId {
        PoolId(match self {
            Self::V2Reserves(message) => message.pool.get(),
            Self::V3Swap(message) => message.pool.get(),
            Self::V3Liquidity(message) => message.pool.get(),
        })
    }

    /// The same change of a pool with this id.
    pub(crate) fn of_pool(mut self, pool: PoolId) -> Self {
        match &mut self {
            Self::V2Reserves(message) => message.pool.set(pool.0),
            Self::V3Swap(message) => message.pool.set(pool.0),
            Self::V3Liquidity(message) => message.pool.set(pool.0),
        }
        self
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::V2Reserves(message) => message.check(),
            Self::V3Swap(message) => message.check(),
            Self::V3Liquidity(message) => message.check(),
        }
    }
}

/// Changes that a block's logs tell of, in log order; of a constant-product pool only its last state. Logs of other
/// contracts and of other events are passed over. Total: a node's answer may hold anything.
///
/// # Errors
/// [`SourceError::Contradiction`] when a log is not of the block asked for; [`SourceError::Pool`] when one cannot be read.
pub fn decode_block(mut logs: Vec<Log>, block: BlockRef, pools: &PoolTable) -> Result<Vec<Update>, SourceError> {
    let hash = B256::from(block.hash);
    if let Some(foreign) = logs.iter().find(|log| log.block_hash != Some(hash)) {
        let got = foreign.block_hash.unwrap_or_default();
        return Err(SourceError::Contradiction(format!("asked for the logs of block {hash}, got one of {got}")));
    }
    logs.sort_by_key(|log| log.log_index);
    let mut updates: Vec<Update> = Vec::with_capacity(logs.len());
    // Where the reserves of a pool are among the updates.
    let mut reserves_at: HashMap<PoolId, usize> = HashMap::default();
    for log in &logs {
        let Some((pool, kind)) = pools.find(&log.address()) else { continue };
        let pool_error = |reason: String| SourceError::Pool { pool: log.address(), reason };
        let Some(update) = decode(pool, kind, log.data()).map_err(pool_error)? else { continue };
        update.check().map_err(|error| pool_error(format!("a log states what cannot be: {error}")))?;
        let at = match &update {
            Update::V2Reserves(_) => *reserves_at.entry(pool).or_insert(updates.len()),
            Update::V3Swap(_) | Update::V3Liquidity(_) => updates.len(),
        };
        match updates.get_mut(at) {
            Some(earlier) => *earlier = update,
            None => updates.push(update),
        }
    }
    Ok(updates)
}

/// Reads one log of a pool; `None` for events that do not change what we keep of it.
fn decode(pool: PoolId, kind: PoolKind, log: &LogData) -> Result<Option<Update>, String> {
    let Some(topic) = log.topics().first().copied() else { return Ok(None) };
    let (read, signature) = match (kind, topic) {
        (PoolKind::UniswapV2, SYNC) => (sync(pool, log), uniswap::Sync::SIGNATURE),
        (PoolKind::UniswapV3, INITIALIZE) => (initialize(pool, log), uniswap::Initialize::SIGNATURE),
        (PoolKind::UniswapV3, SWAP) => (swap(pool, log), uniswap::Swap::SIGNATURE),
        (PoolKind::UniswapV3, PANCAKE_SWAP) => (pancake_swap(pool, log), pancake::Swap::SIGNATURE),
        (PoolKind::UniswapV3, MINT) => (mint(pool, log), uniswap::Mint::SIGNATURE),
        (PoolKind::UniswapV3, BURN) => (burn(pool, log), uniswap::Burn::SIGNATURE),
        _ => return Ok(None),
    };
    read.map(Some).map_err(|error| format!("its {signature} log cannot be read: {error}"))
}

fn sync(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    let event = Event::<1, 2>::of(log)?;
    Ok(Update::V2Reserves(V2Reserves::new(pool, event.u112(0)?, event.u112(1)?)))
}

fn initialize(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    let event = Event::<1, 2>::of(log)?;
    Ok(Update::V3Swap(V3Swap::new(pool, event.u160(0)?, event.i24(1)?, 0)))
}

fn swap(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    slot(pool, &Event::<3, 5>::of(log)?)
}

fn pancake_swap(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    let event = Event::<3, 7>::of(log)?;
    event.u128(5)?;
    event.u128(6)?;
    slot(pool, &event)
}

/// What a swap leaves: price, liquidity and tick, behind the two amounts.
fn slot<const WORDS: usize>(pool: PoolId, event: &Event<'_, 3, WORDS>) -> Result<Update, Unreadable> {
    event.check_address_topics([1, 2])?;
    Ok(Update::V3Swap(V3Swap::new(pool, event.u160(2)?, event.i24(4)?, event.u128(3)?)))
}

fn mint(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    let event = Event::<4, 4>::of(log)?;
    event.check_address(0)?;
    liquidity(pool, &event, event.delta(1)?)
}

fn burn(pool: PoolId, log: &LogData) -> Result<Update, Unreadable> {
    let event = Event::<4, 3>::of(log)?;
    liquidity(pool, &event, -event.delta(0)?)
}

fn liquidity<const WORDS: usize>(pool: PoolId, event: &Event<'_, 4, WORDS>, delta: i128) -> Result<Update, Unreadable> {
    event.check_address_topics([1])?;
    let (lower, upper) = (event.topic_i24(2)?, event.topic_i24(3)?);
    Ok(Update::V3Liquidity(V3Liquidity::new(pool, lower, upper, delta)))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, U256, b256};
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// The same by alloy, which makes a value of every field.
    fn by_alloy(pool: PoolId, log: &LogData) -> Option<Update> {
        fn read<E: SolEvent>(log: &LogData) -> Option<E> {
            E::decode_log_data_validate(log).ok()
        }
        let delta = |amount: u128| i128::try_from(amount).ok();
        Some(match log.topics()[0] {
            SYNC => {
                let event: uniswap::Sync = read(log)?;
                Update::V2Reserves(V2Reserves::new(pool, event.reserve0.to(), event.reserve1.to()))
            }
            INITIALIZE => {
                let event: uniswap::Initialize = read(log)?;
                Update::V3Swap(V3Swap::new(pool, U256::from(event.sqrtPriceX96), event.tick.as_i32(), 0))
            }
            SWAP => {
                let event: uniswap::Swap = read(log)?;
                let price = U256::from(event.sqrtPriceX96);
                Update::V3Swap(V3Swap::new(pool, price, event.tick.as_i32(), event.liquidity))
            }
            PANCAKE_SWAP => {
                let event: pancake::Swap = read(log)?;
                let price = U256::from(event.sqrtPriceX96);
                Update::V3Swap(V3Swap::new(pool, price, event.tick.as_i32(), event.liquidity))
            }
            MINT => {
                let event: uniswap::Mint = read(log)?;
                let (lower, upper) = (event.tickLower.as_i32(), event.tickUpper.as_i32());
                Update::V3Liquidity(V3Liquidity::new(pool, lower, upper, delta(event.amount)?))
            }
            _ => {
                let event: uniswap::Burn = read(log)?;
                let (lower, upper) = (event.tickLower.as_i32(), event.tickUpper.as_i32());
                Update::V3Liquidity(V3Liquidity::new(pool, lower, upper, -delta(event.amount)?))
            }
        })
    }

    /// An event: where its signature is in [`TOPICS`], and how many bits its topics and words have; those below zero have a sign.
    type Shape = (usize, &'static [i32], &'static [i32]);
    const SHAPES: [Shape; 6] = [
        (0, &[], &[112, 112]),
        (1, &[], &[160, -24]),
        (2, &[160, 160], &[-256, -256, 160, 128, -24]),
        (3, &[160, -24, -24], &[160, 128, 256, 256]),
        (4, &[160, -24, -24], &[128, 256, 256]),
        (5, &[160, 160], &[-256, -256, 160, 128, -24, 128, 128]),
    ];

    /// A number of so many bits or fewer, as contracts write it; now and then of any width.
    fn word(rng: &mut StdRng, bits: i32) -> B256 {
        let most = if rng.random_bool(0.03) { 256 } else { bits.unsigned_abs() as usize - usize::from(bits < 0) };
        let number = U256::from_be_bytes(rng.random::<[u8; 32]>()).wrapping_shr(256 - rng.random_range(0..=most));
        B256::from(if bits < 0 && rng.random() { !number } else { number })
    }

    /// A log of this shape; now and then one with more or fewer topics or bytes.
    fn log(rng: &mut StdRng, (event, topics, words): Shape) -> LogData {
        let mut topics: Vec<B256> =
            [TOPICS[event]].into_iter().chain(topics.iter().map(|bits| word(rng, *bits))).collect();
        let mut data = words.iter().map(|bits| word(rng, *bits)).collect::<Vec<_>>().concat();
        match rng.random_range(0..40) {
            0 => topics.push(B256::ZERO),
            1 => topics.truncate(topics.len().max(2) - 1),
            2 => data.truncate(data.len() - rng.random_range(1..=33)),
            3 => data.extend_from_slice(&[1; 40][..rng.random_range(1..=40)]),
            _ => {}
        }
        LogData::new_unchecked(topics, data.into())
    }

    #[test]
    fn a_log_is_read_as_alloy_reads_it() {
        let mut rng = StdRng::seed_from_u64(20_261_129);
        for shape in SHAPES {
            let (mut read, mut refused) = (0, 0);
            for _ in 0..5_000 {
                let log = log(&mut rng, shape);
                let kind = if log.topics()[0] == SYNC { PoolKind::UniswapV2 } else { PoolKind::UniswapV3 };
                let (ours, theirs) = (decode(PoolId(3), kind, &log).ok().flatten(), by_alloy(PoolId(3), &log));
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{log:?}");
                if ours.is_some() { read += 1 } else { refused += 1 }
            }
            assert!(read > 2_000 && refused > 200, "{shape:?}: {read} read, {refused} refused");
        }
    }

    /// Reserves of a few pairs, many times over: each pair's last ones, where its first ones stood.
    #[test]
    fn of_a_pair_only_the_last_reserves_of_a_block_are_told() {
        let (block, hash) =
            (BlockRef { number: alphapulse_protocol::BlockNumber(1), hash: [7; 32] }, Some(B256::from([7; 32])));
        let mut pools = PoolTable::default();
        (0..3).for_each(|id| pools.add(Address::repeat_byte(id), PoolId(id.into()), PoolKind::UniswapV2));
        let told = [(2, 1), (0, 2), (2, 3), (1, 4), (0, 5), (2, 6_u64)];
        let log = |(index, (pool, reserve)): (usize, (u8, u64))| {
            let data = [U256::from(reserve), U256::from(9)].map(B256::from).concat();
            let data = LogData::new_unchecked(vec![SYNC], data.into());
            let inner = alloy::primitives::Log { address: Address::repeat_byte(pool), data };
            Log { inner, block_hash: hash, log_index: Some(index as u64), ..Log::default() }
        };
        let updates =
            decode_block(told.into_iter().enumerate().map(log).collect(), block, &pools).expect("honest logs");
        let found: Vec<_> = updates.iter().map(|update| (update.pool().0, format!("{update:?}"))).collect();
        let expected = [(2, 6), (0, 5), (1, 4)].map(|(pool, reserve)| {
            (pool, format!("{:?}", Update::V2Reserves(V2Reserves::new(PoolId(pool), reserve, 9))))
        });
        assert_eq!(found, expected);
    }

    /// The hashes as block explorers show them: a typo in a signature above would silently match nothing.
    #[test]
    fn topics_are_those_of_the_deployed_contracts() {
        let deployed = [
            b256!("1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"),
            b256!("98636036cb66a9c19a37435efc1e90142190214e8abeb821bdba3f2990dd4c95"),
            b256!("c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"),
            b256!("7a53080ba414158be7ec69b987b5fb7d07dee101fe85488f0853ae16239d0bde"),
            b256!("0c396cd989a39f4459b5fa1aed6a9a8dcdbc45908acfd67e028cd568da98982c"),
            b256!("19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83"),
        ];
        assert_eq!(TOPICS, deployed);
    }

    /// A word as contracts write an unsigned number, with one bit more than the number's type has.
    #[test]
    fn a_number_wider_than_its_type_is_refused_and_not_cut() {
        let word = |bit: usize| (U256::from(1) << bit).to_be_bytes::<32>();
        let sync = |bit| {
            let data = [word(bit), word(0)].concat();
            decode(PoolId(0), PoolKind::UniswapV2, &LogData::new_unchecked(vec![SYNC], data.into()))
        };
        assert!(matches!(sync(111), Ok(Some(Update::V2Reserves(reserves))) if reserves.reserve_0.get() == 1 << 111));
        for bit in [112, 128, 255] {
            assert!(sync(bit).is_err(), "bit {bit}");
        }
        let initialize = |price_bit, tick_bit| {
            let data = [word(price_bit), word(tick_bit)].concat();
            decode(PoolId(0), PoolKind::UniswapV3, &LogData::new_unchecked(vec![INITIALIZE], data.into()))
        };
        assert!(initialize(159, 0).is_ok());
        assert!(initialize(160, 0).is_err());
        // The tick's sign is not carried on into the high bytes, as it is in every honest log.
        assert!(initialize(0, 23).is_err());
    }
}
