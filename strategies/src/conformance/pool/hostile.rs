//! States that no contract holds: every field may be all ones, zero, a power of two or next to one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alphapulse_protocol::FeePpm;
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V3State};
use alphapulse_protocol::values::{PoolDetails, Ramp, Rates};

use super::{PoolAccount, PoolAnswers, Property, Random, SamplePool};
use crate::market::PoolView;
use crate::pool::Way;

/// States of each pool.
const STATES: u64 = 4;
/// Questions to each.
const QUESTIONS: u64 = 6;

pub(super) fn check(
    pool: &SamplePool,
    answers: &dyn PoolAnswers,
    seed: u64,
    account: &mut PoolAccount,
) -> Result<(), String> {
    let random = &mut Random::new(seed ^ 0x0b57);
    for _ in 0..STATES {
        let pool = spoiled(pool, random);
        let Ok(view) = pool.view() else {
            account.left_out[Property::Total as usize] += 1;
            continue;
        };
        for _ in 0..QUESTIONS {
            ask(&pool, &view, answers, random)?;
            account.held[Property::Total as usize] += 1;
        }
    }
    Ok(())
}

fn ask(pool: &SamplePool, view: &PoolView<'_>, answers: &dyn PoolAnswers, random: &mut Random) -> Result<(), String> {
    let token = |random: &mut Random| u8::try_from(random.below(10)).expect("below ten");
    let way = Way { token_in: token(random), token_out: token(random) };
    let (amount, next) = (random.hostile_word(), random.hostile_word());
    let at = if random.one_in(2) { pool.at } else { random.hostile_quarter() };
    let all = || {
        let _ = (view.has_price(), view.check_consistency());
        let quote = answers.quote_exact_in(view, way, amount, at);
        let _ = answers.quote_exact_out(view, way, amount, at);
        let _ = (view.hop_output(way, amount, at), answers.rate(view, way, at));
        let _ = [true, false].map(|zero_for_one| view.ranges(zero_for_one).take(64).count());
        if let PoolView::StableSwap(pool) = view {
            let _ = pool.quote_underlying(way, amount, at);
        }
        if let Ok(swapped) = answers.swap_exact_in(view, way, amount, at) {
            let after = view.after(&swapped.after);
            let _ = answers.swap_exact_in(&after, way.reversed(), next, at);
        }
        quote == answers.quote_exact_in(view, way, amount, at)
    };
    match catch_unwind(AssertUnwindSafe(all)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("two answers to {amount} by {way:?} at {at} in {pool:?}")),
        Err(_) => Err(format!("a panic at {amount}, then {next}, by {way:?} at {at} in {pool:?}")),
    }
}

/// The pool with some of its numbers changed.
fn spoiled(pool: &SamplePool, random: &mut Random) -> SamplePool {
    let mut spoiled = pool.clone();
    spoil_info(&mut spoiled.info, random);
    spoil_state(&mut spoiled.state, random);
    if let Some(base) = &mut spoiled.base
        && random.one_in(2)
    {
        spoil_state(&mut base.1, random);
    }
    if random.one_in(4) {
        spoiled.at = random.hostile_quarter();
    }
    spoiled
}

/// Each number stays as it is in two cases of three, so that a few wrong ones meet sound ones.
fn halves(values: &mut [u128], random: &mut Random) {
    for value in values {
        if random.one_in(3) {
            *value = random.hostile_half();
        }
    }
}

fn quarters<'v>(values: impl IntoIterator<Item = &'v mut u64>, random: &mut Random) {
    for value in values {
        if random.one_in(3) {
            *value = random.hostile_quarter();
        }
    }
}

fn ramp(ramp: &mut Ramp, random: &mut Random) {
    let Ramp { initial, future, initial_time, future_time } = ramp;
    quarters([initial, future, initial_time, future_time], random);
}

fn rates(rates: &mut Rates, random: &mut Random) {
    halves(&mut rates.rates, random);
    quarters([&mut rates.valid_until], random);
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
fn spoil_info(info: &mut PoolInfo, random: &mut Random) {
    if random.one_in(4) {
        info.fee = FeePpm(random.hostile_quarter() as u32);
    }
    if random.one_in(8) {
        info.tick_spacing = random.hostile_int();
    }
    if random.one_in(8) {
        info.known_ticks = (random.hostile_int(), random.hostile_int());
    }
    match &mut info.details {
        PoolDetails::None => {}
        PoolDetails::V4(details) => {
            if random.one_in(8) {
                details.hooks[19] = random.next() as u8;
            }
        }
        PoolDetails::MultiToken(details) => {
            if random.one_in(8) {
                details.decimals[random.index(8)] = random.next() as u8;
            }
            if random.one_in(8) {
                details.bpt_index = Some(random.next() as u8 % 10);
            }
        }
    }
}

fn spoil_state(state: &mut PoolState, random: &mut Random) {
    match state {
        PoolState::V2(state) => {
            let mut reserves = [state.reserve_0, state.reserve_1];
            halves(&mut reserves, random);
            [state.reserve_0, state.reserve_1] = reserves;
        }
        PoolState::Solidly(state) => {
            let mut reserves = [state.reserve_0, state.reserve_1];
            halves(&mut reserves, random);
            [state.reserve_0, state.reserve_1] = reserves;
            if random.one_in(4) {
                state.fee = FeePpm(u32::MAX >> random.below(32));
            }
        }
        PoolState::V3(curve) => spoil_curve(curve, random),
        PoolState::V4(state) => {
            spoil_curve(&mut state.curve, random);
            if random.one_in(4) {
                state.fees.lp_fee_ppm = u32::MAX >> random.below(32);
                state.fees.protocol_fee_ppm = [u16::MAX >> random.below(16); 2];
            }
        }
        PoolState::CurveStable(state) => {
            ramp(&mut state.terms.amplification, random);
            quarters([&mut state.terms.fee, &mut state.terms.admin_fee], random);
            rates(&mut state.rates, random);
            let holdings = &mut state.holdings;
            halves(&mut holdings.balances, random);
            let mut others = [state.terms.offpeg_fee_multiplier, holdings.supply, holdings.base_virtual_price];
            halves(&mut others, random);
            [state.terms.offpeg_fee_multiplier, holdings.supply, holdings.base_virtual_price] = others;
            quarters([&mut holdings.base_cache_updated], random);
        }
        PoolState::CurveCrypto(state) => {
            let terms = &mut state.terms;
            ramp(&mut terms.amplification, random);
            quarters([&mut terms.gamma_initial, &mut terms.gamma_future, &mut terms.mid_fee], random);
            quarters([&mut terms.out_fee, &mut terms.fee_gamma, &mut terms.allowed_extra_profit], random);
            quarters([&mut terms.adjustment_step, &mut terms.ma_time], random);
            let holdings = &mut state.holdings;
            halves(&mut holdings.balances, random);
            for prices in [&mut holdings.price_scale, &mut holdings.price_oracle, &mut holdings.last_prices] {
                halves(prices, random);
            }
            let mut others = [holdings.d, holdings.supply, holdings.virtual_price, holdings.xcp_profit];
            halves(&mut others, random);
            [holdings.d, holdings.supply, holdings.virtual_price, holdings.xcp_profit] = others;
            quarters([&mut holdings.last_prices_time], random);
            holdings.is_not_adjusted ^= random.one_in(2);
        }
        PoolState::BalancerWeighted(state) => {
            quarters(&mut state.terms.weights, random);
            quarters([&mut state.terms.swap_fee], random);
            halves(&mut state.balances, random);
        }
        PoolState::BalancerStable(state) => {
            ramp(&mut state.terms.amplification, random);
            quarters([&mut state.terms.swap_fee], random);
            rates(&mut state.rates, random);
            halves(&mut state.holdings.balances, random);
        }
        _ => {}
    }
}

fn spoil_curve(curve: &mut V3State, random: &mut Random) {
    if random.one_in(3) {
        curve.sqrt_price_x96 = random.hostile_word();
    }
    if random.one_in(3) {
        curve.tick = random.hostile_int();
    }
    if random.one_in(3) {
        curve.liquidity = random.hostile_half();
    }
    for TickLiquidity { tick, liquidity_net, liquidity_gross } in &mut curve.ticks {
        if random.one_in(4) {
            *tick = random.hostile_int();
        }
        if random.one_in(4) {
            *liquidity_net = random.hostile_half().cast_signed();
        }
        if random.one_in(4) {
            *liquidity_gross = random.hostile_half();
        }
    }
}
