//! Exact-input swaps, written from the contracts' behaviour with integers wide enough that nothing overflows.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use alloy::primitives::{Address, U256, Uint};

use super::{Book, PoolSnapshot};

/// 512 bits: the widest product here is liquidity (128) × 2^96 × price (160).
type Wide = Uint<512, 8>;
/// For the price constants: 10000 × 2^512 needs 526 bits.
type Wider = Uint<640, 10>;

const PPM: u64 = 1_000_000;
const TICK_MAX: i32 = 887_272;
/// Ticks per word of a pool's bitmap. The contract stops at the end of a word even when no tick is there, and rounds there.
const WORD_TICKS: i32 = 256;

/// State of a concentrated-liquidity pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcentratedBook {
    /// Square root of the price times 2^96.
    pub sqrt_price_x96: U256,
    /// Current price tick.
    pub tick: i32,
    /// Active liquidity.
    pub liquidity: u128,
    /// Net liquidity of every initialised tick.
    pub ticks: BTreeMap<i32, i128>,
}

/// Output of `pool` for exactly `amount_in` of `token_in`, raw units.
///
/// Rounding: as the contract. `None` when the pool does not hold the token, or cannot take the whole input.
#[must_use]
pub fn quote_exact_in(pool: &PoolSnapshot, token_in: Address, amount_in: U256) -> Option<U256> {
    pool.other_token(token_in)?;
    let zero_for_one = pool.key.tokens[0] == token_in;
    match &pool.book {
        Book::ConstantProduct(reserves) => constant_product(*reserves, pool.key.fee_ppm, zero_for_one, amount_in),
        Book::Concentrated(book) => {
            Swap::new(book, pool.key.fee_ppm, pool.key.tick_spacing, zero_for_one, amount_in).run()
        }
    }
}

fn constant_product(reserves: [U256; 2], fee_ppm: u32, zero_for_one: bool, amount_in: U256) -> Option<U256> {
    let (reserve_in, reserve_out) = if zero_for_one { (reserves[0], reserves[1]) } else { (reserves[1], reserves[0]) };
    // The pair refuses a balance that does not fit its packed reserves.
    if reserve_in.is_zero() || reserve_out.is_zero() || (wide(reserve_in) + wide(amount_in)) >> 112 != Wide::ZERO {
        return None;
    }
    let after_fee = wide(amount_in) * Wide::from(PPM - u64::from(fee_ppm));
    Some(narrow(after_fee * wide(reserve_out) / (wide(reserve_in) * Wide::from(PPM) + after_fee)))
}

/// One exact-input swap under way.
struct Swap<'a> {
    book: &'a ConcentratedBook,
    fee_ppm: u64,
    spacing: i32,
    zero_for_one: bool,
    sqrt_price: Wide,
    tick: i32,
    liquidity: Wide,
    remaining: Wide,
    received: Wide,
}

impl<'a> Swap<'a> {
    fn new(book: &'a ConcentratedBook, fee_ppm: u32, spacing: i32, zero_for_one: bool, amount_in: U256) -> Self {
        Self {
            book,
            fee_ppm: u64::from(fee_ppm),
            spacing,
            zero_for_one,
            sqrt_price: wide(book.sqrt_price_x96),
            tick: book.tick,
            liquidity: Wide::from(book.liquidity),
            remaining: wide(amount_in),
            received: Wide::ZERO,
        }
    }

    fn run(mut self) -> Option<U256> {
        while !self.remaining.is_zero() {
            let (next, net) = self.next_stop();
            // The router's limits: one inside the lowest and highest price.
            let target = match (next <= -TICK_MAX, next >= TICK_MAX) {
                (true, _) => sqrt_price_at(-TICK_MAX) + Wide::ONE,
                (_, true) => sqrt_price_at(TICK_MAX) - Wide::ONE,
                _ => sqrt_price_at(next),
            };
            self.step(target);
            if self.sqrt_price != target {
                break;
            }
            if next.abs() >= TICK_MAX {
                break;
            }
            self.cross(next, net);
        }
        self.remaining.is_zero().then(|| narrow(self.received))
    }

    /// Next tick at which the contract stops, with its net liquidity if it is initialised.
    fn next_stop(&self) -> (i32, Option<i128>) {
        let compressed = self.tick.div_euclid(self.spacing);
        let (initialised, word_end) = if self.zero_for_one {
            let word_end = compressed.div_euclid(WORD_TICKS) * WORD_TICKS * self.spacing;
            (self.book.ticks.range(word_end..=compressed * self.spacing).next_back(), word_end)
        } else {
            let first = compressed + 1;
            let word_end = (first.div_euclid(WORD_TICKS) * WORD_TICKS + WORD_TICKS - 1) * self.spacing;
            (self.book.ticks.range(first * self.spacing..=word_end).next(), word_end)
        };
        match initialised {
            Some((tick, net)) => (*tick, Some(*net)),
            None => (word_end.clamp(-TICK_MAX, TICK_MAX), None),
        }
    }

    /// Swaps until the input is used up or the price is `target`.
    fn step(&mut self, target: Wide) {
        let after_fee = self.remaining * Wide::from(PPM - self.fee_ppm) / Wide::from(PPM);
        let needed = self.input_between(target);
        let price = if after_fee >= needed { target } else { self.price_after(after_fee) };
        let paid = self.input_between(price);
        self.received += self.output_between(price);
        self.sqrt_price = price;
        self.remaining = if price == target {
            let fee = (paid * Wide::from(self.fee_ppm)).div_ceil(Wide::from(PPM - self.fee_ppm));
            self.remaining - paid - fee
        } else {
            // Short of the target the rest is the fee.
            Wide::ZERO
        };
    }

    fn cross(&mut self, tick: i32, net: Option<i128>) {
        let net = net.unwrap_or(0);
        let magnitude = Wide::from(net.unsigned_abs());
        // Net liquidity is what an upward crossing adds.
        if (net < 0) == self.zero_for_one {
            self.liquidity += magnitude;
        } else {
            self.liquidity -= magnitude;
        }
        self.tick = if self.zero_for_one { tick - 1 } else { tick };
    }

    /// Input that moves the price to `price`, rounded up.
    fn input_between(&self, price: Wide) -> Wide {
        if self.zero_for_one {
            amount_0(self.liquidity, price, self.sqrt_price, Rounding::Up)
        } else {
            amount_1(self.liquidity, self.sqrt_price, price, Rounding::Up)
        }
    }

    /// Output of a move to `price`, rounded down.
    fn output_between(&self, price: Wide) -> Wide {
        if self.zero_for_one {
            amount_1(self.liquidity, price, self.sqrt_price, Rounding::Down)
        } else {
            amount_0(self.liquidity, self.sqrt_price, price, Rounding::Down)
        }
    }

    /// Price after `amount` went in, rounded so that the pool does not lose.
    fn price_after(&self, amount: Wide) -> Wide {
        if !self.zero_for_one {
            return self.sqrt_price + (amount << 96) / self.liquidity;
        }
        let depth: Wide = self.liquidity << 96;
        let product: Wide = amount * self.sqrt_price;
        // Past 256 bits the contract falls back to a coarser formula, and so its result differs.
        if product >> 256 == Wide::ZERO && (depth + product) >> 256 == Wide::ZERO {
            Wide::div_ceil(depth * self.sqrt_price, depth + product)
        } else {
            depth.div_ceil(depth / self.sqrt_price + amount)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
}

impl Rounding {
    fn divide(self, numerator: Wide, denominator: Wide) -> Wide {
        if self == Self::Up { numerator.div_ceil(denominator) } else { numerator / denominator }
    }
}

fn amount_0(liquidity: Wide, low: Wide, high: Wide, rounding: Rounding) -> Wide {
    rounding.divide(rounding.divide((liquidity << 96) * (high - low), high), low)
}

fn amount_1(liquidity: Wide, low: Wide, high: Wide, rounding: Rounding) -> Wide {
    rounding.divide(liquidity * (high - low), Wide::ONE << 96)
}

/// The contract's square-root price at a tick, times 2^96.
pub(super) fn sqrt_price_at(tick: i32) -> Wide {
    let mut ratio: Wide = Wide::ONE << 128;
    for (bit, factor) in price_factors().iter().enumerate() {
        if (tick.unsigned_abs() >> bit) & 1 == 1 {
            ratio = (ratio * *factor) >> 128;
        }
    }
    if tick > 0 {
        ratio = wide(U256::MAX) / ratio;
    }
    ratio.div_ceil(Wide::ONE << 32)
}

/// 2^128 × 1.0001^(−2^i/2), nearest integer, for the 20 bits of a tick: what the contract holds as literals.
fn price_factors() -> &'static [Wide; 20] {
    static FACTORS: OnceLock<[Wide; 20]> = OnceLock::new();
    FACTORS.get_or_init(|| {
        // Fixed point with 256 fractional bits.
        let one_squared: Wider = Wider::ONE << 512;
        let mut power: Wider = Wider::root(one_squared / Wider::from(10_001_u64) * Wider::from(10_000_u64), 2);
        std::array::from_fn(|_| {
            let factor = (power + (Wider::ONE << 127)) >> 128;
            power = (power * power) >> 256;
            Wide::from(factor)
        })
    })
}

fn wide(value: U256) -> Wide {
    Wide::from(value)
}

fn narrow(value: Wide) -> U256 {
    U256::from(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TickMath.MIN_SQRT_RATIO` and `MAX_SQRT_RATIO` of the published contract.
    #[test]
    fn derived_price_constants_give_the_contracts_extreme_prices() {
        assert_eq!(sqrt_price_at(-TICK_MAX), Wide::from(4_295_128_739_u64));
        let highest: Wide = "1461446703485210103287273052203988822378723970342".parse().expect("a number");
        assert_eq!(sqrt_price_at(TICK_MAX), highest);
        assert_eq!(sqrt_price_at(0), Wide::ONE << 96);
    }
}
