use super::*;
use alloy::primitives::B256;
use alphapulse_protocol::message::{BlockContext, SnapshotBegin, SnapshotEnd};
use alphapulse_protocol::{Epoch, FeePerGas, Gas, U256};
use alphapulse_relay::journal::JournalWriter;

const BLOCK: BlockRef = BlockRef { number: BlockNumber(2), hash: [2; 32] };

const US: Identity = Identity { chain_id: ChainId(1), genesis: [7; 32], account: Address::repeat_byte(8) };

fn write_run(run: &Path, is_live: bool, write: impl FnOnce(&mut JournalWriter)) {
    Manifest::new(1, is_live, String::new(), String::new()).create(run).expect("new folder");
    let mut journal = JournalWriter::create(run.join(JOURNAL_FOLDER), ChainId(1), Epoch(1)).expect("new journal");
    write(&mut journal);
    journal.sync().expect("writable");
}

fn submission(nonce: u64, hash: u8) -> Submission {
    let fees = (FeePerGas(3), FeePerGas(1));
    Submission::new(OpportunityId(nonce + 1), nonce, [hash; 32], fees, Gas(1), BlockNumber(50))
}

fn outcome(nonce: u64, hash: u8, status: OutcomeStatus) -> Outcome {
    let outcome = Outcome::new(OpportunityId(nonce + 1), nonce, [hash; 32], status, BLOCK);
    outcome.with_receipt(Gas(1), FeePerGas(1), U256::ONE)
}

fn receipt(hash: u8, is_success: bool) -> Receipt {
    let (gas_used, gas_price, gain) = (Gas(9), FeePerGas(2), U256::from(5));
    Receipt { tx_hash: [hash; 32], block: BLOCK, is_success, gas_used, gas_price, gain }
}

fn begin() -> SnapshotBegin {
    let context = BlockContext {
        number: 1.into(),
        hash: [1; 32],
        parent_hash: [0; 32],
        timestamp: 1.into(),
        base_fee: 1.into(),
        gas_used: 0.into(),
        gas_limit: 1.into(),
    };
    SnapshotBegin::new(context, ChainId(1), Epoch(1), 0, 0)
}

/// What one live run left, whose records these are.
fn left_by(write: impl FnOnce(&mut JournalWriter)) -> Earlier {
    let folder = tempfile::tempdir().expect("temporary folder");
    write_run(&folder.path().join("1"), true, |journal| {
        journal.append(&begin()).expect("writable");
        journal.append(&SnapshotEnd::new(0)).expect("writable");
        journal.append(&Clock::new(UnixNanos(7))).expect("writable");
        write(journal);
    });
    Earlier::read(&folder.path().join("2"), None, &US).expect("the run is whole")
}

fn open_nonces(earlier: &Earlier) -> Vec<u64> {
    earlier.signed.iter().filter(|signed| signed.outcome.is_none()).map(|signed| signed.trade.nonce.get()).collect()
}

#[test]
fn earlier_live_runs_give_what_they_signed_themselves_and_what_became_of_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write_run(&folder.path().join("1"), true, |journal| {
        journal.append(&submission(7, 9)).expect("head of the run: of a run before it");
        journal.append(&begin()).expect("writable");
        journal.append(&SnapshotEnd::new(0)).expect("writable");
        journal.append(&Clock::new(UnixNanos(2))).expect("writable");
        journal.append(&submission(8, 8)).expect("writable");
        journal.append(&submission(9, 9)).expect("writable");
        journal.append(&outcome(8, 8, OutcomeStatus::Included)).expect("writable");
    });
    write_run(&folder.path().join("2"), false, |journal| {
        journal.append(&begin()).expect("writable");
        journal.append(&submission(30, 9)).expect("a paper run never sends; this one claims to");
    });
    Manifest::new(1, true, String::new(), String::new()).create(&folder.path().join("3")).expect("no journal");
    let earlier = Earlier::read(&folder.path().join("4"), None, &US).expect("both runs are whole");
    assert_eq!(open_nonces(&earlier), [9]);
    assert_eq!(earlier.records(UnixNanos(3)).len(), 5, "a clock and a submission each, one outcome");
}

#[test]
fn runs_of_another_chain_or_account_are_not_ours_and_those_that_do_not_say_are() {
    let stranger = |genesis: Option<u8>, account: Option<u8>| {
        let folder = tempfile::tempdir().expect("temporary folder");
        let run = folder.path().join("1");
        let mut manifest = Manifest::new(1, true, String::new(), String::new());
        manifest.genesis = genesis.map(B256::repeat_byte);
        manifest.account = account.map(Address::repeat_byte);
        manifest.create(&run).expect("new folder");
        let mut journal = JournalWriter::create(run.join(JOURNAL_FOLDER), ChainId(1), Epoch(1)).expect("new journal");
        journal.append(&NonceLease::new([8; 20], 4, 16)).expect("writable");
        journal.append(&begin()).expect("writable");
        journal.append(&submission(4, 1)).expect("writable");
        journal.sync().expect("writable");
        let earlier = Earlier::read(&folder.path().join("2"), None, &US).expect("the run is whole");
        (earlier.signed.len(), earlier.leases().len())
    };
    assert_eq!(stranger(Some(7), Some(8)), (1, 1));
    assert_eq!(stranger(None, None), (1, 1));
    assert_eq!(stranger(Some(6), Some(8)), (0, 0), "another chain with the same id");
    assert_eq!(stranger(Some(7), Some(9)), (0, 0), "another account");
}

#[test]
fn without_earlier_runs_there_is_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let earlier = Earlier::read(&folder.path().join("runs").join("1"), None, &US).expect("nothing to read");
    assert!(earlier.signed.is_empty());
}

#[test]
fn what_a_reorg_took_back_is_open_and_what_came_after_it_counts_once() {
    let earlier = left_by(|journal| {
        for nonce in [0, 1] {
            journal.append(&submission(nonce, 9)).expect("writable");
            journal.append(&outcome(nonce, 9, OutcomeStatus::Included)).expect("writable");
            journal.append(&outcome(nonce, 9, OutcomeStatus::Reorged)).expect("writable");
        }
        journal.append(&outcome(1, 9, OutcomeStatus::Included)).expect("writable");
    });
    assert_eq!(open_nonces(&earlier), [0]);
    let outcomes = earlier.records(UnixNanos(7)).into_iter();
    let outcomes = outcomes.filter(|record| matches!(Message::decode(record), Ok(Message::Outcome(_)))).count();
    assert_eq!(outcomes, 1);
}

#[test]
fn a_trade_and_its_cancellation_are_one_nonce_with_one_outcome() {
    let earlier = left_by(|journal| {
        journal.append(&submission(4, 1)).expect("writable");
        let fees = (FeePerGas(4), FeePerGas(2));
        let cancellation = Submission::new(OpportunityId(0), 4, [2; 32], fees, Gas(1), BlockNumber(u64::MAX));
        journal.append(&cancellation).expect("writable");
    });
    let [signed] = &earlier.signed[..] else { panic!("one nonce, not {}", earlier.signed.len()) };
    assert_eq!(signed.tx_hashes, [[1; 32], [2; 32]]);
    let status = |receipt: &Receipt| {
        let outcome = signed.decide(Some(receipt), 5, BlockNumber(9)).expect("mined");
        assert_eq!((outcome.opportunity.get(), outcome.gas_cost()), (5, Some(alphapulse_protocol::Wei(18))));
        OutcomeStatus::from_wire(outcome.status.get())
    };
    assert_eq!(status(&receipt(1, true)), Some(OutcomeStatus::Included));
    assert_eq!(status(&receipt(1, false)), Some(OutcomeStatus::Reverted));
    assert_eq!(status(&receipt(2, true)), Some(OutcomeStatus::Replaced));
}

#[test]
fn a_trade_that_may_still_be_included_forbids_the_start_until_it_cannot() {
    let earlier = left_by(|journal| journal.append(&submission(4, 1)).expect("writable"));
    let decide = |next_nonce, head| earlier.signed[0].decide(None, next_nonce, BlockNumber(head));
    assert!(matches!(decide(4, 50), Err(NodeError::NotYet(reason)) if reason.contains("after that block")));
    assert!(decide(4, 51).is_ok(), "its blocks are over");
    let used = decide(5, 50).expect("its nonce is used");
    assert_eq!(used.gas_cost(), Some(alphapulse_protocol::Wei(3)), "at the dearest, for want of a receipt");
    assert_eq!(decide(4, 51).expect("its blocks are over").gas_cost(), Some(alphapulse_protocol::Wei(0)));
}

#[test]
fn what_was_decided_days_ago_is_left_out() {
    let decided = || {
        left_by(|journal| {
            journal.append(&submission(4, 1)).expect("writable");
            journal.append(&outcome(4, 1, OutcomeStatus::Included)).expect("writable");
        })
    };
    assert_eq!(decided().records(UnixNanos(7 + KEPT_NS)).len(), 3);
    assert!(decided().records(UnixNanos(8 + KEPT_NS)).is_empty());
}

#[test]
fn runs_in_the_journal_folder_count_wherever_the_new_one_is_put() {
    let (folder, elsewhere) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    write_run(&folder.path().join("1"), true, |journal| {
        journal.append(&begin()).expect("writable");
        journal.append(&submission(4, 1)).expect("writable");
    });
    let new = elsewhere.path().join("new");
    let read = |journal_dir| Earlier::read(&new, journal_dir, &US).expect("readable").signed.len();
    assert_eq!(read(None), 0);
    assert_eq!(read(Some(folder.path())), 1);
    assert_eq!(runs_of(Path::new("a-bare-name"), None).expect("the present folder is readable").len(), 0);
    let beside = runs_of(&folder.path().join("2"), Some(folder.path())).expect("readable");
    assert_eq!(beside.len(), 1, "once, though it is in both");
}
