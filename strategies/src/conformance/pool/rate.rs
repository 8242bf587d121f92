//! Marginal rate and curvature against differences of the integer quotes.

use ruint::aliases::U256;

use super::case::{Broken, Case};
use super::{Property, kept, slack};
use crate::pool::Mobius;

/// Relative error allowed of the marginal rate, and of the curvature.
const TOLERANCE: Mobius = Mobius { g: 1e-6, h: 1e-3 };

/// What rounding and the next terms of the series may make of a tolerance, for an input to be suitable: a constant error
/// of the output, as a root has, shows an eighth of itself between the two extrapolations.
const MARGIN: f64 = 32.0;

/// A fee that moves does so in steps of this part of the output.
const FEE_STEP: f64 = 1e-10;

pub(super) fn check(case: &mut Case<'_>) -> Result<(), Broken> {
    let (view, way) = (case.view, case.way);
    // Two inputs must agree: at one, the terms that are left out may cancel by chance.
    let agreed = |shift| {
        let (coarse, fine) = (measure(case, shift)?, measure(case, shift + 1)?);
        let is_near = (coarse.h / fine.h - 1.0).abs() < TOLERANCE.h / 4.0;
        (is_near && (coarse.g / fine.g - 1.0).abs() < TOLERANCE.g / 4.0).then_some(fine)
    };
    let Some(measured) = (4..64).find_map(agreed) else {
        case.leave_out(Property::Rate);
        return Ok(());
    };
    let map = case.asked.rate(&view, way);
    let holds = map.is_some_and(|map| {
        (map.g / measured.g - 1.0).abs() <= TOLERANCE.g && (map.h / measured.h - 1.0).abs() <= TOLERANCE.h
    });
    case.hold(Property::Rate, holds, || format!("{map:?}, but the quotes go by {measured:?}"))
}

/// The map by the quotes of one, two, three and four times a part of the balance, `None` where that input is not suitable:
/// too small for the output's units, or too large for the first terms of the series.
///
/// The quotient of input and output is a straight line for a Möbius map, `(1 + h x) / g`, and near one for the others.
fn measure(case: &Case<'_>, shift: usize) -> Option<Mobius> {
    let unit = U256::from(kept::held(&case.view, case.way.token_in)) >> shift;
    let mut quotients = [0.0; 4];
    let mut first = 0.0;
    for (times, quotient) in (1_u64..).zip(&mut quotients) {
        let amount = unit * U256::from(times);
        let out = case.quote(&case.view, case.way, amount).ok().filter(|out| !out.is_zero())?;
        *quotient = f64::from(amount) / f64::from(out);
        first = if times == 1 { f64::from(out) } else { first };
    }
    if case.view.ranges(case.way.token_in == 0).next().is_some_and(|range| f64::from(unit) * 4.0 > range.input_end) {
        return None;
    }
    let [a, b, c, d] = quotients;
    let step = f64::from(unit);
    let near = [3.0 * a - 3.0 * b + c, (-2.5 * a + 4.0 * b - 1.5 * c) / step];
    let nearer = [4.0 * a - 6.0 * b + 4.0 * c - d, (-13.0 / 3.0 * a + 9.5 * b - 7.0 * c + 11.0 / 6.0 * d) / step];
    let map = Mobius { g: 1.0 / nearer[0], h: nearer[1] / nearer[0] };
    let of_fee = if slack::is_fee_moving(case.pool) { FEE_STEP } else { 0.0 };
    let noise = (f64::from(slack::noise(&case.view, case.way, case.pool.at)) / first + of_fee) * MARGIN;
    let apart = [0, 1].map(|term| (near[term] / nearer[term] - 1.0).abs() * MARGIN);
    let is_suitable = noise < TOLERANCE.g
        && noise < TOLERANCE.h * (map.h * step).abs()
        && apart[0] < TOLERANCE.g
        && apart[1] < TOLERANCE.h;
    is_suitable.then_some(map)
}
