//! What is in flight, and how the chain decides it.

use super::*;

#[test]
fn trades_in_flight_have_a_limit() {
    let mut bench = Bench::new(wide_limits());
    for (id, pools) in [(1, [0, 1]), (2, [2, 3])] {
        assert_eq!(bench.approve(trade_on(id, pools), None), Ok(id));
    }
    assert_eq!(bench.check(&trade_on(3, [4, 5])), Ok(()), "one before the limit");
    bench.risk.limits.in_flight_max = 2;
    assert_eq!(bench.check(&trade_on(3, [4, 5])), Err(Reject::InFlightAtLimit));
    assert_eq!(bench.risk.notional_in_flight(&WETH.into()), U256::from(2000));
    assert!(bench.risk.on_abandoned(OpportunityId(1)));
    assert_eq!(bench.check(&trade_on(3, [4, 5])), Ok(()));
}

#[test]
fn a_pool_in_flight_is_not_used_twice() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade_on(1, [0, 1]), None).expect("approved");
    for pools in [[1, 2], [2, 0], [1, 0]] {
        assert_eq!(bench.check(&trade_on(2, pools)), Err(Reject::PoolInFlight), "{pools:?}");
    }
    assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()));
}

#[test]
fn an_opportunity_is_approved_once() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade_on(1, [0, 1]), None).expect("approved");
    assert_eq!(bench.check(&trade_on(1, [2, 3])), Err(Reject::Duplicate), "in flight");
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 1, GAIN));
    assert_eq!(bench.check(&trade_on(1, [2, 3])), Err(Reject::Duplicate), "included");
}

#[test]
fn everything_in_flight_counts_as_lost() {
    let mut bench = Bench::new(Limits { loss_day_max: Wei(2 * COST_MAX), ..wide_limits() });
    bench.approve(trade_on(1, [0, 1]), None).expect("one worst case");
    assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()), "two are exactly the limit");
    bench.risk.limits.loss_day_max.0 -= 1;
    assert_eq!(bench.check(&trade_on(2, [2, 3])), Err(Reject::LossDayAtLimit));
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 0, 1));
    assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()), "a gain makes room");
}

#[test]
fn unclear_submissions_have_a_limit_and_only_the_chain_or_an_acceptance_clears_them() {
    for status in [SubmittedStatus::Unknown, SubmittedStatus::Refused] {
        let mut bench = Bench::new(Limits { unknown_max: 1, ..wide_limits() });
        bench.approve(trade_on(1, [0, 1]), None).expect("approved");
        bench.sign(1, 5);
        assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()));
        bench.risk.on_submitted(&Submitted::new(OpportunityId(1), 5, status));
        assert_eq!(bench.check(&trade_on(2, [2, 3])), Err(Reject::UnknownOutcomes), "{status:?}");
        bench.risk.limits.unknown_max = 2;
        assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()), "one before the limit");
        bench.risk.limits.unknown_max = 1;
        bench.risk.on_submitted(&Submitted::new(OpportunityId(1), 5, SubmittedStatus::Accepted));
        assert_eq!(bench.check(&trade_on(2, [2, 3])), Ok(()));
    }
}

#[test]
fn a_signed_trade_is_released_by_the_chain_only() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.sign(1, 5);
    assert!(!bench.risk.on_abandoned(OpportunityId(1)));
    bench.settle(&outcome(1, 5, OutcomeStatus::Abandoned, 0, 0));
    assert_eq!(bench.risk.in_flight(), 1);
    assert_eq!(bench.settle(&outcome(1, 5, OutcomeStatus::Replaced, 21, 7)).pnl, -210, "what took its place was ours");
    assert_eq!(bench.risk.in_flight(), 0);
}

#[test]
fn included_and_reverted_trades_are_booked_with_their_gas() {
    let mut bench = Bench::new(wide_limits());
    for (id, pools) in [(1, [0, 1]), (2, [2, 3])] {
        bench.approve(trade_on(id, pools), None).expect("approved");
        bench.sign(id, id);
    }
    assert_eq!(bench.settle(&outcome(1, 1, OutcomeStatus::Included, 90, 1000)).pnl, 1000 - 900);
    // A reverted transaction gains nothing, whatever its record says.
    assert_eq!(bench.settle(&outcome(2, 2, OutcomeStatus::Reverted, 90, 1000)).pnl, -900);
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (100 - 900, 0));
}

#[test]
fn a_repeated_word_of_the_chain_is_booked_once() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    let included = outcome(1, 5, OutcomeStatus::Included, 90, 1000);
    bench.settle(&included);
    assert_eq!(bench.settle(&included), Settled::default());
    assert_eq!(bench.risk.day_pnl(NOW), 100);
}

#[test]
fn a_reorg_takes_the_booking_back_and_opens_the_trade_again() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.sign(1, 5);
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 90, 1000));
    // The next day: the booking is taken back on its own day.
    bench.now = UnixNanos(NOW.0 + DAY_NS);
    assert_eq!(bench.settle(&outcome(1, 5, OutcomeStatus::Reorged, 0, 0)).pnl, -100);
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (0, 1));
    bench.now = NOW;
    assert_eq!(bench.check(&trade_on(2, [1, 2])), Err(Reject::PoolInFlight));
    bench.settle(&outcome(1, 5, OutcomeStatus::Reverted, 90, 0));
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (-900, 0));
}

#[test]
fn a_reorg_of_the_market_opens_the_trade_before_its_outcome_says_so_and_books_nothing_twice() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.sign(1, 5);
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 90, 1000));
    bench.risk.on_reorg(BlockNumber(HEAD + 1));
    assert_eq!(bench.risk.day_pnl(NOW), 100, "its block is still there");
    bench.risk.on_reorg(BlockNumber(HEAD));
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (0, 1));
    assert_eq!(bench.check(&trade_on(2, [1, 2])), Err(Reject::PoolInFlight));
    assert_eq!(bench.settle(&outcome(1, 5, OutcomeStatus::Reorged, 0, 0)), Settled::default());
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (0, 1));
}

#[test]
fn another_sighting_without_a_reorg_replaces_the_first() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 90, 1000));
    assert_eq!(bench.settle(&outcome(1, 5, OutcomeStatus::Reverted, 90, 0)).pnl, -100 - 900);
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (-900, 0));
}

#[test]
fn what_is_final_is_not_taken_back() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.settle(&outcome(1, 5, OutcomeStatus::Included, 90, 1000));
    bench.settle(&outcome(1, 5, OutcomeStatus::Final, 90, 1000));
    assert_eq!(bench.settle(&outcome(1, 5, OutcomeStatus::Reorged, 0, 0)), Settled::default());
    assert_eq!(bench.risk.day_pnl(NOW), 100);
}

#[test]
fn a_cancellation_decides_the_trade_whose_nonce_it_took() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.sign(1, 5);
    assert_eq!(bench.settle(&outcome(0, 5, OutcomeStatus::Included, 21, 0)).pnl, -210);
    assert_eq!(bench.risk.in_flight(), 0);
    bench.settle(&outcome(0, 5, OutcomeStatus::Reorged, 0, 0));
    assert_eq!((bench.risk.day_pnl(NOW), bench.risk.in_flight()), (0, 1), "both may happen again");
}

#[test]
fn a_day_s_loss_at_its_limit_halts_for_good() {
    let lose = |gas: u64| {
        let mut bench = Bench::new(Limits { loss_day_max: Wei(5000), ..wide_limits() });
        bench.approve(trade(), None).expect("approved");
        let settled = bench.settle(&outcome(1, 5, OutcomeStatus::Reverted, gas, 0));
        (bench, settled.halted)
    };
    assert_eq!(lose(499).1, None);
    let (mut bench, halted) = lose(500);
    assert_eq!(halted, Some(Reject::LossDayAtLimit));
    bench.now = UnixNanos(NOW.0 + DAY_NS);
    bench.head_received = bench.now;
    assert_eq!(bench.check(&trade_on(2, [2, 3])), Err(Reject::Halted), "midnight does not clear it");
}

#[test]
fn figures_past_128_bits_halt() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    let mut absurd = outcome(1, 5, OutcomeStatus::Included, 1, 1);
    absurd.gain = U256::MAX.into();
    assert_eq!(bench.settle(&absurd).halted, Some(Reject::Overflow));
}

#[test]
fn a_new_day_starts_at_zero_and_an_earlier_clock_does_not_reopen_the_old_one() {
    let mut bench = Bench::new(wide_limits());
    bench.approve(trade(), None).expect("approved");
    bench.settle(&outcome(1, 5, OutcomeStatus::Reverted, 90, 0));
    let midnight = (NOW.0 / DAY_NS + 1) * DAY_NS;
    assert_eq!(bench.risk.day_pnl(UnixNanos(midnight - 1)), -900);
    assert_eq!(bench.risk.day_pnl(UnixNanos(midnight)), 0);
    bench.now = UnixNanos(midnight);
    bench.settle(&outcome(0, 6, OutcomeStatus::Reverted, 1, 0));
    assert_eq!(bench.risk.day_pnl(UnixNanos(midnight - 1)), -10, "the clock went back, the day did not");
}

#[test]
fn a_cancellation_is_reserved_at_its_own_worst_case() {
    let loss_day_max = Wei(3 * COST_MAX);
    let second = |bench: &mut Bench| bench.approve(trade_on(2, [2, 3]), None).map(drop);
    for (fee_max, expected) in [(20, Ok(())), (21, Err(Reject::LossDayAtLimit))] {
        let mut bench = Bench::new(Limits { loss_day_max, ..wide_limits() });
        bench.approve(trade(), None).expect("within limits");
        bench.sign(1, 5);
        bench.sign_at(0, 5, fee_max);
        assert_eq!(second(&mut bench), expected, "two at {fee_max} and one more");
    }
}
