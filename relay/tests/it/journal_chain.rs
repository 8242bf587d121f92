//! A journal is gone on with on its own chain only: an id does not say which one that is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use alphapulse_protocol::BlockNumber;
use alphapulse_relay::{JournalError, Parting, Relay, RelayConfig, RelayError};

use super::fake_chain::{FakeChain, Faults};
use super::subscriber::{REORG_DEPTH_MAX, Subscriber, config};

async fn start(dir: &Path, chain: &FakeChain) -> Result<Relay, RelayError> {
    Relay::start_from(RelayConfig { journal_dir: Some(dir.to_owned()), ..config() }, chain.clone()).await
}

/// Records this many blocks, from the head on.
async fn record(dir: &Path, chain: &FakeChain, blocks: usize) {
    let relay = start(dir, chain).await.unwrap();
    let mut mirror = Subscriber::join(&relay);
    for _ in 0..blocks {
        chain.announce(chain.mine(&[]));
        mirror.settle(chain).await;
    }
    relay.stop().await.unwrap();
}

fn mine(chain: &FakeChain, blocks: usize) {
    for _ in 0..blocks {
        chain.mine(&[]);
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Starts in vain, and gives why. Nothing is written to the folder.
async fn refusal(dir: &Path, chain: &FakeChain) -> JournalError {
    let before = files(dir);
    let refused = start(dir, chain).await;
    assert_eq!(files(dir), before);
    match refused {
        Err(RelayError::Journal(error)) => error,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_chain_that_was_begun_anew_is_another_one_whatever_its_height() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    record(dir.path(), &chain, 3).await;
    let last = chain.head();
    chain.restart();
    // As high as the journal or higher, and lower, with a block of the same number.
    for blocks in [0, 3, 40] {
        mine(&chain, blocks);
        let error = refusal(dir.path(), &chain).await;
        let JournalError::OtherChain { parting, .. } = error else { panic!("{error}") };
        let Parting { block, ours, theirs, .. } = *parting;
        assert_eq!(block.0, last.number.get().min(chain.head().number.get()));
        assert!(ours != theirs);
        let there = chain.below(usize::try_from(chain.head().number.get() - block.0).unwrap());
        assert_eq!((there.number.get(), there.hash), (block.0, theirs.0));
    }
}

#[tokio::test]
async fn a_node_that_has_none_of_the_last_blocks_is_not_believed_yet() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let first = chain.head().number.get();
    record(dir.path(), &chain, 2 * REORG_DEPTH_MAX).await;
    let last = chain.head().number.get();
    chain.restart();
    let error = refusal(dir.path(), &chain).await;
    let JournalError::Ahead { last: told, head, .. } = error else { panic!("{error}") };
    assert_eq!((told, head), (BlockNumber(last), BlockNumber(first)));
}

#[tokio::test]
async fn a_node_that_fails_for_the_newest_block_is_asked_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    record(dir.path(), &chain, 4).await;
    chain.set_faults(Faults { refuse_numbers: 1, ..Faults::default() });
    start(dir.path(), &chain).await.unwrap().stop().await.unwrap();
    chain.set_faults(Faults { refuse_numbers: 99, ..Faults::default() });
    let refused = start(dir.path(), &chain).await;
    assert!(matches!(refused, Err(RelayError::Node { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_node_that_keeps_no_old_headers_is_told_from_one_that_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    record(dir.path(), &chain, 2 * REORG_DEPTH_MAX).await;
    let last = chain.head().number.get();
    mine(&chain, 5);
    chain.set_faults(Faults { unserved_numbers: 99, ..Faults::default() });
    let error = refusal(dir.path(), &chain).await;
    let JournalError::NotServed { lowest, highest: told, .. } = error else { panic!("{error}") };
    assert_eq!((last - lowest.0, told), (REORG_DEPTH_MAX as u64, BlockNumber(last)));
}

#[tokio::test]
async fn a_reorg_while_it_was_stopped_is_no_other_chain_unless_it_is_too_deep() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    for depth in [1, 3, REORG_DEPTH_MAX] {
        record(dir.path(), &chain, 2 * REORG_DEPTH_MAX).await;
        chain.rollback(depth);
        mine(&chain, depth + 1);
    }
    record(dir.path(), &chain, 2 * REORG_DEPTH_MAX).await;
    // It may be short of some blocks, as a node that was restarted is.
    chain.rollback(2);
    record(dir.path(), &chain, 2 * REORG_DEPTH_MAX).await;
    chain.rollback(REORG_DEPTH_MAX + 1);
    mine(&chain, REORG_DEPTH_MAX + 2);
    assert!(matches!(refusal(dir.path(), &chain).await, JournalError::OtherChain { .. }));
}

#[tokio::test]
async fn a_journal_that_was_just_begun_or_goes_on_behind_a_hole_knows_its_chain_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    mine(&chain, 1);
    // It holds one state; of the block before it knows the hash.
    record(dir.path(), &chain, 0).await;
    chain.rollback(1);
    mine(&chain, 1);
    record(dir.path(), &chain, 3).await;
    mine(&chain, 5 * REORG_DEPTH_MAX);
    record(dir.path(), &chain, 0).await;
    chain.rollback(4);
    mine(&chain, 5);
    record(dir.path(), &chain, 1).await;
}

#[tokio::test]
async fn a_journal_that_another_relay_writes_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    let relay = start(dir.path(), &chain).await.unwrap();
    assert!(matches!(refusal(dir.path(), &chain).await, JournalError::Locked(_)));
    relay.stop().await.unwrap();
    record(dir.path(), &chain, 1).await;
}
