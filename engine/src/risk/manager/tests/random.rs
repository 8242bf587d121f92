//! Random sequences of events against a model.

use proptest::prelude::*;

use super::*;

/// One step of a random run.
#[derive(Debug, Clone)]
enum Step {
    Approve { pools: [u32; 2], gas_limit: u64 },
    Sign,
    Abandon(u64),
    Outcome { nonce: u64, status: OutcomeStatus, gas: u64, gain: u64, fork: u8 },
    Submitted { nonce: u64, status: SubmittedStatus },
    Hours(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        4 => Just(OutcomeStatus::Included),
        3 => Just(OutcomeStatus::Reverted),
        2 => Just(OutcomeStatus::Reorged),
        1 => Just(OutcomeStatus::Replaced),
        1 => Just(OutcomeStatus::Final),
    ];
    let submitted =
        prop_oneof![Just(SubmittedStatus::Accepted), Just(SubmittedStatus::Refused), Just(SubmittedStatus::Unknown)];
    prop_oneof![
        6 => ([0_u32..6, 0_u32..6], 100_u64..=200).prop_map(|(pools, gas_limit)| Step::Approve { pools, gas_limit }),
        4 => Just(Step::Sign),
        1 => (1_u64..40).prop_map(Step::Abandon),
        6 => (0_u64..20, status, 0_u64..=200, 0_u64..900, 0_u8..3)
            .prop_map(|(nonce, status, gas, gain, fork)| Step::Outcome { nonce, status, gas, gain, fork }),
        2 => (0_u64..20, submitted).prop_map(|(nonce, status)| Step::Submitted { nonce, status }),
        1 => (1_u64..30).prop_map(Step::Hours),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// However trades, outcomes, reorgs and midnights follow each other: never more in flight than allowed at an
    /// approval, never one pool twice, never a day that could end beyond its loss limit at the time of an approval.
    #[test]
    fn no_sequence_of_events_gets_past_a_limit(steps in proptest::collection::vec(step(), 1..60)) {
        let limits = Limits { in_flight_max: 3, unknown_max: 2, profit_min: Wei(0), loss_day_max: Wei(6000), ..limits() };
        let mut bench = Bench::new(limits);
        let (mut next_id, mut next_nonce) = (1, 0);
        let mut unsigned: Vec<u64> = Vec::new();
        // Kept by the test itself: worst case and pools of what is open, by opportunity.
        let mut open: BTreeMap<u64, (u128, [u32; 2])> = BTreeMap::new();
        let mut costs: BTreeMap<u64, u128> = BTreeMap::new();
        let mut nonces: BTreeMap<u64, u64> = BTreeMap::new();
        // Result by nonce, and the sum of all that the manager said it booked.
        let mut results: BTreeMap<u64, i128> = BTreeMap::new();
        let mut final_nonces: BTreeSet<u64> = BTreeSet::new();
        let mut booked = 0;
        for step in steps {
            match step {
                Step::Approve { pools, gas_limit } => {
                    let mut trade = trade_on(next_id, pools);
                    trade.gas_limit = Gas(gas_limit);
                    let is_halted = bench.risk.halted().is_some();
                    if bench.approve(trade, None).is_ok() {
                        prop_assert!(!is_halted && open.len() < 3 && bench.risk.unknown() < 2);
                        prop_assert!(open.values().all(|(_, used)| used.iter().all(|pool| !pools.contains(pool))));
                        open.insert(next_id, (u128::from(gas_limit) * 10, pools));
                        costs.insert(next_id, u128::from(gas_limit) * 10);
                        let at_risk: u128 = open.values().map(|(cost, _)| cost).sum();
                        let at_risk = i128::try_from(at_risk).expect("small");
                        prop_assert!(bench.risk.day_pnl(bench.now) - at_risk >= -6000);
                        unsigned.push(next_id);
                    }
                    next_id += 1;
                }
                Step::Sign => {
                    if let Some(id) = unsigned.pop() {
                        bench.sign(id, next_nonce);
                        nonces.insert(next_nonce, id);
                        next_nonce += 1;
                    }
                }
                Step::Abandon(id) => {
                    let is_unsigned = unsigned.iter().position(|known| *known == id);
                    prop_assert_eq!(bench.risk.on_abandoned(OpportunityId(id)), is_unsigned.is_some());
                    if let Some(at) = is_unsigned {
                        unsigned.remove(at);
                        open.remove(&id);
                    }
                }
                Step::Outcome { nonce, status, gas, gain, fork } => {
                    // The chain says nothing more of what is final.
                    let Some(id) = nonces.get(&nonce).copied().filter(|_| !final_nonces.contains(&nonce)) else { continue };
                    let mut message = outcome(id, nonce, status, gas, gain);
                    // Another receipt is that of another block.
                    message.block_hash[..16].copy_from_slice(&(u128::from(gas) << 64 | u128::from(gain)).to_le_bytes());
                    message.block_hash[16] = fork;
                    let before = bench.risk.in_flight();
                    booked += bench.settle(&message).pnl;
                    let cost = i128::from(gas) * 10;
                    match status {
                        OutcomeStatus::Included => drop(results.insert(nonce, i128::from(gain) - cost)),
                        OutcomeStatus::Reverted | OutcomeStatus::Replaced => drop(results.insert(nonce, -cost)),
                        OutcomeStatus::Reorged => drop(results.remove(&nonce)),
                        OutcomeStatus::Final => drop(final_nonces.insert(nonce)),
                        _ => {}
                    }
                    prop_assert_eq!(booked, results.values().sum::<i128>());
                    let was_open = open.contains_key(&id);
                    match status {
                        OutcomeStatus::Reorged if bench.risk.in_flight() > before => {
                            // Its pools may be in use by now, so they are not compared any more.
                            open.insert(id, (costs[&id], [90, 90]));
                        }
                        OutcomeStatus::Included | OutcomeStatus::Reverted | OutcomeStatus::Replaced => {
                            open.remove(&id);
                            prop_assert_eq!(bench.risk.in_flight(), before - usize::from(was_open));
                        }
                        _ => {}
                    }
                }
                Step::Submitted { nonce, status } => {
                    let id = nonces.get(&nonce).copied().unwrap_or_default();
                    bench.risk.on_submitted(&Submitted::new(OpportunityId(id), nonce, status));
                }
                Step::Hours(hours) => {
                    bench.now.0 += hours * DAY_NS / 24;
                    bench.head_received = bench.now;
                }
            }
            prop_assert_eq!(bench.risk.in_flight(), open.len());
        }
    }
}
