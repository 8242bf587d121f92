//! Pools of concentrated liquidity with the table of their steps, where the market holds one.

use core::ops::{Deref, DerefMut};

use ruint::aliases::U256;

use super::super::tables::StepsOfPool;
use super::After;
use crate::pool::concentrated_liquidity::{self, SwapResult, V3View};
use crate::pool::steps::{StepQuote, StepTable};
use crate::pool::v4::V4View;
use crate::pool::{QuoteError, Swapped, Way};

/// A pool's state and, for its quotes, the table of its steps. The table saves time and decides nothing: a quote compares
/// what it depends on with the state, so both may have been changed since.
#[derive(Debug, Clone, Copy)]
pub struct Stepped<'a, V> {
    view: V,
    steps: Option<StepsOfPool<'a>>,
}

impl<V> From<V> for Stepped<'_, V> {
    fn from(view: V) -> Self {
        Self { view, steps: None }
    }
}

impl<V> Deref for Stepped<'_, V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.view
    }
}

impl<V> DerefMut for Stepped<'_, V> {
    fn deref_mut(&mut self) -> &mut V {
        &mut self.view
    }
}

impl<'a, V> Stepped<'a, V> {
    pub(super) const fn set_steps(&mut self, steps: StepsOfPool<'a>) {
        self.steps = Some(steps);
    }

    #[inline]
    fn table(&self) -> Option<&'a StepTable> {
        self.steps.and_then(StepsOfPool::ask)
    }
}

impl Stepped<'_, V3View<'_>> {
    /// As [`concentrated_liquidity::quote_exact_in`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_in(&self, zero_for_one: bool, amount: U256) -> Result<StepQuote, QuoteError> {
        match self.table() {
            Some(table) => table.quote_exact_in(&self.view, zero_for_one, amount),
            None => concentrated_liquidity::quote_exact_in(&self.view, zero_for_one, amount).map(StepQuote::from),
        }
    }

    /// As [`concentrated_liquidity::quote_exact_out`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_out(&self, zero_for_one: bool, amount: U256) -> Result<StepQuote, QuoteError> {
        match self.table() {
            Some(table) => table.quote_exact_out(&self.view, zero_for_one, amount),
            None => concentrated_liquidity::quote_exact_out(&self.view, zero_for_one, amount).map(StepQuote::from),
        }
    }

    /// As [`concentrated_liquidity::quote_exact_in`], with what the swap leaves behind.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn swap_exact_in(&self, zero_for_one: bool, amount: U256) -> Result<SwapResult, QuoteError> {
        match self.table() {
            Some(table) => table.swap_exact_in(&self.view, zero_for_one, amount),
            None => concentrated_liquidity::quote_exact_in(&self.view, zero_for_one, amount),
        }
    }
}

impl Stepped<'_, V4View<'_>> {
    /// As [`V4View::quote_exact_in`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_in(&self, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
        match self.table() {
            Some(table) => self.view.quote_exact_in_by(table, way, amount_in),
            None => self.view.quote_exact_in(way, amount_in),
        }
    }

    /// As [`V4View::quote_exact_out`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_out(&self, way: Way, amount_out: U256) -> Result<U256, QuoteError> {
        match self.table() {
            Some(table) => self.view.quote_exact_out_by(table, way, amount_out),
            None => self.view.quote_exact_out(way, amount_out),
        }
    }

    /// As [`V4View::swap_exact_in`].
    ///
    /// # Errors
    /// As there.
    pub fn swap_exact_in(&self, way: Way, amount_in: U256) -> Result<Swapped<After>, QuoteError> {
        let swapped = match self.table() {
            Some(table) => self.view.swap_exact_in_by(table, way, amount_in)?,
            None => self.view.swap_exact_in(way, amount_in)?,
        };
        Ok(swapped.map(After::from))
    }
}
