//! What is said while the nodes of a race are met for the first time, and once they were.

use std::time::{Duration, Instant};

use tracing::Level;

use super::log::Log;
use super::race_nodes;

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_healthy_start_is_no_error_and_a_node_that_goes_later_is_one() {
    let (log, _logging) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let relay = race_nodes::two(folder.path()).await;
    let start = Instant::now();
    while !relay.safety().unwrap().borrow().is_safe {
        assert!(start.elapsed() < DEADLINE, "the nodes do not agree: {:?}", relay.sources());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((log.at(Level::ERROR), log.at(Level::WARN)), (Vec::new(), Vec::new()));
    assert!(log.at(Level::INFO).iter().any(|line| line.contains("the nodes agree")), "{}", log.text());
    assert_eq!(relay.stats().unsafe_spells, 0);

    let name = relay.sources()[1].name.clone();
    relay.remove_node(&name).await.unwrap();
    let errors = log.at(Level::ERROR);
    assert!(errors.iter().any(|line| line.contains("not safe to trade on")), "{}", log.text());
    assert_eq!(relay.stats().unsafe_spells, 1);
    relay.stop().await.unwrap();
}
