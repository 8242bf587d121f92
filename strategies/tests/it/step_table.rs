//! Tables of steps against the loop that follows the contract step by step: the same answers from any pool, also when the
//! table is of another one.
//!
//! `ALPHAPULSE_CASES` multiplies how many pools are tried.

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::{quote_exact_in, quote_exact_out, swap};
use alphapulse_strategies::pool::steps::STEPS_AHEAD;
use alphapulse_strategies::pool::tick_bitmap::word_edge;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::v4::V4View;
use alphapulse_strategies::pool::{AmountSpecified, PPM, QuoteError, StepTable, SwapResult, V3View};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::data::{cases_factor, report, seed};
use crate::uniswap_v4_swaps::way;
use crate::v3_chain::FEE_TIERS;
use crate::v3_state::{V3State, log_uniform};

const POOLS: usize = 1_000;
const AMOUNTS_PER_POOL: usize = 100;
/// Sizes of tables, so that swaps end before, on and after the last step held.
const SIZES: [usize; 5] = [1, 2, 7, 40, STEPS_AHEAD];

/// What was compared.
#[derive(Debug, Default)]
struct Counts {
    inputs: usize,
    refused: usize,
    partial: usize,
    exactly_on_a_stop: usize,
    crossed_ten: usize,
    unknown: usize,
}

impl Counts {
    fn count(&mut self, result: &Result<SwapResult, QuoteError>) {
        self.inputs += 1;
        match result {
            Ok(result) => {
                self.partial += usize::from(result.is_partial);
                self.crossed_ten += usize::from(result.ticks_crossed >= 10);
            }
            Err(QuoteError::OutsideKnownTicks) => self.unknown += 1,
            Err(_) => self.refused += 1,
        }
    }
}

/// Whether token 0 comes in, and how much.
type Request = (bool, AmountSpecified);

/// The loop's answer, after the table has been seen to give the same.
fn compare(steps: &StepTable, view: &V3View<'_>, (zero_for_one, specified): Request) -> Result<SwapResult, QuoteError> {
    let (expected, swapped, quoted) = match specified {
        AmountSpecified::ExactIn(amount) => (
            quote_exact_in(view, zero_for_one, amount),
            steps.swap_exact_in(view, zero_for_one, amount),
            steps.quote_exact_in(view, zero_for_one, amount),
        ),
        AmountSpecified::ExactOut(amount) => (
            quote_exact_out(view, zero_for_one, amount),
            steps.swap_exact_out(view, zero_for_one, amount),
            steps.quote_exact_out(view, zero_for_one, amount),
        ),
    };
    assert_eq!(swapped, expected, "{specified:?} {zero_for_one} of {view:?} by {steps:?}");
    let quoted = quoted.map(|quote| (quote.amount_in, quote.amount_out, quote.sqrt_price_x96, quote.is_partial));
    let expected_quote = expected.map(|swap| (swap.amount_in, swap.amount_out, swap.sqrt_price_x96, swap.is_partial));
    assert_eq!(quoted, expected_quote, "{specified:?} {zero_for_one} of {view:?}");
    expected
}

/// The same of a V4 pool, whose rules differ around the loop.
fn compare_v4(steps: &StepTable, view: &V4View<'_>, (zero_for_one, specified): Request) {
    let way = way(zero_for_one);
    match specified {
        AmountSpecified::ExactIn(amount) => {
            assert_eq!(view.quote_exact_in_by(steps, way, amount), view.quote_exact_in(way, amount), "{view:?}");
            assert_eq!(view.swap_exact_in_by(steps, way, amount), view.swap_exact_in(way, amount), "{view:?}");
        }
        AmountSpecified::ExactOut(amount) => {
            assert_eq!(view.quote_exact_out_by(steps, way, amount), view.quote_exact_out(way, amount), "{view:?}");
        }
    }
}

/// A pool of any fee, of which all or a part of the ticks is known.
fn random_pool(random: &mut StdRng, index: usize) -> (V3State, (i32, i32)) {
    let (fee_ppm, spacing) = FEE_TIERS[index % FEE_TIERS.len()];
    let fee_ppm = if random.random_bool(0.2) { random.random_range(0..PPM) } else { fee_ppm };
    let mut state = V3State::random(random, fee_ppm, spacing);
    let mut known = (MIN_TICK, MAX_TICK);
    if random.random_bool(0.3) {
        let reach = |random: &mut StdRng| random.random_range(0..400) * spacing;
        known = (state.tick - reach(random), state.tick + reach(random));
        state.ticks.retain(|entry| (known.0..=known.1).contains(&entry.tick));
    }
    (state, known)
}

/// Any amount: of a size that the pool trades, tiny, huge, or at and beside what ends a swap exactly on a stop.
fn random_request(random: &mut StdRng, view: &V3View<'_>, counts: &mut Counts) -> Request {
    let (zero_for_one, is_exact_in) = (random.random(), random.random());
    let amount = match random.random_range(0..20) {
        0 => U256::ONE << random.random_range(120_usize..=255),
        1 => U256::from(random.random_range(0..3_u32)),
        2 => U256::MAX >> random.random_range(0_usize..130),
        3..7 => U256::from(log_uniform(random, view.liquidity.max(1 << 20))),
        7..10 => U256::from(log_uniform(random, u128::MAX)),
        _ => {
            counts.exactly_on_a_stop += 1;
            amount_to_a_stop(random, view, zero_for_one, is_exact_in)
        }
    };
    (zero_for_one, if is_exact_in { AmountSpecified::ExactIn(amount) } else { AmountSpecified::ExactOut(amount) })
}

/// What a swap that is stopped at an initialised tick or at the edge of a word has taken or given, or a unit beside it.
fn amount_to_a_stop(random: &mut StdRng, view: &V3View<'_>, zero_for_one: bool, is_exact_in: bool) -> U256 {
    let ahead: Vec<i32> = view.ticks.iter().map(|entry| entry.tick).collect();
    let split = ahead.partition_point(|tick| *tick <= view.tick);
    let ahead = if zero_for_one { &ahead[..split] } else { &ahead[split..] };
    let stop = if ahead.is_empty() || random.random_bool(0.3) {
        let words = random.random_range(0..4) * 256 * view.tick_spacing;
        let from = if zero_for_one { view.tick - words } else { view.tick + words };
        word_edge(from, view.tick_spacing, zero_for_one)
    } else {
        ahead[random.random_range(0..ahead.len())]
    };
    let limit = get_sqrt_ratio_at_tick(stop.clamp(MIN_TICK, MAX_TICK)).expect("in the domain");
    let plenty = AmountSpecified::ExactIn(U256::ONE << 254_usize);
    let Ok(result) = swap(view, zero_for_one, plenty, limit) else { return U256::ONE };
    let exact = if is_exact_in { result.amount_in } else { result.amount_out };
    exact.saturating_add(U256::from(random.random_range(0..3_u32))).saturating_sub(U256::ONE)
}

#[test]
fn step_table_answers_as_the_loop_on_random_ladders() {
    let mut random = StdRng::seed_from_u64(seed("step_table", 23));
    let mut counts = Counts::default();
    for index in 0..POOLS * cases_factor() {
        let (state, known_ticks) = random_pool(&mut random, index);
        let view = V3View { known_ticks, ..state.view() };
        let mut steps = StepTable::new(SIZES[random.random_range(0..SIZES.len())]);
        steps.build(&view, [state.fee_ppm; 2]);
        for _ in 0..AMOUNTS_PER_POOL {
            let request = random_request(&mut random, &view, &mut counts);
            counts.count(&compare(&steps, &view, request));
            let v4 = V4View {
                hooks: [0; 20],
                lp_fee_ppm: state.fee_ppm,
                protocol_fees_ppm: [0; 2],
                tick_spacing: state.tick_spacing,
                sqrt_price_x96: state.sqrt_price_x96,
                tick: state.tick,
                liquidity: state.liquidity,
                ticks: &state.ticks,
                known_ticks,
            };
            compare_v4(&steps, &v4, request);
        }
    }
    report(&format!("tables of steps beside the loop: {counts:?}"));
    assert!(counts.inputs >= POOLS * AMOUNTS_PER_POOL && counts.exactly_on_a_stop >= counts.inputs / 3);
    assert!(counts.crossed_ten >= counts.inputs / 20, "long ways are rare");
    assert!(counts.refused.min(counts.partial).min(counts.unknown) >= 100, "a kind of case is missing");
}

/// A pool that trades and whose liquidity comes and goes, beside a table that its owner builds when the owner sees fit.
#[test]
fn step_table_that_is_old_or_another_pool_s_costs_no_answer() {
    let mut random = StdRng::seed_from_u64(seed("step_table_old", 29));
    let (mut counts, mut built, mut fitting) = (Counts::default(), 0, 0);
    let mut steps = StepTable::new(STEPS_AHEAD);
    for index in 0..POOLS / 4 * cases_factor() {
        let (mut state, known_ticks) = random_pool(&mut random, index);
        if random.random_bool(0.5) {
            steps = StepTable::new(SIZES[random.random_range(0..SIZES.len())]);
        }
        for _ in 0..AMOUNTS_PER_POOL {
            let view = V3View { known_ticks, ..state.view() };
            let is_due = !steps.follow(&view);
            if random.random_bool(if is_due { 0.5 } else { 0.05 }) {
                steps.build(&view, [state.fee_ppm; 2]);
                built += 1;
            }
            fitting += usize::from(steps.is_fitting(&view, true) && steps.is_fitting(&view, false));
            let request = random_request(&mut random, &view, &mut counts);
            let result = compare(&steps, &view, request);
            counts.count(&result);
            match (result, random.random_range(0..8)) {
                (Ok(result), 0..4) => state.apply(&result),
                (_, 4) => change_liquidity(&mut random, &mut state, known_ticks),
                // A state that contradicts itself: what is built on it must not last.
                (_, 5) if random.random_bool(0.05) => state.liquidity = state.liquidity.wrapping_add(1),
                _ => {}
            }
        }
    }
    report(&format!("tables of steps that grow old: built {built} times, fitting {fitting} times; {counts:?}"));
    assert!(fitting >= counts.inputs / 10 && fitting <= counts.inputs * 9 / 10);
}

fn change_liquidity(random: &mut StdRng, state: &mut V3State, known_ticks: (i32, i32)) {
    let (lower, upper) = state.random_range_of_ticks(random);
    if lower < known_ticks.0 || upper > known_ticks.1 || state.liquidity > u128::MAX >> 2 {
        return;
    }
    let change = i128::try_from(log_uniform(random, 1 << 90)).expect("90 bits");
    state.modify(lower, upper, change);
    if random.random_bool(0.3) {
        state.modify(lower, upper, -change);
    }
}

/// The fee of a V4 pool differs by direction; its table is one.
#[test]
fn step_table_of_a_v4_pool_keeps_a_fee_for_each_direction() {
    let mut random = StdRng::seed_from_u64(seed("step_table_v4", 31));
    let (mut counts, mut fits) = (Counts::default(), 0);
    let mut steps = StepTable::default();
    for index in 0..POOLS / 8 * cases_factor() {
        let (state, known_ticks) = random_pool(&mut random, index);
        let mut v4 = V4View {
            hooks: [0; 20],
            lp_fee_ppm: if index % 16 == 0 { PPM } else { state.fee_ppm },
            protocol_fees_ppm: [random.random_range(0..=1_000), random.random_range(0..=1_000)],
            tick_spacing: state.tick_spacing,
            sqrt_price_x96: state.sqrt_price_x96,
            tick: state.tick,
            liquidity: state.liquidity,
            ticks: &state.ticks,
            known_ticks,
        };
        v4.build_steps(&mut steps).expect("fees that a pool can hold");
        for at in 0..AMOUNTS_PER_POOL {
            if at == AMOUNTS_PER_POOL / 2 {
                v4.protocol_fees_ppm = [0, 1_000];
            }
            let request = random_request(&mut random, &state.view(), &mut counts);
            compare_v4(&steps, &v4, request);
            let view = v4.concentrated(request.0).expect("fees that a pool can hold");
            fits += usize::from(steps.is_fitting(&view, request.0));
        }
    }
    report(&format!("tables of V4 pools: fitting {fits} times"));
    assert!(fits >= POOLS / 8 * AMOUNTS_PER_POOL / 4);
}
