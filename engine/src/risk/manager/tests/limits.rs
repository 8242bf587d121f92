//! Each limit and each refusal, at both sides of its boundary.

use alphapulse_protocol::message::{PoolStanding, PoolTrust, StateParts};

use super::*;

#[test]
fn a_trade_at_every_limit_is_approved() {
    assert_eq!(trade_verdict(|_| {}), Ok(()));
}

#[test]
fn one_past_any_limit_is_refused_and_one_before_is_not() {
    let both = |name: &str, before: Result<(), Reject>, past: Result<(), Reject>, reject: Reject| {
        assert_eq!(before, Ok(()), "{name}: one before the limit");
        assert_eq!(past, Err(reject), "{name}: one past the limit");
    };
    let u256 = |value: u64| BTreeMap::from([(WETH.into(), U256::from(value))]);
    both(
        "notional",
        limit_verdict(|limits| limits.notional_max = u256(1001)),
        limit_verdict(|limits| limits.notional_max = u256(999)),
        Reject::NotionalAboveLimit,
    );
    both(
        "fee",
        limit_verdict(|limits| limits.fee_max.0 += 1),
        limit_verdict(|limits| limits.fee_max.0 -= 1),
        Reject::FeeAboveCap,
    );
    both(
        "gas",
        limit_verdict(|limits| limits.gas_max.0 += 1),
        limit_verdict(|limits| limits.gas_max.0 -= 1),
        Reject::GasAboveCap,
    );
    both(
        "profit",
        limit_verdict(|limits| limits.profit_min.0 -= 1),
        limit_verdict(|limits| limits.profit_min.0 += 1),
        Reject::UnprofitableAfterGas,
    );
    both(
        "loss",
        limit_verdict(|limits| limits.loss_day_max.0 += 1),
        limit_verdict(|limits| limits.loss_day_max.0 -= 1),
        Reject::LossDayAtLimit,
    );
    let nanosecond = Duration::from_nanos(1);
    both(
        "age",
        limit_verdict(|limits| limits.market_age_max += nanosecond),
        limit_verdict(|limits| limits.market_age_max -= nanosecond),
        Reject::MarketStale,
    );
}

#[test]
fn a_tripped_kill_switch_refuses_before_anything_else() {
    let killed = verdict(limits(), |bench, trade| {
        bench.kill.trip("drill");
        trade.fees.max = FeePerGas(u128::MAX);
    });
    assert_eq!(killed, Err(Reject::KillSwitch));
}

#[test]
fn a_halt_stays_and_keeps_its_first_reason() {
    let mut bench = Bench::new(limits());
    assert_eq!(bench.risk.halt(Reject::Overflow), Some(Reject::Overflow));
    assert_eq!(bench.risk.halt(Reject::LossDayAtLimit), None);
    assert_eq!(bench.risk.halted(), Some(Reject::Overflow));
    assert_eq!(bench.check(&trade()), Err(Reject::Halted));
}

#[test]
fn no_snapshot_and_half_a_block_are_no_market() {
    let empty = verdict(limits(), |bench, _| bench.replica = Replica::default());
    assert_eq!(empty, Err(Reject::MarketNotWhole));
    let half = verdict(limits(), |bench, _| {
        apply(&mut bench.replica, Block::new(context(HEAD + 1), BlockNumber(HEAD + 1)), 8);
    });
    assert_eq!(half, Err(Reject::MarketNotWhole));
}

/// Moves the market one block on, which was the newest of `head` known blocks.
fn next_block(bench: &mut Bench, head: u64) {
    apply(&mut bench.replica, Block::new(context(HEAD + 1), BlockNumber(head)), 8);
    apply(&mut bench.replica, BlockEnd::new(context(HEAD + 1).block(), 0), 9);
}

#[test]
fn a_market_behind_the_head_is_refused() {
    let behind = verdict(limits(), |bench, trade| {
        next_block(bench, HEAD + 2);
        trade.block = context(HEAD + 1).block();
        trade.block_max = BlockNumber(HEAD + 3);
    });
    assert_eq!(behind, Err(Reject::NotAtHead));
}

#[test]
fn a_trade_of_another_block_is_refused() {
    assert_eq!(verdict(limits(), |bench, _| next_block(bench, HEAD + 1)), Err(Reject::WrongBlock));
    assert_eq!(trade_verdict(|trade| trade.block.hash[31] ^= 1), Err(Reject::WrongBlock));
    assert_eq!(trade_verdict(|trade| trade.block.number.0 -= 1), Err(Reject::WrongBlock));
}

#[test]
fn a_head_from_the_future_is_refused() {
    let at = |head: u64| verdict(limits(), move |bench, _| bench.head_received = UnixNanos(head));
    assert_eq!(at(NOW.0), Ok(()));
    assert_eq!(at(NOW.0 + 1), Err(Reject::ClockWentBack));
}

#[test]
fn a_window_that_ends_at_the_head_is_over() {
    assert_eq!(trade_verdict(|trade| trade.block_max = BlockNumber(HEAD)), Err(Reject::Expired));
    assert_eq!(trade_verdict(|trade| trade.block_max = BlockNumber(HEAD + 2)), Ok(()));
}

#[test]
fn tokens_and_pools_must_be_listed() {
    let no_dai = limit_verdict(|limits| assert!(limits.tokens.remove(&Address::from(DAI))));
    assert_eq!(no_dai, Err(Reject::TokenNotAllowed));
    let no_pool = limit_verdict(|limits| assert!(limits.pools.remove(&Address::from(pool_address(1)))));
    assert_eq!(no_pool, Err(Reject::PoolNotAllowed));
    let unknown_pool = trade_verdict(|trade| trade.hops = Hops::new(&hops([0, 99])).expect("two hops"));
    assert_eq!(unknown_pool, Err(Reject::PoolNotAllowed));
}

#[test]
fn a_pool_that_differed_from_the_chain_is_refused_also_when_that_came_out_after_the_sizing() {
    let of = |pool, trusts: &'static [PoolTrust]| {
        verdict(limits(), move |bench, _| {
            for (trust, sequence) in trusts.iter().zip(8..) {
                let standing = PoolStanding::new(PoolId(pool), *trust, StateParts::STATE, context(HEAD).block());
                apply(&mut bench.replica, standing, sequence);
            }
        })
    };
    assert_eq!(of(1, &[PoolTrust::Quarantined]), Err(Reject::PoolQuarantined));
    assert_eq!(of(1, &[PoolTrust::Quarantined, PoolTrust::Trusted]), Ok(()));
    assert_eq!(of(2, &[PoolTrust::Quarantined]), Ok(()), "another pool");
}

#[test]
fn a_token_without_a_limit_is_refused() {
    assert_eq!(limit_verdict(|limits| limits.notional_max.clear()), Err(Reject::NoLimitConfigured));
}

#[test]
fn figures_that_are_not_those_of_the_swaps_are_refused() {
    let with = |hops: &[HopRecord]| trade_verdict(|trade| trade.hops = Hops::new(hops).expect("two hops or more"));
    let [first, last] = hops([0, 1]);
    let open = HopRecord::new(PoolId(1), TokenId(1), TokenId(1), U256::from(500), U256::from(1000 + GAIN));
    let torn = HopRecord { amount_in: U256::from(501).into(), ..last };
    let elsewhere = HopRecord::new(PoolId(1), TokenId(1), TokenId(0), U256::from(500), U256::from(1001 + GAIN));
    for wrong in [[first, open], [first, torn], [first, elsewhere], [first, first], hops([0, 0])] {
        assert_eq!(with(&wrong), Err(Reject::RouteBroken), "{wrong:?}");
    }
    assert_eq!(trade_verdict(|trade| trade.amount_in = U256::from(999)), Err(Reject::RouteBroken));
    assert_eq!(trade_verdict(|trade| trade.profit = U256::from(GAIN + 1)), Err(Reject::RouteBroken));
    assert_eq!(trade_verdict(|trade| trade.token = TokenId(1)), Err(Reject::RouteBroken));
    assert_eq!(trade_verdict(|trade| trade.token_address = DAI.into()), Err(Reject::RouteBroken));
}

#[test]
fn swaps_that_balance_are_no_worse_than_a_route() {
    let with = |hops: &[HopRecord]| trade_verdict(|trade| trade.hops = Hops::new(hops).expect("two swaps or more"));
    let [first, last] = hops([0, 1]);
    assert_eq!(with(&[last, first]), Ok(()), "what is sold first is on credit");
    let left = HopRecord { amount_in: U256::from(499).into(), ..last };
    assert_eq!(with(&[first, left]), Ok(()), "a unit stays over");
    let half = HopRecord { amount_in: U256::from(250).into(), ..last };
    assert_eq!(with(&[first, half]), Ok(()), "what is left is no more than units");
    let more = HopRecord { amount_out: U256::from(1_501).into(), ..first };
    assert_eq!(with(&[more, last]), Err(Reject::RouteBroken), "a thousand and one units are left");
}

const USDC: [u8; 20] = [0xcc; 20];

/// Two pools of WETH and DAI, two of DAI and USDC.
fn three_tokens() -> (Replica, Limits) {
    let mut replica = Replica::default();
    apply(&mut replica, SnapshotBegin::new(context_at(HEAD, NOW), ChainId(1), Epoch(1), 3, 4), 7);
    for (id, address) in (0..).map(TokenId).zip([WETH, DAI, USDC]) {
        apply(&mut replica, Token::new(id, address, "T", 18), 7);
    }
    for (index, tokens) in (0_u8..).zip([[0, 1], [0, 1], [1, 2], [1, 2]]) {
        let id = PoolId(index.into());
        let pool = Pool::uniswap_v2(id, VenueId(0), pool_address(index), tokens.map(TokenId), FeePpm(3000));
        apply(&mut replica, pool, 7);
        apply(&mut replica, V2Reserves::new(id, 1, 1), 7);
    }
    apply(&mut replica, SnapshotEnd::new(11), 7);
    let mut limits = limits();
    limits.tokens.insert(USDC.into());
    (replica, limits)
}

fn swap(pool: u32, [paid, got]: [u32; 2], amount_in: U256, amount_out: U256) -> HopRecord {
    HopRecord::new(PoolId(pool), TokenId(paid), TokenId(got), amount_in, amount_out)
}

#[test]
fn what_goes_round_without_the_profit_s_token_is_limited_by_itself() {
    let units = |amounts: [u64; 2]| amounts.map(U256::from);
    let swaps = |circle: u64, dust: u64| {
        let [a, b, c, d] = [[dust, dust], [circle, circle], [circle, circle + 9], [dust + 9, dust + 9]].map(units);
        let all = [swap(0, [0, 1], a[0], a[1]), swap(2, [1, 2], b[0], b[1]), swap(3, [2, 1], c[0], c[1])];
        Hops::new(&[all[0], all[1], all[2], swap(1, [1, 0], d[0], d[1])]).expect("four swaps")
    };
    let (replica, limits) = three_tokens();
    let verdict = |circle: u64, dust: u64, limited: &[([u8; 20], u64)]| {
        let mut limits = limits.clone();
        limits.notional_max.extend(limited.iter().map(|(token, limit)| (Address::from(*token), U256::from(*limit))));
        let hops = swaps(circle, dust);
        let trade = Trade { hops, amount_in: U256::from(dust), profit: U256::from(9), ..trade() };
        pre_trade::check_swaps(&trade, &limits, &replica).expect("it balances");
        pre_trade::check_notional(&trade, &limits, &replica)
    };
    for dust in [1, 1_000] {
        let dai = 5_000_000 + dust + 9;
        assert_eq!(verdict(5_000_000, dust, &[]), Err(Reject::NoLimitConfigured));
        assert_eq!(verdict(5_000_000, dust, &[(DAI, dai)]), Err(Reject::NoLimitConfigured));
        assert_eq!(verdict(5_000_000, dust, &[(DAI, dai), (USDC, 4_999_999)]), Err(Reject::NotionalAboveLimit));
        assert_eq!(verdict(5_000_000, dust, &[(DAI, dai - 1), (USDC, 5_000_000)]), Err(Reject::NotionalAboveLimit));
        assert_eq!(verdict(5_000_000, dust, &[(DAI, dai), (USDC, 5_000_000)]), Ok(()));
    }
}

#[test]
fn amounts_past_256_bits_are_no_trade() {
    let (replica, limits) = three_tokens();
    let one = U256::from(1);
    let swaps = [
        swap(0, [0, 1], U256::from(1_000), U256::from(500)),
        swap(2, [2, 1], one, U256::MAX),
        swap(3, [1, 2], one, one),
        swap(1, [1, 0], U256::from(499), U256::from(1_000 + GAIN)),
    ];
    let trade = Trade { hops: Hops::new(&swaps).expect("four swaps"), ..trade() };
    assert_eq!(trade.hops.flow(TokenId(1)), None);
    assert_eq!(pre_trade::check_swaps(&trade, &limits, &replica), Err(Reject::RouteBroken));
}

#[test]
fn profit_in_a_token_without_a_price_is_refused() {
    let priced_in_dai = limit_verdict(|limits| limits.native_token = DAI.into());
    assert_eq!(priced_in_dai, Err(Reject::PriceUnknown));
}

#[test]
fn fees_that_contradict_each_other_are_refused() {
    assert_eq!(trade_verdict(|trade| trade.fees.priority = FeePerGas(10)), Ok(()));
    assert_eq!(trade_verdict(|trade| trade.fees.priority = FeePerGas(11)), Err(Reject::FeesInconsistent));
    assert_eq!(trade_verdict(|trade| trade.expected_gas_price = FeePerGas(11)), Err(Reject::FeesInconsistent));
}

#[test]
fn gas_beyond_the_transaction_s_limit_is_refused() {
    let gas = |gas: u64| {
        let mut limits = limits();
        limits.profit_min = Wei(0);
        verdict(limits, move |_, trade| trade.gas = Gas(gas))
    };
    assert_eq!(gas(200), Ok(()));
    assert_eq!(gas(201), Err(Reject::GasLimitTooLow));
}

#[test]
fn figures_past_128_bits_are_refused() {
    let huge = limit_verdict(|limits| limits.profit_min = Wei(u128::MAX));
    assert_eq!(huge, Err(Reject::Overflow));
    let mut wide = limits();
    (wide.fee_max, wide.gas_max, wide.profit_min) = (FeePerGas(u128::MAX), Gas(u64::MAX), Wei(0));
    let costly = verdict(wide, |_, trade| trade.fees.max = FeePerGas(u128::MAX));
    assert_eq!(costly, Err(Reject::Overflow));
}

#[test]
fn a_simulation_must_gain_exactly_the_prediction() {
    let simulate = |gas: u64, gain: u64| {
        let mut bench = Bench::new(limits());
        bench.approve(trade(), Some(SimulatedGain { gas: Gas(gas), gain: U256::from(gain) })).map(|_| ())
    };
    assert_eq!(simulate(100, GAIN), Ok(()));
    assert_eq!(simulate(100, GAIN - 1), Err(Reject::SimulationMismatch));
    assert_eq!(simulate(100, GAIN + 1), Err(Reject::SimulationMismatch));
    assert_eq!(simulate(99, GAIN), Ok(()), "cheaper than expected");
    assert_eq!(simulate(101, GAIN), Err(Reject::UnprofitableAfterGas), "dearer than expected");
    assert_eq!(simulate(201, GAIN), Err(Reject::GasLimitTooLow));
}

#[test]
fn a_required_simulation_cannot_be_left_out() {
    let mut bench = Bench::new(Limits { is_simulation_required: true, ..limits() });
    assert_eq!(bench.check(&trade()), Ok(()), "not asked for before there is one");
    assert_eq!(bench.approve(trade(), None), Err(Reject::SimulationUnavailable));
    let gain = SimulatedGain { gas: Gas(100), gain: U256::from(GAIN) };
    assert_eq!(bench.approve(trade(), Some(gain)), Ok(1));
}

#[test]
fn a_refusal_reserves_nothing_and_hands_the_trade_back() {
    let mut bench = Bench::new(limits());
    let context = RiskContext { now: bench.now, head_received: bench.head_received, replica: &bench.replica };
    let mut costly = trade();
    costly.fees.max = FeePerGas(11);
    let (back, reject) = bench.risk.approve(costly, None, &context).expect_err("above the cap");
    assert_eq!((back.opportunity, reject), (OpportunityId(1), Reject::FeeAboveCap));
    assert_eq!((bench.risk.in_flight(), bench.risk.approved_count()), (0, 0));
}

#[test]
fn a_block_that_was_made_long_ago_is_old_however_lately_it_came() {
    let with_made = |before_ns: u64| {
        verdict(limits(), |bench, _| {
            bench.head_received = bench.now;
            bench.replica = replica_at(UnixNanos(NOW.0 - before_ns));
        })
    };
    // Timestamps are whole seconds; the limit lies between one and two of them.
    assert_eq!(with_made(1_000_000_000), Ok(()));
    assert_eq!(with_made(2_000_000_000), Err(Reject::MarketStale));
}
