//! One random question to a pool, and everything that its answer must fit.

use ruint::aliases::U256;

use super::{PoolAccount, PoolAnswers, Property, Random, SamplePool, bounds, kept, rate, slack};
use crate::market::{After, Market, PoolView};
use crate::pool::{Mobius, QuoteError, Swapped, Way};

/// What does not hold, and the numbers that show it.
pub(super) type Broken = (Property, String);

/// Largest input asked, in multiples of what the pool holds of the token.
const INPUT_MAX: u64 = 4;

/// One case in this many is told to a market by messages and read from a file, which takes longer than to quote.
const TOLD_ONE_IN: u64 = 4;

/// Who answers, and for which time.
#[derive(Clone, Copy)]
pub(super) struct Asked<'p> {
    answers: &'p dyn PoolAnswers,
    at: u64,
}

/// What a view and a swap answer to one amount.
type Answers = (Result<U256, QuoteError>, Result<Swapped<After>, QuoteError>);

impl Asked<'_> {
    pub(super) fn quote(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<U256, QuoteError> {
        self.answers.quote_exact_in(view, way, amount, self.at)
    }

    pub(super) fn cost(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<U256, QuoteError> {
        self.answers.quote_exact_out(view, way, amount, self.at)
    }

    pub(super) fn swap(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<Swapped<After>, QuoteError> {
        self.answers.swap_exact_in(view, way, amount, self.at)
    }

    pub(super) fn rate(&self, view: &PoolView<'_>, way: Way) -> Option<Mobius> {
        self.answers.rate(view, way, self.at)
    }

    fn both(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Answers {
        (self.quote(view, way, amount), self.swap(view, way, amount))
    }
}

/// A pool under question.
pub(super) struct Case<'p> {
    pub(super) pool: &'p SamplePool,
    pub(super) view: PoolView<'p>,
    pub(super) way: Way,
    pub(super) random: Random,
    pub(super) asked: Asked<'p>,
    account: &'p mut PoolAccount,
}

impl<'p> Case<'p> {
    pub(super) fn new(
        pool: &'p SamplePool,
        view: PoolView<'p>,
        answers: &'p dyn PoolAnswers,
        seed: u64,
        account: &'p mut PoolAccount,
    ) -> Self {
        let mut random = Random::new(seed ^ 0xca5e);
        let ways = ways(pool);
        let way = random.pick(&ways);
        Self { pool, view, way, random, asked: Asked { answers, at: pool.at }, account }
    }

    pub(super) fn check(&mut self) -> Result<(), Broken> {
        let amount = self.amount();
        self.check_order(amount)?;
        self.check_curvature(amount)?;
        self.check_inverse(amount)?;
        bounds::check(self)?;
        rate::check(self)?;
        self.check_repeats(amount)?;
        match self.swap(&self.view, self.way, amount) {
            Ok(swapped) => self.check_swap(amount, &swapped),
            Err(_) => {
                for property in [Property::RoundTrip, Property::AfterState, Property::Invariant] {
                    self.leave_out(property);
                }
                Ok(())
            }
        }
    }

    pub(super) fn quote(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<U256, QuoteError> {
        self.asked.quote(view, way, amount)
    }

    pub(super) fn cost(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<U256, QuoteError> {
        self.asked.cost(view, way, amount)
    }

    pub(super) fn swap(&self, view: &PoolView<'_>, way: Way, amount: U256) -> Result<Swapped<After>, QuoteError> {
        self.asked.swap(view, way, amount)
    }

    /// Counts what holds, and names what does not.
    pub(super) fn hold(
        &mut self,
        property: Property,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) -> Result<(), Broken> {
        if !holds {
            return Err((property, format!("{} by {:?} at {}", detail(), self.way, self.pool.at)));
        }
        self.account.held[property as usize] += 1;
        Ok(())
    }

    pub(super) const fn leave_out(&mut self, property: Property) {
        self.account.left_out[property as usize] += 1;
    }

    /// From a unit to several times what the pool holds, every length equally likely.
    fn amount(&mut self) -> U256 {
        let most = U256::from(kept::held(&self.view, self.way.token_in)).saturating_mul(U256::from(INPUT_MAX));
        let shift = self.random.index(most.bit_len().max(1));
        let jitter = U256::from(512 + self.random.below(512));
        (((most >> shift) * jitter) >> 10_usize).max(U256::ONE)
    }

    fn check_order(&mut self, amount: U256) -> Result<(), Broken> {
        let other = self.amount();
        let (small, large) = (amount.min(other), amount.max(other));
        if slack::is_fee_moving(self.pool) && large > U256::from(kept::held(&self.view, self.way.token_in)) >> 1_usize {
            // A fee that grows with the imbalance may take more of the last units than they add.
            self.leave_out(Property::Monotone);
        } else if let (Ok(less), Ok(more)) =
            (self.quote(&self.view, self.way, small), self.quote(&self.view, self.way, large))
        {
            let slack = slack::output(&self.view, self.way);
            self.hold(Property::Monotone, less <= more + slack, || format!("{less} for {small}, {more} for {large}"))?;
        } else {
            self.leave_out(Property::Monotone);
        }
        let held = U256::from(kept::held(&self.view, self.way.token_out));
        let small = (held >> self.random.index(80)).max(U256::ONE);
        let large = small + (small >> self.random.index(40));
        match (self.cost(&self.view, self.way, small), self.cost(&self.view, self.way, large)) {
            (Ok(less), Ok(more)) => {
                let slack = slack::cost(&self.view, self.way, more);
                let detail = || format!("{small} costs {less}, {large} costs {more}");
                self.hold(Property::Monotone, less <= more + slack, detail)
            }
            _ => {
                self.leave_out(Property::Monotone);
                Ok(())
            }
        }
    }

    /// Where the fee moves with the pool's balance, of the same pool with a fee that does not.
    fn check_curvature(&mut self, a: U256) -> Result<(), Broken> {
        let b = self.amount();
        let level = slack::with_level_fee(self.pool);
        let Ok(view) = level.view() else {
            self.leave_out(Property::Concave);
            return Ok(());
        };
        let quote = |amount| self.quote(&view, self.way, amount);
        let (Ok(of_a), Ok(of_b), Ok(of_both)) = (quote(a), quote(b), quote(a + b)) else {
            self.leave_out(Property::Concave);
            return Ok(());
        };
        let slack = slack::curvature(&view, self.way, self.pool.at);
        let detail = || format!("{of_a} for {a} and {of_b} for {b}, but {of_both} for both (slack {slack})");
        self.hold(Property::Concave, of_a + of_b + slack >= of_both, detail)
    }

    fn check_inverse(&mut self, amount: U256) -> Result<(), Broken> {
        let held = U256::from(kept::held(&self.view, self.way.token_out));
        let wanted = (held >> (2 + self.random.index(60))).max(U256::ONE);
        let Some(slack) = slack::inverse(self.pool, &self.view, self.way, wanted) else {
            self.leave_out(Property::Duality);
            return Ok(());
        };
        if let Ok(needed) = self.cost(&self.view, self.way, wanted)
            && let Ok(given) = self.quote(&self.view, self.way, needed)
        {
            let detail = || format!("{needed} is said to give {wanted}, and gives {given} (slack {slack})");
            self.hold(Property::Duality, given + slack >= wanted, detail)?;
        } else {
            self.leave_out(Property::Duality);
        }
        if let PoolView::V2 { .. } = self.view
            && let Ok(given) = self.quote(&self.view, self.way, amount)
            && let Ok(needed) = self.cost(&self.view, self.way, given)
        {
            // One more than the smallest input when the division is exact.
            let detail = || format!("{amount} gives {given}, which is said to cost {needed}");
            self.hold(Property::Duality, needed <= amount + U256::ONE, detail)?;
        }
        Ok(())
    }

    fn check_repeats(&mut self, amount: U256) -> Result<(), Broken> {
        let (asked, way) = (self.asked, self.way);
        let ask = |view: &PoolView<'_>| (asked.both(view, way, amount), asked.cost(view, way, amount));
        let (first, again) = (ask(&self.view), ask(&self.view));
        self.hold(Property::Repeatable, first == again, || format!("{first:?}, then {again:?} for {amount}"))?;
        if !self.random.one_in(TOLD_ONE_IN) {
            return Ok(());
        }
        let told = [("messages", self.pool.market()), ("a file", self.pool.market_of_file())];
        for (how, market) in told {
            let (market, id) = market.map_err(|error| (Property::Repeatable, format!("by {how}: {error:?}")))?;
            let of_market = market.pool(id).map(|view| ask(&view));
            let holds = of_market.as_ref() == Ok(&first);
            self.hold(Property::Repeatable, holds, || format!("{first:?}, but by {how} {of_market:?} for {amount}"))?;
        }
        Ok(())
    }

    fn check_swap(&mut self, amount: U256, swapped: &Swapped<After>) -> Result<(), Broken> {
        let quoted = self.quote(&self.view, self.way, amount);
        let is_near = quoted.is_ok_and(|quoted| quoted.abs_diff(swapped.amount_out) <= slack::of_view(&self.view));
        self.hold(Property::AfterState, is_near, || {
            format!("{amount} gives {}, but the view answers {quoted:?}", swapped.amount_out)
        })?;
        let mut moved = self.pool.clone();
        moved.put(&swapped.after);
        self.check_next(&swapped.after, &moved)?;
        kept::check(self, &moved, amount, swapped)?;
        let back = self.swap(&self.view.after(&swapped.after), self.way.reversed(), swapped.amount_out);
        let Some(back) = back.ok().filter(|_| !slack::is_price_moved(&self.view, &swapped.after)) else {
            self.leave_out(Property::RoundTrip);
            return Ok(());
        };
        let slack = slack::round_trip(&self.view, self.way, self.pool.at);
        let detail =
            || format!("{amount} gives {}, which gives {} back (slack {slack})", swapped.amount_out, back.amount_out);
        self.hold(Property::RoundTrip, back.amount_out <= amount + slack, detail)
    }

    /// The next quote, whichever way the pool came to be as the swap left it.
    fn check_next(&mut self, after: &After, moved: &SamplePool) -> Result<(), Broken> {
        let ways = ways(self.pool);
        let (way, amount) = (self.random.pick(&ways), self.amount());
        let asked = self.asked;
        let ask = |view: &PoolView<'_>| asked.both(view, way, amount);
        let put_back = ask(&self.view.after(after));
        let written = moved.view().map(|view| ask(&view));
        let holds = written.as_ref() == Ok(&put_back);
        let detail = || format!("next, {amount} by {way:?}: {put_back:?} from the view, {written:?} from the state");
        self.hold(Property::AfterState, holds, detail)?;
        if !self.random.one_in(TOLD_ONE_IN) {
            return Ok(());
        }
        let Ok((market, id)) = moved.market() else {
            return Err((Property::AfterState, format!("the mirror refuses what a swap left: {moved:?}")));
        };
        let told = |market: &Market| market.pool(id).map(|view| ask(&view));
        let told = told(&market);
        let holds = told.as_ref() == Ok(&put_back);
        let detail = || format!("next, {amount} by {way:?}: {put_back:?} from the view, {told:?} by messages");
        self.hold(Property::AfterState, holds, detail)
    }
}

/// Every way through the pool, but to and from a share of its own.
pub(super) fn ways(pool: &SamplePool) -> Vec<Way> {
    use alphapulse_protocol::values::PoolDetails;
    let share = match &pool.info.details {
        PoolDetails::MultiToken(details) => details.bpt_index,
        _ => None,
    };
    let tokens = || (0..pool.token_count()).filter(|token| Some(*token) != share);
    tokens()
        .flat_map(|token_in| tokens().map(move |token_out| Way { token_in, token_out }))
        .filter(|way| way.token_in != way.token_out)
        .collect()
}
