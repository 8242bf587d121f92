//! A certificate held against the pools' own exact quotes: no rate, no range and no formula of the search is asked.

use alphapulse_protocol::PoolId;
use ruint::aliases::U256;
use thiserror::Error;

use crate::market::{HotLine, Market, PoolView};
use crate::search::Certificate;

/// What exact amounts may exceed a bound in real numbers by: rounding of floats, as a part of what is traded.
const ROUNDING: f64 = 1e-11;

/// A pool that gives more than a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("pool {pool} gains {gain} with {amount_in} raw units at the certificate's prices, which says {said}", pool = pool.0)]
pub struct Understated {
    /// The pool.
    pub pool: PoolId,
    /// Raw units of the token that goes in.
    pub amount_in: U256,
    /// What that gains, in the prices' unit.
    pub gain: f64,
    /// Most that the certificate grants it.
    pub said: f64,
}

/// Tries every traded pool both ways, with amounts found by search over exact quotes. Gives how many quotes were asked.
///
/// # Errors
/// The first pool that gains more than the certificate says.
pub fn check_certificate(market: &Market, certificate: &Certificate) -> Result<u64, Understated> {
    let mut quotes = 0;
    for line in market.all_lines().iter().filter(|line| line.is_admitted()) {
        let prices = certificate.prices();
        let (Some(price_in), Some(price_out)) = (prices.of(line.token_in), prices.of(line.token_out)) else { continue };
        let Ok(view) = market.pool(line.pool) else { continue };
        let found = certificate.out_of_band().iter().find(|worth| worth.pool == line.pool);
        let said = found.map_or(0.0, |worth| worth.gain);
        let mut asked = Asked { market, view, line, price_in, price_out, quotes: 0 };
        let best = asked.best();
        quotes += asked.quotes;
        if let Some((amount_in, gain)) = best
            // What comes out is worth the input and the gain.
            && gain > said + (2.0 * f64::from(amount_in) * price_in + gain) * ROUNDING
        {
            return Err(Understated { pool: line.pool, amount_in, gain, said });
        }
    }
    Ok(quotes)
}

/// One way through a pool, asked for amounts.
struct Asked<'a> {
    market: &'a Market,
    view: PoolView<'a>,
    line: &'a HotLine,
    price_in: f64,
    price_out: f64,
    quotes: u64,
}

impl Asked<'_> {
    /// What an amount gains; minus infinity where the pool refuses it.
    fn gain(&mut self, amount_in: U256) -> f64 {
        self.quotes += 1;
        let output = self.view.hop_output(self.line.way, amount_in, self.market.timestamp());
        output.map_or(f64::NEG_INFINITY, |output| {
            f64::from(output) * self.price_out - f64::from(amount_in) * self.price_in
        })
    }

    /// The amount that gains most: the best power of two, and then thirds of what lies between its neighbours. A pool's output is
    /// concave but for its rounding, so that what is missed is a few units' worth.
    fn best(&mut self) -> Option<(U256, f64)> {
        let powers = (0..128).map(|bit| U256::ONE << bit);
        let (mut best, mut most) = (U256::ZERO, 0.0);
        for amount in powers {
            let gain = self.gain(amount);
            if gain > most {
                (best, most) = (amount, gain);
            }
        }
        if best.is_zero() {
            return None;
        }
        let (mut low, mut high) = (best >> 1, best << 1);
        while high - low > U256::from(3) {
            let third = (high - low) / U256::from(3);
            let (left, right) = (low + third, high - third);
            if self.gain(left) < self.gain(right) {
                low = left;
            } else {
                high = right;
            }
        }
        let gain = self.gain(low);
        Some(if gain > most { (low, gain) } else { (best, most) })
    }
}
