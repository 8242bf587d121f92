//! A proof that no closed route earns more than so much.
//!
//! Take any prices. Round a closed route each hop's output is the next one's input, so what the route earns, at these prices, is the sum
//! of what its hops gain; and no hop gains more than the best trade of its pool does. So the pools' best gains bound every route
//! through them, whatever the prices are; good prices only make the bound tight (weak duality).

use alphapulse_protocol::{PoolId, TokenId};

use super::prices::Prices;
use super::worth::best_of_pool;
use crate::market::Market;

/// What float rounding may have hidden, as a part of what is traded: see the sizing of routes, which allows for as much.
pub(crate) const ROUNDING: f64 = 1e-12;

/// A pool that disagrees with the prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// The pool.
    pub pool: PoolId,
    /// Most that one trade through it gains at the prices, in raw units of `unit`; infinite where it cannot be told.
    pub gain: f64,
    /// Token in which its tokens are priced.
    pub unit: TokenId,
}

/// Prices, and what every pool is worth at them.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    prices: Prices,
    /// Pools out of band, dearest first. All others gain nobody anything.
    worths: Vec<Worth>,
}

impl Certificate {
    /// Of a market in its last whole block. Pools that are not traded, or that no route from the prices' tokens reaches, are no part of it.
    #[must_use]
    pub fn new(market: &Market, prices: Prices) -> Self {
        let pools = (0..).map(PoolId).take(market.replica().pools().len());
        let worth = |pool| {
            let trade = best_of_pool(market, pool, &prices)?;
            let tokens = &market.replica().pools().get(pool.index())?.tokens;
            let unit = tokens.iter().find_map(|token| prices.unit_of(*token))?;
            Some(Worth { pool, gain: trade.gain + trade.volume * ROUNDING, unit })
        };
        let mut worths: Vec<Worth> = pools.filter_map(worth).collect();
        worths.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.pool.cmp(&b.pool)));
        Self { prices, worths }
    }

    /// The prices that it rests on.
    #[must_use]
    pub const fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Pools out of band, dearest first.
    #[must_use]
    pub fn out_of_band(&self) -> &[Worth] {
        &self.worths
    }

    /// Most raw units of `token` that any trades earn which end with what they began with and pass each pool once; `None` where the token has
    /// no price.
    #[must_use]
    pub fn bound_of_all(&self, token: TokenId) -> Option<f64> {
        self.bound(token, usize::MAX)
    }

    /// Most raw units of `token` that a closed route of at most `hops` pools earns before gas; `None` where the token has no price, so
    /// that no route goes through it.
    #[must_use]
    pub fn bound(&self, token: TokenId, hops: usize) -> Option<f64> {
        let (price, unit) = (self.prices.of(token)?, self.prices.unit_of(token)?);
        let gains = self.worths.iter().filter(|worth| worth.unit == unit).map(|worth| worth.gain);
        Some(gains.take(hops).sum::<f64>() / price)
    }
}
