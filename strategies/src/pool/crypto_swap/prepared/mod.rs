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

use super::newton_legacy::{Curvature, CurvatureBounds, FRACTION, check_d};
use super::{CryptoSwapGeneration, CryptoSwapView};
use crate::pool::{QuoteError, Way};

use self::fee::Fee;
use self::legacy::Newton;
use self::words::{OneWord, Short, balance, narrow, product, times_word};

const ONE: u64 = 1_000_000_000_000_000_000;
/// One, in the precision of fees.
const FEE_ONE: u64 = 10_000_000_000;

/// What quotes from one state of a pool have in common. Made when the state has moved, and held by whoever holds the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    basis: Basis,
    coins: [Coin; 3],
    newton: Option<Newton>,
    fee: Fee,
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
    scale: Option<(u128, Short)>,
    by_precision: OneWord,
    /// Of the state, in the units of the invariant.
    scaled: u128,
}

impl Coin {
    fn new(view: &CryptoSwapView, coin: usize) -> Option<Self> {
        let precision = view.precisions[coin];
        let scale = match coin.checked_sub(1) {
            Some(k) => Some((view.state.price_scale[k], Short::new(view.state.price_scale[k])?)),
            None => None,
        };
        let mut new = Self { precision, scale, by_precision: OneWord::new(precision)?, scaled: 0 };
        new.scaled = new.scaled_of(view.state.balances[coin])?;
        Some(new)
    }

    /// A coin that is not there.
    fn none() -> Option<Self> {
        Some(Self { precision: 1, scale: None, by_precision: OneWord::new(1)?, scaled: 0 })
    }

    #[inline(always)]
    fn scaled_of(&self, raw: u128) -> Option<u128> {
        let at_18 = raw.checked_mul(u128::from(self.precision))?;
        match self.scale {
            Some((scale, _)) => balance(OneWord::new(ONE)?.two_words_of(product(at_18, scale)?)?),
            None => balance(at_18),
        }
    }

    #[inline(always)]
    fn raw_of(&self, scaled: u128) -> Option<u128> {
        let at_18 = match &self.scale {
            Some((_, by_scale)) => by_scale.two_words_of(times_word(scaled, ONE))?,
            None => scaled,
        };
        if self.precision == 1 { Some(at_18) } else { Some(self.by_precision.divide(at_18)) }
    }
}

impl Prepared {
    /// `None` for a pool whose numbers are longer than those of pools are, and for what its contract would not compute with.
    pub(super) fn new(view: &CryptoSwapView) -> Option<Self> {
        let count = view.generation.coin_count();
        let coin = |at: usize| if at < count { Coin::new(view, at) } else { Coin::none() };
        let d = balance(view.state.d)?;
        check_d(U256::from(d)).ok()?;
        let curvature = Curvature { a: U256::from(view.terms.future_a), gamma: U256::from(view.terms.future_gamma) };
        let bounds = match view.generation {
            CryptoSwapGeneration::TwoCrypto => Some(&CurvatureBounds::TWO_LEGACY),
            CryptoSwapGeneration::TriCrypto => Some(&CurvatureBounds::THREE),
            // Their balance is found in closed form.
            CryptoSwapGeneration::TwoCryptoNg | CryptoSwapGeneration::TriCryptoNg => None,
        };
        let coins = [coin(0)?, coin(1)?, coin(2)?];
        let newton = match bounds {
            Some(bounds) => {
                bounds.check(curvature).ok()?;
                Some(Newton::new(view.terms.future_a, view.terms.future_gamma, d, coins.map(|coin| coin.scaled))?)
            }
            None => None,
        };
        let fee = Fee::new(&view.terms, count)?;
        Some(Self { basis: Basis::of(view), coins, newton, fee })
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
        let quick = if is_steady && self.basis.is_of(view) { self.output(view, (i, j), amount_in) } else { None };
        match quick {
            Some(amount_out) => Ok(U256::from(amount_out)),
            None => view.quote_exact_in(way, amount_in, at),
        }
    }

    #[inline(always)]
    fn output(&self, view: &CryptoSwapView, (i, j): (usize, usize), amount_in: U256) -> Option<u128> {
        let amount_in = u128::try_from(amount_in).ok().filter(|amount| *amount != 0)?;
        let mut xp = [self.coins[0].scaled, self.coins[1].scaled, self.coins[2].scaled];
        xp[i] = self.coins[i].scaled_of(self.basis.balances[i].checked_add(amount_in)?)?;
        let before = xp[j];
        let y = match &self.newton {
            Some(newton) if view.generation.coin_count() == 2 => newton.balance_of_two(xp[i])?,
            Some(newton) => newton.balance_of_three(xp, j)?,
            None => self.closed_form(view, xp, j)?,
        };
        xp[j] = y;
        let taken = before.checked_sub(y)?.checked_sub(1)?;
        let before_fee = self.coins[j].raw_of(taken)?;
        let fee = self.fee.at(xp)?;
        let fee = OneWord::new(FEE_ONE)?.two_words_of(times_word(before_fee, fee))?;
        before_fee.checked_sub(fee)
    }

    fn closed_form(&self, view: &CryptoSwapView, xp: [u128; 3], j: usize) -> Option<u128> {
        let curvature = Curvature { a: U256::from(view.terms.future_a), gamma: U256::from(view.terms.future_gamma) };
        let solved = view.generation.balance(curvature, xp.map(U256::from), U256::from(self.basis.d), j).ok()?;
        narrow(solved.y)
    }
}
