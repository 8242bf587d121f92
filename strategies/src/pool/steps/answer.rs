//! A swap by a table: its first step, a search, its last step.

use ruint::aliases::U256;

use super::super::concentrated_liquidity::{
    Rules, SwapResult, V3View, check_limit, check_view, fit_int256, go_on_by, sqrt_price_limit_default, swap_by,
};
use super::super::swap_math::{compute_swap_step, inner_step, whole_step};
use super::super::{AmountSpecified, QuoteError};
use super::outcome::Outcome;
use super::side::{Node, Side, search};

/// As [`swap_by`] without a price limit: by the table where it fits, else by the loop.
pub(super) fn swap_without_limit(
    rules: Rules,
    side: Option<&Side>,
    view: &V3View<'_>,
    zero_for_one: bool,
    specified: AmountSpecified,
) -> Result<Outcome, QuoteError> {
    let limit = sqrt_price_limit_default(zero_for_one);
    check_view(rules, view)?;
    rules.check_specified(specified)?;
    check_limit(view, zero_for_one, limit)?;
    if let Some(side) = side
        && let Some(first) = side.position(zero_for_one, view.tick)
        && let Some(outcome) = (Swap { side, rules, view, zero_for_one, specified, first }).outcome()?
    {
        fit_int256(outcome.result.amount_in)?;
        fit_int256(outcome.result.amount_out)?;
        rules.check_result(&outcome.result)?;
        return Ok(outcome);
    }
    swap_by(rules, view, zero_for_one, specified, limit).map(Outcome::from)
}

/// A swap that a table is asked about, from before node `first`.
#[derive(Clone, Copy)]
struct Swap<'a> {
    side: &'a Side,
    rules: Rules,
    view: &'a V3View<'a>,
    zero_for_one: bool,
    specified: AmountSpecified,
    first: usize,
}

/// A step, or some, by what the caller fixes and what follows from it.
#[derive(Clone, Copy)]
struct Amounts {
    specified: U256,
    other: U256,
}

/// Where a swap comes to rest.
struct Rest {
    sqrt_price_x96: U256,
    /// That of the price where the price moved inside a step.
    tick: Option<i32>,
    liquidity: u128,
    ticks_crossed: u32,
}

impl<'a> Swap<'a> {
    /// `None` when the table does not fit the pool.
    fn outcome(&self) -> Result<Option<Outcome>, QuoteError> {
        let Some(node) = self.node(self.first) else { return Ok(None) };
        if node.liquidity != self.view.liquidity || !self.is_price_inside(node.sqrt_price) {
            return Ok(None);
        }
        let amount = self.specified.amount();
        if !self.is_surely_crossed(amount)
            && let Some((next, step)) = self.inner(self.view.sqrt_price_x96, node.sqrt_price, node.liquidity, amount)?
        {
            return Ok(self.is_like(self.first).then(|| self.inside(self.first, self.view.sqrt_price_x96, next, step)));
        }
        let whole = self.whole_first(node.sqrt_price)?;
        let Some(left) = amount.checked_sub(whole.specified) else { return Ok(None) };
        self.after_first(whole, left)
    }

    /// The swap has arrived at the first node with `left` to go.
    fn after_first(&self, whole: Amounts, left: U256) -> Result<Option<Outcome>, QuoteError> {
        let (sums, _) = self.sums();
        let at_first = sums.get(self.first).copied().unwrap_or(0);
        // The first node at which all is used up. What follows without taking anything is not passed any more.
        let sought = u128::try_from(left).ok().and_then(|left| at_first.checked_add(left));
        let found = sought.map_or(sums.len(), |sought| search(sums, self.first, sought));
        let is_on = sought.is_some() && sums.get(found).copied() == sought;
        // Node that the swap is at before its last step, if it has one.
        let before = if is_on { found } else { found.saturating_sub(1) };
        let Some(passed) = self.passed(whole, before) else { return Ok(None) };
        let Some(left) = self.specified.amount().checked_sub(passed.specified) else { return Ok(None) };
        if !self.is_like(if is_on { found } else { found.min(sums.len().saturating_sub(1)) }) {
            return Ok(None);
        }
        if is_on {
            return Ok(self.on(before, passed));
        }
        let (Some(from), Some(to)) = (self.node(before), self.node(found)) else {
            return self.beyond(before, passed, left);
        };
        let Some((next, step)) = self.inner(from.sqrt_price, to.sqrt_price, to.liquidity, left)? else {
            return Ok(None);
        };
        let amounts = Amounts { specified: passed.specified + step.specified, other: passed.other + step.other };
        Ok(Some(self.inside(found, from.sqrt_price, next, amounts)))
    }

    fn node(&self, at: usize) -> Option<&'a Node> {
        self.side.nodes.get(at)
    }

    /// Sums of what the caller fixes, and of the other side.
    fn sums(&self) -> (&'a [u128], &'a [u128]) {
        match self.specified {
            AmountSpecified::ExactIn(_) => (&self.side.gross, &self.side.output),
            AmountSpecified::ExactOut(_) => (&self.side.output, &self.side.gross),
        }
    }

    /// Everything up to node `at`.
    fn passed(&self, whole: Amounts, at: usize) -> Option<Amounts> {
        let (specified, other) = self.sums();
        let since = |sums: &[u128]| sums.get(at)?.checked_sub(*sums.get(self.first)?).map(U256::from);
        // The first step has 245 bits at most.
        Some(Amounts { specified: whole.specified + since(specified)?, other: whole.other + since(other)? })
    }

    /// The price lies between the nodes whose step the swap begins in.
    fn is_price_inside(&self, target: U256) -> bool {
        let price = self.view.sqrt_price_x96;
        let start = self.side.start_price(self.first);
        if self.zero_for_one {
            target <= price && start.is_none_or(|start| price <= start)
        } else {
            target >= price && start.is_none_or(|start| price >= start)
        }
    }

    /// Whether the amount is surely enough for the first step: it is for the whole of the table's step, of which the first
    /// step is the end.
    fn is_surely_crossed(&self, amount: U256) -> bool {
        let (sums, _) = self.sums();
        let whole = self.side.start_price(self.first).and_then(|_| {
            let before = self.first.checked_sub(1)?;
            sums.get(self.first)?.checked_sub(*sums.get(before)?)
        });
        whole.is_some_and(|whole| amount >= U256::from(whole))
    }

    fn is_like(&self, last: usize) -> bool {
        self.side.is_like(self.view.ticks, self.zero_for_one, self.view.tick, self.first, last)
    }

    /// The first step, when it goes all the way.
    fn whole_first(&self, target: U256) -> Result<Amounts, QuoteError> {
        let V3View { sqrt_price_x96, liquidity, fee_ppm, .. } = *self.view;
        let step = whole_step(sqrt_price_x96, target, liquidity, fee_ppm)?;
        Ok(self
            .amounts(step.amount_in.checked_add(step.fee_amount).ok_or(QuoteError::AmountOverflow)?, step.amount_out))
    }

    const fn amounts(&self, amount_in: U256, amount_out: U256) -> Amounts {
        match self.specified {
            AmountSpecified::ExactIn(_) => Amounts { specified: amount_in, other: amount_out },
            AmountSpecified::ExactOut(_) => Amounts { specified: amount_out, other: amount_in },
        }
    }

    /// A step that uses up all that is left before it reaches the target: the price after it, and its amounts. `None` when
    /// it reaches the target.
    fn inner(
        &self,
        from: U256,
        target: U256,
        liquidity: u128,
        left: U256,
    ) -> Result<Option<(U256, Amounts)>, QuoteError> {
        let fee_ppm = self.view.fee_ppm;
        match self.specified {
            AmountSpecified::ExactIn(_) => {
                let step = inner_step(from, target, liquidity, left, fee_ppm)?;
                Ok(step.map(|step| (step.sqrt_price_next_x96, Amounts { specified: left, other: step.amount_out })))
            }
            AmountSpecified::ExactOut(_) => {
                let step = compute_swap_step(from, target, liquidity, AmountSpecified::ExactOut(left), fee_ppm)?;
                let paid = step.amount_in.checked_add(step.fee_amount).ok_or(QuoteError::AmountOverflow)?;
                let is_inner = step.sqrt_price_next_x96 != target && step.amount_out == left;
                Ok(is_inner.then_some((step.sqrt_price_next_x96, Amounts { specified: left, other: paid })))
            }
        }
    }

    /// All is used up on arrival at a node.
    fn on(&self, at: usize, amounts: Amounts) -> Option<Outcome> {
        let rest = self.arrived(at)?;
        Some(self.finish(amounts, rest))
    }

    fn arrived(&self, at: usize) -> Option<Rest> {
        let (node, &stop) = (self.node(at)?, self.side.stops.get(at)?);
        Some(Rest {
            sqrt_price_x96: node.sqrt_price,
            tick: Some(if self.zero_for_one { stop - 1 } else { stop }),
            liquidity: node.liquidity_after,
            ticks_crossed: self.crossed_before(at) + u32::from(node.is_initialised),
        })
    }

    /// All is used up in the step to a node.
    fn inside(&self, to: usize, from_price: U256, sqrt_price_x96: U256, amounts: Amounts) -> Outcome {
        // A price that did not move leaves the tick alone, also one just crossed downwards.
        let tick_before = || match to.checked_sub(1).filter(|_| to > self.first).and_then(|at| self.side.stops.get(at))
        {
            Some(&stop) => {
                if self.zero_for_one {
                    stop - 1
                } else {
                    stop
                }
            }
            None => self.view.tick,
        };
        let rest = Rest {
            sqrt_price_x96,
            tick: (sqrt_price_x96 == from_price).then(tick_before),
            liquidity: self.node(to).map_or(0, |node| node.liquidity),
            ticks_crossed: self.crossed_before(to),
        };
        self.finish(amounts, rest)
    }

    /// Initialised ticks from the start of the swap up to node `at`, without it.
    fn crossed_before(&self, at: usize) -> u32 {
        let count = |at| self.node(at).map_or(0, |node| node.ticks_before);
        count(at).saturating_sub(count(self.first))
    }

    /// The table ends before the amount does: the loop goes on.
    fn beyond(&self, last: usize, passed: Amounts, left: U256) -> Result<Option<Outcome>, QuoteError> {
        let Some(Rest { sqrt_price_x96, tick: Some(tick), liquidity, ticks_crossed }) = self.arrived(last) else {
            return Ok(None);
        };
        let there = V3View { sqrt_price_x96, tick, liquidity, ..*self.view };
        let so_far = (left, fit_int256(passed.other)?, ticks_crossed);
        go_on_by(self.rules, &there, self.zero_for_one, self.specified, so_far).map(|result| Some(result.into()))
    }

    fn finish(&self, amounts: Amounts, rest: Rest) -> Outcome {
        let Rest { sqrt_price_x96, tick, liquidity, ticks_crossed } = rest;
        let Amounts { specified: amount_in, other: amount_out } = match self.specified {
            AmountSpecified::ExactIn(_) => amounts,
            AmountSpecified::ExactOut(_) => Amounts { specified: amounts.other, other: amounts.specified },
        };
        let tick_or_none = tick.unwrap_or(0);
        let result = SwapResult {
            amount_in,
            amount_out,
            sqrt_price_x96,
            tick: tick_or_none,
            liquidity,
            ticks_crossed,
            is_partial: false,
        };
        Outcome { result, is_tick_of_price: tick.is_none() }
    }
}

/// Whether an exact input is answered without the loop.
#[cfg(test)]
pub(super) fn is_answered_by_table(side: &Side, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> bool {
    let specified = AmountSpecified::ExactIn(amount);
    let outcome = side.position(zero_for_one, view.tick).and_then(|first| {
        let swap = Swap { side, rules: Rules::V3, view, zero_for_one, specified, first };
        swap.outcome().ok().flatten()
    });
    // The loop knows the tick; a table leaves it to whoever wants it.
    outcome.is_some_and(|outcome| outcome.is_tick_of_price || outcome.result.sqrt_price_x96 == view.sqrt_price_x96)
}
