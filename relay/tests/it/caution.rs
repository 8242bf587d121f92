//! While the nodes cannot be believed nobody may trade, however and whenever he joined.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{CautionCause, CloseReason, Hello, Message, Subscribe};
use alphapulse_relay::{Relay, RelayConfig};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

fn busy(salt: i32) -> [Change; 2] {
    [Change::Swap { tick: salt }, Change::Mint { lower: -salt - 1, width: 9, amount: 7 }]
}

#[tokio::test]
async fn nobody_trades_on_what_cannot_be_believed() {
    let chain = FakeChain::new();
    let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
    let (mut live, mut away) = (Subscriber::join(&relay), Subscriber::join(&relay));
    for subscriber in [&mut live, &mut away] {
        subscriber.settle(&chain).await;
        assert!(subscriber.replica.is_tradable());
        assert_eq!(subscriber.cautions, [false]);
    }
    away.leave();

    relay.caution(CautionCause::BelowQuorum).unwrap();
    live.until(&chain, "the caution", |subscriber| subscriber.cautions == [false, true]).await;
    assert!(!live.replica.is_tradable() && live.replica.is_whole());

    // New blocks, new joiners, those who come back: the state is right, and not to be traded on.
    let traded = live.tradable_at.len();
    chain.announce(chain.mine(&busy(3)));
    away.rejoin(&relay);
    let returned_at = away.tradable_at.len();
    let mut late = Subscriber::join(&relay);
    for subscriber in [&mut live, &mut away, &mut late] {
        subscriber.settle(&chain).await;
        assert!(!subscriber.replica.is_tradable());
    }
    assert_eq!((live.tradable_at.len(), away.tradable_at.len(), late.tradable_at.len()), (traded, returned_at, 0));

    // A new epoch changes nothing of that.
    chain.restart();
    live.settle(&chain).await;
    assert!(!live.replica.is_tradable());

    relay.caution(CautionCause::None).unwrap();
    for subscriber in [&mut live, &mut away, &mut late] {
        subscriber.until(&chain, "the all-clear", |subscriber| subscriber.replica.is_tradable()).await;
        subscriber.settle(&chain).await;
    }
    assert_eq!(relay.stats().cautions, 1);
}

#[tokio::test]
async fn one_who_was_lapped_meanwhile_is_told_before_it_has_caught_up() {
    let chain = FakeChain::new();
    let relay = Relay::start_from(RelayConfig { lane_bytes: 900, ..config() }, chain.clone()).await.unwrap();
    let mut slow = Subscriber::join(&relay);
    slow.settle(&chain).await;
    let mut fresh = Subscriber::join(&relay);
    fresh.settle(&chain).await;
    let traded = slow.tradable_at.len();
    for salt in 0..6 {
        chain.announce(chain.mine(&busy(salt)));
        fresh.settle(&chain).await;
        if salt == 3 {
            relay.caution(CautionCause::Divergence).unwrap();
        }
    }
    assert!(relay.stats().lapped > 0);
    slow.settle(&chain).await;
    slow.until(&chain, "the caution", |subscriber| subscriber.cautions.last() == Some(&true)).await;
    assert!(!slow.replica.is_tradable());
    // What was in its lane when it was lapped is older than the caution.
    assert!(slow.tradable_at.len() <= traded + 2, "{:?}", slow.tradable_at);
}

/// A client of an older version, which knows no cautions.
struct Older {
    socket: UnixStream,
    inbound: FrameDecoder,
}

impl Older {
    fn join(path: &Path, version: u16) -> Self {
        let mut hello = Hello::new();
        hello.version_max = version.into();
        let mut said = Vec::new();
        frame::write(&mut said, &hello);
        if version >= 2 {
            frame::write(&mut said, &Subscribe::new(None));
        }
        let mut socket = UnixStream::connect(path).unwrap();
        // Far above what any answer takes, so that only a hang meets it.
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket.write_all(&said).unwrap();
        Self { socket, inbound: FrameDecoder::new() }
    }

    /// Reads up to the first of these messages: its name and, for a farewell, its reason.
    fn read_to(&mut self, names: &[&str]) -> (String, Option<CloseReason>) {
        let (mut bytes, mut others) = ([0; 4096], 0);
        loop {
            while let Some(message) = self.inbound.next_message().unwrap() {
                // A snapshot is far shorter; signs of life would go on for ever.
                others += 1;
                assert!(others < 500, "none of {names:?} came");
                if names.contains(&message.name()) {
                    let Message::Close(close) = message else { return (message.name().to_owned(), None) };
                    return ("Close".to_owned(), CloseReason::from_wire(close.reason.get()));
                }
            }
            match self.socket.read(&mut bytes).unwrap() {
                0 => panic!("the relay left without a word"),
                count => self.inbound.push(&bytes[..count]),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_gets_nothing_while_the_nodes_cannot_be_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.sock");
    let chain = FakeChain::new();
    let relay = Relay::start_from(RelayConfig { listen_unix: Some(path.clone()), ..config() }, chain.clone());
    let relay = relay.await.unwrap();
    let mut present = [1, 2].map(|version| Older::join(&path, version));
    for older in &mut present {
        assert_eq!(older.read_to(&["SnapshotEnd", "Close"]).0, "SnapshotEnd");
    }
    relay.caution(CautionCause::Divergence).unwrap();
    for older in &mut present {
        assert_eq!(older.read_to(&["Close"]).1, Some(CloseReason::NotReady));
    }
    for version in [1, 2] {
        let answer = Older::join(&path, version).read_to(&["SnapshotBegin", "Heartbeat", "Close"]);
        assert_eq!(answer, ("Close".to_owned(), Some(CloseReason::NotReady)), "version {version}");
    }
    assert_eq!(relay.stats().dismissed, 4);
    relay.caution(CautionCause::None).unwrap();
    for version in [1, 2] {
        assert_eq!(Older::join(&path, version).read_to(&["SnapshotEnd", "Close"]).0, "SnapshotEnd");
    }
}
