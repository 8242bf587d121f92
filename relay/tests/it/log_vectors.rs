//! A day of real pool logs through the relay, against an unrelated tool's reading of the same logs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy::hex::FromHex;
use alloy::primitives::{Address, B256, Bytes, Log as EventLog, LogData};
use alloy::rpc::types::Log;
use alphapulse_protocol::message::{BlockContext, Message};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica, TokenInfo, V3State};
use alphapulse_protocol::{BlockRef, FeePpm, TokenId, U256, VenueId};
use alphapulse_relay::source::{ChainSource, Dial, MarketImage};
use alphapulse_relay::{Relay, SourceError};

use super::data;
use super::subscriber::config;

/// The finer of the two pools' tick spacings: within one step of it no tick of either pool is crossed.
const TICK_SPACING: i32 = 10;

/// What the other tool says of one log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Swap { sqrt_price_x96: U256, tick: i32, liquidity: u128 },
    Liquidity { lower: i32, upper: i32, delta: i128 },
}

pub(crate) fn hash_of(number: u64) -> B256 {
    B256::from(U256::from(number + 1))
}

pub(crate) fn context(number: u64) -> BlockContext {
    BlockContext {
        number: number.into(),
        hash: hash_of(number).0,
        parent_hash: if number == 0 { [0; 32] } else { hash_of(number - 1).0 },
        timestamp: number.into(),
        base_fee: 0_u128.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    }
}

/// A recorded chain whose blocks are numbered anew, without those that have no log of the pool.
#[derive(Debug, Clone)]
struct Recording {
    blocks: Arc<Vec<Vec<Log>>>,
    start: MarketImage,
    is_revealed: Arc<AtomicBool>,
}

impl Dial for Recording {
    type Source = Self;

    async fn dial(&self) -> Result<Self, SourceError> {
        Ok(self.clone())
    }

    fn name(&self) -> String {
        "recording".into()
    }
}

impl ChainSource for Recording {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        core::future::pending().await
    }

    fn try_head(&self) -> Option<BlockContext> {
        None
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        let height = if self.is_revealed.load(Ordering::Relaxed) { self.blocks.len() } else { 0 };
        Ok(context(height as u64))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        let number = U256::from_be_bytes(hash.0).to::<u64>() - 1;
        Ok(Some(context(number)))
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        Ok(Some(context(number)))
    }

    async fn logs(&self, block: BlockRef, _: &[Address]) -> Result<Vec<Log>, SourceError> {
        Ok(self.blocks[usize::try_from(block.number.0).unwrap() - 1].clone())
    }

    async fn market(&self, _: &BlockContext) -> Result<MarketImage, SourceError> {
        Ok(self.start.clone())
    }
}

fn read_log(line: &str, pool: Address) -> (u64, Log) {
    let (head, rest) = line.split_once(",\"[").expect("topics are quoted");
    let (topics, data) = rest.split_once("]\",").expect("topics are quoted");
    let fields: Vec<&str> = head.split(',').collect();
    let topics = topics.split(", ").map(|topic| B256::from_hex(topic.trim_matches('\'')).unwrap()).collect();
    // Some files have further columns.
    let data = data.split(',').next().expect("data").trim();
    let data = LogData::new_unchecked(topics, Bytes::from_hex(data).unwrap());
    let log_index = Some(fields[4].parse().unwrap());
    (fields[0].parse().unwrap(), Log { inner: EventLog { address: pool, data }, log_index, ..Log::default() })
}

/// Logs by block, each placed in its renumbered block.
pub(crate) fn read_blocks(text: &str, pool: Address) -> Vec<Vec<Log>> {
    let mut blocks: Vec<(u64, Vec<Log>)> = Vec::new();
    for line in text.lines().skip(1) {
        let (number, mut log) = read_log(line, pool);
        if blocks.last().is_none_or(|(last, _)| *last != number) {
            blocks.push((number, Vec::new()));
        }
        log.block_hash = Some(hash_of(blocks.len() as u64));
        blocks.last_mut().unwrap().1.push(log);
    }
    blocks.into_iter().map(|(_, logs)| logs).collect()
}

pub(crate) fn read_rows(text: &str) -> Vec<Row> {
    let read = |line: &str| {
        let field: Vec<&str> = line.split(',').collect();
        // The tool writes ticks as decimals.
        let tick = |text: &str| text.strip_suffix(".0").expect("whole ticks").parse::<i32>().unwrap();
        match field[2] {
            "SWAP" => Some(Row::Swap {
                sqrt_price_x96: field[12].parse().unwrap(),
                tick: tick(field[13]),
                liquidity: field[10].parse().unwrap(),
            }),
            "MINT" | "BURN" => {
                let amount: i128 = field[16].parse().unwrap();
                Some(Row::Liquidity {
                    lower: tick(field[14]),
                    upper: tick(field[15]),
                    delta: if field[2] == "MINT" { amount } else { -amount },
                })
            }
            _ => None,
        }
    };
    text.lines().skip(1).filter_map(read).collect()
}

/// The market before the first log. Nothing is known of its ticks, and the price only has to be the first swap's.
fn start(pool: Address, first: &Row) -> MarketImage {
    let Row::Swap { sqrt_price_x96, tick, liquidity } = *first else { panic!("the day begins with a swap") };
    let token = |byte| TokenInfo { address: [byte; 20], symbol: String::new(), decimals: 18 };
    let tokens = [TokenId(0), TokenId(1)];
    let info =
        PoolInfo::uniswap_v2(VenueId(0), pool.into_array(), tokens, FeePpm(500)).with_ticks(TICK_SPACING, (0, 0));
    let state = V3State { sqrt_price_x96, tick, liquidity, ticks: Vec::new() };
    MarketImage { context: context(0), tokens: vec![token(1), token(2)], pools: vec![(info, PoolState::V3(state))] }
}

/// Everything that the relay tells of the pool.
///
/// On the way, a second oracle: a swap that stays within one step of the tick spacing crosses no tick, so the liquidity that
/// the contract states after it is the one that mints and burns since the last swap must have led to. (The other tool's
/// own running liquidity is no oracle: it leaves out ranges that begin at the current tick.)
async fn relayed(recording: Recording) -> Vec<Row> {
    let height = recording.blocks.len() as u64;
    let mut config = config();
    (config.lane_bytes, config.backfill_blocks_max) = (1 << 23, height);
    let is_revealed = Arc::clone(&recording.is_revealed);
    let relay = Relay::start_from(config, recording).await.unwrap();
    let mut feed = relay.subscribe().unwrap();
    is_revealed.store(true, Ordering::Relaxed);
    let mut replica = Replica::default();
    let mut rows = Vec::new();
    let start = Instant::now();
    while replica.context().is_none_or(|context| context.number.get() < height) || !replica.is_whole() {
        assert!(start.elapsed() < Duration::from_secs(60), "the recording is not relayed to its end");
        let Some(frame) = feed.try_next().unwrap() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let message = Message::decode(frame.message_bytes()).unwrap();
        let before = match replica.states().first() {
            Some(PoolState::V3(state)) => Some((state.tick.div_euclid(TICK_SPACING), state.liquidity)),
            _ => None,
        };
        replica.apply(&message).unwrap();
        match message {
            Message::V3Swap(swap) if replica.context().is_some_and(|context| context.number.get() > 0) => {
                if let Some((step, liquidity)) =
                    before.filter(|(step, _)| *step == swap.tick.get().div_euclid(TICK_SPACING))
                {
                    assert_eq!(liquidity, swap.liquidity.get(), "active liquidity in step {step}, swap {}", rows.len());
                }
                rows.push(Row::Swap {
                    sqrt_price_x96: swap.sqrt_price_x96.get(),
                    tick: swap.tick.get(),
                    liquidity: swap.liquidity.get(),
                });
            }
            Message::V3Liquidity(change) => rows.push(Row::Liquidity {
                lower: change.tick_lower.get(),
                upper: change.tick_upper.get(),
                delta: change.liquidity_delta.get(),
            }),
            _ => {}
        }
    }
    rows
}

async fn check(folder: &Path, pool: &str) {
    let file = |kind: &str| data::read_gz(&folder.join(format!("ethereum-{pool}-2024-01-05.{kind}.csv.gz")));
    let address: Address = pool.parse().unwrap();
    let expected = read_rows(&file("pool.tick"));
    let blocks = Arc::new(read_blocks(&file("raw"), address));
    let recording = Recording { blocks, start: start(address, &expected[0]), is_revealed: Arc::default() };
    let got = relayed(recording).await;
    assert!(expected.len() > 100);
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
        assert_eq!(got, expected, "log {index} of {pool}");
    }
}

#[tokio::test]
async fn real_v3_logs_are_read_as_an_unrelated_tool_reads_them() {
    let Some(folder) = data::path("logs/uniswap-v3-2024-01-05") else { return };
    check(&folder, "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640").await;
    check(&folder, "0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8").await;
}
