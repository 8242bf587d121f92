//! The float ladder agrees with the exact quote, so that what search ranks first is what pays first.

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::quote_exact_in;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::{PriceRange, RANGES_MAX, SwapResult, V3View};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::data::{report, seed};
use crate::v3_chain::FEE_TIERS;
use crate::v3_state::{V3State, log_uniform};

const POOLS: usize = 400;

#[test]
fn ladder_agrees_with_the_exact_quote() {
    let mut random = StdRng::seed_from_u64(seed("ladder", 13));
    let mut compared = 0;
    for index in 0..POOLS {
        let (fee_ppm, tick_spacing) = FEE_TIERS[index % FEE_TIERS.len()];
        let state = V3State::random(&mut random, fee_ppm, tick_spacing);
        for zero_for_one in [true, false] {
            let ladder: Vec<PriceRange> = state.view().ranges(zero_for_one).collect();
            check_shape(&ladder);
            for _ in 0..16 {
                let amount = log_uniform(&mut random, 1 << 100);
                let Some(range) = ladder.iter().find(|range| (amount as f64) <= range.input_end) else { continue };
                let Ok(exact) = quote_exact_in(&state.view(), zero_for_one, U256::from(amount)) else { continue };
                check(&state, &ladder, range, amount as f64, &exact);
                compared += 1;
            }
        }
    }
    report(&format!("ladder against exact quotes: {compared} amounts"));
    assert!(compared >= 3_000);
}

/// Prices on ticks and beside them, ticks just crossed downwards, and ticks that are not the price's.
#[test]
fn first_map_is_that_of_the_first_range() {
    let mut random = StdRng::seed_from_u64(seed("first map", 17));
    let (mut found, mut none) = (0, 0);
    for index in 0..POOLS {
        let (fee_ppm, tick_spacing) = FEE_TIERS[index % FEE_TIERS.len()];
        let state = V3State::random(&mut random, fee_ppm, tick_spacing);
        let near = state.ticks.iter().map(|entry| entry.tick).filter(|tick| *tick > MIN_TICK && *tick < MAX_TICK - 1);
        let mut views = vec![state.view()];
        for tick in near.chain([state.tick]) {
            let price = get_sqrt_ratio_at_tick(tick).expect("in the domain");
            let liquidity = state.view().liquidity.max(1);
            for (shift, change) in [(0, 0), (0, 1), (-1, 0), (-1, 1), (1, 0), (3, 0), (-3, 0)] {
                let sqrt_price_x96 = price + U256::from(change);
                views.push(V3View { tick: tick + shift, sqrt_price_x96, liquidity, ..state.view() });
            }
        }
        for (view, zero_for_one) in views.iter().flat_map(|view| [(view, true), (view, false)]) {
            let first = view.ranges(zero_for_one).next().map(|range| range.mobius);
            assert_eq!(view.first_map(zero_for_one), first, "{view:?}");
            found += usize::from(first.is_some());
            none += usize::from(first.is_none());
        }
    }
    report(&format!("first maps: {found}, and {none} times none"));
    assert!(found > 10_000 && none > 1_000);
}

/// Ranges follow each other without gap, and each pays worse than the one before.
fn check_shape(ladder: &[PriceRange]) {
    assert!(ladder.len() <= RANGES_MAX);
    for range in ladder {
        assert!(range.input_start <= range.input_end && range.output_start <= range.output_end);
        let output = range.output_start + range.mobius.output(range.input_end - range.input_start);
        assert_close(output, range.output_end, range.output_end * 1e-6, "the end of a range");
    }
    for pair in ladder.windows(2) {
        assert!(pair[0].input_end == pair[1].input_start && pair[0].output_end == pair[1].output_start);
        let (input, mobius) = (pair[0].input_end - pair[0].input_start, pair[0].mobius);
        // A short range far along the ladder is the difference of two large floats.
        let blur = 4.0 * f64::EPSILON * pair[0].input_end * mobius.h / (1.0 + mobius.h * input);
        assert!(pair[1].mobius.g <= mobius.rate(input) * (1.0 + 1e-9 + blur), "rates fall along the ladder");
    }
}

fn check(state: &V3State, ladder: &[PriceRange], range: &PriceRange, amount: f64, exact: &SwapResult) {
    let estimate = range.output_start + range.mobius.output(amount - range.input_start);
    let steps =
        f64::from(exact.ticks_crossed) + f64::from((exact.tick - state.tick).abs() / (256 * state.tick_spacing)) + 2.0;
    // A step loses up to a unit of output, one of input and one of fee; the price moves in whole units of 2^-96.
    let deepest = state.ticks.iter().map(|entry| entry.liquidity_gross as f64).sum::<f64>();
    let quantum = deepest * (-96.0_f64).exp2() * (1.0 + 1.0 / price(exact.sqrt_price_x96).powi(2));
    let rate_before_fee = ladder[0].mobius.g * 1e6 / f64::from(1_000_000 - state.fee_ppm);
    let units = steps * (1.0 + 2.0 * rate_before_fee + quantum);
    let given = f64::from(exact.amount_out);
    assert_close(estimate, given, given * 1e-9 + units, "an amount on the ladder");
}

fn price(sqrt_price_x96: U256) -> f64 {
    f64::from(sqrt_price_x96) * (-96.0_f64).exp2()
}

fn assert_close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance, "{a} against {b} (within {tolerance}): {what}");
}

#[test]
fn ladder_ends_where_knowledge_ends() {
    let mut random = StdRng::seed_from_u64(seed("ladder_window", 17));
    let state = loop {
        let state = V3State::random(&mut random, 3000, 60);
        if state.liquidity > 1 << 80 && state.ticks.len() > 60 && state.tick.abs() < 200_000 {
            break state;
        }
    };
    let known_ticks = (state.tick - 600, state.tick + 600);
    let inside = |tick: i32| (known_ticks.0..=known_ticks.1).contains(&tick);
    let ticks: Vec<_> = state.ticks.iter().copied().filter(|entry| inside(entry.tick)).collect();
    let window = V3View { known_ticks, ticks: &ticks, ..state.view() };
    for zero_for_one in [true, false] {
        let end = window.ranges(zero_for_one).last().expect("there is liquidity").input_end;
        let answer = |share: f64| {
            let amount = U256::try_from(end * share).expect("a finite amount");
            quote_exact_in(&window, zero_for_one, amount)
        };
        assert!(answer(0.999).is_ok());
        assert!(answer(1.001).is_err());
    }
    let outside = V3View { known_ticks: (MAX_TICK, MIN_TICK), ..state.view() };
    assert_eq!(outside.ranges(true).count() + outside.ranges(false).count(), 0);
}
