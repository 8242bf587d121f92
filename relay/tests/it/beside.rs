//! What stands beside the stream: who joins later, who reads slowly, and sources that fail.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use alphapulse_protocol::message::{Finality, Message, PendingTransaction, WireMessage};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, UnixNanos};
use alphapulse_relay::source::race::SourceState;
use alphapulse_relay::source::side::{Outlet, SideSource};
use alphapulse_relay::{Feed, Relay, Selection, SourceError, SubscribeOptions};
use tokio::time::timeout;

use super::fake_chain::FakeChain;
use super::subscriber::config;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn finality(number: u64) -> Vec<u8> {
    let at = |number| BlockRef { number: BlockNumber(number), hash: [7; 32] };
    let finality = Finality::new(ChainId(31337), at(number + 1), at(number)).unwrap();
    Message::from(&finality).as_bytes().to_vec()
}

pub(crate) fn listening(relay: &Relay, template: u16) -> Feed {
    let selection = Selection::everything().side(template);
    relay.subscribe_with(SubscribeOptions { selection, ..SubscribeOptions::default() }).unwrap()
}

/// Number and finalized block of the next word on finality, and the names of what came before it.
async fn next_finality(feed: &mut Feed) -> (u64, u64, Vec<&'static str>) {
    let mut before = Vec::new();
    let word = async {
        loop {
            while let Some(frame) = feed.try_next().unwrap() {
                let message = Message::decode(frame.message_bytes()).unwrap();
                match message {
                    Message::Finality(word) => return (word.header.sequence.get(), word.finalized().number.0, before),
                    other => before.push(other.name()),
                }
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, word).await.expect("the word comes")
}

#[tokio::test]
async fn who_joins_later_is_told_the_newest_finality_behind_his_snapshot() {
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let mut early = listening(&relay, Finality::TEMPLATE_ID);
    let sides = relay.side_publisher();
    assert!(sides.publish(finality(5)) && sides.publish(finality(6)));
    assert_eq!(next_finality(&mut early).await.1, 5);
    assert_eq!(next_finality(&mut early).await.1, 6);

    let mut late = listening(&relay, Finality::TEMPLATE_ID);
    let (number, finalized, before) = next_finality(&mut late).await;
    assert_eq!((number, finalized), (2, 6));
    assert!(before.contains(&"SnapshotEnd"), "{before:?}");
    // Of nothing else, and nobody else, is the newest kept.
    let mut other = listening(&relay, PendingTransaction::TEMPLATE_ID);
    assert!(sides.publish(finality(7)));
    let (number, finalized, _) = next_finality(&mut early).await;
    assert_eq!((number, finalized), (3, 7));
    assert_eq!(next_finality(&mut late).await.1, 7);
    while let Some(frame) = other.try_next().unwrap() {
        assert!(!Message::decode(frame.message_bytes()).unwrap().is_side());
    }
}

#[tokio::test]
async fn a_slow_reader_loses_the_oldest_long_messages_and_both_sides_count_them() {
    const LENGTH: usize = 32 * 1024;
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let _slow = listening(&relay, PendingTransaction::TEMPLATE_ID);
    let message = PendingTransaction::write([1; 32], [2; 20], UnixNanos(3), &[7; LENGTH]).unwrap();
    let mut taken = 0;
    // The queue holds a megabyte, and a subscriber a quarter of one.
    while relay.subscribers()[0].side_dropped == 0 {
        taken += u64::from(relay.side_publisher().publish(message.clone()));
        tokio::task::yield_now().await;
    }
    let stats = relay.stats();
    // By bytes, long before the slots are full.
    assert!((8..200).contains(&stats.sides), "{stats:?}");
    assert!(taken >= stats.sides);
    relay.stop().await.unwrap();
}

/// A source that does as it is told.
struct Scripted {
    /// How each connection ends; behind them all it stands.
    failures: Vec<fn() -> SourceError>,
    tries: Arc<AtomicU32>,
}

impl SideSource for Scripted {
    fn name(&self) -> String {
        "scripted".into()
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        let tried = self.tries.fetch_add(1, Ordering::Relaxed);
        if let Some(failure) = self.failures.get(tried as usize) {
            return Err(failure());
        }
        outlet.ready();
        outlet.publish(finality(tried.into()));
        outlet.stopped().await;
        // What is under way when it is told to end is still handed in.
        tokio::task::yield_now().await;
        outlet.publish(finality(100));
        Ok(())
    }
}

#[tokio::test]
async fn a_source_is_connected_again_and_ends_with_what_it_has_under_way() {
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let mut feed = listening(&relay, Finality::TEMPLATE_ID);
    let tries = Arc::new(AtomicU32::new(0));
    let failures: Vec<fn() -> SourceError> = vec![|| SourceError::Disconnected; 2];
    let name = relay.add_side_source(Scripted { failures, tries: Arc::clone(&tries) });
    assert_eq!(next_finality(&mut feed).await.1, 2);
    let [report] = &relay.side_sources()[..] else { panic!("one source") };
    assert_eq!((report.state, report.published), (SourceState::Ready, 1));
    assert_eq!(report.last_error.as_deref(), Some("the connection to the node was lost"));

    let report = relay.remove_side_source(&name).await.unwrap();
    assert_eq!((report.state, report.published, tries.load(Ordering::Relaxed)), (SourceState::Stopped, 2, 3));
    assert_eq!(next_finality(&mut feed).await.1, 100);
    assert_eq!(relay.side_sources(), []);
}

#[tokio::test]
async fn a_source_that_can_never_work_is_not_tried_again_and_one_that_panics_is_not_said_to_run() {
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let tries = Arc::new(AtomicU32::new(0));
    let fatal: fn() -> SourceError = || SourceError::WrongChain { expected: ChainId(1), got: ChainId(2) };
    let panics: fn() -> SourceError = || panic!("a source of the test");
    for failure in [fatal, panics] {
        relay.add_side_source(Scripted { failures: vec![failure], tries: Arc::clone(&tries) });
        tries.store(0, Ordering::Relaxed);
        let stopped = async {
            while relay.side_sources().iter().any(|report| report.state != SourceState::Stopped) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, stopped).await.expect("it is known to have stopped");
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }
    // They stay to be seen until they are taken away.
    let names: Vec<String> = relay.side_sources().into_iter().map(|report| report.name).collect();
    assert_eq!(names, ["scripted", "scripted #2"]);
    for name in names {
        assert_eq!(relay.remove_side_source(&name).await.unwrap().state, SourceState::Stopped);
    }
    relay.stop().await.unwrap();
}

/// A source that never ends by itself, and says when it is gone.
struct Held {
    _held: tokio::sync::mpsc::Sender<Infallible>,
}

impl SideSource for Held {
    fn name(&self) -> String {
        "held".into()
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        outlet.ready();
        std::future::pending().await
    }
}

#[tokio::test]
async fn sources_end_with_the_relay_that_is_dropped() {
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let (_held, mut gone) = tokio::sync::mpsc::channel(1);
    relay.add_side_source(Held { _held });
    drop(relay);
    assert!(timeout(DEADLINE, gone.recv()).await.expect("it ends").is_none());
}
