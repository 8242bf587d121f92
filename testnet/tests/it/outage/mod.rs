//! The engine's node goes away, comes back, or changes its mind: the engine recovers by itself and trades on nothing stale.

mod proxy;
mod watch;

use alphapulse_testnet::DevNodeConfig;

use self::proxy::Proxy;
use self::watch::{Watched, start_chain};
use crate::kit::kit;

const SEED: u64 = 3;
const WARM_UP_ROUNDS: usize = 8;
const ROUNDS_AFTER: usize = 6;
const BLOCKS_AWAY: usize = 10;
const REORG_DEPTH: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_for_ten_blocks_costs_no_block_and_no_stale_trade() {
    let testnet = start_chain(DevNodeConfig::default(), SEED).await;
    let proxy = Proxy::start(testnet.node.port()).await;
    let mut watched = Watched::start(testnet, &proxy.ws_url(), SEED).await;
    watched.rounds(WARM_UP_ROUNDS).await;

    proxy.cut();
    let away = watched.unseen_rounds(BLOCKS_AWAY).await;
    watched.nothing_approved_on(&away);
    proxy.mend();
    watched.catch_up().await;

    watched.holds_what_a_fresh_relay_reads().await;
    let head = watched.head();
    watched.approved_only_on(&[head]);
    let stats = watched.relay_stats();
    assert!(stats.connection_losses >= 1 && stats.reconnects >= 1, "{stats:?}");
    assert!(stats.backfilled_blocks >= BLOCKS_AWAY as u64 - 1 || stats.resnapshots >= 1, "{stats:?}");
    watched.trades_on(ROUNDS_AFTER).await;
    watched.books_equal_the_chain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_is_followed_again() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let config = DevNodeConfig {
        state: Some(folder.path().join("state.json")),
        port: port.expect("a free port").port(),
        ..DevNodeConfig::default()
    };
    let testnet = start_chain(config, SEED).await;
    let endpoint = testnet.node.ws_url();
    let mut watched = Watched::start(testnet, &endpoint, SEED).await;
    watched.rounds(WARM_UP_ROUNDS).await;

    let mut watched = watched.restart_chain(&kit()).await;
    let away = watched.unseen_rounds(1).await;
    watched.catch_up().await;

    watched.holds_what_a_fresh_relay_reads().await;
    watched.approved_only_on(&away);
    let stats = watched.relay_stats();
    assert!(stats.connection_losses >= 1 && stats.reconnects >= 1, "{stats:?}");
    watched.trades_on(ROUNDS_AFTER).await;
    watched.books_equal_the_chain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorg_of_five_blocks_takes_state_trades_and_books_back() {
    let testnet = start_chain(DevNodeConfig::default(), SEED).await;
    let endpoint = testnet.node.ws_url();
    let mut watched = Watched::start(testnet, &endpoint, SEED).await;
    watched.rounds(WARM_UP_ROUNDS).await;
    let included_before = watched.totals().await.included;
    assert!(included_before > 0, "there must be something to take back");

    watched.reorg(REORG_DEPTH).await;
    watched.catch_up().await;

    watched.holds_what_a_fresh_relay_reads().await;
    let head = watched.head();
    watched.approved_only_on(&[head]);
    let stats = watched.relay_stats();
    assert!(stats.reorgs >= 1 && stats.reorg_depth_max_seen >= REORG_DEPTH, "{stats:?}");
    assert!(watched.totals().await.reorgs >= 1);
    watched.trades_on(ROUNDS_AFTER).await;
    watched.books_equal_the_chain().await;
}
