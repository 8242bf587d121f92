//! What every kind of pool must pass, ours and another implementation of the same contracts: order, curvature, round
//! trips, inverses, what a swap leaves behind, and no panic on any input.
//!
//! ```
//! use alphapulse_strategies::conformance::pool::{OwnAnswers, Property, Species, check_species};
//!
//! let account = check_species(Species::UniswapV2, &OwnAnswers, 7, 20)?;
//! assert!(account.held(Property::RoundTrip) > 0);
//! # Ok::<(), alphapulse_strategies::conformance::pool::PoolViolation>(())
//! ```
//!
//! To check another source of quotes (a faster formula, a cache), implement [`PoolAnswers`] for it. To check a pool of a
//! market, copy it with [`SamplePool::of`].

mod bounds;
mod case;
mod hostile;
mod kept;
mod rate;
mod sample;
mod slack;
mod species;

use core::fmt;

use ruint::aliases::U256;
use thiserror::Error;

use self::case::Case;
pub use self::sample::{NoMarket, SamplePool};
pub use self::species::Species;
use super::random::Random;
use crate::market::{After, PoolView};
use crate::pool::{Mobius, QuoteError, Swapped, Way};

/// Cases of each random pool in [`check_species`].
const CASES_PER_POOL: u64 = 8;

/// Something that must hold of every pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property {
    /// More in never gives less out, and more out never costs less in.
    Monotone,
    /// Two swaps from one state give together no less than one of both inputs, up to rounding, at a fee that stands still.
    Concave,
    /// There and back never gives more than was paid.
    RoundTrip,
    /// The input that an exact output is said to cost gives that output.
    Duality,
    /// What a swap leaves is the pool that quotes the next one, whether put back into a view, written into the state, or
    /// told by messages; and the view and the swap agree but for a unit.
    AfterState,
    /// What a pool keeps constant, or its price and ticks, did not move to its depositors' cost.
    Invariant,
    /// The same question has the same answer, and the pool the same ones when told by messages and when read from a file.
    Repeatable,
    /// Wrong ways, amounts of nothing and amounts past every bound are refused; no output is more than the pool holds.
    Bounds,
    /// Marginal rate and curvature are those of the quotes: to a part in 10^6, and in 10^3.
    Rate,
    /// No panic, whatever the numbers of the state and of the question.
    Total,
}

impl Property {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Monotone,
        Self::Concave,
        Self::RoundTrip,
        Self::Duality,
        Self::AfterState,
        Self::Invariant,
        Self::Repeatable,
        Self::Bounds,
        Self::Rate,
        Self::Total,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Monotone => "monotone",
            Self::Concave => "concave",
            Self::RoundTrip => "round trip",
            Self::Duality => "duality",
            Self::AfterState => "after state",
            Self::Invariant => "invariant",
            Self::Repeatable => "repeatable",
            Self::Bounds => "bounds",
            Self::Rate => "rate",
            Self::Total => "total",
        })
    }
}

/// How often each property was checked. One that was never reached says nothing of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolAccount {
    held: [u64; Property::ALL.len()],
    left_out: [u64; Property::ALL.len()],
}

impl PoolAccount {
    /// Times that the property was checked and held.
    #[must_use]
    pub const fn held(&self, property: Property) -> u64 {
        self.held[property as usize]
    }

    /// Times that it could not be checked: the pool refused the amounts, or its contract promises no such thing.
    #[must_use]
    pub const fn left_out(&self, property: Property) -> u64 {
        self.left_out[property as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.held.iter_mut().zip(other.held).chain(self.left_out.iter_mut().zip(other.left_out)) {
            *own += other;
        }
    }
}

impl fmt::Display for PoolAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for property in Property::ALL {
            let (held, left_out) = (self.held(property), self.left_out(property));
            write!(
                formatter,
                "{}{property} {held} of {}",
                if property as usize == 0 { "" } else { ", " },
                held + left_out
            )?;
        }
        Ok(())
    }
}

/// A property that does not hold, and how to see it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct PoolViolation {
    /// What does not hold.
    pub property: Property,
    /// What was asked and answered.
    pub detail: String,
    /// Seed of the case.
    pub seed: u64,
    /// Random pool in which it happened: its species and seed; `None` for a pool that was given.
    pub drawn: Option<(Species, u64)>,
}

impl fmt::Display for PoolViolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, detail, seed, drawn } = self;
        write!(formatter, "{property}: {detail}; to repeat it: check_pool(")?;
        match drawn {
            Some((species, pool)) => write!(formatter, "&Species::{species}.draw({pool}), ")?,
            None => formatter.write_str("&pool, ")?,
        }
        write!(formatter, "&answers, {seed}, 1)")
    }
}

/// Who answers for pools. The default of each function is the library's own answer, so that an implementation overrides
/// what it has.
pub trait PoolAnswers {
    /// As [`PoolView::quote_exact_in`].
    ///
    /// # Errors
    /// As there.
    fn quote_exact_in(&self, pool: &PoolView<'_>, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        pool.quote_exact_in(way, amount_in, at)
    }

    /// As [`PoolView::quote_exact_out`].
    ///
    /// # Errors
    /// As there.
    fn quote_exact_out(&self, pool: &PoolView<'_>, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        pool.quote_exact_out(way, amount_out, at)
    }

    /// As [`PoolView::swap_exact_in`].
    ///
    /// # Errors
    /// As there.
    fn swap_exact_in(
        &self,
        pool: &PoolView<'_>,
        way: Way,
        amount_in: U256,
        at: u64,
    ) -> Result<Swapped<After>, QuoteError> {
        pool.swap_exact_in(way, amount_in, at)
    }

    /// As [`PoolView::rate`].
    fn rate(&self, pool: &PoolView<'_>, way: Way, at: u64) -> Option<Mobius> {
        pool.rate(way, at)
    }
}

/// The library's own answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnAnswers;

impl PoolAnswers for OwnAnswers {}

/// Checks `cases` random questions to a pool that could exist, in all properties but [`Property::Total`] of states that
/// could not.
///
/// # Errors
/// The first [`PoolViolation`]. A pool that has no view at all violates [`Property::Bounds`].
pub fn check_pool(
    pool: &SamplePool,
    answers: &dyn PoolAnswers,
    seed: u64,
    cases: u64,
) -> Result<PoolAccount, PoolViolation> {
    let mut account = PoolAccount::default();
    for seed in (seed..).take(usize::try_from(cases).unwrap_or(usize::MAX)) {
        let violation = |(property, detail)| PoolViolation { property, detail, seed, drawn: None };
        let view = pool.view().map_err(|error| violation((Property::Bounds, format!("no view: {error}"))))?;
        Case::new(pool, view, answers, seed, &mut account).check().map_err(violation)?;
    }
    Ok(account)
}

/// Checks `pools` random pools of one arithmetic, and as many states that no contract would hold, which may be refused
/// but must not panic. The same seed draws the same pools.
///
/// # Errors
/// The first [`PoolViolation`].
pub fn check_species(
    species: Species,
    answers: &dyn PoolAnswers,
    seed: u64,
    pools: u64,
) -> Result<PoolAccount, PoolViolation> {
    let mut account = PoolAccount::default();
    for seed in (seed..).take(usize::try_from(pools).unwrap_or(usize::MAX)) {
        let pool = species.draw(seed);
        let drawn = |violation| PoolViolation { drawn: Some((species, seed)), ..violation };
        account.add(&check_pool(&pool, answers, seed, CASES_PER_POOL).map_err(drawn)?);
        hostile::check(&pool, answers, seed, &mut account)
            .map_err(|detail| drawn(PoolViolation { property: Property::Total, detail, seed, drawn: None }))?;
    }
    Ok(account)
}
