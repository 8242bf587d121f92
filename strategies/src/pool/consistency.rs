//! Whether a pool's parts fit each other: what a loader checks before it trusts a tick map.

use thiserror::Error;

use super::PPM;
use super::concentrated_liquidity::V3View;
use super::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio};

/// What is wrong with a pool's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Inconsistency {
    /// The pool has no price, or one outside the domain.
    #[error("price is outside the price domain")]
    PriceOutsideDomain,
    /// The fee is one or more.
    #[error("fee of {fee_ppm} ppm is not below one")]
    Fee {
        /// The fee found, in parts per million.
        fee_ppm: u32,
    },
    /// The tick spacing is not positive.
    #[error("tick spacing {tick_spacing} is not positive")]
    TickSpacing {
        /// The spacing found.
        tick_spacing: i32,
    },
    /// The current tick is not the one of the price.
    #[error("tick {tick} is not tick {expected} of the price")]
    TickOfPrice {
        /// The current tick found.
        tick: i32,
        /// The tick of the price.
        expected: i32,
    },
    /// The list is not strictly rising.
    #[error("tick {tick} is not above its predecessor")]
    Unsorted {
        /// The first tick out of order.
        tick: i32,
    },
    /// An initialised tick lies outside the domain or between two multiples of the spacing.
    #[error("tick {tick} cannot be initialised in this pool")]
    TickNotUsable {
        /// The tick found.
        tick: i32,
    },
    /// A tick's gross liquidity is zero or smaller than its net.
    #[error("tick {tick} has less gross liquidity than its net implies")]
    Gross {
        /// The tick found.
        tick: i32,
    },
    /// Summing net liquidity from below leaves `uint128`.
    #[error("net liquidity up to tick {tick} is negative or past 128 bits")]
    LiquidityOverflow {
        /// Where the sum leaves the type.
        tick: i32,
    },
    /// Net liquidity of all ticks at or below the current one is not the active liquidity.
    #[error("active liquidity is {found}, its ticks give {expected}")]
    ActiveLiquidity {
        /// The active liquidity found.
        found: u128,
        /// The sum over the ticks.
        expected: u128,
    },
    /// Net liquidity of all ticks is not zero.
    #[error("net liquidity of all ticks is {total}, not zero")]
    TotalLiquidity {
        /// The sum over all ticks.
        total: u128,
    },
    /// Weights of a weighted pool are not one together, or one of them is zero.
    #[error("weights are {sum} of 10^18 together, or one of them is zero")]
    Weights {
        /// The sum found.
        sum: u128,
    },
}

/// Checks that a pool's tick map, liquidity, tick and price belong together.
///
/// The sums of net liquidity are checked only when the whole tick domain is known: without its lower part they say
/// nothing. Data read at two different blocks fails here, which is what this is for.
///
/// # Errors
/// The first [`Inconsistency`] found.
pub fn check_consistency(view: &V3View<'_>) -> Result<(), Inconsistency> {
    check_parameters(view)?;
    check_tick_of_price(view)?;
    check_ticks(view)?;
    if view.known_ticks.0 <= MIN_TICK && view.known_ticks.1 >= MAX_TICK { check_sums(view) } else { Ok(()) }
}

/// [`check_consistency`] of a pool that passed it with this tick and this liquidity, and whose ticks have not changed since: only
/// what a swap changes is looked at, and the ticks that it crossed.
pub(crate) fn check_moved(view: &V3View<'_>, (tick, liquidity): (i32, u128)) -> Result<(), Inconsistency> {
    check_parameters(view)?;
    check_tick_of_price(view)?;
    if view.known_ticks.0 > MIN_TICK || view.known_ticks.1 < MAX_TICK {
        return Ok(());
    }
    let place = |tick: i32| view.ticks.partition_point(|entry| entry.tick <= tick);
    let (before, now) = (place(tick), place(view.tick));
    let crossed = view.ticks.get(before.min(now)..before.max(now)).unwrap_or(&[]);
    let net = crossed.iter().fold(0_i128, |net, entry| net.wrapping_add(entry.liquidity_net));
    // Both are sums of the same ticks that were found to have 128 bits, and so is what lies between them.
    let expected = if now >= before {
        liquidity.wrapping_add_signed(net)
    } else {
        liquidity.wrapping_add_signed(net.wrapping_neg())
    };
    if expected == view.liquidity {
        Ok(())
    } else {
        Err(Inconsistency::ActiveLiquidity { found: view.liquidity, expected })
    }
}

fn check_parameters(view: &V3View<'_>) -> Result<(), Inconsistency> {
    if view.fee_ppm >= PPM {
        return Err(Inconsistency::Fee { fee_ppm: view.fee_ppm });
    }
    if view.tick_spacing <= 0 {
        return Err(Inconsistency::TickSpacing { tick_spacing: view.tick_spacing });
    }
    Ok(())
}

fn check_tick_of_price(view: &V3View<'_>) -> Result<(), Inconsistency> {
    let expected = get_tick_at_sqrt_ratio(view.sqrt_price_x96).map_err(|_| Inconsistency::PriceOutsideDomain)?;
    // A swap down that stops exactly on a tick has already crossed it.
    let is_just_crossed = view.tick == expected - 1 && get_sqrt_ratio_at_tick(expected) == Ok(view.sqrt_price_x96);
    if view.tick == expected || is_just_crossed {
        Ok(())
    } else {
        Err(Inconsistency::TickOfPrice { tick: view.tick, expected })
    }
}

fn check_ticks(view: &V3View<'_>) -> Result<(), Inconsistency> {
    let mut previous = None;
    for entry in view.ticks {
        let tick = entry.tick;
        if previous.is_some_and(|previous| previous >= tick) {
            return Err(Inconsistency::Unsorted { tick });
        }
        if tick % view.tick_spacing != 0 || !(MIN_TICK..=MAX_TICK).contains(&tick) {
            return Err(Inconsistency::TickNotUsable { tick });
        }
        if entry.liquidity_gross == 0 || entry.liquidity_net.unsigned_abs() > entry.liquidity_gross {
            return Err(Inconsistency::Gross { tick });
        }
        previous = Some(tick);
    }
    Ok(())
}

fn check_sums(view: &V3View<'_>) -> Result<(), Inconsistency> {
    let mut sum = 0_u128;
    let mut active = 0_u128;
    for entry in view.ticks {
        sum =
            sum.checked_add_signed(entry.liquidity_net).ok_or(Inconsistency::LiquidityOverflow { tick: entry.tick })?;
        if entry.tick <= view.tick {
            active = sum;
        }
    }
    if active != view.liquidity {
        return Err(Inconsistency::ActiveLiquidity { found: view.liquidity, expected: active });
    }
    if sum != 0 {
        return Err(Inconsistency::TotalLiquidity { total: sum });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::replica::TickLiquidity;
    use ruint::aliases::U256;

    use super::*;

    const fn tick(tick: i32, net: i128) -> TickLiquidity {
        TickLiquidity { tick, liquidity_net: net, liquidity_gross: net.unsigned_abs() }
    }

    fn view(ticks: &[TickLiquidity]) -> V3View<'_> {
        V3View {
            fee_ppm: 3000,
            tick_spacing: 60,
            sqrt_price_x96: get_sqrt_ratio_at_tick(0).expect("in the domain"),
            tick: 0,
            liquidity: 7,
            ticks,
            known_ticks: (MIN_TICK, MAX_TICK),
        }
    }

    #[test]
    fn ticks_that_sum_to_the_liquidity_are_accepted() {
        assert_eq!(check_consistency(&view(&[tick(-60, 7), tick(60, -7)])), Ok(()));
    }

    #[test]
    fn a_tick_just_crossed_downwards_is_accepted() {
        let ticks = [tick(-60, 7), tick(0, -7)];
        assert_eq!(check_consistency(&V3View { tick: -1, ..view(&ticks) }), Ok(()));
        let moved = V3View { tick: -1, sqrt_price_x96: view(&ticks).sqrt_price_x96 + U256::ONE, ..view(&ticks) };
        assert_eq!(check_consistency(&moved), Err(Inconsistency::TickOfPrice { tick: -1, expected: 0 }));
    }

    #[test]
    fn each_contradiction_is_named() {
        let cases: [(&[TickLiquidity], Inconsistency); 6] = [
            (&[tick(-60, 8), tick(60, -8)], Inconsistency::ActiveLiquidity { found: 7, expected: 8 }),
            (&[tick(-60, 7), tick(60, -6)], Inconsistency::TotalLiquidity { total: 1 }),
            (&[tick(60, -7), tick(-60, 7)], Inconsistency::Unsorted { tick: -60 }),
            (&[tick(-61, 7), tick(60, -7)], Inconsistency::TickNotUsable { tick: -61 }),
            (&[tick(-60, 7), tick(60, -8)], Inconsistency::LiquidityOverflow { tick: 60 }),
            (&[tick(-60, 7), tick(0, 0), tick(60, -7)], Inconsistency::Gross { tick: 0 }),
        ];
        for (ticks, expected) in cases {
            assert_eq!(check_consistency(&view(ticks)), Err(expected));
        }
    }

    /// From every tick to every other one, with the liquidity of the ticks and beside it.
    #[test]
    fn pool_that_moved_is_judged_as_a_whole_one() {
        let ticks = [tick(-120, 5), tick(-60, 7), tick(0, -4), tick(60, 9), tick(120, -17)];
        let at = |now: i32, change: i128| {
            let active: i128 = ticks.iter().filter(|entry| entry.tick <= now).map(|entry| entry.liquidity_net).sum();
            let sqrt_price_x96 = get_sqrt_ratio_at_tick(now).expect("in the domain");
            V3View { tick: now, sqrt_price_x96, liquidity: (active + change).unsigned_abs(), ..view(&ticks) }
        };
        let mut refused = 0;
        for before in (-140..=140).step_by(20).map(|before| at(before, 0)) {
            assert_eq!(check_consistency(&before), Ok(()));
            for (now, change) in (-140..=140).step_by(10).flat_map(|now| [(now, 0), (now, 3)]) {
                let now = at(now, change);
                let judged = check_consistency(&now);
                assert_eq!(check_moved(&now, (before.tick, before.liquidity)), judged);
                refused += usize::from(judged.is_err());
            }
            let elsewhere = V3View { sqrt_price_x96: at(20, 0).sqrt_price_x96, ..before };
            assert_eq!(check_moved(&elsewhere, (before.tick, before.liquidity)), check_consistency(&elsewhere));
        }
        assert_eq!(refused, 15 * 29);
    }

    #[test]
    fn sums_are_not_asked_of_a_part() {
        let part = V3View { known_ticks: (0, 1200), ..view(&[]) };
        assert_eq!(check_consistency(&part), Ok(()));
    }
}
