//! What shares are worth, and what deposits and withdrawals come to.

use ruint::aliases::U256;

use super::super::QuoteError;
use super::arithmetic::{ONE, add, div, mul, part, scale, sub, unscale};
use super::balance::balance;
use super::invariant::{invariant, less_shares};
use super::view::Solved;
use super::{COINS_MAX, Rules, StableSwapView};

impl StableSwapView<'_> {
    /// Worth of a share in the common unit, times 10^18: `get_virtual_price`. Rounding: down.
    ///
    /// # Errors
    /// [`QuoteError::InsufficientLiquidity`] when there are no shares; else as [`StableSwapView::solve`].
    pub fn virtual_price(&self, at: u64) -> Result<U256, QuoteError> {
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        div(mul(solved.invariant(), ONE)?, U256::from(self.supply))
    }

    /// Shares for a deposit of `amounts`, or that a withdrawal of them burns, by the view `calc_token_amount`: without the
    /// fee that the deposit itself takes for leaving the pool out of balance. Rounding: down.
    ///
    /// Units: raw, by coin. Shape: as many as the pool has coins.
    ///
    /// # Errors
    /// [`QuoteError::UnknownVariant`] for NG pools, whose view takes the fee; [`QuoteError::InsufficientLiquidity`] for a
    /// withdrawal of more than there is and when there are no shares; [`QuoteError::TokenNotInPool`] for another number
    /// of amounts; else as [`StableSwapView::solve`].
    pub fn calc_token_amount(&self, amounts: &[U256], is_deposit: bool, at: u64) -> Result<U256, QuoteError> {
        if self.rules == Rules::Ng {
            return Err(QuoteError::UnknownVariant);
        }
        if amounts.len() != self.balances.len() {
            return Err(QuoteError::TokenNotInPool);
        }
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let mut scaled = [U256::ZERO; COINS_MAX];
        for (coin, ((&before, &amount), scaled)) in self.balances.iter().zip(amounts).zip(&mut scaled).enumerate() {
            let before = U256::from(before);
            let after = if is_deposit { add(before, amount)? } else { sub(before, amount)? };
            *scaled = scale(after, solved.rate(coin)?)?;
        }
        let scaled = scaled.get(..amounts.len()).ok_or(QuoteError::TokenNotInPool)?;
        let after = invariant(self.rules, scaled, solved.amplification())?;
        let (more, less) = if is_deposit { (after, solved.invariant()) } else { (solved.invariant(), after) };
        div(mul(sub(more, less)?, U256::from(self.supply))?, solved.invariant())
    }

    /// Amount of coin `index` that burning `shares` gives, by the view `calc_withdraw_one_coin`: the fee for leaving the
    /// pool out of balance is taken. Rounding: down, and a unit of the common measure less.
    ///
    /// Units: raw.
    ///
    /// # Errors
    /// [`QuoteError::UnknownVariant`] for the first pools, whose contract has no such view, and for NG and off-peg pools,
    /// whose fee moves; [`QuoteError::TokenNotInPool`]; [`QuoteError::InsufficientLiquidity`] for more shares than exist;
    /// else as [`StableSwapView::solve`].
    pub fn calc_withdraw_one_coin(&self, shares: U256, index: u8, at: u64) -> Result<U256, QuoteError> {
        match self.rules {
            Rules::ThreePool | Rules::Classic | Rules::Factory => {}
            Rules::First | Rules::Ng | Rules::Offpeg => return Err(QuoteError::UnknownVariant),
        }
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let index = usize::from(index);
        let before = solved.scaled_of(index)?;
        let invariant_after = less_shares(solved.invariant(), shares, U256::from(self.supply))?;
        let balance_of = |scaled: &[U256]| balance(self.rules, scaled, index, solved.amplification(), invariant_after);
        let ideal = balance_of(solved.scaled())?;
        let reduced = self.less_imbalance_fee(solved, index, ideal, invariant_after)?;
        let reduced = reduced.get(..self.balances.len()).ok_or(QuoteError::TokenNotInPool)?;
        let reduced_before = reduced.get(index).copied().unwrap_or(before);
        let taken = sub(sub(reduced_before, balance_of(reduced)?)?, U256::ONE)?;
        unscale(taken, solved.rate(index)?)
    }

    /// Balances less the fee on each one's distance from a withdrawal in proportion.
    fn less_imbalance_fee(
        &self,
        solved: &Solved,
        index: usize,
        ideal: U256,
        invariant_after: U256,
    ) -> Result<[U256; COINS_MAX], QuoteError> {
        let coins = U256::from(self.balances.len() as u64);
        // At least two coins.
        let fee = div(mul(U256::from(self.fee), coins)?, mul(U256::from(4), sub(coins, U256::ONE)?)?)?;
        let mut reduced = [U256::ZERO; COINS_MAX];
        for (coin, (&balance, reduced)) in solved.scaled().iter().zip(&mut reduced).enumerate() {
            let in_proportion = div(mul(balance, invariant_after)?, solved.invariant())?;
            let distance = if coin == index { sub(in_proportion, ideal)? } else { sub(balance, in_proportion)? };
            *reduced = sub(balance, part(distance, fee)?)?;
        }
        Ok(reduced)
    }
}
