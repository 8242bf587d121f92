//! Pools whose last coin is the share of a base pool.

use ruint::aliases::U256;

use super::super::{QuoteError, Way};
use super::arithmetic::{add, div, mul, scale, sub, unscale};
use super::{COINS_MAX, FEE_ONE, Rules, StableSwapView};

/// Seconds for which the first meta pools trust the base price that they remember: `BASE_CACHE_EXPIRES`.
pub const PRICE_CACHE_SECONDS: u64 = 600;

/// The pool under a meta pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasePool<'a> {
    /// Its state; itself over no base pool.
    pub pool: &'a StableSwapView<'a>,
    /// What the meta pool remembers of its price; `None` in pools of a factory, which ask anew each time.
    pub price_cache: Option<PriceCache>,
}

/// A virtual price remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceCache {
    /// Worth of the base pool's share, times 10^18.
    pub price: u128,
    /// Unix seconds.
    pub updated: u64,
}

impl BasePool<'_> {
    /// The price that a swap at `at` uses, and since when it stands.
    pub(super) fn price(&self, at: u64) -> Result<PriceCache, QuoteError> {
        match self.price_cache {
            Some(cache) if at <= cache.updated.saturating_add(PRICE_CACHE_SECONDS) => Ok(cache),
            _ => {
                // No contract stacks three pools.
                if self.pool.base.is_some() {
                    return Err(QuoteError::UnknownVariant);
                }
                let price = self.pool.virtual_price(at)?;
                let price = u128::try_from(price).map_err(|_| QuoteError::AmountOverflow)?;
                Ok(PriceCache { price, updated: at })
            }
        }
    }

    /// What is remembered after a swap at `at`.
    pub(super) fn cache_after(&self, at: u64) -> Result<Option<PriceCache>, QuoteError> {
        self.price_cache.map(|_| self.price(at)).transpose()
    }
}

impl StableSwapView<'_> {
    /// Output between the coins of a meta pool and those of its base, by the view `get_dy_underlying`. The exchange itself
    /// deposits and withdraws, at a fee that the view only estimates: its output differs.
    ///
    /// Units: raw. Shape: `way` counts the meta pool's own coins without the last, then the base pool's.
    ///
    /// # Errors
    /// [`QuoteError::UnknownVariant`] for a pool over no base, and for NG pools on either side, whose views reckon
    /// otherwise; [`QuoteError::TokenNotInPool`]; else as [`StableSwapView::quote_exact_in`].
    pub fn quote_underlying(&self, way: Way, amount_in: U256, at: u64) -> Result<U256, QuoteError> {
        let Some(base) = &self.base else { return Err(QuoteError::UnknownVariant) };
        if self.rules == Rules::Ng || base.pool.rules == Rules::Ng || base.pool.base.is_some() {
            return Err(QuoteError::UnknownVariant);
        }
        let last = self.balances.len().checked_sub(1).ok_or(QuoteError::InvalidPoolState)?;
        let (from, to) = (place(way.token_in, last), place(way.token_out, last));
        if way.token_in == way.token_out {
            return Err(QuoteError::TokenNotInPool);
        }
        if let (Place::Base(token_in), Place::Base(token_out)) = (from, to) {
            return base.pool.quote_exact_in(Way { token_in, token_out }, amount_in, at);
        }
        let mut fresh = None;
        let solved = self.invariant_at(at, &mut fresh)?;
        let (token_in, added) = match from {
            Place::Own(coin) => (coin, scale(amount_in, solved.rate(coin)?)?),
            Place::Base(coin) => (last, scale(base.deposit(coin, amount_in, at)?, solved.rate(last)?)?),
        };
        // Half of the base's fee, which stands for what a deposit of one coin costs.
        let added = match from {
            Place::Own(_) => added,
            Place::Base(_) => {
                let base_fee = mul(added, U256::from(base.pool.fee))?;
                sub(added, div(base_fee, U256::from(2 * FEE_ONE))?)?
            }
        };
        let token_out = match to {
            Place::Own(coin) => coin,
            Place::Base(_) => last,
        };
        let balance_in = add(solved.scaled_of(token_in)?, added)?;
        let net = self.net_output(solved, token_in, token_out, balance_in)?;
        match to {
            Place::Own(coin) => unscale(net, solved.rate(coin)?),
            Place::Base(coin) => base.pool.calc_withdraw_one_coin(unscale(net, solved.rate(last)?)?, coin, at),
        }
    }
}

impl BasePool<'_> {
    /// Shares for `amount` of one coin, by the base's own view.
    fn deposit(&self, coin: u8, amount: U256, at: u64) -> Result<U256, QuoteError> {
        let mut amounts = [U256::ZERO; COINS_MAX];
        let count = self.pool.balances.len();
        let amounts = amounts.get_mut(..count).ok_or(QuoteError::InvalidPoolState)?;
        *amounts.get_mut(usize::from(coin)).ok_or(QuoteError::TokenNotInPool)? = amount;
        self.pool.calc_token_amount(amounts, true, at)
    }
}

/// Where a coin of an underlying pair lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Own(usize),
    Base(u8),
}

fn place(token: u8, last: usize) -> Place {
    match usize::from(token).checked_sub(last).map(u8::try_from) {
        Some(Ok(in_base)) => Place::Base(in_base),
        _ => Place::Own(usize::from(token)),
    }
}
