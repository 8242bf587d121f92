//! Many who missed what only the journal still holds: those who read get it, whoever else does not.

use alphapulse_relay::{Relay, RelayConfig};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

/// Fewer than the relay would use: who waits for one waits for who holds it.
const THREADS: usize = 2;
const STALLED: usize = 16;
const READERS: usize = 8;

#[test]
fn those_who_are_behind_and_do_not_read_hold_no_thread_that_others_need() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let chain = FakeChain::new();
        let config = RelayConfig {
            journal_dir: Some(folder.path().join("feed")),
            recent_bytes: 50_000,
            lane_bytes: 50_000,
            subscribers_max: STALLED + READERS + 1,
            ..config()
        };
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        let mut behind: Vec<_> = (0..STALLED + READERS).map(|_| Subscriber::join(&relay)).collect();
        for subscriber in &mut behind {
            subscriber.settle(&chain).await;
            subscriber.leave();
        }
        let mut present = Subscriber::join(&relay);
        // Far more than is read ahead of anyone.
        for amount in 1..30 {
            chain.announce(chain.mine(&[Change::Mint { lower: -2, width: 5, amount }; 400]));
            present.settle(&chain).await;
        }
        behind.iter_mut().for_each(|subscriber| subscriber.rejoin(&relay));
        for reader in &mut behind[STALLED..] {
            reader.settle(&chain).await;
            assert!(!reader.seen[1..].contains(&"SnapshotBegin"), "from the journal, and not by a snapshot");
        }
        assert_eq!(relay.stats().gaps_snapshot, 0);
        assert!(relay.stats().gaps_archived >= (STALLED + READERS) as u64);
        // Those who stalled lost nothing by it.
        behind[0].settle(&chain).await;
    });
}
