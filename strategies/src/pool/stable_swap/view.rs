//! Quote, swap and exact output.

use ruint::aliases::U256;

use super::super::Ramp;
use super::super::{QuoteError, Swapped, Way};
use super::arithmetic::{add, div, mul, part, scale, sub, unscale};
use super::balance::balance;
use super::invariant::invariant;
use super::meta::{BasePool, PriceCache};
use super::{COINS_MAX, FEE_ONE, Rules};

/// State of a pool, as its contract holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StableSwapView<'a> {
    /// Family of the contract.
    pub rules: Rules,
    /// Raw units by coin, without what the owner is due. Shape: 2 to [`COINS_MAX`].
    pub balances: &'a [u128],
    /// What a balance is multiplied with before it is divided by 10^18, by coin; `10^(36 - decimals)` for a plain coin. The
    /// last one is not read in a pool over a base pool.
    pub rates: &'a [u128],
    /// Amplification over time.
    pub amplification: Ramp,
    /// Of the output, in parts of [`FEE_ONE`].
    pub fee: u64,
    /// The owner's part of the fee, in parts of [`FEE_ONE`].
    pub admin_fee: u64,
    /// How much larger the fee may grow off the peg, in parts of [`FEE_ONE`]; read in NG and off-peg pools.
    pub offpeg_fee_multiplier: u128,
    /// Shares that exist; read for virtual price, deposits and withdrawals.
    pub supply: u128,
    /// Last Unix second of a block whose swaps surely use these rates; `u64::MAX` when they do not move by themselves.
    pub valid_until: u64,
    /// Whether the contract refuses swaps. Its view answers all the same.
    pub is_paused: bool,
    /// The pool whose share is the last coin.
    pub base: Option<BasePool<'a>>,
    /// The invariant, solved when the state last moved. One that does not fit is passed over.
    pub solved: Option<&'a Solved>,
}

/// The invariant of a state, with everything that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solved {
    rules: Rules,
    count: usize,
    balances: [u128; COINS_MAX],
    rates: [u128; COINS_MAX],
    amplification: u64,
    scaled: [U256; COINS_MAX],
    invariant: U256,
}

/// What a swap changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StableSwapAfter {
    /// As [`StableSwapView::balances`]; those past the pool's coins are zero.
    pub balances: [u128; COINS_MAX],
    /// What the pool remembers of its base pool's price; `None` where it remembers nothing.
    pub price_cache: Option<PriceCache>,
}

/// What a swap comes to before any fee, in the common unit.
struct Trade {
    token_in: usize,
    token_out: usize,
    /// Balance of the coin that came in.
    balance_in: U256,
    /// Balance of the other coin by the curve.
    balance_out: U256,
    gross: U256,
    fee: U256,
    rate_in: U256,
    rate_out: U256,
}

impl Solved {
    /// The invariant, in the common unit.
    #[must_use]
    pub const fn invariant(&self) -> U256 {
        self.invariant
    }

    /// Balances in the common unit.
    pub(in crate::pool) fn scaled(&self) -> &[U256] {
        self.scaled.get(..self.count).unwrap_or(&self.scaled)
    }

    pub(in crate::pool) fn rate(&self, coin: usize) -> Result<U256, QuoteError> {
        self.rates.get(coin).map(|&rate| U256::from(rate)).ok_or(QuoteError::TokenNotInPool)
    }

    pub(super) fn scaled_of(&self, coin: usize) -> Result<U256, QuoteError> {
        self.scaled().get(coin).copied().ok_or(QuoteError::TokenNotInPool)
    }

    /// Balance of coin `of`, in the common unit, when coin `changed` has `balance_changed` and the rest stay.
    pub(super) fn balance_after(&self, changed: usize, balance_changed: U256, of: usize) -> Result<U256, QuoteError> {
        let mut scaled = self.scaled;
        *scaled.get_mut(changed).ok_or(QuoteError::TokenNotInPool)? = balance_changed;
        let scaled = scaled.get(..self.count).unwrap_or(&scaled);
        balance(self.rules, scaled, of, self.amplification, self.invariant)
    }

    pub(in crate::pool) const fn amplification(&self) -> u64 {
        self.amplification
    }
}

impl StableSwapView<'_> {
    /// Solves the invariant for a block of timestamp `at`: once for a state, to be held in [`StableSwapView::solved`]. While
    /// amplification or the base pool's price moves, it holds for one timestamp.
    ///
    /// # Errors
    /// [`QuoteError::InvalidPoolState`] for a state that no contract holds, [`QuoteError::RatesExpired`], and those of
    /// [`invariant()`].
    pub fn solve(&self, at: u64) -> Result<Solved, QuoteError> {
        let (amplification, rates) = self.moving_parts(at)?;
        let mut balances = [0; COINS_MAX];
        let mut scaled = [U256::ZERO; COINS_MAX];
        for (coin, (&balance, &rate)) in self.balances.iter().zip(&rates).enumerate() {
            let (Some(kept), Some(in_common)) = (balances.get_mut(coin), scaled.get_mut(coin)) else {
                return Err(QuoteError::InvalidPoolState);
            };
            *kept = balance;
            *in_common = scale(U256::from(balance), U256::from(rate))?;
        }
        let count = self.balances.len();
        let coins = scaled.get(..count).ok_or(QuoteError::InvalidPoolState)?;
        let invariant = invariant(self.rules, coins, amplification)?;
        Ok(Solved { rules: self.rules, count, balances, rates, amplification, scaled, invariant })
    }

    /// Amplification and rates in a block of timestamp `at`, of a state that a contract could hold.
    fn moving_parts(&self, at: u64) -> Result<(u64, [u128; COINS_MAX]), QuoteError> {
        let count = self.balances.len();
        let is_shape_sound = (2..=COINS_MAX).contains(&count) && self.rates.len() == count;
        if !is_shape_sound || self.fee > FEE_ONE || self.admin_fee > FEE_ONE {
            return Err(QuoteError::InvalidPoolState);
        }
        if at > self.valid_until {
            return Err(QuoteError::RatesExpired);
        }
        let mut rates = [0; COINS_MAX];
        for (kept, &rate) in rates.iter_mut().zip(self.rates) {
            *kept = rate;
        }
        if let Some(base) = &self.base {
            let last = rates.get_mut(count - 1).ok_or(QuoteError::InvalidPoolState)?;
            *last = base.price(at)?.price;
        }
        if rates.iter().take(count).any(|&rate| rate == 0) {
            return Err(QuoteError::InvalidPoolState);
        }
        Ok((self.amplification.at(at)?, rates))
    }

    /// The invariant held, when it fits, or else one put into `fresh`.
    pub(in crate::pool) fn invariant_at<'s>(
        &'s self,
        at: u64,
        fresh: &'s mut Option<Solved>,
    ) -> Result<&'s Solved, QuoteError> {
        if let Some(solved) = self.solved {
            let (amplification, rates) = self.moving_parts(at)?;
            let is_fitting = solved.rules == self.rules
                && solved.amplification == amplification
                && solved.balances.get(..solved.count) == Some(self.balances)
                && solved.rates == rates;
            if is_fitting {
                return Ok(solved);
            }
        }
        Ok(fresh.insert(self.solve(at)?))
    }

    /// Output that the contract's view, `get_dy`, answers for `amount_in`.
    ///
    /// Units: raw; `at` is the timestamp of the block asked about. Rounding: down, and a unit of the common measure less
    /// where the family keeps one.
    /// Latency: no allocation; no iteration with [`StableSwapView::solved`] at hand.
    ///
    /// # Errors
    /// [`QuoteError::TokenNotInPool`] for a coin beyond the last or the same one twice, [`QuoteError::RatesExpired`],
    /// [`QuoteError::InsufficientLiquidity`], [`QuoteError::AmountOverflow`], [`QuoteError::NotConverged`],
    /// [`QuoteError::InvalidPoolState`].
    pub fn quote_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let trade = self.trade(solved, way, amount_in)?;
        if self.rules.quotes_fee_of_raw() {
            let raw = unscale(trade.gross, trade.rate_out)?;
            sub(raw, part(raw, trade.fee)?)
        } else {
            trade.amount_out()
        }
    }

    /// What the contract's `exchange` gives for `amount_in`, and the pool after it.
    ///
    /// Units, rounding and latency as [`StableSwapView::quote_exact_in`], from which the output differs by a unit in the
    /// families that quote otherwise than they swap.
    ///
    /// # Errors
    /// As [`StableSwapView::quote_exact_in`]; also [`QuoteError::Paused`], [`QuoteError::InsufficientInputAmount`] for a
    /// zero input of an NG pool, [`QuoteError::AmountOverflow`] for a balance past 128 bits.
    pub fn swap_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<Swapped<StableSwapAfter>, QuoteError> {
        if self.is_paused {
            return Err(QuoteError::Paused);
        }
        if self.rules == Rules::Ng && amount_in.is_zero() {
            return Err(QuoteError::InsufficientInputAmount);
        }
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let trade = self.trade(solved, way, amount_in)?;
        let amount_out = trade.amount_out()?;
        let mut balances = solved.balances;
        let (Some(&before_in), Some(&before_out)) = (balances.get(trade.token_in), balances.get(trade.token_out))
        else {
            return Err(QuoteError::TokenNotInPool);
        };
        let fee = part(trade.gross, trade.fee)?;
        let admin_fee = part(fee, U256::from(self.admin_fee))?;
        let (after_in, after_out) = if self.rules == Rules::First {
            // These store what the curve says, rounded back to raw units, not what moved.
            let kept = sub(add(trade.balance_out, fee)?, admin_fee)?;
            (unscale(trade.balance_in, trade.rate_in)?, unscale(kept, trade.rate_out)?)
        } else {
            let left = add(amount_out, unscale(admin_fee, trade.rate_out)?)?;
            (add(U256::from(before_in), amount_in)?, sub(U256::from(before_out), left)?)
        };
        for (coin, after) in [(trade.token_in, after_in), (trade.token_out, after_out)] {
            if let Some(balance) = balances.get_mut(coin) {
                *balance = u128::try_from(after).map_err(|_| QuoteError::AmountOverflow)?;
            }
        }
        let price_cache = self.base.as_ref().map(|base| base.cache_after(at)).transpose()?.flatten();
        Ok(Swapped { amount_out, after: StableSwapAfter { balances, price_cache } })
    }

    /// Input that the contract's view, `get_dx`, names for `amount_out`. It is the contract's estimate: a swap of it may give
    /// slightly more or less, most of all off the peg, whose fee it takes from the state before the swap.
    ///
    /// Units: raw.
    ///
    /// # Errors
    /// [`QuoteError::ExactOutputNotOffered`] in every family but the first and NG; else as
    /// [`StableSwapView::quote_exact_in`].
    pub fn quote_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        match self.rules {
            Rules::First => self.input_by_first_formula(way, amount_out, at),
            Rules::Ng => self.input_by_ng_formula(way, amount_out, at),
            Rules::ThreePool | Rules::Classic | Rules::Factory | Rules::Offpeg => {
                Err(QuoteError::ExactOutputNotOffered)
            }
        }
    }

    /// Input for `amount_out` by the formula of the first contracts' `get_dx`, for a pool of any family: near the input
    /// needed, not a bound of it.
    ///
    /// Units: raw.
    ///
    /// # Errors
    /// As [`StableSwapView::quote_exact_in`].
    pub fn input_by_first_formula(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let (token_in, token_out) = self.coins(way)?;
        let with_fee = with_fee(amount_out, U256::from(self.fee))?;
        self.input_for(solved, token_in, token_out, scale(with_fee, solved.rate(token_out)?)?)
    }

    fn input_by_ng_formula(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let (token_in, token_out) = self.coins(way)?;
        let fee = self.fee_between(solved.scaled_of(token_in)?, solved.scaled_of(token_out)?)?;
        // One more, against the rounding.
        let taken = add(scale(amount_out, solved.rate(token_out)?)?, U256::ONE)?;
        self.input_for(solved, token_in, token_out, with_fee(taken, fee)?)
    }

    /// Input that lets `taken`, in the common unit, out of the curve.
    fn input_for(&self, solved: &Solved, token_in: usize, token_out: usize, taken: U256) -> Result<U256, QuoteError> {
        let left = sub(solved.scaled_of(token_out)?, taken)?;
        let needed = solved.balance_after(token_out, left, token_in)?;
        unscale(sub(needed, solved.scaled_of(token_in)?)?, solved.rate(token_in)?)
    }

    fn trade(&self, solved: &Solved, way: Way, amount_in: U256) -> Result<Trade, QuoteError> {
        let (token_in, token_out) = self.coins(way)?;
        let rate_in = solved.rate(token_in)?;
        let balance_in = add(solved.scaled_of(token_in)?, scale(amount_in, rate_in)?)?;
        self.trade_to(solved, token_in, token_out, balance_in)
    }

    /// A trade that brings coin `token_in` to `balance_in`, in the common unit.
    fn trade_to(
        &self,
        solved: &Solved,
        token_in: usize,
        token_out: usize,
        balance_in: U256,
    ) -> Result<Trade, QuoteError> {
        let (before_in, before_out) = (solved.scaled_of(token_in)?, solved.scaled_of(token_out)?);
        let balance_out = solved.balance_after(token_in, balance_in, token_out)?;
        let mut gross = sub(before_out, balance_out)?;
        if self.rules.is_one_kept() {
            gross = sub(gross, U256::ONE)?;
        }
        // The fee off the peg goes by the middle of the way.
        let middle = |a, b| Ok::<U256, QuoteError>(add(a, b)? >> 1_usize);
        let fee = self.fee_between(middle(before_in, balance_in)?, middle(before_out, balance_out)?)?;
        let (rate_in, rate_out) = (solved.rate(token_in)?, solved.rate(token_out)?);
        Ok(Trade { token_in, token_out, balance_in, balance_out, gross, fee, rate_in, rate_out })
    }

    /// Output in the common unit, fee taken, of a trade that brings coin `token_in` to `balance_in`.
    pub(super) fn net_output(
        &self,
        solved: &Solved,
        token_in: usize,
        token_out: usize,
        balance_in: U256,
    ) -> Result<U256, QuoteError> {
        let trade = self.trade_to(solved, token_in, token_out, balance_in)?;
        sub(trade.gross, part(trade.gross, trade.fee)?)
    }

    /// Fee of a trade between coins with these balances, in the common unit.
    fn fee_between(&self, a: U256, b: U256) -> Result<U256, QuoteError> {
        let fee = U256::from(self.fee);
        let (one, multiplier) = (U256::from(FEE_ONE), U256::from(self.offpeg_fee_multiplier));
        if !self.rules.is_fee_dynamic() || multiplier <= one {
            return Ok(fee);
        }
        let sum = add(a, b)?;
        let growth = multiplier.wrapping_sub(one);
        // In the contract's order, which decides what overflows.
        let near_peg = mul(mul(mul(growth, U256::from(4))?, a)?, b)?;
        div(mul(multiplier, fee)?, add(div(near_peg, mul(sum, sum)?)?, one)?)
    }

    fn coins(&self, way: Way) -> Result<(usize, usize), QuoteError> {
        let (token_in, token_out) = (usize::from(way.token_in), usize::from(way.token_out));
        let count = self.balances.len();
        if token_in == token_out || token_in >= count || token_out >= count {
            return Err(QuoteError::TokenNotInPool);
        }
        Ok((token_in, token_out))
    }
}

impl Trade {
    /// Output in raw units, fee taken in the common unit.
    fn amount_out(&self) -> Result<U256, QuoteError> {
        unscale(sub(self.gross, part(self.gross, self.fee)?)?, self.rate_out)
    }
}

/// What has to leave the curve for `amount` to reach the trader, rounded down.
fn with_fee(amount: U256, fee: U256) -> Result<U256, QuoteError> {
    let one = U256::from(FEE_ONE);
    div(mul(amount, one)?, sub(one, fee)?)
}
