use alphapulse_protocol::replica::TickLiquidity;
use ruint::aliases::U256;

use super::*;
use crate::pool::V3View;
use crate::pool::tick_math::{MAX_TICK, MIN_TICK};
use crate::pool::v4::V4View;
use crate::pool::v4::permission::BEFORE_SWAP;

const TICKS: [TickLiquidity; 2] = [
    TickLiquidity { tick: -887_220, liquidity_net: 1_000_000, liquidity_gross: 1_000_000 },
    TickLiquidity { tick: 887_220, liquidity_net: -1_000_000, liquidity_gross: 1_000_000 },
];

fn view(ticks: &[TickLiquidity], liquidity: u128) -> PoolView<'_> {
    let view = V3View {
        fee_ppm: 3_000,
        tick_spacing: 60,
        sqrt_price_x96: U256::ONE << 96_usize,
        tick: 0,
        liquidity,
        ticks,
        known_ticks: (MIN_TICK, MAX_TICK),
    };
    PoolView::V3(view.into())
}

/// A pool whose hook may set the fee of each swap.
fn hooked(ticks: &[TickLiquidity]) -> PoolView<'_> {
    let mut hooks = [0; 20];
    hooks[18..].copy_from_slice(&BEFORE_SWAP.to_be_bytes());
    let view = V4View {
        hooks,
        lp_fee_ppm: 3_000,
        protocol_fees_ppm: [0; 2],
        tick_spacing: 60,
        sqrt_price_x96: U256::ONE << 96_usize,
        tick: 0,
        liquidity: 1_000_000,
        ticks,
        known_ticks: (MIN_TICK, MAX_TICK),
    };
    PoolView::V4(view.into())
}

fn holders(tables: &StepTables) -> Vec<u32> {
    let mut holders: Vec<_> = tables.holders.iter().map(|pool| pool.0).collect();
    holders.sort_unstable();
    holders
}

fn ask(tables: &StepTables, pools: impl IntoIterator<Item = u32>) {
    for pool in pools {
        tables.of_pool(PoolId(pool)).ask();
    }
}

#[test]
fn only_pools_that_were_asked_about_get_a_table() {
    let mut tables = StepTables::new(10);
    tables.grow(100);
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 0);
    ask(&tables, [3, 70]);
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 2);
    assert_eq!(holders(&tables), [3, 70]);
    ask(&tables, [3, 70]);
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 0);
    let (count, bytes) = tables.held();
    assert!(count == 2 && bytes > 2 * size_of::<StepTable>());
}

#[test]
fn pools_that_wait_are_served_in_turn() {
    let mut tables = StepTables::new(100);
    tables.grow(100);
    ask(&tables, 0..20);
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), STEP_TABLES_BUILT_MAX);
    // The first ones change at once, and have to wait until all others had their turn.
    (0..8).for_each(|pool| tables.note_change(PoolId(pool)));
    tables.build(|_| Some(view(&TICKS[..0], 0)));
    tables.build(|_| Some(view(&TICKS[..0], 0)));
    assert!((0..20).all(|pool| tables.is_held.contains(PoolId(pool))));
}

#[test]
fn pool_that_was_not_asked_about_gives_way() {
    let mut tables = StepTables::new(3);
    tables.grow(100);
    ask(&tables, [1, 2, 3]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    // Takes the marks of all, and the place of one.
    ask(&tables, [4]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    assert_eq!(tables.held().0, 3);
    let held = holders(&tables);
    assert!(held.contains(&4));
    let idle = *held.iter().find(|pool| **pool != 4).expect("two others");
    ask(&tables, held.iter().copied().filter(|pool| *pool != idle));
    ask(&tables, [5]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    assert!(!holders(&tables).contains(&idle) && holders(&tables).contains(&5));
    assert!(!tables.is_held.contains(PoolId(idle)) && tables.of_pool(PoolId(idle)).ask().is_none());
}

#[test]
fn pool_that_gave_way_is_not_built_again_for_having_changed() {
    let mut tables = StepTables::new(1);
    tables.grow(4);
    ask(&tables, [1]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    tables.note_change(PoolId(1));
    // The table of pool 1 is looked at first, and gives way then: what was noted of it goes too.
    tables.next = PoolId(2);
    ask(&tables, [2]);
    tables.build(|pool| (pool == PoolId(2)).then(|| view(&TICKS, 1_000_000)));
    assert_eq!(holders(&tables), [2]);
    assert!(!tables.wanted.take(PoolId(1)));
}

#[test]
fn pool_with_hooks_holds_no_table() {
    let mut tables = StepTables::new(1);
    tables.grow(2);
    ask(&tables, [1]);
    assert_eq!(tables.build(|_| Some(hooked(&TICKS))), 0);
    assert_eq!(tables.held(), (0, 0));
}

#[test]
fn table_follows_a_pool_that_changed() {
    let mut tables = StepTables::new(3);
    tables.grow(4);
    ask(&tables, [1]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    tables.note_change(PoolId(1));
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 0, "it fits as it is");
    tables.note_change(PoolId(1));
    assert_eq!(tables.build(|_| Some(view(&TICKS[..0], 0))), 1);
    tables.note_change(PoolId(2));
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 0, "nobody asked about it");
}

#[test]
fn market_without_room_holds_none() {
    let mut tables = StepTables::new(0);
    tables.grow(4);
    ask(&tables, 0..4);
    assert_eq!(tables.build(|_| Some(view(&TICKS, 1_000_000))), 0);
    assert_eq!(tables.held(), (0, 0));
}

#[test]
fn tables_of_pools_that_are_gone_go_with_them() {
    let mut tables = StepTables::new(10);
    tables.grow(100);
    ask(&tables, [3, 70]);
    tables.build(|_| Some(view(&TICKS, 1_000_000)));
    tables.resize(50);
    assert_eq!(holders(&tables), [3]);
    assert!(!tables.is_held.contains(PoolId(70)));
    tables.resize(100);
    assert_eq!((tables.held().0, tables.of_pool(PoolId(70)).ask().is_none()), (1, true));
}
