//! What survives a restart.

use super::*;

/// What an earlier run left in its journal: one trade in flight, and `lost` wei of the day.
fn restored(lost: u64, now: UnixNanos) -> Bench {
    let mut bench = Bench::new(Limits { loss_day_max: Wei(5000), ..wide_limits() });
    let fees = (FeePerGas(10), FeePerGas(2));
    let submission = |nonce| Submission::new(OpportunityId(nonce), nonce, [0; 32], fees, Gas(200), BlockNumber(HEAD));
    bench.risk.restore(&Message::from(&Clock::new(NOW)));
    bench.risk.restore(&Message::from(&NonceLease::new([0; 20], 4, 16)));
    bench.risk.restore(&Message::from(&submission(4)));
    bench.risk.restore(&Message::from(&submission(5)));
    bench.risk.restore(&Message::from(&outcome(4, 4, OutcomeStatus::Reverted, lost / 10, 0)));
    bench.now = now;
    bench.head_received = now;
    bench.replica = replica_at(now);
    bench.risk.restored(now);
    bench
}

#[test]
fn a_restart_keeps_the_day_s_loss_and_what_is_in_flight() {
    let bench = restored(1000, NOW);
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (-1000, 1));
    // 1000 lost, 2000 in flight, 2000 for the trade: exactly the limit.
    assert_eq!(bench.check(&trade()), Ok(()));
    assert_eq!(restored(1010, NOW).check(&trade()), Err(Reject::LossDayAtLimit));
}

#[test]
fn a_restart_on_the_same_day_does_not_clear_a_loss_halt_and_one_on_another_day_does() {
    assert_eq!(restored(5000, NOW).check(&trade()), Err(Reject::Halted));
    let next_day = restored(5000, UnixNanos(NOW.0 + DAY_NS));
    assert_eq!(next_day.risk.halted(), None);
    assert_eq!(next_day.check(&trade()), Ok(()));
}

#[test]
fn a_restored_transaction_is_decided_by_its_nonce_not_by_its_old_number() {
    let mut bench = restored(1000, NOW);
    // Numbers of opportunities begin anew with each run.
    bench.approve(trade_on(5, [0, 1]), None).expect("not a duplicate");
    bench.sign(5, 6);
    bench.settle(&outcome(5, 5, OutcomeStatus::Replaced, 0, 0));
    assert_eq!(bench.check(&trade_on(6, [1, 2])), Err(Reject::PoolInFlight), "the new trade is still in flight");
    assert_eq!(bench.risk.in_flight(), 1);
}
