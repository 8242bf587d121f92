//! While the nodes cannot be believed nobody may trade, however and whenever he joined.

use alphapulse_protocol::message::CautionCause;
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
