use super::*;

fn block(number: u64, fork: u8) -> BlockRef {
    BlockRef { number: BlockNumber(number), hash: [fork; 32] }
}

fn sent(nonce: u64, hash: u8) -> Sent {
    Sent {
        opportunity: OpportunityId(nonce + 1),
        nonce,
        tx_hash: [hash; 32],
        raw: vec![hash],
        block_max: BlockNumber(12),
    }
}

fn receipt(hash: u8, block: BlockRef, is_success: bool) -> Receipt {
    let tx_hash = [hash; 32];
    Receipt { tx_hash, block, is_success, gas_used: Gas(9), gas_price: FeePerGas(2), gain: U256::from(5) }
}

fn statuses(outcomes: &[Outcome]) -> Vec<OutcomeStatus> {
    outcomes.iter().filter_map(|outcome| OutcomeStatus::from_wire(outcome.status.get())).collect()
}

#[test]
fn a_receipt_in_a_foreign_block_is_no_evidence() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(0, 1));
    tracker.on_block(block(10, 1));
    assert!(tracker.on_receipts(&[receipt(1, block(10, 2), true)]).is_empty());
    assert!(tracker.on_receipts(&[receipt(1, block(11, 1), true)]).is_empty(), "ahead of our head");
    assert_eq!(statuses(&tracker.on_receipts(&[receipt(1, block(10, 1), true)])), [OutcomeStatus::Included]);
    assert_eq!(tracker.open_count(), 0);
}

#[test]
fn a_reorg_opens_the_fate_again_and_asks_to_send_again() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(0, 1));
    tracker.on_block(block(10, 1));
    tracker.on_block(block(11, 1));
    tracker.on_receipts(&[receipt(1, block(11, 1), false)]);
    let (outcomes, again) = tracker.on_reorg(block(10, 1));
    assert_eq!(statuses(&outcomes), [OutcomeStatus::Reorged]);
    assert_eq!(again, [sent(0, 1)]);
    tracker.on_block(block(11, 3));
    assert_eq!(statuses(&tracker.on_receipts(&[receipt(1, block(11, 3), true)])), [OutcomeStatus::Included]);
}

#[test]
fn an_expired_trade_is_named_once_and_closed_by_its_cancellation() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(4, 1));
    assert!(tracker.expired(BlockNumber(12)).is_empty(), "the last block of its window");
    assert_eq!(tracker.expired(BlockNumber(13)), [(OpportunityId(5), 4)]);
    tracker.watch(Sent { opportunity: OpportunityId(0), ..sent(4, 2) });
    assert!(tracker.expired(BlockNumber(13)).is_empty());
    tracker.on_block(block(14, 1));
    let outcomes = tracker.on_receipts(&[receipt(2, block(14, 1), true)]);
    assert_eq!(statuses(&outcomes), [OutcomeStatus::Replaced]);
    assert_eq!(outcomes[0].opportunity.get(), 5, "the trade it replaced");
}

#[test]
fn the_original_may_still_win_over_its_cancellation() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(4, 1));
    tracker.watch(Sent { opportunity: OpportunityId(0), ..sent(4, 2) });
    tracker.on_block(block(12, 1));
    let outcomes = tracker.on_receipts(&[receipt(1, block(12, 1), true)]);
    assert_eq!(statuses(&outcomes), [OutcomeStatus::Included]);
}

#[test]
fn a_fate_is_final_when_the_reorg_limit_lies_above_it() {
    let mut tracker = Tracker::new(3);
    tracker.watch(sent(0, 1));
    tracker.on_block(block(10, 1));
    tracker.on_receipts(&[receipt(1, block(10, 1), true)]);
    assert!(tracker.finalise(BlockNumber(12)).is_empty());
    assert_eq!(statuses(&tracker.finalise(BlockNumber(13))), [OutcomeStatus::Final]);
    assert!(tracker.finalise(BlockNumber(13)).is_empty(), "once");
}

fn cancellation(nonce: u64, hash: u8) -> Sent {
    Sent { opportunity: OpportunityId(0), block_max: BlockNumber(u64::MAX), ..sent(nonce, hash) }
}

#[test]
fn a_nonce_that_stays_open_is_freed_anew_and_any_of_its_cancellations_closes_it() {
    for mined in [2, 3] {
        let mut tracker = Tracker::new(64);
        tracker.watch(sent(4, 1));
        assert_eq!(tracker.expired(BlockNumber(13)).len(), 1);
        tracker.watch(cancellation(4, 2));
        assert!(tracker.expired(BlockNumber(13 + CANCEL_BLOCKS_VALID)).is_empty(), "its fees still hold");
        assert_eq!(tracker.expired(BlockNumber(14 + CANCEL_BLOCKS_VALID)), [(OpportunityId(5), 4)]);
        tracker.watch(cancellation(4, 3));
        assert_eq!(tracker.queries(), [[1; 32], [2; 32], [3; 32]]);
        tracker.on_block(block(23, 1));
        let outcomes = tracker.on_receipts(&[receipt(mined, block(23, 1), true)]);
        assert_eq!(statuses(&outcomes), [OutcomeStatus::Replaced], "cancellation {mined}");
        assert_eq!(tracker.open_count(), 0);
    }
}

#[test]
fn an_expired_trade_is_not_named_again_while_its_cancellation_is_on_its_way_here() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(4, 1));
    assert_eq!(tracker.expired(BlockNumber(13)).len(), 1);
    assert!(tracker.expired(BlockNumber(14)).is_empty());
}

#[test]
fn a_cancellation_of_what_was_mined_meanwhile_opens_nothing() {
    let mut tracker = Tracker::new(3);
    tracker.watch(sent(4, 1));
    tracker.on_block(block(12, 1));
    tracker.on_receipts(&[receipt(1, block(12, 1), false)]);
    tracker.watch(cancellation(4, 2));
    assert_eq!(tracker.open_count(), 0);
    let (_, again) = tracker.on_reorg(block(11, 1));
    assert_eq!(again, [sent(4, 1), cancellation(4, 2)], "after a reorg it counts");
    tracker.on_block(block(12, 2));
    tracker.on_receipts(&[receipt(2, block(12, 2), true)]);
    assert_eq!(tracker.finalise(BlockNumber(15)).len(), 1);
    tracker.watch(cancellation(4, 3));
    assert_eq!(tracker.open_count(), 0, "beyond reorgs it has no effect");
}

#[test]
fn what_was_mined_before_the_market_was_read_anew_is_in_doubt_until_the_node_confirms_it() {
    let mut tracker = Tracker::new(3);
    for (nonce, hash) in [(0, 1), (1, 2), (2, 3)] {
        tracker.watch(sent(nonce, hash));
    }
    tracker.on_block(block(10, 1));
    tracker.on_receipts(&[1, 2, 3].map(|hash| receipt(hash, block(10, 1), true)));
    assert!(tracker.doubtful().is_empty());
    tracker.on_reset(block(30, 2));
    assert_eq!(tracker.doubtful(), [[1; 32], [2; 32], [3; 32]]);
    assert!(tracker.finalise(BlockNumber(30)).is_empty(), "nothing in doubt is final");
    assert!(tracker.confirm([1; 32], Some(block(10, 1))).is_none(), "where it was");
    for (hash, found) in [(2, None), (3, Some(block(10, 9)))] {
        let (outcome, again) = tracker.confirm([hash; 32], found).expect("not where it was");
        assert_eq!(statuses(&[outcome]), [OutcomeStatus::Reorged]);
        assert_eq!(again.len(), 1);
    }
    assert_eq!((tracker.open_count(), tracker.finalise(BlockNumber(30)).len()), (2, 1));
    let outcomes = tracker.on_receipts(&[receipt(3, block(10, 9), true)]);
    assert_eq!(statuses(&outcomes), [OutcomeStatus::Included], "decided anew by its new block");
}

#[test]
fn a_used_nonce_without_a_receipt_of_ours_is_someone_elses_after_some_blocks() {
    let mut tracker = Tracker::new(64);
    tracker.watch(sent(4, 1));
    tracker.watch(sent(5, 2));
    let unplaced = [receipt(1, block(99, 1), true)];
    for _ in 0..10 {
        assert_eq!(tracker.taken_by_another(4, &[]), None, "the chain has not used it");
        assert_eq!(tracker.taken_by_another(5, &unplaced), None, "ours, in a block that we have not seen yet");
    }
    assert_eq!(tracker.taken_by_another(5, &[]), None);
    assert_eq!(tracker.taken_by_another(5, &unplaced), None, "the count starts anew");
    for _ in 1..UNSEEN_BLOCKS_MAX {
        assert_eq!(tracker.taken_by_another(5, &[]), None);
    }
    assert_eq!(tracker.taken_by_another(5, &[]), Some(4));
}
