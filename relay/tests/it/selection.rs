//! Subscribers that ask for less: what they asked for is bit for bit the chain's, nothing else is known, and the sequence
//! is everyone's.

use alphapulse_protocol::message::{GapReason, GapRecovery, Message, PoolKind};
use alphapulse_protocol::replica::{Change as Applied, PoolState, Replica};
use alphapulse_protocol::{ChainId, PoolId, ReplicaError, VenueId};
use alphapulse_relay::{Feed, Relay, RelayConfig, Selection, SubscribeOptions};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{REORG_DEPTH_MAX, Subscriber, config};

/// Whether a pool, by its index, is in a selection.
type IsIn = fn(usize) -> bool;

/// A reader of a selection, which knows by itself which pools are in it.
struct Selective {
    feed: Feed,
    replica: Replica,
    is_watched: IsIn,
    selection: Selection,
    skips: u32,
    swaps: u32,
}

impl Selective {
    fn join(relay: &Relay, selection: Selection, is_watched: IsIn) -> Self {
        let options = SubscribeOptions { selection: selection.clone(), ..SubscribeOptions::default() };
        let feed = relay.subscribe_with(options).unwrap();
        Self { feed, replica: Replica::new(REORG_DEPTH_MAX), is_watched, selection, skips: 0, swaps: 0 }
    }

    fn rejoin(&mut self, relay: &Relay) {
        let position = self.replica.position();
        self.feed = relay
            .subscribe_with(SubscribeOptions {
                selection: self.selection.clone(),
                position,
                ..SubscribeOptions::default()
            })
            .unwrap();
    }

    /// Takes what is there. One that came back cannot go back below its own beginning, and joins anew.
    fn drain(&mut self, relay: &Relay, chain: &FakeChain) {
        while let Some(frame) = self.feed.try_next().unwrap() {
            let message = Message::decode(frame.message_bytes()).unwrap();
            self.skips += u32::from(matches!(message, Message::Skip(_)));
            self.swaps += u32::from(matches!(message, Message::V3Swap(_)));
            if let Some(pool) = message.state_of() {
                assert!((self.is_watched)(pool.index()), "{message:?} was not asked for");
            }
            let change = match self.replica.apply(&message) {
                Err(ReplicaError::TooDeep { .. }) => return self.rejoin(relay),
                change => change.unwrap(),
            };
            if matches!(change, Applied::BlockEnded | Applied::SnapshotReady | Applied::Reorged(_)) {
                self.check(chain);
            }
        }
    }

    fn check(&self, chain: &FakeChain) {
        let truth = chain.truth(&self.replica.context().unwrap().hash);
        for (index, (info, state)) in truth.pools.iter().enumerate() {
            assert_eq!(self.replica.pools()[index], *info, "descriptions always come");
            let id = PoolId(u32::try_from(index).unwrap());
            assert_eq!(self.replica.state(id), (self.is_watched)(index).then_some(state), "pool {index}");
            assert_eq!(self.replica.states()[index] == PoolState::Unknown(info.kind), !(self.is_watched)(index));
        }
    }
}

fn trade(random: &mut SmallRng) -> Change {
    match random.random_range(0..4) {
        0 => Change::Sync { pool: random.random_range(0..2), reserves: (random.random_range(1..1 << 60), 7) },
        1 | 2 => Change::Swap { tick: random.random_range(-900..900) },
        _ => Change::Mint { lower: random.random_range(-12..12), width: 3, amount: random.random_range(1..1 << 40) },
    }
}

/// Selections of the fake market's three pools, and which pools are in each.
fn cases(chain: &FakeChain) -> Vec<(Selection, IsIn)> {
    let all = Selection::everything;
    let truth = chain.truth(&chain.head().hash);
    let address = |pool: usize| truth.pools[pool].0.address;
    // A token that only some pools trade.
    let [first, second] = [0, 1].map(|pool: usize| truth.pools[pool].0.tokens);
    let alone = first.iter().copied().find(|token| !second.contains(token)).expect("pool 0 and 1 differ in a token");
    let token = truth.tokens[alone.index()].address;
    vec![
        (all().pool(address(0)), |pool| pool == 0),
        (all().pool(address(0)).pool(address(2)), |pool| pool != 1),
        (all().kind(PoolKind::UniswapV3), |pool| pool == 2),
        (all().kind(PoolKind::UniswapV2).pool(address(1)), |pool| pool == 1),
        (all().token(token).pool(address(1)), |_| false),
        (all().token(token).pool(address(0)), |pool| pool == 0),
        (all().venue(VenueId(u16::MAX)), |_| false),
        (all().conflated(), |_| true),
        (all().kind(PoolKind::UniswapV3).conflated(), |pool| pool == 2),
        (all().chain(ChainId(31337)), |_| true),
    ]
}

#[tokio::test]
async fn what_was_selected_is_the_chains_and_nothing_else_is_sent() {
    for seed in 0..20 {
        let mut random = SmallRng::seed_from_u64(seed);
        let chain = FakeChain::new();
        // Small enough that some are lapped, and given what they missed or a snapshot.
        let (lane_bytes, recent_bytes) = (random.random_range(600..8_000), random.random_range(600..20_000));
        let relay_config = RelayConfig { lane_bytes, recent_bytes, subscribers_max: 16, ..config() };
        let relay = Relay::start_from(relay_config, chain.clone()).await.unwrap();
        let mut everything = Subscriber::join(&relay);
        let cases = cases(&chain).into_iter();
        let mut readers: Vec<_> = cases.map(|(wish, is_in)| Selective::join(&relay, wish, is_in)).collect();
        for step in 0..60 {
            let changes: Vec<Change> = (0..random.random_range(0..9)).map(|_| trade(&mut random)).collect();
            if step % 9 == 8 {
                chain.rollback(random.random_range(1..4));
            }
            chain.announce(chain.mine(&changes));
            everything.settle(&chain).await;
            for reader in &mut readers {
                match random.random_range(0..12) {
                    0 => reader.rejoin(&relay),
                    1..4 => {}
                    _ => reader.drain(&relay, &chain),
                }
            }
        }
        chain.announce(chain.mine(&[]));
        everything.settle(&chain).await;
        let head = chain.head().hash;
        for reader in &mut readers {
            while reader.replica.context().is_none_or(|context| context.hash != head) || !reader.replica.is_whole() {
                tokio::task::yield_now().await;
                reader.drain(&relay, &chain);
            }
            assert_eq!(reader.replica.sequence(), everything.replica.sequence(), "one sequence for all");
            assert!(reader.replica.is_tradable());
        }
        let skips: Vec<u32> = readers.iter().map(|reader| reader.skips).collect();
        assert!(skips[..9].iter().all(|count| *count > 0), "{skips:?}");
        assert_eq!(skips[9], 0, "nothing is left out of everything");
        let [conflated, whole] = [8, 2].map(|reader: usize| readers[reader].swaps);
        assert!(conflated < whole, "{conflated} of {whole} swaps");
    }
}

#[tokio::test]
async fn who_is_served_and_how_can_be_read() {
    let chain = FakeChain::new();
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    let mut one = Selective::join(&relay, Selection::everything().kind(PoolKind::UniswapV2), |pool| pool < 2);
    let mut all = Subscriber::join(&relay);
    chain.announce(chain.mine(&[Change::Swap { tick: 5 }, Change::Swap { tick: 6 }]));
    all.settle(&chain).await;
    one.drain(&relay, &chain);
    let status = relay.subscribers();
    assert_eq!(status.iter().map(|reader| reader.peer.as_str()).collect::<Vec<_>>(), ["embedded", "embedded"]);
    // Of the snapshot the one state with its ticks, of the block two swaps.
    let truth = chain.truth(&chain.head().hash);
    let PoolState::V3(v3) = &truth.pools[2].1 else { panic!("pool 2 is concentrated") };
    assert_eq!(status[0].skipped_messages, 1 + v3.ticks.len() as u64 + 2);
    assert_eq!((status[0].sent_messages, status[1].sent_messages), (2, 4));
    assert_eq!((status[1].skipped_messages, status[1].lapped, status[1].gaps), (0, 0, 0));
    assert!(status[0].sent_bytes < status[1].sent_bytes);
    drop(one);
    assert_eq!(relay.subscribers().len(), 1);
}

#[tokio::test]
async fn a_state_goes_on_under_the_selection_that_it_was_made_with_and_begins_anew_under_any_other() {
    let chain = FakeChain::new();
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    let all = Selection::everything;
    let pool = |index: usize| all().pool(chain.truth(&chain.head().hash).pools[index].0.address);
    let wishes = [all(), all().chain(ChainId(31337)).side(55), pool(0), pool(1), all().kind(PoolKind::UniswapV2)];
    let is_same = |a: usize, b: usize| a == b || (a < 2 && b < 2);
    let mut fresh = Subscriber::join(&relay);
    for (made_with, was) in wishes.iter().enumerate() {
        for (now_with, now) in wishes.iter().enumerate() {
            let mut reader = Selective::join(&relay, was.clone(), |_| true);
            let position = loop {
                if let Some(frame) = reader.feed.try_next().unwrap() {
                    reader.replica.apply(&Message::decode(frame.message_bytes()).unwrap()).unwrap();
                }
                if let Some(position) = reader.replica.position() {
                    break position;
                }
                tokio::task::yield_now().await;
            };
            chain.announce(chain.mine(&[Change::Sync { pool: 0, reserves: (7, 9) }]));
            fresh.settle(&chain).await;
            let options =
                SubscribeOptions { selection: now.clone(), position: Some(position), ..SubscribeOptions::default() };
            let mut feed = relay.subscribe_with(options).unwrap();
            let (recovery, reason) = loop {
                if let Some(frame) = feed.try_next().unwrap() {
                    match Message::decode(frame.message_bytes()).unwrap() {
                        Message::Gap(gap) => break (gap.recovery.get(), gap.reason.get()),
                        Message::Caution(_) => {}
                        other => panic!("{} came before a gap", other.name()),
                    }
                }
                tokio::task::yield_now().await;
            };
            let expected = if is_same(made_with, now_with) {
                (GapRecovery::Replay, GapReason::Away)
            } else {
                (GapRecovery::Snapshot, GapReason::Epoch)
            };
            let expected = (expected.0 as u16, expected.1 as u16);
            assert_eq!((recovery, reason), expected, "made with {was:?}, goes on with {now:?}");
        }
    }
}
