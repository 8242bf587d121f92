//! Questions that have no answer, and answers that could not be paid.

use ruint::aliases::U256;

use super::case::{Broken, Case};
use super::{Property, kept, slack};
use crate::market::PoolView;
use crate::pool::{QuoteError, Way};

pub(super) fn check(case: &mut Case<'_>) -> Result<(), Broken> {
    let count = case.pool.token_count();
    let own = case.way.token_in;
    for (token_in, token_out) in [(own, own), (own, count), (count, own), (u8::MAX, own)] {
        let (way, one) = (Way { token_in, token_out }, U256::from(1_000_000));
        let answers = [
            case.quote(&case.view, way, one),
            case.cost(&case.view, way, one),
            case.swap(&case.view, way, one).map(|swapped| swapped.amount_out),
        ];
        let holds = answers.iter().all(|answer| *answer == Err(QuoteError::TokenNotInPool));
        // A contract without exact outputs may say so first.
        let holds = holds || answers[1] == Err(QuoteError::ExactOutputNotOffered);
        case.hold(Property::Bounds, holds, || format!("{answers:?} for {way:?}"))?;
    }
    for amount in [U256::MAX, U256::MAX >> 1_usize, U256::ONE << 255_usize] {
        let answers = [case.quote(&case.view, case.way, amount), case.cost(&case.view, case.way, amount)];
        let is_partial = matches!(case.view, PoolView::V3(_)) && amount == U256::MAX >> 1_usize;
        let holds = answers.iter().all(Result::is_err) || is_partial;
        case.hold(Property::Bounds, holds, || format!("{answers:?} for {amount}"))?;
        let swapped = case.swap(&case.view, case.way, amount);
        case.hold(Property::Bounds, swapped.is_err(), || format!("{swapped:?} for {amount}"))?;
    }
    let nothing = case.quote(&case.view, case.way, U256::ZERO);
    // The first pools and those off the peg keep no unit against the rounding of their root.
    let holds = nothing.is_ok_and(|out| out <= slack::root(&case.view, case.way, case.pool.at)) || nothing.is_err();
    case.hold(Property::Bounds, holds, || format!("{nothing:?} for nothing"))?;
    check_held(case)
}

/// No more comes out than the pool holds; of what it holds in ranges only its own maths knows.
fn check_held(case: &mut Case<'_>) -> Result<(), Broken> {
    if matches!(case.view, PoolView::V3(_) | PoolView::V4(_)) {
        return Ok(());
    }
    let [paid, held] = [case.way.token_in, case.way.token_out].map(|token| U256::from(kept::held(&case.view, token)));
    let amount = paid << case.random.index(12);
    if let Ok(out) = case.quote(&case.view, case.way, amount) {
        case.hold(Property::Bounds, out <= held, || format!("{out} of {held} for {amount}"))?;
    }
    let cost = case.cost(&case.view, case.way, held + U256::ONE);
    case.hold(Property::Bounds, cost.is_err(), || format!("one more than {held} costs {cost:?}"))
}
