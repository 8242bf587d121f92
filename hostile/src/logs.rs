//! A node's answer to `eth_getLogs`: each log is read as its contract's event defines it, or refused.

use alloy::primitives::{Address, B256, Bytes, Log as EventLog, LogData};
use alloy::rpc::types::Log;
use alphapulse_protocol::{BlockNumber, BlockRef};
use alphapulse_relay::SourceError;
use alphapulse_relay::source::{PoolTable, TOPICS, Update, decode_block};

use crate::still_chain::{BLOCK_HASH, POOLS, image};

/// Logs that one input can hold.
const LOGS_MAX: usize = 64;

/// Reads `bytes` as the logs of a block and decodes them.
///
/// What begins with `[` is the JSON of a node's answer. Anything else is a row of logs in a form that a fuzzer can shape, see
/// `Shaper`.
///
/// # Panics
/// When the result is not what the events say.
pub fn check(bytes: &[u8]) {
    let logs = if bytes.first() == Some(&b'[') {
        serde_json::from_slice::<Vec<Log>>(bytes).unwrap_or_default()
    } else {
        Shaper { bytes }.logs()
    };
    let block = BlockRef { number: BlockNumber(100), hash: BLOCK_HASH };
    let got = decode_block(logs.clone(), block, &PoolTable::new(&image()));
    let is_foreign = logs.iter().any(|log| log.block_hash != Some(B256::from(BLOCK_HASH)));
    match (got, is_foreign, expected(logs)) {
        (Err(SourceError::Contradiction(_)), true, _) | (Err(SourceError::Pool { .. }), false, None) => {}
        (Ok(got), false, Some(expected)) => assert_eq!(got.iter().map(change_of).collect::<Vec<_>>(), expected),
        (got, is_foreign, expected) => panic!("{got:?}, but foreign: {is_foreign}, and by the events {expected:?}"),
    }
}

/// A change as the events state it, in plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stated {
    Reserves { pool: u32, reserves: [u128; 2] },
    Slot { pool: u32, sqrt_price_x96: [u8; 32], tick: i32, liquidity: u128 },
    Liquidity { pool: u32, ticks: [i32; 2], delta: i128 },
}

fn change_of(update: &Update) -> Stated {
    match update {
        Update::V2Reserves(m) => {
            Stated::Reserves { pool: m.pool.get(), reserves: [m.reserve_0.get(), m.reserve_1.get()] }
        }
        Update::V3Swap(m) => Stated::Slot {
            pool: m.pool.get(),
            sqrt_price_x96: m.sqrt_price_x96.get().to_be_bytes(),
            tick: m.tick.get(),
            liquidity: m.liquidity.get(),
        },
        Update::V3Liquidity(m) => Stated::Liquidity {
            pool: m.pool.get(),
            ticks: [m.tick_lower.get(), m.tick_upper.get()],
            delta: m.liquidity_delta.get(),
        },
    }
}

/// What the logs state, or `None` when one states what cannot be.
fn expected(mut logs: Vec<Log>) -> Option<Vec<Stated>> {
    logs.sort_by_key(|log| log.log_index);
    let mut changes: Vec<Stated> = Vec::new();
    for log in &logs {
        let Some(pool) = POOLS.iter().position(|pool| Address::from(*pool) == log.address()) else { continue };
        let Some(event) = TOPICS.iter().position(|topic| log.topics().first() == Some(topic)) else { continue };
        // `Sync` is the only event of a constant-product pool, and no other pool's.
        if (pool == 0) != (event == 0) {
            continue;
        }
        let words: Vec<[u8; 32]> = log.data().data.chunks_exact(32).map(|word| word.try_into().expect("32")).collect();
        let change = read(u32::from(pool == 1), event, log.topics(), &words)?;
        // Of a constant-product pool, only the last reserves matter; they stand where the first stood.
        match changes.iter_mut().find(|known| event == 0 && matches!(known, Stated::Reserves { .. })) {
            Some(known) => *known = change,
            None => changes.push(change),
        }
    }
    Some(changes)
}

/// One event, from the declarations of the contracts: `UniswapV2Pair`, `IUniswapV3PoolEvents`, `IPancakeV3PoolEvents`.
fn read(pool: u32, event: usize, topics: &[B256], words: &[[u8; 32]]) -> Option<Stated> {
    let (topic_count, word_count) = [(1, 2), (1, 2), (3, 5), (4, 4), (4, 3), (3, 7)][event];
    if topics.len() != topic_count || words.len() < word_count {
        return None;
    }
    match event {
        0 => Some(Stated::Reserves { pool, reserves: [unsigned(&words[0], 14)?, unsigned(&words[1], 14)?] }),
        1 => slot(pool, &words[0], &words[1], 0),
        2 | 5 => {
            are_addresses(&topics[1..])?;
            if event == 5 {
                unsigned(&words[5], 16).and(unsigned(&words[6], 16))?;
            }
            slot(pool, &words[2], &words[4], unsigned(&words[3], 16)?)
        }
        3 => {
            unsigned_address(&words[0])?;
            range(pool, topics, unsigned(&words[1], 16)?, false)
        }
        _ => range(pool, topics, unsigned(&words[0], 16)?, true),
    }
}

fn slot(pool: u32, price: &[u8; 32], tick: &[u8; 32], liquidity: u128) -> Option<Stated> {
    unsigned_address(price)?;
    Some(Stated::Slot { pool, sqrt_price_x96: *price, tick: to_tick(tick)?, liquidity })
}

fn range(pool: u32, topics: &[B256], amount: u128, is_burn: bool) -> Option<Stated> {
    are_addresses(&topics[1..2])?;
    let ticks = [to_tick(&topics[2].0)?, to_tick(&topics[3].0)?];
    let amount = i128::try_from(amount).ok()?;
    (ticks[0] < ticks[1]).then_some(Stated::Liquidity { pool, ticks, delta: if is_burn { -amount } else { amount } })
}

fn are_addresses(topics: &[B256]) -> Option<()> {
    topics.iter().try_for_each(|topic| unsigned_address(&topic.0))
}

/// 160 bits: an address, or a price.
fn unsigned_address(word: &[u8; 32]) -> Option<()> {
    (word[..12] == [0; 12]).then_some(())
}

/// Unsigned number of `bytes` bytes, at most 16.
fn unsigned(word: &[u8; 32], bytes: usize) -> Option<u128> {
    let (zeros, digits) = word.split_at(32 - bytes);
    zeros.iter().all(|byte| *byte == 0).then(|| digits.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

/// A 24-bit signed number that is a tick.
fn to_tick(word: &[u8; 32]) -> Option<i32> {
    let sign = if word[29] & 0x80 == 0 { 0 } else { 0xff };
    let tick = i32::from_be_bytes([sign, word[29], word[30], word[31]]);
    (word[..29].iter().all(|byte| *byte == sign) && (-887_272..=887_272).contains(&tick)).then_some(tick)
}

/// Makes logs of bytes: for each, a byte each for the contract (0, 1: a pool, else another), the event (0 to 5: one of ours,
/// 6: none, else another), further topics (0 to 3), flags (1: of another block, 2: of no block, 4: without index), and the index;
/// then 32 bytes for each further topic, a byte that counts words of data and, above 223, adds a part of one; then the data.
struct Shaper<'a> {
    bytes: &'a [u8],
}

impl Shaper<'_> {
    fn logs(mut self) -> Vec<Log> {
        let mut logs = Vec::new();
        while !self.bytes.is_empty() && logs.len() < LOGS_MAX {
            logs.push(self.log());
        }
        logs
    }

    fn log(&mut self) -> Log {
        let [contract, event, further, flags, index] = self.take::<5>();
        let address =
            POOLS.get(usize::from(contract)).map_or(Address::repeat_byte(contract), |pool| Address::from(*pool));
        let mut topics = match event {
            6 => Vec::new(),
            event => vec![TOPICS.get(usize::from(event)).copied().unwrap_or(B256::repeat_byte(event))],
        };
        topics.extend((0..further % 4).map(|_| B256::from(self.take::<32>())));
        topics.truncate(4);
        let [size] = self.take::<1>();
        let mut data = vec![0; usize::from(size % 16) * 32 + usize::from(size.saturating_sub(223))];
        data.fill_with(|| self.take::<1>()[0]);
        let block_hash = [Some(BLOCK_HASH), Some([0xee; 32]), None, None][usize::from(flags & 3)].map(B256::from);
        let log_index = (flags & 4 == 0).then_some(u64::from(index));
        let data = LogData::new_unchecked(topics, Bytes::from(data));
        Log { inner: EventLog { address, data }, block_hash, log_index, ..Log::default() }
    }

    /// Next bytes; zeros behind the end.
    fn take<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut taken = [0; COUNT];
        let count = COUNT.min(self.bytes.len());
        let (now, rest) = self.bytes.split_at(count);
        taken[..count].copy_from_slice(now);
        self.bytes = rest;
        taken
    }
}
