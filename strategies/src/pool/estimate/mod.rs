//! Marginal rate and curvature of every kind of pool, by which search ranks hops.
//!
//! **No amount comes from here.** What decides a trade is the integer quote of the same pool; a wrong digit here costs a
//! look at a route or hides one, and a plan of trades a little of its profit, never a unit of a token that it states. These are the only files of the pool maths, beside
//! [`mobius`](super::mobius) and [`ladder`](super::ladder), that know floats.
//!
//! Each function gives the osculating Möbius map at no input: `g` is the slope there, fee included, and
//! `h = -f''(0) / (2 f'(0))`, so that `g x / (1 + h x)` agrees with the output in value, slope and curvature. It is the
//! output itself for a constant product and for one range of liquidity. `None` where nothing can be sold.
//!
//! | function | closed form |
//! |---|---|
//! | [`weighted`] | `g = kept (B_o / B_i) r`, `h = kept (r + 1) / (2 B_i)`, with `r` the quotient of the weights |
//! | [`stable_swap`], [`balancer_stable`] | implicit derivatives of `Ann S + D = Ann D + D^(n + 1) / (n^n P)` |
//! | [`crypto_swap`] | of `(S - D) K0 Ann gamma^2 = D (1 - K0) (gamma + 1 - K0)^2`, `K0 = n^n P / D^n` |
//! | [`solidly`] | of `x y`, or of `x^3 y + x y^3` |
//!
//! A fee that moves with the balances (off-peg, CryptoSwap) is differentiated along the curve. Sources: the curves' white
//! papers; the derivatives are ours, and a test holds them against differences of the integer quotes.

mod crypto_swap;
mod implicit;
mod solidly;
mod stable_swap;
mod weighted;

pub use crypto_swap::{crypto_swap, crypto_swap_fee_range, crypto_swap_resolution};
pub use solidly::solidly;
pub use stable_swap::{StableCurve, balancer_stable, stable_swap, stable_swap_fee_range};
pub use weighted::{WeightedCurve, weighted};

use super::Mobius;
use ruint::aliases::U256;

/// One, in fees and rates of 18 decimals.
const ONE_18: f64 = 1e18;

/// Slope and curvature of an output, each in units of its own.
#[derive(Debug, Clone, Copy)]
struct Slope {
    first: f64,
    second: f64,
}

impl Slope {
    /// The map, when a raw unit of input is `unit_in` units of the curve, and a unit of the curve `unit_out` raw units of
    /// output.
    fn osculating(self, unit_in: f64, unit_out: f64) -> Option<Mobius> {
        let g = self.first * unit_in * unit_out;
        let h = -self.second / (2.0 * self.first) * unit_in;
        (g > 0.0 && g.is_finite() && h.is_finite()).then_some(Mobius { g, h })
    }

    /// The output less a fee that is `fee` at no input and grows by `growth` with each unit of it.
    fn less_fee(self, fee: f64, growth: f64) -> Self {
        let kept = 1.0 - fee;
        Self { first: self.first * kept, second: self.second * kept - 2.0 * self.first * growth }
    }
}

/// The nearest float.
fn float(value: U256) -> f64 {
    f64::from(value)
}
