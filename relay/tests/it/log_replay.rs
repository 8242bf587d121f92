//! Recorded logs of real pools, read by the relay's decoder and applied to a mirror block by block: its state must become what
//! others recorded.

use std::collections::BTreeMap;
use std::path::Path;

use alloy::primitives::aliases::I24;
use alloy::primitives::{Address, B256, Log as EventLog, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{Block, BlockEnd, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Replica, TickLiquidity, TokenInfo, V3State, describe_pool};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, UnixNanos, VenueId};
use alphapulse_relay::source::{MarketImage, PoolTable, Update, decode_block};

use super::data;
use super::log_vectors::{Row, context, hash_of, read_blocks, read_rows};

alloy::sol! {
    event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
        uint128 amount, uint256 amount0, uint256 amount1);
    event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
        uint128 amount, uint256 amount0, uint256 amount1);
}

const TICKS: (i32, i32) = (-887_272, 887_272);
/// Liquidity that already refers to each tick of a pool whose earlier history is not recorded: more than a day takes away.
const GROSS_BEFORE: u128 = 1 << 100;

/// A mirror of one pool, and what its logs go through.
struct Replay {
    replica: Replica,
    table: PoolTable,
    height: u64,
    sequence: u64,
}

impl Replay {
    fn of(pool: Address, tick_spacing: i32, state: V3State) -> Self {
        let tokens = [TokenId(0), TokenId(1)];
        let info =
            PoolInfo::uniswap_v2(VenueId(0), pool.into_array(), tokens, FeePpm(500)).with_ticks(tick_spacing, TICKS);
        let token = |byte| TokenInfo { address: [byte; 20], symbol: String::new(), decimals: 18 };
        let image = MarketImage {
            context: context(0),
            tokens: vec![token(1), token(2)],
            pools: vec![(info, PoolState::V3(state))],
        };
        let table = PoolTable::new(&image);
        let mut replay = Self { replica: Replica::default(), table, height: 0, sequence: 0 };
        replay.found(&image);
        replay
    }

    fn found(&mut self, image: &MarketImage) {
        let place = (Sequence(0), UnixNanos(0));
        let replica = &mut self.replica;
        let mut inside = 0;
        let begin = SnapshotBegin::new(image.context, ChainId(1), Epoch(0), 2, 1).stamped(place.0, place.1);
        replica.apply(&Message::from(&begin)).unwrap();
        let mut apply = |message: Message<'_>| {
            inside += 1;
            replica.apply(&message).map(drop)
        };
        for (token, id) in image.tokens.iter().zip(0..) {
            let token = Token::new(TokenId(id), token.address, "", token.decimals).stamped(place.0, place.1);
            apply(Message::from(&token)).unwrap();
        }
        let (info, state) = &image.pools[0];
        describe_pool(PoolId(0), info, state, place, &mut apply).unwrap();
        self.replica.apply(&Message::from(&SnapshotEnd::new(inside).stamped(place.0, place.1))).unwrap();
        assert!(self.replica.is_whole());
    }

    fn put<T: WireMessage>(&mut self, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        let message = message.stamped(Sequence(self.sequence), UnixNanos(0));
        self.replica.apply(&Message::from(&message)).unwrap();
    }

    fn state(&self) -> &V3State {
        let Some(PoolState::V3(state)) = self.replica.state(PoolId(0)) else { panic!("a V3 pool is mirrored") };
        state
    }

    /// The next block; `after` sees the state after each change.
    fn block(&mut self, logs: Vec<Log>, mut after: impl FnMut(&V3State)) {
        self.height += 1;
        let context = context(self.height);
        let updates = decode_block(logs, context.block(), &self.table).unwrap();
        self.put(Block::new(context, BlockNumber(0)));
        let count = u32::try_from(updates.len()).unwrap();
        for update in updates {
            match update {
                Update::V3Swap(swap) => self.put(swap),
                Update::V3Liquidity(change) => self.put(change),
                other => panic!("{other:?} is not of this pool"),
            }
            after(self.state());
        }
        self.put(BlockEnd::new(context.block(), count));
        assert!(self.replica.is_whole());
    }
}

/// Adds a range to ticks as a pool does: net at both ends, gross at both ends, and none where nothing refers to any more.
fn change(ticks: &mut BTreeMap<i32, (i128, u128)>, lower: i32, upper: i32, delta: i128) {
    for (tick, net) in [(lower, delta), (upper, -delta)] {
        let entry = ticks.entry(tick).or_default();
        *entry = (entry.0 + net, entry.1.checked_add_signed(delta).unwrap());
    }
    ticks.retain(|_, (_, gross)| *gross > 0);
}

fn table(state: &V3State) -> BTreeMap<i32, (i128, u128)> {
    state.ticks.iter().map(|tick| (tick.tick, (tick.liquidity_net, tick.liquidity_gross))).collect()
}

/// A day of logs upon the first swap's price. What refers to ticks from before is unknown, so each tick of the day begins with
/// much, and ends with that and the day's changes.
fn replay_day(name: &str, pool: &str, tick_spacing: i32, blocks: Vec<Vec<Log>>, rows: &[Row]) {
    let Row::Swap { sqrt_price_x96, tick, liquidity } = rows[0] else { panic!("the day begins with a swap") };
    let mut ticks = BTreeMap::new();
    for row in rows {
        if let Row::Liquidity { lower, upper, .. } = row {
            ticks.insert(*lower, (0, GROSS_BEFORE));
            ticks.insert(*upper, (0, GROSS_BEFORE));
        }
    }
    let before =
        ticks.keys().map(|tick| TickLiquidity { tick: *tick, liquidity_net: 0, liquidity_gross: GROSS_BEFORE });
    let start = V3State { sqrt_price_x96, tick, liquidity, ticks: before.collect() };
    let mut replay = Replay::of(pool.parse().unwrap(), tick_spacing, start);
    let (mut next, mut swaps, block_count) = (rows.iter(), 0, blocks.len());
    let mut last = (sqrt_price_x96, tick, liquidity);
    for logs in blocks {
        replay.block(logs, |state| {
            match next.next().expect("no more changes than were recorded") {
                Row::Swap { sqrt_price_x96, tick, liquidity } => {
                    last = (*sqrt_price_x96, *tick, *liquidity);
                    swaps += 1;
                }
                Row::Liquidity { lower, upper, delta } => {
                    change(&mut ticks, *lower, *upper, *delta);
                    if (*lower..*upper).contains(&last.1) {
                        last.2 = last.2.checked_add_signed(*delta).unwrap();
                    }
                }
            }
            assert_eq!((state.sqrt_price_x96, state.tick, state.liquidity), last);
        });
        assert_eq!(table(replay.state()), ticks, "block {}", replay.height);
    }
    assert_eq!(next.next(), None, "every recorded change was seen");
    let changes = rows.len() - swaps;
    eprintln!("{name}: {block_count} blocks, {swaps} swaps, {changes} mints and burns, {} ticks", ticks.len());
}

#[test]
fn a_mirror_follows_a_day_of_logs_on_mainnet() {
    let Some(folder) = data::path("logs/uniswap-v3-2024-01-05") else { return };
    for (pool, tick_spacing, count) in [
        ("0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640", 10, 3_580),
        ("0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8", 60, 190),
    ] {
        let file = |kind: &str| data::read_gz(&folder.join(format!("ethereum-{pool}-2024-01-05.{kind}.csv.gz")));
        let rows = read_rows(&file("pool.tick"));
        assert!(rows.len() >= count, "{} rows", rows.len());
        replay_day(pool, pool, tick_spacing, read_blocks(&file("raw"), pool.parse().unwrap()), &rows);
    }
}

/// The words of a log, read without any decoder: what is a number stands in its last bytes.
fn row_of(log: &Log) -> Option<Row> {
    let data = &log.inner.data.data;
    let word = |index: usize| U256::from_be_slice(&data[32 * index..32 * (index + 1)]);
    let low = |word: U256| u128::try_from(word & U256::from(u128::MAX)).unwrap();
    // Two's complement: the last four bytes are the number.
    let tick = |word: U256| i32::from_be_bytes(word.to_be_bytes::<32>()[28..].try_into().unwrap());
    let topics = log.topics();
    let topic = |index: usize| tick(U256::from_be_bytes(topics[index].0));
    let signature = format!("{:x}", topics[0]);
    let delta = |word: U256| i128::try_from(low(word)).unwrap();
    match &signature[..8] {
        "c42079f9" => Some(Row::Swap { sqrt_price_x96: word(2), tick: tick(word(4)), liquidity: low(word(3)) }),
        "7a53080b" => Some(Row::Liquidity { lower: topic(2), upper: topic(3), delta: delta(word(1)) }),
        "0c396cd9" => Some(Row::Liquidity { lower: topic(2), upper: topic(3), delta: -delta(word(0)) }),
        // Collect.
        "70935338" => None,
        other => panic!("{other} is no event of these logs"),
    }
}

#[test]
fn a_mirror_follows_a_day_of_logs_on_polygon() {
    let path = "logs/polygon-v3/polygon-0x45dda9cb7c25131df268515131f647d726f50608-2021-12-22.raw.csv.gz";
    let Some(path) = data::path(path) else { return };
    let pool = "0x45dda9cb7c25131df268515131f647d726f50608";
    let blocks = read_blocks(&data::read_gz(&path), pool.parse().unwrap());
    let rows: Vec<Row> = blocks.iter().flatten().filter_map(row_of).collect();
    assert_eq!(rows.len(), 208);
    replay_day("polygon", pool, 10, blocks, &rows);
}

/// One line of the history: a block, a place in it, and the log that a pool wrote.
struct Event {
    id: u64,
    place: (u64, u64, u64),
    log: EventLog,
}

fn read_event(line: &str, pool: Address) -> Event {
    let field: Vec<&str> = line.split(',').collect();
    let number = |index: usize| field[index].parse::<u64>().unwrap();
    let tick = |index: usize| field[index].parse::<i32>().unwrap();
    let [lower, upper] = [tick(5), tick(6)].map(|tick| I24::try_from(tick).unwrap());
    let (amount, amount0, amount1) = (field[2].parse().unwrap(), field[3].parse().unwrap(), field[4].parse().unwrap());
    let (owner, sender) = (Address::ZERO, Address::ZERO);
    let data = match field[1] {
        "1" => Mint { sender, owner, tickLower: lower, tickUpper: upper, amount, amount0, amount1 }.encode_log_data(),
        "2" => Burn { owner, tickLower: lower, tickUpper: upper, amount, amount0, amount1 }.encode_log_data(),
        other => panic!("{other} is neither a mint nor a burn"),
    };
    Event { id: number(0), place: (number(7), number(8), number(9)), log: EventLog { address: pool, data } }
}

/// Events in the order of the chain, by block.
fn by_block(mut events: Vec<Event>) -> Vec<Vec<Log>> {
    events.sort_by_key(|event| event.place);
    let mut blocks: Vec<(u64, Vec<Log>)> = Vec::new();
    for Event { place: (number, _, index), log, .. } in events {
        if blocks.last().is_none_or(|(last, _)| *last != number) {
            blocks.push((number, Vec::new()));
        }
        let block_hash: Option<B256> = Some(hash_of(blocks.len() as u64));
        blocks.last_mut().unwrap().1.push(Log { inner: log, log_index: Some(index), block_hash, ..Log::default() });
    }
    blocks.into_iter().map(|(_, logs)| logs).collect()
}

fn recorded_state(folder: &Path) -> V3State {
    let snapshot: serde_json::Value = serde_json::from_str(&data::read_gz(&folder.join("snapshot-1.json.gz"))).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let ticks = snapshot["tickManager"]["ticks_json"].as_array().unwrap().iter().map(|entry| TickLiquidity {
        tick: i32::try_from(entry["key"].as_i64().unwrap()).unwrap(),
        liquidity_net: text(&entry["value"]["liquidityNet"]).parse().unwrap(),
        liquidity_gross: text(&entry["value"]["liquidityGross"]).parse().unwrap(),
    });
    let mut ticks: Vec<TickLiquidity> = ticks.collect();
    ticks.sort_by_key(|tick| tick.tick);
    V3State {
        sqrt_price_x96: text(&snapshot["sqrtPriceX96"]).parse().unwrap(),
        tick: i32::try_from(snapshot["tickCurrent"].as_i64().unwrap()).unwrap(),
        liquidity: text(&snapshot["liquidity"]).parse().unwrap(),
        ticks,
    }
}

/// The history has no swaps: at the price of the snapshot from the first block on, every mint and burn must lead to its
/// ticks, and to its active liquidity.
#[test]
fn a_mirror_of_every_mint_and_burn_has_the_recorded_ticks() {
    const LAST: u64 = 1_847;
    let Some(folder) = data::path("logs/v3-liquidity-history") else { return };
    let pool: Address = "0x8ad599c3a0ff1de082011efddc58f1908eb6e6d8".parse().unwrap();
    let text = data::read_gz(&folder.join("usdc_weth_3000.liquidity_events.csv.gz"));
    let (events, later): (Vec<Event>, Vec<Event>) =
        text.lines().skip(1).map(|line| read_event(line, pool)).partition(|event| event.id <= LAST);
    let recorded = recorded_state(&folder);
    assert_eq!(recorded.ticks.len(), 280);
    let mut replay = Replay::of(pool, 60, V3State { liquidity: 0, ticks: Vec::new(), ..recorded.clone() });
    let (event_count, mut changes) = (events.len(), 0);
    let blocks = by_block(events);
    let block_count = blocks.len();
    for logs in blocks {
        replay.block(logs, |_| changes += 1);
    }
    assert_eq!(*replay.state(), recorded);
    assert_eq!(changes, event_count);
    eprintln!(
        "liquidity history: {event_count} events in {block_count} blocks give the snapshot's {} ticks; {} later ones not used",
        recorded.ticks.len(),
        later.len()
    );
    assert!(event_count >= 1_840, "{event_count}");
}
