//! What a swap leaves behind: averaged prices, profit, and now and then a price scale that has moved.

use ruint::aliases::U256;

use super::generation::CryptoSwapGeneration;
use super::geometric::legacy_square_root;
use super::newton_legacy::{Curvature, FRACTION, check_fraction};
use super::words::{E18, of};
use super::{CryptoSwapState, CryptoSwapTerms};
use crate::pool::QuoteError;
use crate::pool::square_root::square_root;

/// A pool between the transfer of a swap and the end of its transaction.
#[derive(Clone, Copy)]
pub(super) struct Tweak<'a> {
    pub(super) generation: CryptoSwapGeneration,
    pub(super) terms: &'a CryptoSwapTerms,
    /// Balances are new, the rest is that before the swap.
    pub(super) state: CryptoSwapState,
    pub(super) curvature: Curvature,
    /// New balances in the units of coin 0, of 10^18, at the old price scale.
    pub(super) xp: [U256; 3],
    pub(super) at: u64,
}

/// Value of the pool at some price scale.
#[derive(Clone, Copy)]
struct Valued {
    d: U256,
    virtual_price: U256,
}

/// Prices that an amount must exceed on both sides to count, in raw units.
const AMOUNT_THAT_COUNTS: u32 = 100_000;

/// The price of a swap, where it is taken from its own amounts: coin, and price in coin 0 of 10^18.
pub(super) struct SwapPrice {
    coin: usize,
    price: U256,
}

impl SwapPrice {
    /// `None` where an amount is too small, or the price rounds to zero. Amounts raw, and in units of 10^-18.
    pub(super) fn of_amounts(
        way: (usize, usize),
        raw: [U256; 2],
        scaled: [U256; 2],
        last_prices: [u128; 2],
    ) -> Result<Option<Self>, QuoteError> {
        let least = U256::from(AMOUNT_THAT_COUNTS);
        if raw[0] <= least || raw[1] <= least {
            return Ok(None);
        }
        let [paid, taken] = scaled;
        let (coin, price) = match way {
            (0, j) => (j, of(paid) * E18 / taken),
            (i, 0) => (i, of(taken) * E18 / paid),
            (i, j) => (j, of(U256::from(last_prices[i - 1])) * paid / taken),
        };
        let price = price.get()?;
        Ok((!price.is_zero()).then_some(Self { coin, price }))
    }
}

impl Tweak<'_> {
    /// State after a swap of a pool before NG.
    ///
    /// # Errors
    /// [`QuoteError::Loss`] where a share would lose value outside a ramp; [`QuoteError::StateUnknown`] where a pool
    /// of two coins claims its owner's fees, which needs values that no message carries; any of the maths.
    pub(super) fn legacy(mut self, price: Option<SwapPrice>) -> Result<CryptoSwapState, QuoteError> {
        let last_prices = self.state.last_prices;
        self.average(last_prices)?;
        let d = self.generation.invariant(self.curvature, self.xp, U256::ZERO)?;
        match price {
            Some(SwapPrice { coin, price }) => self.state.last_prices[coin - 1] = narrow_price(price)?,
            None => self.state.last_prices = self.numeric_prices(d)?,
        }
        let old_virtual_price = self.state.virtual_price;
        let valued = self.value(d, old_virtual_price)?;
        if old_virtual_price > 0 {
            if self.state.future_time == 0 && valued.virtual_price < U256::from(old_virtual_price) {
                return Err(QuoteError::Loss);
            }
            // The contract's own mark: 1 says that the ramp is over and this is the last swap that reckons D anew.
            if self.state.future_time == 1 {
                self.state.future_time = 0;
            }
        }
        self.state.is_not_adjusted |= self.has_spare_profit(valued.virtual_price)?;
        if self.state.is_not_adjusted
            && old_virtual_price > 0
            && let Some((norm, step)) = self.legacy_norm()?
        {
            let moved = self.moved(norm, step)?;
            if self.is_worth_it(moved.1.virtual_price)? {
                return self.settled(moved.1, moved.0);
            }
            self.state.is_not_adjusted = false;
            if self.generation == CryptoSwapGeneration::TwoCrypto {
                return Err(QuoteError::StateUnknown);
            }
        }
        self.settled(valued, self.state.price_scale)
    }

    /// State after a swap of an NG pool; `k0` is what its cubic left.
    ///
    /// # Errors
    /// [`QuoteError::Loss`] where a share would not gain outside a ramp; any of the maths.
    pub(super) fn ng(mut self, k0: U256) -> Result<CryptoSwapState, QuoteError> {
        // A single swap may not drag the average further than twice the price scale.
        let [a, b] = self.state.price_scale.map(|price| price.saturating_mul(2));
        let [last_a, last_b] = self.state.last_prices;
        self.average([last_a.min(a), last_b.min(b)])?;
        let d = self.generation.invariant(self.curvature, self.xp, k0)?;
        let marginal = self.generation.marginal_prices(self.curvature, self.xp, d)?;
        for k in self.prices() {
            let price = (of(marginal[k]) * U256::from(self.state.price_scale[k]) / E18).get()?;
            self.state.last_prices[k] = narrow_price(price)?;
        }
        let old_virtual_price = self.state.virtual_price;
        let valued = self.value(d, old_virtual_price)?;
        let may_lose = old_virtual_price == 0 || self.state.future_time >= self.at;
        if !may_lose && valued.virtual_price <= U256::from(old_virtual_price) {
            return Err(QuoteError::Loss);
        }
        if self.has_spare_profit(valued.virtual_price)?
            && let Some((norm, step)) = self.ng_norm()?
        {
            let (price_scale, moved) = self.moved(norm, step)?;
            if self.is_worth_it(moved.virtual_price)? {
                return self.settled(moved, price_scale);
            }
        }
        self.settled(valued, self.state.price_scale)
    }

    fn prices(&self) -> core::ops::Range<usize> {
        0..self.generation.coin_count() - 1
    }

    /// Moves the averages once per block, towards the prices noted before it.
    fn average(&mut self, last_prices: [u128; 2]) -> Result<(), QuoteError> {
        let Some(elapsed) = self.at.checked_sub(self.state.last_prices_time).filter(|&elapsed| elapsed > 0) else {
            return Ok(());
        };
        let kept = self.generation.kept(elapsed, self.terms.ma_time)?;
        for k in self.prices() {
            let (last, average) = (U256::from(last_prices[k]), U256::from(self.state.price_oracle[k]));
            let moved = (of(last) * (of(E18) - kept) + of(average) * kept) / E18;
            self.state.price_oracle[k] = narrow_price(moved.get()?)?;
        }
        self.state.last_prices_time = self.at;
        Ok(())
    }

    /// Prices by a small trial: what a millionth of coin 0 would buy.
    fn numeric_prices(&self, d: U256) -> Result<[u128; 2], QuoteError> {
        let mut trial = self.xp;
        let paid = trial[0] / U256::from(1_000_000);
        trial[0] = (of(trial[0]) + paid).get()?;
        let mut prices = self.state.last_prices;
        for k in self.prices() {
            let y = self.generation.balance(self.curvature, trial, d, k + 1)?.y;
            let price = of(U256::from(self.state.price_scale[k])) * paid / (of(self.xp[k + 1]) - y);
            prices[k] = narrow_price(price.get()?)?;
        }
        Ok(prices)
    }

    /// Notes the profit and gives the pool's value at the old price scale.
    fn value(&mut self, d: U256, old_virtual_price: u128) -> Result<Valued, QuoteError> {
        if old_virtual_price == 0 {
            self.state.xcp_profit = 1_000_000_000_000_000_000;
            return Ok(Valued { d, virtual_price: E18 });
        }
        let virtual_price = self.virtual_price(d, self.state.price_scale)?;
        let profit = of(U256::from(self.state.xcp_profit)) * virtual_price / U256::from(old_virtual_price);
        self.state.xcp_profit = narrow(profit.get()?)?;
        Ok(Valued { d, virtual_price })
    }

    fn virtual_price(&self, d: U256, prices: [u128; 2]) -> Result<U256, QuoteError> {
        let count = U256::from(self.generation.coin_count());
        let mut x = [d / count, U256::ZERO, U256::ZERO];
        for k in self.prices() {
            x[k + 1] = (of(d) * E18 / (of(count) * U256::from(prices[k]))).get()?;
        }
        (of(E18) * self.generation.mean(x)? / U256::from(self.state.supply)).get()
    }

    /// Whether half of the profit, and the allowance, are left over to pay for a move.
    fn has_spare_profit(&self, virtual_price: U256) -> Result<bool, QuoteError> {
        let two = U256::from(2);
        let value = (of(virtual_price) * two - E18).get()?;
        let allowed = U256::from(self.terms.allowed_extra_profit);
        Ok(value > (of(U256::from(self.state.xcp_profit)) + of(allowed) * two).get()?)
    }

    /// Whether a move leaves more than half of the profit.
    fn is_worth_it(&self, virtual_price: U256) -> Result<bool, QuoteError> {
        let value = || (of(virtual_price) * U256::from(2) - E18).get();
        Ok(virtual_price > E18 && value()? > U256::from(self.state.xcp_profit))
    }

    /// How far coin `k`'s average price is from its scale, of 10^18.
    fn distance(&self, k: usize) -> Result<U256, QuoteError> {
        let ratio = of(U256::from(self.state.price_oracle[k])) * E18 / U256::from(self.state.price_scale[k]);
        Ok(ratio.get()?.abs_diff(E18))
    }

    fn squared_distance(&self) -> Result<U256, QuoteError> {
        let mut sum = of(U256::ZERO);
        for k in self.prices() {
            let distance = self.distance(k)?;
            sum = sum + of(distance) * distance;
        }
        sum.get()
    }

    /// Distance between averages and scale, and the step towards them; `None` where it is too short to go.
    fn legacy_norm(&self) -> Result<Option<(U256, U256)>, QuoteError> {
        let step = U256::from(self.terms.adjustment_step);
        if self.generation.coin_count() == 2 {
            let norm = self.distance(0)?;
            let step = step.max(norm / U256::from(10));
            return Ok((norm > step).then_some((norm, step)));
        }
        let square = self.squared_distance()?;
        if square <= step.wrapping_mul(step) {
            return Ok(None);
        }
        Ok(Some((legacy_square_root(square / E18)?, step)))
    }

    /// As [`Self::legacy_norm`], with a step of a fifth of the way.
    fn ng_norm(&self) -> Result<Option<(U256, U256)>, QuoteError> {
        let norm =
            if self.generation.coin_count() == 2 { self.distance(0)? } else { square_root(self.squared_distance()?) };
        let step = U256::from(self.terms.adjustment_step).max(norm / U256::from(5));
        Ok((norm > step).then_some((norm, step)))
    }

    /// The price scale `step / norm` of the way nearer to the averages, and the pool's value there.
    fn moved(&self, norm: U256, step: U256) -> Result<([u128; 2], Valued), QuoteError> {
        let mut prices = self.state.price_scale;
        let mut xp = self.xp;
        for k in self.prices() {
            let (scale, average) = (U256::from(self.state.price_scale[k]), U256::from(self.state.price_oracle[k]));
            let price = ((of(scale) * (of(norm) - step) + of(step) * average) / norm).get()?;
            xp[k + 1] = (of(xp[k + 1]) * price / scale).get()?;
            prices[k] = narrow_price(price)?;
        }
        let d = self.generation.invariant(self.curvature, xp, U256::ZERO)?;
        if self.generation.is_ng() {
            xp.iter().take(self.generation.coin_count()).try_for_each(|&x| check_fraction(x, d, FRACTION.0))?;
        }
        let virtual_price = self.virtual_price(d, prices)?;
        Ok((prices, Valued { d, virtual_price }))
    }

    fn settled(self, valued: Valued, price_scale: [u128; 2]) -> Result<CryptoSwapState, QuoteError> {
        Ok(CryptoSwapState {
            d: narrow(valued.d)?,
            virtual_price: narrow(valued.virtual_price)?,
            price_scale,
            ..self.state
        })
    }
}

/// A value that the messages carry in 128 bits. No contract in its own domain passes them.
pub(super) fn narrow(value: U256) -> Result<u128, QuoteError> {
    u128::try_from(value).map_err(|_| QuoteError::AmountOverflow)
}

/// The contracts keep two prices in a word, and refuse one whose bits are all set.
fn narrow_price(price: U256) -> Result<u128, QuoteError> {
    narrow(price).and_then(|price| if price == u128::MAX { Err(QuoteError::AmountOverflow) } else { Ok(price) })
}
