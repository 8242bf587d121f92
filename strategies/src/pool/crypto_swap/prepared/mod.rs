//! Quotes from a pool whose state was looked at before: in few machine words, with every divisor's reciprocal kept.
//!
//! The floors are those of the contract, one by one. Numbers that do not fit, and whatever a contract would refuse or treat
//! apart, are left to the way of 256 bits, which alone has errors.

mod fee;
mod legacy;
#[cfg(test)]
mod tests;
mod words;

use ruint::aliases::U256;

use super::cubic::{ThreeCoins, TwoCoins};
use super::newton_legacy::{Curvature, CurvatureBounds, FRACTION, check_d};
use super::{CryptoSwapGeneration, CryptoSwapView};
use crate::pool::full_math::ConstantDivisor;
use crate::pool::{QuoteError, Way};

use self::fee::Fee;
use self::legacy::Newton;
use self::words::{OneWord, Short, balance, narrow, product, times_word};

const ONE: u64 = 1_000_000_000_000_000_000;
/// One, in the precision of fees.
const FEE_ONE: ConstantDivisor = ConstantDivisor::new(10_000_000_000);

/// What quotes from one state of a pool have in common. Made when the state has moved, and held by whoever holds the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    basis: Basis,
    coins: [Coin; 3],
    solver: Solver,
    fee: Fee,
}

/// How the balance that goes with the others is found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Solver {
    TwoByNewton(Newton),
    ThreeByNewton(Newton),
    Two(TwoCoins),
    Three(ThreeCoins),
}

impl Solver {
    /// `None` as of [`Prepared::new`].
    fn new(view: &CryptoSwapView, d: u128, xp: [u128; 3]) -> Option<Self> {
        let terms = &view.terms;
        let curvature = Curvature { a: U256::from(terms.future_a), gamma: U256::from(terms.future_gamma) };
        let newton = |bounds: &CurvatureBounds| {
            check_d(U256::from(d)).ok()?;
            bounds.check(curvature).ok()?;
            Newton::new(terms.future_a, terms.future_gamma, d, xp)
        };
        match view.generation {
            CryptoSwapGeneration::TwoCrypto => newton(&CurvatureBounds::TWO_LEGACY).map(Self::TwoByNewton),
            CryptoSwapGeneration::TriCrypto => newton(&CurvatureBounds::THREE).map(Self::ThreeByNewton),
            CryptoSwapGeneration::TwoCryptoNg => TwoCoins::new(curvature, U256::from(d)).ok().map(Self::Two),
            CryptoSwapGeneration::TriCryptoNg => ThreeCoins::new(curvature, U256::from(d)).ok().map(Self::Three),
        }
    }

    /// Of coin `j`, where the sale of coin `i` has been paid in.
    #[inline(always)]
    fn balance(&self, xp: [u128; 3], (i, j): (usize, usize)) -> Option<u128> {
        match self {
            Self::TwoByNewton(newton) => newton.balance_of_two(xp[i]),
            Self::ThreeByNewton(newton) => newton.balance_of_three(xp, j),
            Self::Two(cubic) => narrow(cubic.balance([xp[0], xp[1]].map(U256::from), j).ok()?.y),
            Self::Three(cubic) => narrow(cubic.balance(xp.map(U256::from), j).ok()?.y),
        }
    }
}

/// What it was made from: quotes from anything else go the long way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    generation: CryptoSwapGeneration,
    precisions: [u64; 3],
    balances: [u128; 3],
    price_scale: [u128; 2],
    d: u128,
    curvature: [u64; 2],
    fees: [u64; 3],
}

impl Basis {
    const fn of(view: &CryptoSwapView) -> Self {
        let CryptoSwapView { generation, precisions, terms, state } = view;
        Self {
            generation: *generation,
            precisions: *precisions,
            balances: state.balances,
            price_scale: state.price_scale,
            d: state.d,
            curvature: [terms.future_a, terms.future_gamma],
            fees: [terms.mid_fee, terms.out_fee, terms.fee_gamma],
        }
    }

    /// Whether a view is of this state: `self == Basis::of(view)`, without a jump for each field.
    #[inline(always)]
    fn is_of(&self, view: &CryptoSwapView) -> bool {
        let CryptoSwapView { generation, precisions, terms, state } = view;
        let [a, b, c] = [0, 1, 2].map(|coin| self.balances[coin] ^ state.balances[coin]);
        let [k, l] = [0, 1].map(|coin| self.price_scale[coin] ^ state.price_scale[coin]);
        let moved = a | b | c | k | l | (self.d ^ state.d);
        let [a, b, c] = [0, 1, 2].map(|coin| self.precisions[coin] ^ precisions[coin]);
        let curvature = (self.curvature[0] ^ terms.future_a) | (self.curvature[1] ^ terms.future_gamma);
        let [mid, out, gamma] = self.fees;
        let fees = (mid ^ terms.mid_fee) | (out ^ terms.out_fee) | (gamma ^ terms.fee_gamma);
        let set = a | b | c | curvature | fees;
        moved == 0 && set == 0 && self.generation == *generation
    }
}

/// A coin, in the units of the invariant and in its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coin {
    precision: u64,
    /// Price in coin 0; of coin 0 none.
    scale: Option<u128>,
    /// Its own unit in those of the invariant, of `one`; none where they are the same.
    by_unit: Option<Short>,
    /// 10^18 where the price is a part of the unit, else 1.
    one: u64,
    /// Of the state, in the units of the invariant.
    scaled: u128,
}

impl Coin {
    fn new(view: &CryptoSwapView, coin: usize) -> Option<Self> {
        let precision = view.precisions[coin];
        let scale = coin.checked_sub(1).map(|k| view.state.price_scale[k]);
        let (unit, one) = match scale {
            // The contract divides by the price and then by the precision: the floor of the floor is the floor of both.
            Some(scale) => (scale.checked_mul(u128::from(precision))?, ONE),
            None => (u128::from(precision), 1),
        };
        let by_unit = if unit == u128::from(one) { None } else { Some(Short::new(unit)?) };
        let mut new = Self { precision, scale, by_unit, one, scaled: 0 };
        new.scaled = new.scaled_of(view.state.balances[coin])?;
        Some(new)
    }

    /// A coin that is not there.
    const fn none() -> Self {
        Self { precision: 1, scale: None, by_unit: None, one: 1, scaled: 0 }
    }

    #[inline(always)]
    fn scaled_of(&self, raw: u128) -> Option<u128> {
        let at_18 = raw.checked_mul(u128::from(self.precision))?;
        match self.scale {
            Some(scale) => balance(OneWord::new(ONE)?.two_words_of(product(at_18, scale)?)?),
            None => balance(at_18),
        }
    }

    #[inline(always)]
    fn raw_of(&self, scaled: u128) -> Option<u128> {
        match &self.by_unit {
            Some(by_unit) => by_unit.two_words_of(times_word(scaled, self.one)),
            None => Some(scaled),
        }
    }
}

impl Prepared {
    /// `None` for a pool whose numbers are longer than those of pools are, and for what its contract would not compute with.
    pub(super) fn new(view: &CryptoSwapView) -> Option<Self> {
        let count = view.generation.coin_count();
        let coin = |at: usize| if at < count { Coin::new(view, at) } else { Some(Coin::none()) };
        let d = balance(view.state.d)?;
        let coins = [coin(0)?, coin(1)?, coin(2)?];
        let solver = Solver::new(view, d, coins.map(|coin| coin.scaled))?;
        let fee = Fee::new(&view.terms, count)?;
        Some(Self { basis: Basis::of(view), coins, solver, fee })
    }

    /// As [`CryptoSwapView::quote_exact_in`] of the view that this was made from, and sooner. A view of another state is
    /// quoted as if nothing had been prepared.
    ///
    /// # Errors
    /// As [`CryptoSwapView::quote_exact_in`].
    pub fn quote_exact_in(
        &self,
        view: &CryptoSwapView,
        way: Way,
        amount_in: U256,
        at: u64,
    ) -> Result<U256, QuoteError> {
        let (i, j) = view.coins(way)?;
        let is_steady =
            if view.generation.is_ng() { view.state.future_time <= at } else { view.state.future_time == 0 };
        let quick = if is_steady && self.basis.is_of(view) { self.output((i, j), amount_in) } else { None };
        match quick {
            Some(amount_out) => Ok(U256::from(amount_out)),
            None => view.quote_exact_in(way, amount_in, at),
        }
    }

    #[inline(always)]
    fn output(&self, (i, j): (usize, usize), amount_in: U256) -> Option<u128> {
        let amount_in = u128::try_from(amount_in).ok().filter(|amount| *amount != 0)?;
        let mut xp = [self.coins[0].scaled, self.coins[1].scaled, self.coins[2].scaled];
        xp[i] = self.coins[i].scaled_of(self.basis.balances[i].checked_add(amount_in)?)?;
        let before = xp[j];
        let y = self.solver.balance(xp, (i, j))?;
        xp[j] = y;
        let taken = before.checked_sub(y)?.checked_sub(1)?;
        let before_fee = self.coins[j].raw_of(taken)?;
        let fee = self.fee.at(xp)?;
        before_fee.checked_sub(FEE_ONE.divide(before_fee.checked_mul(u128::from(fee))?))
    }
}
