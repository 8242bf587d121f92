//! A node that is lost, mute, or whose chain's thread is lost: subscribers are told at once, and told better only at its head.

use alphapulse_relay::Relay;

use super::fake_chain::{FakeChain, Faults};
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

struct Scene {
    chain: FakeChain,
    relay: Relay,
    subscriber: Subscriber,
}

impl Scene {
    async fn new() -> Self {
        let chain = FakeChain::new();
        let relay = Relay::start_from(config(), chain.clone()).await.unwrap();
        let mut subscriber = Subscriber::join(&relay);
        subscriber.settle(&chain).await;
        assert!(subscriber.replica.is_tradable());
        Self { chain, relay, subscriber }
    }

    async fn caution(&mut self) {
        let Self { chain, subscriber, .. } = self;
        subscriber.until(chain, "the caution", |subscriber| subscriber.cautions.last() == Some(&true)).await;
        assert!(!subscriber.replica.is_tradable());
    }

    /// Waits for the all-clear, which must come at the head, and once.
    async fn all_clear(&mut self) {
        let Self { chain, subscriber, .. } = self;
        let cleared = subscriber.cleared_at.len();
        subscriber.until(chain, "the all-clear", |subscriber| subscriber.cleared_at.len() > cleared).await;
        assert_eq!(subscriber.cleared_at[cleared..], [chain.head().number.get()]);
        subscriber.settle(chain).await;
        assert!(subscriber.replica.is_tradable());
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_is_told_at_once_and_until_the_stream_is_at_the_head() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_connections: 4, ..Faults::default() });
    scene.chain.disconnect();
    scene.caution().await;
    let traded = scene.subscriber.tradable_at.len();
    let mut late = Subscriber::join(&scene.relay);
    late.until(&scene.chain, "a state", |late| late.replica.is_whole()).await;
    assert!(!late.replica.is_tradable(), "whoever joins is told as well");
    for tick in 1..5 {
        scene.chain.mine(&[Change::Swap { tick }]);
    }
    scene.all_clear().await;
    let head = scene.chain.head().number.get();
    assert!(scene.subscriber.tradable_at[traded..].iter().all(|number| *number == head));
    late.settle(&scene.chain).await;
    let stats = scene.relay.stats();
    assert_eq!((stats.source_losses, stats.cautions, stats.connection_losses), (1, 1, 1));
}

#[tokio::test]
async fn a_node_that_comes_back_with_an_old_head_is_asked_again() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_connections: 4, stale_heads: (1, 4), ..Faults::default() });
    scene.chain.disconnect();
    for tick in 1..5 {
        scene.chain.mine(&[Change::Swap { tick }]);
    }
    scene.caution().await;
    scene.all_clear().await;
}

#[tokio::test]
async fn a_node_that_answers_no_more_is_lost() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { mute_heads: 3, ..Faults::default() });
    scene.caution().await;
    scene.all_clear().await;
    assert!(scene.relay.stats().source_losses >= 1);
}

#[tokio::test]
async fn a_stream_that_has_lost_the_thread_is_not_traded_on_before_its_snapshot() {
    let mut scene = Scene::new().await;
    // What the node says cannot be, and a snapshot cannot be had for a while.
    scene.chain.set_faults(Faults { impossible_logs: 1, refuse_markets: 5, ..Faults::default() });
    scene.chain.announce(scene.chain.mine(&[Change::Swap { tick: 3 }]));
    scene.caution().await;
    scene.all_clear().await;
    assert_eq!(scene.relay.stats().resnapshots, 1);
}

#[tokio::test]
async fn one_refusal_of_a_block_that_was_just_announced_is_no_loss() {
    let mut scene = Scene::new().await;
    scene.chain.set_faults(Faults { refuse_logs: 1, ..Faults::default() });
    scene.chain.announce(scene.chain.mine(&[Change::Swap { tick: 3 }]));
    scene.subscriber.settle(&scene.chain).await;
    assert_eq!((scene.relay.stats().retries, scene.relay.stats().source_losses), (1, 0));
    scene.chain.set_faults(Faults { refuse_logs: 2, ..Faults::default() });
    scene.chain.announce(scene.chain.mine(&[Change::Swap { tick: 4 }]));
    scene.caution().await;
    scene.all_clear().await;
    assert_eq!(scene.subscriber.cautions, [false, true, false]);
}
