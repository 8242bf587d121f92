//! Curve CryptoSwap pools of two and three coins, before NG and since.
//!
//! Liquidity of such a pool is concentrated around a price scale which the pool moves itself, and pays for by its
//! profit. A swap is therefore two things: an amount, and a state that may have moved on its own. Both are the
//! contract's, to the unit.
//!
//! | module | contract |
//! |---|---|
//! | `newton_legacy` | `CurveCryptoMath3`, `CurveCryptoSwap2ETH`: `newton_D`, `newton_y` |
//! | `newton_ng`, `cubic` | `CurveCryptoMathOptimized3`, `…2` (v2.0.0): `newton_D`, `get_y`, `get_p` |
//! | `geometric`, `exponential` | means, roots, `halfpow`, `wad_exp` |
//! | `fee`, `tweak` | `_fee`, `tweak_price` |
//! | `prepared` | none: the same answers in few machine words, from what was reckoned when the state moved |
//!
//! The iterative answers depend on where an iteration starts and stops, so none is seeded or shortened here.
//!
//! Other generations of twocrypto-NG (maths `v2.1.0`, `v0.1.0`) have other formulas and are not priced here.

mod cubic;
mod exponential;
mod fee;
mod generation;
mod geometric;
mod newton_legacy;
mod newton_ng;
mod prepared;
mod tweak;
mod words;

use ruint::aliases::U256;

pub use self::generation::CryptoSwapGeneration;
pub use self::prepared::Prepared;

use self::cubic::Solved;
use self::fee::FeeTerms;
use self::newton_legacy::Curvature;
use self::tweak::{SwapPrice, Tweak, narrow};
use self::words::{E10, E18, of};
use super::{QuoteError, Swapped, Way};

/// What an owner sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CryptoSwapTerms {
    /// Whether the contract refuses swaps. Then there is no quote either, though the contract's view would answer.
    pub is_paused: bool,
    /// `A * n^n` at `initial_time`, of 10^4.
    pub initial_a: u64,
    /// `A * n^n` from the end of the ramp on.
    pub future_a: u64,
    /// Gamma at `initial_time`, of 10^18.
    pub initial_gamma: u64,
    /// Gamma from the end of the ramp on.
    pub future_gamma: u64,
    /// Unix seconds at which the ramp begins.
    pub initial_time: u64,
    /// Fee in balance, of 10^10.
    pub mid_fee: u64,
    /// Fee far out of balance, of 10^10.
    pub out_fee: u64,
    /// How fast the fee goes from one to the other, of 10^18.
    pub fee_gamma: u64,
    /// Profit that must be exceeded before the price scale moves, of 10^18.
    pub allowed_extra_profit: u64,
    /// Least step of the price scale, of 10^18.
    pub adjustment_step: u64,
    /// `ma_time` as stored, or `ma_half_time` of the contracts before NG.
    pub ma_time: u64,
}

/// What a swap changes. Prices are of coins 1 and 2 in coin 0, of 10^18; what belongs to a coin that is not there is
/// left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CryptoSwapState {
    /// Unix seconds at which the ramp ends. Pools before NG write it too: 0 when no ramp is left, 1 while the last
    /// swap of one is under way.
    pub future_time: u64,
    /// Whether the pool still has to move its price scale (`not_adjusted`; before NG only).
    pub is_not_adjusted: bool,
    /// Raw units, by coin.
    pub balances: [u128; 3],
    /// Prices around which liquidity is concentrated.
    pub price_scale: [u128; 2],
    /// Averaged prices as stored, not as the view `price_oracle` moves them to the moment.
    pub price_oracle: [u128; 2],
    /// Prices of the last swap.
    pub last_prices: [u128; 2],
    /// Unix seconds at which the averages moved last.
    pub last_prices_time: u64,
    /// Invariant as stored.
    pub d: u128,
    /// Shares that exist.
    pub supply: u128,
    /// Value of a share as stored, of 10^18.
    pub virtual_price: u128,
    /// Profit so far, of 10^18.
    pub xcp_profit: u128,
}

/// A pool to quote from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CryptoSwapView {
    /// Which contract it is.
    pub generation: CryptoSwapGeneration,
    /// `10^(18 - decimals)` by coin; that of a third coin which is not there is not read.
    pub precisions: [u64; 3],
    /// What an owner sets.
    pub terms: CryptoSwapTerms,
    /// What swaps change.
    pub state: CryptoSwapState,
}

/// Rounds in which NG's view takes the fee out of an output. More would be nearer, and not what it answers.
const EXACT_OUT_ROUNDS: usize = 5;

/// A swap up to its transfers.
struct Executed {
    amount_out: U256,
    curvature: Curvature,
    k0: U256,
}

impl CryptoSwapView {
    /// Output of a swap, as the contract's `get_dy` answers it at Unix second `at`.
    ///
    /// The swap itself may still be refused: see [`Self::swap_exact_in`]. Units: raw. Rounding: down, and a unit in
    /// the units of coin 0 less.
    ///
    /// # Errors
    /// [`QuoteError::Paused`]; [`QuoteError::TokenNotInPool`] for a way that the pool does not have;
    /// [`QuoteError::InsufficientInputAmount`] for no input; [`QuoteError::InsufficientLiquidity`] for one that buys
    /// nothing at all; [`QuoteError::UnsafeValue`] outside the bounds within which the contract computes;
    /// [`QuoteError::NotConverged`]; [`QuoteError::AmountOverflow`] past 256 bits.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        let way = self.coins(way)?;
        Ok(self.execute(way, amount_in, at)?.amount_out)
    }

    /// A swap as the contract executes it at Unix second `at`, and the pool after it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`], and [`QuoteError::Loss`] where a share would lose by it.
    /// [`QuoteError::StateUnknown`] where the swap goes through with the quoted amount but a pool of two coins before
    /// NG claims its owner's fees in it: that depends on values which are not part of the state.
    /// [`QuoteError::AmountOverflow`] also where the state would not fit 128 bits.
    pub fn swap_exact_in(&self, way: Way, amount_in: U256, at: u64) -> Result<Swapped<CryptoSwapState>, QuoteError> {
        let (i, j) = self.coins(way)?;
        let Executed { amount_out, curvature, k0 } = self.execute((i, j), amount_in, at)?;
        let mut state = self.state;
        state.balances[i] = narrow((of(U256::from(state.balances[i])) + amount_in).get()?)?;
        state.balances[j] = u128::try_from(amount_out)
            .ok()
            .and_then(|amount| state.balances[j].checked_sub(amount))
            .ok_or(QuoteError::InsufficientLiquidity)?;
        let xp = self.scaled(state.balances.map(U256::from))?;
        let is_ng = self.generation.is_ng();
        if !is_ng && state.future_time > 0 && at >= state.future_time {
            state.future_time = 1;
        }
        let tweak = Tweak { generation: self.generation, terms: &self.terms, state, curvature, xp, at };
        let after = if is_ng {
            tweak.ng(k0)?
        } else {
            let raw = [amount_in, amount_out];
            let scaled = [(of(amount_in) * self.precision(i)).get()?, (of(amount_out) * self.precision(j)).get()?];
            tweak.legacy(SwapPrice::of_amounts((i, j), raw, scaled, state.last_prices)?)?
        };
        Ok(Swapped { amount_out, after })
    }

    /// Input for an output, as the `get_dx` of NG's views answers it: near, and neither the least nor always enough.
    ///
    /// # Errors
    /// [`QuoteError::ExactOutputNotOffered`] before NG; [`QuoteError::InsufficientOutputAmount`] for no output;
    /// [`QuoteError::InsufficientLiquidity`] for more than the pool has; else as [`Self::quote_exact_in`].
    pub fn quote_exact_out(&self, way: Way, amount_out: U256, at: u64) -> Result<U256, QuoteError> {
        let (i, j) = self.coins(way)?;
        if !self.generation.is_ng() {
            return Err(QuoteError::ExactOutputNotOffered);
        }
        if amount_out.is_zero() {
            return Err(QuoteError::InsufficientOutputAmount);
        }
        let curvature = self.curvature(at)?;
        let d = self.invariant(curvature, at)?;
        let (mut with_fee, mut amount_in) = (amount_out, U256::ZERO);
        for _ in 0..EXACT_OUT_ROUNDS {
            let mut balances = self.state.balances.map(U256::from);
            balances[j] = balances[j].checked_sub(with_fee).ok_or(QuoteError::InsufficientLiquidity)?;
            let mut xp = self.scaled(balances)?;
            let solved = self.generation.balance(curvature, xp, d, i)?.y;
            let paid = (of(solved) - xp[i]).get()?;
            xp[i] = solved;
            amount_in = self.raw(i, paid)?;
            let fee = of(self.generation.fee(self.fee_terms(), xp)?) * with_fee / E10;
            with_fee = (of(amount_out) + fee + U256::ONE).get()?;
        }
        Ok(amount_in)
    }

    /// What makes quotes from this state quick, if its numbers are as short as those of pools are.
    #[must_use]
    pub fn prepare(&self) -> Option<Prepared> {
        Prepared::new(self)
    }

    /// Amplification and gamma at Unix second `at`, as the contract's views `A` and `gamma` answer.
    ///
    /// # Errors
    /// [`QuoteError::UnsafeValue`] before the ramp began.
    pub fn curvature_at(&self, at: u64) -> Result<(U256, U256), QuoteError> {
        let Curvature { a, gamma } = self.curvature(at)?;
        Ok((a, gamma))
    }

    /// Indices of a way that the pool has; none where it is paused.
    pub(super) fn coins(&self, way: Way) -> Result<(usize, usize), QuoteError> {
        let (i, j) = (usize::from(way.token_in), usize::from(way.token_out));
        let count = self.generation.coin_count();
        if i >= count || j >= count || i == j {
            return Err(QuoteError::TokenNotInPool);
        }
        if self.terms.is_paused { Err(QuoteError::Paused) } else { Ok((i, j)) }
    }

    fn execute(&self, (i, j): (usize, usize), amount_in: U256, at: u64) -> Result<Executed, QuoteError> {
        if amount_in.is_zero() {
            return Err(QuoteError::InsufficientInputAmount);
        }
        let curvature = self.curvature(at)?;
        let d = self.invariant(curvature, at)?;
        let mut balances = self.state.balances.map(U256::from);
        balances[i] = (of(balances[i]) + amount_in).get()?;
        let mut xp = self.scaled(balances)?;
        let Solved { y, k0 } = self.generation.balance(curvature, xp, d, j)?;
        // One unit stays, since the solution may be rounded up or down.
        let taken = xp[j].checked_sub(y).and_then(|taken| taken.checked_sub(U256::ONE));
        let taken = taken.ok_or(QuoteError::InsufficientLiquidity)?;
        xp[j] = y;
        let before_fee = self.raw(j, taken)?;
        let fee = of(self.generation.fee(self.fee_terms(), xp)?) * before_fee / E10;
        Ok(Executed { amount_out: (of(before_fee) - fee).get()?, curvature, k0 })
    }

    /// Amplification and gamma at Unix second `at`: straight lines in a ramp.
    fn curvature(&self, at: u64) -> Result<Curvature, QuoteError> {
        let CryptoSwapTerms { initial_a, future_a, initial_gamma, future_gamma, initial_time, .. } = self.terms;
        let end = self.state.future_time;
        if at >= end {
            return Ok(Curvature { a: U256::from(future_a), gamma: U256::from(future_gamma) });
        }
        let passed = at.checked_sub(initial_time).ok_or(QuoteError::UnsafeValue)?;
        let (passed, left) = (U256::from(passed), U256::from(end - at));
        let between = |from: u64, to: u64| {
            ((of(U256::from(from)) * left + of(U256::from(to)) * passed) / (of(left) + passed)).get()
        };
        Ok(Curvature { a: between(initial_a, future_a)?, gamma: between(initial_gamma, future_gamma)? })
    }

    /// The invariant that a swap starts from: as stored, or reckoned anew in a ramp.
    fn invariant(&self, curvature: Curvature, at: u64) -> Result<U256, QuoteError> {
        // Pools before NG go on until the swap after the ramp has cleared the mark.
        let is_anew = if self.generation.is_ng() { self.state.future_time > at } else { self.state.future_time > 0 };
        if !is_anew {
            return Ok(U256::from(self.state.d));
        }
        let xp = self.scaled(self.state.balances.map(U256::from))?;
        self.generation.invariant(curvature, xp, U256::ZERO)
    }

    fn precision(&self, coin: usize) -> U256 {
        U256::from(self.precisions[coin])
    }

    /// Balances at the price scale, and the invariant that a swap at `at` starts from.
    pub(super) fn balances_at(&self, at: u64) -> Result<([U256; 3], U256), QuoteError> {
        Ok((self.scaled(self.state.balances.map(U256::from))?, self.invariant(self.curvature(at)?, at)?))
    }

    /// Balances in the units of coin 0, of 10^18, at the price scale.
    fn scaled(&self, balances: [U256; 3]) -> Result<[U256; 3], QuoteError> {
        let mut xp = [U256::ZERO; 3];
        for coin in 0..self.generation.coin_count() {
            let balance = of(balances[coin]) * self.precision(coin);
            let scaled = match coin.checked_sub(1) {
                Some(k) => balance * U256::from(self.state.price_scale[k]) / E18,
                None => balance,
            };
            xp[coin] = scaled.get()?;
        }
        Ok(xp)
    }

    /// An amount of [`Self::scaled`] in the coin's own units, rounded down.
    fn raw(&self, coin: usize, scaled: U256) -> Result<U256, QuoteError> {
        let amount = match coin.checked_sub(1) {
            Some(k) => of(scaled) * E18 / U256::from(self.state.price_scale[k]),
            None => of(scaled),
        };
        (amount / self.precision(coin)).get()
    }

    fn fee_terms(&self) -> FeeTerms {
        FeeTerms {
            mid: U256::from(self.terms.mid_fee),
            out: U256::from(self.terms.out_fee),
            gamma: U256::from(self.terms.fee_gamma),
        }
    }
}
