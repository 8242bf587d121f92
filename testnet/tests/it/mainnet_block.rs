//! A real block of Ethereum under the engine's eyes, held against what the chain became.

use alphapulse_testnet::mainnet_block::{KNOWN_ARBITRAGE, MainnetBlockError, RecordedBlock, compare, replay};

use crate::kit::kit;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_follows_a_mainnet_block_and_finds_the_arbitrage_that_was_taken() {
    let block = match RecordedBlock::load(KNOWN_ARBITRAGE.block) {
        Ok(block) => block,
        Err(absent @ MainnetBlockError::DataAbsent { .. }) => {
            eprintln!("ignored: {absent}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut markets = Vec::new();
    let report = replay(&kit(), &block, None, &mut |step| markets.push(step.market.clone())).await;
    let report = report.expect("the block executes as recorded");

    // Every pair and pool that logged a change in the recorded receipts.
    let pairs = report.pools.iter().filter(|pool| pool.known_ticks.is_none()).count();
    assert_eq!((pairs, report.pools.len() - pairs), (11, 12));
    assert_eq!((report.transactions, markets.len()), (30, 30));
    assert_eq!(report.differences, Vec::<String>::new());
    // The comparison can fail: after the first transaction alone, all that came later differs.
    let first = compare(&block, &report.pools, &markets[0]);
    assert!(first.len() > 20, "{first:?}");

    let known = report.known.expect("the route was open before its transaction");
    eprintln!("{} opportunities; the known arbitrage with {} wei", report.opportunities, known.profit());
    assert!(known.profit() >= KNOWN_ARBITRAGE.gain, "{} is less than was really taken", known.profit());
}
