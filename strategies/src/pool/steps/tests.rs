use alphapulse_protocol::replica::TickLiquidity;

use super::super::tick_math::{MAX_TICK, MIN_TICK};
use super::*;

/// A hundred positions, one between each two ticks of a hundred and one, and one over everything.
fn ladder() -> Vec<TickLiquidity> {
    let mut ticks = vec![entry(-600_000, 1 << 60)];
    ticks.extend((0..=100).map(|at| {
        let (above, below) = (depth(at), if at == 0 { 0 } else { depth(at - 1) });
        entry((at - 50) * 60, above - below)
    }));
    ticks.push(entry(600_000, -(1 << 60)));
    ticks
}

/// Liquidity above tick `at`.
fn depth(at: i32) -> i128 {
    if at == 100 { 0 } else { i128::from(1_000_000 + at) << 40 }
}

fn entry(tick: i32, liquidity_net: i128) -> TickLiquidity {
    TickLiquidity { tick, liquidity_net, liquidity_gross: liquidity_net.unsigned_abs() }
}

fn view(ticks: &[TickLiquidity]) -> V3View<'_> {
    let liquidity: i128 = ticks.iter().filter(|entry| entry.tick <= 0).map(|entry| entry.liquidity_net).sum();
    V3View {
        fee_ppm: 3000,
        tick_spacing: 60,
        sqrt_price_x96: U256::ONE << 96_usize,
        tick: 0,
        liquidity: liquidity.unsigned_abs(),
        ticks,
        known_ticks: (MIN_TICK, MAX_TICK),
    }
}

/// Whether the table answers without the loop.
fn answers(steps: &StepTable, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> bool {
    answer::is_answered_by_table(&steps.sides[index(zero_for_one)], view, zero_for_one, amount)
}

/// What the speed comes from: nothing of a table that fits is left to the loop, in either direction, near or far.
#[test]
fn table_that_fits_answers_by_itself() {
    let ticks = ladder();
    let view = view(&ticks);
    let mut steps = StepTable::default();
    steps.build(&view, [3000; 2]);
    let mut crossed = [0; 2];
    for zero_for_one in [true, false] {
        assert!(steps.is_fitting(&view, zero_for_one));
        for bits in 0..66_usize {
            let amount = U256::ONE << bits;
            assert!(answers(&steps, &view, zero_for_one, amount), "{zero_for_one} 2^{bits}");
            let swap = steps.swap_exact_in(&view, zero_for_one, amount).expect("the pool takes it");
            assert!(!swap.is_partial);
            crossed[index(zero_for_one)] = swap.ticks_crossed;
        }
    }
    assert_eq!(crossed, [51, 50]);
}

#[test]
fn table_of_other_ticks_is_passed_over_only_where_it_matters() {
    let ticks = ladder();
    let mut steps = StepTable::default();
    steps.build(&view(&ticks), [3000; 2]);
    let mut changed = ticks.clone();
    changed.insert(90, entry(37 * 60 + 1, 5));
    let view = view(&changed);
    let (near, far) = (U256::ONE << 40_usize, U256::ONE << 62_usize);
    assert!(answers(&steps, &view, true, far) && answers(&steps, &view, false, near));
    assert!(!answers(&steps, &view, false, far));
    assert!(steps.is_fitting(&view, true) && !steps.is_fitting(&view, false));
    for (zero_for_one, amount) in [(true, near), (true, far), (false, near), (false, far)] {
        let loop_s = super::super::concentrated_liquidity::quote_exact_in(&view, zero_for_one, amount);
        assert_eq!(steps.swap_exact_in(&view, zero_for_one, amount), loop_s);
    }
}

/// The first step is known from where the price was last looked at. From anywhere else it is computed, to the same end.
#[test]
fn first_step_known_beforehand_is_the_one_that_is_computed() {
    let ticks = ladder();
    let mut view = view(&ticks);
    let mut steps = StepTable::default();
    steps.build(&view, [3000; 2]);
    for moved in [0_usize, 1, 60, 80, 87] {
        let elsewhere = steps.clone();
        view.sqrt_price_x96 += U256::ONE << moved;
        assert!(steps.follow(&view));
        for zero_for_one in [true, false] {
            let start = steps.sides[index(zero_for_one)].start.expect("128 bits");
            assert!(start.is_of(&view) && !elsewhere.sides[index(zero_for_one)].start.expect("128 bits").is_of(&view));
            for amount in [1, start.gross / 2, start.gross - 1, start.gross, start.gross + 1, 2 * start.gross] {
                let amount = U256::from(amount);
                let expected = super::super::concentrated_liquidity::quote_exact_in(&view, zero_for_one, amount);
                assert_eq!(steps.swap_exact_in(&view, zero_for_one, amount), expected, "{moved} {amount}");
                assert_eq!(elsewhere.swap_exact_in(&view, zero_for_one, amount), expected, "{moved} {amount}");
                let quote = steps.quote_exact_in(&view, zero_for_one, amount);
                assert_eq!(quote, expected.map(StepQuote::from));
            }
        }
    }
}

/// Another fee, spacing or range of known ticks leaves nothing of a table.
#[test]
fn table_of_another_pool_is_passed_over() {
    let ticks = ladder();
    let view = view(&ticks);
    let mut steps = StepTable::default();
    steps.build(&view, [3000, 500]);
    assert!(steps.is_fitting(&view, true));
    assert!(!steps.is_fitting(&view, false));
    assert!(steps.is_fitting(&V3View { fee_ppm: 500, ..view }, false));
    assert!(!steps.is_fitting(&V3View { tick_spacing: 10, ..view }, true));
    assert!(!steps.is_fitting(&V3View { known_ticks: (MIN_TICK, MAX_TICK - 1), ..view }, true));
    assert!(!steps.is_fitting(&V3View { liquidity: view.liquidity + 1, ..view }, true));
}

#[test]
fn table_built_again_allocates_nothing() {
    let ticks = ladder();
    let mut steps = StepTable::default();
    let capacities = |steps: &StepTable| {
        let of =
            |side: &Side| [side.stops.capacity(), side.nodes.capacity(), side.gross.capacity(), side.seen.capacity()];
        let mut all = [of(&steps.sides[0]), of(&steps.sides[1]), of(&steps.spare)];
        all.sort_unstable();
        all
    };
    let mut view = view(&ticks);
    for _ in 0..3 {
        steps.build(&view, [3000; 2]);
    }
    let warm = capacities(&steps);
    for tick in [0, -600, 1_200, 0, 59] {
        let liquidity: i128 = ticks.iter().filter(|entry| entry.tick <= tick).map(|entry| entry.liquidity_net).sum();
        view.tick = tick;
        view.liquidity = liquidity.unsigned_abs();
        view.sqrt_price_x96 = super::super::tick_math::get_sqrt_ratio_at_tick(tick).expect("in the domain");
        steps.build(&view, [3000; 2]);
        assert!(steps.is_fitting(&view, true) && steps.is_fitting(&view, false));
    }
    assert_eq!(capacities(&steps), warm);
}

#[test]
fn price_that_leaves_what_is_held_is_told() {
    let ticks = ladder();
    let mut view = view(&ticks);
    let mut steps = StepTable::new(16);
    assert!(!steps.follow(&view));
    steps.build(&view, [3000; 2]);
    assert!(steps.follow(&view));
    assert_eq!((steps.steps_ahead(true), steps.steps_ahead(false)), (16, 16));
    view.tick = -9 * 60;
    assert!(!steps.follow(&view), "half of what is ahead is used up");
    view.tick = -40 * 60;
    assert!(!steps.follow(&view), "the price is outside");
}
